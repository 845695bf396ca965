//! What a worker reports while it holds a task: that it lives, how far it is,
//! and what happened.

use super::{
    REPORT_LIMIT, TaskPath,
    field::{self, Object},
    refusals::{Lost, Refused},
    said,
};
use crate::{
    http::{body, error::ApiError, reply::Timestamp},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use taskgate_domain::{
    error::InvalidValue,
    event::{EventType, NewEvent},
    id::TaskId,
    queue::{Heartbeat, HeartbeatReply, Lease},
    task::{Attempt, Progress},
    text,
};
use utoipa::ToSchema;

/// Renews the lease of a task, tells how far it is, and learns whether to go on.
///
/// Those who watch the task are told of a message, and of progress that differs
/// from what was told before, as an event PROGRESS. After a cancel or a pause
/// the answer is still 200, with `cancel_requested` or `pause_requested`.
#[utoipa::path(
    post, path = "/api/v1/worker/tasks/{id}/heartbeat", tag = "worker",
    params(TaskPath),
    request_body = HeartbeatBody,
    responses((status = 200, description = "The lease.", body = HeartbeatView), Refused, Lost),
)]
pub(super) async fn heartbeat(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let decode = HeartbeatBody::into_domain;
    let (_room, heartbeat) = said(&state, &request, payload, body::LIMIT, decode).await?;
    let reply = state
        .services
        .workers
        .heartbeat(heartbeat)
        .await
        .map_err(ApiError::report("Failed to renew lease"))?;
    Ok(HttpResponse::Ok().json(HeartbeatView::from(reply)))
}

/// Records events of a running or paused task, all or none, for those who watch
/// it. The body may have 16 MiB.
///
/// Clients of the gateway know LLM_PARTIAL, a piece of a model's output, which is
/// kept until a minute after the task's end; LLM_OUTPUT, its whole output, which
/// from the agent `final_output` is the task's answer; ERROR_OCCURRED,
/// ERROR_RECOVERY, PROGRESS, TOOL_INVOKED, AGENT_STARTED and many more. STREAM_END
/// and the types from WORKFLOW_STARTED to WORKFLOW_FAILED that tell a move of the
/// task are refused: they are recorded with the move.
#[utoipa::path(
    post, path = "/api/v1/worker/tasks/{id}/events", tag = "worker",
    params(TaskPath),
    request_body = EventsBody,
    responses((status = 200, description = "Recorded.", body = Recorded), Refused, Lost),
)]
pub(super) async fn events(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let decode = EventsBody::into_domain;
    let (_room, (lease, events)) = said(&state, &request, payload, REPORT_LIMIT, decode).await?;
    let last_seq = state
        .services
        .workers
        .record(lease, events)
        .await
        .map_err(ApiError::report("Failed to record events"))?;
    Ok(HttpResponse::Ok().json(Recorded { last_seq }))
}

/// A sign of life.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Heartbeat)]
pub(super) struct HeartbeatBody {
    /// The attempt that the claim told.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    attempt: i64,
    /// How long to hold the task from now; as long as the claim did by default.
    #[schema(minimum = 5, maximum = 3600)]
    lease_seconds: Option<i64>,
    /// Steps done; unchanged by default.
    #[schema(minimum = 0)]
    progress: Option<i64>,
    /// All steps; unchanged by default.
    #[schema(minimum = 0)]
    total: Option<i64>,
    /// What to tell those who watch, recorded as an event PROGRESS.
    message: Option<String>,
}

impl HeartbeatBody {
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self, task: TaskId) -> Result<Heartbeat, InvalidValue> {
        let extend = self.lease_seconds.map(field::lease).transpose()?;
        Progress::new(self.progress.unwrap_or_default(), self.total.unwrap_or_default())?;
        Ok(Heartbeat {
            lease: Lease { task, attempt: Attempt::new(self.attempt)? },
            extend,
            progress: self.progress,
            total: self.total,
            message: self.message.map(text::replace_nul),
        })
    }
}

/// What the worker must know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeartbeatReply)]
pub(super) struct HeartbeatView {
    /// When the lease now ends.
    #[schema(value_type = String, format = DateTime)]
    lease_expires_at: Timestamp,
    /// Stop: the task was cancelled, and no report on it will be taken.
    cancel_requested: bool,
    /// Hold until a heartbeat says otherwise, or let go: the task was paused. It
    /// stays the worker's, and may be completed or failed meanwhile.
    pause_requested: bool,
}

impl From<HeartbeatReply> for HeartbeatView {
    fn from(reply: HeartbeatReply) -> Self {
        Self {
            lease_expires_at: Timestamp(reply.lease_expires_at),
            cancel_requested: reply.cancel_requested,
            pause_requested: reply.pause_requested,
        }
    }
}

/// Events of a running task, recorded all or none.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Events)]
pub(super) struct EventsBody {
    /// The attempt that the claim told.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    attempt: i64,
    /// In the order in which they happened.
    #[schema(value_type = Vec<EventBody>, min_items = 1, max_items = 500)]
    events: Vec<Object<EventBody>>,
}

