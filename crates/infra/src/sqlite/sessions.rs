//! The conversations of agent tasks.

use super::columns::{At, Id};
use crate::{
    encode::{SESSIONS, SessionFacts, SumColumns, mode_code},
    statement::sql,
};
use diesel::{
    Connection, OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Bool, Nullable, SmallInt, Text},
};
use taskgate_domain::{
    id::{SessionId, UserId},
    query::Page,
    session::{Session, SessionPage, SessionTitle},
    task::work::{AgentWork, SessionLabel},
};
use uuid::Uuid;

#[derive(QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Binary)]
    id: Id,
}

#[derive(QueryableByName)]
struct TakenRow {
    #[diesel(sql_type = Bool)]
    taken: bool,
}

/// A user's session by its own id or by the client's name for it.
pub(super) fn find(
    connection: &mut SqliteConnection,
    user: UserId,
    label: &SessionLabel,
) -> QueryResult<Option<SessionId>> {
    Ok(find_row(connection, user, label)?.map(|row| SessionId(row.id.0)))
}

fn find_row(
    connection: &mut SqliteConnection,
    user: UserId,
    label: &SessionLabel,
) -> QueryResult<Option<NumberRow>> {
    let own = match label.as_id() {
        Some(id) => sql("SELECT number, id FROM sessions
             WHERE id = ? AND user_id = ? AND deleted_at IS NULL")
        .bind::<Binary, _>(Id(id.0))
        .bind::<Binary, _>(Id(user.0))
        .get_result(connection)
        .optional()?,
        None => None,
    };
    match own {
        Some(row) => Ok(Some(row)),
        None => sql("SELECT number, id FROM sessions
             WHERE user_id = ? AND external_id = ? AND deleted_at IS NULL")
        .bind::<Binary, _>(Id(user.0))
        .bind::<Text, _>(name(label))
        .get_result(connection)
        .optional(),
    }
}

/// As [`find`] of the session that a task names, but makes it when there is
/// none. A UUID that no session ever had becomes its id; any other label is a
/// name that only its user knows the session by.
pub(super) fn find_or_create(
    connection: &mut SqliteConnection,
    user: UserId,
    work: &AgentWork,
    now: At,
) -> QueryResult<SessionId> {
    let label = work.session();
    if let Some(found) = find(connection, user, label)? {
        return Ok(found);
    }
    let free = match label.as_id() {
        Some(id) => (!is_taken(connection, id)?).then_some(id),
        None => None,
    };
    let id = free.unwrap_or_else(|| SessionId(Uuid::new_v4()));
    let title = SessionTitle::of_query(work.query());
    sql("INSERT INTO sessions (id, user_id, external_id, title, first_mode, research, created_at,
             updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
    .bind::<Binary, _>(Id(id.0))
    .bind::<Binary, _>(Id(user.0))
    .bind::<Nullable<Text>, _>(free.is_none().then(|| name(label)))
    .bind::<Nullable<Text>, _>(title.as_ref().map(SessionTitle::as_str))
    .bind::<SmallInt, _>(mode_code(work.mode()))
    .bind::<Bool, _>(work.forces_research())
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(now)
    .execute(connection)?;
    Ok(id)
}

/// Whether something is counted under this id, or was.
fn is_taken(connection: &mut SqliteConnection, id: SessionId) -> QueryResult<bool> {
    let row: TakenRow = sql("SELECT EXISTS (SELECT 1 FROM sessions WHERE id = ?)
             OR EXISTS (SELECT 1 FROM users WHERE id = ?)
             OR EXISTS (SELECT 1 FROM tenants WHERE id = ?) AS taken")
    .bind::<Binary, _>(Id(id.0))
    .bind::<Binary, _>(Id(id.0))
    .bind::<Binary, _>(Id(id.0))
    .get_result(connection)?;
    Ok(row.taken)
}

/// The label, or the one spelling of a UUID, whose letters have no case.
fn name(label: &SessionLabel) -> String {
    label.as_id().map_or_else(|| label.as_str().to_owned(), |id| id.to_string())
}

/// Reads a user's session and what its tasks add up to, in one snapshot.
pub(super) fn read(
    connection: &mut SqliteConnection,
    user: UserId,
    label: &SessionLabel,
) -> QueryResult<Option<Session>> {
    connection.transaction(|connection| {
        let Some(found) = find_row(connection, user, label)? else {
            return Ok(None);
        };
        let facts: SessionRow = sql(format!("{SESSION} WHERE s.number = ?"))
            .bind::<BigInt, _>(found.number)
            .get_result(connection)?;
        sum_up(connection, facts).map(Some)
    })
}

/// Reads a page of a user's sessions and their number in one snapshot.
pub(super) fn list(
    connection: &mut SqliteConnection,
    user: UserId,
    page: Page,
) -> QueryResult<SessionPage> {
    connection.transaction(|connection| {
        let sums = sums(connection, user.0)?;
        let total = sums.iter().find(|sum| sum.status == SESSIONS).map_or(0, |sum| sum.tasks);
        if page.offset() >= total {
            return Ok(SessionPage { sessions: Vec::new(), total });
        }
        let rows: Vec<SessionRow> = sql(format!(
            "{SESSION} WHERE s.user_id = ? AND s.deleted_at IS NULL
             ORDER BY s.number DESC LIMIT ? OFFSET ?"
        ))
        .bind::<Binary, _>(Id(user.0))
        .bind::<BigInt, _>(page.limit())
        .bind::<BigInt, _>(page.offset())
        .load(connection)?;
        let sessions = rows.into_iter().map(|row| sum_up(connection, row));
        Ok(SessionPage { sessions: sessions.collect::<QueryResult<_>>()?, total })
    })
}

/// A session beside its latest task, of which 500 characters are shown.
const SESSION: &str = "
    SELECT s.id, s.user_id, s.external_id, s.title, s.first_mode, s.research, s.created_at,
           s.updated_at, substr(t.query, 1, 500) AS query, coalesce(l.status, f.status) AS status,
           coalesce(l.updated_at, f.finished_at) AS changed_at
    FROM sessions AS s
    LEFT JOIN tasks AS t ON t.number = (SELECT max(number) FROM tasks WHERE group_id = s.id)
    LEFT JOIN live_tasks AS l ON l.number = t.number
    LEFT JOIN finished_tasks AS f ON f.number = t.number ";

#[derive(QueryableByName)]
struct SessionRow {
    #[diesel(sql_type = Binary)]
    id: Id,
    #[diesel(sql_type = Binary)]
    user_id: Id,
    #[diesel(sql_type = Nullable<Text>)]
    external_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    title: Option<String>,
    #[diesel(sql_type = SmallInt)]
    first_mode: i16,
    #[diesel(sql_type = Bool)]
    research: bool,
    #[diesel(sql_type = BigInt)]
    created_at: At,
    #[diesel(sql_type = BigInt)]
    updated_at: At,
    #[diesel(embed)]
    latest: Option<LatestRow>,
}

#[derive(QueryableByName)]
struct LatestRow {
    #[diesel(sql_type = Text)]
    query: String,
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = BigInt)]
    changed_at: At,
}

#[derive(QueryableByName)]
struct SumRow {
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = BigInt)]
    tokens: i64,
    #[diesel(sql_type = BigInt)]
    cost_nanos: i64,
}

