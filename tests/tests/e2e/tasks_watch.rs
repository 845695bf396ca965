//! `taskgate tasks watch`, and what holds a task meanwhile.

use serde_json::{Value, json};
use taskgate_tests::{
    CommandRun, Live, Proxy, Server, Store, Worker,
    command::{run, tasks},
    eventually,
};

taskgate_tests::on_both_stores!(
    a_watch_tells_what_happens_and_prints_the_result,
    every_end_has_its_exit_code,
    a_research_task_is_watched_like_any_other,
    a_broken_line_loses_and_repeats_nothing,
    an_interrupted_watch_leaves_the_task_alone,
    a_submit_may_watch_at_once,
    a_task_is_paused_and_resumed,
);

fn contains(run: &CommandRun, lines: &[&str]) {
    for line in lines {
        assert!(run.stderr.lines().any(|said| said == *line), "{line} is not in {run:?}");
    }
}

async fn a_watch_tells_what_happens_and_prints_the_result(store: Store) {
    let server = Server::dev(&store);
    let id = server.gateway().ask("How high is Mount Fuji?").await;
    let watch = Live::start(tasks(&store, &server, &["watch", &id]));
    let worker = Worker::of(&server);
    let task = worker.claim_one("agent").await;
    let beat = json!({"progress": 1, "total": 2, "message": "reading\u{1b}[2J a map"});
    worker.heartbeat(&task, beat).await.expect(200);
    let event = json!([{"type": "AGENT_THINKING", "agent_id": "planner", "message": "a plan"}]);
    worker.record(&task, event).await.expect(200);
    worker.complete(&task, json!({"result": "3776 metres"})).await.expect(200);
    let run = watch.finish().await;
    assert_eq!((run.code, run.stdout.as_str()), (0, "3776 metres\n"), "{run:?}");
    contains(&run, &["1/2 reading[2J a map", "AGENT_THINKING planner: a plan"]);
    assert!(!run.stderr.contains('\u{1b}'), "no bar and no colour outside of a terminal");

    let again = Live::start(tasks(&store, &server, &["watch", &id])).finish().await;
    assert_eq!((again.code, again.stdout.as_str()), (0, "3776 metres\n"), "{again:?}");
}

async fn every_end_has_its_exit_code(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));

    let failed = gateway.ask("fails").await;
    let task = worker.claim_one("agent").await;
    worker.fail(&task, "no such mountain", false).await.expect(200);
    let cancelled = gateway.ask("is cancelled").await;
    gateway.post(&format!("/api/v1/tasks/{cancelled}/cancel"), &json!({})).await.expect(202);
    let late = gateway.ask("is late").await;
    store.pass_deadlines();
    eventually("the end of the late task", async || {
        (gateway.task(&late).await["status"] == "TASK_STATUS_TIMEOUT").then_some(())
    })
    .await;

    for (id, code, saying) in [
        (failed, 3, "has failed: no such mountain"),
        (cancelled, 4, "was cancelled"),
        (late, 5, "passed its deadline"),
    ] {
        let run = Live::start(tasks(&store, &server, &["watch", &id])).finish().await;
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{run:?}");
        assert!(run.stderr.contains(&format!("taskgate: {id} {saying}")), "{run:?}");
    }
    let unknown = ["watch", "task_01M80870SSZJ2QRFJ6CHRPXMGQ"];
    let run = Live::start(tasks(&store, &server, &unknown)).finish().await;
    assert_eq!((run.code, run.stderr.as_str()), (1, "taskgate: Task not found (404)\n"));
}

