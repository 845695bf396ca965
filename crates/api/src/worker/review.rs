//! `GET /api/v1/worker/tasks/{id}/review` and `POST …/plan`

use super::{
    REPORT_LIMIT, TaskPath,
    field::Object,
    refusals::{Lost, Refused},
    said, task_id,
    usage::{UsageBody, usage},
};
use crate::{
    http::{error::ApiError, query::Query, reply::Timestamp},
    openapi::one_of,
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use taskgate_domain::{
    error::InvalidValue,
    id::TaskId,
    queue::Lease,
    review::{Intent, Proposal, Review, Role, Round},
    task::Attempt,
};
use utoipa::ToSchema;

/// Reads the review of a held task's plan, to know what to do: without a review,
/// propose a plan; with feedback, propose another; after the approval, carry the
/// plan out; else propose the same plan again.
#[utoipa::path(
    get, path = "/api/v1/worker/tasks/{id}/review", tag = "worker",
    params(
        TaskPath,
        ("attempt" = i64, Query, minimum = 1, maximum = 2_147_483_647, description = "The attempt that the claim told."),
    ),
    responses((status = 200, description = "The review.", body = HeldReviewView), Refused, Lost),
)]
pub(super) async fn read(
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let task = task_id(&request)?;
    let query = Query::read(request.query_string(), &["attempt"])?;
    let attempt = query.integer("attempt", ApiError::invalid("attempt must be an integer"))?;
    // Absent, it breaks the rule of attempts.
    let lease = Lease { task, attempt: Attempt::new(attempt.unwrap_or(0))? };
    let review = state.services.workers.review(lease).await;
    let review = review.map_err(ApiError::report("Failed to read review"))?;
    let review = review.as_ref().map(ReviewView::from);
    Ok(HttpResponse::Ok().json(HeldReviewView { review }))
}

/// Proposes a plan of an agent task for its owner to review. The task is paused
/// and is the worker's no more; the attempt does not count among those that the
/// task may take. The body may have 16 MiB.
///
/// A plan that no feedback has asked for leaves the one under review as it is. The
/// same proposal sent twice is 200 the second time too.
#[utoipa::path(
    post, path = "/api/v1/worker/tasks/{id}/plan", tag = "worker",
    params(TaskPath),
    request_body = PlanBody,
    responses((status = 200, description = "The plan waits for its review.", body = Proposed), Refused, Lost),
)]
pub(super) async fn propose(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let decode = PlanBody::into_domain;
    let (_room, (lease, proposal)) = said(&state, &request, payload, REPORT_LIMIT, decode).await?;
    let proposed = state.services.workers.propose(lease, proposal).await;
    proposed.map_err(ApiError::report("Failed to propose plan"))?;
    Ok(HttpResponse::Ok().json(Proposed { status: "paused" }))
}

/// A plan.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Plan)]
struct PlanBody {
    /// The attempt that the claim told.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    attempt: i64,
    /// The plan in words, for people: at most 65536 bytes, not blank.
    #[schema(min_length = 1, max_length = 65536)]
    plan: String,
    /// The smaller questions that the task is divided into, each of at most 4096
    /// bytes and not blank.
    #[serde(default)]
    #[schema(max_items = 50)]
    questions: Vec<String>,
    /// What the worker makes of the last feedback: `feedback` by default, when
    /// more may be said; `ready` when the plan is ready to be approved; `execute`
    /// when the user wants it carried out.
    #[schema(schema_with = intents)]
    intent: Option<String>,
    /// Tokens and money that the plan took; none by default.
    #[schema(value_type = Option<UsageBody>)]
    usage: Option<Object<UsageBody>>,
}

fn intents() -> utoipa::openapi::Object {
    one_of(Intent::ALL.map(Intent::as_str))
}

impl PlanBody {
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    fn into_domain(self, task: TaskId) -> Result<(Lease, Proposal), InvalidValue> {
        let lease = Lease { task, attempt: Attempt::new(self.attempt)? };
        let intent = self.intent.as_deref().map_or(Ok(Intent::default()), str::parse)?;
        let proposal = Proposal::new(self.plan, self.questions, intent)?;
        Ok((lease, proposal.with_usage(usage(self.usage)?)))
    }
}

/// Where the task is after a proposal.
#[derive(Debug, Serialize, ToSchema)]
struct Proposed {
    /// Always `paused`.
    status: &'static str,
}

/// The review of a held task's plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldReview)]
struct HeldReviewView<'a> {
    /// Null when no plan was proposed yet.
    review: Option<ReviewView<'a>>,
}

/// What was said about a plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Review)]
struct ReviewView<'a> {
    /// Whether the latest plan is approved.
    approved: bool,
    /// The number of the latest plan.
    #[schema(minimum = 1, maximum = 10)]
    version: usize,
    /// The latest plan.
    plan: &'a str,
    /// Its smaller questions.
    questions: &'a [String],
    /// What its planner made of the last feedback.
    #[schema(schema_with = intents)]
    intent: &'static str,
    /// The feedback that waits for another plan; null when none does.
    feedback: Option<&'a str>,
    /// The plans and the feedback on them, the oldest first.
    rounds: Vec<RoundView<'a>>,
}

/// A plan, or feedback on one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Round)]
struct RoundView<'a> {
    /// `assistant` for plans, `user` for feedback.
    #[schema(schema_with = roles)]
    role: &'static str,
    /// The text.
    message: &'a str,
    /// When it was said.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

fn roles() -> utoipa::openapi::Object {
    one_of(Role::ALL.map(Role::as_str))
}

impl<'a> From<&'a Review> for ReviewView<'a> {
    fn from(review: &'a Review) -> Self {
        let said = |round: &'a Round| RoundView {
            role: round.role.as_str(),
            message: &round.message,
            timestamp: Timestamp(round.at),
        };
        Self {
            approved: review.approved,
            version: review.version(),
            plan: review.plan(),
            questions: &review.questions,
            intent: review.intent.as_str(),
            feedback: review.feedback(),
            rounds: review.rounds.iter().map(said).collect(),
        }
    }
}
