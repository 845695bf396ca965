//! Taking back what is over.

use super::{
    RUNNING,
    columns::At,
    moves::{self, End, Held, Release},
};
use crate::{encode, statement::sql};
use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Integer},
};
use taskgate_domain::{queue::Reaped, task::status::Transition};

#[derive(QueryableByName)]
struct OverRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Integer)]
    attempt: i32,
}

/// Ends tasks whose deadline has passed and takes back expired leases.
pub(super) fn reap(connection: &mut SqliteConnection, max: u16) -> QueryResult<Reaped> {
    let now = At::now();
    let mut reaped = Reaped::default();
    // First, so that no task is queued again only to time out.
    for row in over(connection, &past_deadline_sql(), now, max)? {
        reaped.timed_out += usize::from(time_out(connection, row.number, now)?);
    }
    for row in over(connection, &expired_sql(), now, max)? {
        reaped.expired += usize::from(take_back(connection, &row, now)?);
    }
    Ok(reaped)
}

pub(super) fn past_deadline_sql() -> String {
    "SELECT number, attempt FROM live_tasks WHERE deadline <= ? ORDER BY deadline LIMIT ?"
        .to_owned()
}

pub(super) fn expired_sql() -> String {
    format!(
        "SELECT number, attempt FROM live_tasks
         WHERE status = {RUNNING} AND lease_expires_at <= ? ORDER BY lease_expires_at LIMIT ?"
    )
}

fn over(
    connection: &mut SqliteConnection,
    text: &str,
    now: At,
    max: u16,
) -> QueryResult<Vec<OverRow>> {
    sql(text).bind::<BigInt, _>(now).bind::<BigInt, _>(i64::from(max)).load(connection)
}

fn time_out(connection: &mut SqliteConnection, number: i64, now: At) -> QueryResult<bool> {
    let outcome = encode::timed_out();
    let end = End {
        transition: Transition::TimeOut,
        outcome: &outcome,
        reported: false,
        message: outcome.error.clone(),
    };
    moves::end(connection, Held { number, attempt: None }, end, now)
}

/// Queues or fails a task whose worker fell silent.
fn take_back(connection: &mut SqliteConnection, row: &OverRow, now: At) -> QueryResult<bool> {
    let release =
        Release { run_after: now, reported: false, message: encode::WORKER_SILENT.to_owned() };
    if moves::release(connection, row.number, row.attempt, release, now)? {
        return Ok(true);
    }
    let outcome = encode::worker_lost(row.attempt);
    let end = End {
        transition: Transition::Fail,
        outcome: &outcome,
        reported: false,
        message: outcome.error.clone(),
    };
    moves::end(connection, Held { number: row.number, attempt: Some(row.attempt) }, end, now)
}
