//! Listing tasks of the gateway.

use serde_json::{Value, json};
use taskgate_tests::{Api, Server, Store, Worker, create_key};

taskgate_tests::on_both_stores!(
    an_empty_list_is_a_list,
    tasks_are_listed_newest_first,
    a_task_is_summarised,
    pages_cover_the_list_without_gaps,
    a_status_filters_page_and_total,
    a_session_is_found_by_its_name_and_its_id,
    filters_combine,
    an_empty_parameter_is_an_absent_one,
    parameters_out_of_range_are_refused,
);

const TASKS: &str = "/api/v1/tasks";

async fn list(api: &Api, query: &str) -> Value {
    api.get(&format!("{TASKS}{query}")).await.expect(200)
}

fn ids(list: &Value) -> Vec<String> {
    let tasks = list["tasks"].as_array().expect("a list of tasks");
    tasks.iter().map(|task| task["task_id"].as_str().expect("an id").to_owned()).collect()
}

async fn an_empty_list_is_a_list(store: Store) {
    let server = Server::dev(&store);
    let empty = json!({ "tasks": [], "total_count": 0 });
    for query in ["", "?status=RUNNING", "?session_id=nobody", "?offset=1000000"] {
        assert_eq!(list(&server.gateway(), query).await, empty, "{query}");
    }
}

async fn tasks_are_listed_newest_first(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let mut submitted = Vec::new();
    for number in 0..5 {
        submitted.push(gateway.ask(&format!("question {number}")).await);
    }
    submitted.reverse();
    assert_eq!(ids(&list(&gateway, "").await), submitted);
}

async fn a_task_is_summarised(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let body = json!({ "query": "What is Python?", "mode": "supervisor" });
    let id = gateway.submit(&body).await;
    let queued = list(&gateway, "").await["tasks"][0].clone();
    assert_eq!(queued["task_id"], id.as_str());
    assert_eq!(queued["query"], "What is Python?");
    assert_eq!(queued["status"], "TASK_STATUS_QUEUED");
    assert_eq!(queued["mode"], "EXECUTION_MODE_STANDARD");
    // Both must be there, for programs index them without a look.
    assert_eq!(queued.get("completed_at"), Some(&Value::Null));
    assert_eq!(queued.get("total_token_usage"), Some(&Value::Null));

    let claimed = worker.claim_one("agent").await;
    let usage = json!({ "prompt_tokens": 45, "completion_tokens": 105, "cost_usd": 0.0023 });
    worker.complete(&claimed, json!({ "result": "A language.", "usage": usage })).await.expect(200);
    let completed = list(&gateway, "").await["tasks"][0].clone();
    assert_eq!(completed["status"], "TASK_STATUS_COMPLETED");
    assert_eq!(completed["created_at"], queued["created_at"]);
    assert!(completed["completed_at"].as_str() > completed["created_at"].as_str(), "{completed}");
    let usage = json!({ "total_tokens": 150, "cost_usd": 0.0023, "prompt_tokens": 45,
                        "completion_tokens": 105 });
    assert_eq!(completed["total_token_usage"], usage);
}

async fn pages_cover_the_list_without_gaps(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    // Several keys of one user, for each may send 20 requests in a second.
    let keys: Vec<String> = (0..3).map(|_| create_key(&store, &[])).collect();
    let mut submitted = Vec::new();
    for number in 0..45 {
        let api = gateway.with_key(&keys[number % keys.len()]);
        submitted.push(api.ask(&format!("question {number}")).await);
    }
    submitted.reverse();
    let mut seen = Vec::new();
    for (offset, size) in [(0, 20), (20, 20), (40, 5), (60, 0)] {
        let page = list(&gateway, &format!("?limit=20&offset={offset}")).await;
        assert_eq!(page["total_count"], 45);
        assert_eq!(ids(&page).len(), size);
        seen.extend(ids(&page));
    }
    assert_eq!(seen, submitted);
    assert_eq!(ids(&list(&gateway, "").await).len(), 20);
    assert_eq!(ids(&list(&gateway, "?limit=100").await).len(), 45);
    assert_eq!(ids(&list(&gateway, "?limit=1&offset=44").await), submitted[44..]);
}

