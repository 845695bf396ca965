//! `/api/v1/sessions`: the conversations that the caller's tasks belong to
//! (gateway contract, section 10).

pub(super) mod delete;
pub(super) mod detail;
pub(super) mod history;
pub(super) mod list;
pub(super) mod rename;
pub(super) mod turns;

use super::spelling;
use crate::http::{error::ApiError, reply::Timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use taskgate_domain::{
    json::JsonObject,
    session::{Session, SessionTitle},
    task::{TaskState, outcome::Outcome, work::SessionLabel},
};
use utoipa::ToSchema;

/// The session that a path names: by its UUID or by the client's own name for
/// it. What cannot be a session's name names none.
fn label(name: &str) -> Result<SessionLabel, ApiError> {
    SessionLabel::new(name).map_err(|_| not_found())
}

/// The answer for a session that is unknown, deleted or somebody else's.
const fn not_found() -> ApiError {
    ApiError::NotFound("Session not found")
}

/// What a task answered: its result, else the structured form of it.
fn answer(outcome: &Outcome) -> Option<&str> {
    outcome.result.as_deref().or_else(|| outcome.response.as_ref().map(JsonObject::as_str))
}

/// How long a task took from its first claim to its end, in milliseconds.
fn duration(state: &TaskState) -> Option<i64> {
    let finished = state.finished()?;
    Some((finished.finished_at - finished.started_at?).num_milliseconds())
}

/// A session with what its tasks add up to.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView<'a> {
    /// The session's UUID.
    session_id: String,
    /// The user whose session it is.
    user_id: String,
    /// What clients look for in this place.
    context: SessionContext<'a>,
    /// What people call the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    title: Option<&'a str>,
    /// When its first task was submitted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When the session was made or renamed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When anything changed last in the task that was submitted last.
    #[schema(value_type = String, format = DateTime)]
    last_activity_at: Timestamp,
    /// Whether that was less than 24 hours ago.
    is_active: bool,
    /// How many tasks it has.
    task_count: i64,
    /// How many of them have completed.
    successful_tasks: i64,
    /// How many of them have failed or timed out.
    failed_tasks: i64,
    /// The part of all its tasks that have completed, 0 to 1.
    success_rate: f64,
    /// All tokens that its tasks consumed.
    tokens_used: i64,
    /// What its tasks cost, in US dollars.
    cost_usd: f64,
    /// The same as `cost_usd`.
    total_cost_usd: f64,
    /// The same for each of its tasks.
    average_cost_per_task: f64,
    /// The question of the task that was submitted last, at most 500
    /// characters of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    latest_task_query: Option<&'a str>,
    /// Where that task is in its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = spelling::bare_status_schema)]
    latest_task_status: Option<&'static str>,
    /// Whether its first task forced research.
    is_research_session: bool,
    /// How its first task was to be gone about.
    #[schema(schema_with = spelling::bare_mode_schema)]
    first_task_mode: &'static str,
}

/// What is known of a session besides.
#[derive(Serialize, ToSchema)]
struct SessionContext<'a> {
    /// The client's own name for the session; absent when that is its UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    external_id: Option<&'a str>,
    /// The same as the session's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    title: Option<&'a str>,
}

impl<'a> SessionView<'a> {
    /// A session as it looks at this time.
    fn of(session: &'a Session, now: DateTime<Utc>) -> Self {
        let title = session.title.as_ref().map(SessionTitle::as_str);
        let latest = session.latest.as_ref();
        let active_at = latest.map_or(session.created_at, |latest| latest.updated_at);
        let cost = session.cost.dollars();
        Self {
            session_id: session.id.to_string(),
            user_id: session.user.to_string(),
            context: SessionContext { external_id: session.external_id.as_deref(), title },
            title,
            created_at: Timestamp(session.created_at),
            updated_at: Timestamp(session.updated_at),
            last_activity_at: Timestamp(active_at),
            is_active: now - active_at < TimeDelta::hours(24),
            task_count: session.tasks,
            successful_tasks: session.succeeded,
            failed_tasks: session.failed,
            success_rate: per_task(to_float(session.succeeded), session.tasks),
            tokens_used: session.tokens,
            cost_usd: cost,
            total_cost_usd: cost,
            average_cost_per_task: per_task(cost, session.tasks),
            latest_task_query: latest.map(|latest| latest.query.as_str()),
            latest_task_status: latest.map(|latest| spelling::bare_status(latest.status)),
            is_research_session: session.research,
            first_task_mode: session.first_mode.as_str(),
        }
    }
}

/// The share of one task in a sum; 0 where there is no task.
fn per_task(sum: f64, tasks: i64) -> f64 {
    if tasks > 0 { sum / to_float(tasks) } else { 0.0 }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts of tasks are far below 2^53, and a rate is for display"
)]
const fn to_float(count: i64) -> f64 {
    count as f64
}
