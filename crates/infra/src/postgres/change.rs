//! The two moves of tasks that somebody else than a claim or an owner makes: to
//! the end, and out of a worker's hands.

use super::{
    News,
    consumed::{amounts, consume, consumed, models},
    events::columns,
    row::row,
};
use crate::{
    encode::{claimed, status, status_code},
    feed::ENDED,
    statement::sql,
};
use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Uuid as SqlUuid},
};
use std::{borrow::Cow, collections::HashMap};
use taskgate_domain::{
    event::NewEvent,
    id::UserId,
    json::JsonObject,
    task::{
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
        work::Kind,
    },
    usage::Usage,
};

/// The end of a task.
pub(super) struct End<'a> {
    pub(super) number: i64,
    /// The claim under which its worker reported it; `None` when no worker did.
    pub(super) attempt: Option<i32>,
    /// Why it ends.
    pub(super) transition: Transition,
    /// Where it may be; elsewhere it does not end.
    pub(super) sources: &'a [LiveStatus],
    /// What came of it.
    pub(super) outcome: Cow<'a, Outcome>,
    /// Who cancels it, and why.
    pub(super) cancelled: Option<(UserId, Option<&'a str>)>,
    /// What the log says of it, three events at most.
    pub(super) events: Vec<NewEvent>,
}

impl<'a> End<'a> {
    /// The end of a task that nobody cancels.
    pub(super) fn of(
        number: i64,
        kind: Kind,
        attempt: Option<i32>,
        transition: Transition,
        outcome: Cow<'a, Outcome>,
    ) -> Self {
        Self {
            number,
            attempt,
            transition,
            sources: transition.sources(),
            cancelled: None,
            events: NewEvent::ended(transition, kind, &outcome),
            outcome,
        }
    }
}

/// A task that leaves its worker's hands, but does not end: it returns to the
/// queue, or stays paused.
pub(super) struct Release<'a> {
    pub(super) number: i64,
    /// The claim that it ends.
    pub(super) attempt: i32,
    /// Whether the claim counts among those that the task may have.
    pub(super) counts: bool,
    /// Whether the claim's worker asked for it.
    pub(super) reported: bool,
    /// How long to put it off, in microseconds.
    pub(super) delay: i64,
    /// What the log says of it.
    pub(super) message: &'a str,
    /// What it consumed.
    pub(super) usage: Cow<'a, Usage>,
}

row! {
    MovedRow {
        number: BigInt => i64,
        attempt: Integer => i32,
        status: SmallInt => i16,
        /// The number of its latest event, if more can follow.
        last_seq: Nullable<BigInt> => Option<i64>,
    }
}

/// The new statuses of tasks, by their numbers and latest claims.
type Moved = HashMap<(i64, i32), TaskStatus>;

fn moved(rows: Vec<MovedRow>, news: &mut News) -> QueryResult<Moved> {
    news.extend(rows.iter().map(|row| (row.number, row.last_seq.unwrap_or(ENDED))));
    rows.into_iter().map(|row| Ok(((row.number, row.attempt), status(row.status)?))).collect()
}

/// Adds to the counts of both scopes of each row of `$changed`, which went
/// from `old_status` to `status` and, in there, consumed so much.
macro_rules! count_moves {
    ($changed:literal) => {
        $crate::postgres::change::count_moves!($changed, "0", "0")
    };
    ($changed:literal, $tokens:literal, $cost:literal) => {
        concat!(
            "INSERT INTO task_count_deltas (scope, status, tasks, tokens, cost_nanos)
             SELECT c.scope, c.status, sum(c.tasks), sum(c.tokens), sum(c.cost) FROM ",
            $changed,
            " m CROSS JOIN LATERAL (VALUES
                (m.owner_id, m.old_status, -1, 0, 0), (m.group_id, m.old_status, -1, 0, 0),
                (m.owner_id, m.status, 1, ",
            $tokens,
            ", ",
            $cost,
            "), (m.group_id, m.status, 1, ",
            $tokens,
            ", ",
            $cost,
            ")
             ) AS c (scope, status, tasks, tokens, cost)
             GROUP BY c.scope, c.status"
        )
    };
}
pub(super) use count_moves;

