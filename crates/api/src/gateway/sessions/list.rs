//! `GET /api/v1/sessions`

use super::SessionView;
use crate::{
    gateway::{
        limits,
        refusals::{Limited, Refused},
    },
    http::{auth::Caller, error::ApiError, query::Query},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Utc;
use serde::Serialize;
use taskgate_domain::query::Page;
use utoipa::ToSchema;

/// Lists the caller's sessions, the newest first.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", operation_id = "list_sessions",
    params(
        ("limit" = Option<i64>, Query, description = "How many sessions, 1 to 100; 20 if absent or anything else."),
        ("offset" = Option<i64>, Query, description = "How many sessions to skip; 0 if absent, negative or no integer."),
    ),
    responses(
        (status = 200, description = "A page of the list.", body = SessionList),
        Refused, Limited,
    ),
)]
pub(in crate::gateway) async fn list(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let page = page(request.query_string())?;
    limits::count(&request, &state, &caller)?;
    let page = state
        .services
        .sessions
        .list(caller.0.user, page)
        .await
        .map_err(ApiError::store("Failed to list sessions"))?;
    let now = Utc::now();
    let sessions = page.sessions.iter().map(|session| SessionView::of(session, now)).collect();
    Ok(HttpResponse::Ok().json(SessionList { sessions, total_count: page.total }))
}

/// The page that a query string asks for. Numbers that make no page count as
/// absent: the route's clients rely on it (gateway contract, section 10).
fn page(text: &str) -> Result<Page, ApiError> {
    let query = Query::read(text, &["limit", "offset"])?;
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<i64>().ok());
    let limit = number("limit").filter(|limit| (1..=100).contains(limit)).unwrap_or(20);
    let offset = number("offset").filter(|offset| *offset >= 0).unwrap_or(0);
    Ok(Page::new(limit, offset)?)
}

/// A page of the caller's sessions.
#[derive(Serialize, ToSchema)]
struct SessionList<'a> {
    /// The sessions, the newest first.
    sessions: Vec<SessionView<'a>>,
    /// How many sessions there are, on all pages.
    total_count: i64,
}
