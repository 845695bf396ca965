//! `DELETE /api/v1/auth/api-keys/{id}`

use crate::{
    gateway::refusals::{AccountInvalid, AccountRefused, NoKey},
    http::{auth::Caller, edge::path_parameter, error::ApiError},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use taskgate_domain::id::KeyId;
use utoipa::ToSchema;
use uuid::Uuid;

/// Ends the validity of one of the caller's API keys that may do no more than
/// the one that the request shows, or of that one.
#[utoipa::path(
    delete, path = "/api/v1/auth/api-keys/{id}", tag = "account", operation_id = "revoke_api_key",
    params(("id" = String, Path, description = "The key's id, a UUID.")),
    responses(
        (status = 200, description = "The key works no more.", body = RevokedView),
        AccountRefused, AccountInvalid, NoKey,
    ),
)]
pub(in crate::gateway) async fn revoke(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = Uuid::try_parse(path_parameter(&request, "id"))
        .map_err(|_| ApiError::invalid("The id of a key is a UUID"))?;
    let revoked = state.services.keys.revoke_own(&caller.0, KeyId(id)).await;
    if !revoked.map_err(ApiError::store("Failed to revoke API key"))? {
        return Err(ApiError::NotFound("API key not found"));
    }
    Ok(HttpResponse::Ok().json(RevokedView { success: true, message: "API key revoked" }))
}

/// What came of it.
#[derive(Serialize, ToSchema)]
#[schema(as = RevokedApiKey)]
struct RevokedView {
    /// Always true.
    success: bool,
    /// The same in words.
    message: &'static str,
}
