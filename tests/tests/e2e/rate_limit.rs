//! The gateway's rate limit: 20 requests in any second, 100 in any minute.

use futures_util::future::join_all;
use serde_json::json;
use std::time::Instant;
use taskgate_tests::{Answer, Api, Server, Store, create_key, eventually};

taskgate_tests::on_both_stores!(
    a_burst_is_cut_off_at_twenty,
    a_minute_holds_a_hundred_requests,
    only_lists_and_writes_count,
    bad_requests_do_not_count,
    the_research_face_limits_keys_and_nobody_else,
);

const TASKS: &str = "/api/v1/tasks";

async fn a_burst_is_cut_off_at_twenty(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let start = Instant::now();
    let first = gateway.get(TASKS).await;
    // All at once, for a slow machine could spread them over more than a second.
    let answers = join_all((0..60).map(|_| gateway.get(TASKS))).await;
    let seconds = usize::try_from(start.elapsed().as_secs()).expect("a few");
    let (accepted, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    let count = accepted.len() + 1;
    assert!(count >= 20 && count <= 20 * (seconds + 1), "{count} in {seconds} s");
    let refused = refused.into_iter().next().expect("a refusal");
    assert_eq!(refused.expect(429)["error"], "Rate limit exceeded");
    assert_eq!(refused.header("Retry-After"), "1");
    for (name, value) in [("Limit", "100"), ("Remaining", "99")] {
        assert_eq!(first.header(&format!("X-RateLimit-{name}-Minute")), value);
    }
    assert!(refused.header("X-RateLimit-Reset").parse::<u64>().is_ok());

    // Another key of the same user has an allowance of its own, and waiting helps.
    gateway.with_key(&create_key(&store, &[])).get(TASKS).await.expect(200);
    eventually("the end of the second", async || {
        (gateway.get(TASKS).await.status == 200).then_some(())
    })
    .await;
}

async fn a_minute_holds_a_hundred_requests(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let mut accepted = 0;
    let refused = loop {
        let answer = gateway.get(TASKS).await;
        match answer.status {
            200 => accepted += 1,
            _ if seconds_to_wait(&answer) > 1 => break answer,
            _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    };
    assert_eq!(accepted, 100);
    assert_eq!(refused.header("X-RateLimit-Remaining-Minute"), "0");
    assert!((30..=60).contains(&seconds_to_wait(&refused)), "{refused:?}");
    let write = gateway.post(TASKS, &json!({ "query": "no" })).await;
    assert_eq!(write.status, 429);
}

async fn only_lists_and_writes_count(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let id = gateway.ask("watch me").await;
    for _ in 0..150 {
        gateway.get(&format!("{TASKS}/{id}")).await.expect(200);
    }
    gateway.get("/health").await.expect(200);
    let next = gateway.get(TASKS).await;
    assert_eq!((next.status, next.header("X-RateLimit-Remaining-Minute")), (200, "98"));
}

async fn bad_requests_do_not_count(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    for _ in 0..30 {
        assert_eq!(gateway.get(&format!("{TASKS}?limit=0")).await.status, 400);
        assert_eq!(gateway.post(TASKS, &json!({})).await.status, 400);
    }
    assert_eq!(remaining(&gateway).await, "99");
}

async fn the_research_face_limits_keys_and_nobody_else(store: Store) {
    let server = Server::dev(&store);
    let anybody = server.research();
    let keyed = anybody.with_key(&create_key(&store, &["--scope", "research"]));
    let refused = loop {
        let answer = keyed.get(TASKS).await;
        if answer.status != 200 {
            break answer.expect(429);
        }
    };
    assert_eq!(refused, json!({ "code": 429, "message": "Rate limit exceeded", "data": null }));
    for _ in 0..40 {
        assert_eq!(anybody.get(TASKS).await.status, 200);
    }
}

async fn remaining(gateway: &Api) -> String {
    let answer = gateway.get(TASKS).await;
    assert_eq!(answer.status, 200);
    answer.header("X-RateLimit-Remaining-Minute").to_owned()
}

fn seconds_to_wait(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 429);
    answer.header("Retry-After").parse().expect("seconds")
}
