//! Cancelling.

use crate::{
    control::{Control, ControlRequest, Controlled},
    error::ReportError,
    id::UserId,
    task::{
        ControlNote,
        status::{FinalStatus, TaskStatus},
    },
    testkit::{Ports, build},
};
use futures_util::future::{join, join_all};
use std::time::Duration;

const ACCEPTED: Controlled =
    Controlled { accepted: true, status: TaskStatus::Cancelled, replayed: false };

pub async fn a_queued_task_is_cancelled(ports: &Ports) {
    let task = ports.submit_any().await;
    assert_eq!(ports.cancel(task.number).await, ACCEPTED);
    let task = ports.task(task.number).await;
    let finished = task.finished().expect("the task has ended");
    assert_eq!((finished.status, finished.attempt), (FinalStatus::Cancelled, None));
    assert_eq!((finished.started_at, &finished.outcome.error), (None, &None));
    assert!(finished.finished_at >= task.created_at);
    assert!(ports.claim(build::claim(9)).await.is_empty());
}

pub async fn a_task_that_waits_for_its_time_is_cancelled(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let task = ports.submit(build::with(task, |o| o.with_run_after(build::in_an_hour()))).await;
    assert_eq!(ports.cancel(task.number).await, ACCEPTED);
}

pub async fn a_running_task_is_cancelled(ports: &Ports) {
    let running = ports.running().await;
    assert_eq!(ports.cancel(running.number).await, ACCEPTED);
    let task = ports.task(running.number).await;
    let finished = task.finished().expect("the task has ended");
    assert_eq!(finished.status, FinalStatus::Cancelled);
    assert_eq!(finished.attempt, Some(running.attempt));
    assert!(finished.started_at.is_some());
}

pub async fn a_cancel_is_recorded_with_its_reason(ports: &Ports) {
    let task = ports.submit_any().await;
    let reason = Some("もう不要 \"x\"".to_owned());
    let request = ControlRequest { reason, ..build::control(task.number, Control::Cancel) };
    ports.control(request).await;
    let log = ports.log(task.number).await;
    let types = ports.log_types(task.number).await;
    assert_eq!(types[1..], ["WORKFLOW_CANCELLING", "WORKFLOW_CANCELLED", "STREAM_END"]);
    assert_eq!(log[2].event.message(), Some("もう不要 \"x\""));
}

pub async fn a_cancel_keeps_who_when_and_why(ports: &Ports) {
    let ada = ports.user("tenant", "ada").await.user;
    for reason in [None, Some("もう不要".to_owned())] {
        let number = ports.running().await.number;
        let request = build::control(number, Control::Cancel);
        ports.control(ControlRequest { by: ada, reason: reason.clone(), ..request }).await;
        let task = ports.task(number).await;
        let finished = task.finished().expect("the task has ended");
        let note = ControlNote { at: finished.finished_at, by: ada, reason };
        assert_eq!(finished.cancel, Some(note));
        assert_eq!(ports.task(number).await, task, "read twice");
    }
}

pub async fn only_a_cancelled_task_says_who_cancelled_it(ports: &Ports) {
    for status in [FinalStatus::Completed, FinalStatus::Failed, FinalStatus::TimedOut] {
        let task = ports.ended(status).await;
        assert_eq!(task.finished().expect("the task has ended").cancel, None);
    }
}

pub async fn what_has_ended_is_not_cancelled(ports: &Ports) {
    for status in
        [FinalStatus::Completed, FinalStatus::Failed, FinalStatus::Cancelled, FinalStatus::TimedOut]
    {
        let task = ports.ended(status).await;
        let log = ports.log(task.number).await;
        let answer = ports.cancel(task.number).await;
        assert_eq!(answer, Controlled { accepted: false, status: status.into(), replayed: false });
        assert_eq!(ports.task(task.number).await, task, "nothing changes");
        assert_eq!(ports.log(task.number).await, log, "nothing is recorded");
    }
}

pub async fn an_unknown_task_is_not_cancelled(ports: &Ports) {
    for idempotency in [None, Some(build::idempotency("k"))] {
        let number = build::unknown_number();
        let request = ControlRequest { idempotency, ..build::control(number, Control::Cancel) };
        let answer = ports.tasks.control(request).await;
        assert_eq!(answer.expect("the cancel is answered"), None);
    }
}

