//! Several processes over one PostgreSQL database.

use serde_json::json;
use std::time::{Duration, Instant};
use taskgate_tests::{Server, Store, Worker, taskgate};
use tokio::task::JoinSet;

const TASKS: &str = "/api/v1/tasks";

#[tokio::test(flavor = "multi_thread")]
async fn a_task_submitted_here_is_claimed_there() {
    let store = Store::postgres();
    let (here, there) = (Server::dev(&store), Server::dev(&store));
    let worker = Worker::of(&there);
    let poll = tokio::spawn({
        let worker = worker.clone();
        async move { (worker.claim(&["agent"], 1, 20).await, Instant::now()) }
    });
    let submitted = Instant::now();
    let id = here.gateway().ask("Who runs me?").await;
    let (claimed, at) = poll.await.expect("an answer");
    assert_eq!(claimed[0].id, id);
    assert!(at - submitted < Duration::from_secs(4), "{:?}", at - submitted);

    assert_eq!(here.gateway().task(&id).await["status"], "TASK_STATUS_RUNNING");
    here.gateway().post(&format!("{TASKS}/{id}/cancel"), &json!({})).await.expect(202);
    let beat = worker.heartbeat(&claimed[0], json!({})).await.expect(200);
    assert_eq!(beat["cancel_requested"], true);
    assert_eq!(there.gateway().task(&id).await["status"], "TASK_STATUS_CANCELLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_repeated_everywhere_is_one_task() {
    let store = Store::postgres();
    let servers = [Server::dev(&store), Server::dev(&store)];
    let mut calls = JoinSet::new();
    for number in 0..12 {
        let gateway = servers[number % 2].gateway();
        calls.spawn(async move {
            let key = [("Idempotency-Key", "everywhere")];
            gateway.post_with(TASKS, &key, &json!({ "query": "once" })).await.expect(200)
        });
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let list = servers[0].gateway().get(TASKS).await.expect(200);
    assert_eq!(list["total_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_exact_while_everybody_writes() {
    let store = Store::postgres();
    let servers = [Server::dev(&store), Server::dev(&store)];
    let mut calls = JoinSet::new();
    for number in 0..8 {
        let research = servers[number % 2].research();
        let worker = Worker::of(&servers[(number + 1) % 2]);
        calls.spawn(async move {
            for _ in 0..15 {
                let body = json!({ "project_id": 1, "task_type": "index" });
                research.submit_job(&body).await;
                for claimed in worker.claim(&["index"], 1, 0).await {
                    worker.complete(&claimed, json!({ "result": {} })).await.expect(200);
                }
            }
        });
    }
    calls.join_all().await;
    let research = servers[1].research();
    let mut sum = 0;
    for status in ["pending", "running", "completed", "failed", "cancelled"] {
        let list = research.get(&format!("{TASKS}?status={status}")).await;
        sum += list.header("X-Total-Count").parse::<u32>().expect("a number");
    }
    assert_eq!(sum, 120);
    assert_eq!(research.get(TASKS).await.header("X-Total-Count"), "120");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_migrate_at_once() {
    let store = Store::postgres();
    let applied: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(|| taskgate(&store, &["migrate"]))).collect();
        let runs = runs.into_iter().map(|run| run.join().expect("a run"));
        runs.inspect(|run| assert_eq!(run.code, 0, "{run:?}")).map(|run| run.stdout).collect()
    });
    assert_eq!(applied.iter().filter(|names| !names.is_empty()).count(), 1, "{applied:?}");
    assert_eq!(taskgate(&store, &["migrate", "--check"]).code, 0);
}
