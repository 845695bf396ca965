//! Between the domain's values and columns.
//!
//! The adapters differ in how they store times and ids, not in what: they read
//! rows into the plain structs of this module, which assembles the domain's
//! values. Codes are part of the stored format and never change.

use crate::error::unreadable;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeSet, fmt::Display};
use taskgate_domain::{
    error::InvalidValue,
    id::{ProjectId, TaskId, TaskNumber, TenantId, UserId},
    json::JsonObject,
    key::Scope,
    query::TaskScope,
    task::{
        Attempt, Finished, FinishedSummary, Live, Owner, Progress, Subject, Task, TaskState,
        TaskSummary,
        outcome::Outcome,
        status::{FinalStatus, LiveStatus, TaskStatus},
        work::{AgentWork, Kind, Mode, ResearchWork, SessionLabel, TaskType, Work},
    },
    usage::{ModelUsage, Tokens, Usage, Usd},
};
use uuid::Uuid;

/// The code of a status.
pub(crate) const fn status_code(status: TaskStatus) -> i16 {
    match status {
        TaskStatus::Queued => 1,
        TaskStatus::Running => 2,
        TaskStatus::Paused => 3,
        TaskStatus::Completed => 4,
        TaskStatus::Failed => 5,
        TaskStatus::Cancelled => 6,
        TaskStatus::TimedOut => 7,
    }
}

/// The status of a code.
pub(crate) fn status(code: i16) -> QueryResult<TaskStatus> {
    decode("status", code, &TaskStatus::ALL, status_code)
}

/// The status of a code that must be a live one.
pub(crate) fn live_status(code: i16) -> QueryResult<LiveStatus> {
    match status(code)? {
        TaskStatus::Queued => Ok(LiveStatus::Queued),
        TaskStatus::Running => Ok(LiveStatus::Running),
        TaskStatus::Paused => Ok(LiveStatus::Paused),
        other => Err(unreadable(format_args!("a live task is {other}"))),
    }
}

/// The status of a code that must be a final one.
pub(crate) fn final_status(code: i16) -> QueryResult<FinalStatus> {
    match status(code)? {
        TaskStatus::Completed => Ok(FinalStatus::Completed),
        TaskStatus::Failed => Ok(FinalStatus::Failed),
        TaskStatus::Cancelled => Ok(FinalStatus::Cancelled),
        TaskStatus::TimedOut => Ok(FinalStatus::TimedOut),
        other => Err(unreadable(format_args!("a finished task is {other}"))),
    }
}

/// The codes of these statuses as the inside of an SQL `IN (…)`.
pub(crate) fn status_list(statuses: &[LiveStatus]) -> String {
    let codes: Vec<String> =
        statuses.iter().map(|&status| status_code(status.into()).to_string()).collect();
    codes.join(", ")
}

/// The code of a kind.
pub(crate) const fn kind_code(kind: Kind) -> i16 {
    match kind {
        Kind::Agent => 1,
        Kind::Research(TaskType::Search) => 2,
        Kind::Research(TaskType::Dedup) => 3,
        Kind::Research(TaskType::Crawl) => 4,
        Kind::Research(TaskType::Ocr) => 5,
        Kind::Research(TaskType::Index) => 6,
        Kind::Research(TaskType::KeywordExpand) => 7,
    }
}

/// The kind of a code.
pub(crate) fn kind(code: i16) -> QueryResult<Kind> {
    decode("kind", code, &Kind::ALL, kind_code)
}

/// The code of a mode.
pub(crate) const fn mode_code(mode: Mode) -> i16 {
    match mode {
        Mode::Simple => 1,
        Mode::Standard => 2,
        Mode::Complex => 3,
        Mode::Supervisor => 4,
    }
}

fn mode(code: i16) -> QueryResult<Mode> {
    decode("mode", code, &Mode::ALL, mode_code)
}

fn decode<T: Copy>(name: &str, code: i16, all: &[T], encode: fn(T) -> i16) -> QueryResult<T> {
    let found = all.iter().copied().find(|value| encode(*value) == code);
    found.ok_or_else(|| unreadable(format_args!("unknown {name} {code}")))
}

/// A key's scopes as a set of bits.
pub(crate) fn scope_bits(scopes: &BTreeSet<Scope>) -> i16 {
    scopes.iter().map(|scope| scope_bit(*scope)).sum()
}

/// The scopes of a set of bits.
pub(crate) fn scopes(bits: i16) -> BTreeSet<Scope> {
    Scope::ALL.into_iter().filter(|scope| bits & scope_bit(*scope) != 0).collect()
}

const fn scope_bit(scope: Scope) -> i16 {
    match scope {
        Scope::Gateway => 1,
        Scope::Research => 2,
        Scope::Worker => 4,
        Scope::Admin => 8,
    }
}

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
}