pub async fn a_repeated_cancel_gets_the_first_answer(ports: &Ports) {
    let task = ports.submit_any().await;
    let request = ControlRequest {
        idempotency: Some(build::idempotency("k")),
        ..build::control(task.number, Control::Cancel)
    };
    assert_eq!(ports.control(request.clone()).await, ACCEPTED);
    for _ in 0..2 {
        let again = ports.control(request.clone()).await;
        assert_eq!(again, Controlled { replayed: true, ..ACCEPTED });
    }
    let other = ControlRequest { idempotency: Some(build::idempotency("k2")), ..request };
    let refused = Controlled { accepted: false, ..ACCEPTED };
    assert_eq!(ports.control(other.clone()).await, refused);
    let again = ports.control(other).await;
    assert_eq!(again, Controlled { replayed: true, ..refused });
    assert_eq!(ports.log(task.number).await.len(), 4);
}

pub async fn of_concurrent_cancels_one_is_accepted(ports: &Ports) {
    for _ in 0..5 {
        let task = ports.submit_any().await;
        let answers = join_all((0..8).map(|_| ports.cancel(task.number))).await;
        assert_eq!(answers.iter().filter(|answer| answer.accepted).count(), 1);
        assert!(answers.iter().all(|answer| answer.status == TaskStatus::Cancelled));
        assert_eq!(ports.log(task.number).await.len(), 4);
    }
}

pub async fn concurrent_repeated_cancels_get_one_answer(ports: &Ports) {
    for round in ["k1", "k2", "k3"] {
        let task = ports.submit_any().await;
        let idempotency = Some(build::idempotency(round));
        let request =
            ControlRequest { idempotency, ..build::control(task.number, Control::Cancel) };
        let answers = join_all((0..8).map(|_| ports.control(request.clone()))).await;
        assert!(answers.iter().all(|answer| answer.accepted), "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    }
}

pub async fn of_a_cancel_and_a_claim_the_cancel_stands(ports: &Ports) {
    for _ in 0..20 {
        let task = ports.submit_any().await;
        let (claimed, cancelled) =
            join(ports.claim(build::claim(1)), ports.cancel(task.number)).await;
        assert_eq!(cancelled, ACCEPTED);
        assert_eq!(ports.status(task.number).await, TaskStatus::Cancelled);
        let types = ports.log_types(task.number).await;
        assert_eq!(types.len(), 4 + claimed.len());
        assert_eq!(types.last().map(String::as_str), Some("STREAM_END"));
    }
}

pub async fn a_cancel_is_never_overwritten(ports: &Ports) {
    for end in
        [build::complete("late"), build::fail("late"), build::retry_after("late", Duration::ZERO)]
    {
        let running = ports.running().await;
        ports.cancel(running.number).await;
        let cancelled = ports.task(running.number).await;
        let answer = ports.finish(build::lease(&running), end).await;
        assert!(matches!(answer, Err(ReportError::LeaseLost)), "{answer:?}");
        ports.reap().await;
        assert_eq!(ports.task(running.number).await, cancelled);
        let types = ports.log_types(running.number).await;
        assert_eq!(types[2..], ["WORKFLOW_CANCELLING", "WORKFLOW_CANCELLED", "STREAM_END"]);
    }
}

pub async fn of_a_cancel_and_a_completion_one_wins(ports: &Ports) {
    for round in 0..20 {
        let running = ports.running().await;
        let lease = build::lease(&running);
        // The order in which the two are begun alternates.
        let (cancelled, completed) = if round % 2 == 0 {
            join(ports.cancel(running.number), ports.finish(lease, build::complete("done"))).await
        } else {
            let both =
                join(ports.finish(lease, build::complete("done")), ports.cancel(running.number));
            let (completed, cancelled) = both.await;
            (cancelled, completed)
        };
        assert_ne!(cancelled.accepted, completed.is_ok(), "one of the two wins");
        let task = ports.task(running.number).await;
        let types = ports.log_types(running.number).await;
        let stored = task.finished().expect("the task has ended");
        assert_eq!(types.len(), 5);
        if cancelled.accepted {
            assert_eq!((task.status(), &stored.outcome.result), (TaskStatus::Cancelled, &None));
            assert_eq!(types[3], "WORKFLOW_CANCELLED");
        } else {
            assert_eq!(task.status(), TaskStatus::Completed);
            assert_eq!(cancelled.status, TaskStatus::Completed);
            assert_eq!(types[3], "WORKFLOW_COMPLETED");
        }
    }
}
