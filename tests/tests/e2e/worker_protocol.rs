//! The protocol between server and workers.

use serde_json::{Value, json};
use std::time::Duration;
use taskgate_tests::{Server, Store, Worker, eventually_within};
use tokio::task::JoinSet;

taskgate_tests::on_both_stores!(
    a_long_poll_is_answered_when_a_task_comes,
    a_long_poll_ends_empty_in_time,
    each_task_is_given_to_one_worker,
    a_claim_takes_only_its_kinds,
    a_heartbeat_stores_progress,
    events_are_numbered_without_gaps,
    a_lost_lease_runs_the_task_again,
    attempts_that_are_used_up_fail_the_task,
    a_retry_returns_the_task_to_the_queue,
    what_all_attempts_consumed_is_told_together,
    the_same_report_counts_once,
    a_batch_of_reports_is_judged_one_by_one,
    a_report_on_an_unknown_task_is_refused,
    a_research_result_must_be_an_object,
    odd_text_in_a_result_does_not_lose_it,
);

async fn a_long_poll_is_answered_when_a_task_comes(store: Store) {
    let server = Server::dev(&store);
    let worker = Worker::of(&server);
    let poll = tokio::spawn({
        let worker = worker.clone();
        async move { worker.claim(&["agent"], 1, 30).await }
    });
    // A poll that began later has waited its second by now.
    assert!(worker.claim(&["ocr"], 1, 1).await.is_empty());
    assert!(!poll.is_finished());
    let start = std::time::Instant::now();
    let id = server.gateway().ask("wake up").await;
    let claimed = poll.await.expect("an answer");
    assert_eq!(claimed[0].id, id);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

async fn a_long_poll_ends_empty_in_time(store: Store) {
    let server = Server::dev(&store);
    let start = std::time::Instant::now();
    assert!(Worker::of(&server).claim(&["agent"], 1, 1).await.is_empty());
    let waited = start.elapsed();
    assert!((1..5).contains(&waited.as_secs()), "{waited:?}");
}

async fn each_task_is_given_to_one_worker(store: Store) {
    let server = Server::dev(&store);
    let research = server.research();
    for _ in 0..60 {
        research.submit_job(&json!({ "project_id": 1, "task_type": "index" })).await;
    }
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let worker = Worker::of(&server);
        calls.spawn(async move {
            let mut ids = Vec::new();
            loop {
                let claimed = worker.claim(&["index"], 3, 0).await;
                if claimed.is_empty() {
                    return ids;
                }
                assert!(claimed.len() <= 3);
                ids.extend(claimed.into_iter().map(|task| task.id));
            }
        });
    }
    let mut ids: Vec<String> = calls.join_all().await.into_iter().flatten().collect();
    assert_eq!(ids.len(), 60);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 60);
}

async fn a_claim_takes_only_its_kinds(store: Store) {
    let server = Server::dev(&store);
    let worker = Worker::of(&server);
    server.gateway().ask("for agents").await;
    let body = json!({ "project_id": 7, "task_type": "keyword_expand", "params": { "n": 1.50 } });
    let number = server.research().submit_job(&body).await;
    assert!(worker.claim(&["search", "dedup"], 10, 0).await.is_empty());
    let claimed = worker.claim(&["keyword_expand", "ocr"], 10, 0).await;
    assert_eq!(claimed.len(), 1);
    let body = &claimed[0].body;
    assert_eq!(body["kind"], "keyword_expand");
    assert_eq!(body["number"], number);
    assert_eq!(body["project_id"], 7);
    assert_eq!(body["params"], json!({ "n": 1.50 }));
    assert_eq!(worker.claim(&["agent"], 10, 0).await.len(), 1);
}

async fn a_heartbeat_stores_progress(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server));
    let body = json!({ "project_id": 1, "task_type": "search", "total": 80 });
    let id = research.submit_job(&body).await;
    assert_eq!(research.job(id).await["total"], 80);
    let claimed = worker.claim_one("search").await;
    let beat = json!({ "progress": 30, "total": 100, "message": "page 3" });
    let reply = worker.heartbeat(&claimed, beat).await.expect(200);
    assert_eq!(reply["cancel_requested"], false);
    assert_eq!(reply["pause_requested"], false);
    assert!(reply["lease_expires_at"].as_str() >= claimed.body["lease_expires_at"].as_str());
    worker.heartbeat(&claimed, json!({})).await.expect(200);
    let job = research.job(id).await;
    assert_eq!((&job["progress"], &job["total"]), (&json!(30), &json!(100)));
    assert_eq!(job["status"], "running");
}

