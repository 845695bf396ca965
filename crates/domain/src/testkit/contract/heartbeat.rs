//! Renewing leases and telling progress.

use crate::{
    error::ReportError,
    event::NewEvent,
    id::UserId,
    queue::{Heartbeat, Lease},
    task::{Attempt, Progress, status::TaskStatus},
    testkit::{
        Ports,
        build::{self, sign_of_life},
    },
};
use chrono::TimeDelta;
use std::time::Duration;

async fn assert_lost(ports: &Ports, heartbeat: Heartbeat) {
    let answer = ports.queue.heartbeat(heartbeat).await;
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "{answer:?}");
}

pub async fn a_heartbeat_renews_the_lease(ports: &Ports) {
    let task = ports.running().await;
    let extend = Some(Duration::from_secs(7_200));
    let reply = ports.heartbeat(Heartbeat { extend, ..sign_of_life(build::lease(&task)) }).await;
    assert!(reply.lease_expires_at >= task.lease_expires_at + TimeDelta::hours(1));
    assert!(!reply.cancel_requested && !reply.pause_requested);
    // A heartbeat may also shorten the lease.
    let extend = Some(Duration::ZERO);
    let reply = ports.heartbeat(Heartbeat { extend, ..sign_of_life(build::lease(&task)) }).await;
    assert!(reply.lease_expires_at < task.lease_expires_at);
    assert_eq!(ports.reap().await.expired, 1);
}

pub async fn a_heartbeat_renews_for_as_long_as_the_claim_did(ports: &Ports) {
    let task = ports.running().await;
    let reply = ports.heartbeat(sign_of_life(build::lease(&task))).await;
    assert!(reply.lease_expires_at >= task.lease_expires_at);
    assert!(reply.lease_expires_at < task.lease_expires_at + TimeDelta::minutes(30));
    assert_eq!(ports.reap().await.expired, 0);
}

pub async fn a_heartbeat_saves_a_lapsed_lease_that_nobody_took(ports: &Ports) {
    ports.submit_any().await;
    let task = ports.claim_lapsing().await;
    let extend = Some(Duration::from_secs(3_600));
    ports.heartbeat(Heartbeat { extend, ..sign_of_life(build::lease(&task)) }).await;
    assert_eq!(ports.reap().await.expired, 0);
    assert_eq!(ports.status(task.number).await, TaskStatus::Running);
}

pub async fn a_heartbeat_stores_the_progress_that_it_tells(ports: &Ports) {
    let task = ports.running().await;
    let steps = [
        (None, None, (0, 0)),
        (Some(1), Some(4), (1, 4)),
        (None, None, (1, 4)),
        (Some(2), None, (2, 4)),
        (None, Some(8), (2, 8)),
        (Some(0), Some(i64::MAX), (0, i64::MAX)),
    ];
    for (progress, total, (current, whole)) in steps {
        let heartbeat = sign_of_life(build::lease(&task));
        ports.heartbeat(Heartbeat { progress, total, ..heartbeat }).await;
        let stored = ports.task(task.number).await;
        assert_eq!(Ok(stored.progress()), Progress::new(current, whole));
        assert!(stored.started_at().is_some_and(|start| start <= stored.updated_at()));
    }
}

pub async fn a_heartbeat_with_a_message_is_an_event(ports: &Ports) {
    let task = ports.running().await;
    let heartbeat = sign_of_life(build::lease(&task));
    ports.heartbeat(Heartbeat { message: Some("半分 done".to_owned()), ..heartbeat }).await;
    let expected = NewEvent::progressed(Progress::default(), Some("半分 done"));
    assert_eq!(ports.story(task.number).await[2..], [expected]);
}

pub async fn a_heartbeat_that_changes_a_number_is_an_event(ports: &Ports) {
    let task = ports.running().await;
    let heartbeat = sign_of_life(build::lease(&task));
    let steps = [(Some(1), None, (1, 0)), (None, Some(4), (1, 4)), (Some(2), Some(9), (2, 9))];
    for (progress, total, _) in steps {
        ports.heartbeat(Heartbeat { progress, total, ..heartbeat.clone() }).await;
    }
    let told = |(_, _, (current, total))| {
        let progress = Progress::new(current, total).expect("it is not negative");
        NewEvent::progressed(progress, None)
    };
    assert_eq!(ports.story(task.number).await[2..], steps.map(told));
}

