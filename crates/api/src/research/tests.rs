//! The routes of the research face over mocked ports.

mod events;
mod keys;
mod pages;
mod refusals;

use crate::{
    server::{Face, State},
    testing::{Mocks, send},
};
use actix_web::{test::TestRequest, web};
use insta::assert_snapshot;
use std::collections::BTreeSet;
use taskgate_domain::{
    control::{Control, ControlRequest, Controlled},
    id::{ProjectId, TaskId, TaskNumber, TenantId, UserId},
    json::JsonObject,
    ports::MockTaskRepository,
    query::{Page, TaskKey, TaskPage, TaskQuery, TaskScope},
    task::{
        Finished, Live, Owner, Progress, Subject, Task, TaskState, TaskSummary,
        outcome::Outcome,
        status::{FinalStatus, LiveStatus, TaskStatus},
        submit::{NewTask, Submission, SubmissionKind},
        work::{ResearchWork, TaskType, Work},
    },
};

fn face(tasks: MockTaskRepository) -> web::Data<State> {
    Mocks { tasks, ..Mocks::default() }.state(Face::Research)
}

async fn get(state: &web::Data<State>, uri: &str) -> String {
    send(state, TestRequest::get().uri(uri)).await
}

async fn post(state: &web::Data<State>, uri: &str, body: &str) -> String {
    send(state, TestRequest::post().uri(uri).set_payload(body.to_owned())).await
}

fn number(number: i64) -> TaskNumber {
    TaskNumber::new(number).unwrap()
}

fn project(number: i64) -> ProjectId {
    ProjectId::new(number).unwrap()
}

/// Task 42 of project 1 of the default tenant.
fn task(state: TaskState) -> Task {
    let params = r#"{"query": "machine learning", "sources": ["semantic_scholar"]}"#;
    Task {
        number: number(42),
        id: TaskId::from_bits(42),
        owner: Owner::Tenant(TenantId::DEFAULT),
        work: Work::Research(ResearchWork {
            project: project(1),
            task_type: TaskType::Search,
            params: JsonObject::parse("params", params.to_owned()).unwrap(),
        }),
        created_at: "2025-03-12T10:00:00Z".parse().unwrap(),
        deadline: None,
        state,
    }
}

fn queued() -> TaskState {
    TaskState::Live(Live {
        status: LiveStatus::Queued,
        progress: Progress::default(),
        attempt: None,
        started_at: None,
        updated_at: "2025-03-12T10:00:00Z".parse().unwrap(),
        pause: None,
    })
}

fn finished(status: FinalStatus, outcome: Outcome) -> TaskState {
    TaskState::Finished(Finished {
        status,
        progress: Progress::new(100, 100).unwrap(),
        attempt: None,
        started_at: Some("2025-03-12T10:00:01Z".parse().unwrap()),
        finished_at: "2025-03-12T10:02:30.25Z".parse().unwrap(),
        outcome,
        cancel: None,
    })
}

fn summary(status: TaskStatus) -> TaskSummary {
    TaskSummary {
        number: number(42),
        id: TaskId::from_bits(42),
        subject: Subject::Research { project: project(1), task_type: TaskType::Search },
        status,
        progress: Progress::new(30, 100).unwrap(),
        created_at: "2025-03-12T10:00:00Z".parse().unwrap(),
        finished: None,
    }
}

/// A store that holds this one task.
fn holding(task: Task) -> MockTaskRepository {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_find().returning(move |key| {
        let held = matches!(key, TaskKey::Number(number) if number == task.number);
        Ok(held.then(|| task.clone()))
    });
    tasks
}

/// A store whose lists are all this one, when they are asked for like this.
fn listing(expected: TaskQuery, page: TaskPage) -> MockTaskRepository {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_list().withf(move |query| *query == expected).returning(move |_| Ok(page.clone()));
    tasks
}

fn all(limit: i64, offset: i64) -> TaskQuery {
    TaskQuery {
        scope: TaskScope::Tenant(TenantId::DEFAULT),
        statuses: Vec::new(),
        page: Page::new(limit, offset).unwrap(),
    }
}

