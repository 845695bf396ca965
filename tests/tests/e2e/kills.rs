//! Tasks that are being done survive the death of whoever does them.

use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{collections::VecDeque, time::Duration};
use taskgate_tests::{
    Api, EventStream, ModelServer, Process, Proxy, Server, Store, eventually_within,
};
use tokio::time::timeout;

taskgate_tests::on_both_stores!(a_task_of_a_killed_worker_is_done_by_another, kills_lose_no_task,);

const TASKS: &str = "/api/v1/tasks";
/// How many tasks there are before each kill.
const WAVE: usize = 25;
/// Who is killed, one time after the other.
const KILLS: [Victims; 8] = [
    Victims::Worker,
    Victims::Server,
    Victims::Both,
    Victims::Worker,
    Victims::Server,
    Victims::Both,
    Victims::Worker,
    Victims::Server,
];
/// How many answers are under way at least when somebody is killed.
const BUSY: u64 = 5;
/// How long a task may take to its end.
const PATIENCE: Duration = Duration::from_secs(90);

/// Who dies at the same time.
#[derive(Clone, Copy)]
enum Victims {
    /// One of the workers.
    Worker,
    /// The server, which runs tasks as well.
    Server,
    /// The server and one of the workers.
    Both,
}

/// A server, workers that reach it over a line that stays when it is restarted,
/// and the slow model that all of them ask.
struct Crew {
    // Whoever uses another stands before it, for this is the order of the end.
    workers: VecDeque<Process>,
    line: Proxy,
    server: Option<Server>,
    /// How many tasks the server does itself.
    own: &'static str,
    model: ModelServer,
    store: Store,
}

impl Crew {
    fn start(store: Store, own: &'static str, workers: usize) -> Self {
        let model = ModelServer::start();
        let server = serve(&store, &model, own);
        let line = Proxy::to(server.worker().address());
        let mut crew =
            Self { workers: VecDeque::new(), line, server: Some(server), own, model, store };
        for _ in 0..workers {
            crew.start_worker();
        }
        crew
    }

    fn start_worker(&mut self) {
        let url = format!("http://{}", self.line.address());
        let model = self.model.url();
        let args = ["--workers", "4", "--lease-seconds", "5", "--kinds", "agent"];
        let args = [&args[..], &slow(&model)].concat();
        self.workers.push_back(Process::worker(&self.store, &url, &args));
    }

    fn kill_worker(&mut self) {
        self.workers.pop_front().expect("a worker").kill();
    }

    /// Kills these, and starts others in their place.
    fn kill(&mut self, victims: Victims) {
        let worker = !matches!(victims, Victims::Server);
        if worker {
            self.kill_worker();
        }
        if !matches!(victims, Victims::Worker) {
            self.server.take().expect("a server").kill();
            let server = serve(&self.store, &self.model, self.own);
            self.line.point_to(server.worker().address());
            self.server = Some(server);
        }
        if worker {
            self.start_worker();
        }
    }

    fn gateway(&self) -> Api {
        self.server.as_ref().expect("a server").gateway()
    }

    async fn is_busy(&self) {
        eventually_within(PATIENCE, "tasks to be done", async || {
            (self.model.running().await >= BUSY).then_some(())
        })
        .await;
    }
}

fn serve(store: &Store, model: &ModelServer, own: &str) -> Server {
    let model = model.url();
    let args = [&["dev", "--no-auth", "--workers", own][..], &slow(&model)].concat();
    Server::start(store, &args)
}

/// The flags for a model at this URL that takes its time.
fn slow(url: &str) -> [&str; 4] {
    ["--model-base-url", url, "--model-medium", "fault:slower"]
}

