//! `GET /api/v1/auth/me`

use crate::{
    gateway::refusals::AccountRefused,
    http::{auth::Caller, error::ApiError},
    rate_limit::RateLimiter,
    server::State,
};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

/// The name of a user or tenant that no stored key has named.
const DEFAULT: &str = "default";

/// Tells who calls, and how many more requests a minute takes.
#[utoipa::path(
    get, path = "/api/v1/auth/me", tag = "account", operation_id = "get_me",
    responses((status = 200, description = "The caller.", body = MeView), AccountRefused),
)]
pub(in crate::gateway) async fn me(
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let keys = state.services.keys.of(&caller.0).await;
    let keys = keys.map_err(ApiError::store("Failed to get user"))?;
    let key = keys.first();
    let minute =
        Minute { limit: RateLimiter::PER_MINUTE, remaining: state.limiter.remaining(caller.0.key) };
    Ok(HttpResponse::Ok().json(MeView {
        user_id: caller.0.user.to_string(),
        tenant_id: caller.0.tenant.to_string(),
        email: "",
        username: key.map_or(DEFAULT, |key| &key.user),
        tenant: key.map_or(DEFAULT, |key| &key.tenant),
        rate_limits: RateLimits { minute },
    }))
}

/// Who calls.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
struct MeView<'a> {
    /// The user.
    user_id: String,
    /// The user's tenant.
    tenant_id: String,
    /// Always empty: none is kept.
    email: &'static str,
    /// The user's name.
    username: &'a str,
    /// The tenant's name.
    tenant: &'a str,
    /// What the caller's key may still ask for.
    rate_limits: RateLimits,
}

/// What a key may still ask for.
#[derive(Serialize, ToSchema)]
struct RateLimits {
    /// In a minute.
    minute: Minute,
}

/// Requests of a minute.
#[derive(Serialize, ToSchema)]
struct Minute {
    /// How many a minute takes.
    limit: usize,
    /// How many of them are left. To ask this costs none.
    remaining: usize,
}
