//! Plans and their reviews as workers see them.

use super::{TASK, face, lease, report, short};
use crate::testing::{send, with_key};
use actix_web::test::TestRequest;
use insta::assert_snapshot;
use taskgate_domain::{
    error::{InvalidValue, ReportError},
    ports::MockTaskQueue,
    review::{Intent, Proposal, Review, Role, Round},
    usage::{Tokens, Usage, Usd},
};

async fn read(queue: MockTaskQueue, query: &str) -> String {
    let uri = format!("/api/v1/worker/tasks/{TASK}/review{query}");
    send(&face(queue), with_key(TestRequest::get().uri(&uri))).await
}

#[actix_web::test]
async fn a_worker_reads_what_was_said() {
    let mut queue = MockTaskQueue::new();
    let round = |role, message: &str| Round {
        role,
        message: message.to_owned(),
        at: "2025-03-12T10:01:00.5Z".parse().unwrap(),
    };
    queue.expect_review().withf(|of| *of == lease(1, 2)).return_once(move |_| {
        Ok(Some(Review {
            approved: false,
            intent: Intent::Ready,
            questions: vec!["Where?".to_owned()],
            rounds: vec![round(Role::Assistant, "Look"), round(Role::User, "shorter")],
        }))
    });
    assert_snapshot!(read(queue, "?attempt=2").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"review":{"approved":false,"version":1,"plan":"Look","questions":["Where?"],"intent":"ready","feedback":"shorter","rounds":[{"role":"assistant","message":"Look","timestamp":"2025-03-12T10:01:00.500000Z"},{"role":"user","message":"shorter","timestamp":"2025-03-12T10:01:00.500000Z"}]}}
    "#);
}

#[actix_web::test]
async fn without_a_plan_there_is_no_review() {
    let mut queue = MockTaskQueue::new();
    queue.expect_review().return_once(|_| Ok(None));
    assert_snapshot!(short(&read(queue, "?attempt=1").await), @r#"200 OK {"review":null}"#);
}

#[actix_web::test]
async fn a_review_is_read_under_a_claim() {
    let mut answers = Vec::new();
    for query in ["", "?attempt=", "?attempt=0", "?attempt=x", "?attempt=1&attempt=2"] {
        answers.push(format!("{query} {}", short(&read(MockTaskQueue::new(), query).await)));
    }
    for error in [ReportError::LeaseLost, ReportError::NotFound] {
        let mut queue = MockTaskQueue::new();
        queue.expect_review().return_once(move |_| Err(error));
        answers.push(short(&read(queue, "?attempt=1").await));
    }
    assert_snapshot!(answers.join("\n"), @r#"
     400 Bad Request {"error":"attempt must be a positive 32-bit integer"}
    ?attempt= 400 Bad Request {"error":"attempt must be a positive 32-bit integer"}
    ?attempt=0 400 Bad Request {"error":"attempt must be a positive 32-bit integer"}
    ?attempt=x 400 Bad Request {"error":"attempt must be an integer"}
    ?attempt=1&attempt=2 400 Bad Request {"error":"Parameter attempt is given twice"}
    409 Conflict {"error":"lease_lost"}
    404 Not Found {"error":"Task not found"}
    "#);
}

#[actix_web::test]
async fn a_plan_is_proposed() {
    let tokens = Tokens::new(7, 0, None).unwrap();
    for (more, intent, tokens) in [
        (r#","intent":"ready""#, Intent::Ready, Tokens::default()),
        (r#","intent":null,"usage":null"#, Intent::Feedback, Tokens::default()),
        (r#","usage":{"prompt_tokens":7,"completion_tokens":0}"#, Intent::Feedback, tokens),
    ] {
        let mut queue = MockTaskQueue::new();
        let questions = vec!["Where?".to_owned(), "Why?".to_owned()];
        let expected = Proposal::new("Look\u{fffd}".to_owned(), questions, intent).unwrap();
        let expected = expected.with_usage(Usage::new(tokens, Usd::ZERO, Vec::new()));
        queue
            .expect_propose()
            .withf(move |of, proposal| *of == lease(1, 2) && *proposal == expected)
            .return_once(|_, _| Ok(()));
        let body =
            format!(r#"{{"attempt":2,"plan":"Look\u0000","questions":["Where?","Why?"]{more}}}"#);
        let answer = report(&face(queue), "plan", &body).await;
        insta::allow_duplicates! {
            assert_snapshot!(answer, @r#"
            200 OK
            content-type: application/json
            x-request-id: *

            {"status":"paused"}
            "#);
        }
    }
}

#[actix_web::test]
async fn a_plan_that_breaks_a_rule_is_refused() {
    let many = format!(r#"{{"attempt":1,"plan":"p","questions":[{}"?"]}}"#, r#""?","#.repeat(50));
    let mut answers = Vec::new();
    for body in [
        "{}",
        r#"{"attempt":0,"plan":"p"}"#,
        r#"{"attempt":1,"plan":" "}"#,
        r#"{"attempt":1,"plan":"p","questions":[""]}"#,
        r#"{"attempt":1,"plan":"p","questions":"?"}"#,
        r#"{"attempt":1,"plan":"p","intent":"reject"}"#,
        many.as_str(),
    ] {
        let answer = report(&face(MockTaskQueue::new()), "plan", body).await;
        answers.push(format!("{body:.40}  {}", short(&answer)));
    }
    assert_snapshot!(answers.join("\n"), @r#"
    {}  400 Bad Request {"error":"Invalid request body: missing field `attempt` at line 1 column 2"}
    {"attempt":0,"plan":"p"}  400 Bad Request {"error":"attempt must be a positive 32-bit integer"}
    {"attempt":1,"plan":" "}  400 Bad Request {"error":"plan must have 1 to 65536 bytes, and not be blank"}
    {"attempt":1,"plan":"p","questions":[""]  400 Bad Request {"error":"questions must each have 1 to 4096 bytes, and not be blank"}
    {"attempt":1,"plan":"p","questions":"?"}  400 Bad Request {"error":"Invalid request body: invalid type: string \"?\", expected a sequence at line 1 column 39"}
    {"attempt":1,"plan":"p","intent":"reject  400 Bad Request {"error":"intent must be one of feedback, ready, execute"}
    {"attempt":1,"plan":"p","questions":["?"  400 Bad Request {"error":"questions must have at most 50 elements"}
    "#);
}

#[actix_web::test]
async fn a_refused_plan_tells_why() {
    let mut answers = Vec::new();
    for error in [
        ReportError::LeaseLost,
        ReportError::NotFound,
        InvalidValue::new("plan", "is approved already").into(),
    ] {
        let mut queue = MockTaskQueue::new();
        queue.expect_propose().return_once(move |_, _| Err(error));
        let answer = report(&face(queue), "plan", r#"{"attempt":1,"plan":"p"}"#).await;
        answers.push(short(&answer));
    }
    assert_snapshot!(answers.join("\n"), @r#"
    409 Conflict {"error":"lease_lost"}
    404 Not Found {"error":"Task not found"}
    400 Bad Request {"error":"plan is approved already"}
    "#);
}
