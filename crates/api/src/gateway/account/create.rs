//! `POST /api/v1/auth/api-keys`

use super::{NO_STORE, failed};
use crate::{
    gateway::{
        limits,
        refusals::{AccountRefused, AccountSlow, Limited, NewKeyInvalid},
    },
    http::{
        auth::{Caller, NO_KEY},
        body,
        error::ApiError,
        reply::Timestamp,
    },
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use taskgate_domain::{
    error::InvalidValue,
    key::{KeyGrant, KeyOwner, Principal, Scope},
};
use utoipa::ToSchema;

const OPERATION: &str = "Failed to create API key";

/// Makes another API key of the caller. It is for this API alone, and expires
/// at the same time as the key that the request shows. To revoke that one does
/// not revoke it; an operator lists and revokes a user's keys with
/// `taskgate keys`.
#[utoipa::path(
    post, path = "/api/v1/auth/api-keys", tag = "account", operation_id = "create_api_key",
    request_body = KeyBody,
    responses(
        (status = 201, description = "The key; its secret is shown this once.", body = CreatedView),
        AccountRefused, NewKeyInvalid, AccountSlow, Limited,
    ),
)]
pub(in crate::gateway) async fn create(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    // There is nobody whose key it would be: the store may not have the user.
    if caller.0.key == NO_KEY {
        return Err(ApiError::ApiKeyNeeded("Only a caller with a key can make another"));
    }
    let body = body::read(&state, &request, payload, body::LIMIT).await?;
    let body: KeyBody = body.decode(body::json).await?;
    let grant = body.grant(&caller.0)?;
    limits::count(&request, &state, &caller)?;
    let keys = &state.services.keys;
    let own = keys.of(&caller.0).await.map_err(ApiError::store(OPERATION))?;
    let own = own.into_iter().find(|key| key.is(caller.0.key));
    // A key that was revoked may still be taken for a moment, but does not get
    // to leave another one behind.
    if own.as_ref().is_some_and(|key| !key.is_valid_at(Utc::now())) {
        return Err(ApiError::Unauthorized);
    }
    let grant = grant.until(own.and_then(|key| key.expires_at));
    let (secret, key) = keys.create(grant).await.map_err(failed(OPERATION))?;
    Ok(HttpResponse::Created().insert_header(NO_STORE).json(CreatedView {
        id: key.principal.key.to_string(),
        name: &key.name,
        api_key: secret.reveal(),
        key_prefix: &key.hint,
        created_at: Timestamp(key.created_at),
        expires_at: key.expires_at.map(Timestamp),
        warning: "Keep this key: it is not shown again",
    }))
}

/// What a new key is.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewApiKey)]
struct KeyBody {
    /// What people call it: 1 to 100 characters without control characters.
    #[schema(required, nullable = false)]
    name: Option<String>,
    /// What it is for: at most 500 characters without control characters.
    description: Option<String>,
}

impl KeyBody {
    /// The right to use this API, and nothing that the caller's key may not.
    fn grant(self, caller: &Principal) -> Result<KeyGrant, InvalidValue> {
        let name = self.name.unwrap_or_default();
        let owner = KeyOwner::User(caller.user);
        let projects = caller.projects.clone().unwrap_or_default();
        KeyGrant::new(name, owner, BTreeSet::from([Scope::Gateway]), projects, None)?
            .with_description(self.description.filter(|text| !text.is_empty()))
    }
}

/// A new key.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
struct CreatedView<'a> {
    /// The key's id.
    id: String,
    /// What people call it.
    name: &'a str,
    /// The key itself.
    api_key: &'a str,
    /// Its first characters.
    key_prefix: &'a str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it stops working by itself; absent when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    expires_at: Option<Timestamp>,
    /// That the key is shown this once.
    warning: &'static str,
}
