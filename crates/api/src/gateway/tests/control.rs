use super::{ID, gateway, idle, in_short, post, queued, task, work};
use crate::testing::{send, with_key};
use actix_web::test::TestRequest;
use taskgate_domain::{
    control::{Control, ControlRequest, Controlled},
    error::StoreError,
    id::{TaskNumber, UserId},
    ports::MockTaskRepository,
    task::{status::TaskStatus, submit::IdempotencyKey, work::Mode},
};

fn path() -> String {
    path_of("cancel")
}

fn path_of(control: &str) -> String {
    format!("/api/v1/tasks/{ID}/{control}")
}

/// A store with the task, that must be asked for this and answers so.
fn store(expected: ControlRequest, answer: Controlled) -> MockTaskRepository {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_find().returning(|_| Ok(Some(task(work("q", Mode::Simple, "{}"), queued()))));
    tasks
        .expect_control()
        .withf(move |request| *request == expected)
        .returning(move |_| Ok(Some(answer)));
    tasks
}

fn request(reason: Option<&str>) -> ControlRequest {
    request_to(Control::Cancel, reason)
}

fn request_to(control: Control, reason: Option<&str>) -> ControlRequest {
    let number = TaskNumber::new(1).unwrap();
    let reason = reason.map(str::to_owned);
    ControlRequest { number, control, by: UserId::DEFAULT, reason, idempotency: None }
}

const DONE: Controlled =
    Controlled { accepted: true, status: TaskStatus::Cancelled, replayed: false };

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
        (TaskStatus::Completed, "completed"),
        (TaskStatus::Failed, "failed"),
        (TaskStatus::Cancelled, "cancelled"),
        (TaskStatus::TimedOut, "timed out"),
    ] {
        let answer = Controlled { accepted: false, status, replayed: false };
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
async fn a_reason_has_at_most_2000_characters() {
    let body = |reason: &str| format!(r#"{{"reason":"{reason}"}}"#);
    let longest = "富".repeat(2_000);
    let state = gateway(store(request(Some(&longest)), DONE));
    assert!(post(&state, &path(), body(&longest)).await.starts_with("202"));
    for control in ["cancel", "pause", "resume"] {
        let answer = post(&idle(), &path_of(control), body(&"a".repeat(2_001))).await;
        let refusal = r#"400 Bad Request {"error":"reason must have at most 2000 characters"}"#;
        assert_eq!(in_short(&answer), refusal, "{control}");
    }
}

#[actix_web::test]
async fn a_repeated_cancel_is_marked() {
    let key = IdempotencyKey::derive("k", UserId::DEFAULT, &path(), b"{}").unwrap();
    let expected = ControlRequest { idempotency: Some(key), ..request(None) };
    let state = gateway(store(expected, Controlled { replayed: true, ..DONE }));
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

const PAUSED: Controlled =
    Controlled { accepted: true, status: TaskStatus::Paused, replayed: false };

const RESUMED: Controlled =
    Controlled { accepted: true, status: TaskStatus::Running, replayed: false };

#[actix_web::test]
async fn a_task_is_paused_for_a_reason() {
    let state = gateway(store(request_to(Control::Pause, Some("lunch")), PAUSED));
    insta::assert_snapshot!(post(&state, &path_of("pause"), r#"{"reason":"lunch"}"#).await, @r#"
    202 Accepted
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"success":true,"message":"Pause signal sent","task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA"}
    "#);
}

#[actix_web::test]
async fn a_task_goes_on_after_a_pause() {
    let state = gateway(store(request_to(Control::Resume, None), RESUMED));
    insta::assert_snapshot!(in_short(&post(&state, &path_of("resume"), "").await), @r#"202 Accepted {"success":true,"message":"Resume signal sent","task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA"}"#);
}

#[actix_web::test]
async fn a_repeated_pause_is_marked_though_the_task_has_moved_on() {
    let key = IdempotencyKey::derive("k", UserId::DEFAULT, &path_of("pause"), b"{}").unwrap();
    let expected = ControlRequest { idempotency: Some(key), ..request_to(Control::Pause, None) };
    let answer = Controlled { status: TaskStatus::Completed, replayed: true, ..PAUSED };
    let state = gateway(store(expected, answer));
    let request =
        TestRequest::post().uri(&path_of("pause")).insert_header(("Idempotency-Key", "k"));
    insta::assert_snapshot!(send(&state, with_key(request.set_payload("{}"))).await, @r#"
    202 Accepted
    content-type: application/json
    x-idempotency-cached: true
    x-idempotency-key: k
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"success":true,"message":"Pause signal sent","task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA"}
    "#);
}

#[actix_web::test]
async fn a_task_in_the_wrong_state_is_a_conflict() {
    let mut answers = Vec::new();
    for (control, word, statuses) in [
        (Control::Pause, "pause", vec![TaskStatus::Paused]),
        (Control::Resume, "resume", vec![TaskStatus::Queued, TaskStatus::Running]),
    ] {
        let ended = TaskStatus::ALL.into_iter().filter(|status| status.is_final());
        for status in statuses.into_iter().chain(ended) {
            let refused = Controlled { accepted: false, status, replayed: false };
            let state = gateway(store(request_to(control, None), refused));
            let answer = post(&state, &path_of(word), "{}").await;
            answers.push(format!("{word} {status}: {}", in_short(&answer)));
        }
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    pause paused: 409 Conflict {"error":"task is already paused"}
    pause completed: 409 Conflict {"error":"cannot pause completed task"}
    pause failed: 409 Conflict {"error":"cannot pause failed task"}
    pause cancelled: 409 Conflict {"error":"cannot pause cancelled task"}
    pause timed out: 409 Conflict {"error":"cannot pause timed out task"}
    resume queued: 409 Conflict {"error":"task is not paused"}
    resume running: 409 Conflict {"error":"task is not paused"}
    resume completed: 409 Conflict {"error":"cannot resume completed task"}
    resume failed: 409 Conflict {"error":"cannot resume failed task"}
    resume cancelled: 409 Conflict {"error":"cannot resume cancelled task"}
    resume timed out: 409 Conflict {"error":"cannot resume timed out task"}
    "#);
}

#[actix_web::test]
async fn pause_and_resume_know_the_tasks_that_cancel_knows() {
    for control in ["pause", "resume"] {
        let mut tasks = MockTaskRepository::new();
        tasks.expect_find().returning(|_| Ok(None));
        for (state, path) in
            [(gateway(tasks), path_of(control)), (idle(), format!("/api/v1/tasks/%00/{control}"))]
        {
            let answer = post(&state, &path, "{}").await;
            assert_eq!(in_short(&answer), r#"404 Not Found {"error":"Task not found"}"#, "{path}");
        }
    }
}
