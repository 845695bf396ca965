//! Proposing plans.

use super::finish::{assert_refused, finish_twice};
use crate::{
    control::{Control, ControlRequest},
    error::ReportError,
    event::NewEvent,
    id::{TenantId, UserId},
    queue::Reaped,
    review::{Intent, Proposal, Review, Role},
    task::{
        Attempt, ControlNote, Live, TaskState,
        status::{FinalStatus, LiveStatus, TaskStatus},
    },
    testkit::{Ports, build},
};
use std::time::Duration;

async fn live(ports: &Ports, task: &crate::queue::ClaimedTask) -> Live {
    match ports.task(task.number).await.state {
        TaskState::Live(live) => live,
        TaskState::Finished(finished) => panic!("{finished:?} is live"),
    }
}

fn lost<T: std::fmt::Debug>(answer: Result<T, ReportError>) {
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "{answer:?}");
}

pub async fn a_task_without_a_plan_has_no_review(ports: &Ports) {
    let task = ports.running().await;
    let review = ports.reviews.find_review(task.number).await.expect("the review is read");
    assert_eq!(review, None);
    let review = ports.reviews.find_review(build::unknown_number()).await;
    assert_eq!(review.expect("the review is read"), None);
    let review = ports.queue.review(build::lease(&task)).await;
    assert_eq!(review.expect("the lease is held"), None);
}

pub async fn a_proposed_plan_waits_for_its_review(ports: &Ports) {
    let task = ports.running().await;
    let questions = vec!["何?".to_owned(), "Why \"x\"?".to_owned()];
    let proposal = Proposal::new("最初に\n1. 😀".to_owned(), questions.clone(), Intent::Execute);
    let proposal = proposal.expect("the plan is valid");
    let answer = ports.queue.propose(build::lease(&task), proposal.clone()).await;
    answer.expect("the plan is taken");

    let review = ports.review(task.number).await;
    assert_eq!((review.plan(), review.version(), review.feedback()), (proposal.plan(), 1, None));
    assert_eq!((review.approved, review.intent, review.rounds.len()), (false, Intent::Execute, 1));
    assert_eq!((&review.questions, review.rounds[0].role), (&questions, Role::Assistant));

    let live = live(ports, &task).await;
    assert_eq!((live.status, live.attempt), (LiveStatus::Paused, Some(task.attempt)));
    let reason = Some(NewEvent::WAITING_FOR_REVIEW.to_owned());
    let at = review.rounds[0].at;
    assert_eq!(live.pause, Some(ControlNote { at, by: UserId::DEFAULT, reason }));
    assert_eq!(live.updated_at, at, "seen together");
    let told = NewEvent::proposed(&proposal, Some(1), LiveStatus::Running);
    assert_eq!(ports.story(task.number).await[2..], told);
}

pub async fn a_proposal_ends_the_claim(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    assert!(ports.claim(build::claim(9)).await.is_empty(), "the task is paused");
    lost(ports.queue.heartbeat(build::sign_of_life(build::lease(&task))).await);
    lost(ports.queue.record(build::lease(&task), vec![build::event("LATE")]).await);
    lost(ports.queue.review(build::lease(&task)).await);
    assert_refused(ports, build::lease(&task), build::complete("late")).await;
    let retry = build::retry_after("stopped", Duration::ZERO);
    assert_refused(ports, build::lease(&task), retry).await;
    assert_eq!(ports.reap().await, Reaped::default(), "there is nothing to take back");
}

pub async fn a_repeated_proposal_changes_nothing(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    let (before, log) = (ports.task(task.number).await, ports.log(task.number).await);
    let review = ports.review(task.number).await;
    ports.propose(&task, "a plan").await;
    ports.propose(&task, "another plan").await;
    assert_eq!(ports.task(task.number).await, before);
    assert_eq!(ports.log(task.number).await, log);
    assert_eq!(ports.review(task.number).await, review);
}

pub async fn a_proposal_costs_no_attempt(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let task = ports.submit(build::with(task, |o| o.with_max_attempts(2))).await;
    ports.propose(&ports.claim_one().await, "a plan").await;
    ports.respond(build::feedback(task.number, "shorter")).await.expect("it is taken");
    ports.propose(&ports.claim_one().await, "plan").await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    for (attempt, status) in [(3, TaskStatus::Queued), (4, TaskStatus::Failed)] {
        let claimed = ports.claim_one().await;
        assert_eq!(Ok(claimed.attempt), Attempt::new(attempt));
        let retry = build::retry_after("busy", Duration::ZERO);
        assert_eq!(finish_twice(ports, &claimed, retry).await, status);
    }
}

pub async fn a_lost_lease_after_a_proposal_is_tried_again(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let task = ports.submit(build::with(task, |o| o.with_max_attempts(2))).await;
    ports.propose(&ports.claim_one().await, "a plan").await;
    ports.resume(task.number).await;
    for status in [TaskStatus::Queued, TaskStatus::Failed] {
        ports.claim_lapsing().await;
        assert_eq!(ports.reap().await.expired, 1);
        assert_eq!(ports.status(task.number).await, status);
    }
}

