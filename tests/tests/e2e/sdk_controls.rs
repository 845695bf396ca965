//! The Python SDK pauses, resumes and cancels tasks, by its clients and by its
//! command.

use serde_json::json;
use taskgate_tests::{Server, Store, Worker, run_client, run_shannon, run_shannon_each};

taskgate_tests::on_both_stores!(
    the_sdk_controls_a_task,
    the_command_controls_a_task_that_a_worker_holds,
    the_command_reports_what_cannot_be_controlled,
);

const UNKNOWN: &str = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV";

async fn the_sdk_controls_a_task(store: Store) {
    for twin in ["sync", "async"] {
        // One server each: together they would pass the limit of one second.
        let server = Server::dev(&store);
        let run = run_client(&server, "python/sdk_controls.py", &[twin]).await;
        let expected = "\
submitted: QUEUED, paused False '' False, cancelled False '' False, True
pause: True
paused: PAUSED, paused True 'lunch' True, cancelled False '' False, True
pause: ConnectionError [409] HTTP 409: task is already paused
listed as paused: ['TASK_STATUS_PAUSED']
resume: True
resumed: QUEUED, paused False '' False, cancelled False '' False, True
resume: ConnectionError [409] HTTP 409: task is not paused
pause: True
cancel: True
cancelled: CANCELLED, paused False '' False, cancelled True 'enough' True, True
too late: ConnectionError [409] HTTP 409: cannot pause cancelled task
too late: ConnectionError [409] HTTP 409: cannot resume cancelled task
unknown: TaskNotFoundError [404] Task not found
unknown: TaskNotFoundError [404] Task not found
unknown: TaskNotFoundError [404] Task not found
";
        assert_eq!(run.output(), expected);
    }
}

async fn the_command_controls_a_task_that_a_worker_holds(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("capital?").await;
    let task = worker.claim_one("agent").await;
    let call = async |args: &[&str]| {
        let run = run_shannon(&server, args).await;
        assert_eq!(run.stderr, "", "{run:?}");
        (run.code, run.stdout.replace(&id, "ID"))
    };
    let told = async || {
        let beat = worker.heartbeat(&task, json!({})).await.expect(200);
        (beat["pause_requested"].clone(), beat["cancel_requested"].clone())
    };
    let pause = "✓ Pause request sent for task ID (will take effect at next checkpoint)\n";
    assert_eq!(call(&["pause", &id, "--reason", "lunch"]).await, (0, pause.to_owned()));
    assert_eq!(told().await, (json!(true), json!(false)));

    let (code, state) = call(&["control-state", &id]).await;
    let lines: Vec<&str> = state.lines().collect();
    assert_eq!(lines[..3], ["Task: ID", "Paused: True", "Cancelled: False"]);
    assert!(code == 0 && lines[3].starts_with("Paused at: ") && lines[3].ends_with("+00:00"));
    assert_eq!(lines[4], "Pause reason: lunch");
    assert!(lines[5].starts_with("Paused by: ") && lines.len() == 6, "{state}");

    let resume = "✓ Resume request sent for task ID\n";
    assert_eq!(call(&["resume", &id, "--reason", "full"]).await, (0, resume.to_owned()));
    assert_eq!(told().await, (json!(false), json!(false)));
    assert_eq!(gateway.task(&id).await["status"], "TASK_STATUS_RUNNING");

    let cancel = "✓ Task ID cancelled\n";
    assert_eq!(call(&["cancel", &id, "--reason", "enough"]).await, (0, cancel.to_owned()));
    assert_eq!(told().await, (json!(false), json!(true)));
    let (code, state) = call(&["control-state", &id]).await;
    let known = "Task: ID\nPaused: False\nCancelled: True\nCancel reason: enough\nCancelled by: ";
    assert!(code == 0 && state.starts_with(known), "{state}");
}

async fn the_command_reports_what_cannot_be_controlled(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let (ended, queued) = (gateway.ask("first?").await, gateway.ask("second?").await);
    let task = worker.claim_one("agent").await;
    assert_eq!(task.id, ended);
    worker.complete(&task, json!({ "result": "done" })).await.expect(200);
    let commands = [
        &format!("pause {ended}"),
        &format!("resume {ended}"),
        &format!("resume {queued}"),
        &format!("pause {UNKNOWN}"),
        &format!("resume {UNKNOWN}"),
        &format!("control-state {UNKNOWN}"),
    ];
    let expected = "\
pause ENDED: 1 ✗ [409] HTTP 409: cannot pause completed task
resume ENDED: 1 ✗ [409] HTTP 409: cannot resume completed task
resume QUEUED: 1 ✗ [409] HTTP 409: task is not paused
pause UNKNOWN: 1 ✗ [404] Task not found
resume UNKNOWN: 1 ✗ [404] Task not found
control-state UNKNOWN: 1 ✗ [404] Task not found
";
    let printed = run_shannon_each(&server, &commands.map(String::as_str)).await;
    let printed = printed.replace(&ended, "ENDED").replace(&queued, "QUEUED");
    assert_eq!(printed.replace(UNKNOWN, "UNKNOWN"), expected);
}
