//! What each move writes into the log, word for word.

use super::finish::rich_outcome;
use crate::{
    control::{Control, ControlRequest},
    event::{EventType, NewEvent},
    id::{TaskNumber, TenantId, UserId},
    queue::{ClaimedTask, Conclusion},
    task::{
        outcome::Outcome,
        status::{FinalStatus, LiveStatus, Transition},
        work::{Kind, TaskType},
    },
    testkit::{Ports, build},
};
use std::time::Duration;

async fn complete(ports: &Ports, task: &ClaimedTask, outcome: &Outcome) {
    let end = Conclusion::Complete(outcome.clone());
    ports.finish(build::lease(task), end).await.expect("it ends");
}

async fn record(ports: &Ports, task: &ClaimedTask, event: NewEvent) {
    ports.queue.record(build::lease(task), vec![event]).await.expect("it is recorded");
}

async fn stored(ports: &Ports, number: TaskNumber) -> Outcome {
    ports.task(number).await.finished().expect("the task has ended").outcome.clone()
}

pub async fn a_submit_and_a_claim_are_told(ports: &Ports) {
    let task = ports.running().await;
    assert_eq!(ports.story(task.number).await, [NewEvent::SUBMITTED, NewEvent::CLAIMED]);
}

pub async fn an_answer_is_told_with_its_price(ports: &Ports) {
    let task = ports.running().await;
    let outcome = rich_outcome("答え \"42\"\n😀");
    complete(ports, &task, &outcome).await;
    let told = NewEvent::ended(Transition::Complete, Kind::Agent, &outcome);
    assert_eq!(ports.story(task.number).await[2..], told);
}

