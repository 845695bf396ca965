//! `GET /api/v1/tasks/{id}/events`

use super::{
    event::EventView,
    limits,
    refusals::{Limited, Missing, Refused},
    spelling,
};
use crate::{
    http::{auth::Caller, edge::path_parameter, error::ApiError, query::Query},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use taskgate_domain::{
    id::TaskId,
    query::{Access, TaskKey},
};
use utoipa::ToSchema;

/// Lists what has happened to one of the caller's tasks, in order.
///
/// Pieces of model output (LLM_PARTIAL) are streamed only, so numbers may have
/// gaps.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/events", tag = "tasks", operation_id = "list_task_events",
    params(
        ("id" = String, Path, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "The task's id."),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 200, description = "How many events; 50 if absent."),
        ("offset" = Option<i64>, Query, minimum = 0, description = "How many events to skip."),
    ),
    responses(
        (status = 200, description = "The events.", body = EventList, headers(
            ("X-RateLimit-Limit-Minute" = i64, description = "Requests that a minute takes."),
            ("X-RateLimit-Remaining-Minute" = i64, description = "How many of them are left."),
            ("X-RateLimit-Reset" = i64, description = "When more are left, in seconds since 1970."),
        )),
        Refused, Missing, Limited,
    ),
)]
pub(super) async fn events(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = path_parameter(&request, "id");
    if !spelling::is_id(id) {
        return Err(ApiError::invalid("Invalid task ID"));
    }
    let (offset, limit) = page(request.query_string())?;
    limits::count(&request, &state, &caller)?;
    let key: TaskId = id.parse().map_err(|_| ApiError::NotFound("Task not found"))?;
    let (_, events) = state
        .services
        .events
        .history(&Access::User(caller.0.user), TaskKey::Id(key), offset, limit)
        .await
        .map_err(ApiError::task("Failed to list task events"))?;
    let events: Vec<_> = events.iter().map(|event| EventView::of(id, event)).collect();
    Ok(HttpResponse::Ok().json(EventList { count: events.len(), events }))
}

/// Reads offset and limit.
fn page(text: &str) -> Result<(i64, u16), ApiError> {
    let query = Query::read(text, &["limit", "offset"])?;
    let no_limit = || ApiError::invalid("Invalid limit parameter");
    let no_offset = || ApiError::invalid("Invalid offset parameter");
    let limit = query.integer("limit", no_limit())?.unwrap_or(50);
    let limit = u16::try_from(limit).ok().filter(|limit| (1..=200).contains(limit));
    let offset = query.integer("offset", no_offset())?.unwrap_or(0);
    if offset < 0 {
        return Err(no_offset());
    }
    Ok((offset, limit.ok_or_else(no_limit)?))
}

/// A part of what has happened to a task.
#[derive(Serialize, ToSchema)]
pub(super) struct EventList<'a> {
    /// The oldest first.
    events: Vec<EventView<'a>>,
    /// How many events these are.
    count: usize,
}
