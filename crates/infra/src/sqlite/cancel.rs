//! Cancelling.

use super::{
    columns::At,
    idempotency,
    moves::{self, End, Held},
};
use crate::{encode, statement::sql};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, SmallInt},
};
use taskgate_domain::{
    queue::{CancelRequest, Cancellation},
    task::{
        outcome::Outcome,
        status::{FinalStatus, Transition},
    },
};

/// Ends a live task; `None` when there is no such task.
pub(super) fn cancel(
    connection: &mut SqliteConnection,
    request: &CancelRequest,
) -> QueryResult<Option<Cancellation>> {
    let now = At::now();
    let number = request.number.get();
    if let Some(key) = &request.idempotency
        && let Some(earlier) = idempotency::find(connection, key, now)?
    {
        let status = final_status(connection, earlier.task)?;
        let accepted = earlier.accepted;
        return Ok(status.map(|status| Cancellation { accepted, status, replayed: true }));
    }
    let held = Held { number, attempt: None };
    let end = End {
        transition: Transition::Cancel,
        outcome: &Outcome::default(),
        reported: false,
        message: request.reason.clone(),
    };
    let accepted = moves::end(connection, held, end, now)?;
    let Some(status) = final_status(connection, number)? else {
        return Ok(None);
    };
    if let Some(key) = &request.idempotency {
        idempotency::keep(connection, key, number, accepted, now)?;
    }
    Ok(Some(Cancellation { accepted, status, replayed: false }))
}

#[derive(QueryableByName)]
struct StatusRow {
    #[diesel(sql_type = SmallInt)]
    status: i16,
}

fn final_status(
    connection: &mut SqliteConnection,
    number: i64,
) -> QueryResult<Option<FinalStatus>> {
    let row: Option<StatusRow> = sql("SELECT status FROM finished_tasks WHERE number = ?")
        .bind::<BigInt, _>(number)
        .get_result(connection)
        .optional()?;
    row.map(|row| encode::final_status(row.status)).transpose()
}
