//! `GET /api/v1/worker/tasks/{id}/conversation`

use super::{
    TaskPath, field,
    refusals::{Lost, Refused},
    task_id,
};
use crate::{
    http::{error::ApiError, query::Query},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use taskgate_domain::{
    queue::{Conversation, Lease, PastTurn},
    task::Attempt,
};
use utoipa::{IntoParams, ToSchema};

/// How many turns are read when the worker does not say.
const TURNS: i64 = 10;

/// The query parameters, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `read` takes")]
struct Wish {
    /// The attempt that the claim told.
    #[param(minimum = 1, maximum = 2_147_483_647)]
    attempt: i64,
    /// How many turns at most; 10 by default.
    #[param(minimum = 0, maximum = 100)]
    turns: Option<i64>,
}

/// Reads what an agent task follows on: the latest turns of its session that
/// were asked before it and have completed with an answer, and what the session
/// has consumed so far.
///
/// There are fewer turns when all together they would have more than 1 MiB; the
/// latest stay. Other tasks follow on nothing.
#[utoipa::path(
    get, path = "/api/v1/worker/tasks/{id}/conversation", tag = "worker",
    params(TaskPath, Wish),
    responses((status = 200, description = "The conversation.", body = ConversationView), Refused, Lost),
)]
pub(super) async fn conversation(
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let task = task_id(&request)?;
    let query = Query::read(request.query_string(), &["attempt", "turns"])?;
    let number = |name| {
        let sentence = format!("{name} must be an integer");
        query.integer(name, ApiError::invalid(sentence))
    };
    // Absent, it breaks the rule of attempts.
    let attempt = Attempt::new(number("attempt")?.unwrap_or(0))?;
    let turns = field::in_range("turns", number("turns")?.unwrap_or(TURNS), 0, 100)?;
    let conversation = state
        .services
        .workers
        .conversation(Lease { task, attempt }, turns)
        .await
        .map_err(ApiError::report("Failed to read conversation"))?;
    Ok(HttpResponse::Ok().json(ConversationView::from(conversation)))
}

/// What an agent task follows on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
struct ConversationView {
    /// The oldest first.
    turns: Vec<TurnView>,
    /// Tokens that the session's finished tasks consumed, all together.
    #[schema(minimum = 0)]
    tokens: i64,
    /// What they cost in US dollars.
    #[schema(minimum = 0)]
    cost_usd: f64,
}

/// A question that was asked before, and its answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Turn)]
struct TurnView {
    /// The question.
    query: String,
    /// The answer: the text, or the structured form when there is no text.
    answer: String,
}

impl From<Conversation> for ConversationView {
    fn from(conversation: Conversation) -> Self {
        let turn = |PastTurn { query, answer }| TurnView { query, answer };
        Self {
            turns: conversation.turns.into_iter().map(turn).collect(),
            tokens: conversation.tokens,
            cost_usd: conversation.cost.dollars(),
        }
    }
}