/// Each task is looked up by its number: of a join, the planner would walk through
/// all of `live_tasks` for each of `v`, if that was empty when it last looked.
///
/// The status of a row may be left when its bit is set in `sources`. The first
/// event is left out when it is `final`, the final output, and the worker has
/// recorded its own.
const END: &str = concat!(
    "WITH ended AS MATERIALIZED (
        SELECT l.owner_id, l.group_id, l.status AS old_status, l.attempt AS latest,
            v.attempt IS NOT NULL AS reported,
            CASE WHEN v.status = ? AND l.total > 0 THEN l.total ELSE l.progress END AS progress,
            l.total, l.started_at, greatest(now(), l.updated_at) AS at,
            l.last_seq, (l.answered AND v.final)::integer AS skipped, ",
    consumed!(),
    ", v.number, v.status, v.cancelled_by, v.cancel_reason,
            v.model, v.provider, v.error, v.result, v.response, v.metadata,
            v.type_1, v.agent_1, v.message_1, v.payload_1,
            v.type_2, v.agent_2, v.message_2, v.payload_2,
            v.type_3, v.agent_3, v.message_3, v.payload_3
        FROM unnest(
            ?::bigint[], ?::integer[], ?::integer[], ?::smallint[], ?::uuid[], ?::text[],
            ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[],
            ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[],
            ?::boolean[],
            ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[],
            ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[]
        ) AS v (number, attempt, sources, status, cancelled_by, cancel_reason,
            prompt_tokens, completion_tokens, total_tokens, cost_nanos,
            model, provider, error, result, response, metadata, models, final,
            type_1, agent_1, message_1, payload_1, type_2, agent_2, message_2, payload_2,
            type_3, agent_3, message_3, payload_3)
        CROSS JOIN LATERAL (
            SELECT * FROM live_tasks l
            WHERE l.task_number = v.number AND (v.sources >> l.status) & 1 = 1
                AND (v.attempt IS NULL OR (l.attempt = v.attempt AND l.worker IS NOT NULL))
            LIMIT 1 FOR UPDATE
        ) l
    ), removed AS (
        DELETE FROM live_tasks WHERE task_number = ANY (ARRAY (SELECT number FROM ended))
    ), finished AS (
        INSERT INTO finished_tasks (task_number, owner_id, group_id, status, attempt,
            reported, progress, total, started_at, finished_at,
            prompt_tokens, completion_tokens, total_tokens, cost_nanos,
            cancelled_by, cancel_reason,
            model, provider, error, result, response, metadata, models)
        SELECT number, owner_id, group_id, status, latest,
            reported, progress, total, started_at, at,
            prompt_tokens, completion_tokens, total_tokens, cost_nanos,
            cancelled_by, cancel_reason,
            model, provider, error, result, response::json, metadata::json, models
        FROM ended
    ), event AS (
        INSERT INTO task_events (task_number, seq, at, type, agent, message, payload)
        SELECT m.number, m.last_seq + e.place - m.skipped, m.at,
            e.type, e.agent, e.message, e.payload::json
        FROM ended m CROSS JOIN LATERAL (VALUES
            (1, type_1, agent_1, message_1, payload_1),
            (2, type_2, agent_2, message_2, payload_2),
            (3, type_3, agent_3, message_3, payload_3)
        ) AS e (place, type, agent, message, payload)
        WHERE e.type IS NOT NULL AND e.place > m.skipped
    ), counted AS (",
    count_moves!("ended", "m.total_tokens", "m.cost_nanos"),
    ") SELECT number, latest, status, NULL::bigint FROM ended"
);

/// How many events [`END`] takes for each task.
const EVENTS: usize = 3;

/// Ends tasks that may be ended so, and returns those that were.
///
/// The rows are taken in the order of their numbers, so that two callers that
/// end the same tasks do not wait for each other in a circle.
pub(super) fn end(
    connection: &mut PgConnection,
    mut ends: Vec<End<'_>>,
    news: &mut News,
) -> QueryResult<Moved> {
    if ends.is_empty() {
        return Ok(Moved::new());
    }
    ends.sort_unstable_by_key(|end| end.number);
    let usages = ends.iter().map(|end| &end.outcome.usage);
    let is_final = |end: &End<'_>| end.events.first().is_some_and(NewEvent::is_final_output);
    let events =
        (0..EVENTS).flat_map(|place| columns(ends.iter().map(move |e| e.events.get(place))));
    let rows: Vec<MovedRow> = sql(END)
        .bind::<SmallInt, _>(status_code(Transition::Complete.target()))
        .bind::<Array<BigInt>, _>(column(&ends, |end| end.number))
        .bind::<Array<Nullable<Integer>>, _>(column(&ends, |end| end.attempt))
        .bind::<Array<Integer>, _>(column(&ends, |end| status_bits(end.sources)))
        .bind::<Array<SmallInt>, _>(column(&ends, |end| status_code(end.transition.target())))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(&ends, |end| end.cancelled.map(|(by, _)| by.0)))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| {
            end.cancelled.and_then(|(_, why)| why)
        }))
        .bind_all::<Array<BigInt>, _>(amounts(usages.clone()))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| end.outcome.model.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| end.outcome.provider.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| end.outcome.error.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| end.outcome.result.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| json(end.outcome.response.as_ref())))
        .bind::<Array<Nullable<Text>>, _>(column(&ends, |end| json(end.outcome.metadata.as_ref())))
        .bind::<Array<Nullable<Text>>, _>(models(usages)?)
        .bind::<Array<Bool>, _>(column(&ends, is_final))
        .bind_all::<Array<Nullable<Text>>, _>(events.collect())
        .load(connection)?;
    moved(rows, news)
}

