//! `GET /api/v1/tasks/{id}`

use super::{
    refusals::{Missing, Refused},
    spelling,
};
use crate::{
    http::{auth::Caller, body, error::ApiError, reply::Timestamp},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;
use taskgate_domain::{
    json::JsonObject,
    query::{Access, TaskKey},
    task::{Progress, Task, outcome::Outcome, status::TaskStatus, work::Work},
    usage::{ModelUsage, Usage},
};
use utoipa::ToSchema;

/// Reads one of the caller's tasks.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}", tag = "tasks", operation_id = "get_task",
    params(("id" = String, Path, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "The task's id.")),
    responses(
        (status = 200, description = "The task.", body = TaskView, headers(
            ("X-Workflow-ID" = String, description = "The task's id."),
        )),
        Refused, Missing,
    ),
)]
pub(super) async fn status(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = spelling::task_of(&request)?;
    let task = state
        .services
        .tasks
        .get(&Access::User(caller.0.user), TaskKey::Id(id))
        .await
        .map_err(ApiError::task("Failed to get task status"))?;
    let view = TaskView::of(&task).ok_or(ApiError::NotFound("Task not found"))?;
    Ok(HttpResponse::Ok().insert_header(("X-Workflow-ID", id.to_string())).json(view))
}

/// A task with everything that is known of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Task)]
pub(super) struct TaskView<'a> {
    /// The task's id.
    task_id: String,
    /// The task's id.
    workflow_id: String,
    /// Where the task is in its life.
    #[schema(schema_with = spelling::status_schema)]
    status: &'static str,
    /// The answer as the worker wrote it; a completed task always has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    result: Option<&'a str>,
    /// The result when it is a JSON object, else the worker's structured form
    /// of it; null when there is neither.
    #[schema(value_type = Option<Object>, required)]
    response: Option<&'a RawValue>,
    /// What the worker told beside the result, unchanged; without that, the
    /// share of each model, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    metadata: Option<Metadata<'a>>,
    /// Why the task failed; empty when it did not.
    error: &'a str,
    /// The same as `error`.
    error_message: &'a str,
    /// How much is done, 0 to 1; absent when the number of steps is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    progress: Option<f64>,
    /// When the task was submitted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When anything of the task changed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// How many times a worker has taken the task so far.
    #[schema(minimum = 0)]
    attempts: i32,
    /// The question.
    query: &'a str,
    /// The session, as the client named it.
    session_id: &'a str,
    /// Settings for the agent, with the overrides of the submit.
    #[schema(value_type = Object)]
    context: &'a JsonObject,
    /// The member of this name in `metadata`, when it is an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    unified_response: Option<Box<RawValue>>,
    /// How the agent goes about the query.
    #[schema(schema_with = spelling::mode_schema)]
    mode: &'static str,
    /// The main model; a completed task always has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    model_used: Option<&'a str>,
    /// Who served that model; a completed task always has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    provider: Option<&'a str>,
    /// What the task consumed; a completed task always has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    usage: Option<UsageView>,
}

impl<'a> TaskView<'a> {
    /// `None` for a task that is no agent's.
    fn of(task: &'a Task) -> Option<Self> {
        let Work::Agent(work) = &task.work else { return None };
        let outcome = task.finished().map(|finished| &finished.outcome);
        // Clients read result, model, provider and usage of a completed task
        // without asking whether they are there, so a worker's silence is
        // shown as an empty text or zeros.
        let completed = task.status() == TaskStatus::Completed;
        let result = outcome.and_then(|outcome| outcome.result.as_deref());
        let model = outcome.and_then(|outcome| outcome.model.as_deref());
        let provider = outcome.and_then(|outcome| outcome.provider.as_deref());
        let usage = outcome.map(|o| &o.usage).filter(|usage| completed || !usage.is_zero());
        let error = outcome.and_then(|outcome| outcome.error.as_deref()).unwrap_or_default();
        Some(Self {
            task_id: task.id.to_string(),
            workflow_id: task.id.to_string(),
            status: spelling::status(task.status()),
            result: result.or(completed.then_some("")),
            response: outcome.and_then(response),
            metadata: outcome.and_then(Metadata::of),
            error,
            error_message: error,
            progress: fraction(task.progress()),
            created_at: Timestamp(task.created_at),
            updated_at: Timestamp(task.updated_at()),
            attempts: task.attempts(),
            query: work.query(),
            session_id: work.session().as_str(),
            context: work.context(),
            unified_response: outcome.and_then(unified_response),
            mode: spelling::mode(work.mode()),
            model_used: model.or(completed.then_some("")),
            provider: provider.or(completed.then_some("")),
            usage: usage.map(UsageView::from),
        })
    }
}

