//! `GET /api/v1/stream/sse`, `GET /api/v1/tasks/{id}/stream` and
//! `GET /api/v1/stream/ws`: a task's events while they happen.

mod filter;
mod frame;
mod socket;

pub(super) use frame::{Completed, ControlTold, Delta};
pub(super) use socket::{__path_ws, ws};

use super::{
    event::place,
    refusals::{Missing, Refused},
    spelling,
};
use crate::{
    http::{
        auth::Caller,
        error::ApiError,
        query::Query,
        stream::{respond, resume_header},
    },
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use filter::Types;
use frame::Frames;
use taskgate_domain::{
    event::Position,
    query::{Access, TaskKey},
    usecase::events::Follow,
};

/// Streams the events of one of the caller's tasks as server-sent events: those
/// behind the place to resume from, then each as it happens.
///
/// Frames have an `id` to resume from (`<milliseconds>-<seq>`), the event's type
/// as `event`, and an `Event` as `data`. Some types have a name of their own
/// here: LLM_PARTIAL is `thread.message.delta` with a `Delta`, LLM_OUTPUT is
/// `thread.message.completed` with a `Completed`, ERROR_OCCURRED is `error`,
/// WORKFLOW_PAUSING, _PAUSED, _RESUMED, _CANCELLING and _CANCELLED are
/// `workflow.pausing` and so on with a `ControlEvent`. The last frame is always
/// `done` with the data `[DONE]`, at once when the task has ended; a connection
/// that breaks off before it is to be resumed. A comment is sent every ten
/// seconds.
#[utoipa::path(
    get, path = "/api/v1/stream/sse", tag = "streams", operation_id = "stream_events",
    params(
        ("workflow_id" = String, Query, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "The task's id."),
        ("types" = Option<String>, Query, description = "Only events of these types, in either spelling, between commas: at most 100 names of at most 64 characters. Unless STREAM_END is among them, the stream ends at WORKFLOW_COMPLETED."),
        ("last_event_id" = Option<String>, Query, pattern = "^[0-9]+(-[0-9]+)?$", description = "Only events behind this frame's id, or behind this `seq`."),
        ("Last-Event-ID" = Option<String>, Header, nullable = false, description = "The same, and wins; ignored when it is malformed."),
    ),
    responses(
        (status = 200, description = "The stream.", content_type = "text/event-stream", body = String, headers(
            ("Cache-Control" = String, description = "`no-cache`"),
            ("X-Accel-Buffering" = String, description = "`no`"),
        )),
        Refused, Missing,
    ),
)]
pub(super) async fn sse(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Subscription::by_query(&request)?.stream(&caller, &state).await
}

/// Streams the events of one of the caller's tasks as server-sent events, as
/// `GET /api/v1/stream/sse` does.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/stream", tag = "streams", operation_id = "stream_task",
    params(
        ("id" = String, Path, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "The task's id."),
        ("types" = Option<String>, Query, description = "Only events of these types, between commas: at most 100 names of at most 64 characters."),
        ("last_event_id" = Option<String>, Query, pattern = "^[0-9]+(-[0-9]+)?$", description = "Only events behind this frame's id, or behind this `seq`."),
        ("Last-Event-ID" = Option<String>, Header, nullable = false, description = "The same, and wins; ignored when it is malformed."),
    ),
    responses(
        (status = 200, description = "The stream.", content_type = "text/event-stream", body = String),
        Refused, Missing,
    ),
)]
pub(super) async fn of_task(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Subscription::by_path(&request)?.stream(&caller, &state).await
}

/// What a client wants to follow.
struct Subscription {
    /// The task's id, of the right form at least.
    workflow: String,
    from: Position,
    types: Types,
}

impl Subscription {
    /// The task that the query names.
    fn by_query(request: &HttpRequest) -> Result<Self, ApiError> {
        let query =
            Query::read(request.query_string(), &["workflow_id", "types", "last_event_id"])?;
        let workflow = query.get("workflow_id").filter(|id| spelling::is_id(id));
        let workflow =
            workflow.ok_or_else(|| ApiError::invalid("Invalid or missing workflow_id"))?.to_owned();
        Self::read(request, &query, workflow)
    }

    /// The task that the path names.
    fn by_path(request: &HttpRequest) -> Result<Self, ApiError> {
        let id = spelling::name_of_task(request)?;
        let query = Query::read(request.query_string(), &["types", "last_event_id"])?;
        Self::read(request, &query, id.to_owned())
    }

    fn read(request: &HttpRequest, query: &Query, workflow: String) -> Result<Self, ApiError> {
        let asked = query
            .get("last_event_id")
            .map(|id| place(id).ok_or_else(|| ApiError::invalid("Invalid last_event_id")));
        let asked = asked.transpose()?;
        let from = resume_header(request).and_then(place).or(asked).unwrap_or_default();
        let types = Types::read(query.get("types").unwrap_or_default())?;
        Ok(Self { workflow, from, types })
    }

    async fn follow(&self, caller: &Caller, state: &State) -> Result<Follow, ApiError> {
        let id = spelling::task_named(&self.workflow)?;
        state
            .services
            .events
            .follow(&Access::User(caller.0.user), TaskKey::Id(id), self.from)
            .await
            .map_err(ApiError::task("Failed to stream events"))
    }

    async fn stream(self, caller: &Caller, state: &State) -> Result<HttpResponse, ApiError> {
        let follow = self.follow(caller, state).await?;
        let comment = format!("connected to workflow {}", self.workflow);
        let frames = Frames { workflow: self.workflow, types: self.types };
        Ok(respond(follow, self.from, state.services.stopping.clone(), &comment, frames))
    }
}
