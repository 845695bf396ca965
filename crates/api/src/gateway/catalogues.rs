//! What clients of the gateway ask for and taskgate has none of: tools, agents,
//! skills, schedules, files, reviews. The lists are empty and every item is
//! unknown, so that clients show "none" and not a failure (gateway contract,
//! "OUT").

use super::refusals::Refused;
use crate::http::{edge, error::ApiError, query::Query};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

/// The routes below `/api/v1`.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    let get = |path: &str, route: actix_web::Route| {
        web::resource(path.to_owned()).route(route).default_service(edge::only("GET"))
    };
    config
        .service(get("/tools", web::get().to(tools)))
        .service(get("/agents", web::get().to(agents)))
        .service(get("/skills", web::get().to(skills)))
        .service(get("/sessions/{id}/files", web::get().to(session_files)))
        .service(get("/memory/files", web::get().to(memory_files)))
        .service(
            web::resource("/schedules")
                .get(schedules)
                .post(create_schedule)
                .default_service(edge::only("GET, POST")),
        );
    for (paths, sentence) in UNKNOWN {
        for path in *paths {
            let unknown =
                move || async move { Err::<HttpResponse, _>(ApiError::NotFound(sentence)) };
            config.service(web::resource(*path).to(unknown));
        }
    }
}

/// The items of what is empty, and what is said of each, whatever the method.
const UNKNOWN: &[(&[&str], &str)] = &[
    (&["/tools/{name}", "/tools/{name}/execute"], "Tool not found"),
    (&["/agents/{id}"], "Agent not found"),
    (&["/skills/{name}", "/skills/{name}/versions"], "Skill not found"),
    (&["/sessions/{id}/files/{path:.+}", "/memory/files/{path:.+}"], "File not found"),
    (
        &[
            "/schedules/{id}",
            "/schedules/{id}/pause",
            "/schedules/{id}/resume",
            "/schedules/{id}/runs",
        ],
        "Schedule not found",
    ),
    (&["/swarm/{id}/message"], "Swarm not found"),
    (&["/approvals/decision"], "Workflow or approval not found"),
    (&["/tasks/{id}/review"], "Review session not found or expired"),
];

/// A list without items.
#[derive(Serialize, ToSchema)]
#[schema(value_type = Vec<Object>)]
struct Empty([(); 0]);

const EMPTY: Empty = Empty([]);

#[derive(Serialize, ToSchema)]
pub(super) struct Tools {
    /// Always empty.
    tools: Empty,
}

/// Lists the tools that a client may run directly: there are none.
#[utoipa::path(
    get, path = "/api/v1/tools", tag = "catalogues", operation_id = "list_tools",
    responses((status = 200, description = "None.", body = Tools), Refused),
)]
pub(super) async fn tools() -> HttpResponse {
    HttpResponse::Ok().json(Tools { tools: EMPTY })
}

#[derive(Serialize, ToSchema)]
pub(super) struct Agents {
    /// Always empty.
    agents: Empty,
}

/// Lists the agents that a client may run directly: there are none.
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "catalogues", operation_id = "list_agents",
    responses((status = 200, description = "None.", body = Agents), Refused),
)]
pub(super) async fn agents() -> HttpResponse {
    HttpResponse::Ok().json(Agents { agents: EMPTY })
}

#[derive(Serialize, ToSchema)]
pub(super) struct Skills {
    /// Always empty.
    skills: Empty,
    /// Always 0.
    count: u8,
    /// Always empty.
    categories: Empty,
}

/// Lists the skills that a task may use: there are none.
#[utoipa::path(
    get, path = "/api/v1/skills", tag = "catalogues", operation_id = "list_skills",
    responses((status = 200, description = "None.", body = Skills), Refused),
)]
pub(super) async fn skills() -> HttpResponse {
    HttpResponse::Ok().json(Skills { skills: EMPTY, count: 0, categories: EMPTY })
}

#[derive(Serialize, ToSchema)]
pub(super) struct Files {
    /// Always true.
    success: bool,
    /// Always empty.
    files: Empty,
}

const NO_FILES: Files = Files { success: true, files: EMPTY };

/// Lists the files of a session: sessions have none.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/files", tag = "catalogues",
    operation_id = "list_session_files",
    params(("id" = String, Path, description = "The session.")),
    responses((status = 200, description = "None.", body = Files), Refused),
)]
pub(super) async fn session_files() -> HttpResponse {
    HttpResponse::Ok().json(NO_FILES)
}

/// Lists the files that a user keeps: there are none.
#[utoipa::path(
    get, path = "/api/v1/memory/files", tag = "catalogues", operation_id = "list_memory_files",
    responses((status = 200, description = "None.", body = Files), Refused),
)]
pub(super) async fn memory_files() -> HttpResponse {
    HttpResponse::Ok().json(NO_FILES)
}

#[derive(Serialize, ToSchema)]
pub(super) struct Schedules {
    /// Always empty.
    schedules: Empty,
    /// Always 0.
    total_count: u8,
    /// The page that was asked for.
    page: i64,
    /// How many it would have at most.
    page_size: i64,
}

/// Lists the tasks that start by themselves: there are none.
#[utoipa::path(
    get, path = "/api/v1/schedules", tag = "catalogues", operation_id = "list_schedules",
    params(
        ("page" = Option<i64>, Query, minimum = 1, description = "Which page; 1 if absent."),
        ("page_size" = Option<i64>, Query, minimum = 1, maximum = 100, description = "How many on a page; 50 if absent."),
    ),
    responses((status = 200, description = "None.", body = Schedules), Refused),
)]
pub(super) async fn schedules(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let query = Query::read(request.query_string(), &["page", "page_size"])?;
    let no_page = || ApiError::invalid("Invalid page parameter");
    let no_size = || ApiError::invalid("Invalid page_size parameter");
    let page = query.integer("page", no_page())?.unwrap_or(1);
    let page_size = query.integer("page_size", no_size())?.unwrap_or(50);
    if page < 1 {
        return Err(no_page());
    }
    if !(1..=100).contains(&page_size) {
        return Err(no_size());
    }
    Ok(HttpResponse::Ok().json(Schedules { schedules: EMPTY, total_count: 0, page, page_size }))
}

async fn create_schedule() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotOffered("Schedules are not offered here"))
}
