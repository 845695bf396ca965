//! Naming and hiding a session.

use super::{gateway, in_short};
use crate::{
    server::{Face, State},
    testing::{Mocks, send, with_key},
};
use actix_web::{test::TestRequest, web};
use taskgate_domain::{error::StoreError, ports::MockSessionRepository, session::SessionTitle};

async fn patch(state: &web::Data<State>, name: &str, body: impl Into<web::Bytes>) -> String {
    let request = TestRequest::patch().uri(&format!("/api/v1/sessions/{name}"));
    send(state, with_key(request.set_payload(body))).await
}

async fn delete(state: &web::Data<State>, name: &str) -> String {
    let request = TestRequest::delete().uri(&format!("/api/v1/sessions/{name}"));
    send(state, with_key(request)).await
}

#[actix_web::test]
async fn a_title_is_kept_as_it_can_be_seen() {
    let mut sessions = MockSessionRepository::new();
    sessions
        .expect_rename_session()
        .withf(|_, label, title| {
            label.as_str() == "chat" && *title == SessionTitle::new("The sky").unwrap()
        })
        .returning(|_, _, _| Ok(true));
    let state = Mocks { sessions, ..Mocks::default() }.state(Face::Gateway);
    let body = r#"{"title":" The\u200b sky\u0000 ","other":1}"#;
    insta::assert_snapshot!(patch(&state, "chat", body).await, @r#"
    200 OK
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"session_id":"chat","title":"The sky"}
    "#);
}

#[actix_web::test]
async fn a_title_that_breaks_a_rule_is_refused() {
    let long = format!(r#"{{"title":"{}"}}"#, "あ".repeat(61));
    let state = Mocks::default().state(Face::Gateway);
    let mut answers = Vec::new();
    for body in [
        "{}",
        r#"{"title":null}"#,
        r#"{"title":" \u200b"}"#,
        long.as_str(),
        r#"{"title":5}"#,
        "[]",
        "",
        "title",
    ] {
        let answer = patch(&state, "chat", body.to_owned()).await;
        answers.push(format!("{body:.20}  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    {}  400 Bad Request {"error":"Title cannot be empty"}
    {"title":null}  400 Bad Request {"error":"Title cannot be empty"}
    {"title":" \u200b"}  400 Bad Request {"error":"Title cannot be empty"}
    {"title":"ああああああああああ  400 Bad Request {"error":"Title must be 60 characters or less"}
    {"title":5}  400 Bad Request {"error":"Invalid request body: invalid type: integer `5`, expected a string at line 1 column 10"}
    []  400 Bad Request {"error":"Invalid request body: not a JSON object"}
      400 Bad Request {"error":"Invalid request body: EOF while parsing a value at line 1 column 0"}
    title  400 Bad Request {"error":"Invalid request body: expected ident at line 1 column 2"}
    "#);
}

#[actix_web::test]
async fn a_deleted_session_leaves_nothing_to_say() {
    insta::assert_snapshot!(delete(&gateway(vec![]), "chat").await, @"
    204 No Content
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *
    ");
}

#[actix_web::test]
async fn only_a_session_of_the_caller_is_renamed_or_deleted() {
    let state = gateway(vec![]);
    for answer in [
        patch(&state, "other", r#"{"title":"T"}"#).await,
        patch(&state, "%00", r#"{"title":"T"}"#).await,
        delete(&state, "other").await,
        delete(&state, "%00").await,
    ] {
        assert_eq!(in_short(&answer), r#"404 Not Found {"error":"Session not found"}"#);
    }
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let mut sessions = MockSessionRepository::new();
    sessions.expect_rename_session().returning(|_, _, _| Err(StoreError::failed("deadlock")));
    sessions.expect_delete_session().returning(|_, _| Err(StoreError::Busy));
    let state = Mocks { sessions, ..Mocks::default() }.state(Face::Gateway);
    insta::assert_snapshot!(in_short(&patch(&state, "chat", r#"{"title":"T"}"#).await), @r#"500 Internal Server Error {"error":"Failed to rename session: database error"}"#);
    insta::assert_snapshot!(in_short(&delete(&state, "chat").await), @r#"503 Service Unavailable {"error":"The service is busy, try again"}"#);
}
