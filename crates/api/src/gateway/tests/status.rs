use super::{ID, finished, gateway, get, in_short, queued, task, time, work};
use serde_json::Value;
use taskgate_domain::{
    error::StoreError,
    json::JsonObject,
    ports::MockTaskRepository,
    query::TaskKey,
    task::{
        Attempt, Live, Progress, Task, TaskState,
        outcome::Outcome,
        status::{FinalStatus, LiveStatus},
        work::Mode,
    },
    usage::{ModelUsage, Tokens, Usage, Usd},
};

/// The whole answer for this task.
async fn answer(task: Task) -> String {
    let mut tasks = MockTaskRepository::new();
    tasks
        .expect_find()
        .withf(|key| *key == TaskKey::Id(super::id()))
        .return_once(move |_| Ok(Some(task)));
    get(&gateway(tasks), &format!("/api/v1/tasks/{ID}")).await
}

/// The body for a task that completed with this outcome.
async fn completed(outcome: Outcome) -> String {
    let state = finished(FinalStatus::Completed, outcome);
    let answer = answer(task(work("q", Mode::Simple, "{}"), state)).await;
    answer.split_once("\n\n").unwrap().1.to_owned()
}

async fn member(outcome: Outcome, name: &str) -> Option<Value> {
    let body: Value = serde_json::from_str(&completed(outcome).await).unwrap();
    body.get(name).cloned()
}

fn object(text: &str) -> JsonObject {
    JsonObject::parse("object", text.to_owned()).unwrap()
}

fn usage(prompt: i64, completion: i64, total: Option<i64>, dollars: f64) -> Usage {
    let tokens = Tokens::new(prompt, completion, total).unwrap();
    Usage::new(tokens, Usd::from_dollars(dollars).unwrap(), Vec::new())
}

