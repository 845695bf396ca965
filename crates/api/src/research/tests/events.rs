//! A task's progress while it runs.

use super::{get, queued, task};
use crate::{
    server::{Face, State},
    testing::{Chapter, Mocks, Story, event, stream},
};
use actix_web::{test::TestRequest, web};
use insta::assert_snapshot;
use std::time::Duration;
use taskgate_domain::{
    control::Control,
    event::NewEvent,
    task::{
        Attempt, Progress,
        outcome::Outcome,
        status::{LiveStatus, Transition},
        work::{Kind, TaskType},
    },
};

const PATH: &str = "/api/v1/tasks/42/events";
const KIND: Kind = Kind::Research(TaskType::Search);

fn told(past: Vec<NewEvent>, future: Vec<Chapter>) -> web::Data<State> {
    Story::new(task(queued()), past, future).mocks().state(Face::Research)
}

async fn resumed(state: &web::Data<State>, id: &str) -> String {
    stream(state, TestRequest::get().uri(PATH).insert_header(("Last-Event-ID", id))).await
}

/// A task that is done step by step.
fn steps() -> Vec<NewEvent> {
    let mut events = vec![
        NewEvent::SUBMITTED,
        NewEvent::CLAIMED,
        NewEvent::progressed(Progress::new(3, 10).unwrap(), Some("third paper")),
        NewEvent::progressed(Progress::new(10, 10).unwrap(), None),
    ];
    events.extend(NewEvent::ended(Transition::Complete, KIND, &Outcome::default()));
    events
}

#[actix_web::test]
async fn a_task_is_told_in_the_spelling_of_this_face() {
    assert_snapshot!(get(&told(steps(), Vec::new()), PATH).await, @r#"
    200 OK
    cache-control: no-cache
    content-type: text/event-stream
    x-accel-buffering: no
    x-request-id: *

    : connected to task 42

    id: 1
    event: status
    data: {"task_id":42,"status":"pending","message":"","seq":1,"timestamp":"2025-10-22T10:30:00"}

    id: 2
    event: status
    data: {"task_id":42,"status":"running","message":"","seq":2,"timestamp":"2025-10-22T10:30:00.250000"}

    id: 3
    event: progress
    data: {"task_id":42,"status":"running","progress":3,"total":10,"message":"third paper","seq":3,"timestamp":"2025-10-22T10:30:00.500000"}

    id: 4
    event: progress
    data: {"task_id":42,"status":"running","progress":10,"total":10,"message":"","seq":4,"timestamp":"2025-10-22T10:30:00.750000"}

    id: 5
    event: status
    data: {"task_id":42,"status":"completed","message":"","seq":5,"timestamp":"2025-10-22T10:30:01"}

    id: 6
    event: done
    data: [DONE]
    "#);
}

#[actix_web::test]
async fn everything_that_can_happen_has_its_frame() {
    let mut events = vec![
        NewEvent::released(Attempt::new(1).unwrap(), "the lease has run out"),
        event("DATA_PROCESSING", "", "reading", ""),
        event("PROGRESS", "", "almost", r#"{"percent": 90}"#),
        event("PROGRESS", "", "", r#"{"progress": -1, "total": 2}"#),
        event("page.read", "reader", "", "{\n\"page\": 1}"),
    ];
    events.extend(NewEvent::controlled(Control::Pause, LiveStatus::Queued, Some("lunch")));
    events.extend(NewEvent::controlled(Control::Resume, LiveStatus::Paused, None));
    events.extend(NewEvent::controlled(Control::Cancel, LiveStatus::Queued, None));
    assert_snapshot!(stream(&told(events, Vec::new()), TestRequest::get().uri(PATH)).await, @r#"
    : connected to task 42

    id: 1
    event: status
    data: {"task_id":42,"status":"pending","message":"the lease has run out","seq":1,"timestamp":"2025-10-22T10:30:00"}

    id: 2
    event: log
    data: {"task_id":42,"type":"DATA_PROCESSING","message":"reading","seq":2,"timestamp":"2025-10-22T10:30:00.250000"}

    id: 3
    event: log
    data: {"task_id":42,"type":"PROGRESS","message":"almost","payload":{"percent": 90},"seq":3,"timestamp":"2025-10-22T10:30:00.500000"}

    id: 4
    event: log
    data: {"task_id":42,"type":"PROGRESS","message":"","payload":{"progress": -1, "total": 2},"seq":4,"timestamp":"2025-10-22T10:30:00.750000"}

    id: 5
    event: log
    data: {"task_id":42,"type":"page.read","agent_id":"reader","message":"","payload":{ "page": 1},"seq":5,"timestamp":"2025-10-22T10:30:01"}

    id: 7
    event: status
    data: {"task_id":42,"status":"running","message":"lunch","seq":7,"timestamp":"2025-10-22T10:30:01.500000"}

    id: 10
    event: status
    data: {"task_id":42,"status":"cancelled","message":"","seq":10,"timestamp":"2025-10-22T10:30:02.250000"}

    id: 11
    event: done
    data: [DONE]

    (end)
    "#);
}

#[actix_web::test]
async fn a_failure_tells_why() {
    let events = NewEvent::ended(Transition::TimeOut, KIND, &Outcome::error("too late"));
    assert_snapshot!(stream(&told(events, Vec::new()), TestRequest::get().uri(PATH)).await, @r#"
    : connected to task 42

    id: 1
    event: log
    data: {"task_id":42,"type":"ERROR_OCCURRED","message":"too late","seq":1,"timestamp":"2025-10-22T10:30:00"}

    id: 2
    event: status
    data: {"task_id":42,"status":"failed","message":"too late","seq":2,"timestamp":"2025-10-22T10:30:00.250000"}

    id: 3
    event: done
    data: [DONE]

    (end)
    "#);
}

#[actix_web::test]
async fn a_frame_can_be_resumed_from() {
    let state = told(steps(), Vec::new());
    let whole = resumed(&state, "").await;
    for (id, next) in
        [("3", "id: 4\n"), ("5", "id: 6\nevent: done\n"), ("6", "id: 6\nevent: done\n")]
    {
        let rest = resumed(&state, id).await;
        let expected = &whole[whole.find(next).unwrap()..];
        assert_eq!(rest, format!(": connected to task 42\n\n{expected}"), "{id}");
    }
    for garbage in ["x", "-1", "1-2", "+3"] {
        assert_eq!(resumed(&state, garbage).await, whole, "{garbage}");
    }
}

#[actix_web::test]
async fn what_happens_later_is_told_then() {
    tokio::time::pause();
    let later = vec![Chapter::Events(Duration::from_secs(15), steps())];
    let told = stream(&told(Vec::new(), later), TestRequest::get().uri(PATH)).await;
    assert!(
        told.starts_with(": connected to task 42\n\n: ping\n\nid: 1\nevent: status\n"),
        "{told}"
    );
    assert!(told.ends_with("data: [DONE]\n\n(end)"), "{told}");
}

#[actix_web::test]
async fn unknown_tasks_are_refused_before_any_frame() {
    let mut mocks = Mocks::default();
    mocks.tasks.expect_find().returning(|_| Ok(None));
    let state = mocks.state(Face::Research);
    assert_snapshot!(get(&state, PATH).await, @r#"
    404 Not Found
    content-type: application/json
    x-request-id: *

    {"code":404,"message":"Task not found","data":null}
    "#);
    let answer = get(&state, "/api/v1/tasks/x/events").await;
    assert!(
        answer.ends_with(r#"{"code":400,"message":"id must be a positive integer","data":null}"#)
    );
}
