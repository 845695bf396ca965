use super::{gateway, get, id, idle, in_short, time};
use crate::{server::Face, testing::Mocks};
use taskgate_domain::{
    error::StoreError,
    id::{SessionId, TaskNumber, UserId},
    ports::{MockSessionRepository, MockTaskRepository},
    query::{Page, TaskPage, TaskQuery, TaskScope},
    task::{
        FinishedSummary, Progress, Subject, TaskSummary,
        status::TaskStatus,
        work::{Mode, SessionLabel},
    },
    usage::{Tokens, Usd},
};
use uuid::Uuid;

const PATH: &str = "/api/v1/tasks";

fn summary(query: &str, mode: Mode, status: TaskStatus) -> TaskSummary {
    TaskSummary {
        number: TaskNumber::new(1).unwrap(),
        id: id(),
        subject: Subject::Agent { query: query.to_owned(), mode },
        status,
        progress: Progress::default(),
        created_at: time("2025-10-22T10:30:00Z"),
        finished: status.is_final().then(|| FinishedSummary {
            at: time("2025-10-22T10:30:05.000040Z"),
            tokens: Tokens::new(45, 105, None).unwrap(),
            cost: Usd::from_dollars(0.0023).unwrap(),
        }),
    }
}

/// A store that must be asked for exactly this, and has nothing.
fn asked_for(
    scope: TaskScope,
    statuses: Vec<TaskStatus>,
    limit: i64,
    offset: i64,
) -> MockTaskRepository {
    let expected = TaskQuery { scope, statuses, page: Page::new(limit, offset).unwrap() };
    let mut tasks = MockTaskRepository::new();
    tasks
        .expect_list()
        .withf(move |query| *query == expected)
        .returning(|_| Ok(TaskPage::default()));
    tasks
}

const EMPTY: &str = r#"200 OK {"tasks":[],"total_count":0}"#;

#[actix_web::test]
async fn a_page_shows_every_member_of_every_task() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_list().returning(|_| {
        let tasks = vec![
            summary("What is the capital of France?", Mode::Simple, TaskStatus::Completed),
            summary("", Mode::Supervisor, TaskStatus::Running),
        ];
        Ok(TaskPage { tasks, total: 41 })
    });
    insta::assert_snapshot!(get(&gateway(tasks), PATH).await, @r#"
    200 OK
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"tasks":[{"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","query":"What is the capital of France?","status":"TASK_STATUS_COMPLETED","mode":"EXECUTION_MODE_SIMPLE","created_at":"2025-10-22T10:30:00Z","completed_at":"2025-10-22T10:30:05.000040Z","total_token_usage":{"total_tokens":150,"cost_usd":0.0023,"prompt_tokens":45,"completion_tokens":105}},{"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","query":"","status":"TASK_STATUS_RUNNING","mode":"EXECUTION_MODE_STANDARD","created_at":"2025-10-22T10:30:00Z","completed_at":null,"total_token_usage":null}],"total_count":41}
    "#);
}

#[actix_web::test]
async fn nothing_asked_is_the_first_twenty_of_the_user() {
    for query in ["", "?", "?limit=&offset=&status=&session_id=", "?page=3&status"] {
        let tasks = asked_for(TaskScope::User(UserId::DEFAULT), vec![], 20, 0);
        let answer = get(&gateway(tasks), &format!("{PATH}{query}")).await;
        assert_eq!(in_short(&answer), EMPTY, "{query}");
    }
}

#[actix_web::test]
async fn filters_reach_the_store() {
    let session = SessionId(Uuid::from_u128(0x4000_8000_0000_0000_0009));
    let tasks = asked_for(TaskScope::Session(session), vec![TaskStatus::Cancelled], 100, 40);
    let mut sessions = MockSessionRepository::new();
    let label = SessionLabel::new("user-123-chat").unwrap();
    sessions
        .expect_find_session()
        .withf(move |user, asked| *user == UserId::DEFAULT && *asked == label)
        .returning(move |_, _| Ok(Some(session)));
    let state = Mocks { tasks, sessions, ..Mocks::default() }.state(Face::Gateway);
    let uri = format!("{PATH}?limit=100&offset=40&status=canceled&session_id=user-123-chat");
    assert_eq!(in_short(&get(&state, &uri).await), EMPTY);
}

