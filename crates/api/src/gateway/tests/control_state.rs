use super::{ID, finished, gateway, get, idle, in_short, queued, task, time, work};
use taskgate_domain::{
    id::UserId,
    ports::MockTaskRepository,
    task::{
        ControlNote, TaskState,
        outcome::Outcome,
        status::{FinalStatus, LiveStatus},
        work::Mode,
    },
};

fn path() -> String {
    format!("/api/v1/tasks/{ID}/control-state")
}

fn note(reason: Option<&str>) -> ControlNote {
    ControlNote {
        at: time("2025-10-22T10:30:02.750Z"),
        by: UserId::DEFAULT,
        reason: reason.map(str::to_owned),
    }
}

/// What the route answers about a task in this state.
async fn told(state: TaskState) -> String {
    let mut tasks = MockTaskRepository::new();
    let task = task(work("q", Mode::Simple, "{}"), state);
    tasks.expect_find().returning(move |_| Ok(Some(task.clone())));
    get(&gateway(tasks), &path()).await
}

fn paused(reason: Option<&str>) -> TaskState {
    let TaskState::Live(mut live) = queued() else { unreachable!("a queued task is live") };
    live.status = LiveStatus::Paused;
    live.pause = Some(note(reason));
    TaskState::Live(live)
}

fn cancelled(cancel: Option<ControlNote>) -> TaskState {
    let TaskState::Finished(mut ended) = finished(FinalStatus::Cancelled, Outcome::default())
    else {
        unreachable!("a cancelled task has finished")
    };
    ended.cancel = cancel;
    TaskState::Finished(ended)
}

#[actix_web::test]
async fn a_paused_task_tells_who_paused_it() {
    insta::assert_snapshot!(told(paused(Some("lunch"))).await, @r#"
    200 OK
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"is_paused":true,"is_cancelled":false,"paused_at":"2025-10-22T10:30:02Z","pause_reason":"lunch","paused_by":"00000000-0000-0000-0000-000000000002","cancel_reason":"","cancelled_by":""}
    "#);
    insta::assert_snapshot!(in_short(&told(paused(None)).await), @r#"200 OK {"is_paused":true,"is_cancelled":false,"paused_at":"2025-10-22T10:30:02Z","pause_reason":"","paused_by":"00000000-0000-0000-0000-000000000002","cancel_reason":"","cancelled_by":""}"#);
}

#[actix_web::test]
async fn a_cancelled_task_tells_who_cancelled_it() {
    insta::assert_snapshot!(in_short(&told(cancelled(Some(note(Some("late"))))).await), @r#"200 OK {"is_paused":false,"is_cancelled":true,"paused_at":"","pause_reason":"","paused_by":"","cancel_reason":"late","cancelled_by":"00000000-0000-0000-0000-000000000002"}"#);
}

#[actix_web::test]
async fn nothing_to_tell_is_empty() {
    let nothing = in_short(&told(queued()).await);
    insta::assert_snapshot!(nothing, @r#"200 OK {"is_paused":false,"is_cancelled":false,"paused_at":"","pause_reason":"","paused_by":"","cancel_reason":"","cancelled_by":""}"#);
    let completed = finished(FinalStatus::Completed, Outcome::default());
    assert_eq!(in_short(&told(completed).await), nothing);
    // A task of a time before notes were kept.
    insta::assert_snapshot!(in_short(&told(cancelled(None)).await), @r#"200 OK {"is_paused":false,"is_cancelled":true,"paused_at":"","pause_reason":"","paused_by":"","cancel_reason":"","cancelled_by":""}"#);
}

#[actix_web::test]
async fn ids_are_checked_as_on_the_status_route() {
    for (id, expected) in [
        ("%20", r#"400 Bad Request {"error":"Invalid task ID"}"#),
        ("task-1", r#"404 Not Found {"error":"Task not found"}"#),
    ] {
        let answer = get(&idle(), &format!("/api/v1/tasks/{id}/control-state")).await;
        assert_eq!(in_short(&answer), expected);
    }
}
