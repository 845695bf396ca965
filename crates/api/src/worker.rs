//! The worker face: how worker processes take tasks and report on them.
//!
//! A worker's key serves the tasks of every tenant, so nothing here asks who
//! calls beyond the key's scope.

mod claim;
mod conversation;
mod field;
mod finish;
mod lease;
mod outcome;
mod refusals;
mod review;
#[cfg(test)]
mod tests;
mod usage;

use crate::{
    http::{
        body::{self, Body},
        edge,
        error::{ApiError, ErrorBody},
    },
    server::State,
};
use actix_web::{HttpRequest, web};
use serde::de::DeserializeOwned;
use taskgate_domain::{error::InvalidValue, id::TaskId};
use utoipa::{IntoParams, OpenApi};

/// The longest body of a report on one task, in bytes.
const REPORT_LIMIT: usize = 16 * body::LIMIT;

/// The longest body of a batch of reports, in bytes.
const BATCH_LIMIT: usize = 64 * body::LIMIT;

/// The routes below `/api/v1`.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let post = |path: &str, route: actix_web::Route| {
        web::resource(path.to_owned()).route(route).default_service(edge::only("POST"))
    };
    let get = |path: &str, route: actix_web::Route| {
        web::resource(path.to_owned()).route(route).default_service(edge::only("GET"))
    };
    config
        .service(post("/worker/claim", web::post().to(claim::claim)))
        .service(post("/worker/finish", web::post().to(finish::finish)))
        .service(post("/worker/tasks/{id}/heartbeat", web::post().to(lease::heartbeat)))
        .service(post("/worker/tasks/{id}/events", web::post().to(lease::events)))
        .service(get("/worker/tasks/{id}/conversation", web::get().to(conversation::conversation)))
        .service(get("/worker/tasks/{id}/review", web::get().to(review::read)))
        .service(post("/worker/tasks/{id}/plan", web::post().to(review::propose)))
        .service(post("/worker/tasks/{id}/complete", web::post().to(finish::complete)))
        .service(post("/worker/tasks/{id}/fail", web::post().to(finish::fail)))
        .service(post("/worker/tasks/{id}/release", web::post().to(finish::release)));
}

/// The face's own part of its OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    paths(
        claim::claim,
        lease::heartbeat,
        lease::events,
        conversation::conversation,
        review::read,
        review::propose,
        finish::complete,
        finish::fail,
        finish::release,
        finish::finish
    ),
    components(schemas(ErrorBody<'static>))
)]
struct Document;

/// The path parameter of the calls about one task, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what `task_id` reads")]
struct TaskPath {
    /// The task's id.
    #[param(pattern = "^task_[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    id: String,
}

/// Reads what a worker says of the task that the path names. The body stays with
/// it: what is held of large ones is bounded until they are dropped.
async fn said<B: DeserializeOwned + 'static, T: Send + 'static>(
    state: &State,
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
    decode: fn(B, TaskId) -> Result<T, InvalidValue>,
) -> Result<(Body, T), ApiError> {
    let task = task_id(request)?;
    let body = body::read(state, request, payload, limit).await?;
    let said = body.decode(move |bytes| Ok(decode(body::json(bytes)?, task)?)).await?;
    Ok((body, said))
}

/// The task that the path names.
fn task_id(request: &HttpRequest) -> Result<TaskId, ApiError> {
    Ok(edge::path_parameter(request, "id").parse::<TaskId>()?)
}
