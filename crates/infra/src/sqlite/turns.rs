//! What was asked and answered in a session.

use super::{
    columns::{At, Id},
    state::{JOINED, STATE, StateRow},
};
use crate::{encode::TurnColumns, statement::sql};
use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, SmallInt, Text},
};
use taskgate_domain::{query::TurnQuery, task::Turn};

#[derive(QueryableByName)]
struct TurnRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Binary)]
    id: Id,
    #[diesel(sql_type = Text)]
    query: String,
    #[diesel(sql_type = SmallInt)]
    mode: i16,
    #[diesel(sql_type = BigInt)]
    created_at: At,
    #[diesel(embed)]
    state: StateRow,
}

/// Reads turns, the oldest first.
pub(super) fn read(connection: &mut SqliteConnection, query: &TurnQuery) -> QueryResult<Vec<Turn>> {
    let mut rows: Vec<TurnRow> = sql(format!(
        "SELECT t.number, t.id, t.query, t.mode, t.created_at, {STATE}
         FROM (SELECT number FROM tasks WHERE group_id = ? AND number > ?
               ORDER BY number LIMIT ? OFFSET ?) AS page
         CROSS JOIN tasks AS t ON t.number = page.number {JOINED}"
    ))
    .bind::<Binary, _>(Id(query.session.0))
    .bind::<BigInt, _>(query.after)
    .bind::<BigInt, _>(i64::from(query.limit))
    .bind::<BigInt, _>(query.offset)
    .load(connection)?;
    rows.sort_unstable_by_key(|row| row.number);
    let turn = |row: TurnRow| {
        let asked = TurnColumns {
            number: row.number,
            id: row.id.0,
            query: row.query,
            mode: row.mode,
            created_at: row.created_at.into(),
        };
        asked.turn(row.state.state()?)
    };
    rows.into_iter().map(turn).collect()
}
