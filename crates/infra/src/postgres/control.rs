//! What owners do with their tasks: cancel, pause, resume.

use super::{
    News,
    change::{self, End, count_moves},
    events::{columns, tell, told},
    read::{self, forgotten},
    row::row,
};
use crate::{
    encode::{live_status, status, status_code},
    statement::sql,
};
use diesel::{
    Connection, OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    result::Error as QueryError,
    sql_types::{Array, BigInt, Binary, Bool, Nullable, SmallInt, Text, Uuid as SqlUuid},
};
use std::borrow::Cow;
use taskgate_domain::{
    control::{Control, ControlRequest, Controlled},
    event::NewEvent,
    id::{TaskId, TaskNumber},
    query::TaskKey,
    task::{
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
        submit::IdempotencyKey,
    },
};

/// Makes a control, or repeats the answer to the same request.
pub(super) fn control(
    connection: &mut PgConnection,
    request: &ControlRequest,
    news: &mut News,
) -> QueryResult<Option<Controlled>> {
    let Some(key) = &request.idempotency else { return move_task(connection, request, news) };
    if let Some(replay) = replay(connection, key)? {
        return Ok(Some(replay));
    }
    let mut answer = None;
    let first = connection.transaction(|connection| {
        // Whoever comes second with the key waits here for the first.
        if !reserve(connection, key, request.number)? {
            return Ok(false);
        }
        answer = move_task(connection, request, news)?;
        match &answer {
            Some(answer) if answer.accepted => Ok(true),
            Some(_) if request.control == Control::Cancel => {
                sql("UPDATE idempotency_keys SET accepted = false WHERE key = ?")
                    .bind::<Binary, _>(key.as_bytes().as_slice())
                    .execute(connection)
                    .map(|_| true)
            }
            // The key stays free.
            _ => Err(QueryError::RollbackTransaction),
        }
    });
    match first {
        Ok(true) | Err(QueryError::RollbackTransaction) => Ok(answer),
        Ok(false) => replay(connection, key),
        Err(error) => Err(error),
    }
}

row! {
    PlaceRow {
        status: SmallInt => i16,
        /// Of a live task: whether a worker holds it.
        held: Nullable<Bool> => Option<bool>,
    }
}

/// Moves the task from where it is, if the control has a move from there. A task
/// that has moved meanwhile is looked at again. `None` when there is no such
/// task.
fn move_task(
    connection: &mut PgConnection,
    request: &ControlRequest,
    news: &mut News,
) -> QueryResult<Option<Controlled>> {
    loop {
        let Some(place) = place(connection, request.number)? else { return Ok(None) };
        let answer = |accepted, status| Controlled { accepted, status, replayed: false };
        let refused = |code| Ok(Some(answer(false, status(code)?)));
        let Some(held) = place.held else { return refused(place.status) };
        let from = live_status(place.status)?;
        let Some(transition) = request.control.transition(from, held) else {
            return refused(place.status);
        };
        let moved = if transition == Transition::Cancel {
            end(connection, request, from, news)?
        } else {
            hold(connection, request, from, held, transition, news)?
        };
        if moved {
            return Ok(Some(answer(true, transition.target())));
        }
    }
}

fn place(connection: &mut PgConnection, number: TaskNumber) -> QueryResult<Option<PlaceRow>> {
    sql("SELECT coalesce(l.status, f.status),
            CASE WHEN l.status IS NOT NULL THEN l.worker IS NOT NULL END
         FROM tasks t
         LEFT JOIN live_tasks l ON l.task_number = t.number
         LEFT JOIN finished_tasks f ON f.task_number = t.number
         WHERE t.number = ?")
    .bind::<BigInt, _>(number.get())
    .get_result(connection)
    .optional()
}

/// Cancels a task that is at `from`; false when it is elsewhere by now.
fn end(
    connection: &mut PgConnection,
    request: &ControlRequest,
    from: LiveStatus,
    news: &mut News,
) -> QueryResult<bool> {
    let reason = request.reason.as_deref();
    let end = End {
        number: request.number.get(),
        attempt: None,
        transition: Transition::Cancel,
        sources: &[from],
        outcome: Cow::Owned(Outcome::default()),
        cancelled: Some((request.by, reason)),
        events: NewEvent::controlled(Control::Cancel, from, reason),
    };
    Ok(!change::end(connection, vec![end], news)?.is_empty())
}

/// Who pauses is null when the pause ends. The time before which a task does not
/// run stays in force.
const HOLD: &str = concat!(
    "WITH ",
    told!(),
    ", moved AS (
        UPDATE live_tasks SET status = ?, paused_by = ?, pause_reason = ?,
            paused_at = CASE WHEN $6 IS NOT NULL THEN greatest(now(), updated_at) END,
            ready = ? AND coalesce(run_after <= now(), true),
            run_after = CASE WHEN run_after > now() THEN run_after END,
            last_seq = last_seq + cardinality($1), updated_at = greatest(now(), updated_at)
        WHERE task_number = ? AND status = ? AND (worker IS NOT NULL) = ?
        RETURNING task_number, owner_id, group_id, $10 AS old_status, status, last_seq,
            last_seq - cardinality($1) AS before, updated_at
    ), event AS (",
    tell!("moved"),
    "), counted AS (",
    count_moves!("moved"),
    ") SELECT last_seq FROM moved"
);

row! {
    HeldRow {
        last_seq: BigInt => i64,
    }
}

/// Pauses or resumes a task that is at `from` and `held` or not; false when it
/// is elsewhere by now.
fn hold(
    connection: &mut PgConnection,
    request: &ControlRequest,
    from: LiveStatus,
    held: bool,
    transition: Transition,
    news: &mut News,
) -> QueryResult<bool> {
    let reason = request.reason.as_deref();
    let events = NewEvent::controlled(request.control, from, reason);
    let pauses = transition == Transition::Pause;
    let row: Option<HeldRow> = sql(HOLD)
        .bind_all::<Array<Nullable<Text>>, _>(columns(events.iter().map(Some)))
        .bind::<SmallInt, _>(status_code(transition.target()))
        .bind::<Nullable<SqlUuid>, _>(pauses.then_some(request.by.0))
        .bind::<Nullable<Text>, _>(reason.filter(|_| pauses))
        .bind::<Bool, _>(transition.target() == TaskStatus::Queued)
        .bind::<BigInt, _>(request.number.get())
        .bind::<SmallInt, _>(status_code(from.into()))
        .bind::<Bool, _>(held)
        .get_result(connection)
        .optional()?;
    news.extend(row.iter().map(|row| (request.number.get(), row.last_seq)));
    Ok(row.is_some())
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

/// The answer that the first request with this key got, with the status that
/// the task has now.
fn replay(connection: &mut PgConnection, key: &IdempotencyKey) -> QueryResult<Option<Controlled>> {
    let Some(answered) = read::answered(connection, key)? else { return Ok(None) };
    let id = TaskId::from_bits(answered.task_id.as_u128());
    let task = read::find(connection, TaskKey::Id(id))?;
    Ok(task.map(|task| Controlled {
        accepted: answered.accepted,
        status: task.status(),
        replayed: true,
    }))
}
