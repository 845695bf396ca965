//! Who sees what on the research face.

use super::{face, finished, get, holding, project, queued, task};
use crate::{
    research::ResearchAccess,
    server::{Face, State},
    testing::{Mocks, send, stored_key, with_key},
};
use actix_web::{test::TestRequest, web};
use insta::assert_snapshot;
use std::collections::BTreeSet;
use taskgate_domain::{
    id::{TenantId, UserId},
    json::JsonObject,
    key::{ApiKey, KeySecret, Scope},
    ports::{MockApiKeyRepository, MockTaskRepository},
    query::{TaskPage, TaskScope},
    task::{
        Owner, Task,
        outcome::Outcome,
        status::FinalStatus,
        work::{AgentWork, Mode, SessionLabel, Work},
    },
};
use uuid::Uuid;

const ANOTHER_TENANT: TenantId = TenantId(Uuid::from_u128(99));

/// A face that knows one key, and that key's text.
fn with_stored_key(
    tasks: MockTaskRepository,
    key: ApiKey,
    access: ResearchAccess,
) -> (web::Data<State>, String) {
    let secret = KeySecret::generate().unwrap();
    let hash = secret.hash();
    let mut keys = MockApiKeyRepository::new();
    keys.expect_find_key().returning(move |asked| Ok((asked == hash).then(|| key.clone())));
    let mocks = Mocks { tasks, keys, research_access: Some(access), ..Mocks::default() };
    (mocks.state(Face::Research), secret.reveal().to_owned())
}

fn bound_key() -> ApiKey {
    let mut key = stored_key(Scope::Research);
    key.principal.projects = Some(BTreeSet::from([project(2), project(3)]));
    key
}

fn shown(request: TestRequest, key: &str) -> TestRequest {
    request.insert_header(("Authorization", format!("Bearer {key}")))
}

