//! What no client should send.

use super::{ID, get, idle, in_short, post};
use crate::testing::{send, with_key};
use actix_web::{http::Method, test::TestRequest};

#[actix_web::test]
async fn bodies_that_are_no_clean_object_are_refused() {
    let deep = format!(r#"{{"query":"q","context":{{"a":{}{}}}}}"#, "[".repeat(63), "]".repeat(63));
    let unclosed = "[".repeat(1_000_000);
    let state = idle();
    let mut answers = Vec::new();
    for body in [
        &b""[..],
        b"\xff\xfe",
        b"{\"query\":\"\xc3\x28\"}",
        b"null",
        b"\"query\"",
        br#"["query"]"#,
        br#"{"query":"a\u0000"}"#,
        b"{\"query\":\"a\0\"}",
        br#"{"query":"\ud800"}"#,
        br#"{"query":"a","query":"b"}"#,
        br#"{"query":{"a":1}}"#,
        br#"{"query":"a","max_iterations":1e400}"#,
        br#"{"query":"a","max_iterations":99999999999999999999}"#,
        br#"{"query":"a","context":{"n":NaN}}"#,
        br#"{"query":"a","context":{"n":1e999}}"#,
        br#"{"query":"a","context":{"s":"\ud800"}}"#,
        br#"{"query":"a",}"#,
        br#"{"query":"a"}{"query":"b"}"#,
        deep.as_bytes(),
        unclosed.as_bytes(),
    ] {
        let answer = post(&state, "/api/v1/tasks", body.to_vec()).await;
        let shown = String::from_utf8_lossy(body).escape_debug().to_string();
        answers.push(format!("body: {shown:.50}\n  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    body: 
      400 Bad Request {"error":"Invalid request body: EOF while parsing a value at line 1 column 0"}
    body: ��
      400 Bad Request {"error":"Invalid request body: not UTF-8"}
    body: {\"query\":\"�(\"}
      400 Bad Request {"error":"Invalid request body: not UTF-8"}
    body: null
      400 Bad Request {"error":"Invalid request body: not a JSON object"}
    body: \"query\"
      400 Bad Request {"error":"Invalid request body: not a JSON object"}
    body: [\"query\"]
      400 Bad Request {"error":"Invalid request body: not a JSON object"}
    body: {\"query\":\"a\\u0000\"}
      400 Bad Request {"error":"query must not contain a NUL character"}
    body: {\"query\":\"a\0\"}
      400 Bad Request {"error":"Invalid request body: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 12"}
    body: {\"query\":\"\\ud800\"}
      400 Bad Request {"error":"Invalid request body: a string with half of a surrogate pair at line 1 column 17"}
    body: {\"query\":\"a\",\"query\":\"b\"}
      400 Bad Request {"error":"Invalid request body: duplicate field `query` at line 1 column 20"}
    body: {\"query\":{\"a\":1}}
      400 Bad Request {"error":"Invalid request body: invalid type: map, expected a string at line 1 column 9"}
    body: {\"query\":\"a\",\"max_iterations\":1e400}
      400 Bad Request {"error":"Invalid request body: a number beyond the range of 64-bit floating point at line 1 column 35"}
    body: {\"query\":\"a\",\"max_iterations\":99999999999999
      400 Bad Request {"error":"Invalid request body: invalid type: floating point `1e+20`, expected an integer at line 1 column 50"}
    body: {\"query\":\"a\",\"context\":{\"n\":NaN}}
      400 Bad Request {"error":"Invalid request body: expected value at line 1 column 29"}
    body: {\"query\":\"a\",\"context\":{\"n\":1e999}}
      400 Bad Request {"error":"Invalid request body: a number beyond the range of 64-bit floating point at line 1 column 33"}
    body: {\"query\":\"a\",\"context\":{\"s\":\"\\ud800\"}}
      400 Bad Request {"error":"Invalid request body: a string with half of a surrogate pair at line 1 column 36"}
    body: {\"query\":\"a\",}
      400 Bad Request {"error":"Invalid request body: trailing comma at line 1 column 14"}
    body: {\"query\":\"a\"}{\"query\":\"b\"}
      400 Bad Request {"error":"Invalid request body: trailing characters at line 1 column 14"}
    body: {\"query\":\"q\",\"context\":{\"a\":[[[[[[[[[[[[[[
      400 Bad Request {"error":"Invalid request body: nested deeper than 64 levels"}
    body: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
      400 Bad Request {"error":"Invalid request body: nested deeper than 64 levels"}
    "#);
}

#[actix_web::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let state = idle();
    let task = format!("/api/v1/tasks/{ID}");
    let request = TestRequest::delete().uri("/api/v1/tasks");
    insta::assert_snapshot!(send(&state, with_key(request)).await, @r#"
    405 Method Not Allowed
    allow: GET, POST
    content-type: application/json
    x-request-id: *

    {"error":"Method not allowed"}
    "#);
    let cancel = format!("{task}/cancel");
    for (method, uri, allow) in [
        (Method::PUT, "/api/v1/tasks", "GET, POST"),
        (Method::POST, task.as_str(), "GET"),
        (Method::GET, cancel.as_str(), "POST"),
        (Method::POST, "/health", "GET, HEAD"),
        (Method::POST, "/readiness", "GET, HEAD"),
        (Method::DELETE, "/openapi.json", "GET"),
    ] {
        let request = TestRequest::with_uri(uri).method(method);
        let answer = send(&state, with_key(request)).await;
        assert!(answer.starts_with(&format!("405 Method Not Allowed\nallow: {allow}\n")), "{uri}");
    }
}

#[actix_web::test]
async fn an_unknown_route_is_not_found() {
    let state = idle();
    insta::assert_snapshot!(get(&state, "/api/v1/nothing").await, @r#"
    404 Not Found
    content-type: application/json
    x-request-id: *

    {"error":"Not found"}
    "#);
    let unknown = get(&state, "/api/v1/nothing").await;
    for uri in
        ["/", "/api", "/api/v1/tasks/", "/api/v1/tasks/a/b", "/api/v2/tasks", "//api/v1/tasks"]
    {
        assert_eq!(get(&state, uri).await, unknown, "{uri}");
    }
}

#[actix_web::test]
async fn routes_of_the_api_do_not_tell_strangers_that_they_exist() {
    let state = idle();
    let task = format!("/api/v1/tasks/{ID}");
    let refusal = send(&state, TestRequest::get().uri("/api/v1/nothing")).await;
    assert!(refusal.starts_with("401"));
    for uri in ["/api/v1/tasks", "/api/v1/tasks?limit=0", "/api/v1/tasks/%00", task.as_str()] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let request = TestRequest::with_uri(uri).method(method).set_payload("{");
            assert_eq!(send(&state, request).await, refusal, "{uri}");
        }
    }
}

#[actix_web::test]
async fn a_body_on_a_get_is_ignored() {
    let request = TestRequest::get().uri("/api/v1/tasks?limit=0").set_payload("\u{0}nonsense");
    let answer = send(&idle(), with_key(request)).await;
    assert_eq!(in_short(&answer), r#"400 Bad Request {"error":"Invalid limit parameter"}"#);
}
