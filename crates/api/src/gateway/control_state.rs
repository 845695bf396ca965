//! `GET /api/v1/tasks/{id}/control-state`

use super::{
    limits,
    refusals::{Limited, Missing, Refused},
    spelling,
};
use crate::{
    http::{auth::Caller, error::ApiError},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::SecondsFormat;
use serde::Serialize;
use taskgate_domain::{
    query::{Access, TaskKey},
    task::{ControlNote, Task, TaskState, status::TaskStatus},
};
use utoipa::ToSchema;

/// Tells who has paused or cancelled one of the caller's tasks, and why.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/control-state", tag = "tasks", operation_id = "get_control_state",
    params(("id" = String, Path, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "The task's id.")),
    responses(
        (status = 200, description = "What was done with the task.", body = ControlStateView),
        Refused, Missing, Limited,
    ),
)]
pub(super) async fn control_state(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = spelling::task_of(&request)?;
    limits::count(&request, &state, &caller)?;
    let task = state
        .services
        .tasks
        .get(&Access::User(caller.0.user), TaskKey::Id(id))
        .await
        .map_err(ApiError::task("Failed to get control state"))?;
    Ok(HttpResponse::Ok().json(ControlStateView::of(&task)))
}

/// What was done with a task. A text is empty where there is nothing to tell.
#[derive(Serialize, ToSchema)]
#[schema(as = ControlState)]
struct ControlStateView<'a> {
    /// Whether the task is paused.
    is_paused: bool,
    /// Whether the task was cancelled.
    is_cancelled: bool,
    /// When the task was paused, to the second; empty when it is not paused.
    paused_at: String,
    /// Why the task is paused.
    pause_reason: &'a str,
    /// The user who paused the task.
    paused_by: String,
    /// Why the task was cancelled.
    cancel_reason: &'a str,
    /// The user who cancelled the task.
    cancelled_by: String,
}

impl<'a> ControlStateView<'a> {
    fn of(task: &'a Task) -> Self {
        let (pause, cancel) = match &task.state {
            TaskState::Live(live) => (live.pause.as_ref(), None),
            TaskState::Finished(finished) => (None, finished.cancel.as_ref()),
        };
        Self {
            is_paused: task.status() == TaskStatus::Paused,
            is_cancelled: task.status() == TaskStatus::Cancelled,
            paused_at: pause
                .map(|pause| pause.at.to_rfc3339_opts(SecondsFormat::Secs, true))
                .unwrap_or_default(),
            pause_reason: reason(pause),
            paused_by: user(pause),
            cancel_reason: reason(cancel),
            cancelled_by: user(cancel),
        }
    }
}

fn reason(note: Option<&ControlNote>) -> &str {
    note.and_then(|note| note.reason.as_deref()).unwrap_or_default()
}

fn user(note: Option<&ControlNote>) -> String {
    note.map(|note| note.by.to_string()).unwrap_or_default()
}
