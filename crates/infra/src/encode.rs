//! Between the domain's values and columns.
//!
//! The adapters differ in how they store times and ids, not in what: they read
//! rows into the plain structs of this module, which assembles the domain's
//! values.

mod codes;
mod review;
mod session;
mod usage;

pub(crate) use codes::{
    SESSIONS, final_status, kind, kind_code, live_status, scope_bits, scopes, status, status_code,
    status_list,
};
pub(crate) use review::{PlanColumns, RoundColumns, place, review, standing};
pub(crate) use session::{SessionFacts, SumColumns, TurnColumns, consumed};
pub(crate) use usage::{UsageColumns, models_column};

use crate::error::unreadable;
use chrono::{DateTime, Utc};
use codes::mode;
pub(crate) use codes::mode_code;
use diesel::QueryResult;
use std::fmt::Display;
use taskgate_domain::{
    id::{ProjectId, TaskId, TaskNumber, TenantId, UserId},
    json::JsonObject,
    query::TaskScope,
    task::{
        Attempt, ControlNote, Finished, FinishedSummary, Live, Owner, Progress, Subject, Task,
        TaskState, TaskSummary,
        outcome::Outcome,
        work::{AgentWork, Kind, ResearchWork, SessionLabel, Work},
    },
};
use uuid::Uuid;

/// A task's id as a UUID column holds it; its bytes sort by creation.
pub(crate) const fn id_column(id: TaskId) -> Uuid {
    Uuid::from_u128(id.bits())
}

/// The group that a project's tasks are in: an id that only depends on the two.
pub(crate) fn project_group(tenant: TenantId, project: ProjectId) -> Uuid {
    Uuid::new_v5(&tenant.0, &project.get().to_be_bytes())
}

/// The tasks that a list runs over, in terms of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListScope {
    /// All that one owner has.
    Owner(Uuid),
    /// Those of some groups.
    Groups(Vec<Uuid>),
}

impl From<&TaskScope> for ListScope {
    fn from(scope: &TaskScope) -> Self {
        match scope {
            TaskScope::User(user) => Self::Owner(user.0),
            TaskScope::Tenant(tenant) => Self::Owner(tenant.0),
            TaskScope::Session(session) => Self::Groups(vec![session.0]),
            TaskScope::Projects(tenant, projects) => Self::Groups(
                projects.iter().map(|project| project_group(*tenant, *project)).collect(),
            ),
        }
    }
}

/// What was asked, as columns.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) number: i64,
    pub(crate) id: Uuid,
    pub(crate) owner: Uuid,
    pub(crate) kind: i16,
    /// Of a research task.
    pub(crate) project: Option<i64>,
    /// Of an agent task.
    pub(crate) mode: Option<i16>,
    /// Of an agent task: the session's label as the client sent it.
    pub(crate) session: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) deadline: Option<DateTime<Utc>>,
    /// Of an agent task.
    pub(crate) query: Option<String>,
    /// An agent task's context, a research task's parameters.
    pub(crate) body: String,
}

/// The columns of [`Work`], borrowed from it.
pub(crate) struct WorkColumns<'a> {
    pub(crate) kind: i16,
    pub(crate) project: Option<i64>,
    pub(crate) mode: Option<i16>,
    pub(crate) session: Option<&'a str>,
    pub(crate) query: Option<&'a str>,
    pub(crate) body: &'a str,
}

impl<'a> From<&'a Work> for WorkColumns<'a> {
    fn from(work: &'a Work) -> Self {
        let kind = kind_code(work.kind());
        match work {
            Work::Agent(work) => Self {
                kind,
                project: None,
                mode: Some(mode_code(work.mode())),
                session: Some(work.session().as_str()),
                query: Some(work.query()),
                body: work.context().as_str(),
            },
            Work::Research(work) => Self {
                kind,
                project: Some(work.project.get()),
                mode: None,
                session: None,
                query: None,
                body: work.params.as_str(),
            },
        }
    }
}

