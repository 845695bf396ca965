//! The log of each task.

use crate::{
    error::ReportError,
    event::{EventType, NewEvent, READ_BYTES},
    queue::{Heartbeat, Lease},
    task::{Attempt, status::FinalStatus},
    testkit::{
        Ports,
        build::{self, event},
    },
};
use chrono::SubsecRound;
use futures_util::future::{join, join_all};
use std::time::Duration;

async fn assert_lost(ports: &Ports, lease: Lease) {
    let answer = ports.queue.record(lease, vec![event("LATE")]).await;
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "{answer:?}");
}

pub async fn a_log_begins_with_the_submit(ports: &Ports) {
    let task = ports.submit_any().await;
    let log = ports.log(task.number).await;
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].seq, log[0].at), (1, task.created_at));
    assert_eq!(log[0].event.event_type(), &EventType::DATA_PROCESSING);
}

pub async fn every_move_is_told(ports: &Ports) {
    for (end, last) in [
        (
            Some(build::complete("done")),
            ["LLM_OUTPUT", "WORKFLOW_COMPLETED", "STREAM_END"].as_slice(),
        ),
        (Some(build::fail("broken")), &["ERROR_OCCURRED", "WORKFLOW_FAILED", "STREAM_END"]),
        (None, &["WORKFLOW_CANCELLING", "WORKFLOW_CANCELLED", "STREAM_END"]),
    ] {
        let task = ports.submit_any().await;
        ports.claim_lapsing().await;
        ports.reap().await;
        let second = ports.claim_one().await;
        let retry = build::retry_after("again", Duration::ZERO);
        ports.finish(build::lease(&second), retry).await.expect("it is tried again");
        let third = ports.claim_one().await;
        match end {
            Some(conclusion) => {
                ports.finish(build::lease(&third), conclusion).await.expect("it ends");
            }
            None => assert!(ports.cancel(task.number).await.accepted),
        }
        let (started, lost) = ("WORKFLOW_STARTED", "ERROR_RECOVERY");
        let mut expected = vec!["DATA_PROCESSING", started, lost, started, lost, started];
        expected.extend(last);
        assert_eq!(ports.log_types(task.number).await, expected);
        let log = ports.log(task.number).await;
        assert!(log.is_sorted_by_key(|event| event.at));
        let ended = ports.task(task.number).await.updated_at();
        assert_eq!(log.last().map(|event| event.at), Some(ended), "seen together");
    }
}

pub async fn a_deadline_is_told(ports: &Ports) {
    let task = ports.ended(FinalStatus::TimedOut).await;
    assert_eq!(
        ports.log_types(task.number).await,
        ["DATA_PROCESSING", "ERROR_OCCURRED", "WORKFLOW_FAILED", "STREAM_END"]
    );
}

pub async fn recorded_events_read_back_whole(ports: &Ports) {
    let task = ports.running().await;
    let name = build::event_type("tool.call-1_X");
    let payload = build::object(super::submit::ODD_JSON);
    let rich = NewEvent::new(
        name,
        Some("研究者 1".to_owned()),
        Some("行\n\t😀".to_owned()),
        Some(payload),
    );
    let events = vec![rich.expect("the event is valid"), event("A"), event("A")];
    let last = ports.queue.record(build::lease(&task), events.clone()).await;
    assert_eq!(last.expect("the events are recorded"), 5);
    let last = ports.queue.record(build::lease(&task), vec![event("B")]).await;
    assert_eq!(last.expect("the event is recorded"), 6);
    let log = ports.log(task.number).await;
    assert!(log.iter().map(|event| event.seq).eq(1..=6));
    assert!(log[2..5].iter().map(|event| &event.event).eq(&events));
    assert!(log.iter().all(|event| event.at == event.at.trunc_subsecs(6)));
    assert_eq!(ports.log(task.number).await, log, "read twice");
}

pub async fn a_stale_record_is_refused_and_stores_nothing(ports: &Ports) {
    ports.submit_any().await;
    let first = ports.claim_lapsing().await;
    ports.reap().await;
    assert_lost(ports, build::lease(&first)).await;
    let second = ports.claim_one().await;
    assert_lost(ports, build::lease(&first)).await;
    ports.finish(build::lease(&second), build::complete("done")).await.expect("it ends");
    assert_lost(ports, build::lease(&second)).await;
    let cancelled = ports.running().await;
    ports.cancel(cancelled.number).await;
    assert_lost(ports, build::lease(&cancelled)).await;
    for number in [first.number, cancelled.number] {
        assert!(!ports.log_types(number).await.contains(&"LATE".to_owned()));
    }
}

