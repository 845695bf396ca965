//! Client programs that follow one task the way the documentation shows, and
//! the three requests of the research documentation.

use serde_json::{Value, json};
use taskgate_tests::{Api, ScriptedWorker, Server, Store, eventually, run_client};

taskgate_tests::on_both_stores!(
    curl_shows_a_task_in_every_status,
    a_shell_script_follows_a_task_to_its_end,
    python_reads_a_task_without_looking_twice,
    python_waits_for_the_end,
    python_submits_and_waits,
    python_reads_every_part_of_a_research_report,
    javascript_follows_a_task,
    go_waits_for_a_structured_response,
    curl_lists_shows_and_cancels_research_jobs,
);

const UNKNOWN: &str = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// Submits a query and waits until it has this status.
async fn bring_to(api: &Api, query: &str, status: &str) -> String {
    let id = api.submit(&json!({ "query": query, "session_id": "user-123-session" })).await;
    eventually(status, async || (api.task(&id).await["status"] == status).then_some(())).await;
    id
}

async fn cancelled(api: &Api) -> String {
    let id = bring_to(api, "dawdle", "TASK_STATUS_RUNNING").await;
    api.post(&format!("/api/v1/tasks/{id}/cancel"), &json!({})).await.expect(202);
    id
}

async fn curl_shows_a_task_in_every_status(store: Store) {
    let server = Server::dev(&store);
    let api = server.gateway();
    let queued = api.ask("fail: out of tokens").await;
    let mut shown = vec![run_client(&server, "bash/status.sh", &[&queued]).await];
    let _worker = ScriptedWorker::of(&server);
    let ids = [
        bring_to(&api, "dawdle", "TASK_STATUS_RUNNING").await,
        bring_to(&api, "capital of France?", "TASK_STATUS_COMPLETED").await,
        bring_to(&api, "fail: out of tokens", "TASK_STATUS_FAILED").await,
        cancelled(&api).await,
    ];
    for id in &ids {
        shown.push(run_client(&server, "bash/status.sh", &[id]).await);
    }
    let statuses = ["QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"];
    for (run, status) in shown.iter().zip(statuses) {
        let (head, body) = run.output().split_once("\r\n\r\n").expect("a head");
        let task: Value = serde_json::from_str(body).expect("JSON");
        let id = task["task_id"].as_str().expect("an id");
        assert!(head.to_lowercase().contains(&format!("x-workflow-id: {}", id.to_lowercase())));
        assert_eq!(task["status"], format!("TASK_STATUS_{status}"));
        let error = if status == "FAILED" { "out of tokens" } else { "" };
        if status != "CANCELLED" {
            assert_eq!(task["error"], error, "{task}");
        }
    }
    let run = run_client(&server, "bash/status.sh", &[UNKNOWN]).await;
    assert!(run.output().ends_with(r#"{"error":"Task not found"}"#), "{run:?}");
}

async fn a_shell_script_follows_a_task_to_its_end(store: Store) {
    let server = Server::dev(&store);
    let (api, _worker) = (server.gateway(), ScriptedWorker::of(&server));
    let answered = api.ask("capital  of *?").await;
    let run = run_client(&server, "bash/monitor.sh", &[&answered]).await;
    assert!(run.output().contains("status: TASK_STATUS_COMPLETED\nresult: Paris"), "{run:?}");
    let failed = api.ask("fail: out of tokens").await;
    let run = run_client(&server, "bash/monitor.sh", &[&failed]).await;
    assert!(run.stdout.ends_with("error: out of tokens\n") && run.code == 1, "{run:?}");
    let run = run_client(&server, "bash/monitor.sh", &[&cancelled(&api).await]).await;
    assert!(run.stdout.ends_with("TASK_STATUS_CANCELLED\n") && run.code == 1, "{run:?}");
    let run = run_client(&server, "bash/monitor.sh", &[]).await;
    assert!(run.stdout.starts_with("usage:") && run.code == 2, "{run:?}");
}

async fn python_reads_a_task_without_looking_twice(store: Store) {
    let server = Server::dev(&store);
    let api = server.gateway();
    let queued = api.submit(&json!({ "query": "later", "session_id": "user-123-session" })).await;
    let run = run_client(&server, "python/status.py", &[&queued, UNKNOWN]).await;
    let info = "session user-123-session, has_result False, has_error";
    let expected = format!(
        "{queued}: waits in the queue\n{queued}: QUEUED SIMPLE later...\n\
         {queued}: {info} False\n{queued}: cached True, hits 1\n{UNKNOWN}: no such task\n"
    );
    assert_eq!(run.output(), expected);

    let _worker = ScriptedWorker::of(&server);
    let tasks = [
        (bring_to(&api, "dawdle", "TASK_STATUS_RUNNING").await, "is running", "RUNNING"),
        (
            bring_to(&api, "json: {\"city\": \"Paris\"}", "TASK_STATUS_COMPLETED").await,
            "answers: {\"city\": \"Paris\"}",
            "COMPLETED",
        ),
        (bring_to(&api, "fail: no", "TASK_STATUS_FAILED").await, "failed: no", "FAILED"),
        (cancelled(&api).await, "was cancelled", "CANCELLED"),
    ];
    let ids: Vec<&str> = tasks.iter().map(|(id, ..)| id.as_str()).collect();
    let run = run_client(&server, "python/status.py", &ids).await;
    for (id, told, status) in &tasks {
        assert!(run.output().contains(&format!("{id}: {told}\n{id}: {status} SIMPLE ")), "{run:?}");
    }
    let [_, (completed, ..), (failed, ..), _] = &tasks;
    let session = "session user-123-session";
    for line in [
        format!("{completed}: {session}, has_result True, has_error False"),
        format!("{failed}: {session}, has_result False, has_error True"),
    ] {
        assert!(run.output().contains(&line), "{line} is not in {run:?}");
    }

    let ids: Vec<&str> = ids.into_iter().chain([UNKNOWN]).collect();
    let run = run_client(&server, "python/batch.py", &ids).await;
    for (id, _, status) in &tasks {
        assert!(run.output().contains(&format!("{id}: TASK_STATUS_{status}\n")), "{run:?}");
    }
    assert!(run.output().ends_with(&format!("{UNKNOWN}: ERROR: 'status'\n")), "{run:?}");
}

async fn python_waits_for_the_end(store: Store) {
    let server = Server::dev(&store);
    let (api, _worker) = (server.gateway(), ScriptedWorker::of(&server));
    let timed_out = bring_to(&api, "dawdle", "TASK_STATUS_RUNNING").await;
    store.pass_deadlines();
    let (answered, failed) = (api.ask("capital?").await, api.ask("fail: no").await);
    let cancelled = cancelled(&api).await;
    for (id, way, expected) in [
        (&answered, "steady", "result: Paris, most likely. You asked: capital?\n"),
        (
            &answered,
            "backoff",
            "result: TASK_STATUS_COMPLETED Paris, most likely. You asked: capital?\n",
        ),
        (&failed, "steady", "error: failed: no\n"),
        (&failed, "backoff", "result: TASK_STATUS_FAILED no\n"),
        (&cancelled, "steady", "error: cancelled\n"),
        (&timed_out, "steady", "error: timed out\n"),
    ] {
        let run = run_client(&server, "python/wait.py", &[id, way]).await;
        assert_eq!(run.output(), expected);
    }
}

async fn python_submits_and_waits(store: Store) {
    let server = Server::dev(&store);
    let _worker = ScriptedWorker::of(&server);
    let run = run_client(&server, "python/submit_and_wait.py", &["Pythonとは何ですか?"]).await;
    let (first, second) = run.output().split_once('\n').expect("two lines");
    assert!(first.starts_with("submitted task_"), "{run:?}");
    assert_eq!(second, "answer: Paris, most likely. You asked: Pythonとは何ですか?\n");
    let run = run_client(&server, "python/submit_and_wait.py", &["fail: no"]).await;
    assert!(run.output().ends_with("error: no\n"), "{run:?}");
}

async fn python_reads_every_part_of_a_research_report(store: Store) {
    let server = Server::dev(&store);
    let _worker = ScriptedWorker::of(&server);
    let run = run_client(&server, "python/deep_research.py", &[]).await;
    let lines: Vec<&str> = run.output().lines().collect();
    assert_eq!(
        lines[..8],
        [
            "[1] Panel prices <https://example.org/prices?y=2026&q=%C3%A4> by Example Review, 0.92/0.88, cited True",
            "[2] Grid demand <https://example.net/demand> by Example Grid, 0.95/0.91, cited True",
            "verified 10 of 12 at 0.87",
            "claim 'prices halved' by [1, 2]",
            "fact 'prices fell by 51 %' market True",
            "facts 24",
            "unified completed True",
            "model scripted-deep of scripts",
        ]
    );
    let usage: Value = serde_json::from_str(lines[8].trim_start_matches("usage ")).expect("JSON");
    assert_eq!(usage["total_tokens"], 1542);
    assert_eq!(usage["estimated_cost"], 0.0462);
}

async fn javascript_follows_a_task(store: Store) {
    let server = Server::dev(&store);
    let (api, _worker) = (server.gateway(), ScriptedWorker::of(&server));
    let timed_out = bring_to(&api, "dawdle", "TASK_STATUS_RUNNING").await;
    store.pass_deadlines();
    let (answered, failed) = (api.ask("capital?").await, api.ask("fail: no").await);
    for (id, expected) in [
        (&answered, "result: Paris, most likely. You asked: capital?\n"),
        (&failed, "error: failed: no\n"),
        (&timed_out, "error: timed out\n"),
    ] {
        assert_eq!(run_client(&server, "javascript/wait.js", &[id]).await.output(), expected);
    }
    let ids = [answered.as_str(), failed.as_str(), UNKNOWN];
    let run = run_client(&server, "javascript/status.js", &ids).await;
    let expected = "status: TASK_STATUS_COMPLETED\nresult: Paris, most likely. You asked: capital?\n\
                    status: TASK_STATUS_FAILED\nerror: no\nno such task\n";
    assert_eq!(run.output(), expected);
}

async fn go_waits_for_a_structured_response(store: Store) {
    let server = Server::dev(&store);
    let (api, _worker) = (server.gateway(), ScriptedWorker::of(&server));
    let structured = api.ask("json: {\"city\": \"Paris\"}").await;
    let (plain, failed) = (api.ask("capital?").await, api.ask("fail: no").await);
    let ids = [structured.as_str(), &plain, &failed, UNKNOWN];
    let run = run_client(&server, "go/wait.go", &ids).await;
    let rest = "model: scripted-1 of scripts\ntotal tokens: 150\nsame id: true\n";
    let expected = format!(
        "response: map[city:Paris]\nresult: {{\"city\": \"Paris\"}}\n{rest}\
         response: map[]\nresult: Paris, most likely. You asked: capital?\n{rest}\
         error: failed: no\nerror: no such task\n"
    );
    assert_eq!(run.output(), expected);
}

async fn curl_lists_shows_and_cancels_research_jobs(store: Store) {
    let server = Server::dev(&store);
    let (api, _worker) = (server.research(), ScriptedWorker::of(&server));
    let job = |params: Value| json!({ "project_id": 1, "task_type": "search", "params": params });
    let params = json!({ "query": "machine learning", "sources": ["semantic_scholar"] });
    let done = api.submit_job(&job(params.clone())).await;
    let slow = api.submit_job(&job(json!({ "end": "dawdle" }))).await;
    eventually("one job to end and one to be under way", async || {
        let (done, slow) = (api.job(done).await, api.job(slow).await);
        (done["status"] == "completed" && slow["progress"] == 30).then_some(())
    })
    .await;
    let ids = [done.to_string(), slow.to_string()];
    let run = run_client(&server, "bash/research.sh", &[&ids[0], &ids[1]]).await;
    let answers: Vec<Value> =
        run.output().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let running = &answers[0]["data"];
    assert_eq!(running.as_array().map(Vec::len), Some(1));
    assert_eq!((&running[0]["id"], &running[0]["status"]), (&json!(slow), &json!("running")));
    assert_eq!((&running[0]["progress"], &running[0]["total"]), (&json!(30), &json!(100)));
    let shown = &answers[1]["data"];
    assert_eq!(shown["result"], json!({ "papers_found": 15, "imported": 10 }));
    assert_eq!(shown["params"], params);
    assert_eq!((&shown["progress"], &shown["error_message"]), (&json!(100), &json!("")));
    assert_eq!(answers[2], json!({ "code": 200, "message": "Task cancelled", "data": null }));
    assert_eq!(api.job(slow).await["status"], "cancelled");
}
