//! Ending tasks at somebody's wish.

use super::{
    change::{self, End},
    read::{self, forgotten},
    row::row,
};
use crate::{encode::final_status, statement::sql};
use diesel::{
    Connection, OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    result::Error as QueryError,
    sql_types::{BigInt, Binary, Nullable, SmallInt},
};
use std::borrow::Cow;
use taskgate_domain::{
    id::{TaskId, TaskNumber},
    query::TaskKey,
    queue::{CancelRequest, Cancellation},
    task::{
        outcome::Outcome,
        status::{FinalStatus, Transition},
        submit::IdempotencyKey,
    },
    text::replace_nul,
};

/// Cancels a task, or repeats the answer to the same request.
pub(super) fn cancel(
    connection: &mut PgConnection,
    request: &CancelRequest,
) -> QueryResult<Option<Cancellation>> {
    let Some(key) = &request.idempotency else {
        let ended = end(connection, request)?;
        return Ok(ended.map(|(accepted, status)| Cancellation {
            accepted,
            status,
            replayed: false,
        }));
    };
    if let Some(replay) = replay(connection, key)? {
        return Ok(Some(replay));
    }
    let first = connection.transaction(|connection| {
        // Whoever comes second with the key waits here for the first.
        if !reserve(connection, key, request.number)? {
            return Ok(None);
        }
        let (accepted, status) = end(connection, request)?.ok_or(QueryError::NotFound)?;
        if !accepted {
            sql("UPDATE idempotency_keys SET accepted = false WHERE key = ?")
                .bind::<Binary, _>(key.as_bytes().as_slice())
                .execute(connection)?;
        }
        Ok(Some(Cancellation { accepted, status, replayed: false }))
    });
    match first {
        Ok(Some(cancellation)) => Ok(Some(cancellation)),
        Ok(None) => replay(connection, key),
        Err(QueryError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Ends the task unless it has ended; tells whether this call did and how the
/// task has ended. `None` when there is no such task.
fn end(
    connection: &mut PgConnection,
    request: &CancelRequest,
) -> QueryResult<Option<(bool, FinalStatus)>> {
    let reason = request.reason.clone().map(replace_nul);
    loop {
        let end = End {
            number: request.number.get(),
            attempt: None,
            transition: Transition::Cancel,
            outcome: Cow::Owned(Outcome::default()),
            reason: reason.as_deref(),
        };
        let ended = !change::end(connection, vec![end])?.is_empty();
        if ended {
            return Ok(Some((true, FinalStatus::Cancelled)));
        }
        let Some(row) = status(connection, request.number)? else { return Ok(None) };
        if let Some(status) = row.status {
            return Ok(Some((false, final_status(status)?)));
        }
    }
}

row! {
    StatusRow {
        status: Nullable<SmallInt> => Option<i16>,
    }
}

fn status(connection: &mut PgConnection, number: TaskNumber) -> QueryResult<Option<StatusRow>> {
    sql("SELECT f.status FROM tasks t LEFT JOIN finished_tasks f ON f.task_number = t.number
         WHERE t.number = ?")
    .bind::<BigInt, _>(number.get())
    .get_result(connection)
    .optional()
}

/// Takes an idempotency key for a task; false when it is in use, or when there
/// is no such task.
fn reserve(
    connection: &mut PgConnection,
    key: &IdempotencyKey,
    number: TaskNumber,
) -> QueryResult<bool> {
    let taken = sql(concat!(
        "INSERT INTO idempotency_keys AS i (key, task_id, accepted)
         SELECT ?, id, true FROM tasks WHERE number = ?
         ON CONFLICT (key) DO UPDATE
            SET task_id = excluded.task_id, accepted = true, created_at = now()
            WHERE i.created_at <= ",
        forgotten!(),
    ))
    .bind::<Binary, _>(key.as_bytes().as_slice())
    .bind::<BigInt, _>(number.get())
    .execute(connection)?;
    Ok(taken > 0)
}

/// The answer that the first request with this key got.
fn replay(
    connection: &mut PgConnection,
    key: &IdempotencyKey,
) -> QueryResult<Option<Cancellation>> {
    let Some(answered) = read::answered(connection, key)? else { return Ok(None) };
    let id = TaskId::from_bits(answered.task_id.as_u128());
    let task = read::find(connection, TaskKey::Id(id))?;
    Ok(task.and_then(|task| {
        let status = task.finished()?.status;
        Some(Cancellation { accepted: answered.accepted, status, replayed: true })
    }))
}
