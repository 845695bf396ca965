//! Taking back leases and ending tasks at their deadline.

use crate::{
    error::ReportError,
    id::{TenantId, UserId},
    queue::Reaped,
    task::{
        Attempt,
        outcome::Outcome,
        status::{FinalStatus, TaskStatus},
    },
    testkit::{Ports, build},
};
use futures_util::future::{join, join_all};

pub async fn nothing_is_over_in_a_quiet_store(ports: &Ports) {
    ports.submit_any().await;
    ports.running().await;
    assert_eq!(ports.reap().await, Reaped::default());
}

pub async fn an_expired_lease_returns_the_task_at_once(ports: &Ports) {
    ports.submit_any().await;
    let first = ports.claim_lapsing().await;
    assert!(ports.claim(build::claim(9)).await.is_empty(), "until it is taken back");
    assert_eq!(ports.reap().await, Reaped { expired: 1, timed_out: 0 });
    assert_eq!(ports.reap().await, Reaped::default());
    let task = ports.task(first.number).await;
    assert_eq!(task.status(), TaskStatus::Queued);
    assert!(task.started_at().is_some(), "it has been started once");
    assert_eq!(ports.claim_one().await.attempt.get(), 2);
    let types = ports.log_types(first.number).await;
    assert_eq!(types[1..], ["WORKFLOW_STARTED", "ERROR_RECOVERY", "WORKFLOW_STARTED"]);
}

pub async fn used_up_leases_fail_the_task(ports: &Ports) {
    let task = build::with(build::agent_task(UserId::DEFAULT), |o| o.with_max_attempts(2));
    let task = ports.submit(task).await;
    for _ in 0..2 {
        ports.claim_lapsing().await;
        assert_eq!(ports.reap().await, Reaped { expired: 1, timed_out: 0 });
    }
    let task = ports.task(task.number).await;
    let finished = task.finished().expect("the task has ended");
    assert_eq!(finished.status, FinalStatus::Failed);
    assert_eq!(finished.attempt.map(Attempt::get), Some(2));
    let error = finished.outcome.error.clone().expect("it says why");
    assert!(!error.trim().is_empty());
    assert_eq!(finished.outcome, Outcome::error(error));
    assert_eq!(ports.log_types(task.number).await.len(), 7);
}

pub async fn lost_leases_and_failures_count_as_one_kind_of_attempt(ports: &Ports) {
    let task = build::with(build::agent_task(UserId::DEFAULT), |o| o.with_max_attempts(2));
    ports.submit(task).await;
    ports.claim_lapsing().await;
    ports.reap().await;
    let second = ports.claim_one().await;
    let retry = build::retry_after("busy", std::time::Duration::ZERO);
    let status = ports.finish(build::lease(&second), retry).await;
    assert_eq!(status.expect("it is accepted"), TaskStatus::Failed);
}

pub async fn a_deadline_ends_queued_and_running_tasks(ports: &Ports) {
    let task = |priority| {
        build::with(build::agent_task(UserId::DEFAULT), |o| {
            o.with_timeout_seconds(1)?.with_priority(priority)
        })
    };
    let queued = ports.submit(task(0)).await;
    let running = ports.submit(task(1)).await;
    let claimed = ports.claim_one().await;
    assert_eq!((claimed.number, claimed.deadline), (running.number, running.deadline));
    ports.reap_deadlines(2).await;
    for (submitted, attempt) in [(queued, None), (running, Some(claimed.attempt))] {
        let task = ports.task(submitted.number).await;
        let finished = task.finished().expect("the task has ended");
        assert_eq!((finished.status, finished.attempt), (FinalStatus::TimedOut, attempt));
        assert!(task.deadline.is_some_and(|deadline| deadline <= finished.finished_at));
        assert_eq!(task.deadline, submitted.deadline);
        let types = ports.log_types(task.number).await;
        assert_eq!(types.last().map(String::as_str), Some("STREAM_END"));
    }
    let answer = ports.finish(build::lease(&claimed), build::complete("late")).await;
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "{answer:?}");
    assert!(ports.claim(build::claim(9)).await.is_empty());
}

pub async fn a_deadline_ahead_ends_nothing(ports: &Ports) {
    let start = build::in_an_hour();
    let task = build::agent_task(UserId::DEFAULT);
    let later = build::with(task, |o| o.with_timeout_seconds(1)?.with_run_after(start));
    let later = ports.submit(later).await;
    let task = build::agent_task(UserId::DEFAULT);
    let soon = ports.submit(build::with(task, |o| o.with_timeout_seconds(1))).await;
    ports.reap_deadlines(1).await;
    assert_eq!(ports.status(soon.number).await, TaskStatus::TimedOut);
    assert_eq!(ports.status(later.number).await, TaskStatus::Queued);
}

pub async fn the_reaper_takes_no_more_than_it_may(ports: &Ports) {
    for _ in 0..5 {
        ports.submit_any().await;
    }
    assert_eq!(ports.claim(build::lapsing_claim(5)).await.len(), 5);
    for expired in [2, 2, 1, 0] {
        let reaped = ports.maintenance.reap(2).await.expect("the reaper runs");
        assert_eq!(reaped, Reaped { expired, timed_out: 0 });
    }
    assert_eq!(ports.claim(build::claim(9)).await.len(), 5);
}

pub async fn concurrent_reapers_take_each_lease_once(ports: &Ports) {
    const TASKS: usize = 20;
    for n in 0..TASKS {
        let job = build::research_task(TenantId::DEFAULT, build::project(1));
        let attempts = if n % 2 == 0 { 1 } else { 2 };
        ports.submit(build::with(job, |o| o.with_max_attempts(attempts))).await;
    }
    let claimed = ports.claim(build::lapsing_claim(50)).await;
    let reaped = join_all((0..4).map(|_| ports.reap())).await;
    let rest = ports.reap().await;
    assert_eq!(reaped.iter().map(|reaped| reaped.expired).sum::<usize>() + rest.expired, TASKS);
    for task in claimed {
        let events = match ports.status(task.number).await {
            TaskStatus::Queued => 3,
            _ => 5,
        };
        assert_eq!(ports.log_types(task.number).await.len(), events);
    }
}

pub async fn of_the_reaper_and_a_report_one_wins(ports: &Ports) {
    for _ in 0..20 {
        let task = ports.submit_any().await;
        let claimed = ports.claim_lapsing().await;
        let report = ports.finish(build::lease(&claimed), build::complete("done"));
        let (reaped, report) = join(ports.reap(), report).await;
        assert_eq!(reaped.expired == 1, report.is_err(), "one of the two wins");
        let status = ports.status(task.number).await;
        match report {
            Ok(answer) => assert_eq!((answer, status), (TaskStatus::Completed, answer)),
            Err(_) => {
                assert_eq!(status, TaskStatus::Queued);
                ports.cancel(task.number).await;
            }
        }
        assert_eq!(ports.log_types(task.number).await[1], "WORKFLOW_STARTED");
    }
}
