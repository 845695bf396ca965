//! The routes of sessions.

mod history;
mod list;
mod title;
mod turns;

use super::{get, id, in_short, queued, time};
use crate::{
    server::{Face, State},
    testing::Mocks,
};
use actix_web::web;
use taskgate_domain::{
    id::{SessionId, TaskNumber, UserId},
    json::JsonObject,
    ports::{MockSessionRepository, MockTaskRepository},
    query::TurnQuery,
    session::{LatestTask, Session, SessionTitle},
    task::{
        TaskState, Turn,
        outcome::Outcome,
        status::{FinalStatus, TaskStatus},
        work::{Mode, SessionLabel},
    },
    usage::{Tokens, Usage, Usd},
};
use uuid::Uuid;

const SESSION: SessionId = SessionId(Uuid::from_u128(0x4000_8000_0000_0000_0009));

/// A session that its client calls `chat`.
fn session() -> Session {
    Session {
        id: SESSION,
        user: UserId::DEFAULT,
        external_id: Some("chat".to_owned()),
        title: SessionTitle::of_query("Why is the sky blue?"),
        first_mode: Mode::Supervisor,
        research: true,
        created_at: time("2025-10-22T10:30:00Z"),
        updated_at: time("2025-10-22T10:40:00Z"),
        tasks: 4,
        succeeded: 3,
        failed: 1,
        tokens: 600,
        cost: Usd::from_dollars(0.0092).unwrap(),
        latest: Some(LatestTask {
            query: "And at night?".to_owned(),
            status: TaskStatus::TimedOut,
            updated_at: time("2025-10-22T10:35:00Z"),
        }),
    }
}

/// A turn of the session.
fn turn(number: i64, query: &str, state: TaskState) -> Turn {
    Turn {
        number: TaskNumber::new(number).unwrap(),
        id: id(),
        query: query.to_owned(),
        mode: Mode::Simple,
        created_at: time("2025-10-22T10:30:00Z"),
        state,
    }
}

/// How a turn ended that has everything.
fn answered() -> TaskState {
    let metadata = r#"{"agent_usages":[{"agent":"a"},{"agent":"b"}],"tools_invoked":3}"#;
    let tokens = Tokens::new(45, 105, None).unwrap();
    let outcome = Outcome {
        result: Some("It scatters.".to_owned()),
        metadata: Some(JsonObject::parse("metadata", metadata.to_owned()).unwrap()),
        usage: Usage::new(tokens, Usd::from_dollars(0.0023).unwrap(), Vec::new()),
        ..Outcome::default()
    };
    super::finished(FinalStatus::Completed, outcome)
}

/// The turns that a query asks for.
fn page_of(turns: &[Turn], query: TurnQuery) -> Vec<Turn> {
    let behind = turns.iter().filter(|turn| turn.number.get() > query.after);
    let skip = usize::try_from(query.offset).unwrap();
    behind.skip(skip).take(query.limit.into()).cloned().collect()
}

/// A store that has the session, by both of its names, with these turns.
fn store(turns: Vec<Turn>) -> Mocks {
    let knows = |user: &UserId, label: &SessionLabel| {
        *user == UserId::DEFAULT && (label.as_str() == "chat" || label.as_id() == Some(SESSION))
    };
    let mut sessions = MockSessionRepository::new();
    sessions
        .expect_find_session()
        .returning(move |user, label| Ok(knows(&user, label).then_some(SESSION)));
    sessions.expect_session().returning(move |user, label| Ok(knows(&user, label).then(session)));
    sessions.expect_rename_session().returning(move |user, label, _| Ok(knows(&user, label)));
    sessions.expect_delete_session().returning(move |user, label| Ok(knows(&user, label)));
    let mut tasks = MockTaskRepository::new();
    tasks
        .expect_turns()
        .withf(|query| query.session == SESSION)
        .returning(move |query| Ok(page_of(&turns, query)));
    Mocks { sessions, tasks, ..Mocks::default() }
}

fn gateway(turns: Vec<Turn>) -> web::Data<State> {
    store(turns).state(Face::Gateway)
}

#[actix_web::test]
async fn a_session_is_found_by_both_of_its_names() {
    let state = gateway(vec![]);
    let by_name = get(&state, "/api/v1/sessions/chat").await;
    insta::assert_snapshot!(by_name, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"session_id":"00000000-0000-4000-8000-000000000009","user_id":"00000000-0000-0000-0000-000000000002","context":{"external_id":"chat","title":"Why is the sky blue?"},"title":"Why is the sky blue?","created_at":"2025-10-22T10:30:00Z","updated_at":"2025-10-22T10:40:00Z","last_activity_at":"2025-10-22T10:35:00Z","is_active":false,"task_count":4,"successful_tasks":3,"failed_tasks":1,"success_rate":0.75,"tokens_used":600,"cost_usd":0.0092,"total_cost_usd":0.0092,"average_cost_per_task":0.0023,"latest_task_query":"And at night?","latest_task_status":"TIMEOUT","is_research_session":true,"first_task_mode":"supervisor"}
    "#);
    assert_eq!(get(&state, &format!("/api/v1/sessions/{SESSION}")).await, by_name);
    assert_eq!(get(&state, "/api/v1/sessions/%63hat").await, by_name);
}

#[actix_web::test]
async fn a_session_that_the_caller_does_not_have_is_not_found() {
    let state = gateway(vec![]);
    let unknown = get(&state, "/api/v1/sessions/other").await;
    insta::assert_snapshot!(unknown, @r#"
    404 Not Found
    content-type: application/json
    x-request-id: *

    {"error":"Session not found"}
    "#);
    let long = "a".repeat(129);
    for name in ["other/history", "other/events", "%00", "a%2Fb", &long] {
        assert_eq!(get(&state, &format!("/api/v1/sessions/{name}")).await, unknown, "{name}");
    }
}

#[actix_web::test]
async fn any_name_that_a_client_may_give_is_reached_by_its_path() {
    for (path, name) in [
        ("a%2Fb", "a/b"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("%E7%A9%BA", "空"),
        ("50%25", "50%"),
    ] {
        let mut sessions = MockSessionRepository::new();
        sessions
            .expect_session()
            .withf(move |_, label| label.as_str() == name)
            .returning(|_, _| Ok(Some(session())));
        let state = Mocks { sessions, ..Mocks::default() }.state(Face::Gateway);
        let answer = get(&state, &format!("/api/v1/sessions/{path}")).await;
        assert!(answer.starts_with("200"), "{path}");
    }
}
