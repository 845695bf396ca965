//! Reading single tasks, their events, sessions and answered requests.

use super::row::{TaskRow, row, task_columns};
use crate::{
    encode::{self, object},
    error::unreadable,
    statement::sql,
};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    sql_types::{BigInt, Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use std::borrow::Cow;
use taskgate_domain::{
    event::{EventType, NewEvent, TaskEvent},
    id::{TaskNumber, UserId},
    query::TaskKey,
    task::{Task, submit::IdempotencyKey, work::SessionLabel},
};
use uuid::Uuid;

macro_rules! select_task {
    ($from:literal) => {
        concat!(
            "SELECT ",
            task_columns!(),
            " FROM tasks t
              LEFT JOIN live_tasks l ON l.task_number = t.number
              LEFT JOIN finished_tasks f ON f.task_number = t.number ",
            $from
        )
    };
}

/// Reads a task.
pub(super) fn find(connection: &mut PgConnection, key: TaskKey) -> QueryResult<Option<Task>> {
    let row: Option<TaskRow> = match key {
        TaskKey::Id(id) => sql(select_task!("WHERE t.id = ?"))
            .bind::<SqlUuid, _>(encode::id_column(id))
            .get_result(connection),
        TaskKey::Number(number) => sql(select_task!("WHERE t.number = ?"))
            .bind::<BigInt, _>(number.get())
            .get_result(connection),
    }
    .optional()?;
    row.map(TaskRow::task).transpose()
}

/// Reads the live task of a group that carries a unique key.
pub(super) fn find_unique(
    connection: &mut PgConnection,
    group: Uuid,
    unique_key: &str,
) -> QueryResult<Option<Task>> {
    let row: Option<TaskRow> = sql(select_task!("WHERE l.group_id = ? AND l.unique_key = ?"))
        .bind::<SqlUuid, _>(group)
        .bind::<Text, _>(unique_key)
        .get_result(connection)
        .optional()?;
    row.map(TaskRow::task).transpose()
}

row! {
    /// An answered request: the task it was about, and whether it changed it.
    AnsweredRow {
        task_id: SqlUuid => Uuid,
        accepted: Bool => bool,
    }
}

/// A request that was answered before this is forgotten.
macro_rules! forgotten {
    () => {
        "now() - interval '24 hours'"
    };
}
pub(super) use forgotten;

/// Looks up a request of the last 24 hours.
pub(super) fn answered(
    connection: &mut PgConnection,
    key: &IdempotencyKey,
) -> QueryResult<Option<AnsweredRow>> {
    sql(concat!(
        "SELECT task_id, accepted FROM idempotency_keys WHERE key = ? AND created_at > ",
        forgotten!(),
    ))
    .bind::<Binary, _>(key.as_bytes().as_slice())
    .get_result(connection)
    .optional()
}

/// A session's label, as columns.
pub(super) struct SessionColumns<'a> {
    /// The label as a session's own id, if it has the form of one.
    pub(super) id: Option<Uuid>,
    /// The label as the name of a session; one that has the form of an id has
    /// one spelling.
    pub(super) name: Cow<'a, str>,
}

impl<'a> From<&'a SessionLabel> for SessionColumns<'a> {
    fn from(label: &'a SessionLabel) -> Self {
        let id = label.as_id().map(|id| id.0);
        let name = id.map_or(label.as_str().into(), |id| id.hyphenated().to_string().into());
        Self { id, name }
    }
}

row! {
    SessionRow {
        id: Nullable<SqlUuid> => Option<Uuid>,
    }
}

/// Finds a user's session by its id or else by its name.
pub(super) fn find_session(
    connection: &mut PgConnection,
    user: UserId,
    label: &SessionColumns<'_>,
) -> QueryResult<Option<Uuid>> {
    let row: SessionRow = sql("SELECT coalesce(
            (SELECT id FROM sessions WHERE user_id = ? AND id = ?),
            (SELECT id FROM sessions WHERE user_id = $1 AND external_id = ?))")
    .bind::<SqlUuid, _>(user.0)
    .bind::<Nullable<SqlUuid>, _>(label.id)
    .bind::<Text, _>(label.name.as_ref())
    .get_result(connection)?;
    Ok(row.id)
}

row! {
    EventRow {
        seq: BigInt => i64,
        event_type: Text => String,
        agent: Nullable<Text> => Option<String>,
        message: Nullable<Text> => Option<String>,
        payload: Nullable<Text> => Option<String>,
        at: Timestamptz => DateTime<Utc>,
    }
}

/// Reads a task's events.
pub(super) fn events(
    connection: &mut PgConnection,
    task: TaskNumber,
    after: i64,
    limit: u16,
) -> QueryResult<Vec<TaskEvent>> {
    let rows: Vec<EventRow> = sql("SELECT seq, type, agent, message, payload::text, at
         FROM task_events WHERE task_number = ? AND seq > ? ORDER BY seq LIMIT ?")
    .bind::<BigInt, _>(task.get())
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(i64::from(limit))
    .load(connection)?;
    rows.into_iter().map(EventRow::event).collect()
}

impl EventRow {
    fn event(self) -> QueryResult<TaskEvent> {
        let event_type = EventType::new(self.event_type).map_err(unreadable)?;
        let payload = self.payload.map(|text| object("payload", text)).transpose()?;
        let event =
            NewEvent::new(event_type, self.agent, self.message, payload).map_err(unreadable)?;
        Ok(TaskEvent { seq: self.seq, event, at: self.at })
    }
}
