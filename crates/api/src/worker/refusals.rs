//! The refusals of the face, for its OpenAPI document. What is sent comes from
//! the table in [`http::error`](crate::http::error).
#![expect(dead_code, reason = "these types describe answers and are never made")]

use crate::http::error::ErrorBody;
use utoipa::IntoResponses;

/// What every call may answer.
#[derive(IntoResponses)]
pub(super) enum Refused {
    /// The request breaks a rule, which the error names.
    #[response(status = 400)]
    Invalid(ErrorBody<'static>),
    /// There is no valid API key in the request.
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "How to show a key.")))]
    Unauthorized(ErrorBody<'static>),
    /// The API key is not for workers.
    #[response(status = 403)]
    Forbidden(ErrorBody<'static>),
    /// The call takes another method.
    #[response(status = 405, headers(("Allow" = String, description = "The methods that it takes.")))]
    MethodNotAllowed(ErrorBody<'static>),
    /// The body took too long to arrive.
    #[response(status = 408)]
    BodyTimeout(ErrorBody<'static>),
    /// The body is too long.
    #[response(status = 413)]
    BodyTooLarge(ErrorBody<'static>),
    /// The store failed; repeat the request.
    #[response(status = 500)]
    Failed(ErrorBody<'static>),
    /// The store has no capacity now.
    #[response(status = 503, headers(("Retry-After" = i64, description = "Seconds to wait.")))]
    Busy(ErrorBody<'static>),
}

/// What the calls about one task may answer besides.
#[derive(IntoResponses)]
pub(super) enum Lost {
    /// There is no such task.
    #[response(status = 404)]
    NotFound(ErrorBody<'static>),
    /// `lease_lost`: the task is no longer the worker's, and nothing was stored.
    #[response(status = 409)]
    LeaseLost(ErrorBody<'static>),
}
