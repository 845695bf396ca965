//! `/api/v1/auth`: who calls, and that user's API keys (gateway contract,
//! section 15).

pub(super) mod create;
pub(super) mod list;
pub(super) mod me;
pub(super) mod revoke;
pub(super) mod rotate;

use crate::{
    http::{edge, error::ApiError},
    server::Face,
};
use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderName, HeaderValue},
    middleware::{Next, from_fn},
    web,
};
use taskgate_domain::usecase::keys::CreateKeyError;

/// The routes below `/auth`.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    let keys = web::resource("/api-keys")
        .get(list::list)
        .post(create::create)
        .default_service(edge::only("GET, POST"));
    let key = web::resource("/api-keys/{id}")
        .delete(revoke::revoke)
        .default_service(edge::only("DELETE"));
    config.service(
        web::scope("/auth")
            .wrap(from_fn(in_code))
            .service(web::resource("/me").get(me::me).default_service(edge::only("GET")))
            .service(keys)
            .service(key)
            .service(
                web::resource("/refresh-key")
                    .post(rotate::rotate)
                    .default_service(edge::only("POST")),
            ),
    );
}

/// Writes the errors of these routes with their codes.
async fn in_code(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?;
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
    let written = error.map(|error| error.respond_in_code(Face::Gateway));
    Ok(match written {
        Some(written) => response.into_response(written),
        None => response.map_into_boxed_body(),
    })
}

/// Keeps answers with a key out of caches.
const NO_STORE: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Maps the failure to make a key during `operation`, for `map_err`.
fn failed(operation: &'static str) -> impl FnOnce(CreateKeyError) -> ApiError {
    move |error| match error {
        CreateKeyError::Randomness(cause) => ApiError::Store { operation, cause: cause.into() },
        CreateKeyError::Store(error) => ApiError::store(operation)(error),
    }
}
