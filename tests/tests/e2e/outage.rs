//! What callers see while the database is away, and that it passes.

use serde_json::json;
use std::time::{Duration, Instant};
use taskgate_tests::{Answer, Proxy, Server, Store, Worker, eventually};
use tokio::task::JoinSet;

const TASKS: &str = "/api/v1/tasks";

/// A server with the proxy between it and its database.
fn behind_a_proxy() -> (Store, Proxy, Server) {
    let store = Store::postgres();
    let proxy = Proxy::to(&store.address());
    let server = Server::dev_at(&store, &store.url_through(proxy.address()));
    (store, proxy, server)
}

/// Checks that an answer is one of those that the contract has for a database
/// that is away: a fixed phrase, or an invitation to come back.
#[track_caller]
fn is_away(answer: &Answer, phrase: &str) {
    match answer.status {
        500 => assert_eq!(answer.json()["error"], format!("{phrase}: database error")),
        503 => assert!(answer.header("Retry-After").parse::<u32>().is_ok_and(|wait| wait >= 1)),
        _ => panic!("{phrase}: {answer:?}"),
    }
    let told = answer.text.to_lowercase();
    for inside in ["postgres", "connection", "127.0.0.1", "timeout", "r2d2", "diesel", "pool"] {
        assert!(!told.contains(inside), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_database_is_reported_and_returns() {
    let (store, proxy, server) = behind_a_proxy();
    let (gateway, research) = (server.gateway(), server.research());
    let id = gateway.ask("before").await;
    let job = research.submit_job(&json!({ "project_id": 1, "task_type": "ocr" })).await;
    let path = format!("{TASKS}/{id}");
    proxy.refuse();

    is_away(&gateway.get(TASKS).await, "Failed to list tasks");
    is_away(&gateway.get(&path).await, "Failed to get task status");
    is_away(&gateway.post(TASKS, &json!({ "query": "lost" })).await, "Failed to submit task");
    for path in [TASKS.to_owned(), format!("{TASKS}/{job}")] {
        let answer = research.get(&path).await;
        assert!([500, 503].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.json()["code"], answer.status);
    }
    gateway.get("/health").await.expect(200);
    let readiness = gateway.get("/readiness").await.expect(503);
    assert_eq!(readiness["status"], "not ready");
    assert_eq!(readiness["checks"]["orchestrator"], "failed");
    assert_eq!(gateway.with_key("nonsense").get(TASKS).await.status, 401);

    proxy.restore();
    eventually("the server to be ready again", async || {
        (gateway.get("/readiness").await.status == 200).then_some(())
    })
    .await;
    eventually("the list to be back", async || {
        let answer = gateway.get(TASKS).await;
        (answer.status == 200).then(|| assert_eq!(answer.json()["total_count"], 1))
    })
    .await;
    assert_eq!(gateway.task(&id).await["status"], "TASK_STATUS_QUEUED");
    assert_eq!(Worker::of(&server).claim_one("agent").await.id, id);
    assert!(!server.log().contains(&store.password()), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_database_holds_nobody_for_long() {
    let (_store, proxy, server) = behind_a_proxy();
    let gateway = server.gateway();
    let id = gateway.ask("before").await;
    proxy.freeze();

    let start = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..60 {
        let (gateway, path) = (gateway.clone(), format!("{TASKS}/{id}"));
        calls.spawn(async move { gateway.get(&path).await });
    }
    let health = gateway.get("/health").await;
    assert_eq!(health.status, 200);
    assert!(start.elapsed() < Duration::from_secs(2), "health waits for the database");
    let readiness = gateway.get("/readiness").await;
    assert_eq!(readiness.status, 503);
    for answer in calls.join_all().await {
        is_away(&answer, "Failed to get task status");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());

    proxy.restore();
    eventually("an answer", async || {
        (gateway.get(&format!("{TASKS}/{id}")).await.status == 200).then_some(())
    })
    .await;
    gateway.get("/readiness").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_without_its_database() {
    let store = Store::postgres();
    let proxy = Proxy::to(&store.address());
    let url = store.url_through(proxy.address());
    assert_eq!(taskgate_tests::taskgate(&store, &["migrate"]).code, 0);
    let key = taskgate_tests::create_key(&store, &[]);
    proxy.refuse();
    let server = Server::start(&store, &["serve", "--database-url", &url]);
    let gateway = server.gateway().with_key(&key);
    gateway.get("/health").await.expect(200);
    gateway.get("/readiness").await.expect(503);
    assert!([500, 503].contains(&gateway.get(TASKS).await.status));
    proxy.restore();
    eventually("the list", async || (gateway.get(TASKS).await.status == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_whose_answer_was_lost_can_be_repeated() {
    let (_store, proxy, server) = behind_a_proxy();
    let gateway = server.gateway();
    gateway.ask("warm").await;
    let body = json!({ "query": "exactly once" });
    let key = [("Idempotency-Key", "again")];
    // The line breaks at some point of the submit, or before it.
    let breaking = tokio::spawn({
        let gateway = gateway.clone();
        let body = body.clone();
        async move { gateway.post_with(TASKS, &[("Idempotency-Key", "again")], &body).await }
    });
    proxy.refuse();
    let first = breaking.await.expect("an answer");
    proxy.restore();
    let again = eventually("the submit to be taken", async || {
        let answer = gateway.post_with(TASKS, &key, &body).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    if first.status == 200 {
        assert_eq!(first.json(), again);
    } else {
        is_away(&first, "Failed to submit task");
    }
    let list = gateway.get(TASKS).await.expect(200);
    assert_eq!(list["total_count"], 2);
}
