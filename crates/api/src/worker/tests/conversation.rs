//! What an agent task follows on.

use super::{TASK, face, lease, short};
use crate::testing::{send, with_key};
use actix_web::{test::TestRequest, web};
use insta::assert_snapshot;
use taskgate_domain::{
    error::{ReportError, StoreError},
    ports::MockTaskQueue,
    queue::{Conversation, PastTurn},
    usage::Usd,
};

async fn get(state: &web::Data<crate::server::State>, query: &str) -> String {
    let uri = format!("/api/v1/worker/tasks/{TASK}/conversation{query}");
    send(state, with_key(TestRequest::get().uri(&uri))).await
}

#[actix_web::test]
async fn a_worker_reads_the_turns_and_sums_of_a_session() {
    let mut queue = MockTaskQueue::new();
    queue.expect_conversation().withf(|of, turns| *of == lease(1, 2) && *turns == 100).return_once(
        |_, _| {
            let turn = |query: &str, answer: &str| PastTurn {
                query: query.to_owned(),
                answer: answer.to_owned(),
            };
            Ok(Conversation {
                turns: vec![turn("なぜ?", "空だから"), turn("Why?", "{\"a\": 1}")],
                tokens: 1_200,
                cost: Usd::from_nanos(2_300_001).unwrap(),
            })
        },
    );
    assert_snapshot!(get(&face(queue), "?attempt=2&turns=100").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"turns":[{"query":"なぜ?","answer":"空だから"},{"query":"Why?","answer":"{\"a\": 1}"}],"tokens":1200,"cost_usd":0.002300001}
    "#);
}

#[actix_web::test]
async fn a_worker_that_does_not_say_how_many_gets_ten_turns() {
    let mut queue = MockTaskQueue::new();
    let ten = |_: &_, turns: &u16| *turns == 10;
    queue.expect_conversation().withf(ten).return_once(|_, _| Ok(Conversation::default()));
    assert_snapshot!(short(&get(&face(queue), "?attempt=1&turns=").await), @r#"200 OK {"turns":[],"tokens":0,"cost_usd":0.0}"#);
}

#[actix_web::test]
async fn a_conversation_that_cannot_be_read_is_refused() {
    let mut answers = Vec::new();
    for query in [
        "",
        "?attempt=0",
        "?attempt=2147483648",
        "?attempt=x",
        "?attempt=1&attempt=1",
        "?attempt=1&turns=-1",
        "?attempt=1&turns=101",
        "?attempt=1&turns=1.5",
        "?attempt=1%00",
    ] {
        // No expectation is set: a request that reached the store would panic.
        answers.push(short(&get(&face(MockTaskQueue::new()), query).await));
    }
    for error in [
        ReportError::NotFound,
        ReportError::LeaseLost,
        ReportError::Store(StoreError::Busy),
        ReportError::Store(StoreError::failed("no space left")),
    ] {
        let mut queue = MockTaskQueue::new();
        queue.expect_conversation().return_once(|_, _| Err(error));
        answers.push(short(&get(&face(queue), "?attempt=1").await));
    }
    assert_snapshot!(answers.join("\n"), @r#"
    400 Bad Request {"error":"attempt must be a positive 32-bit integer"}
    400 Bad Request {"error":"attempt must be a positive 32-bit integer"}
    400 Bad Request {"error":"attempt must be a positive 32-bit integer"}
    400 Bad Request {"error":"attempt must be an integer"}
    400 Bad Request {"error":"Parameter attempt is given twice"}
    400 Bad Request {"error":"turns must be between 0 and 100"}
    400 Bad Request {"error":"turns must be between 0 and 100"}
    400 Bad Request {"error":"turns must be an integer"}
    400 Bad Request {"error":"Invalid query string"}
    404 Not Found {"error":"Task not found"}
    409 Conflict {"error":"lease_lost"}
    503 Service Unavailable {"error":"The service is busy, try again"}
    500 Internal Server Error {"error":"Failed to read conversation: database error"}
    "#);
}
