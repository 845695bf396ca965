//! Probes and the description of the face, open to everybody.

use crate::{
    http::{edge, reply::Timestamp},
    server::State,
};
use actix_web::{HttpResponse, web};
use chrono::Utc;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The routes that need no key.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    // Load balancers probe with HEAD; actix leaves the body of its answer out.
    config
        .service(
            web::resource("/health")
                .get(health)
                .route(web::head().to(health))
                .default_service(edge::only("GET, HEAD")),
        )
        .service(
            web::resource("/readiness")
                .get(readiness)
                .route(web::head().to(readiness))
                .default_service(edge::only("GET, HEAD")),
        )
        .service(web::resource("/openapi.json").get(openapi).default_service(edge::only("GET")));
}

/// What a probe learns.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `healthy` for the process; `ready` or `not ready` for its store.
    status: &'static str,
    /// The version of the program.
    version: &'static str,
    /// The time of the answer.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Each thing checked: `ok` or `failed`.
    checks: BTreeMap<&'static str, &'static str>,
}

impl Health {
    fn new(state: &State, status: &'static str, check: (&'static str, &'static str)) -> Self {
        Self {
            status,
            version: state.services.version,
            time: Timestamp(Utc::now()),
            checks: BTreeMap::from([check]),
        }
    }
}

/// Says that the process answers.
#[utoipa::path(
    get, path = "/health", tag = "health", security(()),
    responses((status = 200, description = "The process answers.", body = Health)),
)]
pub(crate) async fn health(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(Health::new(&state, "healthy", (state.face.as_str(), "ok")))
}

/// Says whether the store answers. Clients know its check as `orchestrator`
/// (gateway contract, section 11).
#[utoipa::path(
    get, path = "/readiness", tag = "health", security(()),
    responses(
        (status = 200, description = "The store answers.", body = Health),
        (status = 503, description = "The store does not answer.", body = Health),
    ),
)]
pub(crate) async fn readiness(state: web::Data<State>) -> HttpResponse {
    match state.services.maintenance.ping().await {
        Ok(()) => HttpResponse::Ok().json(Health::new(&state, "ready", ("orchestrator", "ok"))),
        Err(error) => {
            tracing::warn!(cause = %crate::http::error::Chain(&error), "the store is not ready");
            HttpResponse::ServiceUnavailable().json(Health::new(
                &state,
                "not ready",
                ("orchestrator", "failed"),
            ))
        }
    }
}

/// Describes the face.
#[utoipa::path(
    get, path = "/openapi.json", tag = "health", security(()),
    responses((status = 200, description = "This document.", body = Object)),
)]
pub(crate) async fn openapi(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(state.openapi.clone())
}
