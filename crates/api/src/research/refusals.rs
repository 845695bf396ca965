//! The refusals of the face, for its OpenAPI document. What is sent comes from
//! the table in [`http::error`](crate::http::error).
#![expect(dead_code, reason = "these types describe answers and are never made")]

use crate::http::error::ResearchBody;
use utoipa::IntoResponses;

/// What every route may answer.
#[derive(IntoResponses)]
pub(super) enum Refused {
    /// The request breaks a rule, which the message names.
    #[response(status = 400)]
    Invalid(ResearchBody<'static>),
    /// The API key is not valid, or there is none where one is demanded.
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "How to show a key.")))]
    Unauthorized(ResearchBody<'static>),
    /// The API key is not for this API; or there is none, and the request comes
    /// from a foreign web page or under a foreign host name.
    #[response(status = 403)]
    Forbidden(ResearchBody<'static>),
    /// The route does not take this method.
    #[response(status = 405, headers(("Allow" = String, description = "The methods that it takes.")))]
    MethodNotAllowed(ResearchBody<'static>),
    /// The store failed.
    #[response(status = 500)]
    Failed(ResearchBody<'static>),
    /// The store has no capacity now.
    #[response(status = 503, headers(("Retry-After" = i64, description = "Seconds to wait.")))]
    Busy(ResearchBody<'static>),
}

/// What the route that takes a body may answer besides.
#[derive(IntoResponses)]
pub(super) enum BadBody {
    /// The body took too long to arrive.
    #[response(status = 408)]
    BodyTimeout(ResearchBody<'static>),
    /// The body is longer than 1 MiB.
    #[response(status = 413)]
    BodyTooLarge(ResearchBody<'static>),
}

/// What the routes that name a task or project may answer besides.
#[derive(IntoResponses)]
pub(super) enum Missing {
    /// The caller sees no such task or project.
    #[response(status = 404)]
    NotFound(ResearchBody<'static>),
}

/// What the routes under the rate limit may answer besides, to callers with a
/// key.
#[derive(IntoResponses)]
pub(super) enum Limited {
    /// The key has used up its 100 requests of a minute or 20 of a second.
    #[response(status = 429, headers(
        ("Retry-After" = i64, description = "Seconds to wait, at least 1."),
        ("X-RateLimit-Limit-Minute" = i64, description = "Requests that a minute takes."),
        ("X-RateLimit-Remaining-Minute" = i64, description = "How many of them are left."),
        ("X-RateLimit-Reset" = i64, description = "When more are left, in seconds since 1970."),
    ))]
    RateLimited(ResearchBody<'static>),
}
