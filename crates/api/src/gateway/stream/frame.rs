//! Events as server-sent events (gateway contract, section 6).

use super::{
    super::event::{EventView, place_id, stream_id},
    filter::{Types, sse_name},
};
use crate::http::{
    reply::Timestamp,
    stream::{self, one_line},
};
use serde::Serialize;
use serde_json::value::RawValue;
use taskgate_domain::{
    event::{EventType, Position, TaskEvent},
    json::JsonObject,
};
use utoipa::ToSchema;

/// The types whose data is a [`ControlTold`].
static CONTROLS: [EventType; 5] = [
    EventType::WORKFLOW_PAUSING,
    EventType::WORKFLOW_PAUSED,
    EventType::WORKFLOW_RESUMED,
    EventType::WORKFLOW_CANCELLING,
    EventType::WORKFLOW_CANCELLED,
];

/// The frames of a task for a client that asks for these types.
pub(super) struct Frames {
    pub(super) workflow: String,
    pub(super) types: Types,
}

impl stream::Frames for Frames {
    fn id(&self, place: Position) -> Option<String> {
        place_id(place)
    }

    fn frame<'a>(&mut self, event: &'a TaskEvent) -> Option<(&'a str, String)> {
        let event_type = event.event.event_type();
        let shown = *event_type != EventType::STREAM_END && self.types.admit(event_type);
        shown.then(|| (sse_name(event_type), self.data(event)))
    }

    fn ends_at(&self, event: &TaskEvent) -> bool {
        self.types.end_at(event.event.event_type())
    }
}

impl Frames {
    fn data(&self, event: &TaskEvent) -> String {
        let event_type = event.event.event_type();
        if *event_type == EventType::LLM_PARTIAL {
            one_line(&Delta::of(&self.workflow, event))
        } else if *event_type == EventType::LLM_OUTPUT {
            one_line(&Completed::of(&self.workflow, event))
        } else if CONTROLS.contains(event_type) {
            one_line(&ControlTold::of(&self.workflow, event))
        } else {
            one_line(&EventView::of(&self.workflow, event))
        }
    }
}

/// The data of `thread.message.delta`: a piece of a model's output.
#[derive(Serialize, ToSchema)]
pub(in crate::gateway) struct Delta<'a> {
    /// The piece.
    delta: &'a str,
    /// The same.
    message: &'a str,
    /// The task's id.
    workflow_id: &'a str,
    /// Which agent writes; empty when that is not told.
    agent_id: &'a str,
    /// Its place in the task's log, from 1.
    seq: i64,
    /// The frame's id.
    stream_id: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

impl<'a> Delta<'a> {
    fn of(workflow_id: &'a str, event: &'a TaskEvent) -> Self {
        let text = event.event.message().unwrap_or_default();
        Self {
            delta: text,
            message: text,
            workflow_id,
            agent_id: event.event.agent().unwrap_or_default(),
            seq: event.seq,
            stream_id: stream_id(event),
            timestamp: Timestamp(event.at),
        }
    }
}

/// The data of `thread.message.completed`: a model's whole output. That of the
/// agent `final_output` is the task's answer.
#[derive(Serialize, ToSchema)]
pub(in crate::gateway) struct Completed<'a> {
    /// The output.
    response: &'a str,
    /// The same.
    message: &'a str,
    /// The task's id.
    workflow_id: &'a str,
    /// Which agent wrote it; empty when that is not told.
    agent_id: &'a str,
    /// Its place in the task's log, from 1.
    seq: i64,
    /// The frame's id.
    stream_id: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// What it took, as far as it is known: `tokens_used`, `input_tokens`,
    /// `output_tokens`, `cost_usd`, `model_used`, `provider`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    metadata: Option<&'a JsonObject>,
}

impl<'a> Completed<'a> {
    fn of(workflow_id: &'a str, event: &'a TaskEvent) -> Self {
        let text = event.event.message().unwrap_or_default();
        Self {
            response: text,
            message: text,
            workflow_id,
            agent_id: event.event.agent().unwrap_or_default(),
            seq: event.seq,
            stream_id: stream_id(event),
            timestamp: Timestamp(event.at),
            metadata: event.event.payload(),
        }
    }
}

/// The data of `workflow.pausing`, `workflow.paused`, `workflow.resumed`,
/// `workflow.cancelling` and `workflow.cancelled`.
#[derive(Serialize, ToSchema)]
#[schema(as = ControlEvent)]
pub(in crate::gateway) struct ControlTold<'a> {
    /// The task's id.
    workflow_id: &'a str,
    /// Which agent tells it; empty, for no agent does.
    agent_id: &'a str,
    /// The reason that was given; empty without one.
    message: &'a str,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Where the task stood: `queued`, `running` or `paused`. Told of
    /// `workflow.paused` and `workflow.cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    checkpoint: Option<Box<RawValue>>,
    /// Whether the task was paused. Told of `workflow.cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<bool>, nullable = false)]
    was_paused: Option<Box<RawValue>>,
}

impl<'a> ControlTold<'a> {
    fn of(workflow_id: &'a str, event: &'a TaskEvent) -> Self {
        let member = |name| event.event.payload().and_then(|payload| payload.member(name));
        Self {
            workflow_id,
            agent_id: event.event.agent().unwrap_or_default(),
            message: event.event.message().unwrap_or_default(),
            timestamp: Timestamp(event.at),
            checkpoint: member("checkpoint"),
            was_paused: member("was_paused"),
        }
    }
}
