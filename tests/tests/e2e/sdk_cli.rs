//! The Python SDK's own command, `shannon`, over tasks.

use serde_json::json;
use taskgate_tests::{
    CommandRun, ScriptedWorker, Server, Store, Worker, run_shannon, run_shannon_each,
};

taskgate_tests::on_both_stores!(
    the_command_submits_with_every_flag,
    the_command_waits_for_the_end,
    the_command_shows_and_cancels_a_task,
    the_command_reports_refusals,
);

const UNKNOWN: &str = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// What the command printed, with the task's id as `ID`, and its exit code.
#[track_caller]
fn told(run: &CommandRun, id: &str) -> (i32, String) {
    assert_eq!(run.stderr, "", "{run:?}");
    (run.code, run.stdout.replace(id, "ID"))
}

async fn the_command_submits_with_every_flag(store: Store) {
    let server = Server::dev(&store);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let args = [
        &["submit", "Which rivers cross Tokyo?", "--session-id", "trip-7", "--mode", "complex"][..],
        &["--idempotency-key", "once", "--traceparent", trace, "--model-tier", "large"],
        &["--model-override", "scripted-1", "--provider-override", "qwen", "--force-research"],
        &["--research-strategy", "deep", "--max-iterations", "7", "--max-concurrent-agents", "3"],
        &["--enable-verification", "--disable-citations", "--swarm"],
    ]
    .concat();
    let run = run_shannon(&server, &args).await;
    let claimed = Worker::of(&server).claim_one("agent").await;
    let printed = "Task submitted:\n  Task ID: ID\n  Workflow ID: ID\n";
    assert_eq!(told(&run, &claimed.id), (0, printed.to_owned()));
    let context = json!({
        "enable_citations": false, "enable_verification": true, "force_research": true,
        "force_swarm": true, "max_concurrent_agents": 3, "max_iterations": 7,
        "model_override": "scripted-1", "model_tier": "large", "provider_override": "qwen",
        "research_strategy": "deep",
    });
    for (member, value) in [
        ("query", json!("Which rivers cross Tokyo?")),
        ("session_id", json!("trip-7")),
        ("mode", json!("complex")),
        ("context", context),
    ] {
        assert_eq!(claimed.body[member], value, "{member}");
    }
    let again = run_shannon(&server, &args).await;
    assert_eq!(told(&again, &claimed.id), (0, printed.to_owned()));
    assert!(Worker::of(&server).claim(&["agent"], 1, 0).await.is_empty());
}

async fn the_command_waits_for_the_end(store: Store) {
    let server = Server::dev(&store);
    let _worker = ScriptedWorker::of(&server);
    for (query, code, end) in [
        ("capital?", 0, "\n✓ Result: Paris, most likely. You asked: capital?\n"),
        ("fail: out of tokens", 1, "\n✗ FAILED: out of tokens\n"),
    ] {
        let run = run_shannon(&server, &["submit", query, "--wait"]).await;
        let id = run.stdout.lines().find_map(|line| line.strip_prefix("  Task ID: "));
        let expected = format!(
            "Task submitted:\n  Task ID: ID\n  Workflow ID: ID\n\nWaiting for completion...\n{end}"
        );
        assert_eq!(told(&run, id.expect("an id")), (code, expected));
    }
}

async fn the_command_shows_and_cancels_a_task(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("capital?").await;
    let show = async || told(&run_shannon(&server, &["status", &id]).await, &id);
    assert_eq!(show().await, (0, "Task: ID\nStatus: QUEUED\nProgress: 0.0%\n".to_owned()));
    let claimed = worker.claim_one("agent").await;
    worker.heartbeat(&claimed, json!({ "progress": 1, "total": 4 })).await.expect(200);
    assert_eq!(show().await, (0, "Task: ID\nStatus: RUNNING\nProgress: 25.0%\n".to_owned()));

    let cancel =
        async || told(&run_shannon(&server, &["cancel", &id, "--reason", "enough"]).await, &id);
    assert_eq!(cancel().await, (0, "✓ Task ID cancelled\n".to_owned()));
    assert_eq!(cancel().await, (1, "✗ Failed to cancel task ID\n".to_owned()));
    let shown = "Task: ID\nStatus: CANCELLED\nProgress: 25.0%\n";
    assert_eq!(show().await, (0, shown.to_owned()));
}

async fn the_command_reports_refusals(store: Store) {
    let server = Server::dev(&store);
    let commands = [
        &format!("status {UNKNOWN}"),
        &format!("cancel {UNKNOWN}"),
        "status 'no id'",
        "submit ' '",
        "submit ? --session-id 'a b'",
        "--api-key sk_test_654321 submit ?",
        "--bearer-token nobody submit ?",
    ];
    let expected = "\
status UNKNOWN: 1 ✗ [404] Task not found
cancel UNKNOWN: 1 ✗ [404] Task not found
status 'no id': 1 ✗ [400] Invalid task ID
submit ' ': 1 ✗ [400] Query is required
submit ? --session-id 'a b': 1 ✗ [400] Invalid session_id format
--api-key sk_test_654321 submit ?: 1 ✗ [401] Unauthorized
--bearer-token nobody submit ?: 1 ✗ [401] Unauthorized
";
    let printed = run_shannon_each(&server, &commands).await;
    assert_eq!(printed.replace(UNKNOWN, "UNKNOWN"), expected);
    let run = run_shannon(&server, &[]).await;
    assert!(run.code == 1 && run.stdout.starts_with("usage: shannon"), "{run:?}");
}
