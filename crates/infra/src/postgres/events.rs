//! The logs of tasks.

use super::row::{Values, row};
use crate::{encode, encode::object, error::unreadable, statement::sql};
use chrono::{DateTime, Utc};
use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    deserialize::{self, QueryableByName},
    pg::Pg,
    row::NamedRow,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz},
};
use std::sync::Arc;
use taskgate_domain::{
    event::{EventType, NewEvent, READ_BYTES, TaskEvent},
    id::TaskNumber,
    json::JsonObject,
};

/// The type of the events that are not kept. It stands in the text of
/// statements, for one with a placeholder cannot use the index of these events.
macro_rules! partial {
    () => {
        "'LLM_PARTIAL'"
    };
}
pub(super) use partial;

/// The [`columns`] of events, in their order, as the first values of a
/// statement.
macro_rules! told {
    () => {
        "told AS (
            SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[])
                WITH ORDINALITY AS e (type, agent, message, payload, place)
        )"
    };
}
pub(super) use told;

/// Writes the events of [`told`] into the log of the one task that `$changed`
/// has, if any. Its number before was `before`.
macro_rules! tell {
    ($changed:literal) => {
        concat!(
            "INSERT INTO task_events (task_number, seq, at, type, agent, message, payload)
             SELECT c.task_number, c.before + e.place, c.updated_at,
                e.type, e.agent, e.message, e.payload::json
             FROM ",
            $changed,
            " c CROSS JOIN told e"
        )
    };
}
pub(super) use tell;

/// Types, agents, messages and payloads of events, each a column.
pub(super) fn columns<'e>(
    events: impl Iterator<Item = Option<&'e NewEvent>> + Clone,
) -> Vec<Vec<Option<&'e str>>> {
    let values: [fn(&NewEvent) -> Option<&str>; 4] = [
        |event| Some(event.event_type().as_str()),
        NewEvent::agent,
        NewEvent::message,
        |event| event.payload().map(JsonObject::as_str),
    ];
    values.map(|value| events.clone().map(|event| event.and_then(value)).collect()).into()
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

/// The bytes of an event `e` that may be many.
macro_rules! size {
    () => {
        "coalesce(octet_length(e.message), 0) + coalesce(octet_length(e.payload), 0)"
    };
}

const EVENTS: &str = concat!(
    "SELECT seq, type, agent, message, payload, at FROM (
        SELECT e.*, ",
    size!(),
    " AS size, sum(",
    size!(),
    ") OVER (ORDER BY seq) AS sum FROM (
            SELECT seq, type, agent, message, payload::text AS payload, at
            FROM task_events WHERE task_number = ? AND seq > ? ORDER BY seq LIMIT ?
        ) e
    ) e WHERE sum - size < ? ORDER BY seq"
);

/// Reads a task's events.
pub(super) fn events(
    connection: &mut PgConnection,
    task: TaskNumber,
    after: i64,
    limit: u16,
) -> QueryResult<Vec<Arc<TaskEvent>>> {
    let rows: Vec<EventRow> = sql(EVENTS)
        .bind::<BigInt, _>(task.get())
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(i64::from(limit))
        .bind::<BigInt, _>(READ_BYTES)
        .load(connection)?;
    rows.into_iter().map(|row| row.event().map(Arc::new)).collect()
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

/// An event and whose it is.
struct HistoryRow {
    task: i64,
    event: EventRow,
}

impl QueryableByName<Pg> for HistoryRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        Ok(Self {
            task: values.next::<BigInt, _>()?,
            event: EventRow {
                seq: values.next::<BigInt, _>()?,
                event_type: values.next::<Text, _>()?,
                agent: values.next::<Nullable<Text>, _>()?,
                message: values.next::<Nullable<Text>, _>()?,
                payload: values.next::<Nullable<Text>, _>()?,
                at: values.next::<Timestamptz, _>()?,
            },
        })
    }
}

/// Takes one task after the other, each in the order of its log, and stops
/// where the limit is reached.
const HISTORY: &str = concat!(
    "WITH given AS (SELECT ?::bigint[], ?::bigint, ?::bigint, ?::bigint)
    SELECT number, seq, type, agent, message, payload, at FROM (
        SELECT e.*, ",
    size!(),
    " AS size, sum(",
    size!(),
    ") OVER (ORDER BY number, seq) AS sum FROM (
            SELECT t.number, e.seq, e.type, e.agent, e.message, e.payload::text AS payload, e.at
            FROM (SELECT DISTINCT unnest($1) AS number ORDER BY number) t
            CROSS JOIN LATERAL (
                SELECT * FROM task_events e WHERE e.task_number = t.number AND e.type <> ",
    partial!(),
    " ORDER BY e.seq LIMIT least($2, 9223372036854775807 - $3) + $3
            ) e
            ORDER BY t.number, e.seq LIMIT $3 OFFSET $2
        ) e
    ) e WHERE sum - size < $4 ORDER BY number, seq"
);

/// Reads what is kept of some tasks' logs.
pub(super) fn history(
    connection: &mut PgConnection,
    tasks: &[TaskNumber],
    offset: i64,
    limit: u16,
) -> QueryResult<Vec<(TaskNumber, TaskEvent)>> {
    let numbers: Vec<i64> = tasks.iter().map(|task| task.get()).collect();
    let rows: Vec<HistoryRow> = sql(HISTORY)
        .bind::<Array<BigInt>, _>(numbers)
        .bind::<BigInt, _>(offset)
        .bind::<BigInt, _>(i64::from(limit))
        .bind::<BigInt, _>(READ_BYTES)
        .load(connection)?;
    rows.into_iter().map(|row| Ok((encode::number(row.task)?, row.event.event()?))).collect()
}

#[cfg(test)]
mod tests {
    use taskgate_domain::event::EventType;

    #[test]
    fn the_type_in_the_statements_is_that_of_the_domain() {
        assert_eq!(partial!(), format!("'{}'", EventType::LLM_PARTIAL.as_str()));
    }
}