async fn events_are_numbered_without_gaps(store: Store) {
    let server = Server::dev(&store);
    let worker = Worker::of(&server);
    server.gateway().ask("tell me").await;
    let claimed = worker.claim_one("agent").await;
    let event = |text: &str| json!({ "type": "AGENT_THINKING", "agent_id": "a", "message": text });
    let first = worker.record(&claimed, json!([event("1"), event("2")])).await.expect(200);
    let second = worker.record(&claimed, json!([event("3")])).await.expect(200);
    let (first, second) = (first["last_seq"].as_i64(), second["last_seq"].as_i64());
    // Two events of the service itself come before: accepted, and taken.
    assert_eq!((first, second), (Some(4), Some(5)));
    let empty = worker.record(&claimed, json!([])).await.status;
    let bad = worker.record(&claimed, json!([event("4"), { "type": "no spaces" }])).await.status;
    let after = worker.record(&claimed, json!([event("5")])).await.expect(200);
    assert_eq!(bad, 400);
    assert!(empty == 400 || empty == 200);
    assert_eq!(after["last_seq"], 6);
}

async fn a_lost_lease_runs_the_task_again(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server).with_short_lease());
    let id = gateway.ask("try again").await;
    let crashed = worker.claim_one("agent").await;
    let second = worker.claim_one("agent").await;
    assert_eq!((crashed.id.as_str(), crashed.attempt), (id.as_str(), 1));
    assert_eq!((second.id.as_str(), second.attempt), (id.as_str(), 2));
    let lost = json!({ "error": "lease_lost" });
    let late = json!({ "result": "late" });
    assert_eq!(worker.complete(&crashed, late).await.expect(409), lost);
    assert_eq!(worker.fail(&crashed, "late", true).await.expect(409), lost);
    assert_eq!(worker.heartbeat(&crashed, json!({})).await.expect(409), lost);
    let events = json!([{ "type": "PROGRESS" }]);
    assert_eq!(worker.record(&crashed, events).await.expect(409), lost);
    assert_eq!(gateway.task(&id).await["status"], "TASK_STATUS_RUNNING");
    worker.complete(&second, json!({ "result": "in time" })).await.expect(200);
    assert_eq!(gateway.task(&id).await["result"], "in time");
}

async fn attempts_that_are_used_up_fail_the_task(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server).with_short_lease());
    let body = json!({ "project_id": 1, "task_type": "ocr", "max_attempts": 1 });
    let id = research.submit_job(&body).await;
    worker.claim_one("ocr").await;
    let job = eventually_within(Duration::from_secs(20), "the task's failure", async || {
        let job = research.job(id).await;
        (job["status"] == "failed").then_some(job)
    })
    .await;
    assert_ne!(job["error_message"], "");
    assert!(worker.claim(&["ocr"], 1, 0).await.is_empty());
}

async fn a_retry_returns_the_task_to_the_queue(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server));
    let body = json!({ "project_id": 1, "task_type": "crawl", "max_attempts": 2 });
    let id = research.submit_job(&body).await;
    let claimed = worker.claim_one("crawl").await;
    assert_eq!(worker.fail(&claimed, "flaky", true).await.expect(200)["status"], "queued");
    assert_eq!(research.job(id).await["status"], "pending");
    let claimed = worker.claim_one("crawl").await;
    assert_eq!(claimed.attempt, 2);
    assert_eq!(worker.fail(&claimed, "gave up", true).await.expect(200)["status"], "failed");
    let job = research.job(id).await;
    assert_eq!((&job["status"], &job["error_message"]), (&json!("failed"), &json!("gave up")));
}

async fn what_all_attempts_consumed_is_told_together(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("twice").await;
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 2, "cost_usd": 0.1, "models": [
        { "model": "m", "provider": "p", "executions": 1, "prompt_tokens": 1,
          "completion_tokens": 2, "cost_usd": 0.1 }] });
    let claimed = worker.claim_one("agent").await;
    assert_eq!(claimed.body.get("usage"), None);
    let released = worker.release(&claimed, usage.clone()).await.expect(200);
    assert_eq!(released["status"], "queued");
    let again = worker.claim_one("agent").await;
    assert_eq!((again.attempt, &again.body["usage"]["total_tokens"]), (2, &json!(3)));
    let outcome = json!({ "result": "answer", "usage": usage });
    worker.complete(&again, outcome).await.expect(200);
    let task = gateway.task(&id).await;
    assert_eq!(
        task["usage"],
        json!({ "total_tokens": 6, "input_tokens": 2, "output_tokens": 4,
                "estimated_cost": 0.2, "cost_usd": 0.2 })
    );
    let share = json!({ "model": "m", "provider": "p", "executions": 2, "tokens": 6,
                        "cost_usd": 0.2, "percentage": 100 });
    assert_eq!(task["metadata"]["model_breakdown"], json!([share]));
}

