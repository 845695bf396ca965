//! The conversations of agent tasks.

use super::columns::{At, Id};
use crate::statement::sql;
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Nullable, Text},
};
use taskgate_domain::{
    id::{SessionId, UserId},
    task::work::SessionLabel,
};
use uuid::Uuid;

#[derive(QueryableByName)]
struct SessionRow {
    #[diesel(sql_type = Binary)]
    id: Id,
    #[diesel(sql_type = Binary)]
    user_id: Id,
}

/// A user's session by its own id or by the client's name for it.
pub(super) fn find(
    connection: &mut SqliteConnection,
    user: UserId,
    label: &SessionLabel,
) -> QueryResult<Option<SessionId>> {
    let own = match label.as_id() {
        Some(id) => by_id(connection, id)?.filter(|row| row.user_id.0 == user.0),
        None => None,
    };
    let found = match own {
        Some(row) => Some(row),
        None => sql("SELECT id, user_id FROM sessions WHERE user_id = ? AND external_id = ?")
            .bind::<Binary, _>(Id(user.0))
            .bind::<Text, _>(name(label))
            .get_result::<SessionRow>(connection)
            .optional()?,
    };
    Ok(found.map(|row| SessionId(row.id.0)))
}

/// As [`find`], but makes the session when there is none. A UUID that nobody
/// uses becomes the session's own id; any other label is a name that only its
/// user knows the session by.
pub(super) fn find_or_create(
    connection: &mut SqliteConnection,
    user: UserId,
    label: &SessionLabel,
    now: At,
) -> QueryResult<SessionId> {
    if let Some(found) = find(connection, user, label)? {
        return Ok(found);
    }
    let free = match label.as_id() {
        Some(id) => by_id(connection, id)?.is_none().then_some(id),
        None => None,
    };
    let id = free.unwrap_or_else(|| SessionId(Uuid::new_v4()));
    let external_id = free.is_none().then(|| name(label));
    sql("INSERT INTO sessions (id, user_id, external_id, created_at) VALUES (?, ?, ?, ?)")
        .bind::<Binary, _>(Id(id.0))
        .bind::<Binary, _>(Id(user.0))
        .bind::<Nullable<Text>, _>(external_id)
        .bind::<BigInt, _>(now)
        .execute(connection)?;
    Ok(id)
}

fn by_id(connection: &mut SqliteConnection, id: SessionId) -> QueryResult<Option<SessionRow>> {
    sql("SELECT id, user_id FROM sessions WHERE id = ?")
        .bind::<Binary, _>(Id(id.0))
        .get_result(connection)
        .optional()
}

/// The label, or the one spelling of a UUID, whose letters have no case.
fn name(label: &SessionLabel) -> String {
    label.as_id().map_or_else(|| label.as_str().to_owned(), |id| id.to_string())
}
