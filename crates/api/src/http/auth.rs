//! Who calls: API keys on their way in.

use crate::{
    http::{error::ApiError, keyless::Keyless, query::Query},
    server::{Face, State},
};
use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap},
    },
    middleware::Next,
    web,
};
use std::{
    collections::BTreeSet,
    future::{Ready, ready},
};
use taskgate_domain::{
    id::{KeyId, TenantId, UserId},
    key::{KeySecret, Principal, Scope},
    usecase::keys::Keys,
};
use uuid::Uuid;

/// Who sent the request, as [`authenticate`] found out.
pub(crate) struct Caller(pub(crate) Principal);

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let principal = request.extensions().get::<Principal>().cloned();
        ready(principal.map(Self).ok_or(ApiError::Unauthorized))
    }
}

/// Lets a request pass that shows a valid key with the face's scope.
///
/// A research face that demands no keys also lets those pass that show none,
/// as the default tenant, unless they come from a foreign web page; a key that
/// is shown must be valid all the same. A server that asks for no keys at all
/// looks at none, and lets everybody else pass with every scope.
pub(crate) async fn authenticate(
    state: web::Data<State>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match principal(&state, request.request()).await {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
        Err(error) => Ok(request.error_response(error)),
    }
}

async fn principal(state: &State, request: &HttpRequest) -> Result<Principal, ApiError> {
    let headers = request.headers();
    if state.services.no_auth {
        Keyless::Loopback.admit(headers)?;
        return Ok(anybody(state.face, headers));
    }
    let scope = match state.face {
        Face::Gateway => Scope::Gateway,
        Face::Research => Scope::Research,
        Face::Worker => Scope::Worker,
    };
    let key = match key(headers).or_else(|| key_in_query(state.face, request)) {
        Some(key) => key,
        None if state.face == Face::Research => {
            let keyless = state.services.research_access.keyless();
            keyless.ok_or(ApiError::Unauthorized)?.admit(headers)?;
            return Ok(keyless_principal([Scope::Research]));
        }
        None => return Err(ApiError::Unauthorized),
    };
    let principal = state
        .services
        .keys
        .authenticate(&key)
        .await
        .map_err(ApiError::store("Failed to check the API key"))?
        .ok_or(ApiError::Unauthorized)?;
    if principal.key == Keys::BUILT_IN {
        // Everybody knows this key, the pages that a browser visits too.
        let sentence = "The built-in key is for this machine and its own web pages";
        Keyless::Loopback.admit(headers).map_err(|_| ApiError::KeyNeeded(sentence))?;
    }
    if principal.may(scope) { Ok(principal) } else { Err(ApiError::Forbidden(scope.as_str())) }
}

/// The key of those who show none; no key has this id.
pub(crate) const NO_KEY: KeyId = KeyId(Uuid::max());

/// Whoever calls without a key.
fn keyless_principal(scopes: impl Into<BTreeSet<Scope>>) -> Principal {
    Principal {
        tenant: TenantId::DEFAULT,
        user: UserId::DEFAULT,
        key: NO_KEY,
        scopes: scopes.into(),
        projects: None,
    }
}

/// Whoever calls a server that asks for no keys. On the gateway, callers may
/// say by their ids who they are (gateway contract, 0.2).
fn anybody(face: Face, headers: &HeaderMap) -> Principal {
    let id = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        Uuid::parse_str(text).ok().filter(|_| face == Face::Gateway)
    };
    let default = keyless_principal(Scope::ALL);
    Principal {
        tenant: id("x-tenant-id").map_or(default.tenant, TenantId),
        user: id("x-user-id").map_or(default.user, UserId),
        ..default
    }
}

/// The key that a request shows: in `X-API-Key`, else as a bearer token. An
/// empty header is none, because HTTP libraries send it for an unset key.
fn key(headers: &HeaderMap) -> Option<KeySecret> {
    // Bytes that are not text make a key too, only not a valid one.
    let text = |name: &str| {
        headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    if let Some(key) = text("x-api-key").filter(|key| !key.is_empty()) {
        return Some(KeySecret::new(key));
    }
    let authorization = text(header::AUTHORIZATION.as_str())?;
    let (scheme, token) = authorization.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' '))
        .then(|| KeySecret::new(token))
}

/// The key in the query of a request for a stream of the gateway, the one place
/// where it may stand: a browser's `EventSource` and `WebSocket` send no header
/// of the page's choice (gateway contract, 0.2).
fn key_in_query(face: Face, request: &HttpRequest) -> Option<KeySecret> {
    let is_stream = face == Face::Gateway
        && request.method() == Method::GET
        && request.path().starts_with("/api/v1/stream/");
    if !is_stream {
        return None;
    }
    let query = Query::read(request.query_string(), &["api_key", "token"]).ok()?;
    query.get("api_key").or_else(|| query.get("token")).map(KeySecret::new)
}

/// Counts a request against the limit of its key; the edge writes the headers.
/// Those without a key, where that is allowed, have no limit.
///
/// # Errors
/// [`ApiError::RateLimited`]
pub(crate) fn count(request: &HttpRequest, state: &State, caller: &Caller) -> Result<(), ApiError> {
    if caller.0.key == NO_KEY {
        return Ok(());
    }
    let (quota, answer) = state.limiter.admit(caller.0.key);
    request.extensions_mut().insert(quota);
    answer
}

