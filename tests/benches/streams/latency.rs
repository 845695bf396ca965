//! How long an event takes from its commit to its readers.

use crate::{follow, percentile, running};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::time::Duration;
use taskgate_tests::{Server, Worker};
use tokio::task::JoinSet;

const EVENTS: usize = 500;

/// Writes through one server and reads from another, or from the same.
///
/// The time of an event is that of its transaction, which began before the
/// commit, so what is measured is a little longer than the way that it names.
pub(crate) async fn measure(what: &str, writes: &Server, reads: &Server, clients: usize) {
    let task = running(writes, 1).await.remove(0);
    let mut readers = JoinSet::new();
    for _ in 0..clients {
        let mut stream = follow(&reads.gateway_address(), &task.id, None).await;
        readers.spawn(async move {
            let mut times = Vec::new();
            while let Some(frame) = stream.event().await {
                if frame.event == "NOTED" {
                    let data: Value = serde_json::from_str(&frame.data).expect("JSON");
                    let at = data["timestamp"].as_str().expect("a timestamp");
                    let at: DateTime<Utc> = at.parse().expect("RFC 3339");
                    times.push((Utc::now() - at).to_std().unwrap_or_default());
                }
            }
            times
        });
    }
    let worker = Worker::of(writes);
    for n in 0..EVENTS {
        let events = json!([{"type": "NOTED", "message": format!("event {n}")}]);
        worker.record(&task, events).await.expect(200);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.complete(&task, json!({"result": "done"})).await.expect(200);
    let mut times: Vec<Duration> = readers.join_all().await.concat();
    assert_eq!(times.len(), EVENTS * clients, "every reader saw every event");
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!("{what}: p50 {half:.1} ms, p99 {most:.1} ms, {} events", times.len());
}
