//! The one aggregate: a task, from what was asked to how it ended.

pub mod outcome;
pub mod status;
pub mod submit;
pub mod work;

use crate::{
    error::InvalidValue,
    id::{ProjectId, TaskId, TaskNumber, TenantId, UserId},
    usage::{Tokens, Usd},
};
use chrono::{DateTime, Utc};
use outcome::Outcome;
use status::{FinalStatus, LiveStatus, TaskStatus};
use work::{Mode, TaskType, Work};

/// Whom a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The user that asked; agent tasks.
    User(UserId),
    /// The tenant of the project; research tasks.
    Tenant(TenantId),
}

/// A task as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its integer id.
    pub number: TaskNumber,
    /// Its text id.
    pub id: TaskId,
    /// Whom it belongs to.
    pub owner: Owner,
    /// What it asks for.
    pub work: Work,
    /// When it was submitted, by the store's clock.
    pub created_at: DateTime<Utc>,
    /// When it times out unless it has ended by then.
    pub deadline: Option<DateTime<Utc>>,
    /// How far it has come.
    pub state: TaskState,
}

/// How far a task has come: a task is in exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// It has not ended.
    Live(Live),
    /// It has ended; nothing of it changes any more.
    Finished(Finished),
}

/// What changes while a task is queued, running or paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Where it is.
    pub status: LiveStatus,
    /// How much of it is done.
    pub progress: Progress,
    /// How often it was claimed; the latest claim's [`Attempt`], if any.
    pub attempt: Option<Attempt>,
    /// When it was claimed first.
    pub started_at: Option<DateTime<Utc>>,
    /// When anything of this changed last; never before it did earlier.
    pub updated_at: DateTime<Utc>,
    /// Who paused the task, while it is paused.
    pub pause: Option<ControlNote>,
}

/// Who did something with a task, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlNote {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub by: UserId,
    /// Why, in that user's words.
    pub reason: Option<String>,
}

/// What is kept of a task that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub status: FinalStatus,
    /// How much of it was done.
    pub progress: Progress,
    /// The latest claim, if there was any.
    pub attempt: Option<Attempt>,
    /// When it was claimed first.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// What came of it.
    pub outcome: Outcome,
    /// Who cancelled it, if it was cancelled.
    pub cancel: Option<ControlNote>,
}

impl TaskState {
    /// Where the task is in its life.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Live(live) => live.status.into(),
            Self::Finished(finished) => finished.status.into(),
        }
    }

    /// How much of the task is done.
    pub const fn progress(&self) -> Progress {
        match self {
            Self::Live(live) => live.progress,
            Self::Finished(finished) => finished.progress,
        }
    }

    /// When the task was claimed first.
    pub const fn started_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Live(live) => live.started_at,
            Self::Finished(finished) => finished.started_at,
        }
    }

    /// When anything of the task changed last.
    pub const fn updated_at(&self) -> DateTime<Utc> {
        match self {
            Self::Live(live) => live.updated_at,
            Self::Finished(finished) => finished.finished_at,
        }
    }

    /// How many times the task has been claimed so far.
    pub fn attempts(&self) -> i32 {
        let latest = match self {
            Self::Live(live) => live.attempt,
            Self::Finished(finished) => finished.attempt,
        };
        latest.map_or(0, Attempt::get)
    }

    /// What came of the task, once it has ended.
    pub const fn finished(&self) -> Option<&Finished> {
        match self {
            Self::Live(_) => None,
            Self::Finished(finished) => Some(finished),
        }
    }
}

impl Task {
    /// See [`TaskState::status`].
    pub fn status(&self) -> TaskStatus {
        self.state.status()
    }

    /// See [`TaskState::progress`].
    pub const fn progress(&self) -> Progress {
        self.state.progress()
    }

    /// See [`TaskState::started_at`].
    pub const fn started_at(&self) -> Option<DateTime<Utc>> {
        self.state.started_at()
    }

    /// See [`TaskState::updated_at`].
    pub const fn updated_at(&self) -> DateTime<Utc> {
        self.state.updated_at()
    }

    /// See [`TaskState::attempts`].
    pub fn attempts(&self) -> i32 {
        self.state.attempts()
    }

    /// See [`TaskState::finished`].
    pub const fn finished(&self) -> Option<&Finished> {
        self.state.finished()
    }
}

/// A question and what came of it: a task of a session, without its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its integer id.
    pub number: TaskNumber,
    /// Its text id.
    pub id: TaskId,
    /// The question.
    pub query: String,
    /// How to go about it.
    pub mode: Mode,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// How far it has come.
    pub state: TaskState,
}

/// The fencing number of a claim: 1 for a task's first, one more for each
/// later one. Only the latest may report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(i32);

impl Attempt {
    /// A number from outside.
    ///
    /// # Errors
    /// [`InvalidValue`] unless it is between 1 and 2³¹ − 1.
    pub fn new(number: i64) -> Result<Self, InvalidValue> {
        i32::try_from(number)
            .ok()
            .filter(|number| *number >= 1)
            .map(Self)
            .ok_or_else(|| InvalidValue::new("attempt", "must be a positive 32-bit integer"))
    }

    /// The integer.
    pub const fn get(self) -> i32 {
        self.0
    }
}

/// How much of a task is done, in steps that the task's worker defines. The
/// total is 0 as long as it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    current: i64,
    total: i64,
}

impl Progress {
    /// So many steps done of so many.
    ///
    /// # Errors
    /// [`InvalidValue`] when either is negative.
    pub fn new(current: i64, total: i64) -> Result<Self, InvalidValue> {
        for (field, steps) in [("progress", current), ("total", total)] {
            if steps < 0 {
                return Err(InvalidValue::new(field, "must not be negative"));
            }
        }
        Ok(Self { current, total })
    }

    /// Steps done.
    pub const fn current(self) -> i64 {
        self.current
    }

    /// All steps, 0 if unknown.
    pub const fn total(self) -> i64 {
        self.total
    }
}

/// A task as lists show it: without payload and result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSummary {
    /// Its integer id.
    pub number: TaskNumber,
    /// Its text id.
    pub id: TaskId,
    /// What it asks for, in short.
    pub subject: Subject,
    /// Where it is in its life.
    pub status: TaskStatus,
    /// How much of it is done.
    pub progress: Progress,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// When it ended and what it consumed, once it has ended.
    pub finished: Option<FinishedSummary>,
}

/// What a task asks for, without what may be large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An agent task.
    Agent {
        /// The question.
        query: String,
        /// How to go about it.
        mode: Mode,
    },
    /// A research task.
    Research {
        /// The project.
        project: ProjectId,
        /// The job.
        task_type: TaskType,
    },
}

/// What lists show of a task that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedSummary {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Tokens consumed.
    pub tokens: Tokens,
    /// Money spent.
    pub cost: Usd,
}
