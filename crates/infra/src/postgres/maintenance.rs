//! What has to be done from time to time.

use super::{
    News,
    change::{self, End, Release},
    events::partial,
    read::forgotten,
    row::row,
};
use crate::{encode, statement::sql};
use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl,
    sql_types::{BigInt, Bool, Integer, SmallInt},
};
use std::{
    borrow::Cow,
    time::{Duration, Instant},
};
use taskgate_domain::{queue::Reaped, task::status::Transition};

/// The lock of the one process that tidies; arbitrary but fixed.
const TIDY_LOCK: i64 = 8_386_110_886_273_709_158;
/// How many rows a statement of [`tidy`] takes, so that it ends in time.
const BATCH: i64 = 20_000;
/// How long [`tidy`] goes on, well below the deadline of its call.
const TIDY_FOR: Duration = Duration::from_secs(2);
/// How many statements of a kind [`tidy`] runs before it leaves the rest to
/// the next call.
const BATCHES: usize = 20;

row! {
    OverdueRow {
        number: BigInt => i64,
        kind: SmallInt => i16,
    }
}

row! {
    ExpiredRow {
        number: BigInt => i64,
        kind: SmallInt => i16,
        attempt: Integer => i32,
        max_attempts: Integer => i32,
    }
}

/// Ends tasks whose deadline has passed and takes back expired leases. Rows
/// that somebody else is changing are left to the next call.
pub(super) fn reap(
    connection: &mut PgConnection,
    max: u16,
    news: &mut News,
) -> QueryResult<Reaped> {
    let timed_out = connection.transaction(|connection| time_out(connection, max, news))?;
    let expired = connection.transaction(|connection| take_back(connection, max, news))?;
    Ok(Reaped { expired, timed_out })
}

fn time_out(connection: &mut PgConnection, max: u16, news: &mut News) -> QueryResult<usize> {
    let overdue: Vec<OverdueRow> = sql("SELECT task_number, kind FROM live_tasks
         WHERE deadline <= now() ORDER BY deadline LIMIT ? FOR UPDATE SKIP LOCKED")
    .bind::<BigInt, _>(i64::from(max))
    .load(connection)?;
    let outcome = encode::timed_out();
    let end = |row: &OverdueRow| {
        let kind = encode::kind(row.kind)?;
        Ok(End::of(row.number, kind, None, Transition::TimeOut, Cow::Borrowed(&outcome)))
    };
    let ends: QueryResult<Vec<_>> = overdue.iter().map(end).collect();
    Ok(change::end(connection, ends?, news)?.len())
}

fn take_back(connection: &mut PgConnection, max: u16, news: &mut News) -> QueryResult<usize> {
    let expired: Vec<ExpiredRow> = sql("SELECT task_number, kind, attempt, max_attempts
         FROM live_tasks WHERE worker IS NOT NULL AND lease_expires_at <= now() LIMIT ? FOR UPDATE SKIP LOCKED")
    .bind::<BigInt, _>(i64::from(max))
    .load(connection)?;
    let (again, given_up): (Vec<_>, Vec<_>) =
        expired.into_iter().partition(|row| row.attempt < row.max_attempts);
    let end = |row: &ExpiredRow| {
        let (kind, outcome) = (encode::kind(row.kind)?, encode::worker_lost(row.attempt));
        Ok(End::of(row.number, kind, None, Transition::Fail, Cow::Owned(outcome)))
    };
    let ends: QueryResult<Vec<_>> = given_up.iter().map(end).collect();
    let releases: Vec<Release<'_>> = again
        .iter()
        .map(|row| Release {
            number: row.number,
            attempt: row.attempt,
            counts: true,
            reported: false,
            delay: 0,
            message: encode::WORKER_SILENT,
            usage: Cow::default(),
        })
        .collect();
    let ended = change::end(connection, ends?, news)?.len();
    Ok(ended + change::release(connection, releases, news)?.len())
}

const FOLD: &str = "
    WITH taken AS (
        DELETE FROM task_count_deltas
        WHERE ctid = ANY (ARRAY (SELECT ctid FROM task_count_deltas LIMIT ?))
        RETURNING scope, status, tasks, tokens, cost_nanos
    ), folded AS (
        INSERT INTO task_counts AS c (scope, status, tasks, tokens, cost_nanos)
        SELECT scope, status, sum(tasks), sum(tokens), sum(cost_nanos)
        FROM taken GROUP BY scope, status
        ON CONFLICT (scope, status) DO UPDATE SET tasks = c.tasks + excluded.tasks,
            tokens = c.tokens + excluded.tokens, cost_nanos = c.cost_nanos + excluded.cost_nanos
    )
    SELECT count(*) FROM taken";

/// The age is asked again of a row that another transaction had to let go first:
/// it may have been answered anew.
const FORGET: &str = concat!(
    "WITH forgotten AS (
        DELETE FROM idempotency_keys WHERE key = ANY (ARRAY (
            SELECT key FROM idempotency_keys WHERE created_at <= ",
    forgotten!(),
    " ORDER BY created_at LIMIT ?
        )) AND created_at <= ",
    forgotten!(),
    " RETURNING key
    )
    SELECT count(*) FROM forgotten"
);

/// The pieces of output of tasks that ended a while ago. The tasks that have any
/// are found one after the other in an index that has no others.
const FORGET_PIECES: &str = concat!(
    "WITH RECURSIVE with_pieces (task_number) AS (
        (SELECT task_number FROM task_events WHERE type = ",
    partial!(),
    " ORDER BY task_number DESC NULLS LAST LIMIT 1)
        UNION ALL
        SELECT (SELECT e.task_number FROM task_events e WHERE e.type = ",
    partial!(),
    " AND e.task_number < p.task_number ORDER BY e.task_number DESC NULLS LAST LIMIT 1)
        FROM with_pieces p WHERE p.task_number IS NOT NULL
    ), forgotten AS (
        DELETE FROM task_events WHERE ctid = ANY (ARRAY (
            SELECT e.ctid FROM with_pieces p
            JOIN finished_tasks f ON f.task_number = p.task_number
                AND f.finished_at <= now() - interval '1 minute'
            JOIN task_events e ON e.task_number = p.task_number AND e.type = ",
    partial!(),
    " LIMIT ?
        )) RETURNING task_number
    )
    SELECT count(*) FROM forgotten"
);

row! {
    CountRow {
        count: BigInt => i64,
    }
}

row! {
    LockRow {
        locked: Bool => bool,
    }
}

/// Folds the changes of counts and forgets old requests and pieces of output.
/// When another process does so already there is nothing to do.
pub(super) fn tidy(connection: &mut PgConnection) -> QueryResult<()> {
    let begun = Instant::now();
    for statement in [FOLD, FORGET, FORGET_PIECES] {
        for _ in 0..BATCHES {
            // The next call goes on.
            if batch(connection, statement)? < BATCH || begun.elapsed() > TIDY_FOR {
                break;
            }
        }
    }
    Ok(())
}

fn batch(connection: &mut PgConnection, statement: &str) -> QueryResult<i64> {
    connection.transaction(|connection| {
        let lock: LockRow = sql("SELECT pg_try_advisory_xact_lock(?)")
            .bind::<BigInt, _>(TIDY_LOCK)
            .get_result(connection)?;
        if !lock.locked {
            return Ok(0);
        }
        let done: CountRow = sql(statement).bind::<BigInt, _>(BATCH).get_result(connection)?;
        Ok(done.count)
    })
}
