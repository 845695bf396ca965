//! Values for tests, each with a default that the test does not care about.

use crate::{
    control::{Control, ControlRequest},
    error::InvalidValue,
    event::{EventType, NewEvent},
    id::{ProjectId, TaskId, TaskIds, TaskNumber, TenantId, UserId},
    json::JsonObject,
    query::Page,
    queue::{ClaimRequest, ClaimedTask, Conclusion, Heartbeat, Lease, WorkerId},
    review::{Feedback, Intent, Proposal, Response, ReviewRequest},
    task::{
        Owner,
        outcome::Outcome,
        submit::{IdempotencyKey, NewTask, SubmitOptions},
        work::{AgentWork, Kind, Mode, ResearchWork, SessionLabel, TaskType, Work},
    },
    usage::{ModelUsage, Tokens, Usage, Usd},
};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::{sync::LazyLock, time::Duration};

/// The next of the ids that grow with creation.
pub fn task_id() -> TaskId {
    static IDS: LazyLock<TaskIds> = LazyLock::new(TaskIds::default);
    IDS.next()
}

/// A number that no store has reached.
pub fn unknown_number() -> TaskNumber {
    TaskNumber::new(i64::MAX).expect("the largest number is valid")
}

/// A question of `user` in a session of its own.
pub fn agent_task(user: UserId) -> NewTask {
    agent_task_in(user, SessionLabel::generate())
}

/// A question of `user` in a session.
pub fn agent_task_in(user: UserId, session: SessionLabel) -> NewTask {
    let work =
        AgentWork::new("Why is the sky blue?".to_owned(), session, Mode::Simple, object("{}"))
            .expect("the question is valid");
    NewTask {
        id: task_id(),
        owner: Owner::User(user),
        work: Work::Agent(work),
        options: SubmitOptions::default(),
        idempotency: None,
    }
}

/// A search job of a tenant's project.
pub fn research_task(tenant: TenantId, project: ProjectId) -> NewTask {
    research_task_of(tenant, project, TaskType::Search)
}

/// A job of a tenant's project.
pub fn research_task_of(tenant: TenantId, project: ProjectId, task_type: TaskType) -> NewTask {
    NewTask {
        id: task_id(),
        owner: Owner::Tenant(tenant),
        work: Work::Research(ResearchWork { project, task_type, params: object("{}") }),
        options: SubmitOptions::default(),
        idempotency: None,
    }
}

/// The same task with other options.
pub fn with(
    task: NewTask,
    change: impl FnOnce(SubmitOptions) -> Result<SubmitOptions, InvalidValue>,
) -> NewTask {
    let options = change(task.options).expect("the options are valid");
    NewTask { options, ..task }
}

/// The same task, submitted under an idempotency key.
pub fn keyed(task: NewTask, key: &str) -> NewTask {
    NewTask { idempotency: Some(idempotency(key)), ..task }
}

/// The identity of a request under this client key.
pub fn idempotency(key: &str) -> IdempotencyKey {
    IdempotencyKey::derive(key, UserId::DEFAULT, "/", b"").expect("the key is valid")
}

/// A control of the default user, without a reason.
pub fn control(number: TaskNumber, control: Control) -> ControlRequest {
    ControlRequest { number, control, by: UserId::DEFAULT, reason: None, idempotency: None }
}

/// A project.
pub fn project(number: i64) -> ProjectId {
    ProjectId::new(number).expect("the number is positive")
}

/// A client's session id.
pub fn label(text: &str) -> SessionLabel {
    SessionLabel::new(text).expect("the label is valid")
}

/// A JSON object of this very text.
pub fn object(text: &str) -> JsonObject {
    JsonObject::parse("object", text.to_owned()).expect("the text is a JSON object")
}

/// A part of a list.
pub fn page(limit: i64, offset: i64) -> Page {
    Page::new(limit, offset).expect("the page is valid")
}

/// As much of a list as one page shows.
pub fn whole() -> Page {
    page(500, 0)
}

