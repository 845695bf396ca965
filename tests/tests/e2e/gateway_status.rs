//! A task's life as the gateway's status call tells it.

use serde_json::{Value, json};
use taskgate_tests::{Api, Server, Store, Worker, eventually};

taskgate_tests::on_both_stores!(
    a_queued_task_has_every_member_and_no_result,
    a_task_runs_and_completes,
    a_json_answer_is_also_shown_parsed,
    a_failed_task_tells_why,
    a_task_past_its_deadline_is_timed_out,
    a_deep_research_report_comes_back_whole,
    a_finished_task_never_changes,
);

async fn a_queued_task_has_every_member_and_no_result(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let id = gateway.submit(&json!({ "query": "What is Rust?", "session_id": "u-1" })).await;
    let answer = gateway.get(&format!("/api/v1/tasks/{id}")).await;
    let task = answer.expect(200);
    assert_eq!(answer.header("X-Workflow-ID"), id);
    assert_eq!(task["task_id"], id.as_str());
    assert_eq!(task["workflow_id"], id.as_str());
    assert_eq!(task["status"], "TASK_STATUS_QUEUED");
    assert_eq!(task["query"], "What is Rust?");
    assert_eq!(task["session_id"], "u-1");
    assert_eq!(task["mode"], "EXECUTION_MODE_SIMPLE");
    assert_eq!(task["error"], "");
    assert_eq!(task.get("response"), Some(&Value::Null));
    assert_eq!(task["created_at"], task["updated_at"]);
}

async fn a_task_runs_and_completes(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("What is the capital of France?").await;
    let claimed = worker.claim_one("agent").await;
    let running = gateway.task(&id).await;
    assert_eq!(running["status"], "TASK_STATUS_RUNNING");
    assert!(running["updated_at"].as_str() > running["created_at"].as_str(), "{running}");

    let outcome = json!({
        "result": "Paris.", "model_used": "test-model", "provider": "tests",
        "usage": {
            "prompt_tokens": 200, "completion_tokens": 100, "total_tokens": 310,
            "cost_usd": 0.006,
            "models": [{
                "model": "test-model", "provider": "tests", "executions": 2,
                "prompt_tokens": 200, "completion_tokens": 100, "cost_usd": 0.006,
            }],
        },
    });
    worker.complete(&claimed, outcome).await.expect(200);
    let task = gateway.task(&id).await;
    assert_eq!(task["status"], "TASK_STATUS_COMPLETED");
    assert_eq!(task["result"], "Paris.");
    assert_eq!(task.get("response"), Some(&Value::Null));
    assert_eq!(task["error"], "");
    assert_eq!(task["model_used"], "test-model");
    assert_eq!(task["provider"], "tests");
    let usage = &task["usage"];
    assert_eq!(usage["total_tokens"], 310);
    assert_eq!(usage["input_tokens"], 200);
    assert_eq!(usage["output_tokens"], 100);
    assert_eq!(usage["estimated_cost"], 0.006);
    assert!(task["updated_at"].as_str() > running["updated_at"].as_str(), "{task}");
}

