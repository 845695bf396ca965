//! `GET /api/v1/tasks/{id}` and `POST /api/v1/tasks/{id}/cancel`: one task.

use super::{
    Done, Envelope, access, count, detail,
    refusals::{Limited, Missing, Refused},
    reply,
    view::{Status, TaskDetail},
};
use crate::{
    http::{auth::Caller, edge, error::ApiError},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use taskgate_domain::{control::Control, id::TaskNumber, query::TaskKey};

/// Shows all of a task.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}", tag = "tasks",
    security((), ("api_key" = []), ("bearer" = [])),
    params(("id" = i64, Path, minimum = 1, description = "Task ID.")),
    responses(
        (status = 200, description = "The task.", body = Envelope<TaskDetail>),
        Refused, Missing,
    ),
)]
pub(super) async fn get(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = task_key(&request)?;
    let task = state
        .services
        .tasks
        .get(&access(&caller), key)
        .await
        .map_err(ApiError::task("Failed to get task"))?;
    Ok(reply(StatusCode::OK, "success", detail(task)?))
}

/// Cancels a task that has not ended.
///
/// A task that has ended cannot be cancelled: 400.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/cancel", tag = "tasks",
    security((), ("api_key" = []), ("bearer" = [])),
    params(("id" = i64, Path, minimum = 1, description = "Task ID.")),
    responses(
        (status = 200, description = "The task is cancelled.", body = Done),
        Refused, Missing, Limited,
    ),
)]
pub(super) async fn cancel(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = task_key(&request)?;
    count(&request, &state, &caller)?;
    let cancellation = state
        .services
        .tasks
        .control(&access(&caller), key, caller.0.user, Control::Cancel, None, None)
        .await
        .map_err(ApiError::task("Failed to cancel task"))?;
    if !cancellation.accepted {
        let status = Status::from(cancellation.status);
        let sentence = format!("Cannot cancel task (already {})", status.as_str());
        return Err(ApiError::invalid(sentence));
    }
    Ok(reply(StatusCode::OK, "Task cancelled", None::<()>))
}

fn task_key(request: &HttpRequest) -> Result<TaskKey, ApiError> {
    task_number(request).map(TaskKey::Number)
}

/// The task that the path names.
pub(super) fn task_number(request: &HttpRequest) -> Result<TaskNumber, ApiError> {
    let text = edge::path_parameter(request, "id");
    // `parse` would also take a plus sign.
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
    let number = number.flatten().and_then(|number| TaskNumber::new(number).ok());
    number.ok_or_else(|| ApiError::invalid("id must be a positive integer"))
}