pub async fn a_record_on_an_unknown_task_is_not_found(ports: &Ports) {
    let attempt = Attempt::new(1).expect("it is positive");
    let lease = Lease { task: build::task_id(), attempt };
    let answer = ports.queue.record(lease, vec![event("A")]).await;
    assert!(matches!(answer, Err(ReportError::NotFound)), "{answer:?}");
}

pub async fn a_log_is_read_from_a_place_and_up_to_a_limit(ports: &Ports) {
    let task = ports.running().await;
    let events = (0..8).map(|_| event("A")).collect();
    ports.queue.record(build::lease(&task), events).await.expect("the events are recorded");
    let log = ports.log(task.number).await;
    for (after, limit, expected) in [
        (0, 3, &log[..3]),
        (3, 3, &log[3..6]),
        (9, 500, &log[9..]),
        (10, 500, &[]),
        (i64::MAX, 1, &[]),
        (-1, 1, &log[..1]),
    ] {
        let part = ports.events.events(task.number, after, limit).await;
        let part = part.expect("the log is read");
        assert_eq!(part, expected, "after {after}, at most {limit}");
    }
}

pub async fn logs_of_two_tasks_are_apart(ports: &Ports) {
    let first = ports.running().await;
    let second = ports.submit_any().await;
    ports.queue.record(build::lease(&first), vec![event("A")]).await.expect("it is recorded");
    assert_eq!(ports.log_types(first.number).await.len(), 3);
    assert_eq!(ports.log_types(second.number).await, ["DATA_PROCESSING"]);
}

pub async fn an_unknown_task_has_no_log(ports: &Ports) {
    assert!(ports.log(build::unknown_number()).await.is_empty());
}

pub async fn concurrent_writers_leave_no_gap(ports: &Ports) {
    let task = ports.running().await;
    let last = write_concurrently(ports, build::lease(&task)).await;
    let types = ports.log_types(task.number).await;
    assert_eq!(types.len(), 2 + 8 * 3 + 8);
    for seq in last {
        let end = usize::try_from(seq).expect("it is positive");
        assert_eq!(types[end - 3..end], ["A", "B", "C"], "one call's events stand together");
    }
}

pub async fn times_of_concurrent_writers_never_decrease(ports: &Ports) {
    for _ in 0..5 {
        let task = ports.running().await;
        let controls = async {
            for _ in 0..4 {
                ports.pause(task.number).await;
                ports.resume(task.number).await;
            }
        };
        join(write_concurrently(ports, build::lease(&task)), controls).await;
        ports.finish(build::lease(&task), build::complete("done")).await.expect("it ends");
        let log = ports.log(task.number).await;
        assert!(log.is_sorted_by_key(|event| event.at), "{log:?}");
        let stored = ports.task(task.number).await;
        assert!(log[0].at == stored.created_at && log[log.len() - 1].at <= stored.updated_at());
    }
}

/// Lets eight records of three events and eight heartbeats with a message run
/// at once; returns the numbers that the records were answered with.
async fn write_concurrently(ports: &Ports, lease: Lease) -> Vec<i64> {
    let record = || async move {
        let events = vec![event("A"), event("B"), event("C")];
        ports.queue.record(lease, events).await.expect("the events are recorded")
    };
    let beat = |n: usize| async move {
        let message = Some(n.to_string());
        let heartbeat = Heartbeat { message, ..build::sign_of_life(lease) };
        ports.queue.heartbeat(heartbeat).await.expect("the heartbeat is accepted");
    };
    let records = join_all((0..8).map(|_| record()));
    join(records, join_all((0..8).map(beat))).await.0
}

pub async fn a_read_of_large_events_is_short(ports: &Ports) {
    let task = ports.running().await;
    let large = |bytes: usize| {
        let name = EventType::new("LARGE".to_owned()).expect("the name is valid");
        NewEvent::new(name, None, Some("x".repeat(bytes)), None).expect("the event is valid")
    };
    let half = usize::try_from(READ_BYTES / 2).expect("it is positive");
    let events = vec![large(half), large(half), large(1), large(4 * half), large(1)];
    ports.queue.record(build::lease(&task), events).await.expect("the events are recorded");
    // The submit and the claim come first.
    let (mut after, mut reads) = (2, Vec::new());
    while after < 7 {
        let read = ports.events.events(task.number, after, 500).await.expect("the log is read");
        after = read.last().expect("one at least").seq;
        reads.push(read.len());
    }
    assert_eq!(reads, [2, 2, 1]);
    let (mut offset, mut reads) = (2, Vec::new());
    while offset < 7 {
        let read = ports.events.history(vec![task.number], offset, 500).await;
        let count = read.expect("the history is read").len();
        offset += i64::try_from(count).expect("it is small");
        reads.push(count);
    }
    assert_eq!(reads, [2, 2, 1]);
}
