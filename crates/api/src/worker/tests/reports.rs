//! The ends of tasks as workers report them.

use super::{TASK, face, lease, one_item, post, report, short};
use insta::assert_snapshot;
use taskgate_domain::{
    error::{InvalidValue, ReportError, StoreError},
    ports::MockTaskQueue,
    queue::{Conclusion, Report, Reported},
    task::status::TaskStatus,
};

/// A queue that answers one call with these.
fn answering(reported: Vec<Reported>) -> MockTaskQueue {
    let mut queue = MockTaskQueue::new();
    queue.expect_finish().return_once(move |_| Ok(reported));
    queue
}

#[actix_web::test]
async fn a_result_completes_a_task() {
    let mut queue = MockTaskQueue::new();
    queue
        .expect_finish()
        .withf(|reports: &Vec<Report>| {
            let [Report { lease: of, conclusion: Conclusion::Complete(outcome) }] = &reports[..]
            else {
                return false;
            };
            *of == lease(1, 2)
                && outcome.result.as_deref() == Some(r#"{"papers_found": 15}"#)
                && outcome.response.as_ref().map(|json| json.as_str()) == Some(r#"{"a": 1}"#)
                && outcome.metadata.as_ref().map(|json| json.as_str()) == Some(r#"{"c":[]}"#)
                && outcome.model.as_deref() == Some("m-1")
                && outcome.provider.as_deref() == Some("p-1")
                && outcome.usage.tokens().total() == 300
                && outcome.usage.cost().nanos() == 2_300_000
                && outcome.usage.models().len() == 1
        })
        .return_once(|_| Ok(vec![Ok(TaskStatus::Completed)]));
    let body = r#"{"attempt":2,"result":{"papers_found": 15},"response":{"a": 1},
        "metadata":{"c":[]},"model_used":"m-1","provider":"p-1",
        "usage":{"prompt_tokens":45,"completion_tokens":105,"total_tokens":300,"cost_usd":0.0023,
            "models":[{"model":"m-1","provider":"p-1","executions":1,"prompt_tokens":45,
                "completion_tokens":105,"cost_usd":0.0023}]}}"#;
    assert_snapshot!(report(&face(queue), "complete", body).await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"status":"completed"}
    "#);
}

#[actix_web::test]
async fn a_failure_ends_the_task_or_queues_it_again() {
    for (retry, status, expected) in [
        (true, TaskStatus::Queued, r#"200 OK {"status":"queued"}"#),
        (true, TaskStatus::Failed, r#"200 OK {"status":"failed"}"#),
        (false, TaskStatus::Failed, r#"200 OK {"status":"failed"}"#),
    ] {
        let mut queue = MockTaskQueue::new();
        queue
            .expect_finish()
            .withf(move |reports: &Vec<Report>| {
                let [Report { conclusion: Conclusion::Fail { outcome, retry: delay }, .. }] =
                    &reports[..]
                else {
                    return false;
                };
                outcome.reason() == "out of memory\u{fffd}" && delay.is_some() == retry
            })
            .return_once(move |_| Ok(vec![Ok(status)]));
        let body = format!(r#"{{"attempt":1,"error":"out of memory\u0000","retry":{retry}}}"#);
        assert_eq!(short(&report(&face(queue), "fail", &body).await), expected);
    }
}

#[actix_web::test]
async fn a_task_is_given_back_with_what_it_took() {
    for (usage, tokens, nanos) in [
        ("", 0, 0),
        (r#","usage":null"#, 0, 0),
        (
            r#","usage":{"prompt_tokens":45,"completion_tokens":105,"cost_usd":0.0023}"#,
            150,
            2_300_000,
        ),
    ] {
        let mut queue = MockTaskQueue::new();
        queue
            .expect_finish()
            .withf(move |reports: &Vec<Report>| {
                let [Report { lease: of, conclusion: Conclusion::Release { usage } }] =
                    &reports[..]
                else {
                    return false;
                };
                let consumed = (usage.tokens().total(), usage.cost().nanos());
                *of == lease(1, 2) && consumed == (tokens, nanos)
            })
            .return_once(|_| Ok(vec![Ok(TaskStatus::Queued)]));
        let answer = report(&face(queue), "release", &format!(r#"{{"attempt":2{usage}}}"#)).await;
        insta::allow_duplicates! {
            assert_snapshot!(answer, @r#"
            200 OK
            content-type: application/json
            x-request-id: *

            {"status":"queued"}
            "#);
        }
    }
}

#[actix_web::test]
async fn a_report_that_cannot_be_taken_is_refused() {
    let refusal = || InvalidValue::new("result", "must be a JSON object");
    let mut answers = Vec::new();
    for error in [
        ReportError::NotFound,
        ReportError::LeaseLost,
        ReportError::Invalid(refusal()),
        ReportError::Store(StoreError::Busy),
    ] {
        let state = face(answering(vec![Err(error)]));
        answers.push(short(&report(&state, "complete", r#"{"attempt":1,"result":"x"}"#).await));
    }
    assert_snapshot!(answers.join("\n"), @r#"
    404 Not Found {"error":"Task not found"}
    409 Conflict {"error":"lease_lost"}
    400 Bad Request {"error":"result must be a JSON object"}
    503 Service Unavailable {"error":"The service is busy, try again"}
    "#);
}

#[actix_web::test]
async fn heartbeats_and_events_of_a_lost_lease_are_refused() {
    let mut queue = MockTaskQueue::new();
    queue.expect_heartbeat().return_once(|_| Err(ReportError::LeaseLost));
    queue.expect_record().return_once(|_, _| Err(ReportError::LeaseLost));
    let state = face(queue);
    let answers = [
        report(&state, "heartbeat", r#"{"attempt":1}"#).await,
        report(&state, "events", r#"{"attempt":1,"events":[{"type":"A"}]}"#).await,
    ];
    assert_snapshot!(answers.map(|answer| short(&answer)).join("\n"), @r#"
    409 Conflict {"error":"lease_lost"}
    409 Conflict {"error":"lease_lost"}
    "#);
}

#[actix_web::test]
async fn each_item_of_a_batch_counts_for_itself() {
    let mut queue = MockTaskQueue::new();
    queue
        .expect_finish()
        .withf(|reports: &Vec<Report>| {
            let leases: Vec<_> = reports.iter().map(|report| report.lease).collect();
            leases == [lease(1, 1), lease(2, 1), lease(3, 1), lease(4, 1), lease(5, 1)]
        })
        .return_once(|_| {
            Ok(vec![
                Ok(TaskStatus::Completed),
                Err(ReportError::LeaseLost),
                Err(ReportError::NotFound),
                Ok(TaskStatus::Queued),
                Ok(TaskStatus::Paused),
            ])
        });
    let id = |n: u8| format!("task_0000000000000000000000000{n}");
    let body = format!(
        r#"{{"items":[
            {{"task_id":"{}","attempt":1,"complete":{{"result":"a"}}}},
            {{"task_id":"nonsense\u0000","attempt":1,"complete":{{}}}},
            {{"task_id":"{}","attempt":1,"complete":{{}}}},
            {{"task_id":"{}","attempt":1,"fail":{{"error":"e","retry":false}}}},
            {{"task_id":"{TASK}","attempt":1}},
            {{"task_id":"{TASK}","attempt":0,"complete":{{}}}},
            {{"task_id":"{}","attempt":1,"fail":{{"error":"e","retry":true}}}},
            {{"task_id":"{TASK}","attempt":1,"complete":{{"result":[]}}}},
            {{"task_id":"{}","attempt":1,"release":{{}}}}
        ]}}"#,
        id(1),
        id(2),
        id(3),
        id(4),
        id(5),
    );
    let answer = post(&face(queue), "finish", &body).await;
    assert_snapshot!(answer.replace("},{", "},\n{"), @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"items":[{"task_id":"task_00000000000000000000000001","accepted":true,"status":"completed"},
    {"task_id":"nonsense\u0000","accepted":false,"error":"task_id must be task_ and a ULID"},
    {"task_id":"task_00000000000000000000000002","accepted":false,"error":"lease_lost"},
    {"task_id":"task_00000000000000000000000003","accepted":false,"error":"Task not found"},
    {"task_id":"task_00000000000000000000000001","accepted":false,"error":"item must have one of complete, fail and release"},
    {"task_id":"task_00000000000000000000000001","accepted":false,"error":"attempt must be a positive 32-bit integer"},
    {"task_id":"task_00000000000000000000000004","accepted":true,"status":"queued"},
    {"task_id":"task_00000000000000000000000001","accepted":false,"error":"result must be a string or a JSON object"},
    {"task_id":"task_00000000000000000000000005","accepted":true,"status":"paused"}]}
    "#);
}

#[actix_web::test]
async fn a_batch_that_the_store_fails_is_to_be_repeated() {
    let body = one_item();
    let mut answers = Vec::new();
    for error in [StoreError::Busy, StoreError::failed("no space left")] {
        let state = face(answering(vec![Err(error.into())]));
        answers.push(short(&post(&state, "finish", &body).await));
    }
    // A store that leaves a report unanswered has failed, too.
    answers.push(short(&post(&face(answering(Vec::new())), "finish", &body).await));
    assert_snapshot!(answers.join("\n"), @r#"
    503 Service Unavailable {"error":"The service is busy, try again"}
    500 Internal Server Error {"error":"Failed to finish tasks: database error"}
    500 Internal Server Error {"error":"Failed to finish tasks: database error"}
    "#);
}

#[actix_web::test]
async fn a_batch_of_nothing_but_bad_items_does_not_reach_the_store() {
    let state = face(MockTaskQueue::new());
    let body = r#"{"items":[{"task_id":"x","attempt":1,"complete":{}}]}"#;
    assert_snapshot!(short(&post(&state, "finish", body).await), @r#"200 OK {"items":[{"task_id":"x","accepted":false,"error":"task_id must be task_ and a ULID"}]}"#);
}
