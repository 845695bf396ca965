//! The gateway face: agent tasks, for applications with an API key.

mod account;
mod catalogues;
mod context;
mod control;
mod control_state;
mod event;
mod limits;
mod list;
mod paging;
mod refusals;
mod review;
mod room;
mod sessions;
mod spelling;
mod status;
mod stream;
mod submission;
mod submit;
mod task_events;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;

use crate::http::{
    edge,
    error::{CodedBody, ErrorBody, RateLimitBody},
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
        // Before the route of one task, which would take it for an id.
        .service(
            web::resource("/tasks/stream")
                .post(submit::submit_and_stream)
                .default_service(edge::only("POST")),
        )
        .service(
            web::resource("/tasks/{id}").get(status::status).default_service(edge::only("GET")),
        )
        .configure(controls)
        .configure(events)
        .configure(sessions)
        .configure(account::routes)
        .configure(catalogues::routes);
}

fn controls(config: &mut web::ServiceConfig) {
    let post = || edge::only("POST");
    config
        .service(web::resource("/tasks/{id}/cancel").post(control::cancel).default_service(post()))
        .service(web::resource("/tasks/{id}/pause").post(control::pause).default_service(post()))
        .service(web::resource("/tasks/{id}/resume").post(control::resume).default_service(post()))
        .service(
            web::resource("/tasks/{id}/control-state")
                .get(control_state::control_state)
                .default_service(edge::only("GET")),
        )
        .service(
            web::resource("/tasks/{id}/review")
                .get(review::read)
                .post(review::respond)
                .default_service(edge::only("GET, POST")),
        );
}

fn sessions(config: &mut web::ServiceConfig) {
    let get = || edge::only("GET");
    config
        .service(web::resource("/sessions").get(sessions::list::list).default_service(get()))
        .service(
            web::resource("/sessions/{id}")
                .get(sessions::detail::detail)
                .patch(sessions::rename::rename)
                .delete(sessions::delete::delete)
                .default_service(edge::only("GET, PATCH, DELETE")),
        )
        .service(
            web::resource("/sessions/{id}/history")
                .get(sessions::history::history)
                .default_service(get()),
        )
        .service(
            web::resource("/sessions/{id}/events")
                .get(sessions::turns::turns)
                .default_service(get()),
        );
}

/// The routes that tell what happens to tasks, and what has happened.
fn events(config: &mut web::ServiceConfig) {
    for (path, get) in [
        ("/stream/sse", web::get().to(stream::sse)),
        ("/stream/ws", web::get().to(stream::ws)),
        ("/tasks/{id}/stream", web::get().to(stream::of_task)),
        ("/tasks/{id}/events", web::get().to(task_events::events)),
        ("/tasks/{id}/timeline", web::get().to(timeline::timeline)),
    ] {
        config.service(web::resource(path).route(get).default_service(edge::only("GET")));
    }
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
        submit::submit_and_stream,
        status::status,
        control::cancel,
        control::pause,
        control::resume,
        control_state::control_state,
        review::read,
        review::respond,
        sessions::list::list,
        sessions::detail::detail,
        sessions::history::history,
        sessions::turns::turns,
        sessions::rename::rename,
        sessions::delete::delete,
        account::me::me,
        account::list::list,
        account::create::create,
        account::revoke::revoke,
        account::rotate::rotate,
        catalogues::tools,
        catalogues::agents,
        catalogues::skills,
        catalogues::session_files,
        catalogues::memory_files,
        catalogues::schedules,
        stream::sse,
        stream::ws,
        stream::of_task,
        task_events::events,
        timeline::timeline,
    ),
    components(schemas(
        ErrorBody<'static>,
        RateLimitBody<'static>,
        CodedBody<'static>,
        stream::Delta<'static>,
        stream::Completed<'static>,
        stream::ControlTold<'static>,
    )),
)]
struct Document;
