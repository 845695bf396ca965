//! What happens to a task while it is paused.

use super::finish::{assert_refused, finish_twice};
use crate::{
    control::Control,
    error::ReportError,
    event::{EventType, NewEvent},
    id::UserId,
    queue::{ClaimedTask, Heartbeat, Reaped},
    task::{
        Progress, TaskState,
        outcome::Outcome,
        status::{FinalStatus, LiveStatus, TaskStatus},
    },
    testkit::{Ports, build},
};
use futures_util::future::join;
use std::time::Duration;

const AN_HOUR: Duration = Duration::from_secs(3_600);

/// Checks that no worker holds a paused task any more, and that it goes on in
/// the queue.
async fn assert_let_go(ports: &Ports, task: &ClaimedTask) {
    let before = ports.task(task.number).await;
    let TaskState::Live(live) = &before.state else { panic!("{before:?} is live") };
    assert_eq!((live.status, live.attempt), (LiveStatus::Paused, Some(task.attempt)));
    assert!(live.pause.is_some(), "it still is the same pause");
    let answer = ports.queue.heartbeat(build::sign_of_life(build::lease(task))).await;
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "{answer:?}");
    let answer = ports.queue.record(build::lease(task), vec![build::event("LATE")]).await;
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "{answer:?}");
    assert_refused(ports, build::lease(task), build::complete("late")).await;
    assert_eq!(ports.reap().await, Reaped::default(), "there is nothing to take back");
    assert!(ports.claim(build::claim(9)).await.is_empty(), "it is paused");
    assert_eq!(ports.resume(task.number).await.status, TaskStatus::Queued);
}

pub async fn a_heartbeat_on_a_paused_task_asks_to_hold(ports: &Ports) {
    let task = ports.running_paused().await;
    for _ in 0..2 {
        let reply = ports.heartbeat(build::sign_of_life(build::lease(&task))).await;
        assert!(reply.pause_requested && !reply.cancel_requested);
        assert!(reply.lease_expires_at >= task.lease_expires_at);
    }
    assert_eq!(ports.status(task.number).await, TaskStatus::Paused);
}

pub async fn a_paused_task_keeps_its_lease_by_heartbeats(ports: &Ports) {
    ports.submit_any().await;
    let task = ports.claim_lapsing().await;
    ports.pause(task.number).await;
    ports
        .heartbeat(Heartbeat { extend: Some(AN_HOUR), ..build::sign_of_life(build::lease(&task)) })
        .await;
    assert_eq!(ports.reap().await, Reaped::default());
    assert_eq!(ports.resume(task.number).await.status, TaskStatus::Running);
}

pub async fn a_paused_tasks_worker_may_tell_its_progress(ports: &Ports) {
    let task = ports.running_paused().await;
    let heartbeat = build::sign_of_life(build::lease(&task));
    ports.heartbeat(Heartbeat { progress: Some(2), total: Some(5), ..heartbeat }).await;
    let last = ports.queue.record(build::lease(&task), vec![build::event("SAVED")]).await;
    assert_eq!(last.expect("the event is recorded"), 6);
    let progress = Progress::new(2, 5).expect("it is not negative");
    assert_eq!(ports.task(task.number).await.progress(), progress);
    let told = [NewEvent::progressed(progress, None), build::event("SAVED")];
    assert_eq!(ports.story(task.number).await[4..], told);
}

pub async fn a_paused_task_may_complete(ports: &Ports) {
    let task = build::with(build::agent_task(UserId::DEFAULT), |o| o.with_total(7));
    ports.submit(task).await;
    let task = ports.claim_one().await;
    ports.pause(task.number).await;
    let status = finish_twice(ports, &task, build::complete("done")).await;
    assert_eq!(status, TaskStatus::Completed);
    let stored = ports.task(task.number).await;
    let finished = stored.finished().expect("the task has ended");
    assert_eq!((finished.status, &finished.cancel), (FinalStatus::Completed, &None));
    assert_eq!(Ok(finished.progress), Progress::new(7, 7));
    assert_eq!(finished.outcome.result.as_deref(), Some("done"));
    let types = ports.log_types(task.number).await;
    assert_eq!(types[4..], ["LLM_OUTPUT", "WORKFLOW_COMPLETED", "STREAM_END"]);
}

pub async fn a_paused_task_may_fail(ports: &Ports) {
    let task = ports.running_paused().await;
    assert_eq!(finish_twice(ports, &task, build::fail("broken")).await, TaskStatus::Failed);
    let stored = ports.task(task.number).await;
    let finished = stored.finished().expect("the task has ended");
    assert_eq!((&finished.outcome, &finished.cancel), (&Outcome::error("broken"), &None));
}

pub async fn a_worker_may_let_go_of_a_paused_task(ports: &Ports) {
    let task = ports.running_paused().await;
    let retry = build::retry_after("stopped", Duration::ZERO);
    assert_eq!(finish_twice(ports, &task, retry).await, TaskStatus::Paused);
    assert_eq!(ports.story(task.number).await[4..], [NewEvent::released(task.attempt, "stopped")]);
    assert_let_go(ports, &task).await;
    let again = ports.claim_one().await;
    assert_eq!((again.number, again.attempt.get()), (task.number, 2));
}

pub async fn a_paused_task_waits_for_its_delay_when_resumed(ports: &Ports) {
    let task = ports.running_paused().await;
    let retry = build::retry_after("stopped", AN_HOUR);
    assert_eq!(finish_twice(ports, &task, retry).await, TaskStatus::Paused);
    assert_let_go(ports, &task).await;
    assert!(ports.claim(build::claim(9)).await.is_empty(), "it is not due");
}