async fn a_research_task_is_watched_like_any_other(store: Store) {
    let server = Server::dev(&store);
    let body = json!({"project_id": 7, "task_type": "ocr", "params": {}, "total": 3});
    let id = server.research().submit_job(&body).await.to_string();
    let command = tasks(&store, &server, &["--face", "research", "watch", &id]);
    let watch = Live::start(command);
    let worker = Worker::of(&server);
    let task = worker.claim_one("ocr").await;
    worker.heartbeat(&task, json!({"progress": 2, "message": "page 2"})).await.expect(200);
    worker.complete(&task, json!({"result": {"pages": 3}})).await.expect(200);
    let run = watch.finish().await;
    assert_eq!((run.code, run.stdout.as_str()), (0, "{\"pages\":3}\n"), "{run:?}");
    contains(&run, &["2/3 page 2"]);

    let body = json!({"project_id": 7, "task_type": "ocr", "params": {}});
    let id = server.research().submit_job(&body).await.to_string();
    let task = worker.claim_one("ocr").await;
    worker.fail(&task, "no such page", false).await.expect(200);
    let command = tasks(&store, &server, &["watch", &id, "--face", "research"]);
    let run = Live::start(command).finish().await;
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains(&format!("{id} has failed: no such page")), "{run:?}");
}

async fn a_broken_line_loses_and_repeats_nothing(store: Store) {
    let server = Server::dev(&store);
    let proxy = Proxy::to(server.gateway().address());
    let url = format!("http://{}", proxy.address());
    let id = server.gateway().ask("q").await;
    let mut watch = Live::start(tasks(&store, &server, &["watch", &id, "--json", "--url", &url]));
    let first = watch.line().await;
    proxy.refuse();
    let worker = Worker::of(&server);
    let task = worker.claim_one("agent").await;
    for step in ["one", "two"] {
        let event = json!([{"type": "AGENT_THINKING", "message": step}]);
        worker.record(&task, event).await.expect(200);
    }
    proxy.restore();
    worker.complete(&task, json!({"result": "done"})).await.expect(200);
    let run = watch.finish().await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("next try in"), "{run:?}");
    let whole = Live::start(tasks(&store, &server, &["watch", &id, "--json"])).finish().await;
    assert_eq!(format!("{first}\n{}", run.stdout), whole.stdout);

    let lines = whole.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let lines: Vec<Value> = lines.collect();
    let (last, events) = lines.split_last().expect("lines");
    assert_eq!((&last["event"], &last["data"]["result"]), (&json!("task"), &json!("done")));
    assert!(events.iter().all(|event| event["id"].is_string() && event["data"].is_object()));
    let thoughts = events.iter().filter(|event| event["event"] == "AGENT_THINKING");
    assert_eq!(thoughts.count(), 2, "{events:?}");
}

async fn an_interrupted_watch_leaves_the_task_alone(store: Store) {
    let server = Server::dev(&store);
    let id = server.gateway().ask("q").await;
    let mut watch = Live::start(tasks(&store, &server, &["watch", &id, "--json"]));
    watch.line().await;
    watch.interrupt();
    let run = watch.finish().await;
    let said = format!("taskgate: stopped watching; {id} goes on\n");
    assert_eq!((run.code, run.stderr), (130, said));
    assert_eq!(server.gateway().task(&id).await["status"], "TASK_STATUS_QUEUED");
}

async fn a_submit_may_watch_at_once(store: Store) {
    let server = Server::dev(&store);
    let watch = Live::start(tasks(&store, &server, &["submit", "q", "--watch"]));
    let worker = Worker::of(&server);
    let task = worker.claim_one("agent").await;
    worker.complete(&task, json!({"result": "done"})).await.expect(200);
    let run = watch.finish().await;
    assert_eq!((run.code, run.stdout.as_str()), (0, "done\n"), "{run:?}");
    contains(&run, &[&format!("submitted {}", task.id)]);
}

async fn a_task_is_paused_and_resumed(store: Store) {
    let server = Server::dev(&store);
    let ours = |args: &[&str]| run(&mut tasks(&store, &server, args));
    let id = server.gateway().ask("q").await;
    let paused = ours(&["pause", &id, "--reason", "not now"]);
    assert_eq!((paused.code, paused.stdout.as_str()), (0, ""), "{paused:?}");
    assert_eq!(server.gateway().task(&id).await["status"], "TASK_STATUS_PAUSED");
    let again = ours(&["pause", &id]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("task is already paused"), "{again:?}");
    assert_eq!(ours(&["resume", &id]).code, 0);
    assert_eq!(server.gateway().task(&id).await["status"], "TASK_STATUS_QUEUED");
    let again = ours(&["resume", &id]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("task is not paused"), "{again:?}");
}
