//! `DELETE /api/v1/sessions/{id}`

use super::{label, not_found};
use crate::{
    gateway::{
        limits,
        refusals::{Limited, NoSession, Refused},
    },
    http::{auth::Caller, error::ApiError},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};

/// Hides one of the caller's sessions; its tasks stay. To repeat it changes
/// nothing.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "delete_session",
    params(("id" = String, Path, description = "The session's UUID, or the client's own name for it.")),
    responses(
        (status = 204, description = "The session is hidden."),
        Refused, NoSession, Limited,
    ),
)]
pub(in crate::gateway) async fn delete(
    request: HttpRequest,
    caller: Caller,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let label = label(&name)?;
    limits::count(&request, &state, &caller)?;
    let sessions = &state.services.sessions;
    let deleted = sessions
        .delete(caller.0.user, &label)
        .await
        .map_err(ApiError::store("Failed to delete session"))?;
    if deleted { Ok(HttpResponse::NoContent().finish()) } else { Err(not_found()) }
}
