//! `GET /api/v1/sessions/{id}/history`

use super::{answer, duration, label, not_found};
use crate::{
    gateway::{
        refusals::{NoSession, Refused},
        spelling,
        status::Metadata,
    },
    http::{auth::Caller, error::ApiError, reply::Timestamp},
    server::State,
};
use actix_web::{HttpResponse, http::header::ContentType, web, web::Bytes};
use futures_util::{TryStreamExt, stream};
use serde::{Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use std::{io, mem, sync::Arc, vec};
use taskgate_domain::{
    error::StoreError,
    id::SessionId,
    json::JsonObject,
    query::TurnQuery,
    task::{Turn, outcome::Outcome},
    usecase::sessions::Sessions,
};
use utoipa::ToSchema;

/// How many turns are read at once: few, since the answer of each may have
/// megabytes.
const PAGE: u16 = 5;

/// How many bytes are sent at once, about.
const CHUNK: usize = 64 << 10;

const OPERATION: &str = "Failed to get session history";

/// Reads what was asked and answered in one of the caller's sessions, the
/// oldest first.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/history", tag = "sessions", operation_id = "get_session_history",
    params(("id" = String, Path, description = "The session's UUID, or the client's own name for it.")),
    responses(
        (status = 200, description = "The whole history; the connection breaks when it cannot be read to its end.", body = HistoryView),
        Refused, NoSession,
    ),
)]
pub(in crate::gateway) async fn history(
    caller: Caller,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let sessions = state.services.sessions.clone();
    let session = sessions
        .find(caller.0.user, &label(&name)?)
        .await
        .map_err(ApiError::store(OPERATION))?
        .ok_or_else(not_found)?;
    let mut history = History::of(sessions, session, &name)?;
    // A store that fails now still makes an honest status.
    history.read().await?;
    let span = tracing::Span::current();
    let chunks = stream::try_unfold(history, History::next).map_err(move |error| {
        span.in_scope(|| error.log());
        io::Error::other("the history cannot be read to its end")
    });
    Ok(HttpResponse::Ok().content_type(ContentType::json()).streaming(chunks))
}

/// A history on its way out, so that it needs little memory however long it
/// is.
struct History {
    sessions: Arc<Sessions>,
    session: SessionId,
    /// What is read and not yet written.
    turns: vec::IntoIter<Turn>,
    /// The last turn that was read; 0 before the first.
    after: i64,
    /// Whether there may be more to read.
    more: bool,
    /// What is written and not yet sent.
    text: Vec<u8>,
    /// How many turns were written.
    written: usize,
    ended: bool,
}

impl History {
    fn of(sessions: Arc<Sessions>, session: SessionId, name: &str) -> Result<Self, ApiError> {
        let mut text = br#"{"session_id":"#.to_vec();
        write(&mut text, &name)?;
        text.extend_from_slice(br#","tasks":["#);
        let turns = Vec::new().into_iter();
        Ok(Self { sessions, session, turns, after: 0, more: true, text, written: 0, ended: false })
    }

    /// Reads the next turns.
    async fn read(&mut self) -> Result<(), ApiError> {
        let query = TurnQuery { session: self.session, after: self.after, offset: 0, limit: PAGE };
        let turns = self.sessions.turns(query).await.map_err(ApiError::store(OPERATION))?;
        self.more = turns.len() >= usize::from(PAGE);
        self.after = turns.last().map_or(self.after, |turn| turn.number.get());
        self.turns = turns.into_iter();
        Ok(())
    }

    /// The next piece of the answer.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, ApiError> {
        if self.ended {
            return Ok(None);
        }
        while self.text.len() < CHUNK {
            if let Some(turn) = self.turns.next() {
                if self.written > 0 {
                    self.text.push(b',');
                }
                write(&mut self.text, &HistoryItem::of(&turn))?;
                self.written += 1;
            } else if self.more {
                self.read().await?;
            } else {
                // At the end, so that it counts what was sent: turns may be
                // added meanwhile.
                let end = format!(r#"],"total":{}}}"#, self.written);
                self.text.extend_from_slice(end.as_bytes());
                self.ended = true;
                break;
            }
        }
        Ok(Some((mem::take(&mut self.text).into(), self)))
    }
}

fn write(text: &mut Vec<u8>, value: &impl Serialize) -> Result<(), ApiError> {
    serde_json::to_writer(text, value)
        .map_err(StoreError::failed)
        .map_err(ApiError::store(OPERATION))
}

/// What was asked and answered in a session.
#[derive(ToSchema)]
#[schema(as = SessionHistory)]
#[expect(dead_code, reason = "it describes what is written piece by piece")]
struct HistoryView<'a> {
    /// The session, as the request named it.
    session_id: &'a str,
    /// The session's tasks, the oldest first.
    tasks: Vec<HistoryItem<'a>>,
    /// How many there are.
    total: i64,
}

