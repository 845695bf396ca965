//! The gateway, route by route, over mocked ports.

mod account;
mod browsers;
mod catalogues;
mod control;
mod control_state;
mod history;
mod hostile;
mod limit;
mod list;
mod probes;
mod review;
mod sessions;
mod socket;
mod status;
mod stream;
mod submit;
mod tenancy;
mod wire;

use crate::{
    server::{Face, State},
    testing::{Mocks, send, with_key},
};
use actix_web::{test::TestRequest, web};
use chrono::{DateTime, Utc};
use taskgate_domain::{
    id::{TaskId, TaskNumber, UserId},
    json::JsonObject,
    ports::MockTaskRepository,
    task::{
        Attempt, Finished, Live, Owner, Progress, Task, TaskState,
        outcome::Outcome,
        status::{FinalStatus, LiveStatus},
        work::{AgentWork, Mode, SessionLabel, Work},
    },
};

pub(crate) const ID: &str = "task_01JARZ3NDEKTSV4RRFFQ69G5FA";

fn id() -> TaskId {
    ID.parse().unwrap()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn work(query: &str, mode: Mode, context: &str) -> AgentWork {
    let context = JsonObject::parse("context", context.to_owned()).unwrap();
    let session = SessionLabel::new("user-123-session").unwrap();
    AgentWork::new(query.to_owned(), session, mode, context).unwrap()
}

/// A task of the default user in this state.
pub(crate) fn task(work: AgentWork, state: TaskState) -> Task {
    Task {
        number: TaskNumber::new(1).unwrap(),
        id: id(),
        owner: Owner::User(UserId::DEFAULT),
        work: Work::Agent(work),
        created_at: time("2025-10-22T10:30:00Z"),
        deadline: None,
        state,
    }
}

pub(crate) fn queued() -> TaskState {
    TaskState::Live(Live {
        status: LiveStatus::Queued,
        progress: Progress::default(),
        attempt: None,
        started_at: None,
        updated_at: time("2025-10-22T10:30:00Z"),
        pause: None,
    })
}

fn finished(status: FinalStatus, outcome: Outcome) -> TaskState {
    TaskState::Finished(Finished {
        status,
        progress: Progress::default(),
        attempt: Some(Attempt::new(1).unwrap()),
        started_at: Some(time("2025-10-22T10:30:01Z")),
        finished_at: time("2025-10-22T10:30:05.250Z"),
        outcome,
        cancel: None,
    })
}

/// A gateway over these tasks.
fn gateway(tasks: MockTaskRepository) -> web::Data<State> {
    Mocks { tasks, ..Mocks::default() }.state(Face::Gateway)
}

/// A gateway whose store is never asked for tasks.
fn idle() -> web::Data<State> {
    gateway(MockTaskRepository::new())
}

async fn get(state: &web::Data<State>, uri: &str) -> String {
    send(state, with_key(TestRequest::get().uri(uri))).await
}

async fn post(state: &web::Data<State>, uri: &str, body: impl Into<web::Bytes>) -> String {
    send(state, with_key(TestRequest::post().uri(uri).set_payload(body))).await
}

/// The status and body of a printed answer.
fn in_short(answer: &str) -> String {
    let status = answer.lines().next().unwrap();
    let body = answer.split_once("\n\n").map_or("", |(_, body)| body);
    format!("{status} {body}")
}
