//! The routes of the worker face over mocked ports.

mod conversation;
mod reports;
mod review;

use crate::{
    server::{Face, State},
    testing::{Mocks, send, stored_key, with_key},
};
use actix_web::{http::Method, test::TestRequest, web};
use insta::assert_snapshot;
use std::time::Duration;
use taskgate_domain::{
    error::{ReportError, StoreError},
    event::NewEvent,
    id::{ProjectId, TaskId, TaskNumber},
    json::JsonObject,
    key::{KeySecret, Scope},
    ports::{MockApiKeyRepository, MockTaskQueue},
    queue::{ClaimRequest, ClaimedTask, Heartbeat, HeartbeatReply, Lease, WorkerId},
    task::{
        Attempt,
        work::{AgentWork, Kind, Mode, ResearchWork, SessionLabel, TaskType, Work},
    },
    usage::{ModelUsage, Tokens, Usage, Usd},
};

const TASK: &str = "task_00000000000000000000000001";

fn face(queue: MockTaskQueue) -> web::Data<State> {
    Mocks { queue, ..Mocks::default() }.state(Face::Worker)
}

async fn post(state: &web::Data<State>, call: &str, body: &str) -> String {
    let uri = format!("/api/v1/worker/{call}");
    send(state, with_key(TestRequest::post().uri(&uri).set_payload(body.to_owned()))).await
}

/// A call about task 1.
async fn report(state: &web::Data<State>, call: &str, body: &str) -> String {
    post(state, &format!("tasks/{TASK}/{call}"), body).await
}

/// The status and the body of an answer.
fn short(answer: &str) -> String {
    let (head, body) = answer.split_once("\n\n").unwrap();
    format!("{} {body}", head.lines().next().unwrap())
}

