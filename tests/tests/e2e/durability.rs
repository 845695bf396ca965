//! What was acknowledged survives the death of every process.

use reqwest::Method;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use taskgate_tests::{Api, Cluster, Server, Store, Worker, eventually};
use tokio::task::JoinSet;

taskgate_tests::on_both_stores!(
    acknowledged_submits_survive_a_crash,
    acknowledged_results_survive_a_crash,
    a_task_that_ran_during_a_crash_runs_again,
);

const TASKS: &str = "/api/v1/tasks";

async fn acknowledged_submits_survive_a_crash(store: Store) {
    let server = Server::dev(&store);
    let question = server.gateway().ask("Am I safe?").await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        calls.spawn(submit_until_gone(server.research(), Arc::clone(&acknowledged)));
    }
    eventually("some submits", async || (acknowledged.load(Ordering::Relaxed) >= 40).then_some(()))
        .await;
    server.kill();
    let ids: Vec<i64> = calls.join_all().await.into_iter().flatten().collect();

    let server = Server::dev(&store);
    assert_eq!(server.gateway().task(&question).await["status"], "TASK_STATUS_QUEUED");
    let research = server.research();
    for id in &ids {
        assert_eq!(research.job(*id).await["status"], "pending", "job {id}");
    }
    // A submit whose answer was lost may be there as well, but is counted too.
    let total: usize = research.get(TASKS).await.header("X-Total-Count").parse().expect("a number");
    assert!((ids.len()..=ids.len() + 8).contains(&total), "{total} of {}", ids.len());
}

/// Submits jobs until the server is gone, and returns the acknowledged ones.
async fn submit_until_gone(research: Api, acknowledged: Arc<AtomicUsize>) -> Vec<i64> {
    let body = json!({ "project_id": 1, "task_type": "crawl", "params": {} }).to_string();
    let mut ids = Vec::new();
    while let Ok(answer) = research.try_send(Method::POST, TASKS, &[], Some(body.clone())).await {
        ids.push(answer.json()["data"]["id"].as_i64().expect("a number"));
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    ids
}

async fn acknowledged_results_survive_a_crash(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(gateway.ask(&format!("{number}")).await);
    }
    for claimed in worker.claim(&["agent"], 10, 0).await {
        let usage = json!({ "prompt_tokens": 1, "completion_tokens": 1, "cost_usd": 0.25 });
        worker
            .complete(&claimed, json!({ "result": claimed.id, "usage": usage }))
            .await
            .expect(200);
    }
    server.kill();
    let server = Server::dev(&store);
    let list = server.gateway().get(&format!("{TASKS}?status=COMPLETED")).await.expect(200);
    assert_eq!(list["total_count"], 10);
    for id in &ids {
        let task = server.gateway().task(id).await;
        assert_eq!(task["result"], id.as_str());
        assert_eq!(task["usage"]["estimated_cost"], 0.25);
    }
}

async fn a_task_that_ran_during_a_crash_runs_again(store: Store) {
    let server = Server::dev(&store);
    let id = server.gateway().ask("finish me").await;
    let claimed = Worker::of(&server).with_short_lease().claim_one("agent").await;
    assert_eq!(claimed.attempt, 1);
    server.kill();
    let server = Server::dev(&store);
    let worker = Worker::of(&server);
    let again = worker.claim_one("agent").await;
    assert_eq!((again.id.as_str(), again.attempt), (id.as_str(), 2));
    worker.complete(&again, json!({ "result": "done" })).await.expect(200);
    worker.complete(&claimed, json!({ "result": "late" })).await.expect(409);
    assert_eq!(server.gateway().task(&id).await["result"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_submits_survive_a_crash_of_the_database() {
    let cluster = Cluster::start();
    let store = Store::postgres_in(cluster.url());
    let server = Server::dev(&store);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(AtomicBool::new(false));
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let (enough, acknowledged) = (Arc::clone(&enough), Arc::clone(&acknowledged));
        calls.spawn(submit_until(enough, server.research(), acknowledged));
    }
    let more_than = async |count: usize| {
        eventually("some submits", async || {
            (acknowledged.load(Ordering::Relaxed) > count).then_some(())
        })
        .await;
    };
    more_than(40).await;
    cluster.crash_and_restart();
    // The server finds its way back by itself.
    more_than(acknowledged.load(Ordering::Relaxed) + 40).await;
    enough.store(true, Ordering::Relaxed);
    let ids: Vec<i64> = calls.join_all().await.into_iter().flatten().collect();
    for id in &ids {
        assert_eq!(server.research().job(*id).await["status"], "pending", "job {id}");
    }
}

/// Submits jobs, whatever the answers, until there are enough, and returns
/// the acknowledged ones.
async fn submit_until(
    enough: Arc<AtomicBool>,
    research: Api,
    acknowledged: Arc<AtomicUsize>,
) -> Vec<i64> {
    let body = json!({ "project_id": 1, "task_type": "crawl", "params": {} });
    let mut ids = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let answer = research.post(TASKS, &body).await;
        match answer.status {
            201 => {
                ids.push(answer.json()["data"]["id"].as_i64().expect("a number"));
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            500 | 503 => tokio::time::sleep(Duration::from_millis(50)).await,
            _ => panic!("{answer:?}"),
        }
    }
    ids
}
