use super::{get, in_short, session};
use crate::{server::Face, testing::Mocks};
use chrono::{TimeDelta, Utc};
use taskgate_domain::{
    id::UserId,
    ports::MockSessionRepository,
    query::Page,
    session::{Session, SessionPage},
    task::work::Mode,
    usage::Usd,
};

const PATH: &str = "/api/v1/sessions";

/// What a list of these sessions is answered.
async fn listed(sessions: Vec<Session>) -> String {
    let mut repository = MockSessionRepository::new();
    let page = SessionPage { sessions, total: 41 };
    repository.expect_list_sessions().returning(move |_, _| Ok(page.clone()));
    get(&Mocks { sessions: repository, ..Mocks::default() }.state(Face::Gateway), PATH).await
}

/// A session that has nothing that may be missing.
fn bare() -> Session {
    Session {
        external_id: None,
        title: None,
        first_mode: Mode::Simple,
        research: false,
        tasks: 0,
        succeeded: 0,
        failed: 0,
        tokens: 0,
        cost: Usd::from_nanos(0).unwrap(),
        latest: None,
        ..session()
    }
}

#[actix_web::test]
async fn a_page_shows_every_member_of_every_session() {
    insta::assert_snapshot!(listed(vec![session(), bare()]).await, @r#"
    200 OK
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"sessions":[{"session_id":"00000000-0000-4000-8000-000000000009","user_id":"00000000-0000-0000-0000-000000000002","context":{"external_id":"chat","title":"Why is the sky blue?"},"title":"Why is the sky blue?","created_at":"2025-10-22T10:30:00Z","updated_at":"2025-10-22T10:40:00Z","last_activity_at":"2025-10-22T10:35:00Z","is_active":false,"task_count":4,"successful_tasks":3,"failed_tasks":1,"success_rate":0.75,"tokens_used":600,"cost_usd":0.0092,"total_cost_usd":0.0092,"average_cost_per_task":0.0023,"latest_task_query":"And at night?","latest_task_status":"TIMEOUT","is_research_session":true,"first_task_mode":"supervisor"},{"session_id":"00000000-0000-4000-8000-000000000009","user_id":"00000000-0000-0000-0000-000000000002","context":{},"created_at":"2025-10-22T10:30:00Z","updated_at":"2025-10-22T10:40:00Z","last_activity_at":"2025-10-22T10:30:00Z","is_active":false,"task_count":0,"successful_tasks":0,"failed_tasks":0,"success_rate":0.0,"tokens_used":0,"cost_usd":0.0,"total_cost_usd":0.0,"average_cost_per_task":0.0,"is_research_session":false,"first_task_mode":"simple"}],"total_count":41}
    "#);
}

#[actix_web::test]
async fn a_session_is_active_for_a_day() {
    for (hours, active) in [(23, true), (25, false)] {
        let mut session = session();
        session.latest.as_mut().unwrap().updated_at = Utc::now() - TimeDelta::hours(hours);
        let answer = listed(vec![session]).await;
        assert!(answer.contains(&format!(r#""is_active":{active}"#)), "{answer}");
    }
}

#[actix_web::test]
async fn a_page_that_makes_no_sense_is_the_first() {
    for (query, limit, offset) in [
        ("", 20, 0),
        ("?limit=100&offset=7", 100, 7),
        ("?limit=1", 1, 0),
        ("?limit=0&offset=3", 20, 3),
        ("?limit=101", 20, 0),
        ("?limit=-5&offset=-1", 20, 0),
        ("?limit=ten&offset=1.5", 20, 0),
        ("?limit=99999999999999999999&offset=9223372036854775808", 20, 0),
        ("?limit=&offset=", 20, 0),
    ] {
        let expected = Page::new(limit, offset).unwrap();
        let mut sessions = MockSessionRepository::new();
        sessions
            .expect_list_sessions()
            .withf(move |user, page| *user == UserId::DEFAULT && *page == expected)
            .returning(|_, _| Ok(SessionPage::default()));
        let state = Mocks { sessions, ..Mocks::default() }.state(Face::Gateway);
        let answer = get(&state, &format!("{PATH}{query}")).await;
        assert_eq!(in_short(&answer), r#"200 OK {"sessions":[],"total_count":0}"#, "{query}");
    }
}

#[actix_web::test]
async fn a_query_that_is_no_clean_text_is_refused() {
    let state = Mocks::default().state(Face::Gateway);
    for (query, sentence) in [
        ("limit=%FF", "Invalid query string"),
        ("offset=%00", "Invalid query string"),
        ("limit=1&limit=2", "Parameter limit is given twice"),
    ] {
        let answer = get(&state, &format!("{PATH}?{query}")).await;
        assert_eq!(in_short(&answer), format!(r#"400 Bad Request {{"error":"{sentence}"}}"#));
    }
}
