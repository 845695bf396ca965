//! What guards a write from being sent too often, or twice.

pub(super) use crate::http::auth::count;

use crate::http::{auth::Caller, error::ApiError};
use actix_web::{HttpRequest, HttpResponseBuilder, http::header::HeaderValue};
use taskgate_domain::{id::UserId, task::submit::IdempotencyKey};

/// What a client says to be able to repeat a request, before the body is seen.
pub(super) struct Repeat {
    header: HeaderValue,
    user: UserId,
    path: String,
}

impl Repeat {
    /// Takes the header `Idempotency-Key`; an empty one counts as absent.
    pub(super) fn of(request: &HttpRequest, caller: &Caller) -> Option<Self> {
        let header = request.headers().get("idempotency-key").filter(|key| !key.is_empty())?;
        let (user, path) = (caller.0.user, request.path().to_owned());
        Some(Self { header: header.clone(), user, path })
    }

    /// Works out the identity of the request with this body.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] when the header breaks a rule.
    pub(super) fn identify(self, body: &[u8]) -> Result<Repeatable, ApiError> {
        let text = std::str::from_utf8(self.header.as_bytes())
            .map_err(|_| ApiError::invalid("Idempotency-Key must be UTF-8"))?;
        let key = IdempotencyKey::derive(text, self.user, &self.path, body)?;
        Ok(Repeatable { header: self.header, key })
    }
}

/// A request that its client may repeat.
pub(super) struct Repeatable {
    header: HeaderValue,
    /// The identity of the request.
    pub(super) key: IdempotencyKey,
}

impl Repeatable {
    /// Marks an answer as that to an earlier request.
    pub(super) fn mark(&self, response: &mut HttpResponseBuilder) {
        response
            .insert_header(("X-Idempotency-Cached", "true"))
            .insert_header(("X-Idempotency-Key", self.header.clone()));
    }
}
