//! The pages of the documentation: each command and each Python program is run
//! as printed, in the order of its page, and must print what stands below it.

use std::{
    io::Write,
    process::{Command, Stdio},
};
use taskgate_tests::{Live, ScriptedWorker, Server, Store, terminate};

taskgate_tests::on_both_stores!(
    the_readme_holds,
    the_gateway_page_holds,
    the_japanese_gateway_page_holds,
    the_agents_page_holds,
    the_japanese_agents_page_holds,
    the_streams_page_holds,
    the_japanese_streams_page_holds,
    the_sessions_page_holds,
    the_japanese_sessions_page_holds,
    the_reviews_page_holds,
    the_japanese_reviews_page_holds,
    the_keys_page_holds,
    the_japanese_keys_page_holds,
    the_research_page_holds,
    the_worker_page_holds,
    the_worker_in_python_works,
    the_worker_in_python_gives_its_task_back,
    the_executors_page_holds,
    the_command_line_page_holds,
);

async fn the_readme_holds(store: Store) {
    // Its tasks are done by the server itself.
    check(&Server::start(&store, &["dev"]), "README.md");
}

async fn the_gateway_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-api.md");
}

async fn the_japanese_gateway_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-api.ja.md");
}

async fn the_agents_page_holds(store: Store) {
    check(&Server::start(&store, &["dev"]), "docs/gateway-agents.md");
}

async fn the_japanese_agents_page_holds(store: Store) {
    check(&Server::start(&store, &["dev"]), "docs/gateway-agents.ja.md");
}

async fn the_streams_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-streams.md");
}

async fn the_japanese_streams_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-streams.ja.md");
}

async fn the_sessions_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-sessions.md");
}

async fn the_japanese_sessions_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-sessions.ja.md");
}

async fn the_reviews_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-reviews.md");
}

async fn the_japanese_reviews_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-reviews.ja.md");
}

async fn the_keys_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-keys.md");
}

async fn the_japanese_keys_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/gateway-keys.ja.md");
}

async fn the_research_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/research-api.md");
}

async fn the_worker_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/worker-protocol.md");
}

async fn the_worker_in_python_works(store: Store) {
    let server = Server::dev(&store);
    let mut worker = python_worker(&server, "");
    let task = server.gateway().ask("how are you?").await;
    assert_eq!(worker.line().await, format!("reported {task}"));
    assert_eq!(server.gateway().task(&task).await["result"], "You asked: how are you?");
}

async fn the_worker_in_python_gives_its_task_back(store: Store) {
    let server = Server::dev(&store);
    let mut worker = python_worker(&server, "print('at work', flush=True); time.sleep(60)");
    let task = server.gateway().ask("how are you?").await;
    assert_eq!(worker.line().await, "at work");
    terminate(worker.id());
    assert_eq!(worker.finish().await.code, 0);
    let task = server.gateway().task(&task).await;
    assert_eq!(task["status"], "TASK_STATUS_QUEUED");
}

/// The worker that the page prints, with something to do before it answers.
fn python_worker(server: &Server, work: &str) -> Live {
    let page = page("docs/worker-protocol.md");
    let mut blocks = page.split("\n```python\n").skip(1);
    let program = blocks.find(|block| block.contains("def keep_alive")).expect("a worker");
    let (program, _) = program.split_once("\n```").expect("the end of a block");
    let answer = "    return f\"You asked";
    assert!(program.lines().count() < 100 && program.contains(answer), "{program}");
    let program = program
        .replace("http://localhost:8090", server.worker().base())
        .replace(answer, &format!("    {work}\n{answer}"));
    let python = std::env::var_os("TASKGATE_TEST_PYTHON").expect("scripts/test sets it");
    let mut command = Command::new(python);
    command.args(["-c", &program]);
    Live::start(command)
}

async fn the_executors_page_holds(store: Store) {
    let program = include_str!("../../../crates/worker/examples/count_words.rs");
    let (_, program) = program.split_once("\n\n").expect("a heading");
    assert!(page("docs/executors.md").contains(program), "the page has another program");
    let server = Server::dev(&store);
    let _worker = ScriptedWorker::counting_words(&server);
    check(&server, "docs/executors.md");
}

async fn the_command_line_page_holds(store: Store) {
    check(&Server::dev(&store), "docs/command-line.md");
}

fn page(name: &str) -> String {
    let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("a page")
}

/// Between the outputs of two commands.
const CUT: &str = "\n-----\n";

fn check(server: &Server, name: &str) {
    let samples = samples(&page(name));
    assert!(!samples.is_empty(), "{name} has no samples");
    let mut script = String::from("set -euo pipefail\n");
    for (command, _) in &samples {
        script += &format!("{command}\nprintf '%s' '{CUT}'\n");
    }
    for (port, api) in
        [(8080, server.gateway()), (8000, server.research()), (8090, server.worker())]
    {
        script = script.replace(&format!("http://localhost:{port}"), api.base());
    }
    let printed = pipe(bash(server), &script);
    for ((command, expected), printed) in samples.iter().zip(printed.split(CUT)) {
        assert_eq!(settled(printed), settled(expected), "{name}: {command}");
    }
}

/// A shell that finds the binary, which finds the server.
fn bash(server: &Server) -> Command {
    let binary = taskgate_tests::command::path();
    let directory = binary.parent().expect("a directory");
    let mut bash = Command::new("bash");
    bash.env("PATH", format!("{}:{}", directory.display(), std::env::var("PATH").expect("a PATH")))
        .env("TASKGATE_URL", server.gateway().base())
        .env("TASKGATE_RESEARCH_URL", server.research().base());
    bash
}

/// The commands of a page, each with the output printed below it. The two that
/// build the program are not for an end-to-end test.
fn samples(page: &str) -> Vec<(String, String)> {
    let mut samples = Vec::new();
    let mut command = None;
    for block in page.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').expect("a block");
        match (language, command.take()) {
            ("sh", _) if !text.starts_with("cargo ") && !text.starts_with("scripts/") => {
                command = Some(text.to_owned());
            }
            ("python", _) => {
                command = Some(format!("\"$TASKGATE_TEST_PYTHON\" - <<'END'\n{text}\nEND\n"));
            }
            ("json" | "text", Some(command)) => samples.push((command, text.to_owned())),
            _ => {}
        }
    }
    samples
}

/// A text without what differs from run to run: ids, keys, times and how long
/// something took.
fn settled(text: &str) -> String {
    let mut sed = Command::new("sed");
    sed.args([
        "-E",
        "-e",
        "s/task_[0-9A-Z]{26}/task_ID/g",
        "-e",
        "s/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/UUID/g",
        "-e",
        "s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\\.[0-9]{6})?/TIME/g",
        "-e",
        "s/[0-9]{13}-([0-9]+)/MILLIS-\\1/g",
        "-e",
        "s/sk_live_[0-9A-Za-z]+/sk_live_KEY/g",
        "-e",
        "s/(_ms\": )[0-9]+/\\1MILLIS/g",
    ]);
    pipe(sed, text).trim().to_owned()
}

/// What a program prints when it reads `input`.
fn pipe(mut program: Command, input: &str) -> String {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{input}\n{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("UTF-8")
}
