//! The WebSocket, from the client's side.

use super::{ID, in_short, queued, task, work};
use crate::{
    server::{Face, State, app},
    testing::{Chapter, KEY, Mocks, Story, event, send, with_key},
};
use actix_codec::{Decoder, Encoder};
use actix_http::ws::{Codec, Frame, Message};
use actix_web::{
    body::MessageBody,
    dev::{Payload, Service},
    error::PayloadError,
    test::{TestRequest, init_service},
    web::{self, Bytes, BytesMut},
};
use futures_util::{StreamExt, stream};
use std::{future::poll_fn, pin::pin, time::Duration};
use taskgate_domain::{
    error::StoreError,
    event::NewEvent,
    task::{
        outcome::Outcome,
        status::Transition,
        work::{Kind, Mode},
    },
};
use tokio::sync::watch;

fn told(past: Vec<NewEvent>, future: Vec<Chapter>) -> Mocks {
    Story::new(task(work("q", Mode::Simple, "{}"), queued()), past, future).mocks()
}

fn simple() -> Vec<NewEvent> {
    let outcome = Outcome { result: Some("3776 metres".to_owned()), ..Outcome::default() };
    let mut events = vec![NewEvent::SUBMITTED, event("LLM_PARTIAL", "writer", "37", "")];
    events.extend(NewEvent::ended(Transition::Complete, Kind::Agent, &outcome));
    events
}

fn handshake(query: &str) -> TestRequest {
    TestRequest::get()
        .uri(&format!("/api/v1/stream/ws?workflow_id={ID}{query}"))
        .insert_header(("Connection", "Upgrade"))
        .insert_header(("Upgrade", "websocket"))
        .insert_header(("Sec-WebSocket-Version", "13"))
        .insert_header(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
}

/// What a client sends, as bytes.
fn said(messages: Vec<Message>) -> Bytes {
    let (mut codec, mut bytes) = (Codec::new().client_mode(), BytesMut::new());
    for message in messages {
        codec.encode(message, &mut bytes).unwrap();
    }
    bytes.freeze()
}

/// Opens a socket, says this, and prints the answer and what the server says
/// until the connection ends.
async fn talk(state: &web::Data<State>, query: &str, said: Bytes) -> String {
    let service = init_service(app(state.clone())).await;
    let said = stream::iter([Ok::<_, PayloadError>(said)]).chain(stream::pending());
    let request = handshake(query).insert_header(("X-API-Key", KEY)).to_request();
    let (request, _) = request.replace_payload(Payload::Stream { payload: said.boxed_local() });
    let response = service.call(request).await.unwrap();
    let mut text = format!("{}\n", response.status());
    let (mut body, mut bytes) = (pin!(response.into_body()), BytesMut::new());
    let mut codec = Codec::new().client_mode();
    while let Some(Ok(chunk)) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        bytes.extend_from_slice(&chunk);
        while let Some(frame) = codec.decode(&mut bytes).unwrap() {
            text.push_str(&match frame {
                Frame::Text(json) => String::from_utf8(json.to_vec()).unwrap(),
                Frame::Close(reason) => format!("close {}", u16::from(reason.unwrap().code)),
                frame => format!("{frame:?}"),
            });
            text.push('\n');
        }
    }
    text
}

