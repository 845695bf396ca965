//! `PATCH /api/v1/sessions/{id}`

use super::{label, not_found};
use crate::{
    gateway::{
        limits,
        refusals::{Limited, NoSession, Refused, Slow},
    },
    http::{auth::Caller, body, error::ApiError},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use taskgate_domain::session::SessionTitle;
use utoipa::ToSchema;

/// Gives one of the caller's sessions another title.
#[utoipa::path(
    patch, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "rename_session",
    params(("id" = String, Path, description = "The session's UUID, or the client's own name for it.")),
    request_body = TitleBody,
    responses(
        (status = 200, description = "The session has the title.", body = TitleView),
        Refused, Slow, NoSession, Limited,
    ),
)]
pub(in crate::gateway) async fn rename(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let label = label(&name)?;
    let body = body::read(&state, &request, payload, body::LIMIT).await?;
    let title = body.decode(title).await?;
    limits::count(&request, &state, &caller)?;
    let sessions = &state.services.sessions;
    let renamed = sessions
        .rename(caller.0.user, &label, &title)
        .await
        .map_err(ApiError::store("Failed to rename session"))?;
    if !renamed {
        return Err(not_found());
    }
    Ok(HttpResponse::Ok().json(TitleView { session_id: &name, title: title.as_str() }))
}

fn title(body: &[u8]) -> Result<SessionTitle, ApiError> {
    let title = body::json::<TitleBody>(body)?.title.unwrap_or_default();
    SessionTitle::new(&title).map_err(|error| ApiError::invalid(format!("Title {}", error.rule)))
}

/// The title to give a session.
#[derive(Deserialize, ToSchema)]
#[schema(as = Rename)]
struct TitleBody {
    /// 1 to 60 characters, not counting the space around them and what cannot
    /// be seen, which are left out.
    #[schema(required, nullable = false)]
    title: Option<String>,
}

/// A session with its new title.
#[derive(Serialize, ToSchema)]
#[schema(as = Renamed)]
struct TitleView<'a> {
    /// The session, as the request named it.
    session_id: &'a str,
    /// The title as it is kept.
    title: &'a str,
}
