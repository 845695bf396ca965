//! Reading single tasks, and what was asked of several.

use super::{
    columns::{At, Id},
    state::{JOINED, STATE, StateRow},
};
use crate::{
    encode::{self, Asked},
    statement::sql,
};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Nullable, SmallInt, Text},
};
use taskgate_domain::{query::TaskKey, task::Task};

/// What was asked: the columns of `tasks`.
#[derive(QueryableByName)]
pub(super) struct AskedRow {
    #[diesel(sql_type = BigInt)]
    pub(super) number: i64,
    #[diesel(sql_type = Binary)]
    id: Id,
    #[diesel(sql_type = Binary)]
    owner_id: Id,
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = Nullable<BigInt>)]
    project: Option<i64>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    mode: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    session: Option<String>,
    #[diesel(sql_type = BigInt)]
    created_at: At,
    #[diesel(sql_type = Nullable<BigInt>)]
    deadline: Option<At>,
    #[diesel(sql_type = Nullable<Text>)]
    query: Option<String>,
    #[diesel(sql_type = Text)]
    body: String,
}

impl From<AskedRow> for Asked {
    fn from(row: AskedRow) -> Self {
        Self {
            number: row.number,
            id: row.id.0,
            owner: row.owner_id.0,
            kind: row.kind,
            project: row.project,
            mode: row.mode,
            session: row.session,
            created_at: row.created_at.into(),
            deadline: row.deadline.map(Into::into),
            query: row.query,
            body: row.body,
        }
    }
}

/// What was asked of each of `numbers`, a JSON array, in no order.
pub(super) fn asked(
    connection: &mut SqliteConnection,
    numbers: &str,
) -> QueryResult<Vec<AskedRow>> {
    sql("SELECT t.number, t.id, t.owner_id, t.kind, t.project, t.mode, t.session, t.created_at,
                t.deadline, t.query, t.body
         FROM json_each(?) AS wanted CROSS JOIN tasks AS t ON t.number = wanted.value")
    .bind::<Text, _>(numbers)
    .load(connection)
}

#[derive(QueryableByName)]
struct TaskRow {
    #[diesel(embed)]
    asked: AskedRow,
    #[diesel(embed)]
    state: StateRow,
}

const TASK: &str = "
    SELECT t.number, t.id, t.owner_id, t.kind, t.project, t.mode, t.session, t.created_at,
           t.deadline, t.query, t.body, ";

/// Reads one task.
pub(super) fn find(connection: &mut SqliteConnection, key: TaskKey) -> QueryResult<Option<Task>> {
    let row: Option<TaskRow> = match key {
        TaskKey::Id(id) => sql(format!("{TASK} {STATE} FROM tasks AS t {JOINED} WHERE t.id = ?"))
            .bind::<Binary, _>(Id(encode::id_column(id)))
            .get_result(connection),
        TaskKey::Number(number) => {
            sql(format!("{TASK} {STATE} FROM tasks AS t {JOINED} WHERE t.number = ?"))
                .bind::<BigInt, _>(number.get())
                .get_result(connection)
        }
    }
    .optional()?;
    row.map(|row| Asked::from(row.asked).task(row.state.state()?)).transpose()
}
