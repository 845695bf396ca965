//! Reading single tasks, and what was asked of several.

use super::columns::{At, Id};
use crate::{
    encode::{self, Asked, FinishedColumns, LiveColumns, UsageColumns},
    error::unreadable,
    statement::sql,
};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text},
};
use taskgate_domain::{
    query::TaskKey,
    task::{Task, TaskState},
};

/// What was asked: the columns of `tasks`.
#[derive(QueryableByName)]
pub(super) struct AskedRow {
    #[diesel(sql_type = BigInt)]
    pub(super) number: i64,
    #[diesel(sql_type = Binary)]
    id: Id,
    #[diesel(sql_type = Binary)]
    owner_id: Id,
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = Nullable<BigInt>)]
    project: Option<i64>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    mode: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    session: Option<String>,
    #[diesel(sql_type = BigInt)]
    created_at: At,
    #[diesel(sql_type = Nullable<BigInt>)]
    deadline: Option<At>,
    #[diesel(sql_type = Nullable<Text>)]
    query: Option<String>,
    #[diesel(sql_type = Text)]
    body: String,
}

impl From<AskedRow> for Asked {
    fn from(row: AskedRow) -> Self {
        Self {
            number: row.number,
            id: row.id.0,
            owner: row.owner_id.0,
            kind: row.kind,
            project: row.project,
            mode: row.mode,
            session: row.session,
            created_at: row.created_at.into(),
            deadline: row.deadline.map(Into::into),
            query: row.query,
            body: row.body,
        }
    }
}

/// What was asked of each of `numbers`, a JSON array, in no order.
pub(super) fn asked(
    connection: &mut SqliteConnection,
    numbers: &str,
) -> QueryResult<Vec<AskedRow>> {
    sql("SELECT t.number, t.id, t.owner_id, t.kind, t.project, t.mode, t.session, t.created_at,
                t.deadline, t.query, t.body
         FROM json_each(?) AS wanted CROSS JOIN tasks AS t ON t.number = wanted.value")
    .bind::<Text, _>(numbers)
    .load(connection)
}

/// A task's state: its row in one of the two tables.
#[derive(QueryableByName)]
struct StateRow {
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
    fn state(self) -> QueryResult<TaskState> {
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
            }
            .state(),
            (None, Some(updated_at)) => LiveColumns {
                status: self.status,
                progress: self.progress,
                total: self.total,
                attempt: self.attempt,
                started_at: self.started_at.map(Into::into),
                updated_at: updated_at.into(),
            }
            .state(),
            _ => Err(unreadable("a task is not in exactly one state")),
        }
    }
}

#[derive(QueryableByName)]
struct TaskRow {
    #[diesel(embed)]
    asked: AskedRow,
    #[diesel(embed)]
    state: StateRow,
}

const TASK: &str = "
    SELECT t.number, t.id, t.owner_id, t.kind, t.project, t.mode, t.session, t.created_at,
           t.deadline, t.query, t.body,
           coalesce(l.status, f.status) AS status, coalesce(l.progress, f.progress) AS progress,
           coalesce(l.total, f.total) AS total, coalesce(l.attempt, f.attempt) AS attempt,
           coalesce(l.started_at, f.started_at) AS started_at, l.updated_at,
           f.finished_at, f.prompt_tokens, f.completion_tokens, f.total_tokens, f.cost_nanos,
           f.models, f.model, f.provider, f.error, f.result, f.response, f.metadata
    FROM tasks AS t
    LEFT JOIN live_tasks AS l ON l.number = t.number
    LEFT JOIN finished_tasks AS f ON f.number = t.number
    WHERE ";

/// Reads one task.
pub(super) fn find(connection: &mut SqliteConnection, key: TaskKey) -> QueryResult<Option<Task>> {
    let row: Option<TaskRow> = match key {
        TaskKey::Id(id) => sql(format!("{TASK} t.id = ?"))
            .bind::<Binary, _>(Id(encode::id_column(id)))
            .get_result(connection),
        TaskKey::Number(number) => sql(format!("{TASK} t.number = ?"))
            .bind::<BigInt, _>(number.get())
            .get_result(connection),
    }
    .optional()?;
    row.map(|row| Asked::from(row.asked).task(row.state.state()?)).transpose()
}
