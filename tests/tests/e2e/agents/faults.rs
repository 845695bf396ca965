//! What comes of a model's endpoint that does not do what it should.

use super::{KEY, World, count, ended, events, text};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use taskgate_tests::{ModelServer, Store};

taskgate_tests::on_both_stores!(
    faults_that_pass_are_ridden_out,
    faults_that_last_are_told_without_the_key,
    an_endpoint_that_is_gone_or_refuses_the_key_is_told,
);

/// What an endpoint can do wrong for a while.
const FAULTS: [&str; 9] =
    ["down", "stall", "limited", "failing", "loading", "broken", "error", "empty", "cut"];

/// Submits a task for each of these faults, as a model; they run together.
async fn submit_each(world: &World, models: &[String]) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for model in models {
        let context = json!({ "model_override": model });
        ids.insert(model.clone(), world.submit("Who is there?", "simple", context).await);
    }
    ids
}

/// All that a task's owner can read of it, and all that the server has logged.
async fn all_that_is_told(world: &World, id: &str) -> String {
    let paths = [
        format!("/api/v1/tasks/{id}"),
        format!("/api/v1/tasks/{id}/events?limit=200"),
        format!("/api/v1/tasks/{id}/timeline?mode=full&include_payloads=true"),
    ];
    let mut told = world.server.log();
    for path in paths {
        told += &world.gateway.get(&path).await.expect(200).to_string();
    }
    told
}

async fn faults_that_pass_are_ridden_out(store: Store) {
    // Long enough that under load no other fault looks like a stall.
    let world = World::new(&store, &["--model-timeout", "5"]);
    let once: Vec<String> = FAULTS.iter().map(|fault| format!("fault:{fault}:1")).collect();
    // More often than a single attempt asks.
    let often = ["fault:failing:5".to_owned(), "fault:cut:5".to_owned()];
    let ids = submit_each(&world, &[&once[..], &often[..]].concat()).await;
    for (model, id) in &ids {
        let task = ended(&world.gateway, id).await;
        assert_eq!(task["result"], "You asked: Who is there?", "{model}: {task}");
        let attempts = if often.contains(model) { 2 } else { 1 };
        assert_eq!(task["attempts"], attempts, "{model}");
        let asked = world.endpoint.requests().await;
        let asked = asked.iter().filter(|request| request["model"] == model.as_str()).count();
        assert_eq!(asked, if attempts == 2 { 6 } else { 2 }, "{model}");
        let void = events(&world.gateway, id).await;
        let void: Vec<&Value> = void
            .iter()
            .filter(|it| it["type"] == "ERROR_RECOVERY")
            .map(|it| &it["payload"])
            .collect();
        let expected = json!({ "attempt": 1, "superseded": ["LLM_PARTIAL"] });
        assert!(void.into_iter().eq(vec![&expected; attempts - 1]), "{model}");
    }
    // It had asked to be left alone for a second.
    let limited = world.gateway.task(&ids["fault:limited:1"]).await;
    let time =
        |name: &str| chrono::DateTime::parse_from_rfc3339(text(&limited[name])).expect("a time");
    let took = (time("updated_at") - time("created_at")).to_std().expect("a duration");
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

async fn faults_that_last_are_told_without_the_key(store: Store) {
    let world = World::new(&store, &["--model-timeout", "1"]);
    let final_ones = ["refused", "unknown", "denied", "filtered"];
    let models: Vec<String> =
        FAULTS.iter().chain(&final_ones).map(|fault| format!("fault:{fault}")).collect();
    let ids = submit_each(&world, &models).await;
    let mut told = Vec::new();
    for (model, id) in &ids {
        let task = ended(&world.gateway, id).await;
        assert_eq!(task["status"], "TASK_STATUS_FAILED", "{model}");
        assert_eq!(task["error"], task["error_message"]);
        told.push(format!("{model}: {} attempts, {}", task["attempts"], text(&task["error"])));
        let all = all_that_is_told(&world, id).await;
        assert!(!all.contains(KEY), "{model}: the key is told: {all}");
        let events = events(&world.gateway, id).await;
        assert_eq!(count(&events, "ERROR_OCCURRED"), 1, "{model}");
    }
    let expected = [
        "fault:broken: 3 attempts, the model provider ollama sent an answer that cannot be read as a chat completion (asked 4 times)",
        "fault:cut: 3 attempts, the model provider ollama broke off in the middle of its answer (asked 4 times)",
        "fault:denied: 1 attempts, the model provider ollama refuses the key (401)",
        "fault:down: 3 attempts, the model provider ollama cannot be reached: connection closed before message completed (asked 4 times)",
        "fault:empty: 3 attempts, the model provider ollama sent an empty answer (asked 4 times)",
        "fault:error: 3 attempts, the model provider ollama reported an error in its answer: The server had an error (asked 4 times)",
        "fault:failing: 3 attempts, the model provider ollama failed (500): The server had an error (asked 4 times)",
        "fault:filtered: 1 attempts, the model provider ollama withheld the answer by its content filter",
        "fault:limited: 3 attempts, the model provider ollama limits how much it is asked (429): Rate limit reached (asked 4 times)",
        "fault:loading: 3 attempts, the model provider ollama failed (503): Loading model (asked 4 times)",
        "fault:refused: 1 attempts, the model provider ollama refuses the request (400): This prompt is too long",
        "fault:stall: 3 attempts, the model provider ollama stopped in the middle of its answer for 1 s (asked 4 times)",
        "fault:unknown: 1 attempts, the model provider ollama knows no such model or address (404): The model does not exist",
    ];
    assert_eq!(told, expected);
}

async fn an_endpoint_that_is_gone_or_refuses_the_key_is_told(store: Store) {
    let endpoint = ModelServer::with_key("sk-another");
    let server = World::server(&store, &endpoint, &[]);
    let world = World { gateway: server.gateway(), server, endpoint };
    let refused = world.run("Who is there?", "simple", json!({})).await;
    check(&world, &refused, "the model provider ollama refuses the key (401)").await;

    let World { server, gateway, endpoint } = world;
    drop(endpoint);
    let world = World { server, gateway, endpoint: ModelServer::start() };
    let gone = world.run("Who is there?", "simple", json!({})).await;
    check(
        &world,
        &gone,
        "the model provider ollama cannot be reached: the connection was refused \
        (asked 4 times)",
    )
    .await;
}

async fn check(world: &World, task: &Value, error: &str) {
    assert_eq!(task["status"], "TASK_STATUS_FAILED", "{task}");
    assert_eq!(task["error"], error);
    let all = all_that_is_told(world, text(&task["task_id"])).await;
    assert!(!all.contains(KEY), "the key is told: {all}");
}
