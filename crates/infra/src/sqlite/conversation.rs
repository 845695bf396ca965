//! What an agent task follows on.

use super::{
    columns::Id,
    report::{Answer, held, look_up},
    sessions::sums,
};
use crate::{
    encode::{consumed, kind, status_code},
    statement::sql,
};
use diesel::{
    Connection, OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::DefaultLoadingMode,
    sql_types::{BigInt, Binary, Integer, SmallInt, Text},
};
use taskgate_domain::{
    error::ReportError,
    event::READ_BYTES,
    queue::{Conversation, Lease, PastTurn},
    task::{status::TaskStatus, work::Kind},
};

#[derive(QueryableByName)]
struct GroupRow {
    #[diesel(sql_type = Binary)]
    group_id: Id,
}

#[derive(QueryableByName)]
struct PastRow {
    #[diesel(sql_type = Text)]
    query: String,
    #[diesel(sql_type = Text)]
    answer: String,
}

/// Reads what a held task follows on, in one snapshot.
pub(super) fn read(
    connection: &mut SqliteConnection,
    lease: Lease,
    turns: u16,
) -> Answer<Conversation> {
    connection.transaction(|connection| {
        let Some(task) = look_up(connection, lease.task)? else {
            return Ok(Err(ReportError::NotFound));
        };
        let group: Option<GroupRow> =
            sql(format!("SELECT group_id FROM live_tasks WHERE {}", held()))
                .bind::<BigInt, _>(task.number)
                .bind::<Integer, _>(lease.attempt.get())
                .get_result(connection)
                .optional()?;
        match group {
            None => Ok(Err(ReportError::LeaseLost)),
            Some(_) if kind(task.kind)? != Kind::Agent => Ok(Ok(Conversation::default())),
            Some(group) => {
                let turns = past(connection, group.group_id, task.number, turns)?;
                let (tokens, cost) = consumed(&sums(connection, group.group_id.0)?)?;
                Ok(Ok(Conversation { turns, tokens, cost }))
            }
        }
    })
}

/// The latest turns of a session before a task, the oldest first. They are found
/// from the newest on, until they are too many or too long.
fn past(
    connection: &mut SqliteConnection,
    session: Id,
    before: i64,
    turns: u16,
) -> QueryResult<Vec<PastTurn>> {
    let rows = sql("SELECT t.query, coalesce(f.result, f.response) AS answer
         FROM finished_tasks AS f CROSS JOIN tasks AS t ON t.number = f.number
         WHERE f.group_id = ? AND f.status = ? AND f.number < ?
               AND coalesce(f.result, f.response) IS NOT NULL
         ORDER BY f.number DESC LIMIT ?")
    .bind::<Binary, _>(session)
    .bind::<SmallInt, _>(status_code(TaskStatus::Completed))
    .bind::<BigInt, _>(before)
    .bind::<BigInt, _>(i64::from(turns))
    .load_iter::<PastRow, DefaultLoadingMode>(connection)?;
    let mut bytes = 0;
    let fits = |row: &QueryResult<PastRow>| {
        let size = row.as_ref().map_or(0, |row| row.query.len() + row.answer.len());
        bytes += i64::try_from(size).unwrap_or(READ_BYTES);
        bytes <= READ_BYTES
    };
    let turn =
        |row: QueryResult<PastRow>| row.map(|PastRow { query, answer }| PastTurn { query, answer });
    let mut turns = rows.take_while(fits).map(turn).collect::<QueryResult<Vec<_>>>()?;
    turns.reverse();
    Ok(turns)
}
