//! Running tasks on behalf of workers.

use crate::{
    error::{InvalidValue, ReportError, StoreError},
    event::NewEvent,
    ports::TaskQueue,
    queue::{
        ClaimRequest, ClaimedTask, Conclusion, Conversation, Heartbeat, HeartbeatReply, Lease,
        Report, Reported,
    },
    review::{Proposal, Review},
    task::{Attempt, outcome::Outcome},
    usage::Usage,
};
use std::{sync::Arc, time::Duration};

/// The use cases of those who run tasks.
pub struct Workers {
    queue: Arc<dyn TaskQueue>,
}

/// What a worker says when it is done with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Here is the result.
    Complete(Outcome),
    /// It went wrong.
    Fail {
        /// Why, and what it took to get there.
        outcome: Outcome,
        /// Whether another attempt may help.
        retry: bool,
    },
    /// Somebody else is to do it.
    Release {
        /// What it took so far.
        usage: Usage,
    },
}

impl Workers {
    /// The use cases over this queue.
    pub fn new(queue: Arc<dyn TaskQueue>) -> Self {
        Self { queue }
    }

    /// Leases tasks to a worker.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
        self.queue.claim(request).await
    }

    /// Renews a lease.
    ///
    /// # Errors
    /// As [`TaskQueue::heartbeat`].
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError> {
        self.queue.heartbeat(heartbeat).await
    }

    /// Records a worker's events.
    ///
    /// # Errors
    /// As [`TaskQueue::record`], and [`ReportError::Invalid`] for an event of a
    /// [reserved](crate::event::EventType::is_reserved) type.
    pub async fn record(&self, lease: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError> {
        if events.iter().any(|event| event.event_type().is_reserved()) {
            let rule = "must not be one that taskgate itself writes";
            return Err(InvalidValue::new("type", rule).into());
        }
        self.queue.record(lease, events).await
    }

    /// Reads what a task follows on, with so many turns at most.
    ///
    /// # Errors
    /// As [`TaskQueue::conversation`].
    pub async fn conversation(
        &self,
        lease: Lease,
        turns: u16,
    ) -> Result<Conversation, ReportError> {
        self.queue.conversation(lease, turns).await
    }

    /// Takes the ends of tasks, each for itself, in order. A failure that asks
    /// for a retry is given its delay here.
    ///
    /// # Errors
    /// As [`TaskQueue::finish`].
    pub async fn finish(&self, ends: Vec<(Lease, Verdict)>) -> Result<Vec<Reported>, StoreError> {
        let reports = ends.into_iter().map(|(lease, verdict)| {
            let conclusion = match verdict {
                Verdict::Complete(outcome) => Conclusion::Complete(outcome),
                Verdict::Fail { outcome, retry } => {
                    Conclusion::Fail { outcome, retry: retry.then(|| retry_delay(lease.attempt)) }
                }
                Verdict::Release { usage } => Conclusion::Release { usage },
            };
            Report { lease, conclusion }
        });
        self.queue.finish(reports.collect()).await
    }

    /// Reads the review of a held task's plan.
    ///
    /// # Errors
    /// As [`TaskQueue::review`].
    pub async fn review(&self, lease: Lease) -> Result<Option<Review>, ReportError> {
        self.queue.review(lease).await
    }

    /// Proposes a plan for review and lets go of the task.
    ///
    /// # Errors
    /// As [`TaskQueue::propose`].
    pub async fn propose(&self, lease: Lease, proposal: Proposal) -> Result<(), ReportError> {
        self.queue.propose(lease, proposal).await
    }
}

/// How long a task waits after a failed attempt: a random time up to a limit
/// that starts at one second and doubles with each attempt, to five minutes at
/// most. Full jitter keeps tasks that failed together from returning together.
fn retry_delay(attempt: Attempt) -> Duration {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(300);
    let doublings = attempt.get().clamp(1, 16) - 1;
    let limit = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    limit.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::retry_delay;
    use crate::task::Attempt;
    use std::time::Duration;

    #[test]
    fn the_limit_doubles_up_to_five_minutes() {
        for (attempt, limit) in [(1, 1), (2, 2), (4, 8), (10, 300), (i64::from(i32::MAX), 300)] {
            let attempt = Attempt::new(attempt).unwrap();
            assert!((0..100).all(|_| retry_delay(attempt) <= Duration::from_secs(limit)));
        }
    }
}
