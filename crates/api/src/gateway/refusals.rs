//! The refusals of the face, for its OpenAPI document. What is sent comes from
//! the table in [`http::error`](crate::http::error).
#![expect(dead_code, reason = "these types describe answers and are never made")]

use crate::http::error::{CodedBody, ErrorBody, RateLimitBody};
use utoipa::IntoResponses;

/// What every route may answer.
#[derive(IntoResponses)]
pub(super) enum Refused {
    /// The request breaks a rule, which the error names.
    #[response(status = 400)]
    Invalid(ErrorBody<'static>),
    /// There is no valid API key in the request.
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "How to show a key.")))]
    Unauthorized(ErrorBody<'static>),
    /// The API key is not for this API.
    #[response(status = 403)]
    Forbidden(ErrorBody<'static>),
    /// The route does not take this method.
    #[response(status = 405, headers(("Allow" = String, description = "The methods that it takes.")))]
    MethodNotAllowed(ErrorBody<'static>),
    /// The store failed.
    #[response(status = 500)]
    Failed(ErrorBody<'static>),
    /// The store has no capacity now.
    #[response(status = 503, headers(("Retry-After" = i64, description = "Seconds to wait.")))]
    Busy(ErrorBody<'static>),
}

/// What the routes that take a body may answer besides.
#[derive(IntoResponses)]
pub(super) enum Slow {
    /// The body took too long to arrive.
    #[response(status = 408)]
    BodyTimeout(ErrorBody<'static>),
}

/// What the routes of one task may answer besides.
#[derive(IntoResponses)]
pub(super) enum Missing {
    /// The caller has no such task.
    #[response(status = 404)]
    NotFound(ErrorBody<'static>),
}

/// What the routes of one session may answer besides.
#[derive(IntoResponses)]
pub(super) enum NoSession {
    /// The caller has no such session.
    #[response(status = 404)]
    NotFound(ErrorBody<'static>),
}

/// What the events of a session may be answered besides.
#[derive(IntoResponses)]
pub(super) enum TooMuch {
    /// There are over 5000 events, or over 64 MiB of text.
    #[response(status = 413)]
    AnswerTooLarge(ErrorBody<'static>),
}

/// What pause and resume may answer besides.
#[derive(IntoResponses)]
pub(super) enum WrongState {
    /// The task is not where it can be paused or resumed; the error says where
    /// it is.
    #[response(status = 409)]
    Conflict(ErrorBody<'static>),
}

/// What the routes of a review may answer besides.
#[derive(IntoResponses)]
pub(super) enum NoReview {
    /// The caller has no such task, or no plan of it was proposed.
    #[response(status = 404)]
    NotFound(ErrorBody<'static>),
}

/// What a word on a plan may be answered besides.
#[derive(IntoResponses)]
pub(super) enum WrongPlan {
    /// There is another plan by now, or will be in a moment; or it is too late for
    /// the word. The error says which.
    #[response(status = 409)]
    Conflict(ErrorBody<'static>),
}

/// What a remark on a plan may be answered besides.
#[derive(IntoResponses)]
pub(super) enum NotPlanned {
    /// The remark is taken, and no other plan has come of it: the task has ended,
    /// or is still being planned. The error says which.
    #[response(status = 502)]
    BadGateway(ErrorBody<'static>),
}

/// What the routes under the rate limit may answer besides.
#[derive(IntoResponses)]
pub(super) enum Limited {
    /// The key has used up its 100 requests of a minute or 20 of a second.
    #[response(status = 429, headers(
        ("Retry-After" = i64, description = "Seconds to wait, at least 1."),
        ("X-RateLimit-Limit-Minute" = i64, description = "Requests that a minute takes."),
        ("X-RateLimit-Remaining-Minute" = i64, description = "How many of them are left."),
        ("X-RateLimit-Reset" = i64, description = "When more are left, in seconds since 1970."),
    ))]
    RateLimited(RateLimitBody<'static>),
}

/// What the routes about the caller's account may answer.
#[derive(IntoResponses)]
pub(super) enum AccountRefused {
    /// There is no valid API key in the request.
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "How to show a key.")))]
    Unauthorized(ErrorBody<'static>),
    /// The API key is not for this API.
    #[response(status = 403)]
    Forbidden(ErrorBody<'static>),
    /// `method_not_allowed`: the route does not take this method.
    #[response(status = 405, headers(("Allow" = String, description = "The methods that it takes.")))]
    MethodNotAllowed(CodedBody<'static>),
    /// `internal_error`: the store failed.
    #[response(status = 500)]
    Failed(CodedBody<'static>),
    /// `busy`: the store has no capacity now.
    #[response(status = 503, headers(("Retry-After" = i64, description = "Seconds to wait.")))]
    Busy(CodedBody<'static>),
}

/// What the routes that take an id may answer besides.
#[derive(IntoResponses)]
pub(super) enum AccountInvalid {
    /// `invalid_request`: the request breaks a rule, which the message names.
    #[response(status = 400)]
    Invalid(CodedBody<'static>),
}

/// What the making of a key may be answered besides.
#[derive(IntoResponses)]
pub(super) enum NewKeyInvalid {
    /// `invalid_request`: the request breaks a rule, which the message names.
    /// `api_key_required`: the caller shows no key, on a server that asks for
    /// none.
    #[response(status = 400)]
    Invalid(CodedBody<'static>),
}

/// What the routes that take a body may answer besides.
#[derive(IntoResponses)]
pub(super) enum AccountSlow {
    /// `request_timeout`: the body took too long to arrive.
    #[response(status = 408)]
    BodyTimeout(CodedBody<'static>),
}

/// What the routes of one key may answer besides.
#[derive(IntoResponses)]
pub(super) enum NoKey {
    /// `not_found`: the caller has no such key, or it may do more than that of
    /// the request, or it was revoked before.
    #[response(status = 404)]
    NotFound(CodedBody<'static>),
}

/// What the replacement of a key may be answered besides.
#[derive(IntoResponses)]
pub(super) enum NoStoredKey {
    /// `api_key_required`: the key of the request is not in the store, or was
    /// revoked a moment ago.
    #[response(status = 400)]
    StoredKeyNeeded(CodedBody<'static>),
}
