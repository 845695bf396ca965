//! The research face.

use chrono::{Duration, SecondsFormat, Utc};
use serde_json::{Value, json};
use taskgate_tests::{Answer, Api, Server, Store, Worker};

taskgate_tests::on_both_stores!(
    a_job_is_listed_and_shown_in_full,
    a_job_runs_and_completes,
    a_failed_job_tells_why,
    a_job_past_its_deadline_has_failed,
    a_list_is_filtered_by_project_and_status,
    a_list_is_limited_and_counted,
    a_list_can_be_read_by_pages,
    a_live_job_can_be_cancelled_once,
    a_unique_key_names_one_live_job,
    a_job_waits_for_its_time,
    the_highest_priority_runs_first,
    bad_values_are_refused,
);

const TASKS: &str = "/api/v1/tasks";

async fn list(api: &Api, query: &str) -> Vec<Value> {
    let answer = api.get(&format!("{TASKS}{query}")).await.expect(200);
    assert_eq!((&answer["code"], &answer["message"]), (&json!(200), &json!("success")));
    answer["data"].as_array().expect("a list").clone()
}

fn ids(list: &[Value]) -> Vec<i64> {
    list.iter().map(|task| task["id"].as_i64().expect("a number")).collect()
}

async fn cancel(api: &Api, id: i64) -> Answer {
    api.send(reqwest::Method::POST, &format!("{TASKS}/{id}/cancel"), &[], None).await
}

async fn a_job_is_listed_and_shown_in_full(store: Store) {
    let server = Server::dev(&store);
    let research = server.research();
    let params = json!({ "query": "machine learning", "sources": ["semantic_scholar"] });
    let body = json!({ "project_id": 1, "task_type": "search", "params": params, "total": 100 });
    let id = research.submit_job(&body).await;
    let listed = list(&research, "").await;
    let members: Vec<&str> =
        listed[0].as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        members,
        ["id", "project_id", "task_type", "status", "progress", "total", "created_at"]
    );
    let job = research.job(id).await;
    for (name, value) in listed[0].as_object().expect("an object") {
        assert_eq!(&job[name], value, "{name}");
    }
    assert_eq!(job["project_id"], 1);
    assert_eq!(job["task_type"], "search");
    assert_eq!(job["status"], "pending");
    assert_eq!((&job["progress"], &job["total"]), (&json!(0), &json!(100)));
    assert_eq!(job["params"], params);
    assert_eq!(job["error_message"], "");
    for absent in ["result", "started_at", "completed_at"] {
        assert_eq!(job.get(absent), Some(&Value::Null), "{absent}");
    }
    let created = job["created_at"].as_str().expect("a time");
    assert!(!created.ends_with('Z') && created.contains('T'), "{created}");
}

async fn a_job_runs_and_completes(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server));
    let id = research.submit_job(&json!({ "project_id": 1, "task_type": "search" })).await;
    let claimed = worker.claim_one("search").await;
    worker.heartbeat(&claimed, json!({ "progress": 60, "total": 100 })).await.expect(200);
    let running = list(&research, "?project_id=1&status=running&limit=20").await;
    assert_eq!(ids(&running), [id]);
    assert_eq!((&running[0]["progress"], &running[0]["total"]), (&json!(60), &json!(100)));
    let result = json!({ "papers_found": 15, "imported": 10 });
    worker.complete(&claimed, json!({ "result": result })).await.expect(200);
    let job = research.job(id).await;
    assert_eq!(job["status"], "completed");
    assert_eq!(job["result"], result);
    assert_eq!((&job["progress"], &job["total"]), (&json!(100), &json!(100)));
    let times = ["created_at", "started_at", "completed_at"].map(|name| job[name].as_str());
    assert!(times.is_sorted() && times.iter().all(Option::is_some), "{times:?}");
}

async fn a_failed_job_tells_why(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server));
    let id = research.submit_job(&json!({ "project_id": 1, "task_type": "ocr" })).await;
    let claimed = worker.claim_one("ocr").await;
    worker.fail(&claimed, "the scan is blank", false).await.expect(200);
    let job = research.job(id).await;
    assert_eq!(job["status"], "failed");
    assert_eq!(job["error_message"], "the scan is blank");
    assert_eq!(job["result"], Value::Null);
    assert_eq!(ids(&list(&research, "?status=failed").await), [id]);
}

