//! Many clients that lose their connections and come back.

use crate::{follow, running};
use serde_json::json;
use std::time::{Duration, Instant};
use taskgate_tests::{Claimed, Server, Worker};
use tokio::task::JoinSet;

const CLIENTS: usize = 1_000;
const TASKS: usize = 10;
const EVENTS: usize = 200;

/// What a client has seen.
#[derive(Default)]
struct Seen {
    events: usize,
    reconnects: usize,
    duplicates: usize,
    gaps: usize,
}

/// Lets each client follow a task whose worker writes events, breaks its
/// connection after a random number of them each time, and checks that it sees
/// every event once and in order.
pub(crate) async fn run(server: &Server) {
    let begun = Instant::now();
    let tasks = running(server, TASKS).await;
    let mut workers = JoinSet::new();
    for task in tasks.clone() {
        let worker = Worker::of(server);
        workers.spawn(async move { work(&worker, &task).await });
    }
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        clients.spawn(client(server.gateway_address(), tasks[n % TASKS].id.clone(), n));
    }
    let seen = clients.join_all().await;
    workers.join_all().await;
    let sum = |count: fn(&Seen) -> usize| seen.iter().map(count).sum::<usize>();
    let (events, reconnects) = (sum(|seen| seen.events), sum(|seen| seen.reconnects));
    let (duplicates, gaps) = (sum(|seen| seen.duplicates), sum(|seen| seen.gaps));
    println!(
        "{CLIENTS} clients, {reconnects} broken connections: {events} events seen, \
         {duplicates} twice, {gaps} missed, in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!((duplicates, gaps), (0, 0));
}

/// Writes half of the events as pieces of output.
async fn work(worker: &Worker, task: &Claimed) {
    for n in 0..EVENTS {
        let name = if n % 2 == 0 { "LLM_PARTIAL" } else { "TOOL_OBSERVATION" };
        let events = json!([{"type": name, "message": format!("event {n}")}]);
        worker.record(task, events).await.expect(200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    worker.complete(task, json!({"result": "done"})).await.expect(200);
}

async fn client(gateway: String, task: String, seed: usize) -> Seen {
    let mut random = fastrand::Rng::with_seed(u64::try_from(seed).expect("a small number"));
    let mut seen = Seen::default();
    let (mut last, mut resume): (usize, Option<String>) = (0, None);
    loop {
        let mut stream = follow(&gateway, &task, resume.as_deref()).await;
        let patience = random.usize(1..60);
        for _ in 0..patience {
            let frame = stream.event().await.expect("a stream ends with [DONE]");
            if frame.data == "[DONE]" {
                // submitted, started, the events, the answer and the completion.
                seen.gaps += (2 + EVENTS + 2).saturating_sub(last);
                return seen;
            }
            let (_, seq) = frame.id.split_once('-').expect("a stream id");
            let seq: usize = seq.parse().expect("a number");
            seen.events += 1;
            seen.duplicates += usize::from(seq <= last);
            seen.gaps += seq.saturating_sub(last + 1);
            (last, resume) = (seq, Some(frame.id));
        }
        seen.reconnects += 1;
    }
}