pub async fn a_proposal_without_the_lease_is_refused(ports: &Ports) {
    ports.submit_any().await;
    let first = ports.claim_lapsing().await;
    ports.reap().await;
    let second = ports.claim_one().await;
    let log = ports.log(first.number).await;
    lost(ports.queue.propose(build::lease(&first), build::proposal("a plan")).await);
    assert_eq!(ports.log(first.number).await, log);
    let review = ports.reviews.find_review(first.number).await.expect("the review is read");
    assert_eq!(review, None);
    ports.propose(&second, "a plan").await;
}

pub async fn a_proposal_on_an_unknown_task_is_not_found(ports: &Ports) {
    let lease = build::lease(&ports.running().await);
    let lease = crate::queue::Lease { task: build::task_id(), ..lease };
    let answer = ports.queue.propose(lease, build::proposal("a plan")).await;
    assert!(matches!(answer, Err(ReportError::NotFound)), "{answer:?}");
    let answer = ports.queue.review(lease).await;
    assert!(matches!(answer, Err(ReportError::NotFound)), "{answer:?}");
}

pub async fn a_job_has_no_plan(ports: &Ports) {
    ports.submit(build::research_task(TenantId::DEFAULT, build::project(1))).await;
    let task = ports.claim_one().await;
    let answer = ports.queue.propose(build::lease(&task), build::proposal("a plan")).await;
    assert!(matches!(answer, Err(ReportError::Invalid(_))), "{answer:?}");
    let status = ports.finish(build::lease(&task), build::complete("{}")).await;
    assert_eq!(status.expect("the lease is still held"), TaskStatus::Completed);
}

pub async fn a_proposal_after_the_approval_is_invalid(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    let task = ports.claim_one().await;
    let answer = ports.queue.propose(build::lease(&task), build::proposal("a plan")).await;
    assert!(matches!(answer, Err(ReportError::Invalid(_))), "{answer:?}");
    let status = ports.finish(build::lease(&task), build::complete("done")).await;
    assert_eq!(status.expect("the lease is still held"), TaskStatus::Completed);
}

pub async fn a_plan_that_nobody_asked_for_leaves_the_one_under_review(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    let review = ports.review(task.number).await;
    assert_eq!(ports.resume(task.number).await.status, TaskStatus::Queued);
    let again = ports.claim_one().await;
    let seen = ports.queue.review(build::lease(&again)).await.expect("the lease is held");
    assert_eq!(seen.as_ref(), Some(&review));
    ports.propose(&again, "another plan").await;
    assert_eq!(ports.status(task.number).await, TaskStatus::Paused);
    assert_eq!(ports.review(task.number).await, review);
    let told = NewEvent::proposed(&build::proposal("another plan"), None, LiveStatus::Running);
    let story = ports.story(task.number).await;
    assert_eq!(story[story.len() - told.len()..], told);
}

pub async fn a_proposal_of_a_paused_task_leaves_the_pause(ports: &Ports) {
    let ada = ports.user("tenant", "ada").await.user;
    let task = ports.running().await;
    let reason = Some("lunch".to_owned());
    let request = build::control(task.number, Control::Pause);
    ports.control(ControlRequest { by: ada, reason, ..request }).await;
    let pause = live(ports, &task).await.pause;
    ports.propose(&task, "a plan").await;
    assert_eq!(live(ports, &task).await.pause, pause);
    let told = NewEvent::proposed(&build::proposal("a plan"), Some(1), LiveStatus::Paused);
    assert_eq!(told.len(), 1);
    assert_eq!(ports.story(task.number).await[4..], told);
    assert_eq!(ports.resume(task.number).await.status, TaskStatus::Queued, "nobody holds it");
}

pub async fn a_task_under_review_is_cancelled(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    let answer = ports.cancel(task.number).await;
    assert_eq!((answer.accepted, answer.status), (true, TaskStatus::Cancelled));
    assert_eq!(ports.review(task.number).await.plan(), "a plan");
}

pub async fn a_task_under_review_times_out(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(task, |o| o.with_timeout_seconds(1))).await;
    let task = ports.claim_one().await;
    ports.propose(&task, "a plan").await;
    ports.reap_deadlines(1).await;
    let stored = ports.task(task.number).await;
    assert_eq!(stored.finished().map(|end| end.status), Some(FinalStatus::TimedOut));
}

pub async fn a_worker_reads_what_was_said(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.respond(build::feedback(task.number, "短く")).await.expect("it is taken");
    let second = ports.claim_one().await;
    let read = async |task| -> Review {
        let review = ports.queue.review(build::lease(task)).await.expect("the lease is held");
        review.expect("a plan was proposed")
    };
    let review = read(&second).await;
    assert_eq!((review.plan(), review.feedback()), ("a plan", Some("短く")));
    ports.propose(&second, "計画").await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    let third = ports.claim_one().await;
    let review = read(&third).await;
    assert!(review.approved);
    assert_eq!((review.plan(), review.version(), review.feedback()), ("計画", 2, None));
    assert_eq!(review, ports.review(task.number).await);
}
