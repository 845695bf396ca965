//! `GET` and `POST /api/v1/tasks/{id}/review`

use super::{
    limits,
    refusals::{Limited, NoReview, NotPlanned, Refused, Slow, WrongPlan},
    spelling,
};
use crate::{
    http::{auth::Caller, body, error::ApiError, reply::Timestamp, stream::stopped},
    openapi::one_of,
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use taskgate_domain::{
    event::Position,
    id::TaskId,
    query::{Access, TaskKey},
    review::{Feedback, Intent, Refusal, Response, Review, ReviewError, Role, Round},
    task::{Task, work::Work},
};
use tokio::time::timeout;
use utoipa::ToSchema;

/// How long a remark waits for the plan that it asks for: less than the 30
/// seconds after which clients give up.
const PATIENCE: Duration = Duration::from_secs(25);

const APPROVED: &str = "approved";

/// Reads what was said about the plan of one of the caller's tasks.
///
/// A task has a review once its worker has proposed a plan, which workers do for
/// research that was asked for with a review.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/review", tag = "reviews", operation_id = "get_review",
    params(("id" = String, Path, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "The task's id.")),
    responses(
        (status = 200, description = "The review.", body = ReviewView, headers(
            ("ETag" = i64, description = "The plan's version, without quotes."),
        )),
        Refused, NoReview,
    ),
)]
pub(super) async fn read(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let key = TaskKey::Id(task_of(&request)?);
    let access = Access::User(caller.0.user);
    let found = state.services.reviews.get(&access, key).await;
    let (task, review) = found.map_err(refused("Failed to get review"))?;
    Ok(answer(&task, &review))
}

/// Approves the plan of one of the caller's tasks, which is then carried out, or
/// remarks on it, and waits up to 25 seconds for another plan.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/review", tag = "reviews", operation_id = "review_plan",
    params(
        ("id" = String, Path, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "The task's id."),
        ("If-Match" = Option<String>, Header, nullable = false, description = "The version of the plan that this is about; without it, the latest."),
    ),
    request_body = ResponseBody,
    responses(
        (status = 200, description = "After a remark, the review with the new plan; after an approval, that it is taken.", body = ReviewedView, headers(
            ("ETag" = i64, description = "After a remark, the new plan's version, without quotes."),
        )),
        Refused, Slow, NoReview, WrongPlan, NotPlanned, Limited,
    ),
)]
pub(super) async fn respond(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    const OPERATION: &str = "Failed to review plan";
    let key = TaskKey::Id(task_of(&request)?);
    let body = body::read(&state, &request, payload, body::LIMIT).await?;
    let response = body.decode(|bytes| body::json::<ResponseBody>(bytes)?.into_domain()).await?;
    limits::count(&request, &state, &caller)?;
    let access = Access::User(caller.0.user);
    let reviews = &state.services.reviews;
    let asks = matches!(response, Response::Feedback(_));
    let told = reviews.respond(&access, key, response, seen(&request)).await;
    match told.map_err(refused(OPERATION))? {
        Some(from) if asks => {
            let planned = next_plan(&state, &access, key, from).await?;
            let (task, review) = planned.map_err(refused(OPERATION))?.ok_or(PLANNING_FAILED)?;
            Ok(answer(&task, &review))
        }
        _ => {
            Ok(HttpResponse::Ok()
                .json(ApprovalView { status: APPROVED, message: "Research started" }))
        }
    }
}

const PLANNING_FAILED: ApiError =
    ApiError::BadGateway("planning failed: the task ended without another plan");

/// Waits for the plan that a remark asks for.
async fn next_plan(
    state: &State,
    access: &Access,
    key: TaskKey,
    from: Position,
) -> Result<Result<Option<(Task, Review)>, ReviewError>, ApiError> {
    const NOT_YET: ApiError =
        ApiError::BadGateway("the plan is not ready yet; read the review again");
    let mut stopping = state.services.stopping.clone();
    tokio::select! {
        planned = timeout(PATIENCE, state.services.reviews.next_plan(access, key, from)) => {
            planned.map_err(|_| NOT_YET)
        }
        () = stopped(&mut stopping) => Err(NOT_YET),
    }
}

/// The task that the path names; one that nobody can have has no review either.
fn task_of(request: &HttpRequest) -> Result<TaskId, ApiError> {
    spelling::name_of_task(request)?.parse().map_err(|_| NO_REVIEW)
}

/// The version that the header `If-Match` names, with or without the quotes that
/// HTTP wants and the contract does not have. One that is no number is that of
/// no plan.
fn seen(request: &HttpRequest) -> Option<u16> {
    let header = request.headers().get(header::IF_MATCH)?.to_str().unwrap_or("none").trim();
    (!matches!(header, "" | "*")).then(|| header.trim_matches('"').parse().unwrap_or(0))
}

const NO_REVIEW: ApiError = ApiError::NotFound("Review session not found or expired");

