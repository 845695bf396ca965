//! An event as the gateway shows it (gateway contract, section 8).

use crate::http::reply::Timestamp;
use serde::Serialize;
use taskgate_domain::{
    event::{Position, TaskEvent},
    json::JsonObject,
};
use utoipa::ToSchema;

/// Something that happened to a task.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventView<'a> {
    /// The task's id.
    workflow_id: &'a str,
    /// What happened, such as `WORKFLOW_STARTED`.
    #[serde(rename = "type")]
    event_type: &'a str,
    /// Which agent of the worker tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent_id: Option<&'a str>,
    /// Text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'a str>,
    /// Data for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    payload: Option<&'a JsonObject>,
    /// When it happened; never before the event that precedes it.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Its place in the task's log, from 1.
    #[schema(minimum = 1)]
    seq: i64,
    /// The place behind which a stream resumes.
    #[schema(example = "1761129000000-1")]
    stream_id: String,
}

impl<'a> EventView<'a> {
    pub(super) fn of(workflow: &'a str, event: &'a TaskEvent) -> Self {
        Self {
            workflow_id: workflow,
            event_type: event.event.event_type().as_str(),
            agent_id: event.event.agent(),
            message: event.event.message(),
            payload: event.event.payload(),
            timestamp: Timestamp(event.at),
            seq: event.seq,
            stream_id: stream_id(event),
        }
    }
}

/// The id of an event in streams: its time in milliseconds, then its number.
pub(super) fn stream_id(event: &TaskEvent) -> String {
    place_id(Position::of(event)).unwrap_or_default()
}

/// A place in a log as clients write it; none for the start.
pub(super) fn place_id(place: Position) -> Option<String> {
    match place {
        Position::Start => None,
        Position::Seq(seq) => Some(seq.to_string()),
        Position::Id { millis, seq } => Some(format!("{millis}-{seq}")),
    }
}

/// Reads the id of an event in streams, or its number alone.
pub(super) fn place(text: &str) -> Option<Position> {
    // `parse` would also take signs.
    let number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    match text.split_once('-') {
        Some((millis, seq)) => Some(Position::Id { millis: number(millis)?, seq: number(seq)? }),
        None => number(text).map(Position::Seq),
    }
}

#[cfg(test)]
mod tests {
    use super::{place, place_id};
    use taskgate_domain::event::Position;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for place_ in
            [Position::Seq(0), Position::Seq(i64::MAX), Position::Id { millis: 5, seq: 7 }]
        {
            assert_eq!(place(&place_id(place_).unwrap()), Some(place_));
        }
        assert_eq!(place_id(Position::Start), None);
    }

    #[test]
    fn everything_else_is_no_place() {
        for text in
            ["", "-", "1-", "-1", "+1", "1-2-3", "1.0", "0x1", "a", "1 ", "1-99999999999999999999"]
        {
            assert_eq!(place(text), None, "{text}");
        }
    }
}