#[actix_web::test]
async fn the_documented_list_call_answers_as_documented() {
    let expected = TaskQuery {
        scope: TaskScope::Projects(TenantId::DEFAULT, BTreeSet::from([project(1)])),
        statuses: vec![TaskStatus::Running, TaskStatus::Paused],
        page: Page::new(20, 0).unwrap(),
    };
    let page = TaskPage { tasks: vec![summary(TaskStatus::Running)], total: 7 };
    let state = face(listing(expected, page));
    let answer = get(&state, "/api/v1/tasks?project_id=1&status=running&limit=20").await;
    assert_snapshot!(answer, @r#"
    200 OK
    content-type: application/json
    x-request-id: *
    x-total-count: 7

    {"code":200,"message":"success","data":[{"id":42,"project_id":1,"task_type":"search","status":"running","progress":30,"total":100,"created_at":"2025-03-12T10:00:00"}]}
    "#);
}

#[actix_web::test]
async fn a_list_may_end_in_a_slash_and_have_empty_filters() {
    let state = face(listing(all(50, 0), TaskPage::default()));
    let answer = get(&state, "/api/v1/tasks/?project_id=&status=&limit=&page=&other=1").await;
    assert_snapshot!(answer, @r#"
    200 OK
    content-type: application/json
    x-request-id: *
    x-total-count: 0

    {"code":200,"message":"success","data":[]}
    "#);
}

#[actix_web::test]
async fn a_page_tells_its_place_in_the_list() {
    let page = TaskPage { tasks: vec![summary(TaskStatus::TimedOut)], total: 41 };
    let state = face(listing(all(20, 40), page));
    assert_snapshot!(get(&state, "/api/v1/tasks?page=3&page_size=20").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"code":200,"message":"success","data":{"items":[{"id":42,"project_id":1,"task_type":"search","status":"failed","progress":30,"total":100,"created_at":"2025-03-12T10:00:00"}],"total":41,"page":3,"page_size":20,"total_pages":3}}
    "#);
}

#[actix_web::test]
async fn a_completed_task_shows_its_result() {
    let result = Some(r#"{"papers_found": 15, "imported": 10}"#.to_owned());
    let outcome = Outcome { result, ..Outcome::default() };
    let state = face(holding(task(finished(FinalStatus::Completed, outcome))));
    assert_snapshot!(get(&state, "/api/v1/tasks/42").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"code":200,"message":"success","data":{"id":42,"project_id":1,"task_type":"search","status":"completed","progress":100,"total":100,"params":{"query": "machine learning", "sources": ["semantic_scholar"]},"result":{"papers_found": 15, "imported": 10},"error_message":"","created_at":"2025-03-12T10:00:00","started_at":"2025-03-12T10:00:01","completed_at":"2025-03-12T10:02:30.250000","attempts":0}}
    "#);
}

#[actix_web::test]
async fn a_waiting_task_shows_null_for_what_is_not_there() {
    let state = face(holding(task(queued())));
    assert_snapshot!(get(&state, "/api/v1/tasks/42").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"code":200,"message":"success","data":{"id":42,"project_id":1,"task_type":"search","status":"pending","progress":0,"total":0,"params":{"query": "machine learning", "sources": ["semantic_scholar"]},"result":null,"error_message":"","created_at":"2025-03-12T10:00:00","started_at":null,"completed_at":null,"attempts":0}}
    "#);
}

#[actix_web::test]
async fn a_task_that_timed_out_has_failed_with_the_reason() {
    let outcome = Outcome::error("The deadline has passed");
    let state = face(holding(task(finished(FinalStatus::TimedOut, outcome))));
    assert_snapshot!(get(&state, "/api/v1/tasks/42").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"code":200,"message":"success","data":{"id":42,"project_id":1,"task_type":"search","status":"failed","progress":100,"total":100,"params":{"query": "machine learning", "sources": ["semantic_scholar"]},"result":null,"error_message":"The deadline has passed","created_at":"2025-03-12T10:00:00","started_at":"2025-03-12T10:00:01","completed_at":"2025-03-12T10:02:30.250000","attempts":0}}
    "#);
}

#[actix_web::test]
async fn a_live_task_is_cancelled() {
    let mut tasks = holding(task(queued()));
    let expected = ControlRequest {
        number: number(42),
        control: Control::Cancel,
        by: UserId::DEFAULT,
        reason: None,
        idempotency: None,
    };
    tasks.expect_control().withf(move |request| *request == expected).return_once(|_| {
        Ok(Some(Controlled { accepted: true, status: TaskStatus::Cancelled, replayed: false }))
    });
    assert_snapshot!(post(&face(tasks), "/api/v1/tasks/42/cancel", "").await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"code":200,"message":"Task cancelled","data":null}
    "#);
}

#[actix_web::test]
async fn a_task_that_has_ended_cannot_be_cancelled() {
    let mut answers = Vec::new();
    for status in
        [FinalStatus::Completed, FinalStatus::Failed, FinalStatus::Cancelled, FinalStatus::TimedOut]
    {
        let mut tasks = holding(task(finished(status, Outcome::default())));
        tasks.expect_control().return_once(move |_| {
            Ok(Some(Controlled { accepted: false, status: status.into(), replayed: false }))
        });
        let answer = post(&face(tasks), "/api/v1/tasks/42/cancel", "{}").await;
        let (head, body) = answer.split_once("\n\n").unwrap();
        answers.push(format!("{} {body}", head.lines().next().unwrap()));
    }
    assert_snapshot!(answers.join("\n"), @r#"
    400 Bad Request {"code":400,"message":"Cannot cancel task (already completed)","data":null}
    400 Bad Request {"code":400,"message":"Cannot cancel task (already failed)","data":null}
    400 Bad Request {"code":400,"message":"Cannot cancel task (already cancelled)","data":null}
    400 Bad Request {"code":400,"message":"Cannot cancel task (already failed)","data":null}
    "#);
}

#[actix_web::test]
async fn a_task_is_created_with_everything_that_was_said() {
    let mut tasks = MockTaskRepository::new();
    tasks
        .expect_submit()
        .withf(|task: &NewTask| {
            let options = &task.options;
            task.owner == Owner::Tenant(TenantId::DEFAULT)
                && task.idempotency.is_none()
                && task.work.kind().as_str() == "search"
                && (options.total(), options.priority(), options.max_attempts()) == (100, -5, 7)
                && options.timeout().map(|timeout| timeout.num_seconds()) == Some(60)
                && options.run_after() == Some("2025-03-12T11:00:00Z".parse().unwrap())
                && options.unique_key() == Some("nightly")
        })
        .return_once(|_| Ok(Submission { task: task(queued()), kind: SubmissionKind::Created }));
    let body = r#"{"project_id":1,"task_type":"search","params":{"query":"machine learning"},
        "total":100,"priority":-5,"run_after":"2025-03-12T11:00:00","max_attempts":7,
        "timeout_seconds":60,"unique_key":"nightly"}"#;
    assert_snapshot!(post(&face(tasks), "/api/v1/tasks", body).await, @r#"
    201 Created
    content-type: application/json
    x-request-id: *

    {"code":201,"message":"Task created","data":{"id":42,"project_id":1,"task_type":"search","status":"pending","progress":0,"total":0,"params":{"query": "machine learning", "sources": ["semantic_scholar"]},"result":null,"error_message":"","created_at":"2025-03-12T10:00:00","started_at":null,"completed_at":null,"attempts":0}}
    "#);
}

#[actix_web::test]
async fn a_unique_key_in_use_finds_its_task() {
    let mut tasks = MockTaskRepository::new();
    tasks
        .expect_submit()
        .return_once(|_| Ok(Submission { task: task(queued()), kind: SubmissionKind::Duplicate }));
    let body = r#"{"project_id":1,"task_type":"search","params":{},"unique_key":"nightly"}"#;
    assert_snapshot!(post(&face(tasks), "/api/v1/tasks/", body).await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"code":200,"message":"Task already exists","data":{"id":42,"project_id":1,"task_type":"search","status":"pending","progress":0,"total":0,"params":{"query": "machine learning", "sources": ["semantic_scholar"]},"result":null,"error_message":"","created_at":"2025-03-12T10:00:00","started_at":null,"completed_at":null,"attempts":0}}
    "#);
}

#[test]
fn every_route_is_described() {
    let document: serde_json::Value =
        serde_json::from_str(&crate::openapi(Face::Research)).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let statuses: Vec<&String> =
                operation["responses"].as_object().unwrap().keys().collect();
            routes.push(format!("{method} {path} {statuses:?}"));
        }
    }
    assert_snapshot!(routes.join("\n"), @r#"
    get /api/v1/tasks ["200", "400", "401", "403", "405", "429", "500", "503"]
    post /api/v1/tasks ["200", "201", "400", "401", "403", "404", "405", "408", "413", "429", "500", "503"]
    get /api/v1/tasks/{id} ["200", "400", "401", "403", "404", "405", "500", "503"]
    post /api/v1/tasks/{id}/cancel ["200", "400", "401", "403", "404", "405", "429", "500", "503"]
    get /api/v1/tasks/{id}/events ["200", "400", "401", "403", "404", "405", "500", "503"]
    get /health ["200"]
    get /openapi.json ["200"]
    get /readiness ["200", "503"]
    "#);
}
