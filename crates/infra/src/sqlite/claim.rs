//! Giving tasks to workers.

use super::{
    QUEUED,
    columns::{At, micros},
    consumed::{CONSUMED, ConsumedRow},
    events::News,
    find,
};
use crate::{
    encode::{self, Asked, kind_code, status_code, status_list},
    error::unreadable,
    statement::sql,
};
use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text},
};
use std::{cmp::Reverse, collections::HashMap};
use taskgate_domain::{
    event::NewEvent,
    id::TaskId,
    json::JsonObject,
    queue::{ClaimRequest, ClaimedTask},
    task::{status::Transition, work::Kind},
};

/// Leases what is due now.
pub(super) fn claim(
    connection: &mut SqliteConnection,
    news: &mut News,
    request: &ClaimRequest,
) -> QueryResult<Vec<ClaimedTask>> {
    let now = At::now();
    admit(connection, now)?;
    let numbers = due(connection, request, now)?;
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let numbers_json = serde_json::to_string(&numbers).map_err(unreadable)?;
    let mut leased = lease(connection, request, &numbers_json, now)?;
    write_events(connection, news, &numbers_json)?;
    let expires = now.after(request.lease).into();
    let mut claimed = HashMap::with_capacity(numbers.len());
    for row in find::asked(connection, &numbers_json)? {
        let asked = Asked::from(row);
        let Some((attempt, consumed)) = leased.remove(&asked.number) else { continue };
        let task = ClaimedTask {
            id: TaskId::from_bits(asked.id.as_u128()),
            number: encode::number(asked.number)?,
            attempt: encode::claimed(attempt)?,
            lease_expires_at: expires,
            deadline: asked.deadline,
            consumed: consumed.usage()?,
            work: asked.work()?,
        };
        claimed.insert(task.number.get(), task);
    }
    Ok(numbers.iter().filter_map(|number| claimed.remove(number)).collect())
}

/// Makes those tasks claimable whose time has come.
fn admit(connection: &mut SqliteConnection, now: At) -> QueryResult<()> {
    sql(format!(
        "UPDATE live_tasks SET ready = 1 WHERE status = {QUEUED} AND ready = 0 AND run_after <= ?"
    ))
    .bind::<BigInt, _>(now)
    .execute(connection)?;
    Ok(())
}

#[derive(QueryableByName)]
struct DueRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = SmallInt)]
    priority: i16,
    #[diesel(sql_type = BigInt)]
    size: i64,
}

/// The tasks of one kind that are due, in the order of the index.
pub(super) fn due_sql() -> String {
    format!(
        "SELECT number, priority, size FROM live_tasks
         WHERE status = {QUEUED} AND ready = 1 AND kind = ? AND (deadline IS NULL OR deadline > ?)
         ORDER BY priority DESC, number LIMIT ?"
    )
}

/// The numbers of the tasks to lease, in order.
fn due(
    connection: &mut SqliteConnection,
    request: &ClaimRequest,
    now: At,
) -> QueryResult<Vec<i64>> {
    let mut of_kind = |kind: &Kind| -> QueryResult<Vec<DueRow>> {
        sql(due_sql())
            .bind::<SmallInt, _>(kind_code(*kind))
            .bind::<BigInt, _>(now)
            .bind::<BigInt, _>(i64::from(request.max))
            .load(connection)
    };
    let mut rows = Vec::new();
    for kind in &request.kinds {
        rows.extend(of_kind(kind)?);
    }
    rows.sort_unstable_by_key(|row| (Reverse(row.priority), row.number));
    rows.truncate(request.max.into());
    let mut bytes = 0;
    let affordable = rows.iter().position(|row| {
        bytes += row.size;
        bytes > ClaimRequest::MAX_BYTES
    });
    rows.truncate(affordable.map_or(rows.len(), |count| count.max(1)));
    Ok(rows.into_iter().map(|row| row.number).collect())
}

#[derive(QueryableByName)]
struct KindRow {
    #[diesel(sql_type = SmallInt)]
    kind: i16,
}

/// The kinds of which a task is due, admitted or not, and none is leased.
pub(super) fn unserved(connection: &mut SqliteConnection) -> QueryResult<Vec<Kind>> {
    let kinds = Kind::ALL.map(kind_code);
    let rows: Vec<KindRow> = sql(format!(
        "SELECT k.value AS kind FROM json_each(?) AS k
         WHERE (EXISTS (SELECT 1 FROM live_tasks
                    WHERE status = {QUEUED} AND ready = 1 AND kind = k.value)
                OR EXISTS (SELECT 1 FROM live_tasks
                    WHERE status = {QUEUED} AND ready = 0 AND run_after <= ? AND kind = k.value))
               AND NOT EXISTS (SELECT 1 FROM live_tasks
                    WHERE lease_expires_at IS NOT NULL AND kind = k.value)"
    ))
    .bind::<Text, _>(serde_json::to_string(&kinds).map_err(unreadable)?)
    .bind::<BigInt, _>(At::now())
    .load(connection)?;
    rows.into_iter().map(|row| encode::kind(row.kind)).collect()
}

#[derive(QueryableByName)]
struct LeasedRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(embed)]
    consumed: ConsumedRow,
}

/// Leases the tasks and tells each one's attempt, and what those before it
/// consumed.
fn lease(
    connection: &mut SqliteConnection,
    request: &ClaimRequest,
    numbers: &str,
    now: At,
) -> QueryResult<HashMap<i64, (i32, ConsumedRow)>> {
    let sources = status_list(Transition::Claim.sources());
    let target = status_code(Transition::Claim.target());
    let rows: Vec<LeasedRow> = sql(format!(
        "UPDATE live_tasks
         SET status = {target}, attempt = attempt + 1, reported = 0, answered = 0, worker = ?,
             lease_micros = ?, lease_expires_at = ?,
             started_at = coalesce(started_at, max(updated_at, ?)),
             updated_at = max(updated_at, ?), last_seq = last_seq + 1
         WHERE number IN (SELECT value FROM json_each(?)) AND status IN ({sources})
         RETURNING number, attempt, {CONSUMED}"
    ))
    .bind::<Text, _>(request.worker.as_str())
    .bind::<BigInt, _>(micros(request.lease))
    .bind::<BigInt, _>(now.after(request.lease))
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(now)
    .bind::<Text, _>(numbers)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| (row.number, (row.attempt, row.consumed))).collect())
}

#[derive(QueryableByName)]
struct ToldRow {
    #[diesel(sql_type = BigInt)]
    task: i64,
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

fn write_events(
    connection: &mut SqliteConnection,
    news: &mut News,
    numbers: &str,
) -> QueryResult<()> {
    let event = NewEvent::CLAIMED;
    let rows: Vec<ToldRow> =
        sql("INSERT INTO task_events (task, seq, type, at, agent, message, payload)
             SELECT number, last_seq, ?, updated_at, ?, ?, ? FROM live_tasks
             WHERE number IN (SELECT value FROM json_each(?))
             RETURNING task, seq")
        .bind::<Text, _>(event.event_type().as_str())
        .bind::<Nullable<Text>, _>(event.agent())
        .bind::<Nullable<Text>, _>(event.message())
        .bind::<Nullable<Text>, _>(event.payload().map(JsonObject::as_str))
        .bind::<Text, _>(numbers)
        .load(connection)?;
    news.extend(rows.into_iter().map(|row| (row.task, row.seq)));
    Ok(())
}