/// A batch that completes task 1.
fn one_item() -> String {
    format!(r#"{{"items":[{{"task_id":"{TASK}","attempt":1,"complete":{{}}}}]}}"#)
}

fn lease(task: u128, attempt: i64) -> Lease {
    Lease { task: TaskId::from_bits(task), attempt: Attempt::new(attempt).unwrap() }
}

fn claimed(number: i64, work: Work) -> ClaimedTask {
    ClaimedTask {
        id: TaskId::from_bits(1),
        number: TaskNumber::new(number).unwrap(),
        work,
        attempt: Attempt::new(2).unwrap(),
        lease_expires_at: "2025-03-12T10:01:00.5Z".parse().unwrap(),
        deadline: None,
        consumed: Usage::default(),
    }
}

fn question() -> Work {
    let session = SessionLabel::new("chat-7").unwrap();
    let context = JsonObject::parse("context", r#"{"b": 1.50, "a":[]}"#.to_owned()).unwrap();
    Work::Agent(AgentWork::new("Why?".to_owned(), session, Mode::Complex, context).unwrap())
}

fn job() -> Work {
    Work::Research(ResearchWork {
        project: ProjectId::new(3).unwrap(),
        task_type: TaskType::KeywordExpand,
        params: JsonObject::parse("params", r#"{"seed": "graph"}"#.to_owned()).unwrap(),
    })
}

#[actix_web::test]
async fn a_claim_gives_each_kind_of_task_what_it_needs() {
    let mut queue = MockTaskQueue::new();
    let expected = ClaimRequest {
        worker: WorkerId::new("w-1").unwrap(),
        kinds: vec![Kind::Agent, Kind::Research(TaskType::KeywordExpand)],
        max: 500,
        lease: Duration::from_secs(3_600),
        wait: Duration::from_secs(30),
    };
    queue.expect_claim().withf(move |request| *request == expected).return_once(|_| {
        let deadline = Some("2025-03-12T11:00:00Z".parse().unwrap());
        let (tokens, cost) =
            (Tokens::new(7, 0, None).unwrap(), Usd::from_nanos(2_300_000).unwrap());
        let (model, provider) = ("m".to_owned(), "p".to_owned());
        let share = ModelUsage { model, provider, executions: 1, tokens, cost };
        let consumed = Usage::new(tokens, cost, vec![share]);
        let job = ClaimedTask { deadline, consumed, ..claimed(9, job()) };
        Ok(vec![claimed(8, question()), job])
    });
    let body = r#"{"worker_id":"w-1","kinds":["agent","keyword_expand"],"max":500,
        "lease_seconds":3600,"wait_seconds":30}"#;
    assert_snapshot!(post(&face(queue), "claim", body).await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"tasks":[{"task_id":"task_00000000000000000000000001","number":8,"kind":"agent","attempt":2,"lease_expires_at":"2025-03-12T10:01:00.500000Z","query":"Why?","mode":"complex","session_id":"chat-7","context":{"b": 1.50, "a":[]}},{"task_id":"task_00000000000000000000000001","number":9,"kind":"keyword_expand","attempt":2,"lease_expires_at":"2025-03-12T10:01:00.500000Z","project_id":3,"params":{"seed": "graph"},"deadline":"2025-03-12T11:00:00Z","usage":{"prompt_tokens":7,"completion_tokens":0,"total_tokens":7,"cost_usd":0.0023,"models":[{"model":"m","provider":"p","executions":1,"prompt_tokens":7,"completion_tokens":0,"total_tokens":7,"cost_usd":0.0023}]}}]}
    "#);
}

#[actix_web::test]
async fn a_claim_that_finds_nothing_is_an_empty_list() {
    let mut queue = MockTaskQueue::new();
    queue.expect_claim().return_once(|_| Ok(Vec::new()));
    let answer = post(&face(queue), "claim", r#"{"worker_id":"w","kinds":["ocr"]}"#).await;
    assert_snapshot!(short(&answer), @r#"200 OK {"tasks":[]}"#);
}

#[actix_web::test]
async fn a_heartbeat_tells_until_when_the_task_is_held() {
    let mut queue = MockTaskQueue::new();
    let expected = Heartbeat {
        lease: lease(1, 2),
        extend: Some(Duration::from_secs(60)),
        progress: Some(3),
        total: Some(10),
        message: Some("reading".to_owned()),
    };
    queue.expect_heartbeat().withf(move |beat| *beat == expected).return_once(|_| {
        Ok(HeartbeatReply {
            lease_expires_at: "2025-03-12T10:01:00Z".parse().unwrap(),
            cancel_requested: false,
            pause_requested: false,
        })
    });
    let body = r#"{"attempt":2,"lease_seconds":60,"progress":3,"total":10,"message":"reading"}"#;
    assert_snapshot!(report(&face(queue), "heartbeat", body).await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"lease_expires_at":"2025-03-12T10:01:00Z","cancel_requested":false,"pause_requested":false}
    "#);
}

#[actix_web::test]
async fn a_heartbeat_learns_of_a_cancel() {
    let mut queue = MockTaskQueue::new();
    queue.expect_heartbeat().return_once(|_| {
        Ok(HeartbeatReply {
            lease_expires_at: "2025-03-12T10:01:00Z".parse().unwrap(),
            cancel_requested: true,
            pause_requested: false,
        })
    });
    let answer = report(&face(queue), "heartbeat", r#"{"attempt":1}"#).await;
    assert_snapshot!(short(&answer), @r#"200 OK {"lease_expires_at":"2025-03-12T10:01:00Z","cancel_requested":true,"pause_requested":false}"#);
}

#[actix_web::test]
async fn events_are_numbered() {
    let mut queue = MockTaskQueue::new();
    queue
        .expect_record()
        .withf(|of, events: &Vec<NewEvent>| *of == lease(1, 2) && events.len() == 2)
        .return_once(|_, _| Ok(17));
    let body = r#"{"attempt":2,"events":[{"type":"A"},{"type":"B","payload":{"x":1}}]}"#;
    assert_snapshot!(report(&face(queue), "events", body).await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"last_seq":17}
    "#);
}

#[actix_web::test]
async fn the_moves_of_a_task_are_not_for_workers_to_tell() {
    for name in ["STREAM_END", "WORKFLOW_STARTED", "WORKFLOW_PAUSED", "WORKFLOW_COMPLETED"] {
        let body = format!(r#"{{"attempt":2,"events":[{{"type":"A"}},{{"type":"{name}"}}]}}"#);
        let answer = report(&face(MockTaskQueue::new()), "events", &body).await;
        let rule = "type must not be one that taskgate itself writes";
        assert_eq!(short(&answer), format!(r#"400 Bad Request {{"error":"{rule}"}}"#));
    }
}

#[actix_web::test]
async fn only_a_key_with_the_scope_may_call() {
    let secret = KeySecret::generate().unwrap();
    let mut keys = MockApiKeyRepository::new();
    keys.expect_find_key().returning(|_| Ok(Some(stored_key(Scope::Gateway))));
    let state = Mocks { keys, ..Mocks::default() }.state(Face::Worker);
    let call = || TestRequest::post().uri("/api/v1/worker/claim").set_payload("{}");
    let answers = [
        send(&state, call()).await,
        send(&state, call().insert_header(("X-API-Key", "sk_live_nonsense"))).await,
        send(&state, call().insert_header(("X-API-Key", secret.reveal()))).await,
    ];
    assert_snapshot!(answers.map(|answer| short(&answer)).join("\n"), @r#"
    401 Unauthorized {"error":"Unauthorized"}
    401 Unauthorized {"error":"Unauthorized"}
    403 Forbidden {"error":"The API key lacks the scope worker"}
    "#);
}

#[actix_web::test]
async fn unknown_paths_and_methods_speak_the_same_shape() {
    let state = face(MockTaskQueue::new());
    let mut answers = Vec::new();
    for (method, uri) in [
        (Method::GET, "/api/v1/worker/claim"),
        (Method::PUT, "/api/v1/worker/tasks/x/complete"),
        (Method::POST, "/api/v1/worker/tasks/x/conversation"),
        (Method::POST, "/api/v1/worker/tasks/x"),
        (Method::GET, "/api/v1/tasks"),
        (Method::GET, "/"),
    ] {
        let request = TestRequest::default().method(method.clone()).uri(uri);
        let answer = send(&state, with_key(request)).await;
        answers.push(format!("{method} {uri}: {}", short(&answer)));
    }
    assert_snapshot!(answers.join("\n"), @r#"
    GET /api/v1/worker/claim: 405 Method Not Allowed {"error":"Method not allowed"}
    PUT /api/v1/worker/tasks/x/complete: 405 Method Not Allowed {"error":"Method not allowed"}
    POST /api/v1/worker/tasks/x/conversation: 405 Method Not Allowed {"error":"Method not allowed"}
    POST /api/v1/worker/tasks/x: 404 Not Found {"error":"Not found"}
    GET /api/v1/tasks: 404 Not Found {"error":"Not found"}
    GET /: 404 Not Found {"error":"Not found"}
    "#);
}

#[actix_web::test]
async fn hostile_requests_are_refused_with_one_sentence() {
    // No expectation is set: a request that reached the store would panic.
    let state = face(MockTaskQueue::new());
    let deep =
        format!(r#"{{"attempt":1,"response":{{"a":{}{}}}}}"#, "[".repeat(63), "]".repeat(63));
    let mut answers = Vec::new();
    for (call, body) in [
        ("claim", ""),
        ("claim", "[]"),
        ("claim", "{}"),
        ("claim", r#"{"worker_id":"","kinds":["ocr"]}"#),
        ("claim", r#"{"worker_id":"w","kinds":"ocr"}"#),
        ("claim", r#"{"worker_id":"w","kinds":["ocr",1]}"#),
        ("claim", r#"{"worker_id":"w","kinds":["ocr"],"max":"1"}"#),
        ("claim", r#"{"worker_id":"w","kinds":["ocr"],"max":1.5}"#),
        ("claim", r#"{"worker_id":"w","kinds":["ocr"],"max":1e2}"#),
        ("finish", r#"{"items":[]}"#),
        ("finish", r#"{"items":[1]}"#),
        ("finish", r#"{"items":[["x",1,{},null]]}"#),
        ("finish", r#"{"items":[{"task_id":"x","attempt":1,"fail":["e",true]}]}"#),
        ("finish", r#"{"items":[{"task_id":1,"attempt":1,"complete":{}}]}"#),
        ("finish", r#"{"items":[{"task_id":"x","attempt":1,"fail":{"error":"e"}}]}"#),
        ("tasks/x/heartbeat", r#"{"attempt":1}"#),
        ("tasks/task_00000000000000000000000001%00/heartbeat", r#"{"attempt":1}"#),
        ("tasks/%FF/heartbeat", r#"{"attempt":1}"#),
        ("tasks/task_00000000000000000000000001/heartbeat", "{}"),
        ("tasks/task_00000000000000000000000001/heartbeat", r#"{"attempt":true}"#),
        ("tasks/task_00000000000000000000000001/events", r#"{"attempt":1,"events":{}}"#),
        ("tasks/task_00000000000000000000000001/complete", r#"{"attempt":1,"result":1}"#),
        ("tasks/task_00000000000000000000000001/complete", r#"{"attempt":1,"response":"{}"}"#),
        ("tasks/task_00000000000000000000000001/complete", r#"{"attempt":1,"metadata":[]}"#),
        ("tasks/task_00000000000000000000000001/complete", r#"{"attempt":1,"usage":{}}"#),
        ("tasks/task_00000000000000000000000001/complete", &deep),
        ("tasks/task_00000000000000000000000001/fail", r#"{"attempt":1,"error":"e"}"#),
        ("tasks/task_00000000000000000000000001/fail", r#"{"attempt":1,"retry":true}"#),
        ("tasks/task_00000000000000000000000001/fail", r#"{"attempt":1,"error":"e","retry":1}"#),
    ] {
        answers.push(short(&post(&state, call, body).await));
    }
    assert_snapshot!(answers.join("\n"), @r#"
    400 Bad Request {"error":"Invalid request body: EOF while parsing a value at line 1 column 0"}
    400 Bad Request {"error":"Invalid request body: not a JSON object"}
    400 Bad Request {"error":"Invalid request body: missing field `worker_id` at line 1 column 2"}
    400 Bad Request {"error":"worker_id must have 1 to 128 characters and no control character"}
    400 Bad Request {"error":"Invalid request body: invalid type: string \"ocr\", expected a sequence at line 1 column 30"}
    400 Bad Request {"error":"Invalid request body: invalid type: integer `1`, expected a string at line 1 column 33"}
    400 Bad Request {"error":"Invalid request body: invalid type: string \"1\", expected an integer at line 1 column 42"}
    400 Bad Request {"error":"Invalid request body: invalid type: floating point `1.5`, expected an integer at line 1 column 42"}
    400 Bad Request {"error":"Invalid request body: invalid type: floating point `100.0`, expected an integer at line 1 column 42"}
    400 Bad Request {"error":"items must have 1 to 500 elements"}
    400 Bad Request {"error":"Invalid request body: invalid type: integer `1`, expected an object at line 1 column 11"}
    400 Bad Request {"error":"Invalid request body: invalid type: sequence, expected an object at line 1 column 10"}
    400 Bad Request {"error":"Invalid request body: invalid type: sequence, expected an object at line 1 column 44"}
    400 Bad Request {"error":"Invalid request body: invalid type: integer `1`, expected a string at line 1 column 22"}
    400 Bad Request {"error":"Invalid request body: missing field `retry` at line 1 column 57"}
    400 Bad Request {"error":"task_id must be task_ and a ULID"}
    400 Bad Request {"error":"task_id must be task_ and a ULID"}
    400 Bad Request {"error":"task_id must be task_ and a ULID"}
    400 Bad Request {"error":"Invalid request body: missing field `attempt` at line 1 column 2"}
    400 Bad Request {"error":"Invalid request body: invalid type: boolean `true`, expected an integer at line 1 column 15"}
    400 Bad Request {"error":"Invalid request body: invalid type: map, expected a sequence at line 1 column 22"}
    400 Bad Request {"error":"result must be a string or a JSON object"}
    400 Bad Request {"error":"response must be a JSON object"}
    400 Bad Request {"error":"metadata must be a JSON object"}
    400 Bad Request {"error":"Invalid request body: missing field `prompt_tokens` at line 1 column 23"}
    400 Bad Request {"error":"Invalid request body: nested deeper than 64 levels"}
    400 Bad Request {"error":"Invalid request body: missing field `retry` at line 1 column 25"}
    400 Bad Request {"error":"Invalid request body: missing field `error` at line 1 column 26"}
    400 Bad Request {"error":"Invalid request body: invalid type: integer `1`, expected a boolean at line 1 column 34"}
    "#);
}

#[actix_web::test]
async fn each_call_has_its_own_body_limit() {
    let state = face(MockTaskQueue::new());
    let mut answers = Vec::new();
    for (call, mebibytes) in [
        ("claim".to_owned(), 1),
        (format!("tasks/{TASK}/heartbeat"), 1),
        (format!("tasks/{TASK}/events"), 16),
        (format!("tasks/{TASK}/complete"), 16),
        (format!("tasks/{TASK}/fail"), 16),
        (format!("tasks/{TASK}/release"), 1),
        ("finish".to_owned(), 64),
    ] {
        let request = TestRequest::post()
            .uri(&format!("/api/v1/worker/{call}"))
            .insert_header(("Content-Length", (mebibytes << 20) + 1));
        answers.push(format!("{call}: {}", short(&send(&state, with_key(request)).await)));
    }
    assert_snapshot!(answers.join("\n"), @r#"
    claim: 413 Payload Too Large {"error":"Invalid request body: longer than 1048576 bytes"}
    tasks/task_00000000000000000000000001/heartbeat: 413 Payload Too Large {"error":"Invalid request body: longer than 1048576 bytes"}
    tasks/task_00000000000000000000000001/events: 413 Payload Too Large {"error":"Invalid request body: longer than 16777216 bytes"}
    tasks/task_00000000000000000000000001/complete: 413 Payload Too Large {"error":"Invalid request body: longer than 16777216 bytes"}
    tasks/task_00000000000000000000000001/fail: 413 Payload Too Large {"error":"Invalid request body: longer than 16777216 bytes"}
    tasks/task_00000000000000000000000001/release: 413 Payload Too Large {"error":"Invalid request body: longer than 1048576 bytes"}
    finish: 413 Payload Too Large {"error":"Invalid request body: longer than 67108864 bytes"}
    "#);
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let failed = || StoreError::failed("relation \"tasks\" does not exist");
    let mut queue = MockTaskQueue::new();
    queue.expect_claim().return_once(move |_| Err(failed()));
    queue.expect_heartbeat().return_once(move |_| Err(ReportError::Store(failed())));
    queue.expect_record().return_once(move |_, _| Err(ReportError::Store(failed())));
    queue.expect_finish().returning(move |_| Err(failed()));
    let state = face(queue);
    let answers = [
        post(&state, "claim", r#"{"worker_id":"w","kinds":["ocr"]}"#).await,
        report(&state, "heartbeat", r#"{"attempt":1}"#).await,
        report(&state, "events", r#"{"attempt":1,"events":[{"type":"A"}]}"#).await,
        report(&state, "complete", r#"{"attempt":1}"#).await,
        report(&state, "fail", r#"{"attempt":1,"error":"e","retry":false}"#).await,
        report(&state, "release", r#"{"attempt":1}"#).await,
        post(&state, "finish", &one_item()).await,
    ];
    assert_snapshot!(answers.map(|answer| short(&answer)).join("\n"), @r#"
    500 Internal Server Error {"error":"Failed to claim tasks: database error"}
    500 Internal Server Error {"error":"Failed to renew lease: database error"}
    500 Internal Server Error {"error":"Failed to record events: database error"}
    500 Internal Server Error {"error":"Failed to complete task: database error"}
    500 Internal Server Error {"error":"Failed to record failure: database error"}
    500 Internal Server Error {"error":"Failed to release task: database error"}
    500 Internal Server Error {"error":"Failed to finish tasks: database error"}
    "#);
}

#[test]
fn every_route_is_described() {
    let document: serde_json::Value = serde_json::from_str(&crate::openapi(Face::Worker)).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let statuses: Vec<&String> =
                operation["responses"].as_object().unwrap().keys().collect();
            routes.push(format!("{method} {path} {statuses:?}"));
        }
    }
    assert_snapshot!(routes.join("\n"), @r#"
    post /api/v1/worker/claim ["200", "400", "401", "403", "405", "408", "413", "500", "503"]
    post /api/v1/worker/finish ["200", "400", "401", "403", "405", "408", "413", "500", "503"]
    post /api/v1/worker/tasks/{id}/complete ["200", "400", "401", "403", "404", "405", "408", "409", "413", "500", "503"]
    get /api/v1/worker/tasks/{id}/conversation ["200", "400", "401", "403", "404", "405", "408", "409", "413", "500", "503"]
    post /api/v1/worker/tasks/{id}/events ["200", "400", "401", "403", "404", "405", "408", "409", "413", "500", "503"]
    post /api/v1/worker/tasks/{id}/fail ["200", "400", "401", "403", "404", "405", "408", "409", "413", "500", "503"]
    post /api/v1/worker/tasks/{id}/heartbeat ["200", "400", "401", "403", "404", "405", "408", "409", "413", "500", "503"]
    post /api/v1/worker/tasks/{id}/plan ["200", "400", "401", "403", "404", "405", "408", "409", "413", "500", "503"]
    post /api/v1/worker/tasks/{id}/release ["200", "400", "401", "403", "404", "405", "408", "409", "413", "500", "503"]
    get /api/v1/worker/tasks/{id}/review ["200", "400", "401", "403", "404", "405", "408", "409", "413", "500", "503"]
    get /health ["200"]
    get /openapi.json ["200"]
    get /readiness ["200", "503"]
    "#);
}