async fn a_job_past_its_deadline_has_failed(store: Store) {
    let server = Server::dev(&store);
    let research = server.research();
    let body = json!({ "project_id": 1, "task_type": "index", "timeout_seconds": 1 });
    let id = research.submit_job(&body).await;
    let job = taskgate_tests::eventually("the deadline", async || {
        let job = research.job(id).await;
        (job["status"] == "failed").then_some(job)
    })
    .await;
    assert_ne!(job["error_message"], "");
    // A task that timed out is a failed one, to the filter as well.
    assert_eq!(ids(&list(&research, "?status=failed").await), [id]);
}

async fn a_list_is_filtered_by_project_and_status(store: Store) {
    let server = Server::dev(&store);
    let research = server.research();
    let mut made = Vec::new();
    for (project, task_type) in [(1, "search"), (2, "crawl"), (1, "ocr")] {
        let body = json!({ "project_id": project, "task_type": task_type });
        made.push(research.submit_job(&body).await);
    }
    cancel(&research, made[2]).await.expect(200);
    for (query, expected) in [
        ("", vec![made[2], made[1], made[0]]),
        ("?project_id=1", vec![made[2], made[0]]),
        ("?project_id=2", vec![made[1]]),
        ("?project_id=3", vec![]),
        ("?status=pending", vec![made[1], made[0]]),
        ("?status=cancelled", vec![made[2]]),
        ("?project_id=1&status=pending", vec![made[0]]),
        ("?project_id=&status=&limit=", vec![made[2], made[1], made[0]]),
        ("?status=completed", vec![]),
    ] {
        assert_eq!(ids(&list(&research, query).await), expected, "{query}");
    }
}

async fn a_list_is_limited_and_counted(store: Store) {
    let server = Server::dev(&store);
    let research = server.research();
    let mut made = Vec::new();
    for _ in 0..53 {
        let body = json!({ "project_id": 1, "task_type": "index" });
        made.push(research.submit_job(&body).await);
    }
    made.reverse();
    let first = research.get(TASKS).await;
    assert_eq!(first.header("X-Total-Count"), "53");
    assert_eq!(ids(&list(&research, "").await), made[..50]);
    assert_eq!(ids(&list(&research, "?limit=2").await), made[..2]);
    assert_eq!(ids(&list(&research, "/?limit=2").await), made[..2]);
    assert_eq!(research.get(&format!("{TASKS}?status=running")).await.header("X-Total-Count"), "0");
}

async fn a_list_can_be_read_by_pages(store: Store) {
    let server = Server::dev(&store);
    let research = server.research();
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(research.submit_job(&json!({ "project_id": 1, "task_type": "index" })).await);
    }
    made.reverse();
    for (number, expected) in [(1, &made[..2]), (2, &made[2..4]), (3, &made[4..]), (4, &[])] {
        let path = format!("{TASKS}?project_id=1&page={number}&page_size=2");
        let page = research.get(&path).await.expect(200)["data"].clone();
        assert_eq!(ids(page["items"].as_array().expect("a list")), expected);
        for (name, value) in [("total", 5), ("page", number), ("page_size", 2), ("total_pages", 3)]
        {
            assert_eq!(page[name], value, "{name} of {page}");
        }
    }
}

async fn a_live_job_can_be_cancelled_once(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server));
    let pending = research.submit_job(&json!({ "project_id": 1, "task_type": "crawl" })).await;
    let answer = cancel(&research, pending).await;
    let body = r#"{"code":200,"message":"Task cancelled","data":null}"#;
    assert_eq!(answer.bytes(), (200, body));
    assert_eq!(research.job(pending).await["status"], "cancelled");

    let running = research.submit_job(&json!({ "project_id": 1, "task_type": "crawl" })).await;
    worker.claim_one("crawl").await;
    assert_eq!(cancel(&research, running).await.status, 200);
    assert_eq!(research.job(running).await["status"], "cancelled");

    let completed = research.submit_job(&json!({ "project_id": 1, "task_type": "crawl" })).await;
    let claimed = worker.claim_one("crawl").await;
    worker.complete(&claimed, json!({ "result": {} })).await.expect(200);
    for id in [pending, running, completed] {
        let refused = cancel(&research, id).await.expect(400);
        assert_eq!((&refused["code"], &refused["data"]), (&json!(400), &Value::Null));
        let message = refused["message"].as_str().expect("a message");
        assert!(message.starts_with("Cannot cancel task"), "{message}");
    }
    let unknown = cancel(&research, 999_999).await.expect(404);
    assert_eq!(unknown, json!({ "code": 404, "message": "Task not found", "data": null }));
}

