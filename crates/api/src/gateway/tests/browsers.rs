//! Web pages of other origins.

use super::idle;
use crate::{
    http::cors::CorsOrigins,
    server::{Face, State},
    testing::{Mocks, send_whole, with_key},
};
use actix_web::{
    http::Method,
    test::{TestRequest, call_service, init_service},
    web,
};
use taskgate_domain::error::StoreError;

const PAGE: &str = "https://app.example.com";

fn open_to(origins: &str) -> web::Data<State> {
    let cors_origins = Some(origins.parse::<CorsOrigins>().unwrap());
    Mocks { cors_origins, ..Mocks::default() }.state(Face::Gateway)
}

/// The headers of an answer that have this name.
async fn header(state: &web::Data<State>, request: TestRequest, name: &str) -> Vec<String> {
    let service = init_service(crate::server::app(state.clone())).await;
    let response = call_service(&service, request.to_request()).await;
    response.headers().get_all(name).map(|value| value.to_str().unwrap().to_owned()).collect()
}

async fn allowed(state: &web::Data<State>, origin: &str) -> Vec<String> {
    let request = TestRequest::get().uri("/api/v1/x").insert_header(("Origin", origin));
    header(state, request, "Access-Control-Allow-Origin").await
}

#[actix_web::test]
async fn a_browser_that_asks_first_is_told_what_it_may_send() {
    let request = TestRequest::with_uri("/api/v1/tasks")
        .method(Method::OPTIONS)
        .insert_header(("Origin", PAGE))
        .insert_header(("X-Request-ID", "req-1"))
        .insert_header(("Access-Control-Request-Method", "POST"))
        .insert_header(("Access-Control-Request-Headers", "x-api-key"));
    insta::assert_snapshot!(send_whole(&idle(), request).await, @"
    200 OK
    access-control-allow-headers: Content-Type, Authorization, X-API-Key, X-User-Id, X-Tenant-Id, Idempotency-Key, traceparent, tracestate, X-Request-ID, Cache-Control, Last-Event-ID, If-Match
    access-control-allow-methods: GET, POST, PUT, PATCH, DELETE, OPTIONS
    access-control-allow-origin: *
    access-control-expose-headers: X-RateLimit-Limit-Minute, X-RateLimit-Remaining-Minute, X-RateLimit-Limit-Hour, X-RateLimit-Remaining-Hour, X-RateLimit-Reset, X-Trace-ID, X-Span-ID, X-Session-ID, X-Shannon-Session-ID, X-Workflow-ID, X-Request-ID, X-Idempotency-Cached, X-Idempotency-Key, ETag, Link, Retry-After
    access-control-max-age: 86400
    x-request-id: *
    x-span-id: *
    x-trace-id: req-1
    ");
}

#[actix_web::test]
async fn every_path_answers_options_without_a_key() {
    for path in ["/", "/health", "/nowhere", "/api/v1/nowhere", "/api/v1/stream/sse"] {
        let request = TestRequest::with_uri(path).method(Method::OPTIONS);
        let answer = send_whole(&idle(), request).await;
        assert!(answer.starts_with("200 OK\n") && answer.ends_with("\n\n"), "{path}: {answer}");
        assert!(answer.contains("access-control-allow-origin: *"), "{path}: {answer}");
    }
}

#[actix_web::test]
async fn a_page_can_read_errors_too() {
    let mut mocks = Mocks::default();
    mocks.tasks.expect_list().returning(|_| Err(StoreError::Busy));
    mocks.maintenance.expect_ping().returning(|| Err(StoreError::Busy));
    let state = mocks.state(Face::Gateway);
    for (status, request) in [
        ("401", TestRequest::get().uri("/api/v1/tasks")),
        ("404", TestRequest::get().uri("/nowhere")),
        ("404", with_key(TestRequest::get().uri("/api/v1/nowhere"))),
        ("405", with_key(TestRequest::put().uri("/api/v1/tasks"))),
        ("503", with_key(TestRequest::get().uri("/api/v1/tasks"))),
        ("503", TestRequest::get().uri("/readiness")),
    ] {
        // The key that the tests use is one for pages of this machine alone.
        let page = ("Origin", "http://localhost:3000");
        let answer = send_whole(&state, request.insert_header(page)).await;
        assert!(answer.starts_with(status), "{answer}");
        assert!(answer.contains("access-control-allow-origin: *"), "{answer}");
        assert!(answer.contains("access-control-expose-headers: X-RateLimit-"), "{answer}");
    }
}

#[actix_web::test]
async fn a_page_can_read_when_to_try_again() {
    let mut mocks = Mocks::default();
    mocks.tasks.expect_list().returning(|_| Err(StoreError::Busy));
    let service = init_service(crate::server::app(mocks.state(Face::Gateway))).await;
    // A slow machine does not reach the limit of a second.
    for _ in 0..=100 {
        let request = with_key(TestRequest::get().uri("/api/v1/tasks"));
        let response = call_service(&service, request.to_request()).await;
        if response.status() == 429 {
            let header = |name| response.headers().get(name).unwrap().to_str().unwrap();
            assert_eq!(header("Access-Control-Allow-Origin"), "*");
            assert!(header("Access-Control-Expose-Headers").contains("Retry-After"));
            assert!(header("Retry-After").parse::<u32>().unwrap() > 0);
            return;
        }
    }
    panic!("there is no limit");
}

#[actix_web::test]
async fn only_the_origins_of_the_list_are_allowed() {
    let state = open_to("https://app.example.com, http://localhost:3000");
    assert_eq!(allowed(&state, PAGE).await, [PAGE]);
    assert_eq!(allowed(&state, "http://localhost:3000").await, ["http://localhost:3000"]);
    for origin in ["https://app.example.com.evil.example", "http://app.example.com", "null", ""] {
        assert!(allowed(&state, origin).await.is_empty(), "{origin}");
        let request = TestRequest::get().insert_header(("Origin", origin));
        assert_eq!(header(&state, request, "Vary").await, ["Origin"]);
    }
    assert_eq!(header(&state, TestRequest::get(), "Vary").await, ["Origin"]);
}

#[actix_web::test]
async fn without_keys_only_pages_of_this_machine_are_allowed() {
    let mocks = Mocks { no_auth: true, ..Mocks::default() };
    let state = mocks.state(Face::Gateway);
    assert_eq!(allowed(&state, "http://localhost:5173").await, ["http://localhost:5173"]);
    for origin in [PAGE, "null", "https://localhost.evil.example"] {
        assert!(allowed(&state, origin).await.is_empty(), "{origin}");
    }
}

#[actix_web::test]
async fn the_other_faces_are_not_for_web_pages() {
    for face in [Face::Research, Face::Worker] {
        let state = Mocks::default().state(face);
        assert!(allowed(&state, PAGE).await.is_empty());
        let request = TestRequest::with_uri("/api/v1/nowhere").method(Method::OPTIONS);
        let answer = send_whole(&state, with_key(request)).await;
        assert!(answer.starts_with("404"), "{answer}");
    }
}

#[actix_web::test]
async fn an_answer_tells_its_trace() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = TestRequest::get()
        .uri("/api/v1/nowhere")
        .insert_header(("Origin", PAGE))
        .insert_header(("traceparent", parent));
    insta::assert_snapshot!(send_whole(&idle(), request).await, @r#"
    401 Unauthorized
    access-control-allow-origin: *
    access-control-expose-headers: X-RateLimit-Limit-Minute, X-RateLimit-Remaining-Minute, X-RateLimit-Limit-Hour, X-RateLimit-Remaining-Hour, X-RateLimit-Reset, X-Trace-ID, X-Span-ID, X-Session-ID, X-Shannon-Session-ID, X-Workflow-ID, X-Request-ID, X-Idempotency-Cached, X-Idempotency-Key, ETag, Link, Retry-After
    content-type: application/json
    www-authenticate: Bearer realm="taskgate"
    x-request-id: *
    x-span-id: *
    x-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736

    {"error":"Unauthorized"}
    "#);
    let research = Mocks::default().state(Face::Research);
    assert!(header(&research, TestRequest::get(), "X-Trace-ID").await.is_empty());
}
