//! Client programs that list tasks the way the documentation shows.

use serde_json::{Value, json};
use taskgate_tests::{Api, ScriptedWorker, Server, Store, create_key, eventually, run_client};

taskgate_tests::on_both_stores!(
    curl_lists_with_every_filter,
    a_shell_script_watches_running_tasks,
    python_lists_completed_tasks_and_their_cost,
    python_collects_every_page,
    python_feeds_a_dashboard,
    python_watches_failures,
    axios_lists_by_status_and_session,
    go_decodes_a_list_into_types,
);

/// Submits a query in a session and waits until it has this status.
async fn bring_to(api: &Api, query: &str, session: &str, status: &str) -> String {
    let id = api.submit(&json!({ "query": query, "session_id": session })).await;
    eventually(status, async || (api.task(&id).await["status"] == status).then_some(())).await;
    id
}

/// One task that completed, one that failed and one that runs, moved by a
/// worker process.
async fn three_tasks(server: &Server) -> (ScriptedWorker, [String; 3]) {
    let (api, worker) = (server.gateway(), ScriptedWorker::of(server));
    let ids = [
        bring_to(&api, "What is the capital of France?", "user-123-chat", "TASK_STATUS_COMPLETED")
            .await,
        bring_to(&api, "fail: no tokens left", "user-123", "TASK_STATUS_FAILED").await,
        bring_to(&api, "dawdle", "user-123-chat", "TASK_STATUS_RUNNING").await,
    ];
    (worker, ids)
}

async fn curl_lists_with_every_filter(store: Store) {
    let server = Server::dev(&store);
    let (_worker, [completed, failed, running]) = three_tasks(&server).await;
    let run = run_client(&server, "bash/list.sh", &[]).await;
    let lists: Vec<Value> =
        run.output().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ids = |list: &Value| -> Vec<Value> {
        let tasks = list["tasks"].as_array().expect("a list");
        tasks.iter().map(|task| task["task_id"].clone()).collect()
    };
    let all = vec![running.as_str(), failed.as_str(), completed.as_str()];
    let expected: [(Vec<&str>, u32); 9] = [
        (all.clone(), 3),
        (vec![&running], 1),
        (vec![&completed], 1),
        (vec![&failed], 1),
        (vec![&running, &completed], 2),
        (all, 3),
        (vec![], 3),
        (vec![], 3),
        (vec![], 0),
    ];
    assert_eq!(lists.len(), expected.len());
    for (list, (tasks, total)) in lists.iter().zip(expected) {
        assert_eq!(ids(list), tasks, "{list}");
        assert_eq!(list["total_count"], total, "{list}");
    }
}

async fn a_shell_script_watches_running_tasks(store: Store) {
    let server = Server::dev(&store);
    let (_worker, [_, _, running]) = three_tasks(&server).await;
    let run = run_client(&server, "bash/watch_running.sh", &["2"]).await;
    let round = format!("running: 1\n{running}: dawdle\n");
    assert_eq!(run.output(), round.repeat(2));
}

async fn python_lists_completed_tasks_and_their_cost(store: Store) {
    let server = Server::dev(&store);
    let (_worker, [completed, _, _]) = three_tasks(&server).await;
    let run = run_client(&server, "python/list_completed.py", &[]).await;
    let expected = format!("total 1\n{completed} TASK_STATUS_COMPLETED\n  cost 0.0023\n");
    assert_eq!(run.output(), expected);
}

async fn python_collects_every_page(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    // Several keys of one user, for each may send 20 requests in a second.
    for _ in 0..7 {
        let api = gateway.with_key(&create_key(&store, &[]));
        for _ in 0..15 {
            api.ask("one of many").await;
        }
    }
    // httpx sends `status=` for None.
    let run = run_client(&server, "python/list_all.py", &[]).await;
    assert_eq!(run.output(), "found 105, 105 different\n");
    let run = run_client(&server, "python/list_all.py", &["COMPLETED"]).await;
    assert_eq!(run.output(), "found 0, 0 different\n");
}

async fn python_feeds_a_dashboard(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let (_worker, [completed, failed, running]) = three_tasks(&server).await;
    bring_to(&gateway, "And of Italy?", "user-123-chat", "TASK_STATUS_COMPLETED").await;
    let run = run_client(&server, "python/dashboard.py", &["user-123-chat"]).await;
    let lines: Vec<&str> = run.output().lines().collect();
    let mut recent = vec!["And of Italy?".to_owned()];
    for id in [running, failed, completed] {
        recent.push(gateway.task(&id).await["query"].as_str().expect("a query").to_owned());
    }
    for (line, query) in lines.iter().zip(&recent) {
        assert!(
            line.starts_with("recent 20") && line.ends_with(&format!("Z: {query}...")),
            "{line}"
        );
    }
    assert_eq!(
        lines[4..],
        [
            "page 0: 4 tasks",
            "page 1: 0 tasks",
            "page 2: 0 tasks",
            "session cost: $0.0046",
            "running: 1",
            "cached: 4 tasks by 1 request",
        ]
    );
}

async fn python_watches_failures(store: Store) {
    let server = Server::dev(&store);
    let (_worker, [_, failed, _]) = three_tasks(&server).await;
    let run = run_client(&server, "python/watch_failures.py", &["2"]).await;
    let round = format!("1 failed\n{failed} (fail: no tokens left): no tokens left\n");
    assert_eq!(run.output(), round.repeat(2));
}

async fn axios_lists_by_status_and_session(store: Store) {
    let server = Server::dev(&store);
    let (_worker, [completed, _, running]) = three_tasks(&server).await;
    let run = run_client(&server, "javascript/list_tasks.js", &["user-123-chat"]).await;
    let (found, refusal) = run.output().split_once("error: ").expect("a refusal");
    let expected = format!(
        "total: 1\n{running}: TASK_STATUS_RUNNING\n\
         total: 2\n{running}: TASK_STATUS_RUNNING\n{completed}: TASK_STATUS_COMPLETED\n"
    );
    assert_eq!(found, expected);
    let (body, end) = refusal.split_once('\n').expect("lines");
    let body: Value = serde_json::from_str(body).expect("a body of JSON");
    assert!(body["error"].is_string(), "{body}");
    assert_eq!(end, "refused\n");
}

async fn go_decodes_a_list_into_types(store: Store) {
    let server = Server::dev(&store);
    let (_worker, [completed, _, running]) = three_tasks(&server).await;
    let arguments = ["COMPLETED", "RUNNING", "TIMEOUT"];
    let run = run_client(&server, "go/list_tasks.go", &arguments).await;
    let expected = format!(
        "COMPLETED total: 1\n\
         {completed} TASK_STATUS_COMPLETED EXECUTION_MODE_SIMPLE \"What is the capital of France?\" ended true\n\
         RUNNING total: 1\n\
         {running} TASK_STATUS_RUNNING EXECUTION_MODE_SIMPLE \"dawdle\" ended false\n\
         TIMEOUT total: 0\n"
    );
    assert_eq!(run.output(), expected);
}
