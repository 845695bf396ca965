//! Budgets end tasks, and are told of before.

use super::{World, ended, events};
use serde_json::{Value, json};
use taskgate_tests::Store;

taskgate_tests::on_both_stores!(
    a_task_ends_when_its_budget_is_used_up,
    a_session_has_a_budget_of_its_own,
);

const QUESTION: &str = "When was the harbour bridge of Minato opened and who painted it?";

/// The payloads of a task's events on budgets. They come before its end.
async fn thresholds(world: &World, task: &Value) -> Vec<Value> {
    let events = events(&world.gateway, super::text(&task["task_id"])).await;
    let place = |event_type: &str| events.iter().position(|it| it["type"] == event_type);
    if let (Some(told), Some(end)) = (place("BUDGET_THRESHOLD"), place("ERROR_OCCURRED")) {
        assert!(told < end, "{events:?}");
    }
    let told = events.into_iter().filter(|event| event["type"] == "BUDGET_THRESHOLD");
    told.map(|event| event["payload"].clone()).collect()
}

async fn a_task_ends_when_its_budget_is_used_up(store: Store) {
    let world = World::new(&store, &[]);
    let whole = world.run(QUESTION, "complex", json!({})).await;
    let tokens = whole["usage"]["total_tokens"].as_i64().expect("a count");
    let cost = whole["usage"]["cost_usd"].as_f64().expect("a price");

    // The estimate of what a call sends is the endpoint's own count, but for
    // the tools that are described to the model.
    let enough = json!({ "token_budget": tokens + 500, "cost_budget_usd": cost + 0.001 });
    let task = world.run(QUESTION, "complex", enough).await;
    assert_eq!(task["result"], whole["result"]);

    for (name, budget, limit) in [
        ("token_budget", "tokens", json!(tokens - 1)),
        ("cost_budget_usd", "cost_usd", json!(cost * 0.9)),
    ] {
        let task = world.run(QUESTION, "complex", json!({ name: limit })).await;
        assert_eq!(task["status"], "TASK_STATUS_FAILED", "{task}");
        let error = super::text(&task["error"]);
        assert!(error.contains("budget"), "{error}");
        assert_eq!(task["attempts"], 1, "it is not tried again");
        let used = task["usage"]["total_tokens"].as_i64().expect("a count");
        assert!((1..tokens).contains(&used), "what was used is told: {used} of {tokens}");
        assert!(task["usage"]["cost_usd"].as_f64() < Some(cost), "{task}");
        let [told] = &thresholds(&world, &task).await[..] else { panic!("one event: {task}") };
        assert_eq!((&told["budget"], &told["percent"]), (&json!(budget), &json!(80)));
        assert_eq!(
            told["limit"].as_f64().map(|it| (it * 1e9).round()),
            limit.as_f64().map(|it| (it * 1e9).round())
        );
        assert!(told["used"].as_f64() >= limit.as_f64().map(|limit| limit * 0.8), "{told}");
    }

    let asked = world.endpoint.requests().await.len();
    let none = world.run(QUESTION, "simple", json!({ "token_budget": 1 })).await;
    let error = "the tokens that are left of the budget do not suffice for a call that sends 59";
    assert_eq!(none["error"], error);
    assert_eq!(world.endpoint.requests().await.len(), asked, "nothing was sent");
}

async fn a_session_has_a_budget_of_its_own(store: Store) {
    let world = World::new(&store, &[]);
    let ask = async |context: Value| {
        let body = json!({ "query": "Who is there?", "session_id": "harbour", "context": context });
        ended(&world.gateway, &world.gateway.submit(&body).await).await
    };
    let first = ask(json!({})).await;
    let (tokens, cost) = (&first["usage"]["total_tokens"], &first["usage"]["cost_usd"]);
    for (name, limit, budget, error) in [
        (
            "session_token_budget",
            tokens,
            "session_tokens",
            "the session token budget of 53 is used up",
        ),
        (
            "session_cost_budget_usd",
            cost,
            "session_cost_usd",
            "the session cost budget of $0.0000325 is used up",
        ),
    ] {
        let task = ask(json!({ name: limit })).await;
        assert_eq!(task["status"], "TASK_STATUS_FAILED", "{task}");
        assert_eq!(task["error"], error);
        let told = json!({ "budget": budget, "used": limit, "limit": limit, "percent": 80 });
        assert_eq!(thresholds(&world, &task).await, [told]);
    }
    assert_eq!(world.endpoint.requests().await.len(), 1, "the model was asked once");
}
