//! Taking back what is over.

use super::{
    columns::At,
    events::News,
    moves::{self, End, Held, Release},
};
use crate::{encode, statement::sql};
use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Integer},
};
use taskgate_domain::{queue::Reaped, task::status::Transition, usage::Usage};

#[derive(QueryableByName)]
struct OverRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Integer)]
    attempt: i32,
}

/// Ends tasks whose deadline has passed and takes back expired leases.
pub(super) fn reap(
    connection: &mut SqliteConnection,
    news: &mut News,
    max: u16,
) -> QueryResult<Reaped> {
    let now = At::now();
    let mut reaped = Reaped::default();
    // First, so that no task is queued again only to time out.
    for row in over(connection, PAST_DEADLINE, now, max)? {
        reaped.timed_out += usize::from(time_out(connection, news, row.number, now)?);
    }
    for row in over(connection, EXPIRED, now, max)? {
        reaped.expired += usize::from(take_back(connection, news, &row, now)?);
    }
    Ok(reaped)
}

const PAST_DEADLINE: &str =
    "SELECT number, attempt FROM live_tasks WHERE deadline <= ? ORDER BY deadline LIMIT ?";

/// Of paused tasks too.
const EXPIRED: &str = "SELECT number, attempt FROM live_tasks WHERE lease_expires_at <= ?
    ORDER BY lease_expires_at LIMIT ?";

fn over(
    connection: &mut SqliteConnection,
    text: &str,
    now: At,
    max: u16,
) -> QueryResult<Vec<OverRow>> {
    sql(text).bind::<BigInt, _>(now).bind::<BigInt, _>(i64::from(max)).load(connection)
}

fn time_out(
    connection: &mut SqliteConnection,
    news: &mut News,
    number: i64,
    now: At,
) -> QueryResult<bool> {
    let held = Held { number, attempt: None };
    let outcome = &encode::timed_out();
    let end = End { transition: Transition::TimeOut, outcome, reported: false, cancel: None };
    moves::end(connection, news, held, &end, now)
}

/// Queues, parks or fails a task whose worker fell silent.
fn take_back(
    connection: &mut SqliteConnection,
    news: &mut News,
    row: &OverRow,
    now: At,
) -> QueryResult<bool> {
    let release = Release {
        run_after: now,
        counts: true,
        reported: false,
        reason: encode::WORKER_SILENT,
        usage: &Usage::default(),
    };
    let released = moves::release(connection, news, row.number, row.attempt, &release, now)?;
    if released.is_some() {
        return Ok(true);
    }
    let held = Held { number: row.number, attempt: Some(row.attempt) };
    let outcome = &encode::worker_lost(row.attempt);
    let end = End { transition: Transition::Fail, outcome, reported: false, cancel: None };
    moves::end(connection, news, held, &end, now)
}
