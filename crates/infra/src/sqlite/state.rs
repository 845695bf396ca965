//! How far a task has come: its row in one of the two tables.

use super::columns::{At, Id};
use crate::{
    encode::{FinishedColumns, LiveColumns, NoteColumns, UsageColumns},
    error::unreadable,
};
use diesel::{
    QueryResult, QueryableByName,
    sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text},
};
use taskgate_domain::task::TaskState;

/// The columns of a [`StateRow`], of the tables that are [`JOINED`].
pub(super) const STATE: &str = "
    coalesce(l.status, f.status) AS status, coalesce(l.progress, f.progress) AS progress,
    coalesce(l.total, f.total) AS total, coalesce(l.attempt, f.attempt) AS attempt,
    coalesce(l.started_at, f.started_at) AS started_at, l.updated_at, l.paused_at,
    coalesce(l.paused_by, f.cancelled_by) AS controlled_by,
    coalesce(l.pause_reason, f.cancel_reason) AS reason,
    f.finished_at, f.prompt_tokens, f.completion_tokens, f.total_tokens, f.cost_nanos,
    f.models, f.model, f.provider, f.error, f.result, f.response, f.metadata ";

/// Where a task's state is, beside its row `t` of `tasks`.
pub(super) const JOINED: &str = "
    LEFT JOIN live_tasks AS l ON l.number = t.number
    LEFT JOIN finished_tasks AS f ON f.number = t.number ";

/// A task's state: its row in one of the two tables.
#[derive(QueryableByName)]
pub(super) struct StateRow {
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = BigInt)]
    progress: i64,
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = Nullable<BigInt>)]
    started_at: Option<At>,
    /// Of a live task.
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<At>,
    /// Of a paused task.
    #[diesel(sql_type = Nullable<BigInt>)]
    paused_at: Option<At>,
    /// Who paused or cancelled the task.
    #[diesel(sql_type = Nullable<Binary>)]
    controlled_by: Option<Id>,
    /// Why.
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
    #[diesel(embed)]
    finished: Option<FinishedRow>,
}

/// What only finished tasks have.
#[derive(QueryableByName)]
struct FinishedRow {
    #[diesel(sql_type = BigInt)]
    finished_at: At,
    #[diesel(sql_type = BigInt)]
    prompt_tokens: i64,
    #[diesel(sql_type = BigInt)]
    completion_tokens: i64,
    #[diesel(sql_type = BigInt)]
    total_tokens: i64,
    #[diesel(sql_type = BigInt)]
    cost_nanos: i64,
    #[diesel(sql_type = Nullable<Text>)]
    models: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    model: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    provider: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    result: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    response: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    metadata: Option<String>,
}

impl StateRow {
    /// The state.
    pub(super) fn state(self) -> QueryResult<TaskState> {
        let (by, reason) = (self.controlled_by, self.reason);
        let note = |at: At| by.map(|by| NoteColumns { at: at.into(), by: by.0, reason });
        match (self.finished, self.updated_at) {
            (Some(finished), None) => FinishedColumns {
                status: self.status,
                progress: self.progress,
                total: self.total,
                attempt: self.attempt,
                started_at: self.started_at.map(Into::into),
                finished_at: finished.finished_at.into(),
                usage: UsageColumns {
                    prompt_tokens: finished.prompt_tokens,
                    completion_tokens: finished.completion_tokens,
                    total_tokens: finished.total_tokens,
                    cost_nanos: finished.cost_nanos,
                },
                models: finished.models,
                model: finished.model,
                provider: finished.provider,
                error: finished.error,
                result: finished.result,
                response: finished.response,
                metadata: finished.metadata,
                cancel: note(finished.finished_at),
            }
            .state(),
            (None, Some(updated_at)) => LiveColumns {
                status: self.status,
                progress: self.progress,
                total: self.total,
                attempt: self.attempt,
                started_at: self.started_at.map(Into::into),
                updated_at: updated_at.into(),
                pause: self.paused_at.and_then(note),
            }
            .state(),
            _ => Err(unreadable("a task is not in exactly one state")),
        }
    }
}
