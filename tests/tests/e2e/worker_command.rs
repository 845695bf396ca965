//! `taskgate worker`: tasks of a server elsewhere.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use taskgate_tests::{
    Api, ModelServer, Process, Proxy, Server, Store, create_key, eventually, taskgate, terminate,
};

taskgate_tests::on_both_stores!(
    a_worker_elsewhere_answers_questions,
    a_worker_outlives_its_server,
    a_stopped_worker_finishes_what_it_does,
    a_stopped_worker_gives_back_what_takes_too_long,
);

const TASKS: &str = "/api/v1/tasks";

async fn status(gateway: &Api, id: &str, expected: &str) -> Value {
    eventually(expected, async || {
        let task = gateway.task(id).await;
        (task["status"] == format!("TASK_STATUS_{expected}")).then_some(task)
    })
    .await
}

/// The flags for a model that takes half a second for each word.
fn slow(url: &str) -> [&str; 4] {
    ["--model-base-url", url, "--model-medium", "fault:slower"]
}

async fn a_worker_elsewhere_answers_questions(store: Store) {
    let server = Server::serve(&store, &[]);
    let gateway = server.gateway().with_key(&create_key(&store, &[]));
    let key = create_key(&store, &["--scope", "worker"]);
    let args = ["--api-key", &key, "--kinds", "agent"];
    let mut worker = Process::worker(&store, server.worker().base(), &args);
    worker.says("working");
    let task = json!({ "query": "What does a worker do with a lease?" });
    let id = gateway.submit(&task).await;
    let task = status(&gateway, &id, "COMPLETED").await;
    assert_eq!((&task["provider"], &task["attempts"]), (&json!("taskgate"), &json!(1)));
    assert!(task["result"].as_str().is_some_and(|text| text.contains("## Sources")), "{task}");
    assert!(!worker.log().contains(&key), "{}", worker.log());

    let start = Instant::now();
    assert!(worker.stop().success());
    // As long as a claim waits, and a little more.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

async fn a_worker_outlives_its_server(store: Store) {
    let mut server = Server::dev(&store);
    let line = Proxy::to(server.worker().address());
    line.refuse();
    let mut worker = Process::worker(&store, &format!("http://{}", line.address()), &[]);
    worker.says(&format!("cannot reach http://{}", line.address()));
    let first = server.gateway().ask("What is a lease?").await;
    line.restore();
    status(&server.gateway(), &first, "COMPLETED").await;

    assert!(server.stop().success());
    server = Server::dev(&store);
    line.point_to(server.worker().address());
    let second = server.gateway().ask("What is a claim?").await;
    status(&server.gateway(), &second, "COMPLETED").await;
    worker.says("claims work again");
    assert!(worker.stop().success());
}

async fn a_stopped_worker_finishes_what_it_does(store: Store) {
    let (server, model) = (Server::dev(&store), ModelServer::start());
    let gateway = server.gateway();
    let mut worker = Process::worker(&store, server.worker().base(), &slow(&model.url()));
    let id = gateway.ask("Are you there?").await;
    answering(&model).await;
    terminate(worker.id());
    worker.says("stopping");
    let late = gateway.ask("Too late?").await;
    let ended = worker.wait(Duration::from_secs(20)).expect("it ends");
    assert!(ended.success(), "{ended}: {}", worker.log());
    let task = gateway.task(&id).await;
    assert_eq!(task["status"], "TASK_STATUS_COMPLETED");
    assert_eq!(
        (&task["result"], &task["attempts"]),
        (&json!("You asked: Are you there?"), &json!(1))
    );
    assert_eq!(gateway.task(&late).await["status"], "TASK_STATUS_QUEUED");
}

async fn a_stopped_worker_gives_back_what_takes_too_long(store: Store) {
    let (server, model) = (Server::dev(&store), ModelServer::start());
    let gateway = server.gateway();
    let url = model.url();
    let worker = Process::worker(&store, server.worker().base(), &slow(&url));
    let question = "Will you repeat every word of this although it takes you far more time than \
                    anybody would ever give to a worker that has to stop at once?";
    let id = gateway.ask(question).await;
    answering(&model).await;
    assert!(worker.stop().success());
    let events = gateway.get(&format!("{TASKS}/{id}/events")).await.expect(200);
    let events = events["events"].as_array().expect("events");
    let last = events.last().expect("an event");
    assert_eq!(
        (&last["type"], &last["message"]),
        (&json!("ERROR_RECOVERY"), &json!("The worker gave the task back."))
    );

    let quick = ["--model-base-url", &url, "--model-medium", "quick"];
    let _worker = Process::worker(&store, server.worker().base(), &quick);
    let task = status(&gateway, &id, "COMPLETED").await;
    assert_eq!(task["result"], format!("You asked: {question}"));
}

async fn answering(model: &ModelServer) {
    eventually("an answer", async || (model.running().await > 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_work_says_why_and_ends() {
    let store = Store::sqlite();
    let server = Server::dev(&store);
    let other = create_key(&store, &[]);
    let (worker, gateway) = (server.worker().base().to_owned(), server.gateway().base().to_owned());
    for (url, args, code, saying) in [
        (&worker, vec!["--api-key", "sk_wrong"], 1, "unknown, expired or revoked (401)"),
        (&worker, vec!["--api-key", &other], 1, "the key is not for workers"),
        (&worker, vec![], 1, "without a valid key: it is missing"),
        (&gateway, vec!["--api-key", "sk_test_123456"], 1, "there is no worker face at this URL"),
        (&"127.0.0.1:9".to_owned(), vec![], 1, "url must be http://HOST:PORT"),
        (&worker, vec!["--api-key", "sk wrong\n"], 1, "key must have no characters but"),
        (&worker, vec!["--kinds", "agent,ocr"], 1, "--kinds ocr is nothing that"),
        (&worker, vec!["--kinds", "dance"], 2, "one of agent, search, dedup"),
        (&worker, vec!["--workers", "0"], 1, "--workers must be above 0"),
        (&worker, vec!["--lease-seconds", "4"], 2, "4 is not in 5..=3600"),
    ] {
        let run = taskgate(&store, &[&["worker", "--url", url][..], &args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{run:?}");
        assert!(run.stderr.contains(saying), "{saying}: {run:?}");
        assert!(code == 2 || run.stderr.lines().count() == 1, "{run:?}");
        assert!(!run.stderr.contains("sk_wrong") && !run.stderr.contains(&other), "{run:?}");
    }
}
