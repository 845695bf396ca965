//! Running tasks: claims, leases and reports.

use crate::{
    error::InvalidValue,
    id::{TaskId, TaskNumber},
    task::{
        Attempt,
        outcome::Outcome,
        status::TaskStatus,
        work::{Kind, Work},
    },
    text,
    usage::{Usage, Usd},
};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// The name that a worker process gives itself, for people to see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkerId(String);

impl WorkerId {
    /// Takes a worker's name.
    ///
    /// # Errors
    /// [`InvalidValue`] unless it has 1 to 128 characters and no control
    /// character.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidValue> {
        let name = name.into();
        text::check_label("worker_id", &name, 1, 128)?;
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A worker's wish for tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Who asks.
    pub worker: WorkerId,
    /// What it can do, without repetition; nothing else is given to it.
    pub kinds: Vec<Kind>,
    /// How many tasks it takes at most.
    pub max: u16,
    /// How long it holds each of them before its first heartbeat is due.
    pub lease: Duration,
    /// How long to wait for the first task when none is due.
    pub wait: Duration,
}

impl ClaimRequest {
    /// How many bytes of queries, contexts and parameters one claim takes; a
    /// single task may have more.
    pub const MAX_BYTES: i64 = 32 * 1024 * 1024;
}

/// A task in a worker's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedTask {
    /// Its text id.
    pub id: TaskId,
    /// Its integer id.
    pub number: TaskNumber,
    /// What it asks for.
    pub work: Work,
    /// The claim's fencing number, to be sent with every report.
    pub attempt: Attempt,
    /// When the lease ends unless it is renewed, by the store's clock.
    pub lease_expires_at: DateTime<Utc>,
    /// When the task times out.
    pub deadline: Option<DateTime<Utc>>,
    /// What earlier attempts have reported to have consumed. It is counted
    /// already: reports tell what their own attempt consumed.
    pub consumed: Usage,
}

/// The right to report on a task: which one, and under which claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The task.
    pub task: TaskId,
    /// The claim.
    pub attempt: Attempt,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The task and claim.
    pub lease: Lease,
    /// How long to hold the task from now; `None` is as long as the claim did.
    pub extend: Option<Duration>,
    /// Steps done, not negative; `None` leaves the number.
    pub progress: Option<i64>,
    /// All steps, not negative; `None` leaves the number.
    pub total: Option<i64>,
    /// What to tell those who watch. A message, and a change of either number
    /// above, is recorded as an event of type
    /// [`PROGRESS`](crate::event::EventType::PROGRESS).
    pub message: Option<String>,
}

/// What the worker must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatReply {
    /// When the lease now ends.
    pub lease_expires_at: DateTime<Utc>,
    /// Stop: the task was cancelled, and no report on it will be taken.
    pub cancel_requested: bool,
    /// Hold: the task is paused. The lease goes on, by heartbeats, until the
    /// task is resumed or the worker lets go of it.
    pub pause_requested: bool,
}

/// The end of a worker's work on a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The task and claim.
    pub lease: Lease,
    /// How it ended.
    pub conclusion: Conclusion,
}

/// How a worker's work on a task ended, and what this attempt consumed. The
/// store adds that up: a task's usage at its end is the sum of what all its
/// attempts have reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// With a result.
    Complete(Outcome),
    /// With an error.
    Fail {
        /// Why, and what it took to get there. An attempt that is not the last
        /// leaves nothing of this but its usage, and its reason in an event.
        outcome: Outcome,
        /// Run the task again so much later, if it has attempts left; a paused
        /// task stays paused until then and longer. `None` fails it for good.
        retry: Option<Duration>,
    },
    /// Not at all: the worker gives the task back, which is due again at once,
    /// or stays paused. The attempt does not count among those that the task may
    /// take.
    Release {
        /// What it took so far.
        usage: Usage,
    },
}

/// What the store has found to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reaped {
    /// Leases that had expired; their tasks are queued again, or stay paused,
    /// or failed when no attempt was left.
    pub expired: usize,
    /// Tasks whose deadline had passed.
    pub timed_out: usize,
}

/// What an agent task follows on: its session, as far as it went before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conversation {
    /// The latest turns that have an answer, the oldest first.
    pub turns: Vec<PastTurn>,
    /// Tokens that the session's finished tasks consumed, all together.
    pub tokens: i64,
    /// Money that they cost, all together.
    pub cost: Usd,
}

/// A question that was asked before, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastTurn {
    /// The question.
    pub query: String,
    /// The answer.
    pub answer: String,
}

/// The status that an accepted report has led to: final, queued again, or
/// paused as it was.
pub type Reported = Result<TaskStatus, crate::error::ReportError>;
