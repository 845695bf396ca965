//! What claims tasks, keeps their leases, and reports how they ended.

mod attempt;
mod backoff;
mod keeper;
mod lane;
mod recorder;
mod reporter;

pub(crate) use backoff::Backoff;
pub use lane::Lane;

use reporter::End;
use std::{error::Error, sync::Arc, time::Duration};
use taskgate_domain::{
    ports::{EventFeed, TaskQueue},
    queue::WorkerId,
    usage::Usage,
    usecase::workers::{Verdict, Workers},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

/// How long a stopping runtime tries to report what has ended, when everything
/// else is done.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// How a runtime goes about its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a task is held without a sign of life, 5 seconds to an hour;
    /// heartbeats come at a third of it. A minute by default.
    pub lease: Duration,
    /// How long one claim waits for a task, up to 30 seconds, and never longer
    /// than a third of the lease; 5 by default. A claim that was sent is awaited, for its tasks would reach nobody until
    /// their leases end; so a stop may take so long, too.
    pub wait: Duration,
    /// How long tasks may still run after a stop was asked for; what has not
    /// ended by then is given back. 10 seconds by default.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            wait: Duration::from_secs(5),
            grace: Duration::from_secs(10),
        }
    }
}

/// Claims tasks from a queue, has executors do them, keeps their leases
/// meanwhile, and reports how they ended.
pub struct Runtime {
    queue: Arc<dyn TaskQueue>,
    worker: WorkerId,
    options: Options,
    feed: Option<Arc<dyn EventFeed>>,
}

/// What all attempts of a runtime share.
struct Shared {
    workers: Arc<Workers>,
    worker: WorkerId,
    options: Options,
    feed: Option<Arc<dyn EventFeed>>,
    stop: watch::Receiver<bool>,
    ends: mpsc::Sender<End>,
}

impl Runtime {
    /// A runtime over a queue, under the name that people see.
    pub fn new(queue: Arc<dyn TaskQueue>, worker: WorkerId, options: Options) -> Self {
        Self { queue, worker, options, feed: None }
    }

    /// Also listens to the logs of the tasks that it runs, so that it learns
    /// of a cancel, a pause or a resume when it happens, and not only by its
    /// next heartbeat.
    #[must_use]
    pub fn with_feed(self, feed: Arc<dyn EventFeed>) -> Self {
        Self { feed: Some(feed), ..self }
    }

    /// Runs tasks until `stop` becomes true, or its sender is gone; then takes
    /// no more, lets those that run end within the
    /// [grace](Options::grace), gives the others back, and returns.
    ///
    /// To drop the future ends everything at once: the tasks run again when
    /// their leases are over.
    pub async fn run(self, lanes: Vec<Lane>, stop: watch::Receiver<bool>) {
        let workers = Arc::new(Workers::new(self.queue));
        let (ends, ended) = mpsc::channel(reporter::BATCH);
        let mut reporting = JoinSet::new();
        reporting.spawn(reporter::report(workers.clone(), ended));
        let Self { worker, options, feed, .. } = self;
        let shared = Arc::new(Shared { workers, worker, options, feed, stop, ends });
        let mut serving = JoinSet::new();
        for lane in lanes {
            serving.spawn(lane.serve(shared.clone()));
        }
        // The reporter ends when nobody is left who could send it anything.
        drop(shared);
        serving.join_all().await;
        if timeout(LAST_REPORTS, reporting.join_next()).await.is_err() {
            tracing::warn!("stopped before all ends were reported; those tasks will run again");
        }
    }
}

impl Shared {
    /// Returns when a stop is asked for.
    async fn stopping(&self) {
        // A sender that is gone asks for it, too: nobody could any more.
        drop(self.stop.clone().wait_for(|stop| *stop).await);
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }
}

/// What is reported of a task that this process does not finish.
fn hand_back() -> Verdict {
    Verdict::Release { usage: Usage::default() }
}

/// An error with its causes, for the log.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
