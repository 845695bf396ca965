//! Cancelling tasks of the gateway.

use serde_json::{Value, json};
use taskgate_tests::{Server, Store, Worker};

taskgate_tests::on_both_stores!(
    a_queued_task_is_cancelled_and_never_runs,
    a_running_task_is_cancelled_at_once,
    an_ended_task_cannot_be_cancelled,
    a_cancel_needs_no_body,
    a_repeated_cancel_gets_the_first_answer,
);

fn path(id: &str) -> String {
    format!("/api/v1/tasks/{id}/cancel")
}

async fn a_queued_task_is_cancelled_and_never_runs(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let id = gateway.ask("never mind").await;
    let answer = gateway.post(&path(&id), &json!({ "reason": "changed my mind" })).await;
    let answer = answer.expect(202);
    assert_eq!(answer["success"], true);
    assert!(answer["message"].is_string(), "{answer}");
    assert_eq!(gateway.task(&id).await["status"], "TASK_STATUS_CANCELLED");
    assert!(Worker::of(&server).claim(&["agent"], 1, 0).await.is_empty());
}

async fn a_running_task_is_cancelled_at_once(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("stop me").await;
    let claimed = worker.claim_one("agent").await;
    let beat = worker.heartbeat(&claimed, json!({})).await.expect(200);
    assert_eq!(beat["cancel_requested"], false);
    gateway.post(&path(&id), &json!({})).await.expect(202);
    assert_eq!(gateway.task(&id).await["status"], "TASK_STATUS_CANCELLED");

    let beat = worker.heartbeat(&claimed, json!({})).await.expect(200);
    assert_eq!(beat["cancel_requested"], true);
    let late = worker.complete(&claimed, json!({ "result": "too late" })).await;
    assert_eq!(late.expect(409), json!({ "error": "lease_lost" }));
    let task = gateway.task(&id).await;
    assert_eq!(task["status"], "TASK_STATUS_CANCELLED");
    assert!(task.get("result").is_none_or(|result| result == "" || result.is_null()), "{task}");
}

async fn an_ended_task_cannot_be_cancelled(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("done").await;
    let claimed = worker.claim_one("agent").await;
    worker.complete(&claimed, json!({ "result": "done" })).await.expect(200);
    let answer = gateway.post(&path(&id), &json!({})).await.expect(202);
    assert_eq!(answer["success"], false);
    let message = answer["message"].as_str().expect("a message");
    assert!(message.starts_with("Failed to cancel task:"), "{message}");
    assert_eq!(gateway.task(&id).await["status"], "TASK_STATUS_COMPLETED");
}

async fn a_cancel_needs_no_body(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    for body in [None, Some(""), Some("not json"), Some("[]"), Some("{\"reason\":7}")] {
        let id = gateway.ask("cancel me").await;
        let body = body.map(str::to_owned);
        let answer = gateway.send(reqwest::Method::POST, &path(&id), &[], body).await;
        assert_eq!(answer.expect(202)["success"], true);
    }
}

async fn a_repeated_cancel_gets_the_first_answer(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let id = gateway.ask("cancel me twice").await;
    let key = [("Idempotency-Key", "cancel-1")];
    let first = gateway.post_with(&path(&id), &key, &json!({})).await;
    let again = gateway.post_with(&path(&id), &key, &json!({})).await;
    assert_eq!(first.expect(202)["success"], true);
    assert_eq!(first.bytes(), again.bytes());
    assert_eq!(again.header("X-Idempotency-Cached"), "true");
    let plain: Value = gateway.post(&path(&id), &json!({})).await.expect(202);
    assert_eq!(plain["success"], false);
}
