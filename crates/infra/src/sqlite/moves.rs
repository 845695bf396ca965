//! The moves of a task out of a worker's hands. Each is one conditional
//! statement, which tells whether the task was there to be moved, then the
//! event that says so.

use super::{
    QUEUED,
    columns::{At, Id},
    events,
};
use crate::{
    encode::{self, UsageColumns, status_code, status_list},
    statement::sql,
};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text},
};
use taskgate_domain::task::{outcome::Outcome, status::Transition};

/// Which task to move, and under which claim; `None` is any.
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
    /// What the event tells people.
    pub(super) message: Option<String>,
}

#[derive(QueryableByName)]
struct RemovedRow {
    #[diesel(sql_type = Binary)]
    owner_id: Id,
    #[diesel(sql_type = Binary)]
    group_id: Id,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = BigInt)]
    progress: i64,
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    started_at: Option<At>,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
}

/// Ends a task; false when it is not there, not in a state that the move
/// starts from, or not held under that claim.
pub(super) fn end(
    connection: &mut SqliteConnection,
    held: Held,
    end: End<'_>,
    now: At,
) -> QueryResult<bool> {
    let sources = status_list(end.transition.sources());
    let removed: Option<RemovedRow> = sql(format!(
        "DELETE FROM live_tasks
         WHERE number = ? AND attempt = coalesce(?, attempt) AND status IN ({sources})
         RETURNING owner_id, group_id, attempt, progress, total, started_at, last_seq"
    ))
    .bind::<BigInt, _>(held.number)
    .bind::<Nullable<Integer>, _>(held.attempt)
    .get_result(connection)
    .optional()?;
    let Some(row) = removed else {
        return Ok(false);
    };
    let seq = row.last_seq + 1;
    insert_finished(connection, held.number, row, &end, now)?;
    events::write_move(connection, held.number, seq, now, end.transition, end.message)?;
    Ok(true)
}

fn insert_finished(
    connection: &mut SqliteConnection,
    number: i64,
    row: RemovedRow,
    end: &End<'_>,
    now: At,
) -> QueryResult<()> {
    let done = end.transition == Transition::Complete && row.total > 0;
    let usage = UsageColumns::from(&end.outcome.usage);
    let outcome = end.outcome;
    sql("INSERT INTO finished_tasks (number, owner_id, group_id, status, progress, total, attempt,
             reported, started_at, finished_at, prompt_tokens, completion_tokens,
             total_tokens, cost_nanos, model, provider, models, error, response, metadata, result)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    .bind::<BigInt, _>(number)
    .bind::<Binary, _>(row.owner_id)
    .bind::<Binary, _>(row.group_id)
    .bind::<SmallInt, _>(status_code(end.transition.target()))
    .bind::<BigInt, _>(if done { row.total } else { row.progress })
    .bind::<BigInt, _>(row.total)
    .bind::<Integer, _>(row.attempt)
    .bind::<Bool, _>(end.reported)
    .bind::<Nullable<BigInt>, _>(row.started_at)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(usage.prompt_tokens)
    .bind::<BigInt, _>(usage.completion_tokens)
    .bind::<BigInt, _>(usage.total_tokens)
    .bind::<BigInt, _>(usage.cost_nanos)
    .bind::<Nullable<Text>, _>(outcome.model.as_deref())
    .bind::<Nullable<Text>, _>(outcome.provider.as_deref())
    .bind::<Nullable<Text>, _>(encode::models_column(outcome.usage.models())?)
    .bind::<Nullable<Text>, _>(outcome.error.as_deref())
    .bind::<Nullable<Text>, _>(outcome.response.as_ref().map(|json| json.as_str()))
    .bind::<Nullable<Text>, _>(outcome.metadata.as_ref().map(|json| json.as_str()))
    .bind::<Nullable<Text>, _>(outcome.result.as_deref())
    .execute(connection)?;
    Ok(())
}

/// Why and when a task goes back to the queue.
pub(super) struct Release {
    pub(super) run_after: At,
    /// Whether the worker of the latest claim says so.
    pub(super) reported: bool,
    /// What the event tells people.
    pub(super) message: String,
}

#[derive(QueryableByName)]
struct SeqRow {
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
}

/// Queues a task again; false when that claim does not hold it or it has no
/// attempt left.
pub(super) fn release(
    connection: &mut SqliteConnection,
    number: i64,
    attempt: i32,
    release: Release,
    now: At,
) -> QueryResult<bool> {
    let sources = status_list(Transition::Release.sources());
    let moved: Option<SeqRow> = sql(format!(
        "UPDATE live_tasks
         SET status = {QUEUED}, ready = ? <= ?, run_after = ?, worker = NULL, lease_micros = NULL,
             lease_expires_at = NULL, reported = ?,
             last_seq = last_seq + 1, updated_at = ?
         WHERE number = ? AND attempt = ? AND attempt < max_attempts AND status IN ({sources})
         RETURNING last_seq"
    ))
    .bind::<BigInt, _>(release.run_after)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(release.run_after)
    .bind::<Bool, _>(release.reported)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(number)
    .bind::<Integer, _>(attempt)
    .get_result(connection)
    .optional()?;
    let Some(row) = moved else {
        return Ok(false);
    };
    let message = Some(release.message);
    events::write_move(connection, number, row.last_seq, now, Transition::Release, message)?;
    Ok(true)
}