#[cfg(test)]
mod tests {
    use super::anybody;
    use crate::{
        research::ResearchAccess,
        server::Face,
        testing::{KEY, Mocks, send, stored_key, with_key},
    };
    use actix_web::{http::Method, test::TestRequest};
    use taskgate_domain::{
        error::StoreError,
        id::{TenantId, UserId},
        key::{KeySecret, Scope},
    };
    use uuid::Uuid;

    const PATH: &str = "/api/v1/nowhere";

    /// What a request that got past the key check is answered on [`PATH`].
    const PASSED: &str = "404 Not Found";

    async fn status(mocks: Mocks, face: Face, request: TestRequest) -> String {
        let answer = send(&mocks.state(face), request.uri(PATH)).await;
        answer.lines().next().unwrap().to_owned()
    }

    #[actix_web::test]
    async fn every_cause_of_a_401_reads_the_same() {
        let mut mocks = Mocks::default();
        mocks.keys.expect_find_key().returning(|_| Ok(None));
        let state = mocks.state(Face::Gateway);
        let unknown = KeySecret::generate().unwrap().reveal().to_owned();
        let no_key = send(&state, TestRequest::get().uri(PATH)).await;
        insta::assert_snapshot!(no_key, @r#"
        401 Unauthorized
        content-type: application/json
        www-authenticate: Bearer realm="taskgate"
        x-request-id: *

        {"error":"Unauthorized"}
        "#);
        for (name, value) in [
            ("X-API-Key", ""),
            ("X-API-Key", "sk_live_malformed"),
            ("X-API-Key", "\u{e9}"),
            ("X-API-Key", unknown.as_str()),
            ("Authorization", "Basic c2tfdGVzdF8xMjM0NTY="),
            ("Authorization", "Bearer"),
            ("Authorization", "Bearer "),
            ("Authorization", "Bearer  sk_test_123456"),
            ("Authorization", "Bearer sk_test_123456 x"),
        ] {
            let request = TestRequest::get().uri(PATH).insert_header((name, value));
            assert_eq!(send(&state, request).await, no_key, "{name}: {value}");
        }
        let query = TestRequest::get().uri("/api/v1/nowhere?api_key=sk_test_123456");
        assert_eq!(send(&state, query).await, no_key);
    }

    #[actix_web::test]
    async fn either_header_carries_the_key() {
        for request in [
            with_key(TestRequest::get()),
            TestRequest::get().insert_header(("Authorization", format!("bearer {KEY}"))),
            TestRequest::get()
                .insert_header(("X-API-Key", ""))
                .insert_header(("Authorization", format!("Bearer {KEY}"))),
        ] {
            assert_eq!(status(Mocks::default(), Face::Gateway, request).await, PASSED);
        }
    }

    #[actix_web::test]
    async fn the_first_header_decides() {
        let request = TestRequest::get()
            .insert_header(("X-API-Key", "wrong"))
            .insert_header(("Authorization", format!("Bearer {KEY}")));
        assert_eq!(status(Mocks::default(), Face::Gateway, request).await, "401 Unauthorized");
    }

    #[actix_web::test]
    async fn a_key_works_on_the_face_of_its_scope_only() {
        for face in Face::ALL {
            for (scope, own) in [
                (Scope::Gateway, Face::Gateway),
                (Scope::Research, Face::Research),
                (Scope::Worker, Face::Worker),
            ] {
                let mut mocks =
                    Mocks { research_access: Some(ResearchAccess::Keys), ..Mocks::default() };
                mocks.keys.expect_find_key().returning(move |_| Ok(Some(stored_key(scope))));
                let key = KeySecret::generate().unwrap();
                let request = TestRequest::get().insert_header(("X-API-Key", key.reveal()));
                let expected = if face == own { PASSED } else { "403 Forbidden" };
                assert_eq!(status(mocks, face, request).await, expected, "{scope} on {face:?}");
            }
        }
    }

    #[actix_web::test]
    async fn an_open_research_face_still_checks_the_keys_that_are_shown() {
        let face = Face::Research;
        assert_eq!(status(Mocks::default(), face, TestRequest::get()).await, PASSED);
        let wrong = TestRequest::get().insert_header(("X-API-Key", "wrong"));
        assert_eq!(status(Mocks::default(), face, wrong).await, "401 Unauthorized");
        let closed = Mocks { research_access: Some(ResearchAccess::Keys), ..Mocks::default() };
        assert_eq!(status(closed, face, TestRequest::get()).await, "401 Unauthorized");
    }

    #[actix_web::test]
    async fn the_key_that_everybody_knows_is_no_foreign_pages() {
        for (header, passes) in [
            (("Origin", "http://localhost:3000"), true),
            (("Origin", "https://evil.example"), false),
            (("Host", "evil.example"), false),
        ] {
            let request = with_key(TestRequest::get()).insert_header(header);
            let expected = if passes { PASSED } else { "403 Forbidden" };
            assert_eq!(status(Mocks::default(), Face::Gateway, request).await, expected);
        }
    }

    #[actix_web::test]
    async fn a_key_of_its_own_opens_a_face_to_every_page() {
        for face in Face::ALL {
            let mut mocks = Mocks::default();
            mocks.keys.expect_find_key().returning(|_| Ok(Some(stored_key(Scope::Admin))));
            let own = KeySecret::generate().unwrap();
            let request = TestRequest::get()
                .insert_header(("X-API-Key", own.reveal()))
                .insert_header(("Origin", "https://app.example"))
                .insert_header(("Host", "tasks.example"));
            assert_eq!(status(mocks, face, request).await, PASSED, "{face:?}");
        }
    }

    #[actix_web::test]
    async fn a_store_that_fails_is_no_401() {
        let mut mocks = Mocks::default();
        mocks.keys.expect_find_key().returning(|_| Err(StoreError::failed("secret cause")));
        let key = KeySecret::generate().unwrap();
        let request = TestRequest::get().uri(PATH).insert_header(("X-API-Key", key.reveal()));
        insta::assert_snapshot!(send(&mocks.state(Face::Gateway), request).await, @r#"
        500 Internal Server Error
        content-type: application/json
        x-request-id: *

        {"error":"Failed to check the API key: database error"}
        "#);
    }

    #[actix_web::test]
    async fn the_query_carries_the_key_of_a_stream_alone() {
        let status = async |face: Face, method: Method, uri: &str| -> String {
            let request = TestRequest::with_uri(uri).method(method);
            send(&Mocks::default().state(face), request).await[..3].to_owned()
        };
        let stream = |query: &str| format!("/api/v1/stream/nowhere?{query}");
        for query in [
            "api_key=sk_test_123456",
            "token=sk_test_123456",
            "api_key=&token=sk_test_123456",
            "workflow_id=x&api_key=sk%5Ftest_123456&token=wrong",
        ] {
            let found = status(Face::Gateway, Method::GET, &stream(query)).await;
            assert_eq!(found, "404", "{query}");
        }
        for query in ["", "api_key=wrong&token=sk_test_123456", "key=sk_test_123456", "api_key=%"] {
            let found = status(Face::Gateway, Method::GET, &stream(query)).await;
            assert_eq!(found, "401", "{query}");
        }
        let right = "api_key=sk_test_123456";
        assert_eq!(status(Face::Gateway, Method::POST, &stream(right)).await, "401");
        assert_eq!(status(Face::Worker, Method::GET, &stream(right)).await, "401");
        for path in ["/api/v1/streams/x", "/api/v1/stream", "/api/v1/tasks", "/api/v1/tasks/x"] {
            let uri = format!("{path}?{right}");
            assert_eq!(status(Face::Gateway, Method::GET, &uri).await, "401", "{path}");
        }
    }

    #[actix_web::test]
    async fn a_header_wins_over_the_query() {
        let wrong = TestRequest::get()
            .uri("/api/v1/stream/nowhere?api_key=sk_test_123456")
            .insert_header(("Authorization", "Bearer wrong"));
        let answer = send(&Mocks::default().state(Face::Gateway), wrong).await;
        assert!(answer.starts_with("401"), "{answer}");
    }

    fn without_auth() -> Mocks {
        let research_access = Some(ResearchAccess::Keys);
        Mocks { no_auth: true, research_access, ..Mocks::default() }
    }

    #[actix_web::test]
    async fn a_server_without_keys_looks_at_none() {
        for face in Face::ALL {
            for request in [
                TestRequest::get(),
                TestRequest::get().insert_header(("X-API-Key", "wrong")),
                TestRequest::get().insert_header(("Origin", "http://localhost:3000")),
            ] {
                assert_eq!(status(without_auth(), face, request).await, PASSED, "{face:?}");
            }
        }
    }

    #[actix_web::test]
    async fn a_server_without_keys_keeps_foreign_pages_out() {
        for face in Face::ALL {
            for header in [("Origin", "https://evil.example"), ("Host", "evil.example")] {
                let request = with_key(TestRequest::get()).insert_header(header);
                assert_eq!(status(without_auth(), face, request).await, "403 Forbidden");
            }
        }
    }

    #[actix_web::test]
    async fn without_keys_a_caller_of_the_gateway_says_who_it_is() {
        let ids = |face, user: &str, tenant: &str| {
            let request = TestRequest::get()
                .insert_header(("X-User-Id", user))
                .insert_header(("X-Tenant-Id", tenant))
                .to_http_request();
            let principal = anybody(face, request.headers());
            assert!(Scope::ALL.into_iter().all(|scope| principal.may(scope)));
            (principal.user, principal.tenant)
        };
        let (user, tenant) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let said = ids(Face::Gateway, &user.to_string(), &tenant.to_string());
        assert_eq!(said, (UserId(user), TenantId(tenant)));
        let default = (UserId::DEFAULT, TenantId::DEFAULT);
        assert_eq!(ids(Face::Gateway, "ann", ""), default);
        assert_eq!(ids(Face::Research, &user.to_string(), &tenant.to_string()), default);
    }
}
