//! Who calls, and that user's keys.

use super::{get, idle, in_short, post, time};
use crate::{
    server::{Face, State},
    testing::{Mocks, send, stored_key, with_key},
};
use actix_web::{http::Method, test::TestRequest, web};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use taskgate_domain::{
    error::StoreError,
    id::{KeyId, ProjectId, UserId},
    key::{ApiKey, KeyOwner, KeySecret, NewApiKey, Principal, Scope},
};
use uuid::Uuid;

const KEYS: &str = "/api/v1/auth/api-keys";

/// The caller's own key, from the store.
fn own() -> ApiKey {
    let mut key = stored_key(Scope::Gateway);
    key.user = "ada".to_owned();
    key.tenant = "lab".to_owned();
    key
}

/// A store in which the caller has these keys, the first of which the request
/// shows.
fn store(keys: Vec<ApiKey>) -> Mocks {
    let mut mocks = Mocks::default();
    let shown = keys.first().cloned();
    mocks.keys.expect_find_key().returning(move |_| Ok(shown.clone()));
    mocks
        .keys
        .expect_list_keys()
        .withf(|user| *user == Some(UserId::DEFAULT))
        .returning(move |_| Ok(keys.clone()));
    mocks
}

/// What is stored of a new key.
fn stored(key: &NewApiKey) -> ApiKey {
    ApiKey {
        principal: Principal {
            key: KeyId(Uuid::from_u128(8)),
            scopes: key.grant.scopes().clone(),
            projects: key.grant.projects().cloned(),
            ..own().principal
        },
        name: key.grant.name().to_owned(),
        description: key.grant.description().map(str::to_owned),
        hint: key.hint.clone(),
        expires_at: key.grant.expires_at(),
        ..own()
    }
}

/// Sends a request that shows a key from the store.
async fn ask(state: &web::Data<State>, method: Method, path: &str, body: &str) -> String {
    let key = KeySecret::generate().unwrap();
    let request = TestRequest::with_uri(path).method(method).set_payload(body.to_owned());
    send(state, request.insert_header(("X-API-Key", key.reveal()))).await
}

/// An answer with its new key masked.
fn masked(answer: &str) -> String {
    let mut text = String::new();
    let mut rest = answer;
    while let Some((before, after)) = rest.split_once("sk_live_") {
        let length = after.find('"').unwrap();
        text.push_str(&format!("{before}sk_live_*{length}"));
        rest = &after[length..];
    }
    text + rest
}

