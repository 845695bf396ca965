use super::{gateway, idle, in_short, post, queued, task, work};
use crate::testing::{send, with_key};
use actix_web::test::TestRequest;
use std::sync::{Arc, Mutex};
use taskgate_domain::{
    error::StoreError,
    id::UserId,
    ports::MockTaskRepository,
    task::{
        Owner,
        submit::{IdempotencyKey, NewTask, Submission, SubmissionKind},
        work::{AgentWork, Mode, SessionLabel, Work},
    },
};

const PATH: &str = "/api/v1/tasks";
const BODY: &str = r#"{"query":"Hi","session_id":"user-123-session"}"#;

/// A store that takes every task.
fn store(kind: SubmissionKind) -> MockTaskRepository {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_submit().returning(move |new| {
        let Work::Agent(work) = new.work else { panic!("an agent task") };
        Ok(Submission { task: task(work, queued()), kind })
    });
    tasks
}

/// A store that remembers what it is given.
fn recorder() -> (MockTaskRepository, Arc<Mutex<Vec<NewTask>>>) {
    let (mut tasks, seen) = (MockTaskRepository::new(), Arc::new(Mutex::new(Vec::new())));
    let into = Arc::clone(&seen);
    tasks.expect_submit().returning(move |new| {
        into.lock().unwrap().push(new);
        let task = task(work("Hi", Mode::Simple, "{}"), queued());
        Ok(Submission { task, kind: SubmissionKind::Created })
    });
    (tasks, seen)
}

#[actix_web::test]
async fn a_submit_is_answered_with_the_task_and_session() {
    let state = gateway(store(SubmissionKind::Created));
    insta::assert_snapshot!(post(&state, PATH, BODY).await, @r#"
    200 OK
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *
    x-session-id: user-123-session
    x-workflow-id: task_01JARZ3NDEKTSV4RRFFQ69G5FA

    {"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","status":"STATUS_CODE_OK","message":"Task submitted","created_at":"2025-10-22T10:30:00Z","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA"}
    "#);
}

#[actix_web::test]
async fn what_was_asked_reaches_the_store() {
    let (tasks, seen) = recorder();
    let body = r#"{"query":"Hi","mode":"Complex","session_id":"chat","context":{"n": 1.50},
        "model_tier":"large","future":{}}"#;
    assert!(post(&gateway(tasks), PATH, body).await.starts_with("200"));
    let new = seen.lock().unwrap().remove(0);
    let context = r#"{"n":1.50,"model_tier":"large"}"#;
    let session = SessionLabel::new("chat").unwrap();
    let context = taskgate_domain::json::JsonObject::parse("", context.to_owned()).unwrap();
    let expected = AgentWork::new("Hi".to_owned(), session, Mode::Complex, context).unwrap();
    assert_eq!(new.owner, Owner::User(UserId::DEFAULT));
    assert_eq!(new.work, Work::Agent(expected));
    assert_eq!(new.idempotency, None);
}

