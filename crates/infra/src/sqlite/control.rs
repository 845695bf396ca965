//! Cancelling, pausing and resuming.

use super::{
    columns::{At, Id},
    events::{self, News},
    idempotency,
    moves::{self, End, Held},
};
use crate::{
    encode::{self, status_code},
    error::unreadable,
    statement::sql,
};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Bool, Nullable, SmallInt, Text},
};
use taskgate_domain::{
    control::{Control, ControlRequest, Controlled},
    event::NewEvent,
    task::{
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
    },
};

/// Does what its owner wishes with a task; `None` when there is no such task.
pub(super) fn control(
    connection: &mut SqliteConnection,
    news: &mut News,
    request: &ControlRequest,
) -> QueryResult<Option<Controlled>> {
    let now = At::now();
    let number = request.number.get();
    if let Some(key) = &request.idempotency
        && let Some(earlier) = idempotency::find(connection, key, now)?
    {
        let (accepted, place) = (earlier.accepted, place(connection, earlier.task)?);
        return Ok(place.map(|place| Controlled { accepted, status: place.0, replayed: true }));
    }
    let Some((status, held)) = place(connection, number)? else {
        return Ok(None);
    };
    let from = encode::live_status(status_code(status)).ok();
    let transition = from.and_then(|from| Some((from, request.control.transition(from, held)?)));
    let accepted = transition.is_some();
    if let Some((from, transition)) = transition {
        make(connection, news, request, from, transition, now)?;
    }
    if let Some(key) = &request.idempotency
        && (accepted || request.control == Control::Cancel)
    {
        idempotency::keep(connection, key, number, accepted, now)?;
    }
    let status = transition.map_or(status, |(_, transition)| transition.target());
    Ok(Some(Controlled { accepted, status, replayed: false }))
}

#[derive(QueryableByName)]
struct PlaceRow {
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = Bool)]
    held: bool,
}

/// Where a task is, and whether a worker holds it.
fn place(
    connection: &mut SqliteConnection,
    number: i64,
) -> QueryResult<Option<(TaskStatus, bool)>> {
    let row: Option<PlaceRow> =
        sql("SELECT status, worker IS NOT NULL AS held FROM live_tasks WHERE number = ?
             UNION ALL SELECT status, 0 FROM finished_tasks WHERE number = ?")
        .bind::<BigInt, _>(number)
        .bind::<BigInt, _>(number)
        .get_result(connection)
        .optional()?;
    row.map(|row| Ok((encode::status(row.status)?, row.held))).transpose()
}

/// Moves a task that was just seen where the move starts.
fn make(
    connection: &mut SqliteConnection,
    news: &mut News,
    request: &ControlRequest,
    from: LiveStatus,
    transition: Transition,
    now: At,
) -> QueryResult<()> {
    if transition == Transition::Cancel {
        let held = Held { number: request.number.get(), attempt: None };
        let cancel = Some((request.by, request.reason.as_deref()));
        let end = End { transition, outcome: &Outcome::default(), reported: false, cancel };
        moves::end(connection, news, held, &end, now).map(drop)
    } else {
        hold(connection, news, request, from, transition, now)
    }
}

#[derive(QueryableByName)]
struct HeldRow {
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: At,
}

/// Pauses a task, or lets it go on.
fn hold(
    connection: &mut SqliteConnection,
    news: &mut News,
    request: &ControlRequest,
    from: LiveStatus,
    transition: Transition,
    now: At,
) -> QueryResult<()> {
    let number = request.number.get();
    let story = NewEvent::controlled(request.control, from, request.reason.as_deref());
    let pauses = transition == Transition::Pause;
    let reason = request.reason.as_deref().filter(|_| pauses);
    let row: HeldRow = sql("UPDATE live_tasks
         SET status = ?, ready = run_after <= ?, paused_at = iif(?, max(updated_at, ?), NULL),
             paused_by = ?, pause_reason = ?, last_seq = last_seq + ?,
             updated_at = max(updated_at, ?)
         WHERE number = ? AND status = ?
         RETURNING last_seq, updated_at")
    .bind::<SmallInt, _>(status_code(transition.target()))
    .bind::<BigInt, _>(now)
    .bind::<Bool, _>(pauses)
    .bind::<BigInt, _>(now)
    .bind::<Nullable<Binary>, _>(pauses.then_some(Id(request.by.0)))
    .bind::<Nullable<Text>, _>(reason)
    .bind::<BigInt, _>(i64::try_from(story.len()).map_err(unreadable)?)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(number)
    .bind::<SmallInt, _>(status_code(from.into()))
    .get_result(connection)?;
    events::write(connection, number, row.last_seq, row.updated_at, &story)?;
    news.push((number, row.last_seq));
    Ok(())
}