pub async fn a_worker_that_lets_go_of_a_paused_task_for_the_last_time_fails_it(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
    let task = ports.claim_one().await;
    ports.pause(task.number).await;
    let retry = build::retry_after("stopped", Duration::ZERO);
    assert_eq!(finish_twice(ports, &task, retry).await, TaskStatus::Failed);
}

pub async fn a_lease_that_ends_in_a_pause_leaves_the_task_paused(ports: &Ports) {
    ports.submit_any().await;
    let task = ports.claim_lapsing().await;
    ports.pause(task.number).await;
    assert_eq!(ports.reap().await, Reaped { expired: 1, timed_out: 0 });
    let types = ports.log_types(task.number).await;
    assert_eq!(types[2..], ["WORKFLOW_PAUSING", "WORKFLOW_PAUSED", "ERROR_RECOVERY"]);
    assert_let_go(ports, &task).await;
    assert_eq!(ports.claim_one().await.attempt.get(), 2);
}

pub async fn the_last_lease_that_ends_in_a_pause_fails_the_task(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
    let task = ports.claim_lapsing().await;
    ports.pause(task.number).await;
    assert_eq!(ports.reap().await, Reaped { expired: 1, timed_out: 0 });
    let stored = ports.task(task.number).await;
    let finished = stored.finished().expect("the task has ended");
    assert_eq!(finished.status, FinalStatus::Failed);
    assert!(finished.outcome.error.as_ref().is_some_and(|error| !error.is_empty()));
    let types = ports.log_types(task.number).await;
    assert_eq!(types[4..], ["ERROR_OCCURRED", "WORKFLOW_FAILED", "STREAM_END"]);
}

pub async fn a_late_report_on_a_paused_task_counts_until_the_lease_is_taken_back(ports: &Ports) {
    ports.submit_any().await;
    let task = ports.claim_lapsing().await;
    ports.pause(task.number).await;
    let status = ports.finish(build::lease(&task), build::complete("late but good")).await;
    assert_eq!(status.expect("the lease is still held"), TaskStatus::Completed);
    assert_eq!(ports.reap().await, Reaped::default());
}

pub async fn a_task_paused_in_the_queue_has_no_worker(ports: &Ports) {
    ports.submit_any().await;
    let task = ports.claim_lapsing().await;
    ports.reap().await;
    ports.pause(task.number).await;
    assert_let_go(ports, &task).await;
}

pub async fn of_a_pause_and_the_reaper_the_pause_stands(ports: &Ports) {
    for _ in 0..20 {
        ports.submit_any().await;
        let task = ports.claim_lapsing().await;
        let (paused, reaped) = join(ports.pause(task.number), ports.reap()).await;
        assert_eq!((paused.accepted, paused.status), (true, TaskStatus::Paused));
        let rest = ports.reap().await;
        assert_eq!(reaped.expired + rest.expired, 1, "the lease is taken back once");
        assert_eq!(ports.status(task.number).await, TaskStatus::Paused);
        let mut types = ports.log_types(task.number).await.split_off(2);
        types.sort();
        assert_eq!(types, ["ERROR_RECOVERY", "WORKFLOW_PAUSED", "WORKFLOW_PAUSING"]);
    }
}

pub async fn a_deadline_ends_paused_tasks(ports: &Ports) {
    let new = || build::with(build::agent_task(UserId::DEFAULT), |o| o.with_timeout_seconds(1));
    ports.submit(new()).await;
    let held = ports.claim_one().await;
    let waiting = ports.submit(new()).await;
    for number in [held.number, waiting.number] {
        assert!(ports.pause(number).await.accepted);
    }
    ports.reap_deadlines(2).await;
    for number in [held.number, waiting.number] {
        let task = ports.task(number).await;
        let finished = task.finished().expect("the task has ended");
        assert_eq!((finished.status, &finished.cancel), (FinalStatus::TimedOut, &None));
        let types = ports.log_types(number).await;
        let end = types.len() - 3;
        assert_eq!(types[end..], ["ERROR_OCCURRED", "WORKFLOW_FAILED", "STREAM_END"]);
    }
    assert_refused(ports, build::lease(&held), build::complete("late")).await;
}

pub async fn a_paused_task_is_cancelled(ports: &Ports) {
    let held = ports.running_paused().await;
    let waiting = ports.submit_any().await;
    ports.pause(waiting.number).await;
    let told = NewEvent::controlled(Control::Cancel, LiveStatus::Paused, None);
    for number in [held.number, waiting.number] {
        let answer = ports.cancel(number).await;
        assert_eq!((answer.accepted, answer.status), (true, TaskStatus::Cancelled));
        let story = ports.story(number).await;
        assert_eq!(story[story.len() - 3..], told);
    }
    let reply = ports.heartbeat(build::sign_of_life(build::lease(&held))).await;
    assert!(reply.cancel_requested && !reply.pause_requested);
    assert_eq!(ports.reap().await, Reaped::default());
}

pub async fn a_paused_tasks_own_answer_is_its_final_output(ports: &Ports) {
    let task = ports.running_paused().await;
    let answer = build::final_output("mine");
    ports.queue.record(build::lease(&task), vec![answer]).await.expect("it is recorded");
    ports.resume(task.number).await;
    ports.finish(build::lease(&task), build::complete("mine")).await.expect("it ends");
    let story = ports.story(task.number).await;
    let answers = story.iter().filter(|event| event.event_type() == &EventType::LLM_OUTPUT);
    assert_eq!(answers.count(), 1);
}