#[actix_web::test]
async fn neither_content_type_nor_case_of_a_session_matters() {
    let state = gateway(store(SubmissionKind::Created));
    let request = TestRequest::post()
        .uri(PATH)
        .insert_header(("Content-Type", "text/plain"))
        .set_payload(r#"{"query":"Hi","session_id":"会話"}"#);
    let request = with_key(request).to_request();
    let service = actix_web::test::init_service(crate::server::app(state)).await;
    let response = actix_web::test::call_service(&service, request).await;
    let session = response.headers().get("X-Session-ID").unwrap();
    assert_eq!(session.as_bytes(), "会話".as_bytes());
}

#[actix_web::test]
async fn without_a_session_a_new_one_is_named() {
    let state = gateway(store(SubmissionKind::Created));
    let session = async |body: &'static str| {
        let answer = post(&state, PATH, body).await;
        let line = answer.lines().find(|line| line.starts_with("x-session-id: ")).unwrap();
        line.trim_start_matches("x-session-id: ").to_owned()
    };
    let first = session(r#"{"query":"Hi"}"#).await;
    let second = session(r#"{"query":"Hi","session_id":""}"#).await;
    assert!(SessionLabel::new(first.as_str()).unwrap().as_id().is_some());
    assert_ne!(first, second);
}

#[actix_web::test]
async fn a_repeated_submit_is_marked() {
    let state = gateway(store(SubmissionKind::Replayed));
    let request = TestRequest::post().uri(PATH).insert_header(("Idempotency-Key", "order-7"));
    insta::assert_snapshot!(send(&state, with_key(request.set_payload(BODY))).await, @r#"
    200 OK
    content-type: application/json
    x-idempotency-cached: true
    x-idempotency-key: order-7
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *
    x-session-id: user-123-session
    x-workflow-id: task_01JARZ3NDEKTSV4RRFFQ69G5FA

    {"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","status":"STATUS_CODE_OK","message":"Task submitted","created_at":"2025-10-22T10:30:00Z","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA"}
    "#);
}

#[actix_web::test]
async fn the_identity_of_a_submit_is_its_key_user_path_and_body() {
    let (tasks, seen) = recorder();
    let state = gateway(tasks);
    for key in ["order-7", ""] {
        let request = TestRequest::post().uri(&format!("{PATH}?x=1"));
        let request = request.insert_header(("Idempotency-Key", key)).set_payload(BODY);
        assert!(send(&state, with_key(request)).await.starts_with("200"));
    }
    let expected =
        IdempotencyKey::derive("order-7", UserId::DEFAULT, PATH, BODY.as_bytes()).unwrap();
    let keys: Vec<_> = seen.lock().unwrap().iter().map(|new| new.idempotency).collect();
    assert_eq!(keys, [Some(expected), None]);
}

#[actix_web::test]
async fn an_impossible_idempotency_key_is_refused() {
    let long = "k".repeat(256);
    for (key, why) in [
        (long.as_bytes(), "Idempotency-Key must have 1 to 255 characters and no control character"),
        (&b"\xff"[..], "Idempotency-Key must be UTF-8"),
    ] {
        let request = TestRequest::post().uri(PATH).insert_header(("Idempotency-Key", key));
        let answer = send(&idle(), with_key(request.set_payload(BODY))).await;
        assert_eq!(in_short(&answer), format!(r#"400 Bad Request {{"error":"{why}"}}"#));
    }
}

#[actix_web::test]
async fn a_broken_rule_is_named() {
    insta::assert_snapshot!(post(&idle(), PATH, r#"{"session_id":"a"}"#).await, @r#"
    400 Bad Request
    content-type: application/json
    x-request-id: *

    {"error":"Query is required"}
    "#);
}

#[actix_web::test]
async fn forty_mebibytes_are_taken_and_one_byte_more_is_not() {
    let state = gateway(store(SubmissionKind::Created));
    let body = |length: usize| {
        let (head, tail) = (r#"{"query":"Hi","context":{"attachments":[""#, r#""]}}"#);
        format!("{head}{}{tail}", "a".repeat(length - head.len() - tail.len()))
    };
    assert!(post(&state, PATH, body(40 << 20)).await.starts_with("200"));
    insta::assert_snapshot!(post(&state, PATH, body((40 << 20) + 1)).await, @r#"
    400 Bad Request
    content-type: application/json
    x-request-id: *

    {"error":"Invalid request body: longer than 41943040 bytes"}
    "#);
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_submit().returning(|_| Err(StoreError::failed("disk full")));
    insta::assert_snapshot!(in_short(&post(&gateway(tasks), PATH, BODY).await), @r#"500 Internal Server Error {"error":"Failed to submit task: database error"}"#);
}

#[actix_web::test]
async fn a_submit_to_be_streamed_is_told_where() {
    let state = gateway(store(SubmissionKind::Replayed));
    let request = TestRequest::post().uri("/api/v1/tasks/stream");
    let request = request.insert_header(("Idempotency-Key", "order-7")).set_payload(BODY);
    insta::assert_snapshot!(send(&state, with_key(request)).await, @r#"
    201 Created
    content-type: application/json
    link: </api/v1/stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA>; rel=stream
    x-idempotency-cached: true
    x-idempotency-key: order-7
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *
    x-session-id: user-123-session
    x-workflow-id: task_01JARZ3NDEKTSV4RRFFQ69G5FA

    {"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","stream_url":"/api/v1/stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA"}
    "#);
}

#[actix_web::test]
async fn a_submit_to_be_streamed_keeps_the_same_rules() {
    let path = "/api/v1/tasks/stream";
    assert!(post(&idle(), path, r#"{"session_id":"a"}"#).await.starts_with("400"));
    let (tasks, seen) = recorder();
    let request = TestRequest::post().uri(path).insert_header(("Idempotency-Key", "order-7"));
    let answer = send(&gateway(tasks), with_key(request.set_payload(BODY))).await;
    assert!(answer.starts_with("201") && !answer.contains("idempotency"), "{answer}");
    // A submit to the other route with the same key is another request.
    let expected =
        IdempotencyKey::derive("order-7", UserId::DEFAULT, path, BODY.as_bytes()).unwrap();
    assert_eq!(seen.lock().unwrap()[0].idempotency, Some(expected));
}
