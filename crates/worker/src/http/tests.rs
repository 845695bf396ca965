//! The calls against a server that plays a script.

mod script;

use super::{BATCH_BYTES, HttpQueue, MOST, batches};
use chrono::{DateTime, Utc};
use insta::assert_snapshot;
use script::{Script, answer};
use std::time::Duration;
use taskgate_domain::{
    error::{ReportError, StoreError},
    event::{EventType, NewEvent},
    ports::TaskQueue,
    queue::{
        ClaimRequest, Conclusion, Conversation, Heartbeat, Lease, PastTurn, Report, Reported,
        WorkerId,
    },
    task::{
        Attempt,
        outcome::Outcome,
        status::TaskStatus,
        work::{Kind, TaskType, Work},
    },
    testkit::build,
    usage::{ModelUsage, Tokens, Usage, Usd},
};

const TASK: &str = "task_00000000000000000000000001";

fn lease() -> Lease {
    Lease { task: TASK.parse().unwrap(), attempt: Attempt::new(2).unwrap() }
}

fn wish() -> ClaimRequest {
    ClaimRequest {
        worker: WorkerId::new("w-1").unwrap(),
        kinds: vec![Kind::Agent, Kind::Research(TaskType::KeywordExpand)],
        max: 3,
        lease: Duration::from_millis(59_001),
        wait: Duration::from_millis(1),
    }
}

fn usage() -> Usage {
    let model = ModelUsage {
        model: "m".to_owned(),
        provider: "p".to_owned(),
        executions: 2,
        tokens: Tokens::new(3, 4, Some(9)).unwrap(),
        cost: Usd::from_nanos(2_300_001).unwrap(),
    };
    Usage::new(model.tokens, model.cost, vec![model])
}

/// The answers to reports, in words.
fn told(reported: Vec<Reported>) -> String {
    let word = |answer: Reported| answer.map_or_else(|error| error.to_string(), |s| s.to_string());
    reported.into_iter().map(word).collect::<Vec<_>>().join("\n")
}

fn reports(conclusions: Vec<Conclusion>) -> Vec<Report> {
    conclusions.into_iter().map(|conclusion| Report { lease: lease(), conclusion }).collect()
}

/// Why a store did not answer, as the log has it.
fn cause(error: StoreError) -> String {
    match error {
        StoreError::Busy => "busy".to_owned(),
        StoreError::Failed(cause) => cause.to_string(),
    }
}

