//! The gateway face: agent tasks, for applications with an API key.

mod cancel;
mod catalogues;
mod context;
mod limits;
mod list;
mod refusals;
mod spelling;
mod status;
mod submission;
mod submit;
#[cfg(test)]
mod tests;

use crate::http::{
    edge,
    error::{ErrorBody, RateLimitBody},
};
use actix_web::web;
use utoipa::OpenApi;

/// The routes below `/api/v1`.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/tasks")
                .get(list::list)
                .post(submit::submit)
                .default_service(edge::only("GET, POST")),
        )
        .service(
            web::resource("/tasks/{id}").get(status::status).default_service(edge::only("GET")),
        )
        .service(
            web::resource("/tasks/{id}/cancel")
                .post(cancel::cancel)
                .default_service(edge::only("POST")),
        )
        .configure(catalogues::routes);
}

/// The face's own part of its OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    paths(
        list::list,
        submit::submit,
        status::status,
        cancel::cancel,
        catalogues::tools,
        catalogues::agents,
        catalogues::skills,
        catalogues::session_files,
        catalogues::memory_files,
        catalogues::schedules,
    ),
    components(schemas(ErrorBody<'static>, RateLimitBody<'static>)),
)]
struct Document;
