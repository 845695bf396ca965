//! The two moves of tasks that somebody else than a claim makes: to the end,
//! and back to the queue.

use super::row::row;
use crate::{
    encode::{UsageColumns, models_column, status, status_code},
    statement::sql,
};
use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text},
};
use std::{borrow::Cow, collections::HashMap};
use taskgate_domain::{
    event::EventType,
    json::JsonObject,
    task::{
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
    },
};

/// The end of a task.
pub(super) struct End<'a> {
    pub(super) number: i64,
    /// The claim under which it was reported; `None` when no worker did.
    pub(super) attempt: Option<i32>,
    /// Why it ends.
    pub(super) transition: Transition,
    /// What came of it.
    pub(super) outcome: Cow<'a, Outcome>,
    /// What the log says of it, if not the outcome's error.
    pub(super) reason: Option<&'a str>,
}

/// The return of a task to the queue.
pub(super) struct Release<'a> {
    pub(super) number: i64,
    /// The claim that it ends.
    pub(super) attempt: i32,
    /// Whether the claim's worker asked for it.
    pub(super) reported: bool,
    /// How long to put it off, in microseconds.
    pub(super) delay: i64,
    /// What the log says of it.
    pub(super) message: &'a str,
}

row! {
    MovedRow {
        number: BigInt => i64,
        attempt: Integer => i32,
        status: SmallInt => i16,
    }
}

/// The new statuses of tasks, by their numbers and latest claims.
type Moved = HashMap<(i64, i32), TaskStatus>;

fn moved(rows: Vec<MovedRow>) -> QueryResult<Moved> {
    rows.into_iter().map(|row| Ok(((row.number, row.attempt), status(row.status)?))).collect()
}

/// Adds to the counts of both scopes of each row of `$changed`, which went
/// from `old_status` to `status`.
macro_rules! count_moves {
    ($changed:literal) => {
        concat!(
            "INSERT INTO task_count_deltas (scope, status, tasks)
             SELECT c.scope, c.status, sum(c.tasks) FROM ",
            $changed,
            " m CROSS JOIN LATERAL (VALUES
                (m.owner_id, m.old_status, -1), (m.group_id, m.old_status, -1),
                (m.owner_id, m.status, 1), (m.group_id, m.status, 1)
             ) AS c (scope, status, tasks)
             GROUP BY c.scope, c.status"
        )
    };
}
pub(super) use count_moves;

/// The status of a row may be left when its bit is set in `sources`.
const END: &str = concat!(
    "WITH ended AS (
        DELETE FROM live_tasks l USING unnest(
            ?::bigint[], ?::integer[], ?::integer[], ?::smallint[], ?::text[], ?::text[],
            ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[],
            ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[]
        ) AS v (number, attempt, sources, status, event_type, message,
            prompt_tokens, completion_tokens, total_tokens, cost_nanos,
            model, provider, error, result, response, metadata, models)
        WHERE l.task_number = v.number AND (v.sources >> l.status) & 1 = 1
            AND (v.attempt IS NULL OR l.attempt = v.attempt)
        RETURNING l.owner_id, l.group_id, l.status AS old_status, l.attempt,
            v.attempt IS NOT NULL AS reported,
            CASE WHEN v.status = ? AND l.total > 0 THEN l.total ELSE l.progress END AS progress,
            l.total, l.started_at, l.last_seq + 1 AS seq,
            v.number, v.status, v.event_type, v.message,
            v.prompt_tokens, v.completion_tokens, v.total_tokens, v.cost_nanos,
            v.model, v.provider, v.error, v.result, v.response, v.metadata, v.models
    ), finished AS (
        INSERT INTO finished_tasks (task_number, owner_id, group_id, status, attempt,
            reported, progress, total, started_at, finished_at,
            prompt_tokens, completion_tokens, total_tokens, cost_nanos,
            model, provider, error, result, response, metadata, models)
        SELECT number, owner_id, group_id, status, attempt,
            reported, progress, total, started_at, now(),
            prompt_tokens, completion_tokens, total_tokens, cost_nanos,
            model, provider, error, result, response::json, metadata::json, models::json
        FROM ended
    ), event AS (
        INSERT INTO task_events (task_number, seq, type, message)
        SELECT number, seq, event_type, message FROM ended
    ), counted AS (",
    count_moves!("ended"),
    ") SELECT number, attempt, status FROM ended"
);