pub async fn an_answer_without_text_or_price_is_told(ports: &Ports) {
    let response = Some(build::object(r#"{"answer": 42}"#));
    for outcome in [Outcome::default(), Outcome { response, ..Outcome::default() }] {
        let task = ports.running().await;
        complete(ports, &task, &outcome).await;
        let told = NewEvent::ended(Transition::Complete, Kind::Agent, &outcome);
        assert_eq!(ports.story(task.number).await[2..], told);
    }
}

pub async fn a_job_has_no_answer_to_tell(ports: &Ports) {
    ports.submit(build::research_task(TenantId::DEFAULT, build::project(1))).await;
    let task = ports.claim_one().await;
    let outcome = rich_outcome("{}");
    complete(ports, &task, &outcome).await;
    let told = NewEvent::ended(Transition::Complete, Kind::Research(TaskType::Search), &outcome);
    assert_eq!(ports.story(task.number).await[2..], told);
}

pub async fn a_failure_is_told_with_its_error(ports: &Ports) {
    let task = ports.running().await;
    ports.finish(build::lease(&task), build::fail("壊れた \"x\"")).await.expect("it ends");
    let told = NewEvent::ended(Transition::Fail, Kind::Agent, &Outcome::error("壊れた \"x\""));
    assert_eq!(ports.story(task.number).await[2..], told);
}

pub async fn a_failure_after_the_last_attempt_is_told(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
    let task = ports.claim_one().await;
    let retry = build::retry_after("busy", Duration::ZERO);
    ports.finish(build::lease(&task), retry).await.expect("it ends");
    let told = NewEvent::ended(Transition::Fail, Kind::Agent, &Outcome::error("busy"));
    assert_eq!(ports.story(task.number).await[2..], told);
}

pub async fn a_last_lost_lease_is_told(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let task = ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
    ports.claim_lapsing().await;
    ports.reap().await;
    let outcome = stored(ports, task.number).await;
    let told = NewEvent::ended(Transition::Fail, Kind::Agent, &outcome);
    assert_eq!(ports.story(task.number).await[2..], told);
}

pub async fn a_passed_deadline_is_told(ports: &Ports) {
    let task = ports.ended(FinalStatus::TimedOut).await;
    let outcome = stored(ports, task.number).await;
    assert!(outcome.error.is_some(), "it says why");
    let told = NewEvent::ended(Transition::TimeOut, Kind::Agent, &outcome);
    assert_eq!(ports.story(task.number).await[1..], told);
}

pub async fn a_retry_is_told_with_its_reason(ports: &Ports) {
    let task = ports.running().await;
    let retry = build::retry_after("混雑", Duration::ZERO);
    ports.finish(build::lease(&task), retry).await.expect("it is tried again");
    assert_eq!(ports.story(task.number).await[2..], [NewEvent::released(task.attempt, "混雑")]);
}

pub async fn a_lost_lease_is_told_with_a_reason(ports: &Ports) {
    let task = ports.submit_any().await;
    for attempt in 1..=2 {
        let lost = ports.claim_lapsing().await;
        assert_eq!(lost.attempt.get(), attempt);
        ports.reap().await;
        let story = ports.story(task.number).await;
        let last = story.last().expect("the log has events");
        let reason = last.message().expect("it says why");
        assert!(!reason.is_empty());
        assert_eq!(*last, NewEvent::released(lost.attempt, reason));
    }
}

pub async fn a_cancel_tells_where_the_task_stood(ports: &Ports) {
    let running = ports.running().await.number;
    let queued = ports.submit_any().await.number;
    let why = Some("もう不要");
    for (number, from, events) in
        [(queued, LiveStatus::Queued, 1), (running, LiveStatus::Running, 2)]
    {
        let request = build::control(number, Control::Cancel);
        ports.control(ControlRequest { reason: why.map(str::to_owned), ..request }).await;
        let told = NewEvent::controlled(Control::Cancel, from, why);
        assert_eq!(ports.story(number).await[events..], told);
    }
}

pub async fn a_workers_own_answer_is_not_told_again(ports: &Ports) {
    let task = ports.running().await;
    record(ports, &task, build::final_output("mine")).await;
    record(ports, &task, build::event("NOTED")).await;
    complete(ports, &task, &rich_outcome("theirs")).await;
    let told = NewEvent::ended(Transition::Complete, Kind::Agent, &rich_outcome("theirs"));
    let expected = [&[build::final_output("mine"), build::event("NOTED")], &told[1..]].concat();
    assert_eq!(ports.story(task.number).await[2..], expected);
}

pub async fn an_answer_of_an_earlier_claim_does_not_count(ports: &Ports) {
    let first = ports.running().await;
    record(ports, &first, build::final_output("too early")).await;
    let retry = build::retry_after("again", Duration::ZERO);
    ports.finish(build::lease(&first), retry).await.expect("it is tried again");
    let second = ports.claim_one().await;
    complete(ports, &second, &rich_outcome("done")).await;
    let told = NewEvent::ended(Transition::Complete, Kind::Agent, &rich_outcome("done"));
    assert_eq!(ports.story(first.number).await[5..], told);
}

pub async fn other_output_is_not_the_answer(ports: &Ports) {
    let said = |event_type, agent: Option<&str>| {
        let event = NewEvent::new(event_type, agent.map(str::to_owned), None, None);
        event.expect("the event is valid")
    };
    let final_output = Some(NewEvent::FINAL_OUTPUT);
    for event in [
        said(EventType::LLM_OUTPUT, None),
        said(EventType::LLM_OUTPUT, Some("researcher")),
        said(EventType::LLM_PARTIAL, final_output),
        said(build::event_type("AGENT_COMPLETED"), final_output),
    ] {
        let task = ports.running().await;
        record(ports, &task, event).await;
        complete(ports, &task, &rich_outcome("done")).await;
        let told = NewEvent::ended(Transition::Complete, Kind::Agent, &rich_outcome("done"));
        assert_eq!(ports.story(task.number).await[3..], told);
    }
}

pub async fn a_failure_is_told_beside_the_workers_own_answer(ports: &Ports) {
    let task = ports.running().await;
    record(ports, &task, build::final_output("nearly")).await;
    ports.finish(build::lease(&task), build::fail("broken")).await.expect("it ends");
    let told = NewEvent::ended(Transition::Fail, Kind::Agent, &Outcome::error("broken"));
    assert_eq!(ports.story(task.number).await[3..], told);
}
