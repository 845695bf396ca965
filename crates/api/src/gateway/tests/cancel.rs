use super::{ID, gateway, idle, in_short, post, queued, task, work};
use crate::testing::{send, with_key};
use actix_web::test::TestRequest;
use taskgate_domain::{
    error::StoreError,
    id::{TaskNumber, UserId},
    ports::MockTaskRepository,
    queue::{CancelRequest, Cancellation},
    task::{status::FinalStatus, submit::IdempotencyKey, work::Mode},
};

fn path() -> String {
    format!("/api/v1/tasks/{ID}/cancel")
}

/// A store with the task, that must be asked for this and answers so.
fn store(expected: CancelRequest, answer: Cancellation) -> MockTaskRepository {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_find().returning(|_| Ok(Some(task(work("q", Mode::Simple, "{}"), queued()))));
    tasks
        .expect_cancel()
        .withf(move |request| *request == expected)
        .returning(move |_| Ok(Some(answer)));
    tasks
}

fn request(reason: Option<&str>) -> CancelRequest {
    let number = TaskNumber::new(1).unwrap();
    CancelRequest { number, reason: reason.map(str::to_owned), idempotency: None }
}

const DONE: Cancellation =
    Cancellation { accepted: true, status: FinalStatus::Cancelled, replayed: false };

#[actix_web::test]
async fn a_live_task_is_cancelled() {
    let state = gateway(store(request(None), DONE));
    insta::assert_snapshot!(post(&state, &path(), "{}").await, @r#"
    202 Accepted
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"success":true,"message":"Task cancelled"}
    "#);
}

#[actix_web::test]
async fn a_task_that_has_ended_stays_as_it_is() {
    for (status, words) in [
        (FinalStatus::Completed, "completed"),
        (FinalStatus::Failed, "failed"),
        (FinalStatus::Cancelled, "cancelled"),
        (FinalStatus::TimedOut, "timed out"),
    ] {
        let answer = Cancellation { accepted: false, status, replayed: false };
        let state = gateway(store(request(None), answer));
        let body = format!(
            r#"{{"success":false,"message":"Failed to cancel task: it is already {words}"}}"#
        );
        let answer = post(&state, &path(), "").await;
        assert_eq!(in_short(&answer), format!("202 Accepted {body}"));
    }
}

#[actix_web::test]
async fn the_reason_is_whatever_can_be_read_of_it() {
    for (body, reason) in [
        (r#"{"reason":"too slow"}"#, Some("too slow")),
        (r#"{"reason":"a\u0000b"}"#, Some("a\u{fffd}b")),
        (r#"{"reason":""}"#, None),
        (r#"{"reason":null}"#, None),
        (r#"{"reason":5}"#, None),
        ("", None),
        ("[]", None),
        ("not json", None),
    ] {
        let answer = post(&gateway(store(request(reason), DONE)), &path(), body).await;
        assert!(answer.starts_with("202"), "{body}");
    }
}

#[actix_web::test]
async fn a_repeated_cancel_is_marked() {
    let key = IdempotencyKey::derive("k", UserId::DEFAULT, &path(), b"{}").unwrap();
    let expected = CancelRequest { idempotency: Some(key), ..request(None) };
    let state = gateway(store(expected, Cancellation { replayed: true, ..DONE }));
    let request = TestRequest::post().uri(&path()).insert_header(("Idempotency-Key", "k"));
    insta::assert_snapshot!(send(&state, with_key(request.set_payload("{}"))).await, @r#"
    202 Accepted
    content-type: application/json
    x-idempotency-cached: true
    x-idempotency-key: k
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"success":true,"message":"Task cancelled"}
    "#);
}

#[actix_web::test]
async fn an_unknown_task_is_not_found() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_find().returning(|_| Ok(None));
    insta::assert_snapshot!(post(&gateway(tasks), &path(), "{}").await, @r#"
    404 Not Found
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"error":"Task not found"}
    "#);
    for id in ["task_abc123", "%00", "%FF", "1"] {
        let answer = post(&idle(), &format!("/api/v1/tasks/{id}/cancel"), "{}").await;
        assert_eq!(in_short(&answer), r#"404 Not Found {"error":"Task not found"}"#, "{id}");
    }
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_find().returning(|_| Err(StoreError::failed("deadlock detected")));
    insta::assert_snapshot!(in_short(&post(&gateway(tasks), &path(), "{}").await), @r#"500 Internal Server Error {"error":"Failed to cancel task: database error"}"#);
}
