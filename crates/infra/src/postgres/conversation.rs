//! What an agent task follows on.

use super::{
    change::status_bits,
    report::{HELD, settled},
    row::row,
};
use crate::{
    encode::{id_column, kind_code, status_code},
    error::unreadable,
    statement::sql,
};
use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text, Uuid as SqlUuid},
};
use taskgate_domain::{
    error::ReportError,
    event::READ_BYTES,
    queue::{Conversation, Lease, PastTurn},
    task::{status::TaskStatus, work::Kind},
    usage::Usd,
};

/// One row for each turn, the oldest first, with the sums beside it; one without
/// a turn when there is none; no row when the claim does not hold the task. The
/// turns are found from the newest on.
const CONVERSATION: &str = "
    WITH held AS MATERIALIZED (
        SELECT task_number, CASE WHEN kind = ? THEN group_id END AS session FROM live_tasks
        WHERE task_number = (SELECT number FROM tasks WHERE id = ?)
            AND attempt = ? AND worker IS NOT NULL AND (? >> status) & 1 = 1
    )
    SELECT sums.tokens, sums.cost, turn.query, turn.answer
    FROM held h CROSS JOIN LATERAL (
        SELECT least(coalesce(sum(tokens), 0), 9223372036854775807)::bigint AS tokens,
            least(coalesce(sum(cost_nanos), 0), 9223372036854775807)::bigint AS cost
        FROM (
            SELECT tokens, cost_nanos FROM task_counts WHERE scope = h.session
            UNION ALL
            SELECT tokens, cost_nanos FROM task_count_deltas WHERE scope = h.session
        ) parts
    ) sums LEFT JOIN LATERAL (
        SELECT * FROM (
            SELECT l.*, sum(octet_length(query) + octet_length(answer))
                OVER (ORDER BY number DESC) AS bytes
            FROM (
                SELECT t.number, t.query, coalesce(f.result, f.response::text) AS answer
                FROM finished_tasks f JOIN tasks t ON t.number = f.task_number
                WHERE f.group_id = h.session AND f.status = ? AND f.task_number < h.task_number
                    AND (f.result IS NOT NULL OR f.response IS NOT NULL)
                ORDER BY f.task_number DESC NULLS LAST LIMIT ?
            ) l
        ) summed WHERE bytes <= ?
    ) turn ON true
    ORDER BY turn.number";

row! {
    PastRow {
        tokens: BigInt => i64,
        cost: BigInt => i64,
        query: Nullable<Text> => Option<String>,
        answer: Nullable<Text> => Option<String>,
    }
}

/// Reads what a held task follows on.
pub(super) fn read(
    connection: &mut PgConnection,
    lease: Lease,
    turns: u16,
) -> QueryResult<Result<Conversation, ReportError>> {
    let rows: Vec<PastRow> = sql(CONVERSATION)
        .bind::<SmallInt, _>(kind_code(Kind::Agent))
        .bind::<SqlUuid, _>(id_column(lease.task))
        .bind::<Integer, _>(lease.attempt.get())
        .bind::<Integer, _>(status_bits(HELD))
        .bind::<SmallInt, _>(status_code(TaskStatus::Completed))
        .bind::<BigInt, _>(i64::from(turns))
        .bind::<BigInt, _>(READ_BYTES)
        .load(connection)?;
    let Some(first) = rows.first() else {
        let known = !settled(connection, &[lease.task])?.is_empty();
        return Ok(Err(if known { ReportError::LeaseLost } else { ReportError::NotFound }));
    };
    let (tokens, cost) = (first.tokens, Usd::from_nanos(first.cost).map_err(unreadable)?);
    let turn = |row: PastRow| Some(PastTurn { query: row.query?, answer: row.answer? });
    let turns = rows.into_iter().filter_map(turn).collect();
    Ok(Ok(Conversation { turns, tokens, cost }))
}
