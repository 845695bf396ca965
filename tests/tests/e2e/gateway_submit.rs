//! Submitting to the gateway.

use serde_json::{Value, json};
use taskgate_tests::{Server, Store, Worker, create_key};
use tokio::task::JoinSet;

taskgate_tests::on_both_stores!(
    a_submit_is_answered_with_the_task_and_its_session,
    what_was_submitted_is_shown_unchanged,
    a_task_without_a_session_gets_one_of_its_own,
    an_agent_task_keeps_its_settings_for_the_worker,
    a_repeated_submit_gets_the_first_answer,
    requests_that_differ_are_not_repetitions,
    of_concurrent_submits_with_one_key_one_is_stored,
    a_refused_submit_is_not_remembered,
);

const TASKS: &str = "/api/v1/tasks";

async fn a_submit_is_answered_with_the_task_and_its_session(store: Store) {
    let server = Server::dev(&store);
    let body = json!({ "query": "Why is the sky blue?", "session_id": "user-123-chat" });
    let answer = server.gateway().post(TASKS, &body).await;
    let task = answer.expect(200);
    let id = task["task_id"].as_str().expect("an id");
    assert!(id.starts_with("task_") && id.len() == 31, "{id}");
    assert_eq!(task["status"], "STATUS_CODE_OK");
    assert!(task["created_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{task}");
    assert_eq!(answer.header("X-Workflow-ID"), id);
    assert_eq!(answer.header("X-Session-ID"), "user-123-chat");
}

async fn what_was_submitted_is_shown_unchanged(store: Store) {
    let server = Server::dev(&store);
    // Order of members, spelling of numbers and odd text must all survive.
    let context = r#"{"z":1.50,"a":{"n":12345678901234567890123,"e":1e3},"é\u00e9":"\ud83d\ude00 \\","deep":[[],{}]}"#;
    let body =
        format!(r#"{{"query":"ünïcödé 漢字 😀 \"quoted\"","mode":"complex","context":{context}}}"#);
    let gateway = server.gateway();
    let answer = gateway.send(reqwest::Method::POST, TASKS, &[], Some(body)).await.expect(200);
    let id = answer["task_id"].as_str().expect("an id").to_owned();
    let shown = gateway.get(&format!("{TASKS}/{id}")).await;
    assert!(shown.text.contains(context), "{}", shown.text);
    let task = shown.json();
    assert_eq!(task["query"], "ünïcödé 漢字 😀 \"quoted\"");
    assert_eq!(task["created_at"], answer["created_at"]);
    assert_eq!(task["workflow_id"], id.as_str());
}

async fn a_task_without_a_session_gets_one_of_its_own(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let answer = gateway.post(TASKS, &json!({ "query": "hello" })).await;
        let session = answer.header("X-Session-ID").to_owned();
        let id = answer.expect(200)["task_id"].as_str().expect("an id").to_owned();
        assert_eq!(gateway.task(&id).await["session_id"], session.as_str());
        let list = gateway.get(&format!("{TASKS}?session_id={session}")).await.expect(200);
        assert_eq!(list["total_count"], 1);
        assert_eq!(list["tasks"][0]["task_id"], id.as_str());
        sessions.push(session);
    }
    assert_ne!(sessions[0], sessions[1]);
}

async fn an_agent_task_keeps_its_settings_for_the_worker(store: Store) {
    let server = Server::dev(&store);
    let body = json!({
        "query": "compare", "session_id": "s-1", "mode": "standard", "model_tier": "large",
        "context": { "role": "critic", "model_tier": "small" }, "unknown_member": [1, 2],
    });
    let id = server.gateway().submit(&body).await;
    let claimed = Worker::of(&server).claim_one("agent").await;
    assert_eq!(claimed.id, id);
    assert_eq!(claimed.attempt, 1);
    let body = &claimed.body;
    assert_eq!(body["kind"], "agent");
    assert_eq!(body["query"], "compare");
    assert_eq!(body["mode"], "standard");
    assert_eq!(body["session_id"], "s-1");
    assert_eq!(body["context"]["role"], "critic");
    // The member beside the context wins over the one within.
    assert_eq!(body["context"]["model_tier"], "large");
    assert!(body["number"].as_i64().is_some_and(|number| number > 0));
    assert!(body["lease_expires_at"].is_string());
}

async fn a_repeated_submit_gets_the_first_answer(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let body = json!({ "query": "only once" });
    let key = [("Idempotency-Key", "order-17")];
    let first = gateway.post_with(TASKS, &key, &body).await;
    let again = gateway.post_with(TASKS, &key, &body).await;
    assert_eq!(first.expect(200), again.expect(200));
    assert_eq!(first.header("X-Session-ID"), again.header("X-Session-ID"));
    assert_eq!(first.header("X-Workflow-ID"), again.header("X-Workflow-ID"));
    assert!(first.headers.get("X-Idempotency-Cached").is_none());
    assert_eq!(again.header("X-Idempotency-Cached"), "true");
    assert_eq!(again.header("X-Idempotency-Key"), "order-17");
    assert_eq!(gateway.get(TASKS).await.expect(200)["total_count"], 1);

    // The answer stays what it was when the task has moved on, and when the
    // server that gave it is gone.
    let worker = Worker::of(&server);
    let claimed = worker.claim_one("agent").await;
    worker.complete(&claimed, json!({ "result": "done" })).await.expect(200);
    server.kill();
    let server = Server::dev(&store);
    let late = server.gateway().post_with(TASKS, &key, &body).await;
    assert_eq!(first.bytes(), late.bytes());
}

async fn requests_that_differ_are_not_repetitions(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let other_user = gateway.with_key(&create_key(&store, &["--user", "ann"]));
    let key = [("Idempotency-Key", "k")];
    let mut ids = std::collections::BTreeSet::new();
    for (api, body) in [
        (&gateway, json!({ "query": "one" })),
        (&gateway, json!({ "query": "two" })),
        (&other_user, json!({ "query": "one" })),
    ] {
        let task = api.post_with(TASKS, &key, &body).await.expect(200);
        ids.insert(task["task_id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(ids.len(), 3);
}

async fn of_concurrent_submits_with_one_key_one_is_stored(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let mut calls = JoinSet::new();
    for _ in 0..16 {
        let gateway = gateway.clone();
        calls.spawn(async move {
            let key = [("Idempotency-Key", "race")];
            gateway.post_with(TASKS, &key, &json!({ "query": "race" })).await
        });
    }
    let answers = calls.join_all().await;
    let tasks: Vec<Value> = answers.iter().map(|answer| answer.expect(200)).collect();
    assert!(tasks.iter().all(|task| *task == tasks[0]), "{tasks:?}");
    let replayed = |answer: &&taskgate_tests::Answer| {
        answer.headers.get("X-Idempotency-Cached").is_some_and(|value| value == "true")
    };
    assert_eq!(answers.iter().filter(replayed).count(), 15);
    assert_eq!(gateway.get(TASKS).await.expect(200)["total_count"], 1);
}

async fn a_refused_submit_is_not_remembered(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let key = [("Idempotency-Key", "retry-me")];
    let refused = gateway.post_with(TASKS, &key, &json!({ "query": "" })).await;
    assert_eq!(refused.status, 400);
    let accepted = gateway.post_with(TASKS, &key, &json!({ "query": "better" })).await;
    accepted.expect(200);
    assert!(accepted.headers.get("X-Idempotency-Cached").is_none());
}