async fn a_json_answer_is_also_shown_parsed(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    // `response` is there for JSON objects alone: typed clients decode a map.
    for (result, response) in [
        (r#"{"city": "Paris", "rank": 1.0}"#, json!({ "city": "Paris", "rank": 1.0 })),
        ("{not json", Value::Null),
        ("[1, 2]", Value::Null),
        ("\"text\"", Value::Null),
        ("42", Value::Null),
        ("", Value::Null),
    ] {
        let id = gateway.ask("json").await;
        let claimed = worker.claim_one("agent").await;
        worker.complete(&claimed, json!({ "result": result })).await.expect(200);
        let task = gateway.task(&id).await;
        assert_eq!(task["result"], result);
        assert_eq!(task.get("response"), Some(&response), "{result}");
    }
}

async fn a_failed_task_tells_why(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("fail").await;
    let claimed = worker.claim_one("agent").await;
    let answer = worker.fail(&claimed, "the model did not answer: timeout", false).await;
    assert_eq!(answer.expect(200)["status"], "failed");
    let task = gateway.task(&id).await;
    assert_eq!(task["status"], "TASK_STATUS_FAILED");
    assert_eq!(task["error"], "the model did not answer: timeout");
    assert_eq!(task["error_message"], task["error"]);
    assert_eq!(task.get("response"), Some(&Value::Null));
}

async fn a_task_past_its_deadline_is_timed_out(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let id = gateway.ask("slow").await;
    store.pass_deadlines();
    let task = ended(&gateway, &id).await;
    assert_eq!(task["status"], "TASK_STATUS_TIMEOUT");
    assert_ne!(task["error"], "");
    let listed = gateway.get("/api/v1/tasks?status=TIMEOUT").await.expect(200);
    assert_eq!(listed["total_count"], 1);
    assert_eq!(listed["tasks"][0]["task_id"], id.as_str());
}

async fn a_deep_research_report_comes_back_whole(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let body = json!({
        "query": "trends", "context": { "force_research": true, "enable_verification": true },
    });
    let id = gateway.submit(&body).await;
    let claimed = worker.claim_one("agent").await;
    let metadata = json!({
        "unified_response": {
            "task_id": id, "session_id": "s", "status": "completed", "result": "…",
            "metadata": { "model": "m", "execution_mode": "EXECUTION_MODE_COMPLEX",
                          "complexity_score": 0.72, "agents_used": 3 },
            "usage": { "input_tokens": 12100, "output_tokens": 3320, "total_tokens": 15420,
                       "cost_usd": 0.0462 },
            "performance": { "execution_time_ms": 45200 },
            "stop_reason": "completed", "error": null, "timestamp": "2025-01-20T10:00:00Z",
        },
        "citations": [{ "title": "T", "url": "https://example.org/a?b=c&d=%20", "source": "S",
                        "credibility_score": 0.92, "quality_score": 0.88 }],
        "verification": {
            "overall_confidence": 0.87, "total_claims": 12, "supported_claims": 10,
            "unsupported_claims": ["予測"], "conflicts": [],
            "claim_details": [{ "claim": "c", "supporting_citations": [1, 2],
                                "conflicting_citations": [], "confidence": 0.92 }],
        },
        "extracted_facts": [{ "statement": "s", "confidence": 0.92, "source_citation": [1, 3],
                              "category": "performance", "entity_mentions": ["x"],
                              "temporal_marker": "2025", "is_quantitative": true }],
        "fact_summary": { "total_facts": 24, "high_confidence": 18,
                          "categorized_facts": { "performance": 8, "market": 6 },
                          "contradiction_count": 1 },
    });
    let outcome = json!({ "result": "# Report [1]", "metadata": metadata });
    worker.complete(&claimed, outcome).await.expect(200);
    let task = gateway.task(&id).await;
    for (name, part) in metadata.as_object().expect("an object") {
        assert_eq!(&task["metadata"][name], part, "{name}");
    }
    assert_eq!(task["unified_response"], metadata["unified_response"]);

    let simple = gateway.ask("simple").await;
    let claimed = worker.claim_one("agent").await;
    worker.complete(&claimed, json!({ "result": "yes" })).await.expect(200);
    let simple = gateway.task(&simple).await;
    for absent in ["citations", "verification", "extracted_facts", "fact_summary"] {
        assert!(simple["metadata"].get(absent).is_none(), "{simple}");
    }
}

async fn a_finished_task_never_changes(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("once").await;
    let claimed = worker.claim_one("agent").await;
    worker.complete(&claimed, json!({ "result": "first" })).await.expect(200);
    let path = format!("/api/v1/tasks/{id}");
    let before = gateway.get(&path).await;
    worker.fail(&claimed, "second", false).await;
    worker.heartbeat(&claimed, json!({ "progress": 7 })).await.expect(409);
    gateway.post(&format!("{path}/cancel"), &json!({})).await.expect(202);
    assert_eq!(gateway.get(&path).await.bytes(), before.bytes());
    server.kill();
    let server = Server::dev(&store);
    assert_eq!(server.gateway().get(&path).await.bytes(), before.bytes());
}

/// Waits until the task has ended.
async fn ended(gateway: &Api, id: &str) -> Value {
    eventually("the end of the task", async || {
        let task = gateway.task(id).await;
        let live = ["TASK_STATUS_QUEUED", "TASK_STATUS_RUNNING"];
        (!live.contains(&task["status"].as_str().expect("a status"))).then_some(task)
    })
    .await
}
