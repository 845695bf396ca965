//! The runtime over a real store.

#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    num::NonZeroU16,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use taskgate_domain::{
    id::{TaskNumber, TenantId},
    queue::WorkerId,
    task::{
        Task,
        outcome::Outcome,
        status::TaskStatus,
        work::{Kind, TaskType},
    },
    testkit::{Ports, build},
};
use taskgate_infra::{DatabaseUrl, Store, StoreOptions, migrations};
use taskgate_worker::{Executor, Failure, Lane, Options, Run, Runtime, Stop};
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

/// How long anything may take that is awaited; less than the time between
/// heartbeats, so that nothing here is learned from those.
const PATIENCE: Duration = Duration::from_secs(15);

fn store(directory: &TempDir) -> Ports {
    let path = directory.path().join("tasks.db");
    let url: DatabaseUrl = format!("sqlite://{}", path.display()).parse().unwrap();
    migrations::apply(&url).unwrap();
    let store = Store::connect(&StoreOptions { url, pool_size: 4 }).unwrap();
    Ports {
        tasks: store.tasks,
        queue: store.queue,
        reviews: store.reviews,
        events: store.events,
        feed: store.feed,
        sessions: store.sessions,
        keys: store.keys,
        maintenance: store.maintenance,
    }
}

/// A runtime at work over a store.
fn start(ports: &Ports, lanes: Vec<Lane>) -> (watch::Sender<bool>, JoinHandle<()>) {
    start_with(ports, lanes, options())
}

fn options() -> Options {
    Options { wait: Duration::from_millis(100), ..Options::default() }
}

fn start_with(
    ports: &Ports,
    lanes: Vec<Lane>,
    options: Options,
) -> (watch::Sender<bool>, JoinHandle<()>) {
    let worker = WorkerId::new("worker-1").unwrap();
    let runtime = Runtime::new(ports.queue.clone(), worker, options).with_feed(ports.feed.clone());
    let (stop, stopped) = watch::channel(false);
    (stop, tokio::spawn(runtime.run(lanes, stopped)))
}

/// Does tasks of a kind, and counts how often each.
struct Counting {
    kind: Kind,
    done: Arc<Mutex<BTreeMap<TaskNumber, usize>>>,
    ended: mpsc::UnboundedSender<()>,
}

#[async_trait]
impl Executor for Counting {
    fn kinds(&self) -> &[Kind] {
        std::slice::from_ref(&self.kind)
    }