/// What a scope has in each status.
pub(super) fn sums(connection: &mut SqliteConnection, scope: Uuid) -> QueryResult<Vec<SumColumns>> {
    let rows: Vec<SumRow> =
        sql("SELECT status, n, tokens, cost_nanos FROM task_counts WHERE scope = ?")
            .bind::<Binary, _>(Id(scope))
            .load(connection)?;
    let sum = |row: SumRow| SumColumns {
        status: row.status,
        tasks: row.n,
        tokens: row.tokens,
        cost_nanos: row.cost_nanos,
    };
    Ok(rows.into_iter().map(sum).collect())
}

fn sum_up(connection: &mut SqliteConnection, row: SessionRow) -> QueryResult<Session> {
    let sums = sums(connection, row.id.0)?;
    let facts = SessionFacts {
        id: row.id.0,
        user: row.user_id.0,
        external_id: row.external_id,
        title: row.title,
        first_mode: row.first_mode,
        research: row.research,
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
        latest: row.latest.map(|task| (task.query, task.status, task.changed_at.into())),
    };
    facts.session(&sums)
}

/// Gives a session another title; false when the user has no such session.
pub(super) fn rename(
    connection: &mut SqliteConnection,
    user: UserId,
    label: &SessionLabel,
    title: &SessionTitle,
) -> QueryResult<bool> {
    let Some(found) = find_row(connection, user, label)? else {
        return Ok(false);
    };
    sql("UPDATE sessions SET title = ?, updated_at = max(updated_at, ?) WHERE number = ?")
        .bind::<Text, _>(title.as_str())
        .bind::<BigInt, _>(At::now())
        .bind::<BigInt, _>(found.number)
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Hides a session; false when the user never had such a session.
pub(super) fn delete(
    connection: &mut SqliteConnection,
    user: UserId,
    label: &SessionLabel,
) -> QueryResult<bool> {
    let Some(found) = find_row(connection, user, label)? else {
        return was_deleted(connection, user, label);
    };
    sql("UPDATE sessions SET deleted_at = ? WHERE number = ?")
        .bind::<BigInt, _>(At::now())
        .bind::<BigInt, _>(found.number)
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Whether the user had a session of that id or name and deleted it.
fn was_deleted(
    connection: &mut SqliteConnection,
    user: UserId,
    label: &SessionLabel,
) -> QueryResult<bool> {
    let row: Option<NumberRow> = sql("SELECT number, id FROM sessions
         WHERE id = ? AND user_id = ? AND deleted_at IS NOT NULL
         UNION ALL
         SELECT number, id FROM sessions
         WHERE user_id = ? AND external_id = ? AND deleted_at IS NOT NULL LIMIT 1")
    .bind::<Nullable<Binary>, _>(label.as_id().map(|id| Id(id.0)))
    .bind::<Binary, _>(Id(user.0))
    .bind::<Binary, _>(Id(user.0))
    .bind::<Text, _>(name(label))
    .get_result(connection)
    .optional()?;
    Ok(row.is_some())
}
