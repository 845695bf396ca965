//! Every status, reached by tasks that run.

use super::{World, count, ended, events, reached, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use taskgate_tests::{Api, Store};

taskgate_tests::on_both_stores!(
    every_status_is_reached_by_a_task_that_runs,
    a_plan_waits_for_its_owner_and_is_carried_out,
);

/// The statuses that the documents know, but for `TASK_STATUS_UNSPECIFIED`: no
/// task is ever in a state that is not known.
const STATUSES: [&str; 7] =
    ["QUEUED", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"];

/// Looks for a task in the list of those with a status, by its filter.
async fn is_listed(gateway: &Api, task: &Value) -> bool {
    let status = text(&task["status"]).trim_start_matches("TASK_STATUS_");
    let listed = gateway.get(&format!("/api/v1/tasks?status={status}")).await.expect(200);
    super::list(&listed["tasks"])
        .iter()
        .any(|it| it["task_id"] == task["task_id"] && it["status"] == task["status"])
}

async fn every_status_is_reached_by_a_task_that_runs(store: Store) {
    // A single worker, whose model never ends its answers.
    let world = World::new(&store, &["--workers", "1"]);
    let gateway = &world.gateway;
    let mut seen = BTreeSet::new();
    let mut see = async |task: Value| {
        assert!(is_listed(gateway, &task).await, "{task}");
        seen.insert(text(&task["status"]).to_owned());
        task
    };
    let stalls = json!({ "model_override": "fault:stall" });
    let post = async |id: &str, control: &str| {
        gateway.post(&format!("/api/v1/tasks/{id}/{control}"), &json!({})).await.expect(202);
        gateway.task(id).await
    };

    let held = world.submit("Who is there?", "simple", stalls.clone()).await;
    let waits = world.submit("And who waits?", "simple", json!({})).await;
    see(reached(gateway, &held, "TASK_STATUS_RUNNING").await).await;
    see(gateway.task(&waits).await).await;
    see(post(&held, "pause").await).await;
    assert_eq!(post(&held, "resume").await["status"], "TASK_STATUS_RUNNING");
    see(post(&held, "cancel").await).await;
    // The worker is free again at once.
    see(ended(gateway, &waits).await).await;

    let late = world.submit("Who is late?", "simple", stalls).await;
    reached(gateway, &late, "TASK_STATUS_RUNNING").await;
    store.pass_deadlines();
    let late = see(ended(gateway, &late).await).await;
    assert_ne!(late["error"], "");
    let wrong =
        see(world.run("Who fails?", "simple", json!({ "token_budget": "much" })).await).await;
    assert_eq!(wrong["error"], "token_budget must be a whole number from 1 to 1000000000000");

    let all = STATUSES.map(|status| format!("TASK_STATUS_{status}"));
    assert_eq!(seen, BTreeSet::from(all));
}

async fn a_plan_waits_for_its_owner_and_is_carried_out(store: Store) {
    let world = World::new(&store, &[]);
    let gateway = &world.gateway;
    let context = json!({ "force_research": true, "review_plan": "manual" });
    let question = "When was the harbour bridge of Minato opened and who painted it?";
    let id = world.submit(question, "simple", context).await;
    reached(gateway, &id, "TASK_STATUS_PAUSED").await;
    let path = format!("/api/v1/tasks/{id}/review");
    let plan = gateway.get(&path).await.expect(200)["current_plan"].clone();
    assert_eq!(plan, "When was the harbour bridge of Minato opened\nwho painted it");

    let feedback = json!({ "action": "feedback", "message": "Look at the night ferry too" });
    let second = gateway.post(&path, &feedback).await.expect(200);
    assert_eq!(second["plan"]["message"], format!("Look at the night ferry too\n{}", text(&plan)));
    gateway.post(&path, &json!({ "action": "approve" })).await.expect(200);
    let task = ended(gateway, &id).await;
    super::shape::check(&task);
    let events = events(gateway, &id).await;
    let delegated: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "DELEGATION")
        .map(|event| &event["message"])
        .collect();
    assert!(delegated.contains(&&json!("Look at the night ferry too")), "{delegated:?}");
    for event_type in ["RESEARCH_PLAN_READY", "RESEARCH_PLAN_UPDATED", "RESEARCH_PLAN_APPROVED"] {
        assert_eq!(count(&events, event_type), 1, "{event_type}");
    }
}