async fn a_unique_key_names_one_live_job(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server));
    let body = json!({ "project_id": 1, "task_type": "index", "params": {},
                       "unique_key": "nightly" });
    let created = research.post(TASKS, &body).await.expect(201);
    let first = created["data"]["id"].as_i64().expect("a number");
    let found = research.post(TASKS, &body).await.expect(200);
    assert_eq!(found["data"], created["data"]);
    assert_eq!(research.submit_job(&body).await, first);
    let claimed = worker.claim_one("index").await;
    assert_eq!(research.submit_job(&body).await, first);
    let mut elsewhere = body.clone();
    elsewhere["project_id"] = 2.into();
    assert_ne!(research.submit_job(&elsewhere).await, first);
    worker.complete(&claimed, json!({ "result": {} })).await.expect(200);
    assert_ne!(research.submit_job(&body).await, first);
    assert_eq!(research.get(TASKS).await.header("X-Total-Count"), "3");
}

async fn a_job_waits_for_its_time(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server));
    let at = |seconds| {
        (Utc::now() + Duration::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Micros, true)
    };
    let job = |run_after| json!({ "project_id": 1, "task_type": "crawl", "run_after": run_after });
    research.submit_job(&job(at(3600))).await;
    let soon = research.submit_job(&job(at(2))).await;
    assert!(worker.claim(&["crawl"], 10, 0).await.is_empty());
    assert_eq!(worker.claim_one("crawl").await.body["number"], soon);
    assert_eq!(list(&research, "?status=pending").await.len(), 1);
}

async fn the_highest_priority_runs_first(store: Store) {
    let server = Server::dev(&store);
    let (research, worker) = (server.research(), Worker::of(&server));
    let mut made = Vec::new();
    for priority in [0, -5, 10, 0, 10] {
        let body = json!({ "project_id": 1, "task_type": "ocr", "priority": priority });
        made.push(research.submit_job(&body).await);
    }
    let mut order = Vec::new();
    for claimed in worker.claim(&["ocr"], 4, 0).await {
        order.push(claimed.body["number"].as_i64().expect("a number"));
    }
    order.push(worker.claim_one("ocr").await.body["number"].as_i64().expect("a number"));
    assert_eq!(order, [made[2], made[4], made[0], made[3], made[1]]);
}

async fn bad_values_are_refused(store: Store) {
    let server = Server::dev(&store);
    let research = server.research();
    let good = json!({ "project_id": 1, "task_type": "ocr", "params": {} });
    for (member, value) in [
        ("project_id", json!(0)),
        ("project_id", json!("1")),
        ("project_id", json!(1.5)),
        ("task_type", json!("agent")),
        ("task_type", json!(null)),
        ("params", json!([])),
        ("params", json!("{}")),
        ("priority", json!(1001)),
        ("max_attempts", json!(0)),
        ("timeout_seconds", json!(0)),
        ("total", json!(-1)),
        ("unique_key", json!("")),
        ("run_after", json!("tomorrow")),
        ("run_after", json!(1_700_000_000)),
    ] {
        let mut body = good.clone();
        body[member] = value.clone();
        refused(research.post(TASKS, &body).await, &format!("{member} {value}"));
    }
    for query in [
        "?limit=0",
        "?limit=x",
        "?project_id=0",
        "?project_id=x",
        "?status=done",
        "?status=PENDING,x",
    ] {
        refused(research.get(&format!("{TASKS}{query}")).await, query);
    }
    assert_eq!(research.get(TASKS).await.header("X-Total-Count"), "0");
}

#[track_caller]
fn refused(answer: Answer, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {answer:?}");
    let body = answer.json();
    assert_eq!((&body["code"], &body["data"]), (&json!(400), &Value::Null), "{what}");
    assert!(body["message"].as_str().is_some_and(|text| text.len() > 5), "{what}: {body}");
}
