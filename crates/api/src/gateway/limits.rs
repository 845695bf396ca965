//! What guards a write from being sent too often, or twice.

use crate::{
    http::{auth::Caller, error::ApiError},
    server::State,
};
use actix_web::{HttpMessage, HttpRequest, HttpResponseBuilder, http::header::HeaderValue};
use taskgate_domain::task::submit::IdempotencyKey;

/// Counts a request against its key's limit; the edge writes the headers.
pub(super) fn count(request: &HttpRequest, state: &State, caller: &Caller) -> Result<(), ApiError> {
    let (quota, answer) = state.limiter.admit(caller.0.key);
    request.extensions_mut().insert(quota);
    answer
}

/// A request that its client may repeat.
pub(super) struct Repeatable {
    header: HeaderValue,
    /// The identity of the request.
    pub(super) key: IdempotencyKey,
}

impl Repeatable {
    /// Reads the header `Idempotency-Key`; an empty one counts as absent.
    pub(super) fn read(
        request: &HttpRequest,
        caller: &Caller,
        body: &[u8],
    ) -> Result<Option<Self>, ApiError> {
        let Some(header) = request.headers().get("idempotency-key").filter(|key| !key.is_empty())
        else {
            return Ok(None);
        };
        let text = std::str::from_utf8(header.as_bytes())
            .map_err(|_| ApiError::invalid("Idempotency-Key must be UTF-8"))?;
        let key = IdempotencyKey::derive(text, caller.0.user, request.path(), body)?;
        Ok(Some(Self { header: header.clone(), key }))
    }

    /// Marks an answer as that to an earlier request.
    pub(super) fn mark(&self, response: &mut HttpResponseBuilder) {
        response
            .insert_header(("X-Idempotency-Cached", "true"))
            .insert_header(("X-Idempotency-Key", self.header.clone()));
    }
}