pub async fn a_heartbeat_that_tells_nothing_new_is_no_event(ports: &Ports) {
    let task = build::with(build::agent_task(UserId::DEFAULT), |o| o.with_total(4));
    ports.submit(task).await;
    let task = ports.claim_one().await;
    let heartbeat = sign_of_life(build::lease(&task));
    for (progress, total) in [(None, None), (Some(0), None), (None, Some(4)), (Some(0), Some(4))] {
        ports.heartbeat(Heartbeat { progress, total, ..heartbeat.clone() }).await;
    }
    assert_eq!(ports.log_types(task.number).await, ["DATA_PROCESSING", "WORKFLOW_STARTED"]);
}

pub async fn a_stale_heartbeat_is_refused_and_stores_nothing(ports: &Ports) {
    ports.submit_any().await;
    let first = ports.claim_lapsing().await;
    ports.reap().await;
    let heartbeat = Heartbeat {
        progress: Some(9),
        message: Some("late".to_owned()),
        ..sign_of_life(build::lease(&first))
    };
    assert_lost(ports, heartbeat.clone()).await;
    let second = ports.claim_one().await;
    assert_lost(ports, heartbeat).await;
    let future = Attempt::new(i64::from(second.attempt.get()) + 1).expect("it is positive");
    assert_lost(ports, sign_of_life(Lease { task: first.id, attempt: future })).await;
    assert_eq!(ports.task(first.number).await.progress(), Progress::default());
    assert_eq!(ports.log(first.number).await.len(), 4, "nothing was recorded");
}

pub async fn a_heartbeat_on_a_task_never_claimed_is_refused(ports: &Ports) {
    let task = ports.submit_any().await;
    let attempt = Attempt::new(1).expect("it is positive");
    assert_lost(ports, sign_of_life(Lease { task: task.id, attempt })).await;
    assert_eq!(ports.status(task.number).await, TaskStatus::Queued);
}

pub async fn a_heartbeat_on_an_unknown_task_is_not_found(ports: &Ports) {
    let attempt = Attempt::new(1).expect("it is positive");
    let heartbeat = sign_of_life(Lease { task: build::task_id(), attempt });
    let answer = ports.queue.heartbeat(heartbeat).await;
    assert!(matches!(answer, Err(ReportError::NotFound)), "{answer:?}");
}

pub async fn a_heartbeat_learns_of_a_cancel(ports: &Ports) {
    let task = ports.running().await;
    ports.cancel(task.number).await;
    let before = ports.task(task.number).await;
    let heartbeat = Heartbeat {
        progress: Some(1),
        message: Some("late".to_owned()),
        ..sign_of_life(build::lease(&task))
    };
    for _ in 0..2 {
        let reply = ports.heartbeat(heartbeat.clone()).await;
        assert!(reply.cancel_requested && !reply.pause_requested);
    }
    assert_eq!(ports.task(task.number).await, before, "what has ended does not change");
    assert_eq!(ports.log(task.number).await.len(), 5, "nothing was recorded");
}

pub async fn a_stale_heartbeat_on_a_cancelled_task_is_refused(ports: &Ports) {
    ports.submit_any().await;
    let first = ports.claim_lapsing().await;
    ports.reap().await;
    let second = ports.claim_one().await;
    ports.cancel(second.number).await;
    assert_lost(ports, sign_of_life(build::lease(&first))).await;
}

pub async fn a_heartbeat_on_a_finished_task_is_refused(ports: &Ports) {
    for conclusion in [build::complete("done"), build::fail("broken")] {
        let task = ports.running().await;
        ports.finish(build::lease(&task), conclusion).await.expect("it ends");
        assert_lost(ports, sign_of_life(build::lease(&task))).await;
    }
    ports.submit_any().await;
    let task = ports.claim_one().await;
    let retry = build::retry_after("again", Duration::from_secs(3_600));
    ports.finish(build::lease(&task), retry).await.expect("it is tried again");
    assert_lost(ports, sign_of_life(build::lease(&task))).await;
}
