//! `taskgate tasks`: the client in the binary.

use serde_json::{Value, json};
use std::{fs::File, process::Command};
use taskgate_tests::{
    CommandRun, DEV_KEY, Server, Store, Worker,
    command::{run, tasks},
};

taskgate_tests::on_both_stores!(
    an_agent_task_is_submitted_listed_and_shown,
    a_research_task_is_submitted_listed_and_shown,
    a_task_is_cancelled_once,
    a_repeated_submit_makes_no_second_task,
    programs_get_what_the_server_answers,
);

/// The output of a command that must have succeeded.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let run = run(command);
    assert_eq!(run.code, 0, "{run:?}");
    run.stdout
}

/// Checks that a command ends with this code, and says this on standard error.
#[track_caller]
fn fails(command: &mut Command, code: i32, saying: &str) -> CommandRun {
    let run = run(command);
    assert_eq!(run.code, code, "{run:?}");
    assert!(run.stderr.contains(saying), "{saying} is not in {run:?}");
    run
}

/// The id that a submit prints, alone on its line.
#[track_caller]
fn submitted(command: &mut Command) -> String {
    let id = printed(command);
    let id = id.strip_suffix('\n').expect("a line");
    assert!(!id.contains(char::is_whitespace), "{id:?}");
    id.to_owned()
}

