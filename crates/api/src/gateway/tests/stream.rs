use super::{ID, get, idle, in_short, queued, task, work};
use crate::{
    server::{Face, State},
    testing::{Chapter, Mocks, Story, event, send, stream, with_key},
};
use actix_web::{test::TestRequest, web};
use std::time::Duration;
use taskgate_domain::{
    control::Control,
    error::StoreError,
    event::NewEvent,
    id::KeyId,
    task::{
        outcome::Outcome,
        status::{LiveStatus, Transition},
        work::{Kind, Mode},
    },
    usage::{Tokens, Usage, Usd},
};
use tokio::sync::watch;

/// The events of a completion with this answer.
fn completed(answer: &str) -> Vec<NewEvent> {
    let tokens = Tokens::new(45, 105, None).unwrap();
    let outcome = Outcome {
        result: Some(answer.to_owned()),
        usage: Usage::new(tokens, Usd::from_dollars(0.0023).unwrap(), Vec::new()),
        ..Outcome::default()
    };
    NewEvent::ended(Transition::Complete, Kind::Agent, &outcome)
}

/// The events of a task that is done in one go.
fn simple() -> Vec<NewEvent> {
    let mut events = vec![NewEvent::SUBMITTED, NewEvent::CLAIMED];
    events.extend(completed("3776 metres"));
    events
}

fn told(past: Vec<NewEvent>, future: Vec<Chapter>) -> Mocks {
    Story::new(task(work("q", Mode::Simple, "{}"), queued()), past, future).mocks()
}

fn gateway(past: Vec<NewEvent>, future: Vec<Chapter>) -> web::Data<State> {
    told(past, future).state(Face::Gateway)
}

fn uri(query: &str) -> String {
    format!("/api/v1/stream/sse?workflow_id={ID}{query}")
}

async fn sse(state: &web::Data<State>, query: &str) -> String {
    stream(state, with_key(TestRequest::get().uri(&uri(query)))).await
}

/// What a stream tells: the name and the `seq` of the id of each frame.
fn names(stream: &str) -> Vec<String> {
    let frames = stream.split("\n\n").filter(|frame| frame.contains("event: "));
    frames
        .map(|frame| {
            let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
            let id = field("id: ").map_or("-", |id| id.rsplit_once('-').map_or(id, |(_, seq)| seq));
            format!("{id} {}", field("event: ").unwrap())
        })
        .collect()
}

#[actix_web::test]
async fn a_finished_task_is_told_whole_and_at_once() {
    insta::assert_snapshot!(get(&gateway(simple(), Vec::new()), &uri("")).await, @r#"
    200 OK
    cache-control: no-cache
    content-type: text/event-stream
    x-accel-buffering: no
    x-request-id: *

    : connected to workflow task_01JARZ3NDEKTSV4RRFFQ69G5FA

    id: 1761129000000-1
    event: DATA_PROCESSING
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"DATA_PROCESSING","timestamp":"2025-10-22T10:30:00Z","seq":1,"stream_id":"1761129000000-1"}

    id: 1761129000250-2
    event: WORKFLOW_STARTED
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"WORKFLOW_STARTED","timestamp":"2025-10-22T10:30:00.250000Z","seq":2,"stream_id":"1761129000250-2"}

    id: 1761129000500-3
    event: thread.message.completed
    data: {"response":"3776 metres","message":"3776 metres","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","agent_id":"final_output","seq":3,"stream_id":"1761129000500-3","timestamp":"2025-10-22T10:30:00.500000Z","metadata":{"tokens_used":150,"input_tokens":45,"output_tokens":105,"cost_usd":0.0023}}

    id: 1761129000750-4
    event: WORKFLOW_COMPLETED
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"WORKFLOW_COMPLETED","timestamp":"2025-10-22T10:30:00.750000Z","seq":4,"stream_id":"1761129000750-4"}

    id: 1761129001000-5
    event: done
    data: [DONE]
    "#);
}

#[actix_web::test]
async fn the_path_of_the_task_streams_the_same() {
    let path = format!("/api/v1/tasks/{ID}/stream");
    let state = gateway(simple(), Vec::new());
    assert_eq!(get(&state, &path).await, get(&state, &uri("")).await);
    let filtered = get(&state, &format!("{path}?types=done&last_event_id=2")).await;
    assert_eq!(filtered, get(&state, &uri("&types=done&last_event_id=2")).await);
}

