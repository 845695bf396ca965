//! Errors on the wire: one table for all faces.

use crate::server::Face;
use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use std::{borrow::Cow, error::Error, fmt};
use taskgate_domain::error::{InvalidValue, ReportError, StoreError, TaskError};

/// Why a request is not answered with success.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request breaks a rule; the sentence says which.
    Invalid(Cow<'static, str>),
    /// The body is longer than the route takes, in bytes.
    BodyTooLarge(usize),
    /// The body did not arrive in time.
    BodyTimeout,
    /// No key, or none that is valid: one answer for every cause.
    Unauthorized,
    /// The key lacks the scope of this name.
    Forbidden(&'static str),
    /// There is no key, and without one this is refused; the sentence says why.
    KeyNeeded(&'static str),
    /// There is nothing there; the sentence says what.
    NotFound(&'static str),
    /// The route exists, and takes only these methods.
    MethodNotAllowed(&'static str),
    /// The contract has this, and taskgate does not; the sentence says what.
    NotOffered(&'static str),
    /// The state of the thing does not allow the request; the text says why.
    Conflict(Cow<'static, str>),
    /// What the answer waits for has failed, or is not there yet; the sentence says
    /// what.
    BadGateway(&'static str),
    /// What is asked for does not fit into one answer; the sentence says what
    /// to ask for instead.
    AnswerTooLarge(&'static str),
    /// This is for callers with a key, or with one that the store has; the
    /// sentence says for which.
    ApiKeyNeeded(&'static str),
    /// The key has used up its requests.
    RateLimited {
        /// The window that is full.
        window: &'static str,
        /// Whole seconds until a request is taken again, at least 1.
        retry_after: u64,
    },
    /// The store has no capacity now.
    Busy,
    /// The store failed during this operation, named as `Failed to …`.
    Store {
        /// The operation.
        operation: &'static str,
        /// For the log only.
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl ApiError {
    /// Says that the request is invalid.
    pub(crate) fn invalid(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(sentence.into())
    }

    /// Maps a store's failure during `operation`, for `map_err`.
    pub(crate) fn store(operation: &'static str) -> impl FnOnce(StoreError) -> Self {
        move |error| match error {
            StoreError::Busy => Self::Busy,
            StoreError::Failed(cause) => Self::Store { operation, cause },
        }
    }

    /// Maps a task error during `operation`, for `map_err`.
    pub(crate) fn task(operation: &'static str) -> impl FnOnce(TaskError) -> Self {
        move |error| match error {
            TaskError::NotFound => Self::NotFound("Task not found"),
            TaskError::Store(error) => Self::store(operation)(error),
        }
    }

    /// Maps a refused report during `operation`, for `map_err`.
    pub(crate) fn report(operation: &'static str) -> impl FnOnce(ReportError) -> Self {
        move |error| match error {
            ReportError::NotFound => Self::NotFound("Task not found"),
            ReportError::LeaseLost => Self::Conflict("lease_lost".into()),
            ReportError::Invalid(error) => error.into(),
            ReportError::Store(error) => Self::store(operation)(error),
        }
    }

    /// The status of the answer on this face.
    pub(crate) const fn status(&self, face: Face) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::ApiKeyNeeded(_) => StatusCode::BAD_REQUEST,
            // The gateway's clients know no 413 (gateway contract, 0.1).
            Self::BodyTooLarge(_) => match face {
                Face::Gateway => StatusCode::BAD_REQUEST,
                Face::Research | Face::Worker => StatusCode::PAYLOAD_TOO_LARGE,
            },
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::KeyNeeded(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotOffered(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::BadGateway(_) => StatusCode::BAD_GATEWAY,
            Self::AnswerTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word by which programs tell the error, on the routes that have one
    /// (gateway contract, section 15).
    const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) | Self::BodyTooLarge(_) => "invalid_request",
            Self::ApiKeyNeeded(_) => "api_key_required",
            Self::BodyTimeout => "request_timeout",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden(_) | Self::KeyNeeded(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::NotOffered(_) => "not_offered",
            Self::Conflict(_) => "conflict",
            Self::BadGateway(_) => "bad_gateway",
            Self::AnswerTooLarge(_) => "too_large",
            Self::RateLimited { .. } => "rate_limited",
            Self::Busy => "busy",
            Self::Store { .. } => "internal_error",
        }
    }

    /// Writes the answer in the face's shape, and [logs](Self::log) it.
    pub(crate) fn respond(&self, face: Face) -> HttpResponse {
        let mut response = self.start(face);
        let error = self.to_string();
        match (face, self) {
            (Face::Research, _) => {
                let code = self.status(face).as_u16();
                response.json(ResearchBody { code, message: &error, data: None })
            }
            (Face::Gateway | Face::Worker, Self::RateLimited { window, retry_after }) => response
                .json(RateLimitBody {
                    error: &error,
                    message: format!(
                        "Too many requests in this {window}, retry in {retry_after} s"
                    ),
                    window,
                }),
            (Face::Gateway | Face::Worker, _) => response.json(ErrorBody { error: &error }),
        }
    }

    /// Writes the answer of a route whose errors have [codes](Self::code), and
    /// [logs](Self::log) it.
    pub(crate) fn respond_in_code(&self, face: Face) -> HttpResponse {
        match self {
            // These have one body on all routes.
            Self::Unauthorized | Self::RateLimited { .. } => self.respond(face),
            _ => {
                let body = CodedBody { error: self.code(), message: &self.to_string() };
                self.start(face).json(body)
            }
        }
    }

    /// The status and headers of the answer.
    fn start(&self, face: Face) -> HttpResponseBuilder {
        self.log();
        let mut response = HttpResponse::build(self.status(face));
        match self {
            Self::Unauthorized => {
                response.insert_header((header::WWW_AUTHENTICATE, r#"Bearer realm="taskgate""#));
            }
            Self::MethodNotAllowed(methods) => {
                response.insert_header((header::ALLOW, *methods));
            }
            Self::RateLimited { retry_after, .. } => {
                response.insert_header((header::RETRY_AFTER, retry_after.to_string()));
            }
            Self::Busy => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            Self::Invalid(_)
            | Self::BodyTooLarge(_)
            | Self::BodyTimeout
            | Self::Forbidden(_)
            | Self::KeyNeeded(_)
            | Self::NotFound(_)
            | Self::NotOffered(_)
            | Self::Conflict(_)
            | Self::BadGateway(_)
            | Self::AnswerTooLarge(_)
            | Self::ApiKeyNeeded(_)
            | Self::Store { .. } => {}
        }
        response
    }

    /// Logs the cause of a failure, under the span of the request; nothing else
    /// does. To be called once, for an answer that has begun when it fails.
    pub(crate) fn log(&self) {
        if let Self::Store { operation, cause } = self {
            tracing::error!(operation, cause = %Chain(cause.as_ref()), "the store failed");
        }
    }
}

impl fmt::Display for ApiError {
    /// The sentence that the caller reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(sentence) => f.write_str(sentence),
            Self::BodyTooLarge(limit) => {
                write!(f, "Invalid request body: longer than {limit} bytes")
            }
            Self::BodyTimeout => f.write_str("The request body took too long to arrive"),
            Self::Unauthorized => f.write_str("Unauthorized"),
            Self::Forbidden(scope) => write!(f, "The API key lacks the scope {scope}"),
            Self::KeyNeeded(why) | Self::ApiKeyNeeded(why) => f.write_str(why),
            Self::NotFound(what) | Self::NotOffered(what) => f.write_str(what),
            Self::MethodNotAllowed(_) => f.write_str("Method not allowed"),
            Self::Conflict(what) => f.write_str(what),
            Self::AnswerTooLarge(what) | Self::BadGateway(what) => f.write_str(what),
            Self::RateLimited { .. } => f.write_str("Rate limit exceeded"),
            Self::Busy => f.write_str("The service is busy, try again"),
            Self::Store { operation, .. } => write!(f, "{operation}: database error"),
        }
    }
}

/// actix needs this to carry the error to the edge, which writes the answer.
impl ResponseError for ApiError {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<InvalidValue> for ApiError {
    fn from(error: InvalidValue) -> Self {
        Self::invalid(error.to_string())
    }
}

/// The gateway's and worker face's error body.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorBody<'a> {
    /// What went wrong.
    error: &'a str,
}

/// The gateway's body of a 429.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RateLimitBody<'a> {
    /// Always `Rate limit exceeded`.
    error: &'a str,
    /// When to try again.
    message: String,
    /// Which window is full: `minute` or `second`.
    window: &'a str,
}

/// The error body of the routes about the caller's account.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CodedBody<'a> {
    /// What went wrong, in a word for programs.
    error: &'a str,
    /// The same in a sentence.
    message: &'a str,
}

/// The research face's error body.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ResearchBody<'a> {
    /// The HTTP status.
    code: u16,
    /// What went wrong.
    message: &'a str,
    /// Always null.
    data: Option<()>,
}

/// An error with the errors that caused it, on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
