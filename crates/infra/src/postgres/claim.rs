//! Leasing tasks to workers.

use super::{
    News,
    change::{count_moves, status_bits},
    row::{Values, asked, asked_columns, row, usage},
};
use crate::{
    encode::{self, Asked, UsageColumns, kind_code, status_code},
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
    sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text, Timestamptz},
};
use std::cmp::Reverse;
use taskgate_domain::{
    event::NewEvent,
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

/// Those of some rows that one claim can ship: the first, and as many more as
/// fit.
macro_rules! affordable {
    ($rows:literal) => {
        concat!(
            "(SELECT * FROM (
                SELECT r.*, sum(r.size) OVER (
                    ORDER BY r.priority DESC, r.task_number ROWS UNBOUNDED PRECEDING
                ) AS total FROM ",
            $rows,
            " r) summed WHERE total <= ? OR total = size)"
        )
    };
}

/// Looks first, without locks, how many tasks of each kind are among the
/// foremost, and then leases so many of each. Of those, others may have been
/// locked in the meantime, so what comes in their place is weighed again.
const CLAIM: &str = concat!(
    "WITH foremost AS (
        SELECT k.kind, f.* FROM unnest(?::smallint[]) AS k (kind) CROSS JOIN LATERAL (
            SELECT l.priority, l.task_number, l.size FROM live_tasks l
            WHERE l.kind = k.kind AND ",
    due!(),
    " LIMIT ?
        ) f ORDER BY f.priority DESC, f.task_number LIMIT ?
    ), shares AS (
        SELECT kind, count(*) AS size FROM ",
    affordable!("foremost"),
    " chosen GROUP BY kind
    ), locked AS MATERIALIZED (
        SELECT d.* FROM shares CROSS JOIN LATERAL (
            SELECT l.priority, l.task_number, l.size, l.status AS old_status
            FROM live_tasks l WHERE l.kind = shares.kind AND ",
    due!(),
    " LIMIT shares.size FOR UPDATE SKIP LOCKED
        ) d
    ), due AS MATERIALIZED (
        SELECT * FROM ",
    affordable!("locked"),
    " chosen
    ), taken AS (
        UPDATE live_tasks l SET status = ?, ready = false, attempt = l.attempt + 1,
            reported = false, answered = false, worker = ?, lease_micros = ?,
            lease_expires_at = now() + ? * interval '1 microsecond',
            started_at = coalesce(l.started_at, greatest(now(), l.updated_at)),
            last_seq = l.last_seq + 1, updated_at = greatest(now(), l.updated_at)
        FROM due WHERE l.task_number = due.task_number
        RETURNING l.task_number, l.owner_id, l.group_id, due.old_status, l.status,
            l.priority, l.attempt, l.lease_expires_at, l.last_seq, l.updated_at,
            l.prompt_tokens, l.completion_tokens, l.total_tokens, l.cost_nanos, l.models
    ), event AS (
        INSERT INTO task_events (task_number, seq, at, type)
        SELECT task_number, last_seq, updated_at, ? FROM taken
    ), counted AS (",
    count_moves!("taken"),
    ") SELECT c.priority, c.attempt, c.lease_expires_at, c.last_seq,
        c.prompt_tokens, c.completion_tokens, c.total_tokens, c.cost_nanos, c.models::text, ",
    asked_columns!(),
    " FROM taken c JOIN tasks t ON t.number = c.task_number"
);

/// Lets tasks into the queue whose time has come, unless they are paused.
const ADMIT: &str = "
    UPDATE live_tasks SET ready = true, run_after = NULL WHERE task_number = ANY (ARRAY (
        SELECT task_number FROM live_tasks WHERE run_after <= now() AND paused_at IS NULL
        ORDER BY run_after LIMIT 1000 FOR UPDATE SKIP LOCKED
    ))";

/// The kinds of which a task is due, admitted or not, and none is leased. A
/// limited subquery is answered from an index, while the planner might collect
/// all rows of a plain EXISTS.
const UNSERVED: &str = "
    SELECT k.kind FROM unnest(?::smallint[]) AS k (kind)
    WHERE coalesce(
        (SELECT true FROM live_tasks l WHERE l.kind = k.kind AND l.ready LIMIT 1),
        (SELECT true FROM live_tasks l
            WHERE l.kind = k.kind AND l.run_after <= now() AND l.paused_at IS NULL LIMIT 1)
    ) AND (
        SELECT true FROM live_tasks l WHERE l.kind = k.kind AND l.worker IS NOT NULL LIMIT 1
    ) IS NULL";

row! {
    KindRow {
        kind: SmallInt => i16,
    }
}

/// The kinds that wait for a worker.
pub(super) fn unserved(connection: &mut PgConnection) -> QueryResult<Vec<Kind>> {
    let rows: Vec<KindRow> = sql(UNSERVED)
        .bind::<Array<SmallInt>, _>(Kind::ALL.map(kind_code).to_vec())
        .load(connection)?;
    rows.into_iter().map(|row| encode::kind(row.kind)).collect()
}

struct ClaimedRow {
    priority: i16,
    attempt: i32,
    lease_expires_at: DateTime<Utc>,
    last_seq: i64,
    consumed: UsageColumns,
    models: Option<String>,
    asked: Asked,
}

impl QueryableByName<Pg> for ClaimedRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        Ok(Self {
            priority: values.next::<SmallInt, _>()?,
            attempt: values.next::<Integer, _>()?,
            lease_expires_at: values.next::<Timestamptz, _>()?,
            last_seq: values.next::<BigInt, _>()?,
            consumed: usage(&mut values)?,
            models: values.next::<Nullable<Text>, _>()?,
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
    news: &mut News,
) -> QueryResult<Vec<ClaimedTask>> {
    sql(ADMIT).execute(connection)?;
    let mut rows = connection.transaction(|connection| {
        let rows = take(connection, request)?;
        if caller.waits() { Ok(rows) } else { Err(QueryError::RollbackTransaction) }
    })?;
    news.extend(rows.iter().map(|row| (row.asked.number, row.last_seq)));
    rows.sort_unstable_by_key(|row| (Reverse(row.priority), row.asked.number));
    rows.into_iter().map(ClaimedRow::task).collect()
}

fn take(connection: &mut PgConnection, request: &ClaimRequest) -> QueryResult<Vec<ClaimedRow>> {
    let mut rows = take_of(connection, request, &request.kinds)?;
    if request.kinds.len() > 1 {
        // The foremost may all have been locked by others, and tasks of the
        // other kinds be due.
        let mut kinds = request.kinds.chunks(1);
        while rows.is_empty()
            && let Some(kind) = kinds.next()
        {
            rows = take_of(connection, request, kind)?;
        }
    }
    Ok(rows)
}

fn take_of(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    kinds: &[Kind],
) -> QueryResult<Vec<ClaimedRow>> {
    let sources = status_bits(Transition::Claim.sources());
    let lease = micros(request.lease);
    sql(CLAIM)
        .bind::<Array<SmallInt>, _>(kinds.iter().copied().map(kind_code).collect::<Vec<_>>())
        .bind::<Integer, _>(sources)
        .bind::<BigInt, _>(i64::from(request.max))
        .bind::<BigInt, _>(i64::from(request.max))
        .bind::<BigInt, _>(ClaimRequest::MAX_BYTES)
        .bind::<Integer, _>(sources)
        .bind::<BigInt, _>(ClaimRequest::MAX_BYTES)
        .bind::<SmallInt, _>(status_code(Transition::Claim.target()))
        .bind::<Text, _>(request.worker.as_str())
        .bind::<BigInt, _>(lease)
        .bind::<BigInt, _>(lease)
        .bind::<Text, _>(NewEvent::CLAIMED.event_type().as_str())
        .load(connection)
}

impl ClaimedRow {
    fn task(self) -> QueryResult<ClaimedTask> {
        Ok(ClaimedTask {
            id: TaskId::from_bits(self.asked.id.as_u128()),
            number: encode::number(self.asked.number)?,
            attempt: encode::claimed(self.attempt)?,
            lease_expires_at: self.lease_expires_at,
            deadline: self.asked.deadline,
            consumed: self.consumed.usage(self.models.as_deref())?,
            work: self.asked.work()?,
        })
    }
}

/// A time span as a column holds it; the longest is 292,000 years.
pub(super) fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
