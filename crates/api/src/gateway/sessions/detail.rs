//! `GET /api/v1/sessions/{id}`

use super::{SessionView, label, not_found};
use crate::{
    gateway::refusals::{NoSession, Refused},
    http::{auth::Caller, error::ApiError},
    server::State,
};
use actix_web::{HttpResponse, web};
use chrono::Utc;

/// Reads one of the caller's sessions.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "get_session",
    params(("id" = String, Path, description = "The session's UUID, or the client's own name for it.")),
    responses(
        (status = 200, description = "The session.", body = SessionView),
        Refused, NoSession,
    ),
)]
pub(in crate::gateway) async fn detail(
    caller: Caller,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let session = state
        .services
        .sessions
        .get(caller.0.user, &label(&name)?)
        .await
        .map_err(ApiError::store("Failed to get session"))?
        .ok_or_else(not_found)?;
    Ok(HttpResponse::Ok().json(SessionView::of(&session, Utc::now())))
}