#[actix_web::test]
async fn every_status_is_a_filter() {
    for (word, status) in [
        ("QUEUED", TaskStatus::Queued),
        ("running", TaskStatus::Running),
        ("Paused", TaskStatus::Paused),
        ("COMPLETED", TaskStatus::Completed),
        ("FAILED", TaskStatus::Failed),
        ("CANCELLED", TaskStatus::Cancelled),
        ("CANCELED", TaskStatus::Cancelled),
        ("TIMEOUT", TaskStatus::TimedOut),
    ] {
        let tasks = asked_for(TaskScope::User(UserId::DEFAULT), vec![status], 20, 0);
        let answer = get(&gateway(tasks), &format!("{PATH}?status={word}")).await;
        assert_eq!(in_short(&answer), EMPTY, "{word}");
    }
}

#[actix_web::test]
async fn a_session_that_the_user_does_not_have_is_empty() {
    let mut sessions = MockSessionRepository::new();
    sessions.expect_find_session().returning(|_, _| Ok(None));
    let state = Mocks { sessions, ..Mocks::default() }.state(Face::Gateway);
    assert_eq!(in_short(&get(&state, &format!("{PATH}?session_id=x")).await), EMPTY);
}

#[actix_web::test]
async fn what_breaks_a_rule_is_refused_before_it_is_counted() {
    let state = idle();
    insta::assert_snapshot!(get(&state, &format!("{PATH}?limit=0")).await, @r#"
    400 Bad Request
    content-type: application/json
    x-request-id: *

    {"error":"Invalid limit parameter"}
    "#);
    let long = format!("session_id={}", "a".repeat(129));
    let mut answers = Vec::new();
    for query in [
        "limit=101",
        "limit=-1",
        "limit=abc",
        "limit=1.0",
        "limit=1e1",
        "limit=%2B1",
        "limit=99999999999999999999",
        "limit=5&limit=5",
        "offset=-1",
        "offset=x",
        "offset=9223372036854775808",
        "status=DONE",
        "status=TASK_STATUS_RUNNING",
        "status=RUNNING%20",
        "status=%FF",
        "status=%00",
        "status=%zz",
        "session_id=a%20b",
        "session_id=a/b",
        "session_id=%C3%A9",
        &long,
    ] {
        let answer = get(&state, &format!("{PATH}?{query}")).await;
        answers.push(format!("{query:.40}  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    limit=101  400 Bad Request {"error":"Invalid limit parameter"}
    limit=-1  400 Bad Request {"error":"Invalid limit parameter"}
    limit=abc  400 Bad Request {"error":"Invalid limit parameter"}
    limit=1.0  400 Bad Request {"error":"Invalid limit parameter"}
    limit=1e1  400 Bad Request {"error":"Invalid limit parameter"}
    limit=%2B1  400 Bad Request {"error":"Invalid limit parameter"}
    limit=99999999999999999999  400 Bad Request {"error":"Invalid limit parameter"}
    limit=5&limit=5  400 Bad Request {"error":"Parameter limit is given twice"}
    offset=-1  400 Bad Request {"error":"Invalid offset parameter"}
    offset=x  400 Bad Request {"error":"Invalid offset parameter"}
    offset=9223372036854775808  400 Bad Request {"error":"Invalid offset parameter"}
    status=DONE  400 Bad Request {"error":"Invalid status value"}
    status=TASK_STATUS_RUNNING  400 Bad Request {"error":"Invalid status value"}
    status=RUNNING%20  400 Bad Request {"error":"Invalid status value"}
    status=%FF  400 Bad Request {"error":"Invalid query string"}
    status=%00  400 Bad Request {"error":"Invalid query string"}
    status=%zz  400 Bad Request {"error":"Invalid query string"}
    session_id=a%20b  400 Bad Request {"error":"Invalid session_id parameter"}
    session_id=a/b  400 Bad Request {"error":"Invalid session_id parameter"}
    session_id=%C3%A9  400 Bad Request {"error":"Invalid session_id parameter"}
    session_id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaa  400 Bad Request {"error":"Invalid session_id parameter"}
    "#);
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_list().returning(|_| Err(StoreError::failed("no such table: tasks")));
    insta::assert_snapshot!(get(&gateway(tasks), PATH).await, @r#"
    500 Internal Server Error
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"error":"Failed to list tasks: database error"}
    "#);
}

#[actix_web::test]
async fn a_busy_store_says_when_to_come_back() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_list().returning(|_| Err(StoreError::Busy));
    insta::assert_snapshot!(get(&gateway(tasks), PATH).await, @r#"
    503 Service Unavailable
    content-type: application/json
    retry-after: 1
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"error":"The service is busy, try again"}
    "#);
}
