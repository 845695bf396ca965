//! Leasing tasks to workers.

use super::{
    change::{count_moves, status_bits},
    row::{Values, asked, asked_columns},
};
use crate::{
    encode::{self, Asked, kind_code, status_code},
    error::unreadable,
    pool::Caller,
    statement::sql,
};
use chrono::{DateTime, Utc};
use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl,
    deserialize::{self, QueryableByName},
    pg::Pg,
    result::Error as QueryError,
    row::NamedRow,
    sql_types::{Array, BigInt, Integer, SmallInt, Text, Timestamptz},
};
use std::cmp::Reverse;
use taskgate_domain::{
    event::EventType,
    id::TaskId,
    queue::{ClaimRequest, ClaimedTask},
    task::{status::Transition, work::Kind},
};

/// What may be claimed of a kind. The order is that of an index, so that the
/// first of a long queue are found without looking at the rest.
macro_rules! due {
    () => {
        "l.ready AND (? >> l.status) & 1 = 1 AND (l.deadline IS NULL OR l.deadline > now())
         ORDER BY l.priority DESC, l.task_number"
    };
}

/// Leases the rows of `due`.
macro_rules! claim {
    ($due:expr) => {
        concat!(
            "WITH ",
            $due,
            ", taken AS (
                UPDATE live_tasks l SET status = ?, ready = false, attempt = l.attempt + 1, reported = false,
                    worker = ?, lease_micros = ?,
                    lease_expires_at = now() + ? * interval '1 microsecond',
                    started_at = coalesce(l.started_at, now()),
                    last_seq = l.last_seq + 1, updated_at = now()
                FROM due WHERE l.task_number = due.task_number
                RETURNING l.task_number, l.owner_id, l.group_id, due.old_status, l.status,
                    l.priority, l.attempt, l.lease_expires_at, l.last_seq
            ), event AS (
                INSERT INTO task_events (task_number, seq, type)
                SELECT task_number, last_seq, ? FROM taken
            ), counted AS (",
            count_moves!("taken"),
            ") SELECT c.priority, c.attempt, c.lease_expires_at, ",
            asked_columns!(),
            " FROM taken c JOIN tasks t ON t.number = c.task_number"
        )
    };
}

/// Claims tasks of one kind.
const CLAIM_ONE: &str = claim!(concat!(
    "due AS MATERIALIZED (
        SELECT l.task_number, l.status AS old_status FROM live_tasks l
        WHERE l.kind = ? AND ",
    due!(),
    " LIMIT ? FOR UPDATE SKIP LOCKED
    )"
));

/// Claims tasks of several kinds: looks first how many each kind has among the
/// foremost, and then takes so many of each.
const CLAIM_SEVERAL: &str = claim!(concat!(
    "foremost AS (
        SELECT k.kind, f.priority, f.task_number
        FROM unnest(?::smallint[]) AS k (kind) CROSS JOIN LATERAL (
            SELECT l.priority, l.task_number FROM live_tasks l WHERE l.kind = k.kind AND ",
    due!(),
    " LIMIT ?
        ) f ORDER BY f.priority DESC, f.task_number LIMIT ?
    ), shares AS (
        SELECT kind, count(*) AS size FROM foremost GROUP BY kind
    ), due AS MATERIALIZED (
        SELECT d.task_number, d.old_status FROM shares CROSS JOIN LATERAL (
            SELECT l.task_number, l.status AS old_status FROM live_tasks l
            WHERE l.kind = shares.kind AND ",
    due!(),
    " LIMIT shares.size FOR UPDATE SKIP LOCKED
        ) d
    )"
));

/// Lets tasks into the queue whose time has come.
const ADMIT: &str = "
    UPDATE live_tasks SET ready = true, run_after = NULL WHERE task_number = ANY (ARRAY (
        SELECT task_number FROM live_tasks WHERE run_after <= now()
        ORDER BY run_after LIMIT 1000 FOR UPDATE SKIP LOCKED
    ))";

