//! Asking for tasks: who may see what, filters and pages.

use crate::{
    error::InvalidValue,
    id::{ProjectId, SessionId, TaskId, TaskNumber, TenantId, UserId},
    task::{Owner, Task, TaskSummary, status::TaskStatus, work::Work},
};
use std::collections::BTreeSet;

/// Either id of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKey {
    /// By its text id.
    Id(TaskId),
    /// By its number.
    Number(TaskNumber),
}

/// Whose tasks a caller sees. What a caller does not see does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A user's agent tasks.
    User(UserId),
    /// A tenant's research tasks.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// The only projects seen; `None` is all of them.
        projects: Option<BTreeSet<ProjectId>>,
    },
}

impl Access {
    /// Whether the caller sees this task.
    pub fn sees(&self, task: &Task) -> bool {
        match (self, task.owner, &task.work) {
            (Self::User(user), Owner::User(owner), Work::Agent(_)) => *user == owner,
            (Self::Tenant { tenant, .. }, Owner::Tenant(owner), Work::Research(work)) => {
                *tenant == owner && self.sees_project(work.project)
            }
            _ => false,
        }
    }

    /// Whether the caller sees this project of its tenant.
    pub fn sees_project(&self, project: ProjectId) -> bool {
        match self {
            Self::User(_) => false,
            Self::Tenant { projects, .. } => {
                projects.as_ref().is_none_or(|projects| projects.contains(&project))
            }
        }
    }
}

/// The tasks that a list runs over. Totals are kept for each of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskScope {
    /// A user's tasks.
    User(UserId),
    /// The tasks of a session.
    Session(SessionId),
    /// The tasks of a tenant's projects.
    Tenant(TenantId),
    /// The tasks of some projects of a tenant.
    Projects(TenantId, BTreeSet<ProjectId>),
}

/// A list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskQuery {
    /// Whose tasks.
    pub scope: TaskScope,
    /// The statuses to show, without repetition; empty shows all.
    pub statuses: Vec<TaskStatus>,
    /// Which part of the list.
    pub page: Page,
}

/// Turns of a session to read, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnQuery {
    /// The session.
    pub session: SessionId,
    /// Only tasks with a number above this; 0 is all.
    pub after: i64,
    /// How many of them to skip.
    pub offset: i64,
    /// How many to read at most.
    pub limit: u16,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    limit: i64,
    offset: i64,
}

impl Page {
    /// At most `limit` items (1 to 500) after `offset` ones.
    ///
    /// # Errors
    /// [`InvalidValue`] for a limit outside that range or a negative offset.
    pub fn new(limit: i64, offset: i64) -> Result<Self, InvalidValue> {
        if !(1..=500).contains(&limit) {
            return Err(InvalidValue::new("limit", "must be between 1 and 500"));
        }
        if offset < 0 {
            return Err(InvalidValue::new("offset", "must not be negative"));
        }
        Ok(Self { limit, offset })
    }

    /// How many items at most.
    pub const fn limit(self) -> i64 {
        self.limit
    }

    /// How many items to skip.
    pub const fn offset(self) -> i64 {
        self.offset
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskPage {
    /// The tasks, the newest first.
    pub tasks: Vec<TaskSummary>,
    /// How many tasks the whole list has, in the same snapshot as `tasks`.
    pub total: i64,
}
