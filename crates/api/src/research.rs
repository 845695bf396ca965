//! The research face: background tasks of projects.
//!
//! Every answer is an envelope `{"code", "message", "data"}` whose code equals
//! the HTTP status (research specification).

mod access;
mod create;
mod events;
mod list;
mod refusals;
mod task;
#[cfg(test)]
mod tests;
mod view;

pub use access::ResearchAccess;

use crate::http::{
    auth::{Caller, count},
    edge,
    error::{ApiError, ResearchBody},
};
use actix_web::{HttpResponse, http::StatusCode, web};
use serde::Serialize;
use taskgate_domain::{query::Access, task::Task};
use utoipa::{OpenApi, ToSchema};
use view::TaskDetail;

/// The routes below `/api/v1`.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            // The specification's heading for the detail route spells this
            // path with a slash at its end, so clients do too.
            web::resource(["/tasks", "/tasks/"])
                .get(list::list)
                .post(create::create)
                .default_service(edge::only("GET, POST")),
        )
        .service(web::resource("/tasks/{id}").get(task::get).default_service(edge::only("GET")))
        .service(
            web::resource("/tasks/{id}/cancel")
                .post(task::cancel)
                .default_service(edge::only("POST")),
        )
        .service(
            web::resource("/tasks/{id}/events")
                .get(events::events)
                .default_service(edge::only("GET")),
        );
}

/// The face's own part of its OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    paths(list::list, create::create, task::get, task::cancel, events::events),
    components(schemas(
        ResearchBody<'static>,
        events::ProgressEvent<'static>,
        events::StatusEvent<'static>,
        events::LogEvent<'static>,
    ))
)]
struct Document;

/// An answer.
#[derive(Serialize, ToSchema)]
struct Envelope<T> {
    /// The HTTP status.
    code: u16,
    /// What happened.
    message: &'static str,
    /// What was asked for.
    data: T,
}

/// An answer that carries nothing.
#[derive(Serialize, ToSchema)]
struct Done {
    /// The HTTP status.
    code: u16,
    /// What happened.
    message: &'static str,
    /// Always null.
    #[schema(required)]
    data: Option<()>,
}

fn reply<T: Serialize>(status: StatusCode, message: &'static str, data: T) -> HttpResponse {
    HttpResponse::build(status).json(Envelope { code: status.as_u16(), message, data })
}

/// What the caller sees of the tasks of this face.
fn access(caller: &Caller) -> Access {
    Access::Tenant { tenant: caller.0.tenant, projects: caller.0.projects.clone() }
}

/// A task as the detail route shows it.
fn detail(task: Task) -> Result<TaskDetail, ApiError> {
    TaskDetail::of(task).ok_or(ApiError::NotFound("Task not found"))
}