struct ClaimedRow {
    priority: i16,
    attempt: i32,
    lease_expires_at: DateTime<Utc>,
    asked: Asked,
}

impl QueryableByName<Pg> for ClaimedRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        Ok(Self {
            priority: values.next::<SmallInt, _>()?,
            attempt: values.next::<Integer, _>()?,
            lease_expires_at: values.next::<Timestamptz, _>()?,
            asked: asked(&mut values)?,
        })
    }
}

/// Leases what is due, without waiting. Nothing stays leased to a caller that
/// has gone: its tasks would wait for nobody, and lose an attempt.
pub(super) fn claim(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    caller: &Caller,
) -> QueryResult<Vec<ClaimedTask>> {
    sql(ADMIT).execute(connection)?;
    let mut rows = connection.transaction(|connection| {
        let rows = match request.kinds.as_slice() {
            [kind] => claim_one(connection, request, *kind)?,
            kinds => claim_several(connection, request, kinds)?,
        };
        if caller.waits() { Ok(rows) } else { Err(QueryError::RollbackTransaction) }
    })?;
    rows.sort_unstable_by_key(|row| (Reverse(row.priority), row.asked.number));
    rows.into_iter().map(ClaimedRow::task).collect()
}

fn claim_one(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    kind: Kind,
) -> QueryResult<Vec<ClaimedRow>> {
    let lease = micros(request.lease);
    sql(CLAIM_ONE)
        .bind::<SmallInt, _>(kind_code(kind))
        .bind::<Integer, _>(status_bits(Transition::Claim.sources()))
        .bind::<BigInt, _>(i64::from(request.max))
        .bind::<SmallInt, _>(status_code(Transition::Claim.target()))
        .bind::<Text, _>(request.worker.as_str())
        .bind::<BigInt, _>(lease)
        .bind::<BigInt, _>(lease)
        .bind::<Text, _>(EventType::of(Transition::Claim).as_str())
        .load(connection)
}

fn claim_several(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    kinds: &[Kind],
) -> QueryResult<Vec<ClaimedRow>> {
    let sources = status_bits(Transition::Claim.sources());
    let lease = micros(request.lease);
    let mut rows: Vec<ClaimedRow> = sql(CLAIM_SEVERAL)
        .bind::<Array<SmallInt>, _>(kinds.iter().copied().map(kind_code).collect::<Vec<_>>())
        .bind::<Integer, _>(sources)
        .bind::<BigInt, _>(i64::from(request.max))
        .bind::<BigInt, _>(i64::from(request.max))
        .bind::<Integer, _>(sources)
        .bind::<SmallInt, _>(status_code(Transition::Claim.target()))
        .bind::<Text, _>(request.worker.as_str())
        .bind::<BigInt, _>(lease)
        .bind::<BigInt, _>(lease)
        .bind::<Text, _>(EventType::of(Transition::Claim).as_str())
        .load(connection)?;
    // The foremost may all have been locked by others, and tasks of the other
    // kinds be due.
    let mut others = kinds.iter();
    while rows.is_empty()
        && let Some(kind) = others.next()
    {
        rows = claim_one(connection, request, *kind)?;
    }
    Ok(rows)
}

impl ClaimedRow {
    fn task(self) -> QueryResult<ClaimedTask> {
        let attempt = encode::attempt(self.attempt)?;
        Ok(ClaimedTask {
            id: TaskId::from_bits(self.asked.id.as_u128()),
            number: encode::number(self.asked.number)?,
            attempt: attempt.ok_or_else(|| unreadable("a claimed task has no attempt"))?,
            lease_expires_at: self.lease_expires_at,
            deadline: self.asked.deadline,
            work: self.asked.work()?,
        })
    }
}

/// A time span as a column holds it; the longest is 292,000 years.
pub(super) fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
