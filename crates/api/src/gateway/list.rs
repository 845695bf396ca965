//! `GET /api/v1/tasks`

use super::{
    limits, paging,
    refusals::{Limited, Refused},
    spelling,
};
use crate::{
    http::{auth::Caller, error::ApiError, query::Query, reply::Timestamp},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use taskgate_domain::{
    query::{Page, TaskPage},
    task::{FinishedSummary, Subject, TaskSummary, status::TaskStatus, work::SessionLabel},
};
use utoipa::ToSchema;

/// Lists the caller's tasks, the newest first.
#[utoipa::path(
    get, path = "/api/v1/tasks", tag = "tasks", operation_id = "list_tasks",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "How many tasks; 20 if absent."),
        ("offset" = Option<i64>, Query, minimum = 0, description = "How many tasks to skip."),
        ("session_id" = Option<String>, Query, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "Only the tasks of this session: its UUID, or the client's name for it."),
        ("status" = Option<String>, Query, description = "Only tasks with this status, in any case: QUEUED, RUNNING, PAUSED, COMPLETED, FAILED, CANCELLED (or CANCELED), TIMEOUT."),
    ),
    responses(
        (status = 200, description = "A page of the list.", body = TaskList),
        Refused, Limited,
    ),
)]
pub(super) async fn list(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let filter = Filter::read(request.query_string())?;
    limits::count(&request, &state, &caller)?;
    let page = state
        .services
        .tasks
        .list_agent(caller.0.user, filter.session.as_ref(), filter.statuses, filter.page)
        .await
        .map_err(ApiError::store("Failed to list tasks"))?;
    Ok(HttpResponse::Ok().json(TaskList::from(&page)))
}

/// What the query string asks for.
struct Filter {
    session: Option<SessionLabel>,
    statuses: Vec<TaskStatus>,
    page: Page,
}

impl Filter {
    fn read(text: &str) -> Result<Self, ApiError> {
        let query = Query::read(text, &["limit", "offset", "session_id", "status"])?;
        let (limit, offset) = paging::part(&query, 20, 100)?;
        let page = Page::new(limit.into(), offset)?;
        let session = match query.get("session_id") {
            Some(id) if spelling::is_id(id) => Some(SessionLabel::new(id)?),
            Some(_) => return Err(ApiError::invalid("Invalid session_id parameter")),
            None => None,
        };
        let statuses = match query.get("status").map(spelling::status_filter) {
            Some(Some(status)) => vec![status],
            Some(None) => return Err(ApiError::invalid("Invalid status value")),
            None => Vec::new(),
        };
        Ok(Self { session, statuses, page })
    }
}

/// A page of the caller's tasks.
#[derive(Serialize, ToSchema)]
pub(super) struct TaskList<'a> {
    /// The tasks, the newest first.
    tasks: Vec<Summary<'a>>,
    /// How many tasks match, on all pages.
    total_count: i64,
}

/// A task in short.
#[derive(Serialize, ToSchema)]
#[schema(as = TaskSummary)]
struct Summary<'a> {
    /// The task's id.
    task_id: String,
    /// The question.
    query: &'a str,
    /// Where the task is in its life.
    #[schema(schema_with = spelling::status_schema)]
    status: &'static str,
    /// How the agent goes about the query.
    #[schema(schema_with = spelling::mode_schema)]
    mode: &'static str,
    /// When the task was submitted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When the task ended; null before.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    completed_at: Option<Timestamp>,
    /// What the task consumed; null before it ended.
    #[schema(required)]
    total_token_usage: Option<TokenUsage>,
}

/// What a task consumed.
#[derive(Serialize, ToSchema)]
struct TokenUsage {
    /// All tokens.
    total_tokens: i64,
    /// The price in US dollars.
    cost_usd: f64,
    /// Tokens sent to models.
    prompt_tokens: i64,
    /// Tokens that models wrote.
    completion_tokens: i64,
}

impl<'a> From<&'a TaskPage> for TaskList<'a> {
    fn from(page: &'a TaskPage) -> Self {
        Self { tasks: page.tasks.iter().filter_map(Summary::of).collect(), total_count: page.total }
    }
}

impl<'a> Summary<'a> {
    /// `None` for a task that a user's list cannot hold.
    fn of(task: &'a TaskSummary) -> Option<Self> {
        let Subject::Agent { query, mode } = &task.subject else { return None };
        Some(Self {
            task_id: task.id.to_string(),
            query,
            status: spelling::status(task.status),
            mode: spelling::mode(*mode),
            created_at: Timestamp(task.created_at),
            completed_at: task.finished.map(|finished| Timestamp(finished.at)),
            total_token_usage: task.finished.map(TokenUsage::from),
        })
    }
}

impl From<FinishedSummary> for TokenUsage {
    fn from(finished: FinishedSummary) -> Self {
        Self {
            total_tokens: finished.tokens.total(),
            cost_usd: finished.cost.dollars(),
            prompt_tokens: finished.tokens.prompt(),
            completion_tokens: finished.tokens.completion(),
        }
    }
}
