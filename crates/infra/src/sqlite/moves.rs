//! The moves of a task out of a worker's hands. Each is one conditional
//! statement, which tells whether the task was there to be moved, then the
//! events that say so.

use super::{
    PAUSED, QUEUED,
    columns::{At, Id},
    consumed::{self, CONSUMED, ConsumedRow},
    events::{self, News},
};
use crate::{
    encode::{self, UsageColumns, status_code, status_list},
    error::unreadable,
    feed::ENDED,
    statement::sql,
};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text},
};
use taskgate_domain::{
    control::Control,
    event::NewEvent,
    id::UserId,
    task::{
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
    },
    usage::Usage,
};

/// Which task to move, and under which claim; `None` is any, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) number: i64,
    pub(super) attempt: Option<i32>,
}

/// How a task ends.
pub(super) struct End<'a> {
    pub(super) transition: Transition,
    pub(super) outcome: &'a Outcome,
    /// Whether the worker of the latest claim says so.
    pub(super) reported: bool,
    /// Who cancels it, and why.
    pub(super) cancel: Option<(UserId, Option<&'a str>)>,
}

#[derive(QueryableByName)]
struct RemovedRow {
    #[diesel(sql_type = Binary)]
    owner_id: Id,
    #[diesel(sql_type = Binary)]
    group_id: Id,
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = Bool)]
    answered: bool,
    #[diesel(sql_type = BigInt)]
    progress: i64,
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    started_at: Option<At>,
    #[diesel(sql_type = BigInt)]
    updated_at: At,
    #[diesel(embed)]
    consumed: ConsumedRow,
}

/// Ends a task; false when it is not there, not in a state that the move
/// starts from, or not held under that claim.
pub(super) fn end(
    connection: &mut SqliteConnection,
    news: &mut News,
    held: Held,
    end: &End<'_>,
    now: At,
) -> QueryResult<bool> {
    let sources = status_list(end.transition.sources());
    let holder = if held.attempt.is_some() { "AND worker IS NOT NULL" } else { "" };
    let removed: Option<RemovedRow> = sql(format!(
        "DELETE FROM live_tasks
         WHERE number = ? AND attempt = coalesce(?, attempt) {holder} AND status IN ({sources})
         RETURNING owner_id, group_id, kind, status, attempt, answered, progress, total, last_seq,
                   started_at, updated_at, {CONSUMED}"
    ))
    .bind::<BigInt, _>(held.number)
    .bind::<Nullable<Integer>, _>(held.attempt)
    .get_result(connection)
    .optional()?;
    let Some(row) = removed else {
        return Ok(false);
    };
    let at = now.max(row.updated_at);
    let story = story(&row, end)?;
    let last_seq = row.last_seq + i64::try_from(story.len()).map_err(unreadable)?;
    insert_finished(connection, held.number, row, end, at)?;
    events::write(connection, held.number, last_seq, at, &story)?;
    news.push((held.number, ENDED));
    Ok(true)
}

/// What the log tells of the end of a task that was as in this row.
fn story(row: &RemovedRow, end: &End<'_>) -> QueryResult<Vec<NewEvent>> {
    if let Some((_, reason)) = end.cancel {
        let from = encode::live_status(row.status)?;
        return Ok(NewEvent::controlled(Control::Cancel, from, reason));
    }
    let mut story = NewEvent::ended(end.transition, encode::kind(row.kind)?, end.outcome);
    if row.answered {
        story.retain(|event| !event.is_final_output());
    }
    Ok(story)
}

