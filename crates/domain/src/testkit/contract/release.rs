//! Giving tasks back.

use super::finish::{assert_refused, finish_twice};
use crate::{
    error::ReportError,
    event::NewEvent,
    id::UserId,
    queue::{ClaimRequest, ClaimedTask, Lease, Report},
    task::{Attempt, status::TaskStatus},
    testkit::{Ports, build},
};
use futures_util::future::join;
use std::time::Duration;

pub async fn a_task_that_is_given_back_is_due_at_once(ports: &Ports) {
    let task = ports.running().await;
    assert_eq!(finish_twice(ports, &task, build::release()).await, TaskStatus::Queued);
    let again = ports.claim_one().await;
    assert_eq!((again.number, again.attempt.get()), (task.number, 2));
}

pub async fn a_waiting_claim_gets_what_is_given_back(ports: &Ports) {
    let task = ports.running().await;
    let wait = Duration::from_secs(30);
    let waiting = ports.claim(ClaimRequest { wait, ..build::claim(1) });
    let (claimed, given) = join(waiting, ports.finish(build::lease(&task), build::release())).await;
    assert_eq!(given.expect("it is taken"), TaskStatus::Queued);
    assert_eq!(claimed.first().map(|task| task.number), Some(task.number));
}

pub async fn a_task_that_is_given_back_has_lost_no_attempt(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
    for attempt in 1..=3 {
        let claimed = ports.claim_one().await;
        assert_eq!(Ok(claimed.attempt), Attempt::new(attempt));
        assert_eq!(finish_twice(ports, &claimed, build::release()).await, TaskStatus::Queued);
    }
    let last = ports.claim_one().await;
    let retry = build::retry_after("busy", Duration::ZERO);
    assert_eq!(finish_twice(ports, &last, retry).await, TaskStatus::Failed);
}

pub async fn a_lost_lease_after_a_task_was_given_back_counts(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let task = ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
    let claimed = ports.claim_one().await;
    ports.finish(build::lease(&claimed), build::release()).await.expect("it is taken");
    ports.claim_lapsing().await;
    assert_eq!(ports.reap().await.expired, 1);
    assert_eq!(ports.status(task.number).await, TaskStatus::Failed);
}

pub async fn a_task_that_is_given_back_voids_its_output(ports: &Ports) {
    let task = ports.running().await;
    ports.finish(build::lease(&task), build::release()).await.expect("it is taken");
    let story = ports.story(task.number).await;
    let [_, _, told] = &story[..] else { panic!("{story:?}") };
    let message = told.message().expect("it says why");
    assert_eq!(*told, NewEvent::released(task.attempt, message));
    assert!(!message.is_empty());
}

pub async fn a_paused_task_that_is_given_back_stays_paused(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
    let task = ports.claim_one().await;
    ports.pause(task.number).await;
    assert_eq!(finish_twice(ports, &task, build::release()).await, TaskStatus::Paused);
    assert!(ports.claim(build::claim(9)).await.is_empty(), "nobody gets it");
    assert!(ports.resume(task.number).await.accepted);
    let again = ports.claim_one().await;
    assert_eq!((again.number, again.attempt.get()), (task.number, 2));
}

pub async fn a_cancelled_task_cannot_be_given_back(ports: &Ports) {
    let task = ports.running().await;
    ports.cancel(task.number).await;
    assert_refused(ports, build::lease(&task), build::release()).await;
}

pub async fn only_the_holder_gives_a_task_back(ports: &Ports) {
    let waiting = ports.submit_any().await;
    let attempt = Attempt::new(1).expect("it is positive");
    assert_refused(ports, Lease { task: waiting.id, attempt }, build::release()).await;
    let first = ports.claim_lapsing().await;
    ports.reap().await;
    assert_refused(ports, build::lease(&first), build::release()).await;
    let second = ports.claim_one().await;
    assert_refused(ports, build::lease(&first), build::release()).await;
    ports.finish(build::lease(&second), build::complete("done")).await.expect("it ends");
    assert_refused(ports, build::lease(&second), build::release()).await;
    let unknown = Lease { task: build::task_id(), attempt };
    let answer = ports.finish(unknown, build::release()).await;
    assert!(matches!(answer, Err(ReportError::NotFound)), "{answer:?}");
}

pub async fn tasks_are_given_back_in_a_batch_with_other_ends(ports: &Ports) {
    for _ in 0..3 {
        ports.submit_any().await;
    }
    let tasks = ports.claim(build::claim(3)).await;
    let ends = [build::release(), build::complete("done"), build::release()];
    let report =
        |(task, conclusion): (&ClaimedTask, _)| Report { lease: build::lease(task), conclusion };
    let answers = ports.finish_all(tasks.iter().zip(ends).map(report).collect()).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("it is taken")).collect();
    assert_eq!(answers, [TaskStatus::Queued, TaskStatus::Completed, TaskStatus::Queued]);
    let again: Vec<_> = ports.claim(build::claim(3)).await.iter().map(|t| t.number).collect();
    assert_eq!(again, [tasks[0].number, tasks[2].number]);
}
