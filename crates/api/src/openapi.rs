//! The description of each face in the OpenAPI form.

use crate::{gateway, http::health, research, server::Face, worker};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Components, InfoBuilder, LicenseBuilder, Object, ObjectBuilder, PathItem, RefOr, Response,
        Type,
        path::Operation,
        security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        },
    },
};

/// The OpenAPI 3.1 document of a face, as indented JSON.
pub fn openapi(face: Face) -> String {
    let mut document = match face {
        Face::Gateway => gateway::openapi(),
        Face::Research => research::openapi(),
        Face::Worker => worker::openapi(),
    };
    document.merge(Probes::openapi());
    let (title, description) = match face {
        Face::Gateway => ("taskgate: gateway", "Agent tasks for applications with an API key."),
        Face::Research => ("taskgate: research", "Background tasks of research projects."),
        Face::Worker => ("taskgate: worker", "Claims and reports of worker processes."),
    };
    document.info = InfoBuilder::new()
        .title(title)
        .description(Some(description))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()))
        .build();
    Keys.modify(&mut document);
    RateLimits.modify(&mut document);
    document.to_pretty_json().unwrap_or_default()
}

/// A text that must be one of these.
pub(crate) fn one_of(names: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}

/// The routes of every face.
#[derive(OpenApi)]
#[openapi(paths(health::health, health::readiness, health::openapi))]
struct Probes;

/// The two ways to show a key.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme(
            "api_key",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
        );
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
        let none: [&str; 0] = [];
        document.security = Some(vec![
            SecurityRequirement::new("api_key", none),
            SecurityRequirement::new("bearer", none),
        ]);
    }
}

/// The headers of the rate limit, which are on each answer under it. They are
/// declared at its refusal alone.
struct RateLimits;

impl Modify for RateLimits {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            let responses = &mut operation.responses.responses;
            let Some(RefOr::T(refusal)) = responses.get("429") else { continue };
            let mut headers = refusal.headers.clone();
            headers.retain(|name, _| name.starts_with("X-RateLimit-"));
            for (status, response) in responses {
                if let (true, RefOr::T(Response { headers: all, .. })) =
                    (status.starts_with('2'), response)
                {
                    all.extend(headers.clone());
                }
            }
        }
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}
