//! What does the tasks.

use crate::run::{Run, Stop};
use async_trait::async_trait;
use taskgate_domain::{
    review::Proposal,
    task::{outcome::Outcome, work::Kind},
};

/// Somebody who does tasks of some kinds.
#[async_trait]
pub trait Executor: Send + Sync {
    /// The kinds of task that it does.
    fn kinds(&self) -> &[Kind];

    /// Does a task. It may be called again for the same task, after a failure
    /// or in another process: effects that must not repeat belong under the
    /// task's id.
    ///
    /// A cancelled, lost or overdue task's future is dropped a little after
    /// [`Run::stopped`] has told so; to stop by oneself at a good place is
    /// politer.
    ///
    /// # Errors
    /// [`Failure`] when there is no result.
    async fn execute(&self, run: &Run) -> Result<Outcome, Failure>;
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The work went wrong.
    Failed {
        /// Why, in [`Outcome::error`], and what it took to get there.
        outcome: Box<Outcome>,
        /// Whether another attempt may help.
        retry: bool,
    },
    /// There is no result yet: a plan waits for the word of the task's owner.
    /// The task leaves this attempt, which does not count, and comes back when
    /// there is something to do; [`Run::review`] tells what. What the plan took
    /// is what [`Run::consumed`] was told.
    Proposed(Proposal),
    /// The executor was told to stop: the task is given back, if it still is
    /// there to give.
    Stopped(Stop),
}

impl Failure {
    /// A failure that another attempt cannot help.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Self::Failed { outcome: Box::new(Outcome::error(reason)), retry: false }
    }

    /// A failure that may be gone at the next attempt.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self::Failed { outcome: Box::new(Outcome::error(reason)), retry: true }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}
