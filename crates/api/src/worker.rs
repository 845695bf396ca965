//! The worker face: how worker processes take tasks and report on them.
//!
//! A worker's key serves the tasks of every tenant, so nothing here asks who
//! calls beyond the key's scope.

mod claim;
mod field;
mod finish;
mod lease;
mod outcome;
#[cfg(test)]
mod tests;

use crate::{
    http::{
        body, edge,
        error::{ApiError, ErrorBody},
    },
    openapi::refusal::refusals,
};
use actix_web::{HttpRequest, web};
use std::collections::BTreeMap;
use taskgate_domain::id::TaskId;
use utoipa::{
    IntoResponses, OpenApi,
    openapi::{RefOr, response::Response},
};

/// The longest body of a report on one task, in bytes.
const REPORT_LIMIT: usize = 16 * body::LIMIT;

/// The longest body of a batch of reports, in bytes.
const BATCH_LIMIT: usize = 64 * body::LIMIT;

/// The routes below `/api/v1`.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let post = |path: &str, route: actix_web::Route| {
        web::resource(path.to_owned()).route(route).default_service(edge::only("POST"))
    };
    config
        .service(post("/worker/claim", web::post().to(claim::claim)))
        .service(post("/worker/finish", web::post().to(finish::finish)))
        .service(post("/worker/tasks/{id}/heartbeat", web::post().to(lease::heartbeat)))
        .service(post("/worker/tasks/{id}/events", web::post().to(lease::events)))
        .service(post("/worker/tasks/{id}/complete", web::post().to(finish::complete)))
        .service(post("/worker/tasks/{id}/fail", web::post().to(finish::fail)));
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
        finish::complete,
        finish::fail,
        finish::finish
    ),
    components(schemas(ErrorBody))
)]
struct Document;

/// The task that the path names.
fn task_id(request: &HttpRequest) -> Result<TaskId, ApiError> {
    Ok(edge::path_parameter(request, "id").parse::<TaskId>()?)
}

/// The refusals that every call has.
struct Refusals;

/// [`Refusals`], and those of a call that reports on one task.
struct ReportRefusals;

const REFUSALS: [(u16, &str); 6] = [
    (400, "The request breaks a rule; the sentence says which."),
    (401, "No key, or one that does not work."),
    (403, "The key lacks the scope `worker`."),
    (413, "The body is too long."),
    (500, "The store failed; repeat the request."),
    (503, "The store is busy; try again."),
];

const REPORT_REFUSALS: [(u16, &str); 2] = [
    (404, "Task not found."),
    (409, "`lease_lost`: the task is no longer the worker's, and nothing was stored."),
];

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals("ErrorBody", &REFUSALS)
    }
}

impl IntoResponses for ReportRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = Refusals::responses();
        responses.extend(refusals("ErrorBody", &REPORT_REFUSALS));
        responses
    }
}
