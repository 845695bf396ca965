//! Writing what an executor tells.

use super::{Shared, backoff::Backoff, chain, keeper::Held};
use std::time::Duration;
use taskgate_domain::{error::ReportError, event::NewEvent, usecase::workers::Workers};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, sleep_until},
};

/// How many events wait to be written before the executor waits too.
pub(super) const BUFFER: usize = 1_000;
/// How many events are written together at most.
const BATCH: usize = 500;
/// How many bytes of them, about: the event that goes past this is the last.
const BATCH_BYTES: usize = 1024 * 1024;
/// How long events wait for others at most, which is also the least time
/// between writes unless there is a whole batch.
const EVERY: Duration = Duration::from_millis(50);
/// The longest wait after writes that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Writes the events of one attempt, in their order.
pub(super) struct Recorder<'a> {
    workers: &'a Workers,
    held: &'a Held,
    /// How long a write is tried again.
    patience: Duration,
    events: mpsc::Receiver<NewEvent>,
}

/// The task is not held any more.
struct Lost;

impl<'a> Recorder<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        held: &'a Held,
        events: mpsc::Receiver<NewEvent>,
    ) -> Self {
        Self { workers: &shared.workers, held, patience: shared.options.lease, events }
    }

    /// Writes what is told, until nothing comes any more: when the executor is
    /// gone, or has `ended`.
    pub(super) async fn record(mut self, ended: &Notify) {
        let mut due = Instant::now();
        loop {
            let batch = self.gather(due, ended).await;
            if batch.is_empty() {
                return;
            }
            due = Instant::now() + EVERY;
            if let Err(Lost) = self.write(batch).await {
                // The keeper finds out why.
                self.held.alarm.notify_one();
                return;
            }
        }
    }

    /// What is to be written next, nothing at the end.
    async fn gather(&mut self, due: Instant, ended: &Notify) -> Vec<NewEvent> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            tokio::select! {
                biased;
                () = ended.notified() => self.events.close(),
                event = self.events.recv() => match event {
                    Some(event) => {
                        bytes += size(&event);
                        batch.push(event);
                    }
                    None => break,
                },
                () = sleep_until(due), if !batch.is_empty() => break,
            }
        }
        batch
    }

    /// Writes events; those that the store refuses, alone or for too long, are
    /// left out.
    async fn write(&self, batch: Vec<NewEvent>) -> Result<(), Lost> {
        let until = Instant::now() + self.patience;
        let mut trouble: Option<Backoff> = None;
        // The last is the next.
        let mut batches = vec![batch];
        while let Some(batch) = batches.pop() {
            let error = match self.try_write(&batch).await {
                Ok(()) => {
                    trouble = None;
                    continue;
                }
                Err(error) => error,
            };
            match error {
                ReportError::LeaseLost | ReportError::NotFound => return Err(Lost),
                ReportError::Invalid(_) if batch.len() > 1 => {
                    batches.extend(batch.into_iter().rev().map(|event| vec![event]));
                }
                ReportError::Store(error) if Instant::now() < until => {
                    let backoff = trouble.get_or_insert_with(|| {
                        tracing::warn!(error = chain(&error), "events cannot be recorded yet");
                        Backoff::up_to(LONGEST_WAIT)
                    });
                    sleep(backoff.next()).await;
                    batches.push(batch);
                }
                ReportError::Invalid(_) | ReportError::Store(_) => {
                    tracing::warn!(
                        error = chain(&error),
                        events = batch.len(),
                        "events are left out"
                    );
                }
            }
        }
        Ok(())
    }

    async fn try_write(&self, batch: &[NewEvent]) -> Result<(), ReportError> {
        let mut seen = self.held.seen.lock().await;
        let last = self.workers.record(self.held.lease, batch.to_vec()).await?;
        let expected = i64::try_from(batch.len()).map_or(i64::MAX, |own| *seen + own);
        if last > expected {
            // Somebody else has written in between.
            self.held.alarm.notify_one();
        }
        *seen = last.max(*seen);
        Ok(())
    }
}

/// The bytes of an event that count.
fn size(event: &NewEvent) -> usize {
    event.message().map_or(0, str::len)
        + event.payload().map_or(0, |payload| payload.as_str().len())
}