    async fn execute(&self, run: &Run) -> Result<Outcome, Failure> {
        let number = run.task().number;
        run.checkpoint().await?;
        run.tell(build::event("BEGUN")).await?;
        run.progress(1, 2, Some("half".to_owned()));
        tokio::task::yield_now().await;
        run.tell(build::event("ENDING")).await?;
        let tries = {
            let mut done = self.done.lock().unwrap();
            let tries = done.entry(number).or_default();
            *tries += 1;
            *tries
        };
        if number.get() % 50 == 0 && tries == 1 {
            return Err(Failure::passing("once"));
        }
        self.ended.send(()).unwrap();
        let result = format!(r#"{{"number":{}}}"#, number.get());
        Ok(Outcome { result: Some(result), ..Outcome::default() })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_done_once_whoever_does_it() {
    const TASKS: usize = 200;
    let directory = TempDir::new().unwrap();
    let ports = store(&directory);
    let search = Kind::Research(TaskType::Search);
    let (done, (ended, mut ends)) = (Arc::default(), mpsc::unbounded_channel());
    let lane = |kind, slots| {
        let counting = Counting { kind, done: Arc::clone(&done), ended: ended.clone() };
        Lane::new(Arc::new(counting), NonZeroU16::new(slots).unwrap())
    };
    let lanes = vec![lane(Kind::Agent, 4), lane(Kind::Agent, 7), lane(search, 5)];
    let first = start(&ports, lanes);
    let second = start(&ports, vec![lane(Kind::Agent, 3), lane(search, 16)]);
    let mut tasks: Vec<Task> = Vec::new();
    for _ in 0..TASKS / 2 {
        tasks.push(ports.submit_any().await);
        let job = build::research_task(TenantId::DEFAULT, build::project(1));
        tasks.push(ports.submit(job).await);
    }
    for _ in 0..TASKS {
        timeout(PATIENCE, ends.recv()).await.unwrap();
    }
    for (stop, running) in [first, second] {
        stop.send_replace(true);
        timeout(PATIENCE, running).await.unwrap().unwrap();
    }
    for task in &tasks {
        let retried = task.number.get() % 50 == 0;
        assert_eq!(done.lock().unwrap()[&task.number], if retried { 2 } else { 1 });
        let ended = ports.task(task.number).await;
        assert_eq!(ended.status(), TaskStatus::Completed);
        let result = &ended.finished().unwrap().outcome.result;
        assert_eq!(*result, Some(format!(r#"{{"number":{}}}"#, task.number.get())));
        let log = ports.log_types(task.number).await;
        let own: Vec<_> =
            log.iter().filter(|name| ["BEGUN", "ENDING"].contains(&name.as_str())).collect();
        assert!(own.chunks(2).all(|pair| pair == ["BEGUN", "ENDING"]), "{log:?}");
        assert_eq!(own.len(), if retried { 4 } else { 2 }, "{log:?}");
        assert_eq!(log.last().unwrap(), "STREAM_END");
    }
}

/// Goes on and on, counting its steps, and tells why it had to stop.
struct Stepping {
    steps: Arc<AtomicU64>,
    stopped: mpsc::UnboundedSender<Stop>,
}

#[async_trait]
impl Executor for Stepping {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Agent]
    }

    async fn execute(&self, run: &Run) -> Result<Outcome, Failure> {
        loop {
            if let Err(stop) = run.checkpoint().await {
                self.stopped.send(stop).unwrap();
                return Err(stop.into());
            }
            self.steps.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    }
}

/// Returns when steps are taken, or not taken, during a moment.
async fn stepping(ports: &Ports, steps: &AtomicU64, expected: bool) {
    let seen = async {
        loop {
            let before = steps.load(Ordering::Relaxed);
            ports.pass_a_moment().await;
            if (steps.load(Ordering::Relaxed) > before) == expected {
                return;
            }
        }
    };
    timeout(PATIENCE, seen).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_a_resume_and_a_cancel_are_heard_before_the_next_heartbeat() {
    let directory = TempDir::new().unwrap();
    let ports = store(&directory);
    let steps = Arc::new(AtomicU64::new(0));
    let (stopped, mut stops) = mpsc::unbounded_channel();
    let executor = Arc::new(Stepping { steps: steps.clone(), stopped });
    let (stop, running) = start(&ports, vec![Lane::new(executor, NonZeroU16::MIN)]);
    let task = ports.submit_any().await.number;
    stepping(&ports, &steps, true).await;
    ports.pause(task).await;
    stepping(&ports, &steps, false).await;
    ports.resume(task).await;
    stepping(&ports, &steps, true).await;
    ports.cancel(task).await;
    assert_eq!(timeout(PATIENCE, stops.recv()).await.unwrap(), Some(Stop::Cancelled));
    stop.send_replace(true);
    timeout(PATIENCE, running).await.unwrap().unwrap();
    assert_eq!(ports.status(task).await, TaskStatus::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopping_worker_hands_back_another_does() {
    let directory = TempDir::new().unwrap();
    let ports = store(&directory);
    let (stopped, _stops) = mpsc::unbounded_channel();
    let steps = Arc::new(AtomicU64::new(0));
    let executor = Arc::new(Stepping { steps: steps.clone(), stopped });
    let options = Options { grace: Duration::ZERO, ..options() };
    let first = start_with(&ports, vec![Lane::new(executor, NonZeroU16::MIN)], options);
    let task = ports.submit_any().await.number;
    stepping(&ports, &steps, true).await;
    first.0.send_replace(true);
    timeout(PATIENCE, first.1).await.unwrap().unwrap();
    assert_ne!(ports.status(task).await, TaskStatus::Running);
    let (ended, mut ends) = mpsc::unbounded_channel();
    let counting = Counting { kind: Kind::Agent, done: Arc::default(), ended };
    let second = start(&ports, vec![Lane::new(Arc::new(counting), NonZeroU16::MIN)]);
    timeout(PATIENCE, ends.recv()).await.unwrap();
    second.0.send_replace(true);
    timeout(PATIENCE, second.1).await.unwrap().unwrap();
    assert_eq!(ports.status(task).await, TaskStatus::Completed);
}