/// Maps an error during `operation`, for `map_err`.
fn refused(operation: &'static str) -> impl FnOnce(ReviewError) -> ApiError {
    move |error| match error {
        ReviewError::NotFound => NO_REVIEW,
        ReviewError::Refused(refusal) => ApiError::Conflict(sentence(refusal).into()),
        ReviewError::Store(error) => ApiError::store(operation)(error),
    }
}

const fn sentence(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Stale => "the plan has been updated; read the review again",
        Refusal::Approved => "the plan is already approved",
        Refusal::Ended => "the task has already ended",
        Refusal::Planning => "the task is being planned; read the review again",
        Refusal::LastPlan => "there is no other plan after the tenth; approve it",
    }
}

fn answer(task: &Task, review: &Review) -> HttpResponse {
    let etag = (header::ETAG, review.version().to_string());
    HttpResponse::Ok().insert_header(etag).json(ReviewView::of(task, review))
}

/// What the caller says to a plan.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReviewResponse)]
struct ResponseBody {
    /// To `approve` the plan, or to give `feedback`.
    #[schema(required, nullable = false, schema_with = actions)]
    action: Option<String>,
    /// The feedback; at most 10240 bytes, not blank.
    #[schema(min_length = 1, max_length = 10240)]
    message: Option<String>,
}

fn actions() -> utoipa::openapi::Object {
    one_of(["feedback", "approve"])
}

impl ResponseBody {
    fn into_domain(self) -> Result<Response, ApiError> {
        match self.action.as_deref() {
            Some("approve") => Ok(Response::Approve),
            Some("feedback") => {
                Ok(Response::Feedback(Feedback::new(self.message.unwrap_or_default())?))
            }
            _ => Err(ApiError::invalid("action must be 'feedback' or 'approve'")),
        }
    }
}

/// What came of it: the review after a remark, or that the plan is approved.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the two answers for the OpenAPI document")]
enum ReviewedView<'a> {
    Review(ReviewView<'a>),
    Approval(ApprovalView),
}

/// That a plan is approved.
#[derive(Serialize, ToSchema)]
#[schema(as = Approval)]
struct ApprovalView {
    /// Always `approved`.
    status: &'static str,
    /// The same in words.
    message: &'static str,
}

/// What was said about a plan.
#[derive(Serialize, ToSchema)]
#[schema(as = Review)]
struct ReviewView<'a> {
    /// `reviewing`, or `approved`.
    #[schema(schema_with = statuses)]
    status: &'static str,
    /// How many plans there were.
    #[schema(minimum = 1, maximum = 10)]
    round: usize,
    /// The number of the latest plan, which is the same.
    #[schema(minimum = 1, maximum = 10)]
    version: usize,
    /// The latest plan.
    current_plan: &'a str,
    /// The same with what its planner makes of the last remark.
    plan: PlanView<'a>,
    /// The plans and the remarks on them, the oldest first.
    rounds: Vec<RoundView<'a>>,
    /// What the task was asked.
    query: &'a str,
}

/// A plan.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
struct PlanView<'a> {
    /// The plan in words.
    message: &'a str,
    /// How many plans there were.
    round: usize,
    /// The number of the plan.
    version: usize,
    /// `feedback`: more may be said. `ready`: the plan is ready to be approved.
    /// `execute`: the last remark asks for it to be carried out, once it is
    /// approved.
    #[schema(schema_with = intents)]
    intent: &'static str,
}

/// A plan, or a remark on one.
#[derive(Serialize, ToSchema)]
#[schema(as = Round)]
struct RoundView<'a> {
    /// `assistant` for plans, `user` for remarks.
    #[schema(schema_with = roles)]
    role: &'static str,
    /// The text.
    message: &'a str,
    /// When it was said.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

fn statuses() -> utoipa::openapi::Object {
    one_of(["reviewing", APPROVED])
}

fn intents() -> utoipa::openapi::Object {
    one_of(Intent::ALL.map(Intent::as_str))
}

fn roles() -> utoipa::openapi::Object {
    one_of(Role::ALL.map(Role::as_str))
}

impl<'a> ReviewView<'a> {
    fn of(task: &'a Task, review: &'a Review) -> Self {
        let (message, version) = (review.plan(), review.version());
        Self {
            status: if review.approved { APPROVED } else { "reviewing" },
            round: version,
            version,
            current_plan: message,
            plan: PlanView { message, round: version, version, intent: review.intent.as_str() },
            rounds: review.rounds.iter().map(RoundView::from).collect(),
            query: match &task.work {
                Work::Agent(work) => work.query(),
                Work::Research(_) => "",
            },
        }
    }
}

impl<'a> From<&'a Round> for RoundView<'a> {
    fn from(round: &'a Round) -> Self {
        let timestamp = Timestamp(round.at);
        Self { role: round.role.as_str(), message: &round.message, timestamp }
    }
}
