//! Requests that were seen before.

use super::columns::At;
use crate::statement::sql;
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Bool},
};
use std::time::Duration;
use taskgate_domain::task::submit::IdempotencyKey;

const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What an earlier request did.
#[derive(QueryableByName)]
pub(super) struct Earlier {
    #[diesel(sql_type = BigInt)]
    pub(super) task: i64,
    #[diesel(sql_type = Bool)]
    pub(super) accepted: bool,
}

/// What the request did when it was sent first.
pub(super) fn find(
    connection: &mut SqliteConnection,
    key: &IdempotencyKey,
    now: At,
) -> QueryResult<Option<Earlier>> {
    sql("SELECT task, accepted FROM idempotency_keys WHERE hash = ? AND expires_at > ?")
        .bind::<Binary, _>(key.as_bytes().as_slice())
        .bind::<BigInt, _>(now)
        .get_result(connection)
        .optional()
}

/// Remembers what a request did.
pub(super) fn keep(
    connection: &mut SqliteConnection,
    key: &IdempotencyKey,
    task: i64,
    accepted: bool,
    now: At,
) -> QueryResult<()> {
    // An expired one may still stand in its place.
    sql("INSERT OR REPLACE INTO idempotency_keys (hash, task, accepted, expires_at)
         VALUES (?, ?, ?, ?)")
    .bind::<Binary, _>(key.as_bytes().as_slice())
    .bind::<BigInt, _>(task)
    .bind::<Bool, _>(accepted)
    .bind::<BigInt, _>(now.after(KEPT_FOR))
    .execute(connection)?;
    Ok(())
}

/// Forgets up to `max` expired ones, and tells how many.
pub(super) fn forget(connection: &mut SqliteConnection, max: i64) -> QueryResult<usize> {
    sql("DELETE FROM idempotency_keys WHERE hash IN
         (SELECT hash FROM idempotency_keys WHERE expires_at <= ? LIMIT ?)")
    .bind::<BigInt, _>(At::now())
    .bind::<BigInt, _>(max)
    .execute(connection)
}
