//! `POST /api/v1/tasks/{id}/cancel`

use super::{
    limits::{self, Repeat},
    refusals::{Limited, Missing, Refused, Slow},
};
use crate::{
    http::{auth::Caller, body, edge::path_parameter, error::ApiError},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use taskgate_domain::{
    control::{Control, Controlled},
    id::TaskId,
    query::{Access, TaskKey},
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
    request_body(content = Option<CancelBody>, description = "Optional; a body that cannot be read counts as none."),
    responses(
        (status = 202, description = "Whether this request ended the task.", body = CancelView, headers(
            ("X-Idempotency-Cached" = String, description = "`true` when an earlier request did it."),
            ("X-Idempotency-Key" = String, description = "The key, with the header above."),
            ("X-RateLimit-Limit-Minute" = i64, description = "Requests that a minute takes."),
            ("X-RateLimit-Remaining-Minute" = i64, description = "How many of them are left."),
            ("X-RateLimit-Reset" = i64, description = "When more are left, in seconds since 1970."),
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
    let body = body::read(&state, &request, payload, body::LIMIT).await?;
    // An id of the wrong form is unknown here (gateway contract, 0.6).
    let id: TaskId =
        path_parameter(&request, "id").parse().map_err(|_| ApiError::NotFound("Task not found"))?;
    let repeat = Repeat::of(&request, &caller);
    let decode = |bytes: &[u8]| {
        let reason = body::optional_json::<CancelBody>(bytes).reason;
        Ok((reason, repeat.map(|repeat| repeat.identify(bytes)).transpose()?))
    };
    let (reason, repeatable) = body.decode(decode).await?;
    let reason = reason.filter(|reason| !reason.is_empty());
    limits::count(&request, &state, &caller)?;
    let idempotency = repeatable.as_ref().map(|repeatable| repeatable.key);
    let by = caller.0.user;
    let cancellation = state
        .services
        .tasks
        .control(&Access::User(by), TaskKey::Id(id), by, Control::Cancel, reason, idempotency)
        .await
        .map_err(ApiError::task("Failed to cancel task"))?;
    let mut response = HttpResponse::Accepted();
    if let Some(repeatable) = repeatable.filter(|_| cancellation.replayed) {
        repeatable.mark(&mut response);
    }
    Ok(response.json(CancelView::from(cancellation)))
}

/// Why the task shall end.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = Cancel)]
pub(super) struct CancelBody {
    /// In words, for those who watch the task.
    reason: Option<String>,
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