#[actix_web::test]
async fn a_queued_task_has_no_result_yet() {
    let work = work("フランスの首都はどこですか?", Mode::Simple, "{}");
    insta::assert_snapshot!(answer(task(work, queued())).await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *
    x-workflow-id: task_01JARZ3NDEKTSV4RRFFQ69G5FA

    {"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","status":"TASK_STATUS_QUEUED","response":null,"error":"","error_message":"","created_at":"2025-10-22T10:30:00Z","updated_at":"2025-10-22T10:30:00Z","attempts":0,"query":"フランスの首都はどこですか?","session_id":"user-123-session","context":{},"mode":"EXECUTION_MODE_SIMPLE"}
    "#);
}

#[actix_web::test]
async fn a_running_task_tells_how_far_it_is() {
    let state = |progress: Progress| {
        TaskState::Live(Live {
            status: LiveStatus::Running,
            progress,
            attempt: Some(Attempt::new(2).unwrap()),
            started_at: Some(time("2025-10-22T10:30:01Z")),
            updated_at: time("2025-10-22T10:30:02.000001Z"),
            pause: None,
        })
    };
    let shown = async |done, of| {
        let state = state(Progress::new(done, of).unwrap());
        in_short(&answer(task(work("q", Mode::Supervisor, r#"{ "k" : 1.50 }"#), state)).await)
    };
    insta::assert_snapshot!(shown(1, 3).await, @r#"200 OK {"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","status":"TASK_STATUS_RUNNING","response":null,"error":"","error_message":"","progress":0.3333,"created_at":"2025-10-22T10:30:00Z","updated_at":"2025-10-22T10:30:02.000001Z","attempts":2,"query":"q","session_id":"user-123-session","context":{ "k" : 1.50 },"mode":"EXECUTION_MODE_STANDARD"}"#);
    assert!(shown(5, 3).await.contains(r#""progress":1.0,"#));
    assert!(shown(i64::MAX, i64::MAX).await.contains(r#""progress":1.0,"#));
    assert!(!shown(5, 0).await.contains("progress"));
}

#[actix_web::test]
async fn a_completed_task_shows_all_at_once() {
    let outcome = Outcome {
        result: Some("Paris.".to_owned()),
        response: None,
        metadata: Some(object(r#"{"citations":[], "unified_response" : {"a": 1.0}}"#)),
        error: None,
        model: Some("gpt-5-mini-2025-08-07".to_owned()),
        provider: Some("openai".to_owned()),
        usage: usage(200, 100, None, 0.006),
    };
    let state = finished(FinalStatus::Completed, outcome);
    let work = work("q", Mode::Complex, r#"{"force_research":true}"#);
    insta::assert_snapshot!(answer(task(work, state)).await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *
    x-workflow-id: task_01JARZ3NDEKTSV4RRFFQ69G5FA

    {"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","status":"TASK_STATUS_COMPLETED","result":"Paris.","response":null,"metadata":{"citations":[], "unified_response" : {"a": 1.0}},"error":"","error_message":"","created_at":"2025-10-22T10:30:00Z","updated_at":"2025-10-22T10:30:05.250000Z","attempts":1,"query":"q","session_id":"user-123-session","context":{"force_research":true},"unified_response":{"a": 1.0},"mode":"EXECUTION_MODE_COMPLEX","model_used":"gpt-5-mini-2025-08-07","provider":"openai","usage":{"total_tokens":300,"input_tokens":200,"output_tokens":100,"estimated_cost":0.006,"cost_usd":0.006}}
    "#);
}

#[actix_web::test]
async fn a_failed_task_says_why_and_nothing_it_does_not_know() {
    let state = finished(FinalStatus::Failed, Outcome::error("connection timed out"));
    insta::assert_snapshot!(in_short(&answer(task(work("q", Mode::Simple, "{}"), state)).await), @r#"200 OK {"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","status":"TASK_STATUS_FAILED","response":null,"error":"connection timed out","error_message":"connection timed out","created_at":"2025-10-22T10:30:00Z","updated_at":"2025-10-22T10:30:05.250000Z","attempts":1,"query":"q","session_id":"user-123-session","context":{},"mode":"EXECUTION_MODE_SIMPLE"}"#);
}

#[actix_web::test]
async fn a_completed_task_of_a_silent_worker_still_has_what_clients_rely_on() {
    insta::assert_snapshot!(completed(Outcome::default()).await, @r#"{"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","status":"TASK_STATUS_COMPLETED","result":"","response":null,"error":"","error_message":"","created_at":"2025-10-22T10:30:00Z","updated_at":"2025-10-22T10:30:05.250000Z","attempts":1,"query":"q","session_id":"user-123-session","context":{},"mode":"EXECUTION_MODE_SIMPLE","model_used":"","provider":"","usage":{"total_tokens":0,"input_tokens":0,"output_tokens":0,"estimated_cost":0.0,"cost_usd":0.0}}"#);
}

#[actix_web::test]
async fn the_response_is_the_result_when_that_is_an_object() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    let own = r#"{"own":true}"#;
    for (result, given, expected) in [
        (Some(r#" {"n": 1.10, "n": 2} "#), Some(own), r#"{"n": 1.10, "n": 2}"#),
        (Some("plain text"), Some(own), own),
        (Some("[1,2]"), Some(own), own),
        (Some("7"), None, "null"),
        (Some(r#"{"broken":"#), None, "null"),
        (Some(r#"{} {}"#), None, "null"),
        (Some(deep.as_str()), None, "null"),
        (None, Some(own), own),
        (None, None, "null"),
    ] {
        let result_text = result.map(str::to_owned);
        let outcome =
            Outcome { result: result_text, response: given.map(object), ..Outcome::default() };
        let body = completed(outcome).await;
        assert!(body.contains(&format!(r#""response":{expected},"#)), "{result:?}: {body}");
    }
}

#[actix_web::test]
async fn metadata_passes_through_to_the_byte() {
    let text = r#"{ "unified_response":"text","x" : 1.0e2, "\u0000":"\ud800"}"#;
    let models = vec![ModelUsage {
        model: "m".to_owned(),
        provider: "p".to_owned(),
        executions: 1,
        tokens: Tokens::default(),
        cost: Usd::ZERO,
    }];
    let usage = Usage::new(Tokens::default(), Usd::ZERO, models);
    let metadata = Some(object(text));
    let body = completed(Outcome { metadata, usage, ..Outcome::default() }).await;
    assert!(body.contains(&format!(r#""metadata":{text},"#)), "{body}");
    assert!(!body.contains(r#"},"unified_response""#), "only an object is repeated: {body}");
}

#[actix_web::test]
async fn without_metadata_the_models_are_shown_the_dearest_first() {
    let model = |name: &str, dollars: f64| ModelUsage {
        model: name.to_owned(),
        provider: "p".to_owned(),
        executions: 2,
        tokens: Tokens::new(10, 5, None).unwrap(),
        cost: Usd::from_dollars(dollars).unwrap(),
    };
    let models = vec![model("cheap", 0.001), model("dear", 0.002)];
    let usage = Usage::new(Tokens::new(20, 10, None).unwrap(), Usd::ZERO, models);
    let metadata = member(Outcome { usage, ..Outcome::default() }, "metadata").await.unwrap();
    insta::assert_snapshot!(metadata, @r#"{"model_breakdown":[{"model":"dear","provider":"p","executions":2,"tokens":15,"cost_usd":0.002,"percentage":66},{"model":"cheap","provider":"p","executions":2,"tokens":15,"cost_usd":0.001,"percentage":33}]}"#);
}

#[actix_web::test]
async fn tokens_are_split_only_when_the_split_is_known() {
    let shown = async |usage| member(Outcome { usage, ..Outcome::default() }, "usage").await;
    insta::assert_snapshot!(shown(usage(0, 0, Some(300), 0.5)).await.unwrap(), @r#"{"total_tokens":300,"estimated_cost":0.5,"cost_usd":0.5}"#);
    insta::assert_snapshot!(shown(usage(0, 300, None, 0.0)).await.unwrap(), @r#"{"total_tokens":300,"input_tokens":0,"output_tokens":300,"estimated_cost":0.0,"cost_usd":0.0}"#);
}

#[actix_web::test]
async fn an_unknown_id_and_a_malformed_one_are_told_apart() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_find().returning(|_| Ok(None));
    let state = gateway(tasks);
    insta::assert_snapshot!(get(&state, &format!("/api/v1/tasks/{ID}")).await, @r#"
    404 Not Found
    content-type: application/json
    x-request-id: *

    {"error":"Task not found"}
    "#);
    let unknown = get(&state, &format!("/api/v1/tasks/{ID}")).await;
    // Of the right form, but no id that was ever given out.
    for id in ["task_abc123", "task-abc123-research", &ID.to_lowercase(), "1"] {
        assert_eq!(get(&state, &format!("/api/v1/tasks/{id}")).await, unknown, "{id}");
    }
    for id in ["%00", "task_%00", "%FF", "%E3%82%BF", "a%20b", "a%2Fb", "*", &"a".repeat(129)] {
        let answer = get(&state, &format!("/api/v1/tasks/{id}")).await;
        assert_eq!(in_short(&answer), r#"400 Bad Request {"error":"Invalid task ID"}"#, "{id}");
    }
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_find().returning(|_| Err(StoreError::failed("no such column")));
    insta::assert_snapshot!(get(&gateway(tasks), &format!("/api/v1/tasks/{ID}")).await, @r#"
    500 Internal Server Error
    content-type: application/json
    x-request-id: *

    {"error":"Failed to get task status: database error"}
    "#);
}