/// Something that happened.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Event)]
struct EventBody {
    /// What happened: letters, digits, `_`, `.` and `-`. Not a type that tells a
    /// move of the task: WORKFLOW_STARTED, WORKFLOW_PAUSING, WORKFLOW_PAUSED,
    /// WORKFLOW_RESUMED, WORKFLOW_CANCELLING, WORKFLOW_CANCELLED,
    /// WORKFLOW_COMPLETED, WORKFLOW_FAILED, RESEARCH_PLAN_READY,
    /// RESEARCH_PLAN_UPDATED, RESEARCH_PLAN_APPROVED, REVIEW_USER_FEEDBACK,
    /// STREAM_END. Nor a name that means
    /// something else in event streams: `message`, `open`, `error`, `done`,
    /// `thread.message.delta`, `thread.message.completed`, `workflow.pausing`,
    /// `workflow.paused`, `workflow.resumed`, `workflow.cancelling`,
    /// `workflow.cancelled`.
    #[serde(rename = "type")]
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_.-]*$",
        example = "TOOL_INVOKED"
    )]
    event_type: String,
    /// Which agent of the worker tells it. No control characters.
    #[schema(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    agent_id: Option<String>,
    /// Text for people.
    message: Option<String>,
    /// Data for programs, kept as written.
    #[schema(value_type = Option<Object>)]
    payload: Option<Box<RawValue>>,
}

impl EventsBody {
    /// How many events one call takes at most.
    const MAX: usize = 500;

    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self, task: TaskId) -> Result<(Lease, Vec<NewEvent>), InvalidValue> {
        if !(1..=Self::MAX).contains(&self.events.len()) {
            return Err(InvalidValue::new("events", "must have 1 to 500 elements"));
        }
        let lease = Lease { task, attempt: Attempt::new(self.attempt)? };
        let events = self.events.into_iter().map(|Object(event)| event.into_domain());
        Ok((lease, events.collect::<Result<_, _>>()?))
    }
}

impl EventBody {
    fn into_domain(self) -> Result<NewEvent, InvalidValue> {
        NewEvent::new(
            EventType::new(self.event_type)?,
            self.agent_id,
            self.message,
            field::object("payload", self.payload)?,
        )
    }
}

/// That the events are recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recorded {
    /// The number of the last event recorded for the task.
    last_seq: i64,
}

#[cfg(test)]
mod tests {
    use super::{EventsBody, HeartbeatBody};
    use taskgate_domain::id::TaskId;

    const TASK: TaskId = TaskId::from_bits(1);

    fn heartbeat(body: &str) -> Result<taskgate_domain::queue::Heartbeat, String> {
        let body: HeartbeatBody = serde_json::from_str(body).map_err(|error| error.to_string())?;
        body.into_domain(TASK).map_err(|error| error.to_string())
    }

    fn events(body: &str) -> Result<Vec<taskgate_domain::event::NewEvent>, String> {
        let body: EventsBody = serde_json::from_str(body).map_err(|error| error.to_string())?;
        body.into_domain(TASK).map(|(_, events)| events).map_err(|error| error.to_string())
    }

    #[test]
    fn a_bare_heartbeat_changes_nothing_but_the_lease() {
        let beat = heartbeat(r#"{"attempt":2}"#).unwrap();
        assert_eq!(beat.lease.attempt.get(), 2);
        assert_eq!(
            (beat.extend, beat.progress, beat.total, beat.message),
            (None, None, None, None)
        );
    }

    #[test]
    fn a_message_may_hold_anything_but_nul() {
        let beat = heartbeat(r#"{"attempt":1,"message":"a\u0000\n"}"#).unwrap();
        assert_eq!(beat.message.as_deref(), Some("a\u{fffd}\n"));
    }

    #[test]
    fn heartbeats_outside_their_range_are_refused() {
        for (member, sentence) in [
            (r#""attempt":0"#, "attempt must be a positive 32-bit integer"),
            (r#""attempt":2147483648"#, "attempt must be a positive 32-bit integer"),
            (r#""attempt":1,"lease_seconds":4"#, "lease_seconds must be between 5 and 3600"),
            (r#""attempt":1,"progress":-1"#, "progress must not be negative"),
            (r#""attempt":1,"total":-1"#, "total must not be negative"),
        ] {
            assert_eq!(heartbeat(&format!("{{{member}}}")).unwrap_err(), sentence);
        }
    }

    #[test]
    fn an_event_keeps_what_it_was_given() {
        let events = events(
            r#"{"attempt":1,"events":[{"type":"TOOL_INVOKED","agent_id":"a","message":"m\u0000",
                "payload":{"x": 1.0}},{"type":"x"}]}"#,
        )
        .unwrap();
        assert_eq!(events[0].event_type().as_str(), "TOOL_INVOKED");
        assert_eq!(events[0].agent(), Some("a"));
        assert_eq!(events[0].message(), Some("m\u{fffd}"));
        assert_eq!(events[0].payload().unwrap().as_str(), r#"{"x": 1.0}"#);
        assert_eq!(
            (events[1].agent(), events[1].message(), events[1].payload()),
            (None, None, None)
        );
    }

    #[test]
    fn events_that_break_a_rule_are_refused() {
        let many = vec![r#"{"type":"x"}"#; 501].join(",");
        for (list, sentence) in [
            ("", "events must have 1 to 500 elements"),
            (many.as_str(), "events must have 1 to 500 elements"),
            (
                r#"{"type":"a b"}"#,
                "type must have 1 to 64 letters, digits, underscores, dots or hyphens",
            ),
            (r#"{"type":"x","payload":[]}"#, "payload must be a JSON object"),
            (
                r#"{"type":"x","agent_id":""}"#,
                "agent_id must have 1 to 128 characters and no control character",
            ),
        ] {
            let body = format!(r#"{{"attempt":1,"events":[{list}]}}"#);
            assert_eq!(events(&body).unwrap_err(), sentence);
        }
    }
}