#[actix_web::test]
async fn a_task_is_told_in_its_own_words() {
    let state = told(simple(), Vec::new()).state(Face::Gateway);
    insta::assert_snapshot!(talk(&state, "", Bytes::new()).await, @r#"
    101 Switching Protocols
    {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"DATA_PROCESSING","timestamp":"2025-10-22T10:30:00Z","seq":1,"stream_id":"1761129000000-1"}
    {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"LLM_PARTIAL","agent_id":"writer","message":"37","timestamp":"2025-10-22T10:30:00.250000Z","seq":2,"stream_id":"1761129000250-2"}
    {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"LLM_OUTPUT","agent_id":"final_output","message":"3776 metres","timestamp":"2025-10-22T10:30:00.500000Z","seq":3,"stream_id":"1761129000500-3"}
    {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"WORKFLOW_COMPLETED","timestamp":"2025-10-22T10:30:00.750000Z","seq":4,"stream_id":"1761129000750-4"}
    {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"STREAM_END","timestamp":"2025-10-22T10:30:01Z","seq":5,"stream_id":"1761129001000-5"}
    close 1000
    "#);
}

#[actix_web::test]
async fn a_filter_hides_no_end() {
    let state = told(simple(), Vec::new()).state(Face::Gateway);
    let answer = talk(&state, "&types=thread.message.delta&last_event_id=1", Bytes::new()).await;
    insta::assert_snapshot!(answer, @r#"
    101 Switching Protocols
    {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"LLM_PARTIAL","agent_id":"writer","message":"37","timestamp":"2025-10-22T10:30:00.250000Z","seq":2,"stream_id":"1761129000250-2"}
    close 1000
    "#);
    let beyond = talk(&state, "&last_event_id=5", Bytes::new()).await;
    assert_eq!(beyond, "101 Switching Protocols\nclose 1000\n");
}

#[actix_web::test]
async fn the_client_is_asked_whether_it_is_there() {
    tokio::time::pause();
    let later = Chapter::Events(Duration::from_secs(50), simple());
    let state = told(Vec::new(), vec![later]).state(Face::Gateway);
    let answer = talk(&state, "&types=NOTHING", Bytes::new()).await;
    insta::assert_snapshot!(answer, @r#"
    101 Switching Protocols
    Ping(b"")
    Ping(b"")
    close 1000
    "#);
}

#[actix_web::test]
async fn what_the_client_says_is_ignored_but_for_manners() {
    let state = told(Vec::new(), Vec::new()).state(Face::Gateway);
    let said = said(vec![
        Message::Text("a".repeat(512).into()),
        Message::Binary(Bytes::from_static(b"{}")),
        Message::Pong(Bytes::new()),
        Message::Ping(Bytes::from_static(b"there?")),
        Message::Close(None),
    ]);
    insta::assert_snapshot!(talk(&state, "", said).await, @r#"
    101 Switching Protocols
    Pong(b"there?")
    close 1000
    "#);
}

#[actix_web::test]
async fn who_says_too_much_is_closed() {
    tokio::time::pause();
    let whole = said(vec![Message::Text("a".repeat(513).into())]);
    let endless = said(vec![Message::Binary(vec![0; 100_000].into())]).slice(..600);
    let unmasked = Bytes::from_static(b"\x81\x01a");
    for (said, code) in [(whole, 1009), (endless, 1009), (unmasked, 1002)] {
        let state = told(Vec::new(), Vec::new()).state(Face::Gateway);
        let answer = talk(&state, "", said).await;
        assert_eq!(answer, format!("101 Switching Protocols\nclose {code}\n"));
    }
}

#[actix_web::test]
async fn a_stop_and_a_failure_have_their_codes() {
    tokio::time::pause();
    let (stop, stopping) = watch::channel(false);
    let act = Box::new(move || {
        stop.send_replace(true);
    });
    let mut mocks = told(Vec::new(), vec![Chapter::Do(act)]);
    mocks.stopping = Some(stopping);
    let stopped = talk(&mocks.state(Face::Gateway), "", Bytes::new()).await;
    assert_eq!(stopped, "101 Switching Protocols\nclose 1012\n");
    let failing = told(Vec::new(), vec![Chapter::Error(StoreError::failed("no such table"))]);
    let failed = talk(&failing.state(Face::Gateway), "", Bytes::new()).await;
    assert_eq!(failed, "101 Switching Protocols\nclose 1011\n");
}

#[actix_web::test]
async fn refusals_come_before_the_upgrade() {
    let mut mocks = Mocks::default();
    mocks.tasks.expect_find().returning(|_| Ok(None));
    let state = mocks.state(Face::Gateway);
    let plain = TestRequest::get().uri(&format!("/api/v1/stream/ws?workflow_id={ID}"));
    let answers = [
        send(&state, handshake("")).await,
        send(&state, with_key(handshake("&workflow_id=x"))).await,
        send(&state, with_key(handshake("&last_event_id=x"))).await,
        send(&state, with_key(handshake(""))).await,
        send(&state, with_key(plain)).await,
    ];
    insta::assert_snapshot!(answers.map(|answer| in_short(&answer)).join("\n"), @r#"
    401 Unauthorized {"error":"Unauthorized"}
    400 Bad Request {"error":"Parameter workflow_id is given twice"}
    400 Bad Request {"error":"Invalid last_event_id"}
    404 Not Found {"error":"Task not found"}
    400 Bad Request {"error":"Invalid WebSocket handshake: WebSocket upgrade is expected"}
    "#);
}
