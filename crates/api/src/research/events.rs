//! `GET /api/v1/tasks/{id}/events`: a task's progress while it runs.

use super::{
    access,
    refusals::{Missing, Refused},
    task::task_number,
    view::{Status, Timestamp},
};
use crate::{
    http::{
        auth::Caller,
        error::ApiError,
        stream::{self, one_line, respond, resume_header},
    },
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use taskgate_domain::{
    event::{EventType, Position, TaskEvent},
    json::JsonObject,
    query::TaskKey,
    task::{Progress, status::TaskStatus},
};
use utoipa::ToSchema;

/// Streams what happens to a task as server-sent events: what has happened, then
/// each event as it happens.
///
/// `progress` tells how far the task is (`ProgressEvent`), `status` where it is
/// in its life (`StatusEvent`), `log` what else its worker records
/// (`LogEvent`). The last frame is always `done` with the data `[DONE]`, at once
/// when the task has ended; a connection that breaks off before it is to be
/// resumed by the `id` of the last frame. A comment is sent every ten seconds.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/events", tag = "tasks",
    security((), ("api_key" = []), ("bearer" = [])),
    params(
        ("id" = i64, Path, minimum = 1, description = "Task ID."),
        ("Last-Event-ID" = Option<String>, Header, nullable = false, description = "Only what happened after the frame with this id; ignored unless it is a number."),
    ),
    responses(
        (status = 200, description = "The stream.", content_type = "text/event-stream", body = String),
        Refused, Missing,
    ),
)]
pub(super) async fn events(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let task = task_number(&request)?;
    let from = resume_header(&request).and_then(place).unwrap_or_default();
    let follow = state
        .services
        .events
        .follow(&access(&caller), TaskKey::Number(task), from)
        .await
        .map_err(ApiError::task("Failed to stream events"))?;
    let task_id = task.get();
    let comment = format!("connected to task {task_id}");
    Ok(respond(follow, from, state.services.stopping.clone(), &comment, Frames { task_id }))
}

/// Reads the id of a frame.
fn place(text: &str) -> Option<Position> {
    // `parse` would also take signs.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().map(Position::Seq)
}

/// The frames of one task.
struct Frames {
    task_id: i64,
}

impl stream::Frames for Frames {
    fn id(&self, place: Position) -> Option<String> {
        match place {
            Position::Start => None,
            Position::Seq(seq) | Position::Id { seq, .. } => Some(seq.to_string()),
        }
    }

    fn frame<'a>(&mut self, event: &'a TaskEvent) -> Option<(&'a str, String)> {
        let told = &event.event;
        if let Some(status) = status(event) {
            let message = told.message().unwrap_or_default();
            let (seq, timestamp) = (event.seq, Timestamp(event.at));
            let view = StatusEvent { task_id: self.task_id, status, message, seq, timestamp };
            Some(("status", one_line(&view)))
        } else if told.event_type().tells_a_move() {
            // The move that follows tells the same.
            None
        } else if let Some(view) = ProgressEvent::of(self.task_id, event) {
            Some(("progress", one_line(&view)))
        } else {
            Some(("log", one_line(&LogEvent::of(self.task_id, event))))
        }
    }
}

/// Where the task is after an event that says so. The end of a pause does not:
/// the task runs on, or a start follows.
fn status(event: &TaskEvent) -> Option<Status> {
    static STATUSES: [(EventType, TaskStatus); 6] = [
        (EventType::WORKFLOW_STARTED, TaskStatus::Running),
        (EventType::WORKFLOW_PAUSED, TaskStatus::Paused),
        (EventType::ERROR_RECOVERY, TaskStatus::Queued),
        (EventType::WORKFLOW_COMPLETED, TaskStatus::Completed),
        (EventType::WORKFLOW_FAILED, TaskStatus::Failed),
        (EventType::WORKFLOW_CANCELLED, TaskStatus::Cancelled),
    ];
    let event_type = event.event.event_type();
    // The submit writes the first event; workers may use its type too.
    if event.seq == 1 && *event_type == EventType::DATA_PROCESSING {
        return Some(Status::Pending);
    }
    let told = STATUSES.iter().find(|(told, _)| told == event_type);
    told.map(|(_, status)| (*status).into())
}

/// The data of `progress`: how far the task is.
#[derive(Serialize, ToSchema)]
pub(super) struct ProgressEvent<'a> {
    /// Task ID.
    #[schema(minimum = 1)]
    task_id: i64,
    /// Always `running`.
    status: Status,
    /// Steps done.
    #[schema(minimum = 0)]
    progress: i64,
    /// All steps, 0 as long as their number is unknown.
    #[schema(minimum = 0)]
    total: i64,
    /// Text for people; may be empty.
    message: &'a str,
    /// The frame's id.
    #[schema(minimum = 1)]
    seq: i64,
    /// ISO 8601, UTC without a zone.
    #[schema(value_type = String, example = "2025-03-12T10:00:00")]
    timestamp: Timestamp,
}

impl<'a> ProgressEvent<'a> {
    /// `None` for an event that does not tell steps.
    fn of(task_id: i64, event: &'a TaskEvent) -> Option<Self> {
        #[derive(Deserialize)]
        struct Steps {
            progress: i64,
            total: i64,
        }
        if *event.event.event_type() != EventType::PROGRESS {
            return None;
        }
        let steps: Steps = serde_json::from_str(event.event.payload()?.as_str()).ok()?;
        let steps = Progress::new(steps.progress, steps.total).ok()?;
        Some(Self {
            task_id,
            status: Status::Running,
            progress: steps.current(),
            total: steps.total(),
            message: event.event.message().unwrap_or_default(),
            seq: event.seq,
            timestamp: Timestamp(event.at),
        })
    }
}

/// The data of `status`: where the task is in its life.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusEvent<'a> {
    /// Task ID.
    #[schema(minimum = 1)]
    task_id: i64,
    status: Status,
    /// Why, where that is known; may be empty.
    message: &'a str,
    /// The frame's id.
    #[schema(minimum = 1)]
    seq: i64,
    /// ISO 8601, UTC without a zone.
    #[schema(value_type = String, example = "2025-03-12T10:00:00")]
    timestamp: Timestamp,
}

/// The data of `log`: what else is recorded about the task.
#[derive(Serialize, ToSchema)]
pub(super) struct LogEvent<'a> {
    /// Task ID.
    #[schema(minimum = 1)]
    task_id: i64,
    /// What happened, in the worker's words.
    #[serde(rename = "type")]
    event_type: &'a str,
    /// Which agent of the worker tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent_id: Option<&'a str>,
    /// Text for people; may be empty.
    message: &'a str,
    /// Data for programs, if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    payload: Option<&'a JsonObject>,
    /// The frame's id.
    #[schema(minimum = 1)]
    seq: i64,
    /// ISO 8601, UTC without a zone.
    #[schema(value_type = String, example = "2025-03-12T10:00:00")]
    timestamp: Timestamp,
}

impl<'a> LogEvent<'a> {
    fn of(task_id: i64, event: &'a TaskEvent) -> Self {
        Self {
            task_id,
            event_type: event.event.event_type().as_str(),
            agent_id: event.event.agent(),
            message: event.event.message().unwrap_or_default(),
            payload: event.event.payload(),
            seq: event.seq,
            timestamp: Timestamp(event.at),
        }
    }
}
