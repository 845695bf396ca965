//! `taskgate dev --no-auth`: no keys, and nobody from outside.

use reqwest::Method;
use serde_json::json;
use taskgate_tests::{Server, Store, Worker, taskgate};

const TASKS: &str = "/api/v1/tasks";

fn start(store: &Store) -> Server {
    Server::start(store, &["dev", "--workers", "0", "--no-auth"])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_face_works_without_a_key() {
    let store = Store::sqlite();
    let server = start(&store);
    let id = server.gateway().without_key().ask("hello").await;
    let body = json!({ "project_id": 1, "task_type": "search", "params": {} });
    server.research().post(TASKS, &body).await.expect(201);
    let worker = server.worker().without_key();
    let claim = json!({ "worker_id": "w", "kinds": ["agent"], "max": 1, "lease_seconds": 60, "wait_seconds": 0 });
    let claimed = worker.post("/api/v1/worker/claim", &claim).await.expect(200);
    assert_eq!(claimed["tasks"][0]["task_id"], id.as_str());
    // A key that is shown is not looked at.
    server.gateway().with_key("wrong").get(TASKS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_the_gateway_may_say_who_they_are() {
    let store = Store::sqlite();
    let server = start(&store);
    let gateway = server.gateway().without_key();
    let ann = [("X-User-Id", "5b0b7a7e-40bb-4ab4-b0a9-9be0d5b3d3a1")];
    let body = json!({ "query": "mine" });
    let submitted = gateway.post_with(TASKS, &ann, &body).await.expect(200);
    let path = format!("{TASKS}/{}", submitted["task_id"].as_str().expect("an id"));
    assert_eq!(gateway.get(&path).await.status, 404);
    gateway.send(Method::GET, &path, &ann, None).await.expect(200);
    let list = gateway.send(Method::GET, TASKS, &ann, None).await.expect(200);
    assert_eq!(list["total_count"], 1);
    // What is no UUID says nothing.
    let default = gateway.send(Method::GET, TASKS, &[("X-User-Id", "ann")], None).await;
    assert_eq!(default.expect(200)["total_count"], 0);
    let task = Worker::of(&server).claim_one("agent").await;
    assert_eq!(path, format!("{TASKS}/{}", task.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_web_pages_are_kept_out() {
    let store = Store::sqlite();
    let server = start(&store);
    for face in [server.gateway(), server.research(), server.worker()] {
        for header in [("Origin", "https://evil.example"), ("Host", "evil.example")] {
            let answer = face.send(Method::GET, TASKS, &[header], None).await;
            assert_eq!(answer.status, 403, "{answer:?}");
            assert!(answer.headers.get("access-control-allow-origin").is_none(), "{answer:?}");
        }
    }
    let own = [("Origin", "http://localhost:5173")];
    let answer = server.gateway().send(Method::GET, TASKS, &own, None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:5173");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_on_this_machine_and_out_of_production() {
    let store = Store::sqlite();
    for face in ["gateway", "research", "worker"] {
        let flag = format!("--{face}-addr");
        let run = taskgate(&store, &["dev", "--workers", "0", "--no-auth", &flag, "0.0.0.0:0"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains("`taskgate dev --no-auth` lets everybody in"), "{run:?}");
    }
    let run = taskgate(&store, &["serve", "--no-auth"]);
    assert_eq!(run.code, 2, "{run:?}");
}