/// A task that is paused stays so: what can be taken by a worker, or becomes due
/// by itself, is none.
const RELEASE: &str = concat!(
    "WITH held AS MATERIALIZED (
        SELECT v.*, l.status AS old_status FROM unnest(
            ?::bigint[], ?::integer[], ?::boolean[], ?::boolean[], ?::bigint[],
            ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[],
            ?::text[], ?::text[], ?::text[], ?::text[]
        ) AS v (number, attempt, counts, reported, delay,
            prompt_tokens, completion_tokens, total_tokens, cost_nanos, models,
            type, agent, message, payload)
        CROSS JOIN LATERAL (
            SELECT status FROM live_tasks l
            WHERE l.task_number = v.number AND l.attempt = v.attempt AND l.worker IS NOT NULL
                AND (NOT v.counts OR l.attempt < l.max_attempts) AND (? >> l.status) & 1 = 1
            LIMIT 1 FOR UPDATE
        ) l
    ), released AS (
        UPDATE live_tasks l SET
            status = CASE WHEN l.paused_at IS NULL THEN ?::smallint ELSE l.status END,
            ready = v.delay <= 0 AND l.paused_at IS NULL,
            run_after = CASE WHEN v.delay > 0 THEN now() + v.delay * interval '1 microsecond' END,
            max_attempts = l.max_attempts + (NOT v.counts)::integer, reported = v.reported, ",
    consume!(),
    ", worker = NULL, lease_expires_at = NULL, lease_micros = NULL,
            last_seq = l.last_seq + 1, updated_at = greatest(now(), l.updated_at)
        FROM held v WHERE l.task_number = v.number
        RETURNING v.number, l.attempt, l.owner_id, l.group_id, v.old_status, l.status,
            l.last_seq, l.updated_at, v.type, v.agent, v.message, v.payload
    ), event AS (
        INSERT INTO task_events (task_number, seq, at, type, agent, message, payload)
        SELECT number, last_seq, updated_at, type, agent, message, payload::json FROM released
    ), counted AS (",
    count_moves!("released"),
    ") SELECT number, attempt, status, last_seq FROM released"
);

/// Takes tasks out of their workers' hands where those have them and, if the claim
/// counts, they may have another; returns them.
pub(super) fn release(
    connection: &mut PgConnection,
    mut releases: Vec<Release<'_>>,
    news: &mut News,
) -> QueryResult<Moved> {
    if releases.is_empty() {
        return Ok(Moved::new());
    }
    releases.sort_unstable_by_key(|release| release.number);
    let story =
        |release: &Release<'_>| Ok(NewEvent::released(claimed(release.attempt)?, release.message));
    let events: Vec<NewEvent> = releases.iter().map(story).collect::<QueryResult<_>>()?;
    let usages = releases.iter().map(|release| release.usage.as_ref());
    let sources =
        status_bits(Transition::Release.sources()) | status_bits(Transition::Park.sources());
    let rows: Vec<MovedRow> = sql(RELEASE)
        .bind::<Array<BigInt>, _>(column(&releases, |release| release.number))
        .bind::<Array<Integer>, _>(column(&releases, |release| release.attempt))
        .bind::<Array<Bool>, _>(column(&releases, |release| release.counts))
        .bind::<Array<Bool>, _>(column(&releases, |release| release.reported))
        .bind::<Array<BigInt>, _>(column(&releases, |release| release.delay))
        .bind_all::<Array<BigInt>, _>(amounts(usages.clone()))
        .bind::<Array<Nullable<Text>>, _>(models(usages)?)
        .bind_all::<Array<Nullable<Text>>, _>(columns(events.iter().map(Some)))
        .bind::<Integer, _>(sources)
        .bind::<SmallInt, _>(status_code(Transition::Release.target()))
        .load(connection)?;
    moved(rows, news)
}

fn json(object: Option<&JsonObject>) -> Option<&str> {
    object.map(JsonObject::as_str)
}

/// One value of each item.
fn column<'a, T, V>(items: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    items.iter().map(value).collect()
}

/// Statuses as a set of bits.
pub(super) fn status_bits(statuses: &[LiveStatus]) -> i32 {
    statuses.iter().map(|&status| 1 << status_code(status.into())).sum()
}
