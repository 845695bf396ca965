//! One attempt at a task, from its claim to its report.

use super::{
    Backoff, Shared, chain, hand_back,
    keeper::{Held, Keeper},
    recorder::{self, Recorder},
    reporter::End,
};
use crate::{
    executor::{Executor, Failure},
    run::{Run, Signal, Stop},
};
use std::{
    future::pending,
    sync::{Arc, PoisonError},
    time::Duration,
};
use taskgate_domain::{
    error::ReportError,
    queue::{ClaimedTask, Lease},
    review::Proposal,
    task::outcome::Outcome,
    text,
    usage::Usage,
    usecase::workers::Verdict,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::Instrument;

/// How long an executor may go on after it was told to stop.
const WIND_UP: Duration = Duration::from_secs(2);
/// The longest wait after a proposal that the queue did not take.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// An executor at work, as a task of its own: it may keep its thread busy, or
/// panic, without harm to its heartbeats. Dropped with this.
type Work = JoinSet<Result<Outcome, Failure>>;

/// A task that was claimed.
pub(super) struct Attempt {
    shared: Arc<Shared>,
    executor: Arc<dyn Executor>,
    /// Until when it is certainly held.
    until: Instant,
    deadline: Option<Instant>,
    task: ClaimedTask,
}

impl Attempt {
    /// An attempt at a task whose claim was sent at this time, and answered
    /// now.
    pub(super) fn new(
        shared: Arc<Shared>,
        executor: Arc<dyn Executor>,
        task: ClaimedTask,
        since: Instant,
    ) -> Self {
        let lease = shared.options.lease;
        // The lease began a lease before its end, by the store's clock; this
        // machine's need not agree with it.
        let deadline = task.deadline.map(|deadline| {
            let left = deadline - (task.lease_expires_at - lease);
            Instant::now() + left.to_std().unwrap_or_default()
        });
        Self { shared, executor, until: since + lease, deadline, task }
    }

    /// Has the task done and its end reported.
    pub(super) async fn run(self) {
        let span =
            tracing::info_span!("attempt", task = %self.task.id, attempt = self.task.attempt.get());
        self.attempt().instrument(span).await;
    }

    async fn attempt(self) {
        let Self { shared, executor, until, deadline, task } = self;
        let lease = Lease { task: task.id, attempt: task.attempt };
        let number = task.number;
        let (signal, heard) = watch::channel(Signal::default());
        let (progress, progressed) = watch::channel(None);
        let (events, told) = mpsc::channel(recorder::BUFFER);
        let held = Held::new(lease, signal);
        let mut keeper = Keeper::new(&shared, &held, progressed, until);

        // The sender of progress stays here as well: a channel that is closed
        // would look to the keeper like one that always has something.
        let workers = shared.workers.clone();
        let consumed = Arc::default();
        let run = Run {
            task,
            signal: heard,
            progress: progress.clone(),
            events,
            consumed: Arc::clone(&consumed),
            workers,
        };
        let mut work = Work::new();
        work.spawn(async move { executor.execute(&run).await }.in_current_span());
        let ended = Notify::new();
        let recorded = Recorder::new(&shared, &held, told).record(&ended);
        let worked = async {
            let ending = supervise(&mut work, &shared, &held, deadline).await;
            ended.notify_one();
            ending
        };
        // The end is not reported before all events are written.
        let story = async { tokio::join!(worked, recorded).0 };
        let ending = tokio::select! {
            ending = story => Ok(ending),
            stop = keeper.keep() => Err(stop),
            never = held.listen(shared.feed.as_deref(), number) => match never {},
        };
        match ending {
            Ok(Some(ending)) => {
                keeper.say_last().await;
                let usage = consumed.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let verdict = match ending {
                    Ending::Report(verdict) => Some(consuming(verdict, usage)),
                    Ending::Propose(proposal) => {
                        let proposal = match proposal.usage().is_zero() {
                            true => proposal.with_usage(usage),
                            false => proposal,
                        };
                        propose(&shared, lease, proposal, keeper.until()).await
                    }
                };
                if let Some(verdict) = verdict {
                    drop(shared.ends.send(End { lease, verdict }).await);
                }
            }
            Ok(None) => {}
            Err(stop) => {
                tracing::info!(?stop, "the task is no longer ours to do");
                held.stop(stop);
                drop(timeout(WIND_UP, work.join_next()).await);
            }
        }
    }
}

/// How an attempt ends.
enum Ending {
    Report(Verdict),
    Propose(Proposal),
}

/// The same verdict, with what the executor has told to have consumed unless the
/// verdict tells.
fn consuming(mut verdict: Verdict, told: Usage) -> Verdict {
    let usage = match &mut verdict {
        Verdict::Complete(outcome) | Verdict::Fail { outcome, .. } => &mut outcome.usage,
        Verdict::Release { usage } => usage,
    };
    if usage.is_zero() {
        *usage = told;
    }
    verdict
}

/// Proposes a plan until the queue has taken it, or the lease is over. A plan
/// that the queue refuses is the executor's failure.
async fn propose(
    shared: &Shared,
    lease: Lease,
    proposal: Proposal,
    until: Instant,
) -> Option<Verdict> {
    let mut backoff = Backoff::up_to(LONGEST_WAIT);
    while let Err(error) = shared.workers.propose(lease, proposal.clone()).await {
        match error {
            ReportError::Store(_) if Instant::now() < until => sleep(backoff.next()).await,
            ReportError::Invalid(error) => {
                let reason = format!("the executor's plan is not valid: {error}");
                let usage = proposal.usage().clone();
                let outcome = Outcome { usage, ..Outcome::error(reason) };
                return Some(Verdict::Fail { outcome, retry: false });
            }
            error => {
                tracing::warn!(error = chain(&error), "a plan is not taken");
                break;
            }
        }
    }
    None
}

/// Has the executor work to its end, or to where it has to stop; returns what
/// there is to report.
async fn supervise(
    work: &mut Work,
    shared: &Shared,
    held: &Held,
    deadline: Option<Instant>,
) -> Option<Ending> {
    let wind_up = WIND_UP.min(shared.options.grace);
    let stop = tokio::select! {
        biased;
        ended = work.join_next() => return ended.and_then(ending),
        () = passed(deadline) => Stop::DeadlinePassed,
        () = drained(shared, held, wind_up) => Stop::Draining,
    };
    held.stop(stop);
    let ended = timeout(wind_up, work.join_next()).await;
    work.abort_all();
    match (stop, ended) {
        (Stop::Draining, Ok(ended)) => ended.and_then(ending),
        (Stop::Draining, Err(_)) => Some(Ending::Report(hand_back())),
        _ => None,
    }
}

/// Returns at the deadline.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// Returns when the process stops and the task has to, so that its executor can
/// wind up within the grace. A task that is paused has nothing to wait for.
async fn drained(shared: &Shared, held: &Held, wind_up: Duration) {
    shared.stopping().await;
    tokio::select! {
        () = sleep(shared.options.grace - wind_up) => {}
        () = held.paused() => {}
    }
}

/// What an executor's end leads to.
fn ending(ended: Result<Result<Outcome, Failure>, JoinError>) -> Option<Ending> {
    let verdict = match ended {
        Ok(Ok(outcome)) => Verdict::Complete(without_nul(outcome)),
        Ok(Err(Failure::Failed { outcome, retry })) => {
            Verdict::Fail { outcome: without_nul(*outcome), retry }
        }
        Ok(Err(Failure::Proposed(proposal))) => return Some(Ending::Propose(proposal)),
        Ok(Err(Failure::Stopped(Stop::Draining))) => hand_back(),
        Ok(Err(Failure::Stopped(_))) => return None,
        Err(error) => {
            tracing::error!(error = chain(&error), "the executor panicked");
            Verdict::Fail { outcome: Outcome::error("the executor panicked"), retry: true }
        }
    };
    Some(Ending::Report(verdict))
}

/// No store takes a NUL.
fn without_nul(outcome: Outcome) -> Outcome {
    let clean = |text: Option<String>| text.map(text::replace_nul);
    Outcome {
        result: clean(outcome.result),
        error: clean(outcome.error),
        model: clean(outcome.model),
        provider: clean(outcome.provider),
        ..outcome
    }
}
