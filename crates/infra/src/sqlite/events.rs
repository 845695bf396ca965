//! The log of each task.

use super::columns::At;
use crate::{encode, error::unreadable, feed::Known, statement::sql};
use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::DefaultLoadingMode,
    sql_types::{BigInt, Nullable, Text},
};
use std::sync::Arc;
use taskgate_domain::{
    event::{EventType, NewEvent, READ_BYTES, TaskEvent},
    id::TaskNumber,
};

/// How far the logs go that a transaction has written to, for listeners to be
/// told once it is committed.
pub(super) type News = Vec<(i64, Known)>;

#[derive(QueryableByName)]
struct EventRow {
    #[diesel(sql_type = BigInt)]
    task: i64,
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

/// Takes rows up to the one that goes past what a read takes.
fn bounded(
    rows: impl Iterator<Item = QueryResult<EventRow>>,
) -> impl Iterator<Item = QueryResult<EventRow>> {
    let size = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let mut bytes = 0;
    rows.take_while(move |row| {
        let more = bytes < READ_BYTES;
        if let Ok(row) = row {
            bytes += i64::try_from(size(&row.message) + size(&row.payload)).unwrap_or(READ_BYTES);
        }
        more
    })
}

/// Reads events of a task in order.
pub(super) fn read(
    connection: &mut SqliteConnection,
    task: TaskNumber,
    after: i64,
    limit: u16,
) -> QueryResult<Vec<Arc<TaskEvent>>> {
    let rows = sql("SELECT task, seq, type, at, agent, message, payload FROM task_events
             WHERE task = ? AND seq > ? ORDER BY seq LIMIT ?")
    .bind::<BigInt, _>(task.get())
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(i64::from(limit))
    .load_iter::<EventRow, DefaultLoadingMode>(connection)?;
    bounded(rows).map(|row| row?.event().map(Arc::new)).collect()
}

/// Reads what is kept of several tasks' logs, in the order of their numbers.
pub(super) fn history(
    connection: &mut SqliteConnection,
    tasks: &[TaskNumber],
    offset: i64,
    limit: u16,
) -> QueryResult<Vec<(TaskNumber, TaskEvent)>> {
    let numbers: Vec<i64> = tasks.iter().map(|task| task.get()).collect();
    let piece = EventType::LLM_PARTIAL;
    let rows = sql("SELECT task, seq, type, at, agent, message, payload FROM task_events
             WHERE task IN (SELECT value FROM json_each(?)) AND type <> ?
             ORDER BY task, seq LIMIT ? OFFSET ?")
    .bind::<Text, _>(serde_json::to_string(&numbers).map_err(unreadable)?)
    .bind::<Text, _>(piece.as_str())
    .bind::<BigInt, _>(i64::from(limit))
    .bind::<BigInt, _>(offset)
    .load_iter::<EventRow, DefaultLoadingMode>(connection)?;
    let told = |row: QueryResult<EventRow>| {
        let row = row?;
        Ok((encode::number(row.task)?, row.event()?))
    };
    bounded(rows).map(told).collect()
}

/// Writes the latest events of a task, whose row has just counted up to
/// `last_seq`.
pub(super) fn write(
    connection: &mut SqliteConnection,
    task: i64,
    last_seq: i64,
    at: At,
    events: &[NewEvent],
) -> QueryResult<()> {
    let count = i64::try_from(events.len()).map_err(unreadable)?;
    for (seq, event) in (last_seq - count + 1..).zip(events) {
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
    }
    Ok(())
}

/// Which tasks have ended before `ended` and still have pieces of output, at
/// most `max` of them.
///
/// The walk goes from task to task, however many pieces each has; among those
/// that have any, only tasks that live or have just ended are passed over.
pub(super) fn with_pieces(
    connection: &mut SqliteConnection,
    ended: At,
    max: i64,
) -> QueryResult<Vec<i64>> {
    #[derive(QueryableByName)]
    struct TaskRow {
        #[diesel(sql_type = BigInt)]
        task: i64,
    }
    let piece = EventType::LLM_PARTIAL;
    let first = format!("SELECT min(task) FROM task_events WHERE type = '{}'", piece.as_str());
    let rows: Vec<TaskRow> = sql(format!(
        "WITH RECURSIVE passed (task) AS (
             {first}
             UNION ALL
             SELECT ({first} AND task_events.task > passed.task) FROM passed WHERE task IS NOT NULL
         )
         SELECT passed.task FROM passed CROSS JOIN finished_tasks AS f ON f.number = passed.task
         WHERE f.finished_at < ? LIMIT ?"
    ))
    .bind::<BigInt, _>(ended)
    .bind::<BigInt, _>(max)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.task).collect())
}

/// Deletes pieces of output of some tasks, at most `max` of them, and tells how
/// many.
pub(super) fn forget_pieces(
    connection: &mut SqliteConnection,
    tasks: &[i64],
    max: i64,
) -> QueryResult<usize> {
    sql(format!(
        "DELETE FROM task_events WHERE (task, seq) IN (
             SELECT piece.task, piece.seq FROM json_each(?) AS wanted
             CROSS JOIN task_events AS piece
                 ON piece.task = wanted.value AND piece.type = '{}'
             LIMIT ?)",
        EventType::LLM_PARTIAL.as_str()
    ))
    .bind::<Text, _>(serde_json::to_string(tasks).map_err(unreadable)?)
    .bind::<BigInt, _>(max)
    .execute(connection)
}
