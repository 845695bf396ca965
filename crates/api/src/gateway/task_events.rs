//! `GET /api/v1/tasks/{id}/events`

use super::{
    event::EventView,
    limits, paging,
    refusals::{Limited, Missing, Refused},
    spelling,
};
use crate::{
    http::{auth::Caller, error::ApiError, query::Query},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use taskgate_domain::query::{Access, TaskKey};
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
        (status = 200, description = "The events.", body = EventList),
        Refused, Missing, Limited,
    ),
)]
pub(super) async fn events(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = spelling::name_of_task(&request)?;
    let query = Query::read(request.query_string(), &["limit", "offset"])?;
    let (limit, offset) = paging::part(&query, 50, 200)?;
    limits::count(&request, &state, &caller)?;
    let key = TaskKey::Id(spelling::task_named(id)?);
    let (_, events) = state
        .services
        .events
        .history(&Access::User(caller.0.user), key, offset, limit)
        .await
        .map_err(ApiError::task("Failed to list task events"))?;
    let events: Vec<_> = events.iter().map(|event| EventView::of(id, event)).collect();
    Ok(HttpResponse::Ok().json(EventList { count: events.len(), events }))
}

/// A part of what has happened to a task.
#[derive(Serialize, ToSchema)]
pub(super) struct EventList<'a> {
    /// The oldest first.
    events: Vec<EventView<'a>>,
    /// How many events these are.
    count: usize,
}