async fn a_task_of_a_killed_worker_is_done_by_another(store: Store) {
    let mut crew = Crew::start(store, "0", 1);
    let gateway = crew.gateway();
    let id = gateway.ask("Do you live?").await;
    let path = format!("{TASKS}/{id}/stream");
    let mut stream = EventStream::open(gateway.address(), &path, &[]).await.expect("a stream");
    let mut story = Vec::new();
    let mut said = String::new();
    while let Some(frame) = stream.event().await {
        let data: Value = serde_json::from_str(&frame.data).unwrap_or_default();
        if frame.event == "thread.message.delta" {
            said += data["delta"].as_str().expect("a piece");
            if said == "You" && !story.contains(&"ERROR_RECOVERY".to_owned()) {
                crew.kill_worker();
                crew.start_worker();
            }
            continue;
        }
        if frame.event == "ERROR_RECOVERY" {
            let superseded = json!({ "attempt": 1, "superseded": ["LLM_PARTIAL"] });
            assert_eq!(data["payload"], superseded);
            assert!(said.len() < "You asked: Do you live?".len(), "{said}");
            said.clear();
        }
        story.push(frame.event);
    }
    assert_eq!(
        story,
        [
            "DATA_PROCESSING",
            "WORKFLOW_STARTED",
            "AGENT_STARTED",
            "AGENT_THINKING",
            "ERROR_RECOVERY",
            "WORKFLOW_STARTED",
            "AGENT_STARTED",
            "AGENT_THINKING",
            "thread.message.completed",
            "AGENT_COMPLETED",
            "WORKFLOW_COMPLETED",
            "done",
        ]
    );
    let task = gateway.task(&id).await;
    assert_eq!((&task["attempts"], &task["result"]), (&json!(2), &json!(said)));
}

async fn kills_lose_no_task(store: Store) {
    let mut crew = Crew::start(store, "8", 2);
    let mut ids = Vec::new();
    for (wave, victims) in KILLS.into_iter().enumerate() {
        let gateway = crew.gateway();
        let submits = (0..WAVE).map(async |number| gateway.submit(&question(wave, number)).await);
        ids.extend(join_all(submits).await);
        // A task may well be hit each time.
        crew.store.allow_many_attempts();
        crew.is_busy().await;
        crew.kill(victims);
    }
    all_are_done_once(&crew, &ids).await;
}

/// Checks that each of these tasks is done, or will be, and has ended once.
async fn all_are_done_once(crew: &Crew, ids: &[String]) {
    let gateway = crew.gateway();
    let mut lost = 0;
    for (wave, ids) in ids.chunks(WAVE).enumerate() {
        let mut tokens = 0;
        for (number, id) in ids.iter().enumerate() {
            let voided = timeout(PATIENCE, voided_to_the_end(&gateway, id)).await.expect("an end");
            let task = gateway.task(id).await;
            let query = &question(wave, number)["query"];
            let answer = format!("You asked: {}", query.as_str().expect("a text"));
            assert_eq!((&task["result"], &task["query"]), (&json!(answer), query));
            assert_eq!(task["attempts"], voided + 1);
            tokens += task["usage"]["total_tokens"].as_i64().expect("a count");
            lost += voided;
        }
        let session = format!("/api/v1/sessions/{}", session(wave));
        let session = gateway.get(&session).await.expect(200);
        assert_eq!(session["successful_tasks"], WAVE);
        assert_eq!(session["tokens_used"], tokens);
    }
    for filter in ["", "?status=COMPLETED"] {
        let list = gateway.get(&format!("{TASKS}{filter}")).await.expect(200);
        assert_eq!(list["total_count"], ids.len());
    }
    println!("{} tasks done, {lost} attempts killed", ids.len());
    assert!(lost >= KILLS.len(), "{lost} attempts were killed");
}

/// Follows a task to its end, of which there is one; returns how many of its
/// attempts were declared void, each once.
async fn voided_to_the_end(gateway: &Api, id: &str) -> usize {
    let path = format!("{TASKS}/{id}/stream");
    let mut stream = EventStream::open(gateway.address(), &path, &[]).await.expect("a stream");
    let (mut voided, mut story) = (0, Vec::new());
    while let Some(frame) = stream.event().await {
        if frame.event == "ERROR_RECOVERY" {
            voided += 1;
            let data: Value = serde_json::from_str(&frame.data).expect("an event");
            let payload = json!({ "attempt": voided, "superseded": ["LLM_PARTIAL"] });
            assert_eq!(data["payload"], payload);
        }
        story.push(frame.event);
    }
    assert!(story.ends_with(&["WORKFLOW_COMPLETED".to_owned(), "done".to_owned()]), "{story:?}");
    let is_end = |name: &&String| {
        ["WORKFLOW_COMPLETED", "WORKFLOW_FAILED", "workflow.cancelled", "done"]
            .contains(&name.as_str())
    };
    assert_eq!(story.iter().filter(is_end).count(), 2, "{story:?}");
    voided
}

fn session(wave: usize) -> String {
    format!("wave-{wave}")
}

/// A question whose answer takes more than a second. Those of a session do not
/// follow on each other.
fn question(wave: usize, number: usize) -> Value {
    json!({
        "query": format!("{wave}.{number}?"),
        "session_id": session(wave),
        "context": { "history_window_size": 0 },
    })
}