impl WorkColumns<'_> {
    /// How much a claim of the task ships, in bytes.
    pub(crate) fn size(&self) -> i32 {
        let bytes = self.body.len() + self.query.map_or(0, str::len);
        i32::try_from(bytes).unwrap_or(i32::MAX)
    }
}

impl Asked {
    /// What the task asks for.
    pub(crate) fn work(self) -> QueryResult<Work> {
        match kind(self.kind)? {
            Kind::Agent => AgentWork::new(
                present("query", self.query)?,
                SessionLabel::new(present("session", self.session)?).map_err(unreadable)?,
                mode(present("mode", self.mode)?)?,
                object("context", self.body)?,
            )
            .map(Work::Agent)
            .map_err(unreadable),
            Kind::Research(task_type) => Ok(Work::Research(ResearchWork {
                project: project(self.project)?,
                task_type,
                params: object("params", self.body)?,
            })),
        }
    }

    /// The task that was asked for, as far as it has come.
    pub(crate) fn task(self, state: TaskState) -> QueryResult<Task> {
        Ok(Task {
            number: number(self.number)?,
            id: TaskId::from_bits(self.id.as_u128()),
            owner: match kind(self.kind)? {
                Kind::Agent => Owner::User(UserId(self.owner)),
                Kind::Research(_) => Owner::Tenant(TenantId(self.owner)),
            },
            created_at: self.created_at,
            deadline: self.deadline,
            work: self.work()?,
            state,
        })
    }
}

/// A live task's state, as columns. The attempt is 0 before the first claim.
#[derive(Debug, Clone)]
pub(crate) struct LiveColumns {
    pub(crate) status: i16,
    pub(crate) progress: i64,
    pub(crate) total: i64,
    pub(crate) attempt: i32,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) pause: Option<NoteColumns>,
}

/// Who did something with a task, as columns.
#[derive(Debug, Clone)]
pub(crate) struct NoteColumns {
    pub(crate) at: DateTime<Utc>,
    pub(crate) by: Uuid,
    pub(crate) reason: Option<String>,
}

impl From<NoteColumns> for ControlNote {
    fn from(note: NoteColumns) -> Self {
        Self { at: note.at, by: UserId(note.by), reason: note.reason }
    }
}

impl LiveColumns {
    /// The state.
    pub(crate) fn state(self) -> QueryResult<TaskState> {
        Ok(TaskState::Live(Live {
            status: live_status(self.status)?,
            progress: progress(self.progress, self.total)?,
            attempt: attempt(self.attempt)?,
            started_at: self.started_at,
            updated_at: self.updated_at,
            pause: self.pause.map(Into::into),
        }))
    }
}

/// A finished task's state, as columns.
#[derive(Debug, Clone)]
pub(crate) struct FinishedColumns {
    pub(crate) status: i16,
    pub(crate) progress: i64,
    pub(crate) total: i64,
    pub(crate) attempt: i32,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: DateTime<Utc>,
    pub(crate) usage: UsageColumns,
    pub(crate) models: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) result: Option<String>,
    pub(crate) response: Option<String>,
    pub(crate) metadata: Option<String>,
    pub(crate) cancel: Option<NoteColumns>,
}

impl FinishedColumns {
    /// The state.
    pub(crate) fn state(self) -> QueryResult<TaskState> {
        let usage = self.usage.usage(self.models.as_deref())?;
        Ok(TaskState::Finished(Finished {
            status: final_status(self.status)?,
            progress: progress(self.progress, self.total)?,
            attempt: attempt(self.attempt)?,
            started_at: self.started_at,
            finished_at: self.finished_at,
            outcome: Outcome {
                result: self.result,
                response: self.response.map(|text| object("response", text)).transpose()?,
                metadata: self.metadata.map(|text| object("metadata", text)).transpose()?,
                error: self.error,
                model: self.model,
                provider: self.provider,
                usage,
            },
            cancel: self.cancel.map(Into::into),
        }))
    }
}

