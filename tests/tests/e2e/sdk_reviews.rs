//! The Python SDK reviews plans, by its clients and by its command.

use serde_json::json;
use taskgate_tests::{Server, Store, Worker, run_client, run_shannon};

taskgate_tests::on_both_stores!(
    the_sdk_reviews_a_plan,
    the_command_reviews_a_plan,
    feedback_waits_for_a_plan_from_another_process,
);

async fn the_sdk_reviews_a_plan(store: Store) {
    for twin in ["sync", "async"] {
        // One server each: together they would pass the limit of one second.
        let server = Server::dev(&store);
        let run = run_client(&server, "python/sdk_reviews.py", &[twin]).await;
        let expected = "\
no plan yet: TaskNotFoundError [404] Review session not found or expired
planned: reviewing 1 1 'look'
  ['assistant: look'] True 'capital?'
status: PAUSED
again: reviewing 2 2 'look, but shorter'
  ['assistant: look', 'user: shorter', 'assistant: look, but shorter'] True 'capital?'
stale: ValidationError [409] the plan has been updated; read the review again
stale: ValidationError [409] the plan has been updated; read the review again
empty: ValidationError [400] message is required for feedback
approve: {'status': 'approved', 'message': 'Research started'}
approve: {'status': 'approved', 'message': 'Research started'}
too late: ValidationError [409] the plan is already approved
approved: approved 2 2 'look, but shorter'
  ['assistant: look', 'user: shorter', 'assistant: look, but shorter'] True 'capital?'
result: True
unknown: TaskNotFoundError [404] Review session not found or expired
unknown: TaskNotFoundError [404] Review session not found or expired
";
        assert_eq!(run.output(), expected);
    }
}

async fn the_command_reviews_a_plan(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("capital?").await;
    let task = worker.claim_one("agent").await;
    worker.propose(&task, json!({ "plan": "look" })).await.expect(200);
    let call = async |args: &[&str]| {
        let run = run_shannon(&server, args).await;
        assert_eq!(run.stderr, "", "{run:?}");
        (run.code, run.stdout)
    };
    let (code, shown) = call(&["review-get", &id]).await;
    let known = "Status: reviewing\nRound: 1\nVersion: 1\nCurrent plan: look\nQuery: capital?\n";
    assert!(code == 0 && shown.starts_with(known) && shown.ends_with(": look\n"), "{shown}");

    let plan_again = async {
        let task = worker.claim_one("agent").await;
        worker.propose(&task, json!({ "plan": "see" })).await.expect(200);
    };
    let args = ["review-feedback", &id, "shorter", "--version", "1"];
    let ((code, told), ()) = tokio::join!(call(&args), plan_again);
    let known = "✓ Feedback submitted\n  Status: reviewing\n  Round: 2\n  Version: 2\n  Current plan: see\n";
    assert_eq!((code, told.as_str()), (0, known));

    let stale = call(&["review-approve", &id, "--version", "1"]).await;
    assert_eq!(stale.0, 1, "{stale:?}");
    let known = "✓ Review approved\n  Status: approved\n  Message: Research started\n";
    assert_eq!(call(&["review-approve", &id, "--version", "2"]).await, (0, known.to_owned()));
}

/// What one server is told, another one's worker does.
async fn feedback_waits_for_a_plan_from_another_process(store: Store) {
    let (here, there) = (Server::dev(&store), Server::dev(&store));
    let (gateway, worker) = (here.gateway(), Worker::of(&there));
    let id = gateway.ask("capital?").await;
    let task = worker.claim_one("agent").await;
    worker.propose(&task, json!({ "plan": "look", "questions": ["Where?"] })).await.expect(200);
    let path = format!("/api/v1/tasks/{id}/review");
    let before = gateway.get(&path).await;
    assert_eq!((before.status, before.header("ETag")), (200, "1"));
    let plan_again = async {
        let task = worker.claim_one("agent").await;
        worker.propose(&task, json!({ "plan": "see", "intent": "execute" })).await.expect(200);
    };
    let feedback = json!({ "action": "feedback", "message": "shorter" });
    let (after, ()) = tokio::join!(gateway.post(&path, &feedback), plan_again);
    assert_eq!(after.header("ETag"), "2");
    let plan = &after.expect(200)["plan"];
    assert_eq!(*plan, json!({ "message": "see", "round": 2, "version": 2, "intent": "execute" }));
}
