//! Reading single tasks and answered requests.

use super::row::{TaskRow, asked_columns, join_state, row, state_columns};
use crate::{encode, statement::sql};
use diesel::{
    OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    sql_types::{BigInt, Binary, Bool, Text, Uuid as SqlUuid},
};
use taskgate_domain::{
    query::TaskKey,
    task::{Task, submit::IdempotencyKey},
};
use uuid::Uuid;

macro_rules! select_task {
    ($from:literal) => {
        concat!(
            "SELECT ",
            asked_columns!(),
            ", ",
            state_columns!(),
            " FROM tasks t ",
            join_state!(),
            $from
        )
    };
}

/// Reads a task.
pub(super) fn find(connection: &mut PgConnection, key: TaskKey) -> QueryResult<Option<Task>> {
    let row: Option<TaskRow> = match key {
        TaskKey::Id(id) => sql(select_task!("WHERE t.id = ?"))
            .bind::<SqlUuid, _>(encode::id_column(id))
            .get_result(connection),
        TaskKey::Number(number) => sql(select_task!("WHERE t.number = ?"))
            .bind::<BigInt, _>(number.get())
            .get_result(connection),
    }
    .optional()?;
    row.map(TaskRow::task).transpose()
}

/// Reads the live task of a group that carries a unique key.
pub(super) fn find_unique(
    connection: &mut PgConnection,
    group: Uuid,
    unique_key: &str,
) -> QueryResult<Option<Task>> {
    let row: Option<TaskRow> = sql(select_task!("WHERE l.group_id = ? AND l.unique_key = ?"))
        .bind::<SqlUuid, _>(group)
        .bind::<Text, _>(unique_key)
        .get_result(connection)
        .optional()?;
    row.map(TaskRow::task).transpose()
}

row! {
    /// An answered request: the task it was about, and whether it changed it.
    AnsweredRow {
        task_id: SqlUuid => Uuid,
        accepted: Bool => bool,
    }
}

/// A request that was answered before this is forgotten.
macro_rules! forgotten {
    () => {
        "now() - interval '24 hours'"
    };
}
pub(super) use forgotten;

/// Looks up a request of the last 24 hours.
pub(super) fn answered(
    connection: &mut PgConnection,
    key: &IdempotencyKey,
) -> QueryResult<Option<AnsweredRow>> {
    sql(concat!(
        "SELECT task_id, accepted FROM idempotency_keys WHERE key = ? AND created_at > ",
        forgotten!(),
    ))
    .bind::<Binary, _>(key.as_bytes().as_slice())
    .get_result(connection)
    .optional()
}
