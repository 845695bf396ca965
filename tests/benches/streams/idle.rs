//! What streams cost on which nothing happens.

use crate::{follow, percentile, running};
use std::time::{Duration, Instant};
use taskgate_tests::Server;

const STREAMS: usize = 10_000;
const TASKS: usize = 100;
const PROBES: usize = 2_000;

/// Opens the streams, and asks for the server's health while they are open.
/// False when they cost more than they may.
pub(crate) async fn measure(server: &Server) -> bool {
    let tasks = running(server, TASKS).await;
    // What a process takes at its first streams is not theirs.
    drop(open(server, &tasks, TASKS).await);
    let before = resident(server.id());
    let streams = open(server, &tasks, STREAMS).await;
    // Every stream has had a heartbeat by then.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let each = (resident(server.id()).saturating_sub(before)) / STREAMS;
    let mut times = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        // Over a connection of its own, as most probes come.
        let begun = Instant::now();
        server.gateway().get("/health").await.expect(200);
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!("{} idle streams: {each} bytes of resident memory each", streams.len());
    println!("/health meanwhile: p50 {half:.1} ms, p99 {most:.1} ms");
    each <= 20_000 && most <= 50.0
}

async fn open(
    server: &Server,
    tasks: &[taskgate_tests::Claimed],
    count: usize,
) -> Vec<taskgate_tests::EventStream> {
    let mut streams = Vec::with_capacity(count);
    for first in (0..count).step_by(100) {
        let opening = (first..count.min(first + 100)).map(|n| async move {
            let mut stream =
                follow(&server.gateway_address(), &tasks[n % tasks.len()].id, None).await;
            // What was, before it is idle.
            for _ in 0..2 {
                stream.event().await.expect("an event");
            }
            stream
        });
        streams.extend(futures_util::future::join_all(opening).await);
    }
    streams
}

/// A process's resident memory, in bytes.
fn resident(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilobytes: usize =
        line.trim().trim_end_matches(" kB").trim().parse().expect("a number of kilobytes");
    kilobytes * 1_024
}
