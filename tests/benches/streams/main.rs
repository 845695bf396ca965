//! Measures streams: what many of them cost, and how late they are.
//!
//! `scripts/bench-streams` runs this with a release build.

mod cancel;
mod crowd;
mod idle;
mod latency;

use serde_json::json;
use std::time::Duration;
use taskgate_tests::{Claimed, DEV_KEY, EventStream, Server, Store, Worker};

/// Without keys, which have limits that this would meet.
const SERVER: [&str; 6] = ["dev", "--workers", "0", "--no-auth", "--log-level", "warn"];

#[tokio::main]
async fn main() {
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit on open files");
    let mut within_bounds = true;
    for store in [Store::sqlite, Store::postgres] {
        let store = store();
        let name = if store.url().starts_with("sqlite") { "SQLite" } else { "PostgreSQL" };
        println!("== {name}");
        let server = Server::start(&store, &SERVER);
        latency::measure("commit to the wire", &server, &server, 1).await;
        latency::measure("commit to the wire, 100 clients", &server, &server, 100).await;
        cancel::over_the_worker_face(&server).await;
        cancel::in_process(&store).await;
        crowd::run(&server).await;
        if name == "PostgreSQL" {
            let other = Server::start(&store, &SERVER);
            latency::measure("commit to the other server's wire", &server, &other, 1).await;
        }
        drop(server);
        // A fresh process, so that what it grows by is due to the streams.
        let server = Server::start(&store, &SERVER);
        within_bounds &= idle::measure(&server).await;
    }
    assert!(within_bounds, "a stream takes at most 20 kB, and health answers within 50 ms");
}

/// Submits tasks and claims them.
async fn running(server: &Server, count: usize) -> Vec<Claimed> {
    let (gateway, worker) = (server.gateway(), Worker::of(server));
    let mut tasks = Vec::new();
    for n in 0..count {
        let body = json!({"query": format!("question {n}")});
        gateway.post("/api/v1/tasks", &body).await.expect(200);
        tasks.push(worker.claim_one("agent").await);
    }
    tasks
}

/// Follows a task of the gateway at this address from behind an event.
async fn follow(gateway: &str, task: &str, last: Option<&str>) -> EventStream {
    let mut headers = vec![("X-API-Key", DEV_KEY)];
    headers.extend(last.map(|last| ("Last-Event-ID", last)));
    let path = format!("/api/v1/stream/sse?workflow_id={task}");
    loop {
        match EventStream::open(gateway, &path, &headers).await {
            Ok(stream) => return stream,
            // A burst of connections may overflow the system's queue.
            Err(answer) if !answer.starts_with("HTTP/") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(answer) => panic!("no stream: {answer}"),
        }
    }
}

/// The value below which this part of the times lies, in milliseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len() - 1);
    times[at].as_secs_f64() * 1_000.0
}
