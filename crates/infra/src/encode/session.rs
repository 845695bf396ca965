//! Sessions and their turns.

use super::codes::{SESSIONS, mode, status};
use crate::error::unreadable;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use taskgate_domain::{
    id::{SessionId, TaskId, TaskNumber, UserId},
    session::{LatestTask, Session, SessionTitle},
    task::{TaskState, Turn, status::TaskStatus},
    usage::Usd,
};
use uuid::Uuid;

/// A session, as columns.
#[derive(Debug, Clone)]
pub(crate) struct SessionFacts {
    pub(crate) id: Uuid,
    pub(crate) user: Uuid,
    pub(crate) external_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) first_mode: i16,
    pub(crate) research: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// The beginning of its latest task's query, that task's status and time.
    pub(crate) latest: Option<(String, i16, DateTime<Utc>)>,
}

/// What a scope has in one status, as columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SumColumns {
    pub(crate) status: i16,
    pub(crate) tasks: i64,
    pub(crate) tokens: i64,
    pub(crate) cost_nanos: i64,
}

/// The tokens and the money of a scope, whatever became of its tasks.
pub(crate) fn consumed(sums: &[SumColumns]) -> QueryResult<(i64, Usd)> {
    let sum = |of: fn(&SumColumns) -> i64| sums.iter().map(of).fold(0, i64::saturating_add);
    let cost = Usd::from_nanos(sum(|sum| sum.cost_nanos)).map_err(unreadable)?;
    Ok((sum(|sum| sum.tokens), cost))
}

impl SessionFacts {
    /// The session, whose tasks add up to these.
    pub(crate) fn session(self, sums: &[SumColumns]) -> QueryResult<Session> {
        let (mut tasks, mut succeeded, mut failed) = (0, 0, 0);
        let (tokens, cost) = consumed(sums)?;
        for sum in sums.iter().filter(|sum| sum.status != SESSIONS) {
            tasks += sum.tasks;
            match status(sum.status)? {
                TaskStatus::Completed => succeeded += sum.tasks,
                TaskStatus::Failed | TaskStatus::TimedOut => failed += sum.tasks,
                _ => {}
            }
        }
        let latest = |(query, code, updated_at)| -> QueryResult<LatestTask> {
            Ok(LatestTask { query, status: status(code)?, updated_at })
        };
        Ok(Session {
            id: SessionId(self.id),
            user: UserId(self.user),
            external_id: self.external_id,
            title: self
                .title
                .map(|title| SessionTitle::new(&title))
                .transpose()
                .map_err(unreadable)?,
            first_mode: mode(self.first_mode)?,
            research: self.research,
            created_at: self.created_at,
            updated_at: self.updated_at,
            tasks,
            succeeded,
            failed,
            tokens,
            cost,
            latest: self.latest.map(latest).transpose()?,
        })
    }
}

/// What was asked in a turn, as columns.
#[derive(Debug, Clone)]
pub(crate) struct TurnColumns {
    pub(crate) number: i64,
    pub(crate) id: Uuid,
    pub(crate) query: String,
    pub(crate) mode: i16,
    pub(crate) created_at: DateTime<Utc>,
}

impl TurnColumns {
    /// The turn, as far as it has come.
    pub(crate) fn turn(self, state: TaskState) -> QueryResult<Turn> {
        Ok(Turn {
            number: TaskNumber::new(self.number).map_err(unreadable)?,
            id: TaskId::from_bits(self.id.as_u128()),
            query: self.query,
            mode: mode(self.mode)?,
            created_at: self.created_at,
            state,
        })
    }
}
