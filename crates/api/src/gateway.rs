//! The gateway face.

use actix_web::web;
use utoipa::OpenApi;

/// The routes below `/api/v1`.
pub(crate) fn routes(_: &mut web::ServiceConfig) {}

/// The face's own part of its OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi()]
struct Document;
