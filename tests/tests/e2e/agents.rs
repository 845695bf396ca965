//! Tasks that the server's own workers run, by a model and without one.

mod budgets;
mod context;
mod faults;
mod fields;
mod modes;
mod shape;
mod statuses;
mod streams;

use serde_json::{Value, json};
use std::time::Duration;
use taskgate_tests::{Api, ModelServer, Server, Store, eventually_within};

/// The key of the model's endpoint, which nothing may ever tell.
const KEY: &str = "sk-of-the-endpoint-4711";
/// A model of each tier, in dollars for a million tokens.
const PRICES: &str = "small-1=0.1/0.4,medium-1=0.5/1.5,large-1=2/8";

/// Texts to answer by, which contradict each other.
const HARBOUR: &str = "\
# Harbour bridge

The harbour bridge of Minato was opened in 1964. It carries 12000 cars each day.
The bridge was painted red by Aoki Haruko.

# Night ferry

The night ferry of Minato leaves at 22:40 from the east pier.
";
const RUMOURS: &str = "\
# Rumours

Some contradict that: the harbour bridge of Minato was opened in 1971.
";

/// A server whose workers ask a model.
struct World {
    server: Server,
    gateway: Api,
    endpoint: ModelServer,
}

impl World {
    /// A server with a model for each tier, sixteen workers and these further
    /// arguments.
    fn new(store: &Store, more: &[&str]) -> Self {
        let endpoint = ModelServer::with_key(KEY);
        let server = Self::server(store, &endpoint, more);
        Self { gateway: server.gateway(), server, endpoint }
    }

    /// A server that asks this endpoint.
    fn server(store: &Store, endpoint: &ModelServer, more: &[&str]) -> Server {
        let (corpus, url) = (corpus(store), endpoint.url());
        let mut args = vec!["dev", "--workers", "16", "--corpus", &corpus];
        args.extend(["--model-base-url", &url, "--model-api-key", KEY]);
        args.extend(["--model-provider", "ollama", "--model-prices", PRICES]);
        args.extend(["--model-small", "small-1", "--model-medium", "medium-1"]);
        args.extend(["--model-large", "large-1"]);
        args.extend(more);
        Server::start(store, &args)
    }

    /// Submits a task with this context.
    async fn submit(&self, query: &str, mode: &str, context: Value) -> String {
        let body = json!({ "query": query, "mode": mode, "context": context });
        self.gateway.submit(&body).await
    }

    /// Submits a task and waits for its end.
    async fn run(&self, query: &str, mode: &str, context: Value) -> Value {
        let id = self.submit(query, mode, context).await;
        ended(&self.gateway, &id).await
    }
}

/// A folder of texts, by its path.
fn corpus(store: &Store) -> String {
    let folder = store.directory().join("harbour");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("harbour.md"), HARBOUR).expect("a text");
    std::fs::write(folder.join("rumours.md"), RUMOURS).expect("a text");
    folder.display().to_string()
}

/// Waits until a task has this status.
async fn reached(gateway: &Api, id: &str, status: &str) -> Value {
    until(gateway, id, |task| task["status"] == status).await
}

/// Waits for the end of a task.
async fn ended(gateway: &Api, id: &str) -> Value {
    let live = ["TASK_STATUS_QUEUED", "TASK_STATUS_RUNNING", "TASK_STATUS_PAUSED"];
    until(gateway, id, |task| !live.iter().any(|status| task["status"] == *status)).await
}

async fn until(gateway: &Api, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    // Failures are tried again for a while, on machines that have other work.
    eventually_within(Duration::from_secs(120), "a change of the task", async || {
        let task = gateway.task(id).await;
        is_so(&task).then_some(task)
    })
    .await
}

/// The events of a task, as its log keeps them.
async fn events(gateway: &Api, id: &str) -> Vec<Value> {
    let answer = gateway.get(&format!("/api/v1/tasks/{id}/events?limit=200")).await.expect(200);
    answer["events"].as_array().expect("a list of events").clone()
}

/// How many of the events have this type.
fn count(events: &[Value], event_type: &str) -> usize {
    events.iter().filter(|event| event["type"] == event_type).count()
}

/// A text that has to be there.
#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// A list that has to be there.
#[track_caller]
fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}
