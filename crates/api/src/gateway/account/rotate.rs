//! `POST /api/v1/auth/refresh-key`

use super::{NO_STORE, failed};
use crate::{
    gateway::refusals::{AccountRefused, NoStoredKey},
    http::{auth::Caller, error::ApiError},
    server::State,
};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

const NOT_STORED: ApiError = ApiError::ApiKeyNeeded("Only a key from the store can be replaced");

/// Puts a new API key in the place of the one that the request shows, with the
/// same rights, the same expiry and the same rate limit. The old one stops
/// working at the same time.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh-key", tag = "account", operation_id = "rotate_api_key",
    responses(
        (status = 200, description = "The new key, shown this once.", body = RotatedView),
        AccountRefused, NoStoredKey,
    ),
)]
pub(in crate::gateway) async fn rotate(
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let rotated = state.services.keys.rotate(&caller.0).await;
    let (secret, key) = rotated.map_err(failed("Failed to rotate API key"))?.ok_or(NOT_STORED)?;
    state.limiter.inherit(caller.0.key, key.principal.key);
    Ok(HttpResponse::Ok().insert_header(NO_STORE).json(RotatedView {
        api_key: secret.reveal(),
        key_prefix: &key.hint,
        previous_key_revoked: true,
    }))
}

/// A key in the place of another.
#[derive(Serialize, ToSchema)]
#[schema(as = RotatedApiKey)]
struct RotatedView<'a> {
    /// The new key itself.
    api_key: &'a str,
    /// Its first characters.
    key_prefix: &'a str,
    /// Always true: the key that the request shows works no more.
    previous_key_revoked: bool,
}
