//! The log of each task.

use super::columns::At;
use crate::{encode, error::unreadable, statement::sql};
use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Nullable, Text},
};
use taskgate_domain::{
    event::{EventType, NewEvent, TaskEvent},
    id::TaskNumber,
    task::status::Transition,
};

#[derive(QueryableByName)]
struct EventRow {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Text)]
    r#type: String,
    #[diesel(sql_type = BigInt)]
    at: At,
    #[diesel(sql_type = Nullable<Text>)]
    agent: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    message: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    payload: Option<String>,
}

impl EventRow {
    fn event(self) -> QueryResult<TaskEvent> {
        let payload = self.payload.map(|text| encode::object("payload", text)).transpose()?;
        let event = EventType::new(self.r#type)
            .and_then(|event_type| NewEvent::new(event_type, self.agent, self.message, payload))
            .map_err(unreadable)?;
        Ok(TaskEvent { seq: self.seq, event, at: self.at.into() })
    }
}

/// Reads events in order.
pub(super) fn read(
    connection: &mut SqliteConnection,
    task: TaskNumber,
    after: i64,
    limit: u16,
) -> QueryResult<Vec<TaskEvent>> {
    let rows: Vec<EventRow> = sql("SELECT seq, type, at, agent, message, payload FROM task_events
         WHERE task = ? AND seq > ? ORDER BY seq LIMIT ?")
    .bind::<BigInt, _>(task.get())
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(i64::from(limit))
    .load(connection)?;
    rows.into_iter().map(EventRow::event).collect()
}

/// Writes an event under a number that the task's row has just counted up to.
pub(super) fn write(
    connection: &mut SqliteConnection,
    task: i64,
    seq: i64,
    at: At,
    event: &NewEvent,
) -> QueryResult<()> {
    sql("INSERT INTO task_events (task, seq, type, at, agent, message, payload)
         VALUES (?, ?, ?, ?, ?, ?, ?)")
    .bind::<BigInt, _>(task)
    .bind::<BigInt, _>(seq)
    .bind::<Text, _>(event.event_type().as_str())
    .bind::<BigInt, _>(at)
    .bind::<Nullable<Text>, _>(event.agent())
    .bind::<Nullable<Text>, _>(event.message())
    .bind::<Nullable<Text>, _>(event.payload().map(|payload| payload.as_str()))
    .execute(connection)?;
    Ok(())
}

/// Writes the event of a task's own move.
pub(super) fn write_move(
    connection: &mut SqliteConnection,
    task: i64,
    seq: i64,
    at: At,
    transition: Transition,
    message: Option<String>,
) -> QueryResult<()> {
    let event =
        NewEvent::new(EventType::of(transition), None, message, None).map_err(unreadable)?;
    write(connection, task, seq, at, &event)
}