/// Ends tasks that may be ended so, and returns those that were.
///
/// The rows are taken in the order of their numbers, so that two callers that
/// end the same tasks do not wait for each other in a circle.
pub(super) fn end(connection: &mut PgConnection, mut ends: Vec<End<'_>>) -> QueryResult<Moved> {
    if ends.is_empty() {
        return Ok(Moved::new());
    }
    ends.sort_unstable_by_key(|end| end.number);
    let usages = column(&ends, |end| UsageColumns::from(&end.outcome.usage));
    let models: QueryResult<Vec<_>> =
        ends.iter().map(|end| models_column(end.outcome.usage.models())).collect();
    let events = column(&ends, |end| EventType::of(end.transition));
    let rows: Vec<MovedRow> = sql(END)
        .bind::<Array<BigInt>, _>(column(&ends, |end| end.number))
        .bind::<Array<Nullable<Integer>>, _>(column(&ends, |end| end.attempt))
        .bind::<Array<Integer>, _>(column(&ends, |end| status_bits(end.transition.sources())))
        .bind::<Array<SmallInt>, _>(column(&ends, |end| status_code(end.transition.target())))
        .bind::<Array<Text>, _>(column(&events, EventType::as_str))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| {
            end.reason.or(end.outcome.error.as_deref())
        }))
        .bind::<Array<BigInt>, _>(column(&usages, |usage| usage.prompt_tokens))
        .bind::<Array<BigInt>, _>(column(&usages, |usage| usage.completion_tokens))
        .bind::<Array<BigInt>, _>(column(&usages, |usage| usage.total_tokens))
        .bind::<Array<BigInt>, _>(column(&usages, |usage| usage.cost_nanos))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| end.outcome.model.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| end.outcome.provider.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| end.outcome.error.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| end.outcome.result.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| {
            end.outcome.response.as_ref().map(JsonObject::as_str)
        }))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| {
            end.outcome.metadata.as_ref().map(JsonObject::as_str)
        }))
        .bind::<Array<Nullable<Text>>, _>(models?)
        .bind::<SmallInt, _>(status_code(Transition::Complete.target()))
        .load(connection)?;
    moved(rows)
}

const RELEASE: &str = concat!(
    "WITH held AS MATERIALIZED (
        SELECT v.*, l.status AS old_status FROM unnest(
            ?::bigint[], ?::integer[], ?::boolean[], ?::bigint[], ?::text[]
        ) AS v (number, attempt, reported, delay, message)
        JOIN live_tasks l ON l.task_number = v.number
        WHERE l.attempt = v.attempt AND (? >> l.status) & 1 = 1
        ORDER BY l.task_number FOR UPDATE OF l
    ), released AS (
        UPDATE live_tasks l SET status = ?, ready = h.delay <= 0,
            run_after = CASE WHEN h.delay > 0 THEN now() + h.delay * interval '1 microsecond' END,
            reported = h.reported,
            worker = NULL, lease_expires_at = NULL, lease_micros = NULL,
            last_seq = l.last_seq + 1, updated_at = now()
        FROM held h WHERE l.task_number = h.number
        RETURNING h.number, l.attempt, l.owner_id, l.group_id, h.old_status, l.status, l.last_seq, h.message
    ), event AS (
        INSERT INTO task_events (task_number, seq, type, message)
        SELECT number, last_seq, ?, message FROM released
    ), counted AS (",
    count_moves!("released"),
    ") SELECT number, attempt, status FROM released"
);

/// Puts tasks back into the queue that may be, and returns those that were.
pub(super) fn release(
    connection: &mut PgConnection,
    releases: &[Release<'_>],
) -> QueryResult<Moved> {
    if releases.is_empty() {
        return Ok(Moved::new());
    }
    let rows: Vec<MovedRow> = sql(RELEASE)
        .bind::<Array<BigInt>, _>(column(releases, |release| release.number))
        .bind::<Array<Integer>, _>(column(releases, |release| release.attempt))
        .bind::<Array<Bool>, _>(column(releases, |release| release.reported))
        .bind::<Array<BigInt>, _>(column(releases, |release| release.delay))
        .bind::<Array<Text>, _>(column(releases, |release| release.message))
        .bind::<Integer, _>(status_bits(Transition::Release.sources()))
        .bind::<SmallInt, _>(status_code(Transition::Release.target()))
        .bind::<Text, _>(EventType::of(Transition::Release).as_str())
        .load(connection)?;
    moved(rows)
}

/// One value of each item.
fn column<'a, T, V>(items: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    items.iter().map(value).collect()
}

/// Statuses as a set of bits.
pub(super) fn status_bits(statuses: &[LiveStatus]) -> i32 {
    statuses.iter().map(|&status| 1 << status_code(status.into())).sum()
}
