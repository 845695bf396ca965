//! What the research face refuses, and how it says so.

use super::{face, get, holding, post, queued, task};
use crate::testing::send;
use actix_web::{http::Method, test::TestRequest};
use insta::assert_snapshot;
use taskgate_domain::{error::StoreError, ports::MockTaskRepository};

/// The status and the body of an answer.
fn short(answer: &str) -> String {
    let (head, body) = answer.split_once("\n\n").unwrap();
    format!("{} {body}", head.lines().next().unwrap())
}

#[actix_web::test]
async fn hostile_requests_are_refused_with_one_sentence() {
    // No expectation is set: a request that reached the store would panic.
    let state = face(MockTaskRepository::new());
    let mut answers = Vec::new();
    for query in [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=5.0",
        "limit=%2B5",
        "limit=99999999999999999999",
        "limit=1&limit=2",
        "limit=5&page=1",
        "page=0",
        "page=9223372036854775807",
        "page_size=501",
        "project_id=0",
        "project_id=x",
        "project_id=1%00",
        "status=PENDING",
        "status=queued",
        "status=%FF",
        "status=%zz",
        "%FF=1",
    ] {
        let answer = get(&state, &format!("/api/v1/tasks?{query}")).await;
        answers.push(format!("{query}: {}", short(&answer)));
    }
    for id in ["0", "-1", "+1", "1.0", "1e3", "x", "%00", "%FF", "9223372036854775808"] {
        let answer = get(&state, &format!("/api/v1/tasks/{id}")).await;
        answers.push(format!("{id}: {}", short(&answer)));
    }
    let answer = post(&state, "/api/v1/tasks/x/cancel", "").await;
    answers.push(format!("cancel: {}", short(&answer)));
    assert_snapshot!(answers.join("\n"), @r#"
    limit=0: 400 Bad Request {"code":400,"message":"limit must be between 1 and 500","data":null}
    limit=501: 400 Bad Request {"code":400,"message":"limit must be between 1 and 500","data":null}
    limit=-1: 400 Bad Request {"code":400,"message":"limit must be between 1 and 500","data":null}
    limit=5.0: 400 Bad Request {"code":400,"message":"limit must be a 64-bit integer","data":null}
    limit=%2B5: 400 Bad Request {"code":400,"message":"limit must be a 64-bit integer","data":null}
    limit=99999999999999999999: 400 Bad Request {"code":400,"message":"limit must be a 64-bit integer","data":null}
    limit=1&limit=2: 400 Bad Request {"code":400,"message":"Parameter limit is given twice","data":null}
    limit=5&page=1: 400 Bad Request {"code":400,"message":"limit must not stand beside page or page_size","data":null}
    page=0: 400 Bad Request {"code":400,"message":"page must be between 1 and 18446744073709551","data":null}
    page=9223372036854775807: 400 Bad Request {"code":400,"message":"page must be between 1 and 18446744073709551","data":null}
    page_size=501: 400 Bad Request {"code":400,"message":"page_size must be between 1 and 500","data":null}
    project_id=0: 400 Bad Request {"code":400,"message":"project_id must be a positive integer","data":null}
    project_id=x: 400 Bad Request {"code":400,"message":"project_id must be a 64-bit integer","data":null}
    project_id=1%00: 400 Bad Request {"code":400,"message":"Invalid query string","data":null}
    status=PENDING: 400 Bad Request {"code":400,"message":"status must be one of pending, running, completed, failed, cancelled","data":null}
    status=queued: 400 Bad Request {"code":400,"message":"status must be one of pending, running, completed, failed, cancelled","data":null}
    status=%FF: 400 Bad Request {"code":400,"message":"Invalid query string","data":null}
    status=%zz: 400 Bad Request {"code":400,"message":"Invalid query string","data":null}
    %FF=1: 400 Bad Request {"code":400,"message":"Invalid query string","data":null}
    0: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    -1: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    +1: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    1.0: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    1e3: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    x: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    %00: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    %FF: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    9223372036854775808: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    cancel: 400 Bad Request {"code":400,"message":"id must be a positive integer","data":null}
    "#);
}

#[actix_web::test]
async fn hostile_bodies_are_refused_with_one_sentence() {
    let state = face(MockTaskRepository::new());
    let deep = format!(r#""params":{{"a":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    let bodies = [
        "",
        "null",
        "[]",
        "{",
        "{}",
        r#"{"project_id":1,"task_type":"ocr"}"#,
        r#"{"project_id":1,"task_type":"ocr","params":null}"#,
        r#"{"project_id":1,"task_type":"ocr","params":[]}"#,
        r#"{"project_id":1,"task_type":"ocr","params":"{}"}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{"a":}}"#,
        r#"{"project_id":1,"project_id":1,"task_type":"ocr","params":{}}"#,
        r#"{"project_id":"1","task_type":"ocr","params":{}}"#,
        r#"{"project_id":1.0,"task_type":"ocr","params":{}}"#,
        r#"{"project_id":0,"task_type":"ocr","params":{}}"#,
        r#"{"project_id":18446744073709551615,"task_type":"ocr","params":{}}"#,
        r#"{"project_id":1,"task_type":"OCR","params":{}}"#,
        r#"{"project_id":1,"task_type":"ocr\u0000","params":{}}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"total":-1}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"total":true}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"priority":1001}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"max_attempts":0}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"timeout_seconds":0}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"run_after":"soon"}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"run_after":0}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"unique_key":""}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"unique_key":"a\u0000"}"#,
        r#"{"project_id":1,"task_type":"ocr","params":{},"unique_key":"\ud800"}"#,
        &deep,
    ];
    let mut answers = Vec::new();
    for body in bodies {
        answers.push(short(&post(&state, "/api/v1/tasks", body).await));
    }
    let request =
        TestRequest::post().uri("/api/v1/tasks").set_payload(b"{\"a\":\"\xff\"}".to_vec());
    answers.push(short(&send(&state, request).await));
    assert_snapshot!(answers.join("\n"), @r#"
    400 Bad Request {"code":400,"message":"Invalid request body: EOF while parsing a value at line 1 column 0","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: not a JSON object","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: not a JSON object","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: EOF while parsing an object at line 1 column 1","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: missing field `project_id` at line 1 column 2","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: missing field `params` at line 1 column 34","data":null}
    400 Bad Request {"code":400,"message":"params must be a JSON object","data":null}
    400 Bad Request {"code":400,"message":"params must be a JSON object","data":null}
    400 Bad Request {"code":400,"message":"params must be a JSON object","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: expected value at line 1 column 49","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: duplicate field `project_id` at line 1 column 28","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: invalid type: string \"1\", expected an integer at line 1 column 17","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: invalid type: floating point `1.0`, expected an integer at line 1 column 17","data":null}
    400 Bad Request {"code":400,"message":"project_id must be a positive integer","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: invalid value: integer `18446744073709551615`, expected an integer at line 1 column 34","data":null}
    400 Bad Request {"code":400,"message":"task_type must be one of search, dedup, crawl, ocr, index, keyword_expand","data":null}
    400 Bad Request {"code":400,"message":"task_type must be one of search, dedup, crawl, ocr, index, keyword_expand","data":null}
    400 Bad Request {"code":400,"message":"total must be between 0 and 9223372036854775807","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: invalid type: boolean `true`, expected an integer at line 1 column 58","data":null}
    400 Bad Request {"code":400,"message":"priority must be between -1000 and 1000","data":null}
    400 Bad Request {"code":400,"message":"max_attempts must be between 1 and 100","data":null}
    400 Bad Request {"code":400,"message":"timeout_seconds must be between 1 and 31622400","data":null}
    400 Bad Request {"code":400,"message":"run_after must be an ISO 8601 date and time","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: invalid type: integer `0`, expected a string at line 1 column 59","data":null}
    400 Bad Request {"code":400,"message":"unique_key must have 1 to 200 characters and no control character","data":null}
    400 Bad Request {"code":400,"message":"unique_key must have 1 to 200 characters and no control character","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: a string with half of a surrogate pair at line 1 column 67","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: nested deeper than 64 levels","data":null}
    400 Bad Request {"code":400,"message":"Invalid request body: not UTF-8","data":null}
    "#);
}

#[actix_web::test]
async fn a_body_over_a_mebibyte_is_refused() {
    let state = face(MockTaskRepository::new());
    let body = " ".repeat((1 << 20) + 1);
    assert_snapshot!(post(&state, "/api/v1/tasks", &body).await, @r#"
    413 Payload Too Large
    content-type: application/json
    x-request-id: *

    {"code":413,"message":"Invalid request body: longer than 1048576 bytes","data":null}
    "#);
}

#[actix_web::test]
async fn unknown_paths_and_methods_speak_the_same_shape() {
    let state = face(MockTaskRepository::new());
    let mut answers = Vec::new();
    for (method, uri) in [
        (Method::GET, "/"),
        (Method::GET, "/api/v1/projects"),
        (Method::GET, "/api/v1/tasks/42/"),
        (Method::DELETE, "/api/v1/tasks"),
        (Method::DELETE, "/api/v1/tasks/42"),
        (Method::GET, "/api/v1/tasks/42/cancel"),
    ] {
        let answer = send(&state, TestRequest::default().method(method.clone()).uri(uri)).await;
        let allow = answer.lines().find(|line| line.starts_with("allow")).unwrap_or_default();
        answers.push(format!("{method} {uri}: {} {allow}", short(&answer)).trim_end().to_owned());
    }
    assert_snapshot!(answers.join("\n"), @r#"
    GET /: 404 Not Found {"code":404,"message":"Not found","data":null}
    GET /api/v1/projects: 404 Not Found {"code":404,"message":"Not found","data":null}
    GET /api/v1/tasks/42/: 404 Not Found {"code":404,"message":"Not found","data":null}
    DELETE /api/v1/tasks: 405 Method Not Allowed {"code":405,"message":"Method not allowed","data":null} allow: GET, POST
    DELETE /api/v1/tasks/42: 405 Method Not Allowed {"code":405,"message":"Method not allowed","data":null} allow: GET
    GET /api/v1/tasks/42/cancel: 405 Method Not Allowed {"code":405,"message":"Method not allowed","data":null} allow: POST
    "#);
}

#[actix_web::test]
async fn an_unknown_task_is_not_found() {
    let state = face(holding(task(queued())));
    assert_snapshot!(get(&state, "/api/v1/tasks/43").await, @r#"
    404 Not Found
    content-type: application/json
    x-request-id: *

    {"code":404,"message":"Task not found","data":null}
    "#);
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let failed = || StoreError::failed("relation \"tasks\" does not exist");
    let mut tasks = MockTaskRepository::new();
    tasks.expect_list().return_once(move |_| Err(failed()));
    tasks.expect_submit().return_once(move |_| Err(failed()));
    tasks.expect_find().returning(move |_| Err(failed()));
    let state = face(tasks);
    let body = r#"{"project_id":1,"task_type":"ocr","params":{}}"#;
    let answers = [
        get(&state, "/api/v1/tasks").await,
        post(&state, "/api/v1/tasks", body).await,
        get(&state, "/api/v1/tasks/42").await,
        post(&state, "/api/v1/tasks/42/cancel", "").await,
    ];
    assert_snapshot!(answers.map(|answer| short(&answer)).join("\n"), @r#"
    500 Internal Server Error {"code":500,"message":"Failed to list tasks: database error","data":null}
    500 Internal Server Error {"code":500,"message":"Failed to create task: database error","data":null}
    500 Internal Server Error {"code":500,"message":"Failed to get task: database error","data":null}
    500 Internal Server Error {"code":500,"message":"Failed to cancel task: database error","data":null}
    "#);
}

#[actix_web::test]
async fn a_busy_store_asks_for_patience() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_list().return_once(|_| Err(StoreError::Busy));
    assert_snapshot!(get(&face(tasks), "/api/v1/tasks").await, @r#"
    503 Service Unavailable
    content-type: application/json
    retry-after: 1
    x-request-id: *

    {"code":503,"message":"The service is busy, try again","data":null}
    "#);
}
