//! Keeping a lease.

use super::{Shared, backoff::Backoff, chain};
use crate::run::{Progress, Signal, Stop};
use std::{convert::Infallible, error::Error, future::pending, time::Duration};
use taskgate_domain::{
    error::ReportError,
    id::TaskNumber,
    ports::EventFeed,
    queue::{Heartbeat, HeartbeatReply, Lease},
    usecase::workers::Workers,
};
use tokio::{
    sync::{Mutex, Notify, watch},
    time::{Instant, sleep_until, timeout_at},
};

/// The least time between heartbeats that tell progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// The least time between heartbeats that ask for news.
const NEWS_EVERY: Duration = Duration::from_millis(50);
/// The longest wait after heartbeats that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A task that is held, for all who have to do with it.
pub(super) struct Held {
    pub(super) lease: Lease,
    signal: watch::Sender<Signal>,
    /// Rung when the store may have something to say.
    pub(super) alarm: Notify,
    /// The number of the last event in the task's log that is no news. Whoever
    /// records events holds it meanwhile, so that they are not taken for news.
    pub(super) seen: Mutex<i64>,
}

impl Held {
    pub(super) fn new(lease: Lease, signal: watch::Sender<Signal>) -> Self {
        Self { lease, signal, alarm: Notify::new(), seen: Mutex::new(0) }
    }

    /// Tells the executor to stop.
    pub(super) fn stop(&self, stop: Stop) {
        self.signal.send_modify(|signal| signal.stop = Some(stop));
    }

    /// Returns when the task is paused.
    pub(super) async fn paused(&self) {
        drop(self.signal.subscribe().wait_for(|signal| signal.paused).await);
    }

    /// Rings the alarm at news of the task's log, for ever.
    pub(super) async fn listen(
        &self,
        feed: Option<&dyn EventFeed>,
        task: TaskNumber,
    ) -> Infallible {
        if let Some(feed) = feed {
            let mut news = feed.listen(task);
            let mut known = 0;
            while known < i64::MAX {
                known = news.past(known).await;
                let mut seen = self.seen.lock().await;
                if known > *seen {
                    *seen = known;
                    self.alarm.notify_one();
                }
            }
        }
        pending().await
    }
}

/// Renews a lease, tells the store how far the task is, and the executor what
/// the store says.
pub(super) struct Keeper<'a> {
    workers: &'a Workers,
    held: &'a Held,
    length: Duration,
    progress: watch::Receiver<Option<Progress>>,
    /// Whether there is progress that the store has not been told.
    untold: bool,
    /// Until when the task is certainly held, by this machine's clock.
    until: Instant,
    /// When the last heartbeat was sent.
    sent: Option<Instant>,
    /// When the next one is due at the latest.
    next: Instant,
    trouble: Option<Backoff>,
}

impl<'a> Keeper<'a> {
    /// A keeper of a task that is held until then.
    pub(super) fn new(
        shared: &'a Shared,
        held: &'a Held,
        progress: watch::Receiver<Option<Progress>>,
        until: Instant,
    ) -> Self {
        let length = shared.options.lease;
        Self {
            workers: &shared.workers,
            held,
            length,
            progress,
            untold: false,
            until,
            sent: None,
            next: until - length + length / 3,
            trouble: None,
        }
    }

    /// Until when the task is certainly held.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// Keeps the lease, until it is lost or the task cancelled.
    pub(super) async fn keep(&mut self) -> Stop {
        loop {
            self.due().await;
            if let Err(stop) = self.beat().await {
                return stop;
            }
        }
    }

    /// Tells progress that has not been told yet, if the store answers.
    pub(super) async fn say_last(&mut self) {
        if self.untold || self.has_new_progress() {
            // A stop means that nobody wants to know the end either, which the
            // report of it will show.
            let _ = self.beat().await;
        }
    }

    fn has_new_progress(&self) -> bool {
        self.progress.has_changed().unwrap_or(false)
    }

    /// Returns when a heartbeat is due.
    async fn due(&mut self) {
        let mut due = self.next.min(self.until);
        let after = |least| self.sent.map_or_else(Instant::now, |sent| sent + least);
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                () = self.held.alarm.notified() => due = due.min(after(NEWS_EVERY)),
                changed = self.progress.changed() => {
                    self.untold = changed.is_ok();
                    due = due.min(after(PROGRESS_EVERY));
                }
            }
        }
    }

    /// Sends a heartbeat.
    async fn beat(&mut self) -> Result<(), Stop> {
        let sent = Instant::now();
        if sent >= self.until {
            return Err(Stop::LeaseLost);
        }
        self.sent = Some(sent);
        self.untold |= self.has_new_progress();
        let told = self.progress.borrow_and_update().clone().filter(|_| self.untold);
        let heartbeat = self.heartbeat(told);
        // A call that hangs must leave time for another.
        let patience = self.until.min(sent + self.length / 3);
        match timeout_at(patience, self.workers.heartbeat(heartbeat)).await {
            Ok(Ok(reply)) => {
                self.untold = false;
                self.until = sent + self.length;
                self.next = sent + self.length / 3;
                if self.trouble.take().is_some() {
                    tracing::info!("heartbeats work again");
                }
                self.heed(reply)
            }
            Ok(Err(ReportError::LeaseLost | ReportError::NotFound)) => Err(Stop::LeaseLost),
            Ok(Err(error)) => {
                // Progress that the store refuses is not told again.
                self.untold &= !matches!(error, ReportError::Invalid(_));
                self.retry(&error);
                Ok(())
            }
            Err(late) => {
                self.retry(&late);
                Ok(())
            }
        }
    }

    fn heartbeat(&self, told: Option<Progress>) -> Heartbeat {
        let (progress, total, message) = match told {
            Some(told) => (Some(told.done), Some(told.total), told.message),
            None => (None, None, None),
        };
        Heartbeat { lease: self.held.lease, extend: None, progress, total, message }
    }

    /// Tells the executor what the store has said.
    fn heed(&self, reply: HeartbeatReply) -> Result<(), Stop> {
        if reply.cancel_requested {
            return Err(Stop::Cancelled);
        }
        self.held.signal.send_if_modified(|signal| {
            let before = std::mem::replace(&mut signal.paused, reply.pause_requested);
            before != signal.paused
        });
        Ok(())
    }

    fn retry(&mut self, error: &dyn Error) {
        let backoff = self.trouble.get_or_insert_with(|| {
            tracing::warn!(error = chain(error), "heartbeats fail and will be retried");
            Backoff::up_to(LONGEST_WAIT)
        });
        self.next = Instant::now() + backoff.next();
    }
}