async fn the_same_report_counts_once(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("once").await;
    let claimed = worker.claim_one("agent").await;
    let outcome = json!({ "result": "answer", "usage": { "prompt_tokens": 1,
                          "completion_tokens": 2, "cost_usd": 0.5 } });
    let first = worker.complete(&claimed, outcome.clone()).await;
    let before = gateway.task(&id).await;
    let again = worker.complete(&claimed, outcome).await;
    assert_eq!(first.expect(200), again.expect(200));
    assert_eq!(gateway.task(&id).await, before);

    let id = gateway.ask("fail once").await;
    let claimed = worker.claim_one("agent").await;
    for _ in 0..2 {
        assert_eq!(worker.fail(&claimed, "no", false).await.expect(200)["status"], "failed");
    }
    assert_eq!(gateway.task(&id).await["error"], "no");
}

async fn a_batch_of_reports_is_judged_one_by_one(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    for number in 0..3 {
        gateway.ask(&format!("{number}")).await;
    }
    let claimed = worker.claim(&["agent"], 3, 0).await;
    let unknown = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let complete = json!({ "result": "yes" });
    let answer = worker
        .finish(json!([
            { "task_id": claimed[0].id, "attempt": 1, "complete": complete },
            { "task_id": claimed[1].id, "attempt": 1, "fail": { "error": "no", "retry": false } },
            { "task_id": claimed[2].id, "attempt": 2, "complete": complete },
            { "task_id": unknown, "attempt": 1, "complete": complete },
        ]))
        .await
        .expect(200);
    let items = answer["items"].as_array().expect("a list").clone();
    let accepted: Vec<&Value> = items.iter().map(|item| &item["accepted"]).collect();
    assert_eq!(accepted, [true, true, false, false]);
    assert_eq!(items[2]["error"], "lease_lost");
    assert_eq!(items[3]["task_id"], unknown);
    assert!(items[3]["error"].is_string(), "{answer}");
    let statuses = [
        gateway.task(&claimed[0].id).await["status"].clone(),
        gateway.task(&claimed[1].id).await["status"].clone(),
        gateway.task(&claimed[2].id).await["status"].clone(),
    ];
    assert_eq!(statuses, ["TASK_STATUS_COMPLETED", "TASK_STATUS_FAILED", "TASK_STATUS_RUNNING"]);
}

async fn a_report_on_an_unknown_task_is_refused(store: Store) {
    let server = Server::dev(&store);
    let worker = Worker::of(&server);
    server.gateway().ask("known").await;
    let mut claimed = worker.claim_one("agent").await;
    claimed.id = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned();
    for answer in [
        worker.heartbeat(&claimed, json!({})).await,
        worker.record(&claimed, json!([{ "type": "PROGRESS" }])).await,
        worker.complete(&claimed, json!({ "result": "whose?" })).await,
        worker.fail(&claimed, "whose?", true).await,
    ] {
        assert_eq!(answer.bytes(), (404, r#"{"error":"Task not found"}"#));
    }
}

async fn a_research_result_must_be_an_object(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server));
    let id = research.submit_job(&json!({ "project_id": 1, "task_type": "dedup" })).await;
    let claimed = worker.claim_one("dedup").await;
    for result in [json!("text"), json!([1]), json!(1)] {
        worker.complete(&claimed, json!({ "result": result })).await.expect(400);
    }
    assert_eq!(research.job(id).await["status"], "running");
    worker.complete(&claimed, json!({ "result": { "removed": 3 } })).await.expect(200);
    assert_eq!(research.job(id).await["result"], json!({ "removed": 3 }));
}

async fn odd_text_in_a_result_does_not_lose_it(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("odd").await;
    let claimed = worker.claim_one("agent").await;
    let outcome =
        json!({ "result": "a\u{0}b\u{1}\u{7f}😀\u{202e}", "metadata": { "n": "x\u{0}y" } });
    worker.complete(&claimed, outcome).await.expect(200);
    let task = gateway.task(&id).await;
    assert_eq!(task["result"], "a\u{fffd}b\u{1}\u{7f}😀\u{202e}");
    assert_eq!(task["status"], "TASK_STATUS_COMPLETED");
}
