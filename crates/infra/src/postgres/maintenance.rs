//! What has to be done from time to time.

use super::{
    change::{self, End, Release},
    read::forgotten,
    row::row,
};
use crate::{encode, statement::sql};
use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl,
    sql_types::{BigInt, Bool, Integer},
};
use std::borrow::Cow;
use taskgate_domain::{queue::Reaped, task::status::Transition};

/// The lock of the one process that tidies; arbitrary but fixed.
const TIDY_LOCK: i64 = 8_386_110_886_273_709_158;
/// How many rows a statement of [`tidy`] takes, so that it ends in time.
const BATCH: i64 = 20_000;
/// How many statements of a kind [`tidy`] runs before it leaves the rest to
/// the next call.
const BATCHES: usize = 20;

row! {
    OverdueRow {
        number: BigInt => i64,
    }
}

row! {
    ExpiredRow {
        number: BigInt => i64,
        attempt: Integer => i32,
        max_attempts: Integer => i32,
    }
}

/// Ends tasks whose deadline has passed and takes back expired leases. Rows
/// that somebody else is changing are left to the next call.
pub(super) fn reap(connection: &mut PgConnection, max: u16) -> QueryResult<Reaped> {
    let timed_out = connection.transaction(|connection| time_out(connection, max))?;
    let expired = connection.transaction(|connection| take_back(connection, max))?;
    Ok(Reaped { expired, timed_out })
}

fn time_out(connection: &mut PgConnection, max: u16) -> QueryResult<usize> {
    let overdue: Vec<OverdueRow> = sql("SELECT task_number FROM live_tasks
         WHERE deadline <= now() ORDER BY deadline LIMIT ? FOR UPDATE SKIP LOCKED")
    .bind::<BigInt, _>(i64::from(max))
    .load(connection)?;
    let outcome = encode::timed_out();
    let ends = overdue.iter().map(|row| End {
        number: row.number,
        attempt: None,
        transition: Transition::TimeOut,
        outcome: Cow::Borrowed(&outcome),
        reason: None,
    });
    Ok(change::end(connection, ends.collect())?.len())
}

fn take_back(connection: &mut PgConnection, max: u16) -> QueryResult<usize> {
    let expired: Vec<ExpiredRow> = sql("SELECT task_number, attempt, max_attempts FROM live_tasks
         WHERE worker IS NOT NULL AND lease_expires_at <= now() LIMIT ? FOR UPDATE SKIP LOCKED")
    .bind::<BigInt, _>(i64::from(max))
    .load(connection)?;
    let (again, given_up): (Vec<_>, Vec<_>) =
        expired.into_iter().partition(|row| row.attempt < row.max_attempts);
    let ends = given_up.iter().map(|row| End {
        number: row.number,
        attempt: None,
        transition: Transition::Fail,
        outcome: Cow::Owned(encode::worker_lost(row.attempt)),
        reason: None,
    });
    let releases: Vec<Release<'_>> = again
        .iter()
        .map(|row| Release {
            number: row.number,
            attempt: row.attempt,
            reported: false,
            delay: 0,
            message: encode::WORKER_SILENT,
        })
        .collect();
    let ended = change::end(connection, ends.collect())?.len();
    Ok(ended + change::release(connection, &releases)?.len())
}

const FOLD: &str = "
    WITH taken AS (
        DELETE FROM task_count_deltas
        WHERE ctid = ANY (ARRAY (SELECT ctid FROM task_count_deltas LIMIT ?))
        RETURNING scope, status, tasks
    ), folded AS (
        INSERT INTO task_counts AS c (scope, status, tasks)
        SELECT scope, status, sum(tasks) FROM taken GROUP BY scope, status
        ON CONFLICT (scope, status) DO UPDATE SET tasks = c.tasks + excluded.tasks
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

/// Folds the changes of counts and forgets old requests. When another process
/// does so already there is nothing to do.
pub(super) fn tidy(connection: &mut PgConnection) -> QueryResult<()> {
    for statement in [FOLD, FORGET] {
        for _ in 0..BATCHES {
            if batch(connection, statement)? < BATCH {
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