fn insert_finished(
    connection: &mut SqliteConnection,
    number: i64,
    row: RemovedRow,
    end: &End<'_>,
    at: At,
) -> QueryResult<()> {
    let done = end.transition == Transition::Complete && row.total > 0;
    let outcome = end.outcome;
    let consumed = row.consumed.usage()?.plus(outcome.usage.clone());
    let usage = UsageColumns::from(&consumed);
    sql("INSERT INTO finished_tasks (number, owner_id, group_id, status, progress, total, attempt,
             reported, started_at, finished_at, prompt_tokens, completion_tokens, total_tokens,
             cost_nanos, cancelled_by, cancel_reason, model, provider, models, error, response,
             metadata, result)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    .bind::<BigInt, _>(number)
    .bind::<Binary, _>(row.owner_id)
    .bind::<Binary, _>(row.group_id)
    .bind::<SmallInt, _>(status_code(end.transition.target()))
    .bind::<BigInt, _>(if done { row.total } else { row.progress })
    .bind::<BigInt, _>(row.total)
    .bind::<Integer, _>(row.attempt)
    .bind::<Bool, _>(end.reported)
    .bind::<Nullable<BigInt>, _>(row.started_at)
    .bind::<BigInt, _>(at)
    .bind::<BigInt, _>(usage.prompt_tokens)
    .bind::<BigInt, _>(usage.completion_tokens)
    .bind::<BigInt, _>(usage.total_tokens)
    .bind::<BigInt, _>(usage.cost_nanos)
    .bind::<Nullable<Binary>, _>(end.cancel.map(|(by, _)| Id(by.0)))
    .bind::<Nullable<Text>, _>(end.cancel.and_then(|(_, reason)| reason))
    .bind::<Nullable<Text>, _>(outcome.model.as_deref())
    .bind::<Nullable<Text>, _>(outcome.provider.as_deref())
    .bind::<Nullable<Text>, _>(encode::models_column(consumed.models())?)
    .bind::<Nullable<Text>, _>(outcome.error.as_deref())
    .bind::<Nullable<Text>, _>(outcome.response.as_ref().map(|json| json.as_str()))
    .bind::<Nullable<Text>, _>(outcome.metadata.as_ref().map(|json| json.as_str()))
    .bind::<Nullable<Text>, _>(outcome.result.as_deref())
    .execute(connection)?;
    Ok(())
}

/// Why and when a worker's task is to be tried again.
pub(super) struct Release<'a> {
    pub(super) run_after: At,
    /// Whether the attempt counts among those that the task may take.
    pub(super) counts: bool,
    /// Whether the worker of the latest claim says so.
    pub(super) reported: bool,
    /// What the event tells people.
    pub(super) reason: &'a str,
    /// What the attempt consumed.
    pub(super) usage: &'a Usage,
}

#[derive(QueryableByName)]
struct ReleasedRow {
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: At,
}

/// Takes a task from its worker: back to the queue, or, when it is paused, out
/// of all hands. Returns where it is then; `None` when that claim does not hold
/// it or it has no attempt left.
pub(super) fn release(
    connection: &mut SqliteConnection,
    news: &mut News,
    number: i64,
    attempt: i32,
    release: &Release<'_>,
    now: At,
) -> QueryResult<Option<TaskStatus>> {
    const SOURCES: [&[LiveStatus]; 2] = [Transition::Release.sources(), Transition::Park.sources()];
    let given_back = i32::from(!release.counts);
    let moved: Option<ReleasedRow> = sql(format!(
        "UPDATE live_tasks
         SET status = CASE status WHEN {PAUSED} THEN {PAUSED} ELSE {QUEUED} END,
             ready = ? <= ?, run_after = ?, worker = NULL, lease_micros = NULL,
             lease_expires_at = NULL, reported = ?, max_attempts = max_attempts + ?,
             last_seq = last_seq + 1, updated_at = max(updated_at, ?)
         WHERE number = ? AND attempt = ? AND worker IS NOT NULL
               AND attempt < max_attempts + ? AND status IN ({})
         RETURNING status, last_seq, updated_at",
        status_list(&SOURCES.concat())
    ))
    .bind::<BigInt, _>(release.run_after)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(release.run_after)
    .bind::<Bool, _>(release.reported)
    .bind::<Integer, _>(given_back)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(number)
    .bind::<Integer, _>(attempt)
    .bind::<Integer, _>(given_back)
    .get_result(connection)
    .optional()?;
    let Some(row) = moved else {
        return Ok(None);
    };
    consumed::add(connection, number, release.usage)?;
    let story = [NewEvent::released(encode::claimed(attempt)?, release.reason)];
    events::write(connection, number, row.last_seq, row.updated_at, &story)?;
    news.push((number, row.last_seq));
    encode::status(row.status).map(Some)
}