/// The structured answer: the result itself when it is a JSON object no deeper
/// than requests may be, else what the worker gave for it. The text is passed
/// on as it is.
fn response(outcome: &Outcome) -> Option<&RawValue> {
    let result = outcome.result.as_deref().and_then(body::object);
    result.or_else(|| serde_json::from_str(outcome.response.as_ref()?.as_str()).ok())
}

fn unified_response(outcome: &Outcome) -> Option<Box<RawValue>> {
    outcome
        .metadata
        .as_ref()?
        .member("unified_response")
        .filter(|member| member.get().starts_with('{'))
}

/// The steps done as a part of all, to four digits; `None` when it is not
/// known how many there are.
fn fraction(progress: Progress) -> Option<f64> {
    let total = i128::from(progress.total());
    let done = i128::from(progress.current()).min(total) * 10_000;
    let done = u32::try_from(done.checked_div(total)?).ok()?;
    Some(f64::from(done) / 10_000.0)
}

/// What was told beside the result.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Metadata<'a> {
    /// In the worker's words, to the byte.
    Given(&'a JsonObject),
    /// Of a worker that gave none, what its usage tells.
    Usage { model_breakdown: Vec<ModelShare<'a>> },
}

impl<'a> Metadata<'a> {
    pub(super) fn of(outcome: &'a Outcome) -> Option<Self> {
        if let Some(metadata) = &outcome.metadata {
            return Some(Self::Given(metadata));
        }
        let models = outcome.usage.models();
        let total: i128 = models.iter().map(|model| i128::from(model.cost.nanos())).sum();
        let mut models: Vec<&ModelUsage> = models.iter().collect();
        models.sort_by_key(|model| std::cmp::Reverse(model.cost));
        (!models.is_empty()).then(|| Self::Usage {
            model_breakdown: models.into_iter().map(|model| ModelShare::of(model, total)).collect(),
        })
    }
}

/// One model's share of a task's usage (gateway contract, section 9).
#[derive(Serialize)]
pub(super) struct ModelShare<'a> {
    model: &'a str,
    provider: &'a str,
    executions: u32,
    tokens: i64,
    cost_usd: f64,
    /// The share of the cost, in whole percent.
    percentage: i128,
}

impl<'a> ModelShare<'a> {
    fn of(usage: &'a ModelUsage, total_nanos: i128) -> Self {
        let percent = i128::from(usage.cost.nanos()) * 100;
        Self {
            model: &usage.model,
            provider: &usage.provider,
            executions: usage.executions,
            tokens: usage.tokens.total(),
            cost_usd: usage.cost.dollars(),
            percentage: percent.checked_div(total_nanos).unwrap_or_default(),
        }
    }
}

/// What a task consumed.
#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
struct UsageView {
    /// All tokens.
    total_tokens: i64,
    /// Tokens sent to models; absent when only the total is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    input_tokens: Option<i64>,
    /// Tokens that models wrote; absent when only the total is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    output_tokens: Option<i64>,
    /// The price in US dollars.
    estimated_cost: f64,
    /// The same as `estimated_cost`.
    cost_usd: f64,
}

impl From<&Usage> for UsageView {
    fn from(usage: &Usage) -> Self {
        let tokens = usage.tokens();
        let split = tokens.total() == 0 || tokens.prompt() != 0 || tokens.completion() != 0;
        Self {
            total_tokens: tokens.total(),
            input_tokens: split.then_some(tokens.prompt()),
            output_tokens: split.then_some(tokens.completion()),
            estimated_cost: usage.cost().dollars(),
            cost_usd: usage.cost().dollars(),
        }
    }
}