async fn a_status_filters_page_and_total(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    // One task in each status that a worker or a caller can bring it to.
    let completed = gateway.ask("completed").await;
    let claimed = worker.claim_one("agent").await;
    worker.complete(&claimed, json!({ "result": "yes" })).await.expect(200);
    let failed = gateway.ask("failed").await;
    let claimed = worker.claim_one("agent").await;
    worker.fail(&claimed, "no", false).await.expect(200);
    let running = gateway.ask("running").await;
    worker.claim_one("agent").await;
    let cancelled = gateway.ask("cancelled").await;
    gateway.post(&format!("{TASKS}/{cancelled}/cancel"), &json!({})).await.expect(202);
    let queued = gateway.ask("queued").await;

    for (status, expected) in [
        ("QUEUED", Some(&queued)),
        ("RUNNING", Some(&running)),
        ("COMPLETED", Some(&completed)),
        ("FAILED", Some(&failed)),
        ("CANCELLED", Some(&cancelled)),
        ("CANCELED", Some(&cancelled)),
        ("canceled", Some(&cancelled)),
        ("Running", Some(&running)),
        ("TIMEOUT", None),
        ("PAUSED", None),
    ] {
        let page = list(&gateway, &format!("?status={status}")).await;
        assert_eq!(ids(&page), Vec::from_iter(expected.cloned()), "{status}");
        assert_eq!(page["total_count"], ids(&page).len(), "{status}");
    }
    assert_eq!(list(&gateway, "").await["total_count"], 5);
}

async fn a_session_is_found_by_its_name_and_its_id(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let other = gateway.with_key(&create_key(&store, &["--user", "ann"]));
    other.submit(&json!({ "query": "hers", "session_id": "user-123-chat" })).await;
    gateway.ask("in no named session").await;
    for session in ["user-123-chat", uuid, "a.b:c_D-1"] {
        let first = gateway.submit(&json!({ "query": "1", "session_id": session })).await;
        let second = gateway.submit(&json!({ "query": "2", "session_id": session })).await;
        let encoded: String = session.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let page = list(&gateway, &format!("?session_id={encoded}")).await;
        assert_eq!(ids(&page), [second.clone(), first], "{session}");
        assert_eq!(page["total_count"], 2);
        assert_eq!(gateway.task(&second).await["session_id"], session);
    }
    let upper = uuid.to_uppercase();
    assert_eq!(list(&gateway, &format!("?session_id={upper}")).await["total_count"], 2);
    assert_eq!(list(&other, "?session_id=user-123-chat").await["total_count"], 1);
    assert_eq!(list(&other, &format!("?session_id={uuid}")).await["total_count"], 0);
}

async fn filters_combine(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let mut completed = Vec::new();
    for session in ["user-123", "user-456"] {
        for number in 0..3 {
            let body = json!({ "query": format!("{number}"), "session_id": session });
            let id = gateway.submit(&body).await;
            if number < 2 {
                let claimed = worker.claim_one("agent").await;
                worker.complete(&claimed, json!({ "result": "yes" })).await.expect(200);
                completed.push(id);
            } else {
                gateway.post(&format!("{TASKS}/{id}/cancel"), &json!({})).await.expect(202);
            }
        }
    }
    let page = list(&gateway, "?session_id=user-123&status=COMPLETED&limit=10&offset=0").await;
    assert_eq!(ids(&page), [completed[1].clone(), completed[0].clone()]);
    assert_eq!(page["total_count"], 2);
    let page = list(&gateway, "?session_id=user-123&status=COMPLETED&limit=1&offset=1").await;
    assert_eq!(ids(&page), completed[..1]);
    assert_eq!(page["total_count"], 2);
}

async fn an_empty_parameter_is_an_absent_one(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    gateway.ask("here").await;
    let plain = list(&gateway, "").await;
    for query in ["?status=", "?session_id=", "?limit=&offset=", "?unknown=1", "?", "?&&status=&"] {
        assert_eq!(list(&gateway, query).await, plain, "{query}");
    }
}

async fn parameters_out_of_range_are_refused(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let long = format!("?session_id={}", "x".repeat(129));
    for query in [
        "?limit=0",
        "?limit=101",
        "?limit=-1",
        "?limit=ten",
        "?limit=1.5",
        "?limit=99999999999999999999",
        "?offset=-1",
        "?offset=x",
        "?offset=99999999999999999999",
        "?status=DONE",
        "?status=RUNNING,FAILED",
        "?limit=1&limit=2",
        long.as_str(),
    ] {
        let answer = gateway.get(&format!("{TASKS}{query}")).await;
        let error = answer.expect(400)["error"].as_str().map(str::len);
        assert!(error.is_some_and(|length| length > 5), "{query}: {answer:?}");
    }
}
