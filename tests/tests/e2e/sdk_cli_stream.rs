//! The Python SDK's own command follows tasks.

use serde_json::json;
use taskgate_tests::{Server, Store, Worker, run_shannon};

taskgate_tests::on_both_stores!(the_command_prints_the_events_of_a_task,);

const UNKNOWN: &str = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV";

async fn the_command_prints_the_events_of_a_task(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let (completed, failed) = (gateway.ask("capital?").await, gateway.ask("capital?").await);
    let task = worker.claim_one("agent").await;
    worker.complete(&task, json!({ "result": "Paris" })).await.expect(200);
    let task = worker.claim_one("agent").await;
    worker.fail(&task, "no map", false).await.expect(200);

    // Each event after its time, which is not looked at.
    let stream = async |args: &[&str]| {
        let run = run_shannon(&server, &[&["stream"], args].concat()).await;
        let head = format!("Streaming events for workflow: {}\n{}\n", args[0], "-".repeat(60));
        let events = run.output().strip_prefix(&head).expect("a head");
        let shown = events.lines().map(|line| {
            let (time, event) = line.split_once(' ').expect("a time");
            assert!(time.len() == 8 && time.split(':').count() == 3, "{line}");
            event.to_owned()
        });
        shown.collect::<Vec<_>>()
    };
    let answer = "[final_output] thread.message.completed: Paris";
    let whole = ["DATA_PROCESSING: ", "WORKFLOW_STARTED: ", answer, "WORKFLOW_COMPLETED: "];
    assert_eq!(stream(&[&completed]).await, whole);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let filter = ["--types", "LLM_OUTPUT, error", "--traceparent", trace];
    let filtered = stream(&[&[completed.as_str()][..], &filter].concat()).await;
    assert_eq!(filtered, [answer, "done: [DONE]"]);
    let filtered = stream(&[&[failed.as_str()][..], &filter].concat()).await;
    assert_eq!(filtered, ["ERROR_OCCURRED: no map", "done: [DONE]"]);
    assert!(stream(&[UNKNOWN]).await.is_empty());
}