#[actix_web::test]
async fn a_caller_learns_who_it_is_for_free() {
    let state = store(vec![own()]).state(Face::Gateway);
    insta::assert_snapshot!(ask(&state, Method::GET, "/api/v1/auth/me", "").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"user_id":"00000000-0000-0000-0000-000000000002","tenant_id":"00000000-0000-0000-0000-000000000001","email":"","username":"ada","tenant":"lab","rate_limits":{"minute":{"limit":100,"remaining":100}}}
    "#);
    state.limiter.use_up(KeyId(Uuid::from_u128(7)));
    let answer = ask(&state, Method::GET, "/api/v1/auth/me", "").await;
    assert!(answer.contains(r#""remaining":0"#), "{answer}");
}

#[actix_web::test]
async fn the_built_in_key_has_the_default_user() {
    let state = store(vec![]).state(Face::Gateway);
    insta::assert_snapshot!(in_short(&get(&state, "/api/v1/auth/me").await), @r#"200 OK {"user_id":"00000000-0000-0000-0000-000000000002","tenant_id":"00000000-0000-0000-0000-000000000001","email":"","username":"default","tenant":"default","rate_limits":{"minute":{"limit":100,"remaining":100}}}"#);
    assert_eq!(in_short(&get(&state, KEYS).await), r#"200 OK {"keys":[],"total":0}"#);
}

#[actix_web::test]
async fn keys_are_listed_the_newest_first_and_those_that_work_no_more_too() {
    let mut revoked = own();
    revoked.principal.key = KeyId(Uuid::from_u128(8));
    revoked.description = Some("lost laptop".to_owned());
    revoked.revoked_at = Some(time("2025-02-01T00:00:00Z"));
    let mut expired = own();
    expired.principal.key = KeyId(Uuid::from_u128(9));
    expired.expires_at = Some(time("2025-03-01T00:00:00Z"));
    let state = store(vec![own(), revoked, expired]).state(Face::Gateway);
    insta::assert_snapshot!(ask(&state, Method::GET, KEYS, "").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"keys":[{"id":"00000000-0000-0000-0000-000000000009","name":"test","key_prefix":"sk_live_abcd","created_at":"2025-01-01T00:00:00Z","expires_at":"2025-03-01T00:00:00Z","is_active":false},{"id":"00000000-0000-0000-0000-000000000008","name":"test","key_prefix":"sk_live_abcd","description":"lost laptop","created_at":"2025-01-01T00:00:00Z","is_active":false},{"id":"00000000-0000-0000-0000-000000000007","name":"test","key_prefix":"sk_live_abcd","created_at":"2025-01-01T00:00:00Z","is_active":true}],"total":3}
    "#);
}

#[actix_web::test]
async fn a_new_key_is_shown_once() {
    let mut mocks = store(vec![own()]);
    mocks.keys.expect_create_key().returning(|key| Ok(stored(&key)));
    let state = mocks.state(Face::Gateway);
    let answer = ask(&state, Method::POST, KEYS, r#"{"name":"laptop"}"#).await;
    insta::assert_snapshot!(masked(&answer), @r#"
    201 Created
    cache-control: no-store
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"id":"00000000-0000-0000-0000-000000000008","name":"laptop","api_key":"sk_live_*36","key_prefix":"sk_live_*4","created_at":"2025-01-01T00:00:00Z","warning":"Keep this key: it is not shown again"}
    "#);
}

/// Creates a key with the caller's key being this one, and returns what was
/// stored.
async fn created(caller: ApiKey, body: &str) -> NewApiKey {
    let mut mocks = store(vec![caller]);
    let (sender, receiver) = std::sync::mpsc::channel();
    mocks.keys.expect_create_key().returning(move |key| {
        sender.send(key.clone()).unwrap();
        Ok(stored(&key))
    });
    let answer = ask(&mocks.state(Face::Gateway), Method::POST, KEYS, body).await;
    assert!(answer.starts_with("201"), "{answer}");
    receiver.recv().unwrap()
}

#[actix_web::test]
async fn a_key_makes_none_that_may_more_or_lives_longer() {
    let end: DateTime<Utc> = time("2999-01-01T00:00:00Z");
    let project = ProjectId::new(4).unwrap();
    let mut caller = stored_key(Scope::Admin);
    caller.expires_at = Some(end);
    caller.principal.projects = Some(BTreeSet::from([project]));
    let body =
        r#"{"name":"laptop","description":"for trips","scopes":["admin"],"expires_at":null}"#;
    let grant = created(caller, body).await.grant;
    assert_eq!(grant.owner(), &KeyOwner::User(UserId::DEFAULT));
    assert_eq!(grant.scopes(), &BTreeSet::from([Scope::Gateway]));
    assert_eq!(grant.projects(), Some(&BTreeSet::from([project])));
    assert_eq!(grant.expires_at(), Some(end));
    assert_eq!((grant.name(), grant.description()), ("laptop", Some("for trips")));
}

#[actix_web::test]
async fn the_built_in_key_makes_keys() {
    let mut mocks = store(vec![]);
    mocks
        .keys
        .expect_create_key()
        .withf(|key| {
            key.grant.expires_at().is_none()
                && *key.grant.scopes() == BTreeSet::from([Scope::Gateway])
        })
        .returning(|key| Ok(stored(&key)));
    let answer = post(&mocks.state(Face::Gateway), KEYS, r#"{"name":"laptop"}"#).await;
    assert!(answer.starts_with("201"), "{answer}");
}

#[actix_web::test]
async fn a_key_that_was_revoked_a_moment_ago_leaves_none_behind() {
    let mut mocks = Mocks::default();
    mocks.keys.expect_find_key().returning(|_| Ok(Some(own())));
    let revoked = ApiKey { revoked_at: Some(time("2025-02-01T00:00:00Z")), ..own() };
    mocks.keys.expect_list_keys().returning(move |_| Ok(vec![revoked.clone()]));
    let answer = ask(&mocks.state(Face::Gateway), Method::POST, KEYS, r#"{"name":"k"}"#).await;
    assert_eq!(in_short(&answer), r#"401 Unauthorized {"error":"Unauthorized"}"#);
}

#[actix_web::test]
async fn a_key_that_breaks_a_rule_is_refused_with_a_code() {
    let state = idle();
    let long = format!(r#"{{"name":"{}"}}"#, "a".repeat(101));
    let described = format!(r#"{{"name":"a","description":"{}"}}"#, "a".repeat(501));
    let mut answers = Vec::new();
    for body in
        ["{}", r#"{"name":""}"#, r#"{"name":"a\nb"}"#, r#"{"name":5}"#, "", &long, &described]
    {
        let answer = post(&state, KEYS, body.to_owned()).await;
        answers.push(format!("{body:.24}  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    {}  400 Bad Request {"error":"invalid_request","message":"name must have 1 to 100 characters and no control character"}
    {"name":""}  400 Bad Request {"error":"invalid_request","message":"name must have 1 to 100 characters and no control character"}
    {"name":"a\nb"}  400 Bad Request {"error":"invalid_request","message":"name must have 1 to 100 characters and no control character"}
    {"name":5}  400 Bad Request {"error":"invalid_request","message":"Invalid request body: invalid type: integer `5`, expected a string at line 1 column 9"}
      400 Bad Request {"error":"invalid_request","message":"Invalid request body: EOF while parsing a value at line 1 column 0"}
    {"name":"aaaaaaaaaaaaaaa  400 Bad Request {"error":"invalid_request","message":"name must have 1 to 100 characters and no control character"}
    {"name":"a","description  400 Bad Request {"error":"invalid_request","message":"description must have 0 to 500 characters and no control character"}
    "#);
}

#[actix_web::test]
async fn a_key_of_the_caller_is_revoked() {
    let mut mocks = store(vec![own()]);
    mocks.keys.expect_revoke_key().returning(|_| Ok(true));
    let path = format!("{KEYS}/{}", Uuid::from_u128(7));
    let answer = ask(&mocks.state(Face::Gateway), Method::DELETE, &path, "").await;
    insta::assert_snapshot!(answer, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"success":true,"message":"API key revoked"}
    "#);
}

#[actix_web::test]
async fn only_a_valid_key_of_the_caller_is_revoked() {
    let mut mocks = store(vec![own()]);
    mocks.keys.expect_revoke_key().returning(|_| Ok(false));
    let state = mocks.state(Face::Gateway);
    let mut answers = Vec::new();
    for id in [Uuid::from_u128(7).to_string(), Uuid::from_u128(99).to_string(), "7".to_owned()] {
        let answer = ask(&state, Method::DELETE, &format!("{KEYS}/{id}"), "").await;
        answers.push(format!("{id}  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    00000000-0000-0000-0000-000000000007  404 Not Found {"error":"not_found","message":"API key not found"}
    00000000-0000-0000-0000-000000000063  404 Not Found {"error":"not_found","message":"API key not found"}
    7  400 Bad Request {"error":"invalid_request","message":"The id of a key is a UUID"}
    "#);
}

#[actix_web::test]
async fn a_key_neither_sees_nor_revokes_one_that_may_more() {
    let with = |id, scope| {
        let mut key = stored_key(scope);
        key.principal.key = KeyId(Uuid::from_u128(id));
        key
    };
    let others = [with(8, Scope::Worker), with(9, Scope::Admin)];
    let state = store([vec![own()], others.to_vec()].concat()).state(Face::Gateway);
    let listed = ask(&state, Method::GET, KEYS, "").await;
    assert!(listed.ends_with(r#""total":1}"#), "{listed}");
    for key in others {
        let path = format!("{KEYS}/{}", key.principal.key);
        let refusal = r#"404 Not Found {"error":"not_found","message":"API key not found"}"#;
        assert_eq!(in_short(&ask(&state, Method::DELETE, &path, "").await), refusal);
    }
    let state = store(vec![with(7, Scope::Admin), own(), with(9, Scope::Worker)]);
    let listed = ask(&state.state(Face::Gateway), Method::GET, KEYS, "").await;
    assert!(listed.ends_with(r#""total":3}"#), "{listed}");
}

#[actix_web::test]
async fn who_shows_no_key_makes_none() {
    let state = Mocks { no_auth: true, ..Mocks::default() }.state(Face::Gateway);
    let request = TestRequest::post().uri(KEYS).set_payload(r#"{"name":"laptop"}"#);
    let answer = send(&state, request.insert_header(("X-User-Id", Uuid::nil().to_string()))).await;
    insta::assert_snapshot!(in_short(&answer), @r#"400 Bad Request {"error":"api_key_required","message":"Only a caller with a key can make another"}"#);
}

#[actix_web::test]
async fn a_key_is_replaced_by_one_of_the_same_rights() {
    let mut caller = stored_key(Scope::Admin);
    caller.expires_at = Some(time("2999-01-01T00:00:00Z"));
    let grant = caller.grant();
    let mut mocks = store(vec![caller]);
    mocks
        .keys
        .expect_replace_key()
        .withf(move |old, new| *old == KeyId(Uuid::from_u128(7)) && new.grant == grant)
        .returning(|_, key| Ok(Some(stored(&key))));
    let state = mocks.state(Face::Gateway);
    state.limiter.use_up(KeyId(Uuid::from_u128(7)));
    let answer = ask(&state, Method::POST, "/api/v1/auth/refresh-key", "").await;
    assert_eq!(state.limiter.remaining(KeyId(Uuid::from_u128(8))), 0);
    insta::assert_snapshot!(masked(&answer), @r#"
    200 OK
    cache-control: no-store
    content-type: application/json
    x-request-id: *

    {"api_key":"sk_live_*36","key_prefix":"sk_live_*4","previous_key_revoked":true}
    "#);
}

#[actix_web::test]
async fn the_built_in_key_is_not_replaced() {
    let state = store(vec![]).state(Face::Gateway);
    let answer = post(&state, "/api/v1/auth/refresh-key", "").await;
    insta::assert_snapshot!(answer, @r#"
    400 Bad Request
    content-type: application/json
    x-request-id: *

    {"error":"api_key_required","message":"Only a key from the store can be replaced"}
    "#);
}

#[actix_web::test]
async fn every_refusal_below_auth_has_a_code_and_a_sentence() {
    let mut mocks = Mocks::default();
    mocks.keys.expect_list_keys().returning(|_| Err(StoreError::failed("deadlock detected")));
    let state = mocks.state(Face::Gateway);
    let mut answers = Vec::new();
    for (method, path) in [
        (Method::GET, KEYS),
        (Method::PUT, KEYS),
        (Method::POST, "/api/v1/auth/login"),
        (Method::POST, "/api/v1/auth/register"),
    ] {
        let request = TestRequest::with_uri(path).method(method.clone());
        let answer = send(&state, with_key(request)).await;
        answers.push(format!("{method} {path}  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    GET /api/v1/auth/api-keys  500 Internal Server Error {"error":"internal_error","message":"Failed to list API keys: database error"}
    PUT /api/v1/auth/api-keys  405 Method Not Allowed {"error":"method_not_allowed","message":"Method not allowed"}
    POST /api/v1/auth/login  404 Not Found {"error":"not_found","message":"Not found"}
    POST /api/v1/auth/register  404 Not Found {"error":"not_found","message":"Not found"}
    "#);
    let mut busy = Mocks::default();
    busy.keys.expect_list_keys().returning(|_| Err(StoreError::Busy));
    insta::assert_snapshot!(get(&busy.state(Face::Gateway), KEYS).await, @r#"
    503 Service Unavailable
    content-type: application/json
    retry-after: 1
    x-request-id: *

    {"error":"busy","message":"The service is busy, try again"}
    "#);
}

#[actix_web::test]
async fn strangers_learn_nothing_of_these_routes() {
    let state = idle();
    let unknown = send(&state, TestRequest::get().uri("/api/v1/nothing")).await;
    for path in [KEYS, "/api/v1/auth/me", "/api/v1/auth/login"] {
        assert_eq!(send(&state, TestRequest::get().uri(path)).await, unknown, "{path}");
    }
}

#[actix_web::test]
async fn a_limited_answer_has_the_one_body_of_the_gateway() {
    let state = idle();
    state.limiter.use_up(KeyId(Uuid::nil()));
    let answer = post(&state, KEYS, r#"{"name":"laptop"}"#).await;
    assert!(in_short(&answer).contains(r#"{"error":"Rate limit exceeded","message""#), "{answer}");
    assert!(answer.contains("x-ratelimit-remaining-minute: 0"), "{answer}");
}