/// A task of a session.
#[derive(Serialize, ToSchema)]
struct HistoryItem<'a> {
    /// The task's id.
    task_id: String,
    /// The task's id.
    workflow_id: String,
    /// The question.
    query: &'a str,
    /// Where the task is in its life.
    #[schema(schema_with = spelling::bare_status_schema)]
    status: &'static str,
    /// How the agent goes about the query.
    #[schema(schema_with = spelling::bare_mode_schema)]
    mode: &'static str,
    /// The answer, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    result: Option<&'a str>,
    /// Why the task failed; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error_message: Option<&'a str>,
    /// All tokens that the task consumed.
    total_tokens: i64,
    /// What the task cost, in US dollars.
    total_cost_usd: f64,
    /// How long the task took from its first claim to its end, in
    /// milliseconds; absent when it was never claimed or has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    duration_ms: Option<i64>,
    /// How many agents took part: the length of `agent_usages` in the task's
    /// metadata, else 0.
    agents_used: u64,
    /// How often tools were used: `tools_invoked` in the task's metadata,
    /// else 0.
    tools_invoked: u64,
    /// When the task was submitted.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When the task ended; absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    completed_at: Option<Timestamp>,
    /// What the worker told beside the result, as the task itself shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    metadata: Option<Metadata<'a>>,
}

impl<'a> HistoryItem<'a> {
    fn of(turn: &'a Turn) -> Self {
        let finished = turn.state.finished();
        let outcome = finished.map(|finished| &finished.outcome);
        Self {
            task_id: turn.id.to_string(),
            workflow_id: turn.id.to_string(),
            query: &turn.query,
            status: spelling::bare_status(turn.state.status()),
            mode: turn.mode.as_str(),
            result: outcome.and_then(answer),
            error_message: outcome.and_then(|outcome| outcome.error.as_deref()),
            total_tokens: outcome.map_or(0, |outcome| outcome.usage.tokens().total()),
            total_cost_usd: outcome.map_or(0.0, |outcome| outcome.usage.cost().dollars()),
            duration_ms: duration(&turn.state),
            agents_used: told(outcome, "agent_usages", |raw| {
                let agents: Vec<IgnoredAny> = serde_json::from_str(raw.get()).ok()?;
                u64::try_from(agents.len()).ok()
            }),
            tools_invoked: told(outcome, "tools_invoked", |raw| {
                serde_json::from_str(raw.get()).ok()
            }),
            started_at: Timestamp(turn.created_at),
            completed_at: finished.map(|finished| Timestamp(finished.finished_at)),
            metadata: outcome.and_then(Metadata::of),
        }
    }
}

/// A count that a worker told in a member of its metadata; else 0.
fn told(
    outcome: Option<&Outcome>,
    member: &str,
    count: impl FnOnce(Box<RawValue>) -> Option<u64>,
) -> u64 {
    let metadata: Option<&JsonObject> = outcome.and_then(|outcome| outcome.metadata.as_ref());
    metadata.and_then(|metadata| count(metadata.member(member)?)).unwrap_or(0)
}
