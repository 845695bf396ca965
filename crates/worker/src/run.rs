//! One attempt at a task, from the executor's side.

#[cfg(doc)]
use crate::executor::Failure;
use crate::runtime::{Backoff, chain};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use taskgate_domain::{
    error::ReportError,
    event::NewEvent,
    queue::{ClaimedTask, Conversation, Lease},
    review::Review,
    text,
    usage::Usage,
    usecase::workers::Workers,
};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

/// Why an executor has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The task was cancelled.
    Cancelled,
    /// The task's deadline has passed.
    DeadlinePassed,
    /// The task is somebody else's by now, or nobody's.
    LeaseLost,
    /// This process stops and gives the task back.
    Draining,
}

/// What an executor is told while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Signal {
    pub(crate) paused: bool,
    pub(crate) stop: Option<Stop>,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) done: i64,
    pub(crate) total: i64,
    pub(crate) message: Option<String>,
}

/// One attempt at a task: what is asked, what to tell those who watch, and
/// whether to go on.
///
/// Its methods take a shared reference, so that parts of a task that run at the
/// same time use one.
pub struct Run {
    pub(crate) task: ClaimedTask,
    pub(crate) signal: watch::Receiver<Signal>,
    pub(crate) progress: watch::Sender<Option<Progress>>,
    pub(crate) events: mpsc::Sender<NewEvent>,
    pub(crate) consumed: Arc<Mutex<Usage>>,
    pub(crate) workers: Arc<Workers>,
}

/// The longest wait after a question that the store did not answer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Run {
    /// The task.
    pub const fn task(&self) -> &ClaimedTask {
        &self.task
    }

    /// Waits while the task is paused; returns at once while it is not.
    /// Executors call this where they can stop, before anything that costs.
    ///
    /// # Errors
    /// [`Stop`] when the executor has to stop.
    pub async fn checkpoint(&self) -> Result<(), Stop> {
        let told = self.wait_for(|signal| signal.stop.is_some() || !signal.paused).await;
        told.stop.map_or(Ok(()), Err)
    }

    /// Returns when the executor has to stop; for work that waits, in a
    /// `select!`.
    pub async fn stopped(&self) -> Stop {
        self.wait_for(|signal| signal.stop.is_some()).await.stop.unwrap_or(Stop::LeaseLost)
    }

    /// Tells those who watch how far the task is: so many steps of so many,
    /// none of them negative. The latest numbers and message are sent with the
    /// next heartbeat, which comes within a second of this, and at the latest
    /// before the task's end is reported.
    pub fn progress(&self, done: i64, total: i64, message: Option<String>) {
        let message = message.map(text::replace_nul);
        let progress = Progress { done: done.max(0), total: total.max(0), message };
        self.progress.send_replace(Some(progress));
    }

    /// Notes what this attempt has consumed by now, all together. It counts where
    /// the attempt's end does not tell: the task is given back, a plan is
    /// proposed, the executor panics, or its outcome has no usage.
    pub fn consumed(&self, usage: Usage) {
        *self.consumed.lock().unwrap_or_else(PoisonError::into_inner) = usage;
    }

    /// Tells those who watch that something happened. Events are recorded in
    /// their order, some together, before the task's end is; this waits when
    /// many have not been recorded yet. An event of a
    /// [reserved](taskgate_domain::event::EventType::is_reserved) type is left
    /// out.
    ///
    /// # Errors
    /// [`Stop`] when the executor has to stop; the event is not recorded then.
    pub async fn tell(&self, event: NewEvent) -> Result<(), Stop> {
        let sent = tokio::select! {
            biased;
            stop = self.stopped() => return Err(stop),
            sent = self.events.send(event) => sent,
        };
        match sent {
            Ok(()) => Ok(()),
            // Nobody records any more; why, is known in a moment.
            Err(_) => Err(self.stopped().await),
        }
    }

    /// Reads what an agent task follows on: at most so many (1 to 100) of its
    /// session's latest turns that were asked before it and have an answer. That
    /// of a research task is empty. While the store does not answer, this waits.
    ///
    /// # Errors
    /// [`Stop`] when the executor has to stop.
    pub async fn conversation(&self, turns: u16) -> Result<Conversation, Stop> {
        self.ask(|| self.workers.conversation(self.lease(), turns)).await
    }

    /// Reads what was said about the task's plan: nothing before a first one
    /// was [proposed](Failure::Proposed). While the store does not answer, this
    /// waits.
    ///
    /// # Errors
    /// [`Stop`] when the executor has to stop.
    pub async fn review(&self) -> Result<Option<Review>, Stop> {
        self.ask(|| self.workers.review(self.lease())).await
    }

    const fn lease(&self) -> Lease {
        Lease { task: self.task.id, attempt: self.task.attempt }
    }

    /// Asks until there is an answer, or it is too late for one.
    async fn ask<T, F>(&self, question: impl Fn() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, ReportError>>,
    {
        let mut backoff = Backoff::up_to(LONGEST_WAIT);
        loop {
            let answer = tokio::select! {
                biased;
                stop = self.stopped() => return Err(stop),
                answer = question() => answer,
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(ReportError::Store(error)) => {
                    tracing::debug!(error = chain(&error), "the store did not answer");
                }
                // There is nothing to say about the task any more.
                Err(error) => {
                    tracing::debug!(error = chain(&error), "a question is refused");
                    return Err(Stop::LeaseLost);
                }
            }
            tokio::select! {
                biased;
                stop = self.stopped() => return Err(stop),
                () = sleep(backoff.next()) => {}
            }
        }
    }

    async fn wait_for(&self, ready: impl FnMut(&Signal) -> bool) -> Signal {
        let mut signal = self.signal.clone();
        match signal.wait_for(ready).await {
            Ok(told) => *told,
            // The runtime is gone, and nobody keeps the lease.
            Err(_) => Signal { paused: false, stop: Some(Stop::LeaseLost) },
        }
    }
}