/// A wish for up to `max` tasks of every kind, held for an hour, without
/// waiting.
pub fn claim(max: u16) -> ClaimRequest {
    ClaimRequest {
        worker: WorkerId::new("worker-1").expect("the name is valid"),
        kinds: Kind::ALL.to_vec(),
        max,
        lease: Duration::from_secs(3_600),
        wait: Duration::ZERO,
    }
}

/// The same under leases that end at once.
pub fn lapsing_claim(max: u16) -> ClaimRequest {
    ClaimRequest { lease: Duration::ZERO, ..claim(max) }
}

/// The end of a task with this text, which is a valid result of every kind of
/// task when it is a JSON object.
pub fn complete(result: &str) -> Conclusion {
    Conclusion::Complete(Outcome { result: Some(result.to_owned()), ..Outcome::default() })
}

/// The end of a task with an error, for good.
pub fn fail(error: &str) -> Conclusion {
    Conclusion::Fail { outcome: Outcome::error(error), retry: None }
}

/// The end of an attempt with an error, to be tried again after a while.
pub fn retry_after(error: &str, delay: Duration) -> Conclusion {
    Conclusion::Fail { outcome: Outcome::error(error), retry: Some(delay) }
}

/// A task given back, which was not begun.
pub fn release() -> Conclusion {
    Conclusion::Release { usage: Usage::default() }
}

/// So many tokens and nano-dollars, of one model.
pub fn usage(tokens: i64, nanos: i64) -> Usage {
    let tokens = Tokens::new(tokens, 0, None).expect("the count is valid");
    let cost = Usd::from_nanos(nanos).expect("the amount is valid");
    let (model, provider) = ("m".to_owned(), "p".to_owned());
    Usage::new(tokens, cost, vec![ModelUsage { model, provider, executions: 1, tokens, cost }])
}

/// The same end of an attempt that has consumed so much.
pub fn consuming(usage: Usage, conclusion: Conclusion) -> Conclusion {
    match conclusion {
        Conclusion::Complete(outcome) => Conclusion::Complete(Outcome { usage, ..outcome }),
        Conclusion::Fail { outcome, retry } => {
            Conclusion::Fail { outcome: Outcome { usage, ..outcome }, retry }
        }
        Conclusion::Release { .. } => Conclusion::Release { usage },
    }
}

/// A heartbeat that renews a lease for as long as its claim did, and tells
/// nothing.
pub const fn sign_of_life(lease: Lease) -> Heartbeat {
    Heartbeat { lease, extend: None, progress: None, total: None, message: None }
}

/// A worker's event that is nothing but its name.
pub fn event(name: &str) -> NewEvent {
    NewEvent::new(event_type(name), None, None, None).expect("the event is valid")
}

/// A worker's own answer to the task's question.
pub fn final_output(answer: &str) -> NewEvent {
    let agent = Some(NewEvent::FINAL_OUTPUT.to_owned());
    let event = NewEvent::new(EventType::LLM_OUTPUT, agent, Some(answer.to_owned()), None);
    event.expect("the event is valid")
}

/// A plan of two questions, ready to be approved.
pub fn proposal(plan: &str) -> Proposal {
    let questions = vec!["What?".to_owned(), "Why?".to_owned()];
    Proposal::new(plan.to_owned(), questions, Intent::Ready).expect("the plan is valid")
}

/// A remark on the latest plan.
pub fn feedback(number: TaskNumber, message: &str) -> ReviewRequest {
    let feedback = Feedback::new(message.to_owned()).expect("the remark is valid");
    ReviewRequest { number, response: Response::Feedback(feedback), version: None }
}

/// The approval of the latest plan.
pub const fn approval(number: TaskNumber) -> ReviewRequest {
    ReviewRequest { number, response: Response::Approve, version: None }
}

/// The name of an event.
pub fn event_type(name: &str) -> EventType {
    EventType::new(name.to_owned()).expect("the name is valid")
}

/// An hour from now, at the stores' precision.
pub fn in_an_hour() -> DateTime<Utc> {
    (Utc::now() + TimeDelta::hours(1)).trunc_subsecs(6)
}

/// The right to report that a claim has given.
pub const fn lease(task: &ClaimedTask) -> Lease {
    Lease { task: task.id, attempt: task.attempt }
}
