//! What has happened to a task, as lists.

use super::{ID, gateway, get, in_short, queued, task, work};
use crate::{
    server::{Face, State},
    testing::{Mocks, Story, event},
};
use actix_web::web;
use taskgate_domain::{
    control::Control,
    error::StoreError,
    event::NewEvent,
    id::KeyId,
    ports::MockTaskRepository,
    task::{
        Attempt,
        outcome::Outcome,
        status::{LiveStatus, Transition},
        work::{Kind, Mode},
    },
};

fn told(events: Vec<NewEvent>) -> web::Data<State> {
    let task = task(work("q", Mode::Simple, "{}"), queued());
    Story::new(task, events, Vec::new()).mocks().state(Face::Gateway)
}

/// A task that was paused, given back, tried again and completed.
fn eventful() -> Vec<NewEvent> {
    let mut events = vec![NewEvent::SUBMITTED, NewEvent::CLAIMED];
    events.extend(NewEvent::controlled(Control::Pause, LiveStatus::Running, Some("lunch")));
    events.extend(NewEvent::controlled(Control::Resume, LiveStatus::Paused, None));
    events.push(NewEvent::released(Attempt::new(1).unwrap(), "no paper"));
    events.push(NewEvent::CLAIMED);
    events.push(event("DATA_PROCESSING", "reader", "page 1", r#"{"page": 1}"#));
    events.push(event("LLM_PARTIAL", "writer", "37", ""));
    let outcome = Outcome { result: Some("3776".to_owned()), ..Outcome::default() };
    events.extend(NewEvent::ended(Transition::Complete, Kind::Agent, &outcome));
    events
}

async fn of_task(state: &web::Data<State>, rest: &str) -> String {
    get(state, &format!("/api/v1/tasks/{ID}/{rest}")).await
}

#[actix_web::test]
async fn events_are_listed_as_they_are_streamed_but_for_pieces() {
    let events = vec![
        NewEvent::SUBMITTED,
        event("LLM_PARTIAL", "writer", "37", ""),
        event("TOOL_INVOKED", "reader", "page 1", r#"{"page": 1}"#),
    ];
    insta::assert_snapshot!(of_task(&told(events), "events").await, @r#"
    200 OK
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"events":[{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"DATA_PROCESSING","timestamp":"2025-10-22T10:30:00Z","seq":1,"stream_id":"1761129000000-1"},{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"TOOL_INVOKED","agent_id":"reader","message":"page 1","payload":{"page": 1},"timestamp":"2025-10-22T10:30:00.500000Z","seq":3,"stream_id":"1761129000500-3"}],"count":2}
    "#);
}

#[actix_web::test]
async fn events_come_in_pages() {
    let state = told(vec![NewEvent::CLAIMED; 300]);
    for (query, first, count) in
        [("", 1, 50), ("?limit=200", 1, 200), ("?limit=2&offset=7", 8, 2), ("?offset=299", 300, 1)]
    {
        let answer = of_task(&state, &format!("events{query}")).await;
        let answer: serde_json::Value =
            serde_json::from_str(answer.split_once("\n\n").unwrap().1).unwrap();
        assert_eq!((&answer["count"], &answer["events"][0]["seq"]), (&count.into(), &first.into()));
        assert_eq!(answer["events"].as_array().unwrap().len(), count);
    }
    let beyond = of_task(&state, "events?offset=300&limit=").await;
    assert_eq!(in_short(&beyond), r#"200 OK {"events":[],"count":0}"#);
}

#[actix_web::test]
async fn a_timeline_tells_the_moves() {
    insta::assert_snapshot!(of_task(&told(eventful()), "timeline").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","events":[{"id":"1761129000000-1","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"WF_STARTED","message":"","timestamp":"2025-10-22T10:30:00Z","seq":1,"created_at":"2025-10-22T10:30:00Z"},{"id":"1761129000250-2","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"ACT_STARTED","message":"","timestamp":"2025-10-22T10:30:00.250000Z","seq":2,"created_at":"2025-10-22T10:30:00.250000Z"},{"id":"1761129000750-4","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"SIG_PAUSED","message":"lunch","timestamp":"2025-10-22T10:30:00.750000Z","seq":4,"created_at":"2025-10-22T10:30:00.750000Z"},{"id":"1761129001000-5","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"SIG_RESUMED","message":"","timestamp":"2025-10-22T10:30:01Z","seq":5,"created_at":"2025-10-22T10:30:01Z"},{"id":"1761129001250-6","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"ACT_FAILED","message":"no paper","timestamp":"2025-10-22T10:30:01.250000Z","seq":6,"created_at":"2025-10-22T10:30:01.250000Z"},{"id":"1761129001500-7","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"ACT_STARTED","message":"","timestamp":"2025-10-22T10:30:01.500000Z","seq":7,"created_at":"2025-10-22T10:30:01.500000Z"},{"id":"1761129002500-11","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"WF_COMPLETED","message":"","timestamp":"2025-10-22T10:30:02.500000Z","seq":11,"created_at":"2025-10-22T10:30:02.500000Z"}],"stats":{"total":7,"mode":"summary"}}
    "#);
}

/// The types of a timeline's events, and how many it says it has.
async fn types(state: &web::Data<State>, query: &str) -> Vec<String> {
    let answer = of_task(state, &format!("timeline?{query}")).await;
    let answer: serde_json::Value =
        serde_json::from_str(answer.split_once("\n\n").unwrap().1).unwrap();
    let events = answer["events"].as_array().unwrap();
    assert_eq!(answer["stats"]["total"], events.len());
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_full_timeline_marks_everything_else() {
    insta::assert_snapshot!(types(&told(eventful()), "mode=full&run_id=x").await.join("\n"), @r"
    WF_STARTED
    ACT_STARTED
    MARKER_WORKFLOW_PAUSING
    SIG_PAUSED
    SIG_RESUMED
    ACT_FAILED
    ACT_STARTED
    MARKER_DATA_PROCESSING
    MARKER_LLM_OUTPUT
    WF_COMPLETED
    MARKER_STREAM_END
    ");
}

#[actix_web::test]
async fn every_end_has_its_name() {
    let cancelled = NewEvent::controlled(Control::Cancel, LiveStatus::Queued, None);
    let failed = NewEvent::ended(Transition::Fail, Kind::Agent, &Outcome::error("no paper"));
    assert_eq!(types(&told(cancelled), "").await, ["WF_CANCEL_REQUESTED", "WF_CANCELLED"]);
    assert_eq!(types(&told(failed), "").await, ["WF_FAILED"]);
}

#[actix_web::test]
async fn a_timeline_shows_payloads_when_it_is_told_to() {
    let events = vec![event("WAITING", "", "", r#"{"for": "paper"}"#)];
    let state = told(events);
    for (value, shown) in [("true", true), ("True", true), ("false", false), ("", false)] {
        let answer = of_task(&state, &format!("timeline?mode=full&include_payloads={value}")).await;
        assert_eq!(answer.contains(r#""payload":{"for": "paper"}"#), shown, "{value}");
    }
}

#[actix_web::test]
async fn a_timeline_is_always_stored() {
    let answer = of_task(&told(eventful()), "timeline?persist=true").await;
    insta::assert_snapshot!(in_short(&answer), @r#"202 Accepted {"status":"accepted","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","count":7}"#);
}

#[actix_web::test]
async fn a_timeline_has_an_end() {
    let state = told(vec![NewEvent::CLAIMED; 5_300]);
    assert_eq!(types(&state, "").await.len(), 5_000);
}

#[actix_web::test]
async fn what_breaks_a_rule_is_refused() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_find().returning(|_| Ok(None));
    let state = gateway(tasks);
    let mut answers = Vec::new();
    for target in [
        &format!("{ID}/events?limit=0"),
        &format!("{ID}/events?limit=201"),
        &format!("{ID}/events?limit=x"),
        &format!("{ID}/events?offset=-1"),
        &format!("{ID}/timeline?mode=short"),
        &format!("{ID}/timeline?persist=1"),
        "a%20b/events",
        "a%20b/timeline",
        "task-of-another-server/events",
        "task-of-another-server/timeline",
        &format!("{ID}/events"),
        &format!("{ID}/timeline"),
    ] {
        let answer = get(&state, &format!("/api/v1/tasks/{target}")).await;
        answers.push(format!("{target}\n  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    task_01JARZ3NDEKTSV4RRFFQ69G5FA/events?limit=0
      400 Bad Request {"error":"Invalid limit parameter"}
    task_01JARZ3NDEKTSV4RRFFQ69G5FA/events?limit=201
      400 Bad Request {"error":"Invalid limit parameter"}
    task_01JARZ3NDEKTSV4RRFFQ69G5FA/events?limit=x
      400 Bad Request {"error":"Invalid limit parameter"}
    task_01JARZ3NDEKTSV4RRFFQ69G5FA/events?offset=-1
      400 Bad Request {"error":"Invalid offset parameter"}
    task_01JARZ3NDEKTSV4RRFFQ69G5FA/timeline?mode=short
      400 Bad Request {"error":"mode must be summary or full"}
    task_01JARZ3NDEKTSV4RRFFQ69G5FA/timeline?persist=1
      400 Bad Request {"error":"persist must be true or false"}
    a%20b/events
      400 Bad Request {"error":"Invalid task ID"}
    a%20b/timeline
      400 Bad Request {"error":"Invalid task ID"}
    task-of-another-server/events
      404 Not Found {"error":"Task not found"}
    task-of-another-server/timeline
      404 Not Found {"error":"Task not found"}
    task_01JARZ3NDEKTSV4RRFFQ69G5FA/events
      404 Not Found {"error":"Task not found"}
    task_01JARZ3NDEKTSV4RRFFQ69G5FA/timeline
      404 Not Found {"error":"Task not found"}
    "#);
}

#[actix_web::test]
async fn events_count_for_the_limit_and_timelines_do_not() {
    let state = told(eventful());
    state.limiter.use_up(KeyId(uuid::Uuid::nil()));
    assert!(of_task(&state, "events").await.starts_with("429"));
    assert!(of_task(&state, "events?limit=0").await.starts_with("400"));
    assert!(of_task(&state, "timeline").await.starts_with("200"));
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let mut mocks = Mocks::default();
    mocks.tasks.expect_find().returning(|_| Err(StoreError::failed("deadlock detected")));
    let state = mocks.state(Face::Gateway);
    let answers = [of_task(&state, "events").await, of_task(&state, "timeline").await];
    insta::assert_snapshot!(answers.map(|answer| in_short(&answer)).join("\n"), @r#"
    500 Internal Server Error {"error":"Failed to list task events: database error"}
    500 Internal Server Error {"error":"Failed to read timeline: database error"}
    "#);
}