#[actix_web::test]
async fn a_key_is_demanded_when_the_operator_says_so() {
    let mocks = Mocks { research_access: Some(ResearchAccess::Keys), ..Mocks::default() };
    let state = mocks.state(Face::Research);
    assert_snapshot!(get(&state, "/api/v1/tasks").await, @r#"
    401 Unauthorized
    content-type: application/json
    www-authenticate: Bearer realm="taskgate"
    x-request-id: *

    {"code":401,"message":"Unauthorized","data":null}
    "#);
}

#[actix_web::test]
async fn a_key_that_is_shown_must_work_even_where_none_is_needed() {
    let state = face(MockTaskRepository::new());
    let request = TestRequest::get().uri("/api/v1/tasks").insert_header(("X-API-Key", "sk_x"));
    assert_snapshot!(send(&state, request).await, @r#"
    401 Unauthorized
    content-type: application/json
    www-authenticate: Bearer realm="taskgate"
    x-request-id: *

    {"code":401,"message":"Unauthorized","data":null}
    "#);
}

#[actix_web::test]
async fn a_key_of_another_face_is_refused() {
    let (state, key) = with_stored_key(
        MockTaskRepository::new(),
        stored_key(Scope::Gateway),
        ResearchAccess::Loopback,
    );
    let request = shown(TestRequest::get().uri("/api/v1/tasks"), &key);
    assert_snapshot!(send(&state, request).await, @r#"
    403 Forbidden
    content-type: application/json
    x-request-id: *

    {"code":403,"message":"The API key lacks the scope research","data":null}
    "#);
}

#[actix_web::test]
async fn a_key_lists_its_own_tenant() {
    let mut key = stored_key(Scope::Research);
    key.principal.tenant = ANOTHER_TENANT;
    let mut tasks = MockTaskRepository::new();
    tasks
        .expect_list()
        .withf(|query| query.scope == TaskScope::Tenant(ANOTHER_TENANT))
        .return_once(|_| Ok(TaskPage::default()));
    let (state, key) = with_stored_key(tasks, key, ResearchAccess::Keys);
    let answer = send(&state, shown(TestRequest::get().uri("/api/v1/tasks"), &key)).await;
    assert_snapshot!(answer, @r#"
    200 OK
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *
    x-total-count: 0

    {"code":200,"message":"success","data":[]}
    "#);
}

#[actix_web::test]
async fn a_bound_key_lists_its_projects_only() {
    let mut tasks = MockTaskRepository::new();
    tasks
        .expect_list()
        .withf(|query| {
            let own = BTreeSet::from([project(2), project(3)]);
            query.scope == TaskScope::Projects(TenantId::DEFAULT, own)
        })
        .return_once(|_| Ok(TaskPage { tasks: Vec::new(), total: 5 }));
    let (state, key) = with_stored_key(tasks, bound_key(), ResearchAccess::Keys);
    let all = send(&state, shown(TestRequest::get().uri("/api/v1/tasks"), &key)).await;
    assert!(all.contains("x-total-count: 5"), "{all}");
    let uri = "/api/v1/tasks?project_id=1";
    let foreign = send(&state, shown(TestRequest::get().uri(uri), &key)).await;
    assert!(foreign.contains("x-total-count: 0"), "{foreign}");
}

#[actix_web::test]
async fn a_task_that_is_not_seen_is_answered_like_an_unknown_one() {
    let ended = || finished(FinalStatus::Completed, Outcome::default());
    let session = SessionLabel::generate();
    let context = JsonObject::parse("context", "{}".to_owned()).unwrap();
    let question = AgentWork::new("?".to_owned(), session, Mode::Simple, context).unwrap();
    let foreign = [
        // Project 1, which the key is not bound to.
        task(ended()),
        Task { owner: Owner::Tenant(ANOTHER_TENANT), ..task(ended()) },
        Task { owner: Owner::User(UserId::DEFAULT), work: Work::Agent(question), ..task(queued()) },
    ];
    for hidden in foreign {
        // The store would refuse a cancel by panicking: no expectation is set.
        let (state, key) = with_stored_key(holding(hidden), bound_key(), ResearchAccess::Keys);
        for (hidden, unknown) in [
            (TestRequest::get().uri("/api/v1/tasks/42"), TestRequest::get().uri("/api/v1/tasks/7")),
            (
                TestRequest::post().uri("/api/v1/tasks/42/cancel"),
                TestRequest::post().uri("/api/v1/tasks/7/cancel"),
            ),
        ] {
            let (mut hidden, mut unknown) =
                (send(&state, shown(hidden, &key)).await, send(&state, shown(unknown, &key)).await);
            // The second of the two is one request nearer to the limit.
            for answer in [&mut hidden, &mut unknown] {
                answer.retain(|c| !c.is_ascii_digit());
            }
            assert_eq!(hidden, unknown);
            assert!(hidden.contains(r#""message":"Task not found""#), "{hidden}");
        }
    }
}

#[actix_web::test]
async fn a_bound_key_creates_nothing_in_a_foreign_project() {
    let (state, key) =
        with_stored_key(MockTaskRepository::new(), bound_key(), ResearchAccess::Keys);
    let body = r#"{"project_id":1,"task_type":"ocr","params":{}}"#;
    let request = TestRequest::post().uri("/api/v1/tasks").set_payload(body);
    assert_snapshot!(send(&state, shown(request, &key)).await, @r#"
    404 Not Found
    content-type: application/json
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"code":404,"message":"Project not found","data":null}
    "#);
}

#[actix_web::test]
async fn a_key_is_limited_in_what_it_may_ask() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_list().returning(|_| Ok(TaskPage::default()));
    let state = face(tasks);
    // 20 in a second, and on the slowest machine 100 in a minute.
    let mut admitted = 0;
    let refused = loop {
        let answer = send(&state, with_key(TestRequest::get().uri("/api/v1/tasks"))).await;
        if !answer.starts_with("200") {
            break answer;
        }
        admitted += 1;
    };
    assert!((20..=100).contains(&admitted), "{admitted}");
    assert!(refused.starts_with("429"), "{refused}");
    assert!(
        refused.ends_with(r#"{"code":429,"message":"Rate limit exceeded","data":null}"#),
        "{refused}"
    );
}

#[actix_web::test]
async fn without_a_key_there_is_no_limit() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_list().times(101).returning(|_| Ok(TaskPage::default()));
    let state = face(tasks);
    for _ in 0..101 {
        let answer = get(&state, "/api/v1/tasks").await;
        assert!(answer.starts_with("200"), "{answer}");
    }
}

#[actix_web::test]
async fn reading_one_task_is_not_limited() {
    let state = face(holding(task(queued())));
    for _ in 0..21 {
        let answer = send(&state, with_key(TestRequest::get().uri("/api/v1/tasks/42"))).await;
        assert!(answer.starts_with("200"), "{answer}");
    }
}

#[actix_web::test]
async fn a_request_that_breaks_a_rule_is_not_counted() {
    let state = face(MockTaskRepository::new());
    for _ in 0..21 {
        let request = TestRequest::post().uri("/api/v1/tasks").set_payload("nonsense");
        let answer = send(&state, with_key(request)).await;
        assert!(answer.starts_with("400"), "{answer}");
    }
}
