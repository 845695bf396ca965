//! `GET /api/v1/auth/api-keys`

use crate::{
    gateway::refusals::AccountRefused,
    http::{auth::Caller, error::ApiError, reply::Timestamp},
    server::State,
};
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use taskgate_domain::key::ApiKey;
use utoipa::ToSchema;

/// Lists the caller's API keys that may do no more than the one that the
/// request shows, also those that work no more, the newest first.
#[utoipa::path(
    get, path = "/api/v1/auth/api-keys", tag = "account", operation_id = "list_api_keys",
    responses((status = 200, description = "The keys.", body = KeyList), AccountRefused),
)]
pub(in crate::gateway) async fn list(
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let keys = state.services.keys.of(&caller.0).await;
    let keys = keys.map_err(ApiError::store("Failed to list API keys"))?;
    let now = Utc::now();
    let view = KeyList {
        keys: keys.iter().rev().map(|key| KeyView::of(key, now)).collect(),
        total: keys.len(),
    };
    Ok(HttpResponse::Ok().json(view))
}

/// Keys of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyList)]
struct KeyList<'a> {
    /// The keys, the newest first.
    keys: Vec<KeyView<'a>>,
    /// How many there are.
    total: usize,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct KeyView<'a> {
    /// The key's id.
    id: String,
    /// What people call it.
    name: &'a str,
    /// The first characters of its secret.
    key_prefix: &'a str,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<&'a str>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it stops working by itself; absent when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    expires_at: Option<Timestamp>,
    /// Whether it works: it was not revoked and has not expired.
    is_active: bool,
}

impl<'a> KeyView<'a> {
    fn of(key: &'a ApiKey, now: DateTime<Utc>) -> Self {
        Self {
            id: key.principal.key.to_string(),
            name: &key.name,
            key_prefix: &key.hint,
            description: key.description.as_deref(),
            created_at: Timestamp(key.created_at),
            expires_at: key.expires_at.map(Timestamp),
            is_active: key.is_valid_at(now),
        }
    }
}