#[tokio::test]
async fn a_claim_asks_in_whole_seconds_and_reads_each_kind_of_task() {
    let script = Script::play(vec![answer(
        200,
        r#"{"tasks":[
            {"task_id":"task_00000000000000000000000001","number":8,"kind":"agent","attempt":2,
             "lease_expires_at":"2025-03-12T10:01:00.500000Z","query":"Why?","mode":"complex",
             "session_id":"chat-7","context":{"b": 1.50, "a":[]}},
            {"task_id":"task_00000000000000000000000002","number":9,"kind":"keyword_expand",
             "attempt":1,"lease_expires_at":"2025-03-12T10:01:00Z","project_id":3,
             "params":{"seed": "graph"},"deadline":"2025-03-12T11:00:00Z","later":true,
             "usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":9,
                "cost_usd":0.002300001,"models":[{"model":"m","provider":"p","executions":2,
                "prompt_tokens":3,"completion_tokens":4,"total_tokens":9,
                "cost_usd":0.002300001}]}}]}"#,
    )])
    .await;
    let tasks = script.queue().claim(wish()).await.unwrap();
    assert_snapshot!(script.requests(), @r#"
    POST /api/v1/worker/claim
    x-api-key: sk_test_1
    content-type: application/json
    {"worker_id":"w-1","kinds":["agent","keyword_expand"],"max":3,"lease_seconds":60,"wait_seconds":1}
    "#);
    let Work::Agent(question) = &tasks[0].work else { panic!("{tasks:?}") };
    assert_eq!((question.query(), question.session().as_str()), ("Why?", "chat-7"));
    assert_eq!(question.context().as_str(), r#"{"b": 1.50, "a":[]}"#);
    assert_eq!((tasks[0].number.get(), tasks[0].attempt.get()), (8, 2));
    assert_eq!(
        tasks[0].lease_expires_at,
        "2025-03-12T10:01:00.5Z".parse::<DateTime<Utc>>().unwrap()
    );
    let Work::Research(job) = &tasks[1].work else { panic!("{tasks:?}") };
    assert_eq!((job.project.get(), job.params.as_str()), (3, r#"{"seed": "graph"}"#));
    assert_eq!(tasks[1].deadline, Some("2025-03-12T11:00:00Z".parse().unwrap()));
    assert_eq!((&tasks[0].consumed, &tasks[1].consumed), (&Usage::default(), &usage()));
}

#[tokio::test]
async fn a_heartbeat_sends_what_it_has() {
    let reply = r#"{"lease_expires_at":"2025-03-12T10:01:00Z","cancel_requested":false,
        "pause_requested":true}"#;
    let script = Script::play(vec![answer(200, reply), answer(200, reply)]).await;
    let queue = script.queue();
    let beat = Heartbeat {
        lease: lease(),
        extend: Some(Duration::from_secs(60)),
        progress: Some(3),
        total: Some(10),
        message: Some("reading".to_owned()),
    };
    let reply = queue.heartbeat(beat).await.unwrap();
    assert_eq!((reply.cancel_requested, reply.pause_requested), (false, true));
    queue.heartbeat(build::sign_of_life(lease())).await.unwrap();
    assert_snapshot!(script.requests(), @r#"
    POST /api/v1/worker/tasks/task_00000000000000000000000001/heartbeat
    x-api-key: sk_test_1
    content-type: application/json
    {"attempt":2,"lease_seconds":60,"progress":3,"total":10,"message":"reading"}

    POST /api/v1/worker/tasks/task_00000000000000000000000001/heartbeat
    x-api-key: sk_test_1
    content-type: application/json
    {"attempt":2,"lease_seconds":null,"progress":null,"total":null,"message":null}
    "#);
}

#[tokio::test]
async fn events_are_sent_as_they_are() {
    let script = Script::play(vec![answer(200, r#"{"last_seq":17}"#)]).await;
    let payload = Some(build::object(r#"{"n": 1.50}"#));
    let said = |text: &str| Some(text.to_owned());
    let event = NewEvent::new(EventType::LLM_PARTIAL, said("a"), said("é"), payload).unwrap();
    let last = script.queue().record(lease(), vec![event, build::event("NOTED")]).await;
    assert_eq!(last.unwrap(), 17);
    assert_snapshot!(script.requests(), @r#"
    POST /api/v1/worker/tasks/task_00000000000000000000000001/events
    x-api-key: sk_test_1
    content-type: application/json
    {"attempt":2,"events":[{"type":"LLM_PARTIAL","agent_id":"a","message":"é","payload":{"n": 1.50}},{"type":"NOTED","agent_id":null,"message":null,"payload":null}]}
    "#);
}

#[tokio::test]
async fn a_conversation_is_read_with_its_sums() {
    let script = Script::play(vec![answer(
        200,
        r#"{"turns":[{"query":"なぜ?","answer":"空だから"}],"tokens":12,"cost_usd":0.002300001}"#,
    )])
    .await;
    let turn = PastTurn { query: "なぜ?".to_owned(), answer: "空だから".to_owned() };
    let cost = Usd::from_nanos(2_300_001).unwrap();
    let expected = Conversation { turns: vec![turn], tokens: 12, cost };
    assert_eq!(script.queue().conversation(lease(), 500).await.unwrap(), expected);
    assert_snapshot!(script.requests(), @"
    GET /api/v1/worker/tasks/task_00000000000000000000000001/conversation?attempt=2&turns=100
    x-api-key: sk_test_1
    ");
}

#[tokio::test]
async fn every_end_has_its_form() {
    let done = |status: &str| format!(r#"{{"task_id":"x","accepted":true,"status":"{status}"}}"#);
    let items = ["completed", "completed", "queued", "failed", "queued", "paused"];
    let items = items.map(done).join(",");
    let script = Script::play(vec![answer(200, &format!(r#"{{"items":[{items}]}}"#))]).await;
    let rich = Outcome {
        result: Some(" {\"a\": 1.50}\n".to_owned()),
        response: Some(build::object(r#"{"r":  1}"#)),
        metadata: Some(build::object(r#"{"m": []}"#)),
        error: None,
        model: Some("m".to_owned()),
        provider: Some("p".to_owned()),
        usage: usage(),
    };
    let failed = Outcome { usage: usage(), ..Outcome::error("no paper") };
    let ends = vec![
        Conclusion::Complete(rich),
        build::complete("{not an object}"),
        build::retry_after("busy", Duration::from_secs(7)),
        Conclusion::Fail { outcome: failed, retry: None },
        Conclusion::Release { usage: usage() },
        build::release(),
    ];
    let reported = script.queue().finish(reports(ends)).await.unwrap();
    assert_eq!(told(reported), "completed\ncompleted\nqueued\nfailed\nqueued\npaused");
    assert_snapshot!(script.requests().replace("},{\"task", "},\n{\"task"), @r#"
    POST /api/v1/worker/finish
    x-api-key: sk_test_1
    content-type: application/json
    {"items":[{"task_id":"task_00000000000000000000000001","attempt":2,"complete":{"result":{"a": 1.50},"response":{"r":  1},"metadata":{"m": []},"model_used":"m","provider":"p","usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":9,"cost_usd":0.002300001,"models":[{"model":"m","provider":"p","executions":2,"prompt_tokens":3,"completion_tokens":4,"total_tokens":9,"cost_usd":0.002300001}]}}},
    {"task_id":"task_00000000000000000000000001","attempt":2,"complete":{"result":"{not an object}"}},
    {"task_id":"task_00000000000000000000000001","attempt":2,"fail":{"error":"busy","retry":true}},
    {"task_id":"task_00000000000000000000000001","attempt":2,"fail":{"error":"no paper","retry":false,"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":9,"cost_usd":0.002300001,"models":[{"model":"m","provider":"p","executions":2,"prompt_tokens":3,"completion_tokens":4,"total_tokens":9,"cost_usd":0.002300001}]}}},
    {"task_id":"task_00000000000000000000000001","attempt":2,"release":{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":9,"cost_usd":0.002300001,"models":[{"model":"m","provider":"p","executions":2,"prompt_tokens":3,"completion_tokens":4,"total_tokens":9,"cost_usd":0.002300001}]}}},
    {"task_id":"task_00000000000000000000000001","attempt":2,"release":{}}]}
    "#);
}

#[tokio::test]
async fn each_report_has_its_own_answer() {
    let script = Script::play(vec![answer(
        200,
        r#"{"items":[{"accepted":false,"error":"lease_lost"},
            {"accepted":false,"error":"Task not found"},
            {"accepted":false,"error":"result must be a JSON object"},
            {"accepted":true,"status":"paused"}]}"#,
    )])
    .await;
    let ends = vec![build::complete("a"); 4];
    let reported = script.queue().finish(reports(ends)).await.unwrap();
    assert!(matches!(
        reported[..3],
        [Err(ReportError::LeaseLost), Err(ReportError::NotFound), Err(ReportError::Invalid(_))]
    ));
    assert_snapshot!(told(reported), @"
    the lease is lost
    task not found
    report was refused: result must be a JSON object
    paused
    ");
}

#[tokio::test]
async fn a_batch_that_is_refused_is_sent_one_by_one() {
    let taken = r#"{"items":[{"accepted":true,"status":"completed"}]}"#;
    let script = Script::play(vec![
        answer(400, r#"{"error":"Invalid request body: too deep"}"#),
        answer(200, taken),
        answer(413, "{}"),
        answer(200, taken),
    ])
    .await;
    let ends = ["a", "b", "c"].map(build::complete).to_vec();
    let reported = script.queue().finish(reports(ends)).await.unwrap();
    assert_eq!(
        reported.iter().map(|r| r.as_ref().ok()).collect::<Vec<_>>(),
        [Some(&TaskStatus::Completed), None, Some(&TaskStatus::Completed)]
    );
    assert_snapshot!(told(reported), @"
    completed
    report was refused: the server answered 413: Payload Too Large
    completed
    ");
    assert_eq!(script.requests().matches("POST").count(), 4);
}

#[tokio::test]
async fn no_report_makes_no_call() {
    let script = Script::play(vec![]).await;
    assert!(script.queue().finish(Vec::new()).await.unwrap().is_empty());
    assert_eq!(script.requests(), "");
}

#[test]
fn batches_are_cut_by_number_and_by_size() {
    let sizes = |items: &[String]| batches(items).iter().map(|b| b.len()).collect::<Vec<_>>();
    let small = vec!["{}".to_owned(); 2 * MOST + 1];
    assert_eq!(sizes(&small), [MOST, MOST, 1]);
    let half = "x".repeat(BATCH_BYTES / 2);
    let huge = "x".repeat(BATCH_BYTES + 1);
    let large = [half.clone(), half.clone(), half, huge, "{}".to_owned()];
    assert_eq!(sizes(&large), [2, 1, 1, 1]);
    assert_eq!(sizes(&[]), [0_usize; 0]);
}

#[tokio::test]
async fn refusals_keep_their_meaning() {
    let mut told = Vec::new();
    for (status, body) in [
        (404, r#"{"error":"Task not found"}"#),
        (404, r#"{"error":"Not found"}"#),
        (409, r#"{"error":"lease_lost"}"#),
        (400, r#"{"error":"type must not be one that taskgate itself writes"}"#),
        (413, ""),
        (401, r#"{"error":"Unauthorized"}"#),
        (403, r#"{"error":"The API key lacks the scope worker"}"#),
        (429, "{}"),
        (503, "{}"),
        (500, r#"{"error":"Failed to renew lease: database error"}"#),
        (502, "<html>"),
        (302, ""),
        (200, "<html>"),
    ] {
        let script = Script::play(vec![answer(status, body)]).await;
        let error = script.queue().heartbeat(build::sign_of_life(lease())).await.unwrap_err();
        let sentence = match error {
            ReportError::Store(error) => cause(error),
            other => other.to_string(),
        };
        told.push(format!("{status}: {sentence}"));
    }
    assert_snapshot!(told.join("\n"), @"
    404: task not found
    404: there is no worker face at this URL (404)
    409: the lease is lost
    400: report was refused: type must not be one that taskgate itself writes
    413: report was refused: the server answered 413: Payload Too Large
    401: the server accepts no request without a valid key: it is missing, unknown, expired or revoked (401)
    403: the key is not for workers: it lacks the scope (403)
    429: busy
    503: busy
    500: the server answered 500: Failed to renew lease: database error
    502: the server answered 502: Bad Gateway
    302: the URL points elsewhere, and the key is not sent there (302)
    200: this is no answer of a taskgate server: expected value at line 1 column 1
    ");
}

#[tokio::test]
async fn a_claim_is_refused_in_words_for_operators() {
    let mut told = Vec::new();
    for (status, body) in [
        (400, r#"{"error":"lease_seconds must be between 5 and 3600"}"#),
        (404, r#"{"error":"Not found"}"#),
        (503, "{}"),
        (
            200,
            r#"{"tasks":[{"task_id":"x","number":1,"kind":"ocr","attempt":1,
            "lease_expires_at":"2025-03-12T10:01:00Z","project_id":1,"params":{}}]}"#,
        ),
        (
            200,
            r#"{"tasks":[{"task_id":"task_00000000000000000000000001","number":1,"kind":"agent",
            "attempt":1,"lease_expires_at":"2025-03-12T10:01:00Z"}]}"#,
        ),
    ] {
        let script = Script::play(vec![answer(status, body)]).await;
        told.push(cause(script.queue().claim(wish()).await.unwrap_err()));
    }
    assert_snapshot!(told.join("\n"), @"
    the server refused: lease_seconds must be between 5 and 3600
    there is no worker face at this URL (404)
    busy
    this is no answer of a taskgate server: task_id must be task_ and a ULID
    this is no answer of a taskgate server: query is missing
    ");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_key() {
    let script = Script::play(vec![]).await;
    let (url, queue) = (script.url(), script.queue());
    drop(script);
    let told = cause(queue.claim(wish()).await.unwrap_err());
    assert!(told.starts_with(&format!("cannot reach {url}: ")), "{told}");
    assert!(!told.contains("sk_"), "{told}");
    assert!(!format!("{queue:?}").contains("sk_"));
}

#[test]
fn wrong_urls_and_keys_are_refused_without_being_repeated() {
    for url in ["b.example", "ftp://b.example", "http://ann:hunter2@b.example", "http://b?x=1", ""]
    {
        let refusal = HttpQueue::new(url, Some("sk_1")).unwrap_err().to_string();
        assert!(refusal.starts_with("url must be http") && !refusal.contains("hunter2"));
    }
    let refusal = HttpQueue::new("http://b.example", Some("sk_x\n1")).unwrap_err().to_string();
    assert!(refusal.starts_with("key must") && !refusal.contains("sk_x"), "{refusal}");
}

#[tokio::test]
async fn a_server_may_live_below_a_path() {
    let script = Script::play(vec![answer(200, r#"{"tasks":[]}"#)]).await;
    let queue = HttpQueue::new(&format!("{}/tg/", script.url()), Some("sk_1")).unwrap();
    assert_eq!(queue.claim(wish()).await.unwrap(), []);
    assert!(script.requests().starts_with("POST /tg/api/v1/worker/claim"));
}

#[tokio::test]
async fn a_worker_without_a_key_shows_none() {
    let script = Script::play(vec![answer(200, r#"{"tasks":[]}"#), answer(401, "{}")]).await;
    let queue = HttpQueue::new(&script.url(), None).unwrap();
    assert_eq!(queue.claim(wish()).await.unwrap(), []);
    let told = cause(queue.claim(wish()).await.unwrap_err());
    assert_eq!(
        told,
        "the server accepts no request without a valid key: it is missing, unknown, expired or revoked (401)"
    );
    assert!(!script.requests().contains("x-api-key"));
}

#[tokio::test]
async fn a_server_says_at_once_that_it_will_never_serve() {
    let unknown = answer(404, r#"{"error":"Task not found"}"#);
    let answers = [answer(401, "{}"), answer(403, "{}"), answer(404, "{}"), answer(302, "")];
    let others = [unknown, answer(429, "{}"), answer(500, "{}"), answer(200, "<html>")];
    let script = Script::play(answers.into_iter().chain(others).collect()).await;
    let queue = script.queue();
    let mut denials = Vec::new();
    for _ in 0..8 {
        denials.push(queue.denial().await.unwrap_or_else(|| "-".to_owned()));
    }
    assert_snapshot!(denials.join("\n"), @"
    the server accepts no request without a valid key: it is missing, unknown, expired or revoked (401)
    the key is not for workers: it lacks the scope (403)
    there is no worker face at this URL (404)
    the URL points elsewhere, and the key is not sent there (302)
    -
    -
    -
    -
    ");
    let absent = HttpQueue::new("http://127.0.0.1:1", None).unwrap();
    assert_eq!(absent.denial().await, None);
}