#[actix_web::test]
async fn every_type_has_its_frame() {
    let mut events = vec![
        event("LLM_PARTIAL", "writer", "It \u{2028}scatters", r#"{"lost":1}"#),
        event("LLM_PARTIAL", "", "", ""),
        event("LLM_OUTPUT", "writer", "It scatters.\nBlue.", ""),
        event("ERROR_OCCURRED", "writer", "no paper", r#"{"code": 7}"#),
        event("workflow.step", "", "", "{\n \"n\": 1.0,\r\n \"s\": \"\u{85}\"}"),
    ];
    let reason = Some("lunch");
    events.extend(NewEvent::controlled(Control::Pause, LiveStatus::Running, reason));
    events.extend(NewEvent::controlled(Control::Resume, LiveStatus::Paused, None));
    events.extend(NewEvent::controlled(Control::Cancel, LiveStatus::Queued, reason));
    insta::assert_snapshot!(sse(&gateway(events, Vec::new()), "").await, @r#"
    : connected to workflow task_01JARZ3NDEKTSV4RRFFQ69G5FA

    id: 1761129000000-1
    event: thread.message.delta
    data: {"delta":"It \u2028scatters","message":"It \u2028scatters","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","agent_id":"writer","seq":1,"stream_id":"1761129000000-1","timestamp":"2025-10-22T10:30:00Z"}

    id: 1761129000250-2
    event: thread.message.delta
    data: {"delta":"","message":"","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","agent_id":"","seq":2,"stream_id":"1761129000250-2","timestamp":"2025-10-22T10:30:00.250000Z"}

    id: 1761129000500-3
    event: thread.message.completed
    data: {"response":"It scatters.\nBlue.","message":"It scatters.\nBlue.","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","agent_id":"writer","seq":3,"stream_id":"1761129000500-3","timestamp":"2025-10-22T10:30:00.500000Z"}

    id: 1761129000750-4
    event: error
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"ERROR_OCCURRED","agent_id":"writer","message":"no paper","payload":{"code": 7},"timestamp":"2025-10-22T10:30:00.750000Z","seq":4,"stream_id":"1761129000750-4"}

    id: 1761129001000-5
    event: workflow.step
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"workflow.step","payload":{  "n": 1.0,   "s": "\u0085"},"timestamp":"2025-10-22T10:30:01Z","seq":5,"stream_id":"1761129001000-5"}

    id: 1761129001250-6
    event: workflow.pausing
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","agent_id":"","message":"lunch","timestamp":"2025-10-22T10:30:01.250000Z"}

    id: 1761129001500-7
    event: workflow.paused
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","agent_id":"","message":"lunch","timestamp":"2025-10-22T10:30:01.500000Z","checkpoint":"running"}

    id: 1761129001750-8
    event: workflow.resumed
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","agent_id":"","message":"","timestamp":"2025-10-22T10:30:01.750000Z"}

    id: 1761129002000-9
    event: workflow.cancelling
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","agent_id":"","message":"lunch","timestamp":"2025-10-22T10:30:02Z"}

    id: 1761129002250-10
    event: workflow.cancelled
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","agent_id":"","message":"lunch","timestamp":"2025-10-22T10:30:02.250000Z","checkpoint":"queued","was_paused":false}

    id: 1761129002500-11
    event: done
    data: [DONE]

    (end)
    "#);
}

#[actix_web::test]
async fn a_filter_takes_both_spellings_and_hides_no_end() {
    let state = gateway(simple(), Vec::new());
    for (types, expected) in [
        ("WORKFLOW_STARTED,STREAM_END", vec!["2 WORKFLOW_STARTED", "5 done"]),
        ("thread.message.completed%2Cdone", vec!["3 thread.message.completed", "5 done"]),
        ("LLM_OUTPUT", vec!["3 thread.message.completed", "4 done"]),
        ("WORKFLOW_COMPLETED", vec!["4 WORKFLOW_COMPLETED", "4 done"]),
        ("NOTHING", vec!["4 done"]),
        ("llm_output", vec!["4 done"]),
    ] {
        let told = sse(&state, &format!("&types={types}")).await;
        assert_eq!(names(&told), expected, "{types}");
        assert!(told.ends_with("data: [DONE]\n\n(end)"), "{told}");
    }
}

#[actix_web::test]
async fn a_failure_ends_with_the_same_frame() {
    let ended = |transition| {
        let mut events = vec![NewEvent::SUBMITTED];
        events.extend(NewEvent::ended(transition, Kind::Agent, &Outcome::error("no paper")));
        events
    };
    for transition in [Transition::Fail, Transition::TimeOut] {
        let told = sse(&gateway(ended(transition), Vec::new()), "&types=LLM_OUTPUT,error").await;
        assert_eq!(names(&told), ["2 error", "4 done"]);
    }
}

#[actix_web::test]
async fn every_place_can_be_resumed_from() {
    let state = gateway(simple(), Vec::new());
    let whole = names(&sse(&state, "").await);
    for (seq, id) in [
        (0, "0"),
        (1, "1761129000000-1"),
        (2, "2"),
        (3, "1761129000500-3"),
        // Nobody's, between the third and the fourth.
        (3, "1761129000600-0"),
        (4, "4"),
    ] {
        let told = sse(&state, &format!("&last_event_id={id}")).await;
        assert_eq!(names(&told), whole[seq..], "{id}");
    }
}

#[actix_web::test]
async fn who_has_seen_the_end_is_told_so_again() {
    let state = gateway(simple(), Vec::new());
    for (id, done) in
        [("1761129001000-5", "1761129001000-5"), ("5", "5"), ("99999999999999", "99999999999999")]
    {
        let told = sse(&state, &format!("&last_event_id={id}")).await;
        let expected = format!(
            ": connected to workflow {ID}\n\nid: {done}\nevent: done\ndata: [DONE]\n\n(end)"
        );
        assert_eq!(told, expected, "{id}");
    }
}

#[actix_web::test]
async fn the_header_wins_if_it_is_a_place() {
    let state = gateway(simple(), Vec::new());
    for (header, query, left) in [
        ("4", "1", 1),
        ("1761129000750-4", "1", 1),
        ("garbage", "3", 2),
        ("garbage", "", 5),
        ("", "3", 2),
        ("-1", "", 5),
    ] {
        let request = TestRequest::get().uri(&uri(&format!("&last_event_id={query}")));
        let request = request.insert_header(("Last-Event-ID", header));
        let told = stream(&state, with_key(request)).await;
        assert_eq!(names(&told).len(), left, "{header} {query}");
    }
}

#[actix_web::test]
async fn what_happens_later_is_told_then_and_the_beat_goes_on_meanwhile() {
    tokio::time::pause();
    let soon = Duration::from_secs(25);
    let future = vec![
        Chapter::Events(soon, vec![NewEvent::CLAIMED]),
        Chapter::Events(Duration::ZERO, completed("3776 metres")),
    ];
    let told = sse(&gateway(vec![NewEvent::SUBMITTED], future), "&types=WORKFLOW_STARTED").await;
    insta::assert_snapshot!(told, @r#"
    : connected to workflow task_01JARZ3NDEKTSV4RRFFQ69G5FA

    : ping

    : ping

    id: 1761129000250-2
    event: WORKFLOW_STARTED
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"WORKFLOW_STARTED","timestamp":"2025-10-22T10:30:00.250000Z","seq":2,"stream_id":"1761129000250-2"}

    id: 1761129000750-4
    event: done
    data: [DONE]

    (end)
    "#);
}

#[actix_web::test]
async fn a_store_that_fails_breaks_the_stream_off() {
    let future = vec![Chapter::Error(StoreError::failed("no such table"))];
    let told = sse(&gateway(vec![NewEvent::SUBMITTED], future), "").await;
    assert_eq!(names(&told), ["1 DATA_PROCESSING"]);
    assert!(told.ends_with("\n\n(breaks off)"), "{told}");
}

#[actix_web::test]
async fn a_busy_store_is_asked_again() {
    tokio::time::pause();
    let future = vec![Chapter::Error(StoreError::Busy), Chapter::Events(Duration::ZERO, simple())];
    let told = sse(&gateway(vec![NewEvent::SUBMITTED], future), "").await;
    assert_eq!(names(&told).len(), 6);
    assert!(told.ends_with("(end)"), "{told}");
}

#[actix_web::test]
async fn a_stop_sends_clients_away_to_come_back() {
    let (stop, stopping) = watch::channel(false);
    let act = Box::new(move || {
        stop.send_replace(true);
    });
    let mut mocks = told(vec![NewEvent::SUBMITTED], vec![Chapter::Do(act)]);
    mocks.stopping = Some(stopping);
    insta::assert_snapshot!(sse(&mocks.state(Face::Gateway), "").await, @r#"
    : connected to workflow task_01JARZ3NDEKTSV4RRFFQ69G5FA

    id: 1761129000000-1
    event: DATA_PROCESSING
    data: {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"DATA_PROCESSING","timestamp":"2025-10-22T10:30:00Z","seq":1,"stream_id":"1761129000000-1"}

    retry: 1000

    (breaks off)
    "#);
}

#[actix_web::test]
async fn what_cannot_be_streamed_is_refused_before_any_frame() {
    let mut mocks = Mocks::default();
    mocks.tasks.expect_find().returning(|_| Ok(None));
    let state = mocks.state(Face::Gateway);
    let mut answers = Vec::new();
    for target in [
        "stream/sse".to_owned(),
        "stream/sse?workflow_id=".to_owned(),
        "stream/sse?workflow_id=a%20b".to_owned(),
        format!("stream/sse?workflow_id={ID}&last_event_id=x"),
        format!("stream/sse?workflow_id={ID}&last_event_id=-1"),
        format!("stream/sse?workflow_id={ID}&last_event_id=1-"),
        format!("stream/sse?workflow_id={ID}&types=%FF"),
        format!("stream/sse?workflow_id={ID}&types=a&types=b"),
        format!("stream/sse?workflow_id={ID}&types={:065}", 0),
        "stream/sse?workflow_id=task-of-another-server".to_owned(),
        format!("stream/sse?workflow_id={ID}"),
        "tasks/a%20b/stream".to_owned(),
        format!("tasks/{ID}/stream?last_event_id=x"),
        format!("tasks/{ID}/stream"),
    ] {
        let answer = get(&state, &format!("/api/v1/{target}")).await;
        answers.push(format!("{target}\n  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    stream/sse
      400 Bad Request {"error":"Invalid or missing workflow_id"}
    stream/sse?workflow_id=
      400 Bad Request {"error":"Invalid or missing workflow_id"}
    stream/sse?workflow_id=a%20b
      400 Bad Request {"error":"Invalid or missing workflow_id"}
    stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA&last_event_id=x
      400 Bad Request {"error":"Invalid last_event_id"}
    stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA&last_event_id=-1
      400 Bad Request {"error":"Invalid last_event_id"}
    stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA&last_event_id=1-
      400 Bad Request {"error":"Invalid last_event_id"}
    stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA&types=%FF
      400 Bad Request {"error":"Invalid query string"}
    stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA&types=a&types=b
      400 Bad Request {"error":"Parameter types is given twice"}
    stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA&types=00000000000000000000000000000000000000000000000000000000000000000
      400 Bad Request {"error":"Invalid types parameter"}
    stream/sse?workflow_id=task-of-another-server
      404 Not Found {"error":"Task not found"}
    stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA
      404 Not Found {"error":"Task not found"}
    tasks/a%20b/stream
      400 Bad Request {"error":"Invalid task ID"}
    tasks/task_01JARZ3NDEKTSV4RRFFQ69G5FA/stream?last_event_id=x
      400 Bad Request {"error":"Invalid last_event_id"}
    tasks/task_01JARZ3NDEKTSV4RRFFQ69G5FA/stream
      404 Not Found {"error":"Task not found"}
    "#);
}

#[actix_web::test]
async fn a_stream_needs_a_key_and_get() {
    let request = |request: TestRequest| request.uri(&uri(""));
    let anonymous = send(&idle(), request(TestRequest::get())).await;
    assert_eq!(in_short(&anonymous), r#"401 Unauthorized {"error":"Unauthorized"}"#);
    let posted = send(&idle(), with_key(request(TestRequest::post()))).await;
    assert!(posted.starts_with("405") && posted.contains("allow: GET\n"), "{posted}");
}

#[actix_web::test]
async fn streams_are_not_limited() {
    let state = gateway(simple(), Vec::new());
    state.limiter.use_up(KeyId(uuid::Uuid::nil()));
    assert!(sse(&state, "").await.ends_with("(end)"));
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let mut mocks = Mocks::default();
    mocks.tasks.expect_find().returning(|_| Err(StoreError::failed("deadlock detected")));
    let answer = get(&mocks.state(Face::Gateway), &uri("")).await;
    insta::assert_snapshot!(in_short(&answer), @r#"500 Internal Server Error {"error":"Failed to stream events: database error"}"#);
}
