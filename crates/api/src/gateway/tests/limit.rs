use super::{ID, gateway, get, in_short, post};
use crate::{
    server::Face,
    testing::{Mocks, send, stored_key, with_key},
};
use actix_web::{http::Method, test::TestRequest};
use taskgate_domain::{
    id::KeyId,
    key::{KeySecret, Scope},
    ports::MockTaskRepository,
    query::TaskPage,
};
use uuid::Uuid;

/// The id of the key that tests show.
const BUILT_IN: KeyId = KeyId(Uuid::nil());

fn store() -> MockTaskRepository {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_list().returning(|_| Ok(TaskPage::default()));
    tasks.expect_find().returning(|_| Ok(None));
    tasks
}

#[actix_web::test]
async fn a_request_too_many_is_refused() {
    let state = gateway(store());
    state.limiter.use_up(BUILT_IN);
    insta::assert_snapshot!(get(&state, "/api/v1/tasks").await, @r#"
    429 Too Many Requests
    content-type: application/json
    retry-after: 60
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 0
    x-ratelimit-reset: *
    x-request-id: *

    {"error":"Rate limit exceeded","message":"Too many requests in this minute, retry in 60 s","window":"minute"}
    "#);
}

#[actix_web::test]
async fn every_limited_route_counts_for_the_same_limit() {
    let state = gateway(store());
    state.limiter.use_up(BUILT_IN);
    let control = |word: &str| format!("/api/v1/tasks/{ID}/{word}");
    let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
    for (method, path, body) in [
        (&post, "/api/v1/tasks", r#"{"query":"Hi"}"#),
        (&post, "/api/v1/tasks/stream", r#"{"query":"Hi"}"#),
        (&post, &control("cancel"), "{}"),
        (&post, &control("pause"), "{}"),
        (&post, &control("resume"), "{}"),
        (&Method::GET, &control("control-state"), ""),
        (&post, &control("review"), r#"{"action":"approve"}"#),
        (&Method::GET, "/api/v1/sessions", ""),
        (&patch, "/api/v1/sessions/chat", r#"{"title":"T"}"#),
        (&delete, "/api/v1/sessions/chat", ""),
        (&post, "/api/v1/auth/api-keys", r#"{"name":"laptop"}"#),
    ] {
        let request = TestRequest::with_uri(path).method(method.clone()).set_payload(body);
        assert!(send(&state, with_key(request)).await.starts_with("429"), "{method} {path}");
    }
}

#[actix_web::test]
async fn what_is_invalid_is_not_counted_and_is_told_first() {
    let state = gateway(store());
    for _ in 0..30 {
        assert!(get(&state, "/api/v1/tasks?limit=0").await.starts_with("400"));
    }
    state.limiter.use_up(BUILT_IN);
    assert!(get(&state, "/api/v1/tasks?limit=0").await.starts_with("400"));
    assert!(post(&state, "/api/v1/tasks", "{}").await.starts_with("400"));
    for path in ["", "/review"] {
        let path = format!("/api/v1/tasks/{ID}{path}");
        assert!(get(&state, &path).await.starts_with("404"), "{path}");
    }
}

#[actix_web::test]
async fn each_key_has_its_own_limit() {
    let mut mocks = Mocks { tasks: store(), ..Mocks::default() };
    mocks.keys.expect_find_key().returning(|_| Ok(Some(stored_key(Scope::Gateway))));
    let state = mocks.state(Face::Gateway);
    state.limiter.use_up(BUILT_IN);
    let other = KeySecret::generate().unwrap();
    let request = TestRequest::get().uri("/api/v1/tasks");
    let answer = send(&state, request.insert_header(("X-API-Key", other.reveal()))).await;
    assert_eq!(in_short(&answer), r#"200 OK {"tasks":[],"total_count":0}"#);
}
