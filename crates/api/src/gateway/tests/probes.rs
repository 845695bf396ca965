use super::idle;
use crate::{
    openapi,
    server::Face,
    testing::{Mocks, send},
};
use actix_web::{http::Method, test::TestRequest};
use serde_json::Value;
use taskgate_domain::error::StoreError;

/// An answer with its time masked.
async fn probe(mocks: Mocks, path: &str) -> String {
    let answer = send(&mocks.state(Face::Gateway), TestRequest::get().uri(path)).await;
    let (head, rest) = answer.split_once(r#""time":""#).unwrap();
    let (time, tail) = rest.split_once('"').unwrap();
    assert!(time.ends_with('Z'));
    format!(r#"{head}"time":"*"{tail}"#)
}

#[actix_web::test]
async fn health_needs_neither_key_nor_store() {
    insta::assert_snapshot!(probe(Mocks::default(), "/health").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"status":"healthy","version":"0.0.0-test","time":"*","checks":{"gateway":"ok"}}
    "#);
}

#[actix_web::test]
async fn a_head_has_the_status_of_a_get() {
    let status = async |ready: bool| {
        let mut mocks = Mocks::default();
        mocks
            .maintenance
            .expect_ping()
            .returning(move || if ready { Ok(()) } else { Err(StoreError::Busy) });
        let request = TestRequest::with_uri("/readiness").method(Method::HEAD);
        let answer = send(&mocks.state(Face::Gateway), request).await;
        answer.lines().next().unwrap().to_owned()
    };
    assert_eq!(status(true).await, "200 OK");
    assert_eq!(status(false).await, "503 Service Unavailable");
}

#[actix_web::test]
async fn readiness_follows_the_store() {
    let mut mocks = Mocks::default();
    mocks.maintenance.expect_ping().returning(|| Ok(()));
    insta::assert_snapshot!(probe(mocks, "/readiness").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"status":"ready","version":"0.0.0-test","time":"*","checks":{"orchestrator":"ok"}}
    "#);
    let mut mocks = Mocks::default();
    mocks.maintenance.expect_ping().returning(|| Err(StoreError::failed("password refused")));
    insta::assert_snapshot!(probe(mocks, "/readiness").await, @r#"
    503 Service Unavailable
    content-type: application/json
    x-request-id: *

    {"status":"not ready","version":"0.0.0-test","time":"*","checks":{"orchestrator":"failed"}}
    "#);
}

#[actix_web::test]
async fn the_document_is_open_to_everybody() {
    let answer = send(&idle(), TestRequest::get().uri("/openapi.json")).await;
    assert!(answer.starts_with("200 OK\ncontent-type: application/json\n"));
    assert_eq!(answer.split_once("\n\n").unwrap().1, openapi(Face::Gateway));
}

/// Every route and method of the document exists, and every status that it
/// promises is documented with the shape of its body.
#[actix_web::test]
async fn the_document_describes_real_routes() {
    let document: Value = serde_json::from_str(&openapi(Face::Gateway)).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses: Vec<&str> =
                operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            operations.push(format!("{method} {path}: {}", responses.join(" ")));
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = &response["content"];
                let described = ["application/json", "text/event-stream"]
                    .iter()
                    .any(|content_type| !content[content_type]["schema"].is_null());
                // Nothing, or a WebSocket's messages, are no body.
                assert!(
                    described || ["101", "204"].contains(&status.as_str()),
                    "{method} {path}: {status}"
                );
                assert!(!response["description"].as_str().unwrap().is_empty());
            }
            let request = TestRequest::with_uri(&path.replace("{id}", "%20"))
                .method(method.to_uppercase().parse().unwrap());
            let answer = send(&idle_with_ping(), crate::testing::with_key(request)).await;
            assert!(!answer.starts_with("405"), "{method} {path}");
            assert!(!answer.contains(r#"{"error":"Not found"}"#), "{method} {path}");
        }
    }
    insta::assert_snapshot!(operations.join("\n"), @"
    get /api/v1/agents: 200 400 401 403 405 500 503
    get /api/v1/auth/api-keys: 200 401 403 405 500 503
    post /api/v1/auth/api-keys: 201 400 401 403 405 408 429 500 503
    delete /api/v1/auth/api-keys/{id}: 200 400 401 403 404 405 500 503
    get /api/v1/auth/me: 200 401 403 405 500 503
    post /api/v1/auth/refresh-key: 200 400 401 403 405 500 503
    get /api/v1/memory/files: 200 400 401 403 405 500 503
    get /api/v1/schedules: 200 400 401 403 405 500 503
    get /api/v1/sessions: 200 400 401 403 405 429 500 503
    get /api/v1/sessions/{id}: 200 400 401 403 404 405 500 503
    delete /api/v1/sessions/{id}: 204 400 401 403 404 405 429 500 503
    patch /api/v1/sessions/{id}: 200 400 401 403 404 405 408 429 500 503
    get /api/v1/sessions/{id}/events: 200 400 401 403 404 405 413 500 503
    get /api/v1/sessions/{id}/files: 200 400 401 403 405 500 503
    get /api/v1/sessions/{id}/history: 200 400 401 403 404 405 500 503
    get /api/v1/skills: 200 400 401 403 405 500 503
    get /api/v1/stream/sse: 200 400 401 403 404 405 500 503
    get /api/v1/stream/ws: 101 400 401 403 404 405 500 503
    get /api/v1/tasks: 200 400 401 403 405 429 500 503
    post /api/v1/tasks: 200 400 401 403 405 408 429 500 503
    post /api/v1/tasks/stream: 201 400 401 403 405 408 429 500 503
    get /api/v1/tasks/{id}: 200 400 401 403 404 405 500 503
    post /api/v1/tasks/{id}/cancel: 202 400 401 403 404 405 408 429 500 503
    get /api/v1/tasks/{id}/control-state: 200 400 401 403 404 405 429 500 503
    get /api/v1/tasks/{id}/events: 200 400 401 403 404 405 429 500 503
    post /api/v1/tasks/{id}/pause: 202 400 401 403 404 405 408 409 429 500 503
    post /api/v1/tasks/{id}/resume: 202 400 401 403 404 405 408 409 429 500 503
    get /api/v1/tasks/{id}/review: 200 400 401 403 404 405 500 503
    post /api/v1/tasks/{id}/review: 200 400 401 403 404 405 408 409 429 500 502 503
    get /api/v1/tasks/{id}/stream: 200 400 401 403 404 405 500 503
    get /api/v1/tasks/{id}/timeline: 200 202 400 401 403 404 405 413 500 503
    get /api/v1/tools: 200 400 401 403 405 500 503
    get /health: 200
    get /openapi.json: 200
    get /readiness: 200 503
    ");
}

fn idle_with_ping() -> actix_web::web::Data<crate::server::State> {
    let mut mocks = Mocks::default();
    mocks.maintenance.expect_ping().returning(|| Ok(()));
    mocks.tasks.expect_list().returning(|_| Err(StoreError::Busy));
    mocks.sessions.expect_list_sessions().returning(|_, _| Err(StoreError::Busy));
    mocks.sessions.expect_session().returning(|_, _| Err(StoreError::Busy));
    mocks.sessions.expect_find_session().returning(|_, _| Err(StoreError::Busy));
    mocks.sessions.expect_delete_session().returning(|_, _| Err(StoreError::Busy));
    mocks.keys.expect_list_keys().returning(|_| Err(StoreError::Busy));
    mocks.state(Face::Gateway)
}

#[actix_web::test]
async fn every_reference_of_the_document_leads_somewhere() {
    for face in Face::ALL {
        let text = openapi(face);
        let document: Value = serde_json::from_str(&text).unwrap();
        for reference in text.split(r##""$ref": "#"##).skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{face:?}: {pointer}");
        }
    }
}
