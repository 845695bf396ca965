//! What the route tests share: a face over mocked ports, and requests to it.

mod story;

pub(crate) use story::{Chapter, Story, event, stream};

use crate::{
    http::cors::CorsOrigins,
    research::ResearchAccess,
    server::{BODY_DEADLINE, Face, Services, State, app},
};
use actix_web::{
    body::to_bytes,
    test::{TestRequest, init_service},
    web,
};
use std::{collections::BTreeSet, fmt::Write, sync::Arc};
use taskgate_domain::{
    id::{KeyId, TenantId, UserId},
    key::{ApiKey, KeySecret, Principal, Scope},
    ports::{
        MockApiKeyRepository, MockEventFeed, MockEventLog, MockMaintenance, MockReviewRepository,
        MockSessionRepository, MockTaskQueue, MockTaskRepository, SessionRepository, SystemClock,
        TaskRepository,
    },
    usecase::{
        events::Events, keys::Keys, reviews::Reviews, sessions::Sessions, tasks::Tasks,
        workers::Workers,
    },
};
use tokio::sync::watch;
use uuid::Uuid;

/// The ports that a test sets expectations on.
#[derive(Default)]
pub(crate) struct Mocks {
    pub(crate) tasks: MockTaskRepository,
    pub(crate) sessions: MockSessionRepository,
    pub(crate) events: MockEventLog,
    pub(crate) feed: MockEventFeed,
    pub(crate) queue: MockTaskQueue,
    pub(crate) reviews: MockReviewRepository,
    pub(crate) keys: MockApiKeyRepository,
    pub(crate) maintenance: MockMaintenance,
    /// Who may call the research face: whoever is on this machine, unless a
    /// test says something else.
    pub(crate) research_access: Option<ResearchAccess>,
    /// Whether no key is asked for.
    pub(crate) no_auth: bool,
    /// Whose web pages may read the gateway's answers: everybody's, unless a
    /// test says something else.
    pub(crate) cors_origins: Option<CorsOrigins>,
    /// What tells of a stop: none comes, unless a test has the sender.
    pub(crate) stopping: Option<watch::Receiver<bool>>,
}

/// The key with every scope that [`Face`]s under test accept.
pub(crate) const KEY: &str = "sk_test_123456";

impl Mocks {
    /// The use cases over these ports.
    pub(crate) fn services(self) -> Services {
        let keys = Keys::new(Arc::new(self.keys), Arc::new(SystemClock))
            .with_built_in(&KeySecret::new(KEY));
        let tasks: Arc<dyn TaskRepository> = Arc::new(self.tasks);
        let sessions: Arc<dyn SessionRepository> = Arc::new(self.sessions);
        let (log, feed) = (Arc::new(self.events), Arc::new(self.feed));
        let events = Arc::new(Events::new(tasks.clone(), log, feed));
        Services {
            tasks: Arc::new(Tasks::new(tasks.clone(), sessions.clone())),
            events: events.clone(),
            reviews: Arc::new(Reviews::new(tasks.clone(), Arc::new(self.reviews), events)),
            sessions: Arc::new(Sessions::new(sessions, tasks)),
            workers: Arc::new(Workers::new(Arc::new(self.queue))),
            keys: Arc::new(keys),
            maintenance: Arc::new(self.maintenance),
            version: "0.0.0-test",
            research_access: self.research_access.unwrap_or(ResearchAccess::Loopback),
            no_auth: self.no_auth,
            cors_origins: self.cors_origins.unwrap_or(CorsOrigins::Any),
            stopping: self.stopping.unwrap_or_else(|| {
                let (never, stopping) = watch::channel(false);
                // Who waits for a change would take its end for one.
                std::mem::forget(never);
                stopping
            }),
        }
    }

    /// The state of a face over these ports.
    pub(crate) fn state(self, face: Face) -> web::Data<State> {
        web::Data::new(State::new(face, self.services(), BODY_DEADLINE))
    }
}

/// A stored key of the default user with this scope only.
pub(crate) fn stored_key(scope: Scope) -> ApiKey {
    ApiKey {
        principal: Principal {
            tenant: TenantId::DEFAULT,
            user: UserId::DEFAULT,
            key: KeyId(Uuid::from_u128(7)),
            scopes: BTreeSet::from([scope]),
            projects: None,
        },
        name: "test".to_owned(),
        description: None,
        tenant: "default".to_owned(),
        user: "default".to_owned(),
        hint: "sk_live_abcd".to_owned(),
        created_at: "2025-01-01T00:00:00Z".parse().unwrap(),
        expires_at: None,
        revoked_at: None,
    }
}

/// The headers that every answer of the gateway has, for browsers and traces.
const EVERYWHERE: [&str; 4] =
    ["access-control-allow-origin", "access-control-expose-headers", "x-span-id", "x-trace-id"];

/// Sends a request as it is and prints the answer: status, headers in
/// alphabetical order (those that differ from run to run masked), body. Left
/// out are the headers of [`EVERYWHERE`].
pub(crate) async fn send(state: &web::Data<State>, request: TestRequest) -> String {
    let answer = send_whole(state, request).await;
    let everywhere = |line: &&str| EVERYWHERE.iter().any(|name| line.starts_with(name));
    let (head, body) = answer.split_once("\n\n").unwrap();
    let head: Vec<&str> = head.lines().filter(|line| !everywhere(line)).collect();
    format!("{}\n\n{body}", head.join("\n"))
}

/// Like [`send`], with every header.
pub(crate) async fn send_whole(state: &web::Data<State>, request: TestRequest) -> String {
    let service = init_service(app(state.clone())).await;
    let response = actix_web::test::call_service(&service, request.to_request()).await;
    let mut headers: Vec<String> = response
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = match name.as_str() {
                "x-request-id" | "x-ratelimit-reset" | "x-span-id" => "*",
                _ => value.to_str().unwrap(),
            };
            format!("{name}: {value}")
        })
        .collect();
    headers.sort();
    let mut text = format!("{}\n", response.status());
    for header in headers {
        writeln!(text, "{header}").unwrap();
    }
    let body = to_bytes(response.into_body()).await.unwrap_or_else(|_| panic!("body"));
    text.push('\n');
    text.push_str(std::str::from_utf8(&body).unwrap());
    text
}

/// Adds the key that is accepted to a request.
pub(crate) fn with_key(request: TestRequest) -> TestRequest {
    request.insert_header(("X-API-Key", KEY))
}