/// A line of a list, as columns.
#[derive(Debug, Clone)]
pub(crate) struct SummaryColumns {
    pub(crate) number: i64,
    pub(crate) id: Uuid,
    pub(crate) kind: i16,
    pub(crate) project: Option<i64>,
    pub(crate) mode: Option<i16>,
    pub(crate) query: Option<String>,
    pub(crate) status: i16,
    pub(crate) progress: i64,
    pub(crate) total: i64,
    pub(crate) created_at: DateTime<Utc>,
    /// Of a finished task.
    pub(crate) finished: Option<(DateTime<Utc>, UsageColumns)>,
}

impl SummaryColumns {
    /// The line.
    pub(crate) fn summary(self) -> QueryResult<TaskSummary> {
        let finished = |(at, usage): (DateTime<Utc>, UsageColumns)| -> QueryResult<_> {
            Ok(FinishedSummary { at, tokens: usage.tokens()?, cost: usage.cost()? })
        };
        Ok(TaskSummary {
            number: number(self.number)?,
            id: TaskId::from_bits(self.id.as_u128()),
            subject: match kind(self.kind)? {
                Kind::Agent => Subject::Agent {
                    query: present("query", self.query)?,
                    mode: mode(present("mode", self.mode)?)?,
                },
                Kind::Research(task_type) => {
                    Subject::Research { project: project(self.project)?, task_type }
                }
            },
            status: status(self.status)?,
            progress: progress(self.progress, self.total)?,
            created_at: self.created_at,
            finished: self.finished.map(finished).transpose()?,
        })
    }
}

/// What is told of a task that is queued again since its worker vanished.
pub(crate) const WORKER_SILENT: &str = "The worker stopped responding.";

/// What is told of a task that its worker gives back.
pub(crate) const GIVEN_BACK: &str = "The worker gave the task back.";

/// What is told of a task whose worker vanished once too often.
pub(crate) fn worker_lost(attempts: i32) -> Outcome {
    Outcome::error(format!("The worker stopped responding in each of {attempts} attempts."))
}

/// What is told of a task whose deadline passed.
pub(crate) fn timed_out() -> Outcome {
    Outcome::error("The task did not finish before its deadline.")
}

/// A task's number.
pub(crate) fn number(column: i64) -> QueryResult<TaskNumber> {
    TaskNumber::new(column).map_err(unreadable)
}

/// The latest claim, `None` before the first.
pub(crate) fn attempt(column: i32) -> QueryResult<Option<Attempt>> {
    if column == 0 { Ok(None) } else { claimed(column).map(Some) }
}

/// The latest claim of a task that has been claimed.
pub(crate) fn claimed(column: i32) -> QueryResult<Attempt> {
    Attempt::new(column.into()).map_err(unreadable)
}

/// A JSON object that was stored as text.
pub(crate) fn object(field: &'static str, text: String) -> QueryResult<JsonObject> {
    JsonObject::parse(field, text).map_err(unreadable)
}

pub(crate) fn progress(current: i64, total: i64) -> QueryResult<Progress> {
    Progress::new(current, total).map_err(unreadable)
}

fn project(column: Option<i64>) -> QueryResult<ProjectId> {
    ProjectId::new(present("project", column)?).map_err(unreadable)
}

fn present<T>(name: impl Display, column: Option<T>) -> QueryResult<T> {
    column.ok_or_else(|| unreadable(format_args!("{name} is missing")))
}

#[cfg(test)]
mod tests {
    use super::project_group;
    use taskgate_domain::id::{ProjectId, TenantId};

    #[test]
    fn projects_of_tenants_do_not_share_a_group() {
        let other = TenantId(uuid::Uuid::from_u128(9));
        let project = |number| ProjectId::new(number).unwrap();
        let group = project_group(TenantId::DEFAULT, project(1));
        assert_ne!(group, project_group(TenantId::DEFAULT, project(2)));
        assert_ne!(group, project_group(other, project(1)));
    }
}
