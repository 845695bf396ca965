//! Measures the worker runtime: how many tasks a second pass through it when
//! doing them takes no time.
//!
//! `scripts/bench-workers` runs this with a release build.

use async_trait::async_trait;
use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use taskgate_domain::{
    id::UserId,
    json::JsonObject,
    ports::TaskQueue,
    queue::WorkerId,
    task::{
        outcome::Outcome,
        submit::SubmitOptions,
        work::{AgentWork, Kind, Mode, SessionLabel},
    },
    usecase::tasks::Tasks,
};
use taskgate_infra::{Store as Ports, StoreOptions, migrations};
use taskgate_tests::{Server, Store};
use taskgate_worker::{Executor, Failure, HttpQueue, Lane, Options, Run, Runtime};
use tokio::{sync::watch, task::JoinSet};

/// How many tasks each round runs.
const TASKS: u32 = 10_000;
/// How many are submitted at the same time.
const SUBMITTERS: u32 = 64;
/// How many tasks run at the same time, in one round after the other.
const SLOTS: [u16; 3] = [1, 16, 500];

#[tokio::main]
async fn main() {
    println!("{TASKS} tasks that do nothing; tasks per second from claim to end");
    println!("{:<12} {:<12} {:>6} {:>10}", "store", "queue", "slots", "tasks/s");
    for store in [Store::sqlite, Store::postgres] {
        let store = store();
        let url = store.url().parse().expect("a URL");
        migrations::apply(&url).expect("migrations");
        let name = if store.url().starts_with("sqlite") { "SQLite" } else { "PostgreSQL" };
        let ports = Ports::connect(&StoreOptions { url, pool_size: 16 }).expect("a store");
        for slots in SLOTS {
            measure(&ports, name, "in process", ports.queue.clone(), slots).await;
        }
        let args = ["dev", "--workers", "0", "--no-auth", "--log-level", "warn"];
        let server = Server::start(&store, &args);
        let queue = HttpQueue::new(server.worker().base(), None).expect("a URL");
        let queue: Arc<dyn TaskQueue> = Arc::new(queue);
        for slots in SLOTS {
            measure(&ports, name, "over HTTP", queue.clone(), slots).await;
        }
    }
}

/// Runs a round of tasks through a queue, and prints how fast they went.
async fn measure(ports: &Ports, store: &str, way: &str, queue: Arc<dyn TaskQueue>, slots: u16) {
    // One slot takes a round trip for each task, so it gets a tenth.
    let tasks = if slots == 1 { TASKS / 10 } else { TASKS };
    submit(ports, tasks).await;
    let (stop, stopped) = watch::channel(false);
    let executor = NoOperation { left: AtomicU32::new(tasks), stop };
    let slots = NonZeroU16::new(slots).expect("it is positive");
    // A claim that waits at the end for more would count as work.
    let options = Options { wait: Duration::ZERO, ..Options::default() };
    let runtime = Runtime::new(queue, WorkerId::new("bench").expect("a name"), options);
    let begun = Instant::now();
    runtime.run(vec![Lane::new(Arc::new(executor), slots)], stopped).await;
    let speed = f64::from(tasks) / begun.elapsed().as_secs_f64();
    println!("{store:<12} {way:<12} {slots:>6} {speed:>10.0}");
}

async fn submit(ports: &Ports, count: u32) {
    let tasks = Arc::new(Tasks::new(ports.tasks.clone(), ports.sessions.clone()));
    let mut submitting = JoinSet::new();
    for n in 0..SUBMITTERS {
        let tasks = tasks.clone();
        submitting.spawn(async move {
            let session = SessionLabel::new(format!("session-{n}")).expect("a label");
            for _ in (n..count).step_by(usize::try_from(SUBMITTERS).unwrap_or(1)) {
                let context = JsonObject::parse("context", "{}".to_owned()).expect("an object");
                let work =
                    AgentWork::new("nothing".to_owned(), session.clone(), Mode::Simple, context);
                let work = work.expect("a question");
                let options = SubmitOptions::default();
                tasks.submit_agent(UserId::DEFAULT, work, options, None).await.expect("stored");
            }
        });
    }
    submitting.join_all().await;
}

/// Does nothing, so many times.
struct NoOperation {
    left: AtomicU32,
    stop: watch::Sender<bool>,
}

#[async_trait]
impl Executor for NoOperation {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Agent]
    }

    async fn execute(&self, _: &Run) -> Result<Outcome, Failure> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.stop.send_replace(true);
        }
        Ok(Outcome { result: Some("done".to_owned()), ..Outcome::default() })
    }
}
