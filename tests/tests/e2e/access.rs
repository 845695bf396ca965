//! Who is let in, and what of others is seen: nothing.

use reqwest::Method;
use serde_json::json;
use taskgate_tests::{Answer, Api, Server, Store, Worker, create_key, eventually, taskgate};

taskgate_tests::on_both_stores!(
    every_way_to_lack_a_key_gets_the_same_answer,
    a_bearer_token_is_a_key,
    a_key_works_until_it_is_revoked,
    somebody_elses_task_does_not_exist,
    another_tenants_job_does_not_exist,
    a_key_is_good_for_its_scope_alone,
    users_share_a_name_only_within_a_tenant,
);

const TASKS: &str = "/api/v1/tasks";
const UNKNOWN: &str = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV";

async fn every_way_to_lack_a_key_gets_the_same_answer(store: Store) {
    let server = Server::dev(&store);
    let expired = create_key(&store, &["--expires", "1s"]);
    eventually("the key's end", async || {
        let answer = server.gateway().with_key(&expired).get(TASKS).await;
        (answer.status == 401).then_some(())
    })
    .await;
    let revoked = create_key(&store, &["--name", "revoked"]);
    revoke(&store, "revoked");
    let mut mistyped = create_key(&store, &[]);
    let last = if mistyped.pop() == Some('A') { 'B' } else { 'A' };
    mistyped.push(last);
    let unknown = "sk_live_000000000000000000000000000000000000";
    for base in [server.gateway(), server.worker()] {
        let base = base.without_key();
        let path =
            if base.base() == server.worker().base() { "/api/v1/worker/claim" } else { TASKS };
        let mut answers = vec![base.send(Method::POST, path, &[], None).await];
        for key in [&expired, &revoked, &mistyped, unknown, "", "x", "sk_test_123457"] {
            answers.push(base.with_key(key).send(Method::POST, path, &[], None).await);
        }
        for headers in [
            ("Authorization", "Bearer nonsense"),
            ("Authorization", "Basic c2tfdGVzdF8xMjM0NTY6"),
            ("Authorization", "Bearer"),
            ("Authorization", "Bearer sk_test_123456 more"),
        ] {
            answers.push(base.send(Method::POST, path, &[headers], None).await);
        }
        let in_query = format!("{path}?api_key=sk_test_123456&token=sk_test_123456");
        answers.push(base.send(Method::POST, &in_query, &[], None).await);
        for answer in &answers {
            assert_eq!(answer.bytes(), (401, r#"{"error":"Unauthorized"}"#));
            assert_eq!(shape(answer), shape(&answers[0]));
        }
    }
}

async fn a_bearer_token_is_a_key(store: Store) {
    let server = Server::dev(&store);
    let anybody = server.gateway().without_key();
    for value in ["Bearer sk_test_123456", "bearer sk_test_123456"] {
        let headers = [("Authorization", value)];
        anybody.send(Method::GET, TASKS, &headers, None).await.expect(200);
    }
}

async fn a_key_works_until_it_is_revoked(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway().with_key(&create_key(&store, &["--name", "short-lived"]));
    let id = gateway.ask("mine").await;
    revoke(&store, "short-lived");
    eventually("the key's end", async || {
        let answer = gateway.get(&format!("{TASKS}/{id}")).await;
        (answer.status == 401).then_some(())
    })
    .await;
}

async fn somebody_elses_task_does_not_exist(store: Store) {
    let server = Server::dev(&store);
    let ann = server.gateway().with_key(&create_key(&store, &["--user", "ann"]));
    let bob = server.gateway().with_key(&create_key(&store, &["--user", "bob"]));
    let body = json!({ "query": "secret", "session_id": "shared-name" });
    let hers = ann.submit(&body).await;
    let job = server.research().submit_job(&json!({ "project_id": 1, "task_type": "ocr" })).await;

    for (method, suffix) in [(Method::GET, ""), (Method::POST, "/cancel")] {
        let unknown = ask_about(&bob, &method, UNKNOWN, suffix).await;
        assert_eq!(unknown.bytes(), (404, r#"{"error":"Task not found"}"#));
        let foreign = ask_about(&bob, &method, &hers, suffix).await;
        assert_eq!(shape(&foreign), shape(&unknown), "{method}{suffix}");
        let number = ask_about(&bob, &method, &job.to_string(), suffix).await;
        assert_eq!(number.bytes(), unknown.bytes(), "{method}{suffix}");
    }
    let empty = json!({ "tasks": [], "total_count": 0 });
    for query in ["", "?session_id=shared-name", "?status=QUEUED"] {
        assert_eq!(bob.get(&format!("{TASKS}{query}")).await.expect(200), empty);
    }
    // The same session name is another session, and a repeated key another request.
    let key = [("Idempotency-Key", "shared-key")];
    let his = bob.post_with(TASKS, &key, &body).await.expect(200);
    assert_ne!(his["task_id"], hers.as_str());
    assert_eq!(
        ann.get(&format!("{TASKS}?session_id=shared-name")).await.expect(200)["total_count"],
        1
    );
    assert_eq!(ann.task(&hers).await["status"], "TASK_STATUS_QUEUED");
}

async fn another_tenants_job_does_not_exist(store: Store) {
    let server = Server::start(&store, &["dev", "--workers", "0", "--research-access", "keys"]);
    let key = |more: &[&str]| {
        let key = create_key(&store, &[&["--scope", "research"], more].concat());
        server.research().with_key(&key)
    };
    let acme = key(&["--tenant", "acme"]);
    let bound = key(&["--tenant", "acme", "--project", "2", "--project", "3"]);
    let rival = key(&["--tenant", "rival"]);
    let job = json!({ "project_id": 1, "task_type": "crawl" });
    let id = acme.submit_job(&job).await;

    for (method, suffix) in [(Method::GET, ""), (Method::POST, "/cancel")] {
        let unknown = ask_about(&rival, &method, "999999999", suffix).await;
        let body = r#"{"code":404,"message":"Task not found","data":null}"#;
        assert_eq!(unknown.bytes(), (404, body));
        for api in [&rival, &bound] {
            let foreign = ask_about(api, &method, &id.to_string(), suffix).await;
            assert_eq!(foreign.bytes(), unknown.bytes(), "{method}{suffix}");
            assert_eq!(shape(&foreign), shape(&unknown), "{method}{suffix}");
        }
    }
    for api in [&rival, &bound] {
        for query in ["", "?project_id=1"] {
            let list = api.get(&format!("{TASKS}{query}")).await;
            assert_eq!(list.expect(200)["data"], json!([]));
        }
    }
    assert_eq!(acme.job(id).await["status"], "pending");

    // A key that is bound to projects submits to them, and to no other.
    let own = bound.submit_job(&json!({ "project_id": 3, "task_type": "crawl" })).await;
    assert_eq!(bound.get(TASKS).await.expect(200)["data"][0]["id"], own);
    assert_eq!(acme.get(TASKS).await.header("X-Total-Count"), "2");
    let foreign = json!({ "project_id": 1, "task_type": "crawl", "params": {} });
    let refused = bound.post(TASKS, &foreign).await.expect(404);
    assert_eq!(refused["message"], "Project not found");
    assert_eq!(acme.get(TASKS).await.header("X-Total-Count"), "2");

    let nobody = server.research().get(TASKS).await;
    let body = r#"{"code":401,"message":"Unauthorized","data":null}"#;
    assert_eq!(nobody.bytes(), (401, body));
}

async fn a_key_is_good_for_its_scope_alone(store: Store) {
    let server = Server::start(&store, &["dev", "--workers", "0", "--research-access", "keys"]);
    let key = |scope: &str| create_key(&store, &["--scope", scope]);
    let claim = json!({ "worker_id": "w", "kinds": ["agent"], "max": 1,
                        "lease_seconds": 5, "wait_seconds": 0 });
    for (scope, allowed) in [
        ("gateway", [200, 403, 403]),
        ("research", [403, 200, 403]),
        ("worker", [403, 403, 200]),
        ("admin", [200, 200, 200]),
        ("gateway,worker", [200, 403, 200]),
    ] {
        let key = key(scope);
        let answers = [
            server.gateway().with_key(&key).get(TASKS).await,
            server.research().with_key(&key).get(TASKS).await,
            server.worker().with_key(&key).post("/api/v1/worker/claim", &claim).await,
        ];
        assert_eq!(answers.each_ref().map(|answer| answer.status), allowed, "{scope}");
        for answer in answers.iter().filter(|answer| answer.status == 403) {
            let body = answer.json();
            assert!(body["error"].is_string() || body["code"] == 403, "{body}");
        }
    }
}

async fn users_share_a_name_only_within_a_tenant(store: Store) {
    let server = Server::dev(&store);
    let key = |tenant: &str| create_key(&store, &["--tenant", tenant, "--user", "ann"]);
    let (first, second, other) = (key("acme"), key("acme"), key("rival"));
    let gateway = server.gateway();
    let id = gateway.with_key(&first).ask("mine").await;
    gateway.with_key(&second).task(&id).await;
    let path = format!("{TASKS}/{id}");
    assert_eq!(gateway.with_key(&other).get(&path).await.status, 404);
    assert_eq!(gateway.get(&path).await.status, 404);
    // A worker serves every tenant.
    assert_eq!(Worker::of(&server).claim_one("agent").await.id, id);
}

async fn ask_about(api: &Api, method: &Method, id: &str, suffix: &str) -> Answer {
    api.send(method.clone(), &format!("{TASKS}/{id}{suffix}"), &[], None).await
}

/// Status, header names and body: all that must not tell two answers apart.
fn shape(answer: &Answer) -> (u16, Vec<String>, String) {
    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    (answer.status, names, answer.text.clone())
}

/// Ends the key of this name.
fn revoke(store: &Store, name: &str) {
    let list = taskgate(store, &["keys", "list"]).stdout;
    let line = list.lines().find(|line| line.contains(name)).expect("the key is listed");
    let id = line.split_whitespace().find(|word| word.len() == 36).expect("a key id");
    let run = taskgate(store, &["keys", "revoke", id]);
    assert_eq!(run.code, 0, "{run:?}");
}
