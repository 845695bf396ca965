//! `POST /api/v1/tasks/{id}/cancel`, `…/pause` and `…/resume`

use super::{
    limits::{self, Repeat},
    refusals::{Limited, Missing, Refused, Slow, WrongState},
    spelling,
};
use crate::{
    http::{auth::Caller, body, edge::path_parameter, error::ApiError},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use taskgate_domain::{
    control::{Control, Controlled},
    id::TaskId,
    query::{Access, TaskKey},
    task::status::TaskStatus,
};
use utoipa::ToSchema;

/// Cancels one of the caller's tasks at once. A task that had ended stays as
/// it is; that is told in the answer and is no error.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/cancel", tag = "tasks", operation_id = "cancel_task",
    params(
        ("id" = String, Path, description = "The task's id."),
        ("Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255, description = "For 24 hours the same request with the same key gets the same answer."),
    ),
    request_body(content = Option<ControlBody>, description = "Optional; a body that cannot be read counts as none."),
    responses(
        (status = 202, description = "Whether this request ended the task.", body = CancelView, headers(
            ("X-Idempotency-Cached" = String, description = "`true` when an earlier request did it."),
            ("X-Idempotency-Key" = String, description = "The key, with the header above."),
        )),
        Refused, Slow, Missing, Limited,
    ),
)]
pub(super) async fn cancel(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Answer { controlled, mut response, .. } =
        control(Control::Cancel, &request, payload, caller, &state).await?;
    Ok(response.json(CancelView::from(controlled)))
}

/// Pauses one of the caller's tasks at once: no worker takes it, and one that
/// holds it is told at its next heartbeat.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/pause", tag = "tasks", operation_id = "pause_task",
    params(
        ("id" = String, Path, description = "The task's id."),
        ("Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255, description = "For 24 hours the same request with the same key gets the same answer."),
    ),
    request_body(content = Option<ControlBody>, description = "Optional; a body that cannot be read counts as none."),
    responses(
        (status = 202, description = "The task is paused.", body = ControlView, headers(
            ("X-Idempotency-Cached" = String, description = "`true` when an earlier request did it."),
            ("X-Idempotency-Key" = String, description = "The key, with the header above."),
        )),
        Refused, Slow, Missing, WrongState, Limited,
    ),
)]
pub(super) async fn pause(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    control(Control::Pause, &request, payload, caller, &state).await?.moved("Pause signal sent")
}

/// Lets one of the caller's paused tasks go on: with the worker that still
/// holds it, else from its place in the queue.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/resume", tag = "tasks", operation_id = "resume_task",
    params(
        ("id" = String, Path, description = "The task's id."),
        ("Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255, description = "For 24 hours the same request with the same key gets the same answer."),
    ),
    request_body(content = Option<ControlBody>, description = "Optional; a body that cannot be read counts as none."),
    responses(
        (status = 202, description = "The task goes on.", body = ControlView, headers(
            ("X-Idempotency-Cached" = String, description = "`true` when an earlier request did it."),
            ("X-Idempotency-Key" = String, description = "The key, with the header above."),
        )),
        Refused, Slow, Missing, WrongState, Limited,
    ),
)]
pub(super) async fn resume(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    control(Control::Resume, &request, payload, caller, &state).await?.moved("Resume signal sent")
}

/// What came of a control, with the answer begun.
struct Answer {
    control: Control,
    task: TaskId,
    controlled: Controlled,
    response: HttpResponseBuilder,
}

async fn control(
    control: Control,
    request: &HttpRequest,
    payload: web::Payload,
    caller: Caller,
    state: &State,
) -> Result<Answer, ApiError> {
    let body = body::read(state, request, payload, body::LIMIT).await?;
    // An id of the wrong form is unknown here (gateway contract, 0.6).
    let task = spelling::task_named(path_parameter(request, "id"))?;
    let repeat = Repeat::of(request, &caller);
    let decode = |bytes: &[u8]| {
        let reason = body::optional_json::<ControlBody>(bytes).reason;
        Ok((reason, repeat.map(|repeat| repeat.identify(bytes)).transpose()?))
    };
    let (reason, repeatable) = body.decode(decode).await?;
    let reason = reason.filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > ControlBody::MAX_REASON) {
        return Err(ApiError::invalid("reason must have at most 2000 characters"));
    }
    limits::count(request, state, &caller)?;
    let idempotency = repeatable.as_ref().map(|repeatable| repeatable.key);
    let by = caller.0.user;
    let controlled = state
        .services
        .tasks
        .control(&Access::User(by), TaskKey::Id(task), by, control, reason, idempotency)
        .await
        .map_err(ApiError::task(operation(control)))?;
    let mut response = HttpResponse::Accepted();
    if let Some(repeatable) = repeatable.filter(|_| controlled.replayed) {
        repeatable.mark(&mut response);
    }
    Ok(Answer { control, task, controlled, response })
}

const fn operation(control: Control) -> &'static str {
    match control {
        Control::Cancel => "Failed to cancel task",
        Control::Pause => "Failed to pause task",
        Control::Resume => "Failed to resume task",
    }
}

impl Answer {
    /// The answer of a control that is an error where it moves nothing.
    fn moved(mut self, message: &'static str) -> Result<HttpResponse, ApiError> {
        if !self.controlled.accepted {
            return Err(ApiError::Conflict(refusal(self.control, self.controlled.status)));
        }
        let view = ControlView { success: true, message, task_id: self.task.to_string() };
        Ok(self.response.json(view))
    }
}

/// Why a control does not move a task that is where it is (gateway contract,
/// section 12).
fn refusal(control: Control, status: TaskStatus) -> Cow<'static, str> {
    match (control, status) {
        (Control::Pause, TaskStatus::Paused) => "task is already paused".into(),
        (Control::Resume, TaskStatus::Queued | TaskStatus::Running) => "task is not paused".into(),
        (Control::Resume, _) => format!("cannot resume {status} task").into(),
        (Control::Pause, _) => format!("cannot pause {status} task").into(),
        (Control::Cancel, _) => format!("cannot cancel {status} task").into(),
    }
}

/// Why the task shall be cancelled, paused or resumed.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = Control)]
pub(super) struct ControlBody {
    /// In words, for those who watch the task.
    #[schema(max_length = 2000)]
    reason: Option<String>,
}

impl ControlBody {
    /// The longest reason, in characters.
    const MAX_REASON: usize = 2_000;
}

/// What came of a cancel.
#[derive(Serialize, ToSchema)]
#[schema(as = Cancellation)]
pub(super) struct CancelView {
    /// Whether the request ended the task.
    success: bool,
    /// The same in words.
    message: String,
}

impl From<Controlled> for CancelView {
    fn from(cancellation: Controlled) -> Self {
        let message = if cancellation.accepted {
            "Task cancelled".to_owned()
        } else {
            format!("Failed to cancel task: it is already {}", cancellation.status)
        };
        Self { success: cancellation.accepted, message }
    }
}

/// What came of a pause or resume.
#[derive(Serialize, ToSchema)]
#[schema(as = Controlled)]
pub(super) struct ControlView {
    /// Always true.
    success: bool,
    /// The same in words.
    message: &'static str,
    /// The task's id.
    task_id: String,
}