/// Tokens and nano-dollars, as columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UsageColumns {
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) total_tokens: i64,
    pub(crate) cost_nanos: i64,
}

impl FinishedColumns {
    /// The state.
    pub(crate) fn state(self) -> QueryResult<TaskState> {
        let usage = Usage::new(
            self.usage.tokens()?,
            self.usage.cost()?,
            self.models.map_or(Ok(Vec::new()), |text| model_usages(&text))?,
        );
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
        }))
    }
}

impl UsageColumns {
    fn tokens(self) -> QueryResult<Tokens> {
        Tokens::new(self.prompt_tokens, self.completion_tokens, Some(self.total_tokens))
            .map_err(unreadable)
    }

    fn cost(self) -> QueryResult<Usd> {
        Usd::from_nanos(self.cost_nanos).map_err(unreadable)
    }
}

impl From<&Usage> for UsageColumns {
    fn from(usage: &Usage) -> Self {
        let tokens = usage.tokens();
        Self {
            prompt_tokens: tokens.prompt(),
            completion_tokens: tokens.completion(),
            total_tokens: tokens.total(),
            cost_nanos: usage.cost().nanos(),
        }
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

/// One model's share of a task's usage, as an element of a JSON column.
#[derive(Serialize, Deserialize)]
struct ModelColumns<'a> {
    model: Cow<'a, str>,
    provider: Cow<'a, str>,
    executions: u32,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    cost_nanos: i64,
}

/// The shares of models as a JSON column; `None` when there are none.
pub(crate) fn models_column(models: &[ModelUsage]) -> QueryResult<Option<String>> {
    if models.is_empty() {
        return Ok(None);
    }
    let columns = models.iter().map(|usage| ModelColumns {
        model: usage.model.as_str().into(),
        provider: usage.provider.as_str().into(),
        executions: usage.executions,
        prompt_tokens: usage.tokens.prompt(),
        completion_tokens: usage.tokens.completion(),
        total_tokens: usage.tokens.total(),
        cost_nanos: usage.cost.nanos(),
    });
    serde_json::to_string(&columns.collect::<Vec<_>>())
        .map(Some)
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))
}

fn model_usages(text: &str) -> QueryResult<Vec<ModelUsage>> {
    let columns: Vec<ModelColumns<'_>> = serde_json::from_str(text).map_err(unreadable)?;
    let usage = |columns: ModelColumns<'_>| {
        Ok::<_, InvalidValue>(ModelUsage {
            tokens: Tokens::new(
                columns.prompt_tokens,
                columns.completion_tokens,
                Some(columns.total_tokens),
            )?,
            cost: Usd::from_nanos(columns.cost_nanos)?,
            executions: columns.executions,
            model: columns.model.into_owned(),
            provider: columns.provider.into_owned(),
        })
    };
    columns.into_iter().map(|one| usage(one).map_err(unreadable)).collect()
}

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
    if column == 0 {
        return Ok(None);
    }
    Attempt::new(column.into()).map(Some).map_err(unreadable)
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
    use super::{
        kind, kind_code, model_usages, models_column, project_group, scope_bits, scopes, status,
        status_code,
    };
    use taskgate_domain::{
        id::{ProjectId, TenantId},
        key::Scope,
        task::{status::TaskStatus, work::Kind},
        usage::{ModelUsage, Tokens, Usd},
    };

    #[test]
    fn codes_read_back() {
        for one in TaskStatus::ALL {
            assert_eq!(status(status_code(one)), Ok(one));
        }
        for one in Kind::ALL {
            assert_eq!(kind(kind_code(one)), Ok(one));
        }
        assert!(status(0).is_err() && kind(99).is_err());
    }

    #[test]
    fn scopes_read_back() {
        for set in [vec![], vec![Scope::Worker], Scope::ALL.to_vec()] {
            let set = set.into_iter().collect();
            assert_eq!(scopes(scope_bits(&set)), set);
        }
    }

    #[test]
    fn model_shares_read_back() {
        let share = ModelUsage {
            model: "m \"quoted\"".to_owned(),
            provider: "p".to_owned(),
            executions: 3,
            tokens: Tokens::new(1, 2, Some(4)).unwrap(),
            cost: Usd::from_nanos(5).unwrap(),
        };
        let column = models_column(std::slice::from_ref(&share)).unwrap().unwrap();
        assert_eq!(model_usages(&column), Ok(vec![share]));
        assert_eq!(models_column(&[]), Ok(None));
    }

    #[test]
    fn projects_of_tenants_do_not_share_a_group() {
        let other = TenantId(uuid::Uuid::from_u128(9));
        let project = |number| ProjectId::new(number).unwrap();
        let group = project_group(TenantId::DEFAULT, project(1));
        assert_ne!(group, project_group(TenantId::DEFAULT, project(2)));
        assert_ne!(group, project_group(other, project(1)));
    }
}
