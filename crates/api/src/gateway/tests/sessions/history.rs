use super::{answered, gateway, get, in_short, page_of, queued, store, turn};
use crate::{
    server::{Face, app},
    testing::with_key,
};
use actix_web::{
    body::to_bytes,
    test::{TestRequest, call_service, init_service},
};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use taskgate_domain::{
    error::StoreError,
    json::JsonObject,
    ports::MockTaskRepository,
    task::{Turn, outcome::Outcome, status::FinalStatus},
};

const PATH: &str = "/api/v1/sessions/chat/history";

#[actix_web::test]
async fn a_history_tells_every_member_of_every_turn() {
    let state = gateway(vec![
        turn(3, "Why is the sky blue?", answered()),
        turn(
            8,
            "And at night?",
            super::super::finished(FinalStatus::TimedOut, Outcome::error("too late")),
        ),
        turn(9, "", queued()),
    ]);
    insta::assert_snapshot!(get(&state, PATH).await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"session_id":"chat","tasks":[{"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","query":"Why is the sky blue?","status":"COMPLETED","mode":"simple","result":"It scatters.","total_tokens":150,"total_cost_usd":0.0023,"duration_ms":4250,"agents_used":2,"tools_invoked":3,"started_at":"2025-10-22T10:30:00Z","completed_at":"2025-10-22T10:30:05.250000Z","metadata":{"agent_usages":[{"agent":"a"},{"agent":"b"}],"tools_invoked":3}},{"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","query":"And at night?","status":"TIMEOUT","mode":"simple","error_message":"too late","total_tokens":0,"total_cost_usd":0.0,"duration_ms":4250,"agents_used":0,"tools_invoked":0,"started_at":"2025-10-22T10:30:00Z","completed_at":"2025-10-22T10:30:05.250000Z"},{"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","query":"","status":"QUEUED","mode":"simple","total_tokens":0,"total_cost_usd":0.0,"agents_used":0,"tools_invoked":0,"started_at":"2025-10-22T10:30:00Z"}],"total":3}
    "#);
}

#[actix_web::test]
async fn a_structured_answer_is_told_as_its_text() {
    let outcome = Outcome {
        response: Some(JsonObject::parse("response", r#"{"sky":"blue"}"#.to_owned()).unwrap()),
        metadata: Some(
            JsonObject::parse("m", r#"{"agent_usages":{},"tools_invoked":-1}"#.to_owned()).unwrap(),
        ),
        ..Outcome::default()
    };
    let state =
        gateway(vec![turn(1, "q", super::super::finished(FinalStatus::Completed, outcome))]);
    insta::assert_snapshot!(in_short(&get(&state, PATH).await), @r#"200 OK {"session_id":"chat","tasks":[{"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","query":"q","status":"COMPLETED","mode":"simple","result":"{\"sky\":\"blue\"}","total_tokens":0,"total_cost_usd":0.0,"duration_ms":4250,"agents_used":0,"tools_invoked":0,"started_at":"2025-10-22T10:30:00Z","completed_at":"2025-10-22T10:30:05.250000Z","metadata":{"agent_usages":{},"tools_invoked":-1}}],"total":1}"#);
}

#[actix_web::test]
async fn a_session_is_named_as_the_request_did() {
    let answer =
        get(&gateway(vec![]), &format!("/api/v1/sessions/{}/history", super::SESSION)).await;
    insta::assert_snapshot!(in_short(&answer), @r#"200 OK {"session_id":"00000000-0000-4000-8000-000000000009","tasks":[],"total":0}"#);
}

/// The numbers of the turns stand in their queries.
fn many(count: i64) -> Vec<Turn> {
    (1..=count).map(|number| turn(number * 2, &number.to_string(), queued())).collect()
}

#[actix_web::test]
async fn a_long_history_is_read_a_few_turns_at_once_and_told_whole() {
    for count in [4, 5, 6, 10, 1_001] {
        let turns = many(count);
        let most = Arc::new(Mutex::new(0));
        let mut tasks = MockTaskRepository::new();
        let seen = most.clone();
        tasks.expect_turns().returning(move |query| {
            let page = page_of(&turns, query);
            let mut most = seen.lock().unwrap();
            *most = page.len().max(*most);
            Ok(page)
        });
        let mocks = crate::testing::Mocks { tasks, ..store(vec![]) };
        let answer = get(&mocks.state(Face::Gateway), PATH).await;
        let body: Value = serde_json::from_str(answer.split_once("\n\n").unwrap().1).unwrap();
        assert_eq!(body["total"], count);
        let queries: Vec<&str> = body["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["query"].as_str().unwrap())
            .collect();
        let expected: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
        assert_eq!(queries, expected);
        assert!(*most.lock().unwrap() <= 5);
    }
}

/// A store that fails behind this turn.
fn failing_behind(turns: Vec<Turn>, last: i64) -> crate::testing::Mocks {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_turns().returning(move |query| {
        if query.after >= last {
            return Err(StoreError::failed("connection reset"));
        }
        Ok(page_of(&turns, query))
    });
    crate::testing::Mocks { tasks, ..store(vec![]) }
}

#[actix_web::test]
async fn a_store_that_fails_at_the_start_makes_an_error() {
    let state = failing_behind(vec![], 0).state(Face::Gateway);
    insta::assert_snapshot!(in_short(&get(&state, PATH).await), @r#"500 Internal Server Error {"error":"Failed to get session history: database error"}"#);
}

#[actix_web::test]
async fn a_store_that_fails_later_breaks_the_answer_off() {
    let state = failing_behind(many(10), 10).state(Face::Gateway);
    let service = init_service(app(state)).await;
    let request = with_key(TestRequest::get().uri(PATH)).to_request();
    let response = call_service(&service, request).await;
    assert!(response.status().is_success());
    assert!(to_bytes(response.into_body()).await.is_err());
}