/// The cells of a table's row.
fn cells(row: &str) -> Vec<&str> {
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

async fn an_agent_task_is_submitted_listed_and_shown(store: Store) {
    let server = Server::dev(&store);
    let ours = |args: &[&str]| tasks(&store, &server, args);
    let query = "How high\nis Mount \u{1b}[31mFuji?";
    let id = submitted(&mut ours(&[
        "submit",
        query,
        "--session",
        "geo",
        "--mode",
        "complex",
        "--context",
        r#"{"a": 1e2}"#,
    ]));
    let task = server.gateway().task(&id).await;
    assert_eq!(task["query"], query);
    assert_eq!(
        (&task["session_id"], &task["mode"]),
        (&json!("geo"), &json!("EXECUTION_MODE_COMPLEX"))
    );
    submitted(&mut ours(&["submit", "another"]));

    let list = run(&mut ours(&["list", "--session", "geo", "--status", "queued"]));
    assert_eq!((list.code, list.stderr.as_str()), (0, "1 of 1 tasks\n"), "{list:?}");
    let rows: Vec<&str> = list.stdout.lines().collect();
    assert_eq!(cells(rows[0]), ["TASK", "STATUS", "CREATED", "TOKENS", "COST", "QUERY"]);
    let row = cells(rows[1]);
    assert_eq!((row[0], row[1], row[3]), (id.as_str(), "queued", "How high is Mount [31mFuji?"));
    let second = run(&mut ours(&["list", "--limit", "1", "--offset", "1"]));
    assert!(second.stdout.contains(&id) && second.stderr == "1 of 2 tasks\n", "{second:?}");

    let worker = Worker::of(&server);
    let claimed = worker.claim_one("agent").await;
    assert_eq!(claimed.id, id);
    let outcome = json!({"result": "3776 metres\u{1b}[0m", "usage": {"prompt_tokens": 12, "completion_tokens": 4, "cost_usd": 0.0004}});
    worker.complete(&claimed, outcome).await.expect(200);
    let shown = printed(&mut ours(&["show", &id]));
    let (facts, result) = shown.split_once("\n\n").expect("facts and a result");
    let facts = facts.lines().map(cells).map(|cells| cells.join(": ")).collect::<Vec<_>>();
    for fact in [
        "Status: completed",
        "Query: How high is Mount [31mFuji?",
        "Session: geo",
        r#"Context: {"a": 1e2}"#,
        "Tokens: 16 (12 in, 4 out)",
        "Cost: $0.0004",
    ] {
        assert!(facts.iter().any(|line| line == fact), "{fact} is not in {facts:?}");
    }
    assert_eq!(result, "3776 metres\u{1b}[0m\n", "a result in a file is what the worker sent");
}

async fn a_research_task_is_submitted_listed_and_shown(store: Store) {
    let server = Server::dev(&store);
    let ours = |args: &[&str]| tasks(&store, &server, &[&["--face", "research"], args].concat());
    let file = store.directory().join("params.json");
    std::fs::write(&file, r#"{"query": "protein folding"}"#).expect("a file");
    let params = format!("@{}", file.display());
    let id =
        submitted(&mut ours(&["submit", "--project", "7", "--type", "ocr", "--params", &params]));
    assert_eq!(
        server.research().job(id.parse().expect("a number")).await["params"]["query"],
        "protein folding"
    );

    let list = run(&mut ours(&["list", "--project", "7", "--status", "pending"]));
    assert_eq!((list.code, list.stderr.as_str()), (0, "1 of 1 tasks\n"), "{list:?}");
    let rows: Vec<&str> = list.stdout.lines().collect();
    assert_eq!(cells(rows[0]), ["TASK", "PROJECT", "TYPE", "STATUS", "PROGRESS", "CREATED"]);
    assert_eq!(cells(rows[1])[..5], [id.as_str(), "7", "ocr", "pending", "0"]);
    assert_eq!(run(&mut ours(&["list", "--project", "8"])).stderr, "0 of 0 tasks\n");

    let worker = Worker::of(&server);
    let claimed = worker.claim_one("ocr").await;
    worker.fail(&claimed, "no such page", false).await.expect(200);
    let shown = printed(&mut ours(&["show", &id]));
    for fact in ["Status    failed", "Error     no such page", "Type      ocr"] {
        assert!(shown.contains(fact), "{fact} is not in {shown}");
    }
}

async fn a_task_is_cancelled_once(store: Store) {
    let server = Server::dev(&store);
    let ours = |args: &[&str]| tasks(&store, &server, args);
    let id = submitted(&mut ours(&["submit", "q"]));
    let cancelled = run(&mut ours(&["cancel", &id, "--reason", "called off"]));
    let expected = (0, "", "Task cancelled\n");
    assert_eq!((cancelled.code, &*cancelled.stdout, &*cancelled.stderr), expected);
    assert_eq!(server.gateway().task(&id).await["status"], "TASK_STATUS_CANCELLED");
    let again = fails(&mut ours(&["cancel", &id]), 1, "it is already cancelled");
    assert_eq!(again.stdout, "");

    let job =
        submitted(&mut ours(&["--face", "research", "submit", "--project", "7", "--type", "ocr"]));
    printed(&mut ours(&["--face", "research", "cancel", &job]));
    fails(&mut ours(&["--face", "research", "cancel", &job]), 1, "already cancelled");
}

async fn a_repeated_submit_makes_no_second_task(store: Store) {
    let server = Server::dev(&store);
    let line = ["submit", "Sum up order 4711", "--idempotency-key", "order-4711"];
    let first = submitted(&mut tasks(&store, &server, &line));
    assert_eq!(submitted(&mut tasks(&store, &server, &line)), first);
}

async fn programs_get_what_the_server_answers(store: Store) {
    let server = Server::dev(&store);
    let ours = |args: &[&str]| tasks(&store, &server, args);
    let document = |command: &mut Command| -> Value {
        serde_json::from_str(&printed(command)).expect("one JSON document")
    };
    let submitted = document(&mut ours(&["submit", "q", "--json"]));
    let id = submitted["task_id"].as_str().expect("an id");
    assert_eq!(submitted["status"], "STATUS_CODE_OK");
    assert_eq!(document(&mut ours(&["show", id, "--json"])), server.gateway().task(id).await);
    assert_eq!(document(&mut ours(&["list", "--json"]))["total_count"], 1);
    let cancelled = document(&mut ours(&["cancel", id, "--json"]));
    assert_eq!(cancelled["success"], true);
    let run = fails(&mut ours(&["cancel", id, "--json"]), 1, "already cancelled");
    let refused: Value = serde_json::from_str(&run.stdout).expect("one JSON document");
    assert_eq!(refused["success"], false);
    let jobs = document(&mut ours(&["list", "--face", "research", "--json"]));
    assert_eq!((&jobs["code"], &jobs["data"]["total"]), (&json!(200), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_may_come_from_standard_input() {
    let store = Store::sqlite();
    let server = Server::dev(&store);
    let file = store.directory().join("query.txt");
    std::fs::write(&file, "Which rivers\ncross Tokyo?\n").expect("a file");
    let mut submit = tasks(&store, &server, &["submit", "-"]);
    let id = submitted(submit.stdin(File::open(&file).expect("the file")));
    assert_eq!(server.gateway().task(&id).await["query"], "Which rivers\ncross Tokyo?");
}

#[test]
fn scripts_tell_failures_by_their_exit_codes() {
    let store = Store::sqlite();
    let server = Server::dev(&store);
    let ours = |args: &[&str]| tasks(&store, &server, args);
    fails(&mut ours(&["show", "task_01M80870SSZJ2QRFJ6CHRPXMGQ"]), 1, "Task not found (404)");
    fails(&mut ours(&["list", "--status", "done"]), 1, "(400)");
    fails(&mut ours(&["show", "7"]), 2, "--face research");
    fails(&mut ours(&["submit"]), 2, "the query is missing");
    fails(&mut ours(&["submit", "q", "--context", "[]"]), 2, "must be a JSON object");
    fails(
        &mut ours(&["list", "--url", "http://127.0.0.1:1"]),
        6,
        "cannot reach http://127.0.0.1:1",
    );
    fails(&mut ours(&["watch", "task_1", "--url", "http://nowhere.invalid"]), 6, "nowhere.invalid");
}

#[test]
fn a_key_that_does_not_work_is_never_shown() {
    let store = Store::sqlite();
    let server = Server::dev(&store);
    let mut without = tasks(&store, &server, &["list"]);
    fails(without.env_remove("TASKGATE_API_KEY"), 1, "set TASKGATE_API_KEY");
    let mut empty = tasks(&store, &server, &["list"]);
    fails(empty.env("TASKGATE_API_KEY", ""), 1, "set TASKGATE_API_KEY");
    for key in ["sk_live_wrong", "sk_live_wr\u{f6}ng"] {
        let run = run(&mut tasks(&store, &server, &["list", "--api-key", key]));
        assert_ne!(run.code, 0, "{run:?}");
        assert!(!format!("{run:?}").contains("sk_live"), "{run:?}");
    }
    let mut flag = tasks(&store, &server, &["list", "--api-key", DEV_KEY]);
    printed(flag.env("TASKGATE_API_KEY", "sk_live_wrong"));
}
