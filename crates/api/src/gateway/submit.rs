//! `POST /api/v1/tasks` and `POST /api/v1/tasks/stream`

use super::{
    limits::{self, Repeat},
    refusals::{Limited, Refused, Slow},
    submission::SubmitBody,
};
use crate::{
    http::{auth::Caller, body, error::ApiError, reply::Timestamp},
    server::State,
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{HeaderValue, LINK},
    },
    web,
};
use serde::Serialize;
use taskgate_domain::task::{
    Task,
    submit::{SubmissionKind, SubmitOptions},
    work::Work,
};
use utoipa::ToSchema;

/// The longest body, in bytes: attachments are part of it.
pub(super) const LIMIT: usize = 40 << 20;

/// Submits a task.
#[utoipa::path(
    post, path = "/api/v1/tasks", tag = "tasks", operation_id = "submit_task",
    params(
        ("Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255, description = "For 24 hours the same request with the same key finds the same task."),
    ),
    request_body = SubmitBody,
    responses(
        (status = 200, description = "The task is stored.", body = SubmitView, headers(
            ("X-Workflow-ID" = String, description = "The task's id."),
            ("X-Session-ID" = String, description = "The session: the given one, or a new one."),
            ("X-Idempotency-Cached" = String, description = "`true` when an earlier request made the task."),
            ("X-Idempotency-Key" = String, description = "The key, with the header above."),
        )),
        Refused, Slow, Limited,
    ),
)]
pub(super) async fn submit(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (mut response, task) = take(&request, payload, &caller, &state, StatusCode::OK).await?;
    Ok(response.json(SubmitView::from(&task)))
}

/// Submits a task, as `POST /api/v1/tasks` does, and tells where its events are
/// streamed.
#[utoipa::path(
    post, path = "/api/v1/tasks/stream", tag = "tasks", operation_id = "submit_and_stream_task",
    params(
        ("Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255, description = "For 24 hours the same request with the same key finds the same task."),
    ),
    request_body = SubmitBody,
    responses(
        (status = 201, description = "The task is stored.", body = StreamedView, headers(
            ("Link" = String, description = "`<stream_url>; rel=stream`"),
            ("X-Workflow-ID" = String, description = "The task's id."),
            ("X-Session-ID" = String, description = "The session: the given one, or a new one."),
            ("X-Idempotency-Cached" = String, description = "`true` when an earlier request made the task."),
            ("X-Idempotency-Key" = String, description = "The key, with the header above."),
        )),
        Refused, Slow, Limited,
    ),
)]
pub(super) async fn submit_and_stream(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (mut response, task) =
        take(&request, payload, &caller, &state, StatusCode::CREATED).await?;
    let view = StreamedView::from(&task);
    let link = format!("<{}>; rel=stream", view.stream_url);
    Ok(response.insert_header((LINK, link)).json(view))
}

/// Stores what a request asks for, and begins an answer with this status and
/// the headers of all submits.
async fn take(
    request: &HttpRequest,
    payload: web::Payload,
    caller: &Caller,
    state: &State,
    status: StatusCode,
) -> Result<(HttpResponseBuilder, Task), ApiError> {
    let body = body::read(state, request, payload, LIMIT).await?;
    let repeat = Repeat::of(request, caller);
    let decode = |bytes: &[u8]| {
        let work = body::json::<SubmitBody>(bytes)?.into_work()?;
        Ok((work, repeat.map(|repeat| repeat.identify(bytes)).transpose()?))
    };
    let (work, repeatable) = body.decode(decode).await?;
    limits::count(request, state, caller)?;
    let idempotency = repeatable.as_ref().map(|repeatable| repeatable.key);
    let submission = state
        .services
        .tasks
        .submit_agent(caller.0.user, work, SubmitOptions::default(), idempotency)
        .await
        .map_err(ApiError::store("Failed to submit task"))?;
    let mut response = HttpResponse::build(status);
    if let Some(repeatable) = repeatable.filter(|_| submission.kind != SubmissionKind::Created) {
        repeatable.mark(&mut response);
    }
    if let Some(session) = session_header(&submission.task) {
        response.insert_header(("X-Session-ID", session));
    }
    response.insert_header(("X-Workflow-ID", submission.task.id.to_string()));
    Ok((response, submission.task))
}

/// The session as a header; its label may have any character but controls.
fn session_header(task: &Task) -> Option<HeaderValue> {
    match &task.work {
        Work::Agent(work) => HeaderValue::from_bytes(work.session().as_str().as_bytes()).ok(),
        Work::Research(_) => None,
    }
}

/// A task that was taken. All of it is fixed, so that a repeated request gets
/// the same answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Submission)]
pub(super) struct SubmitView {
    /// The task's id.
    task_id: String,
    /// Always `STATUS_CODE_OK`.
    status: &'static str,
    /// The same in words.
    message: &'static str,
    /// When the task was submitted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The task's id.
    workflow_id: String,
}

impl From<&Task> for SubmitView {
    fn from(task: &Task) -> Self {
        Self {
            task_id: task.id.to_string(),
            status: "STATUS_CODE_OK",
            message: "Task submitted",
            created_at: Timestamp(task.created_at),
            workflow_id: task.id.to_string(),
        }
    }
}

/// A task that was taken, and where to watch it.
#[derive(Serialize, ToSchema)]
#[schema(as = StreamedSubmission)]
pub(super) struct StreamedView {
    /// The task's id.
    workflow_id: String,
    /// The task's id.
    task_id: String,
    /// Where its events are streamed, relative to this server.
    #[schema(example = "/api/v1/stream/sse?workflow_id=task_01JARZ3NDEKTSV4RRFFQ69G5FA")]
    stream_url: String,
}

impl From<&Task> for StreamedView {
    fn from(task: &Task) -> Self {
        let stream_url = format!("/api/v1/stream/sse?workflow_id={}", task.id);
        Self { workflow_id: task.id.to_string(), task_id: task.id.to_string(), stream_url }
    }
}
