//! `GET /api/v1/sessions/{id}/events`

use super::{answer, duration, label, not_found};
use crate::{
    gateway::{
        event::stream_id,
        paging,
        refusals::{NoSession, Refused, TooMuch},
        room::Room,
    },
    http::{auth::Caller, error::ApiError, query::Query, reply::Timestamp},
    server::{Services, State},
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use std::{collections::HashSet, iter};
use taskgate_domain::{
    event::TaskEvent,
    id::{SessionId, TaskNumber},
    json::JsonObject,
    query::TurnQuery,
    task::Turn,
};
use utoipa::ToSchema;

/// How many turns are read at once: few, since the answer of each may have
/// megabytes.
const TURNS: u16 = 5;

/// How many events are read at once.
const EVENTS: u16 = 100;

const OPERATION: &str = "Failed to get session events";

/// Reads what happened in one of the caller's sessions, turn by turn: a task
/// is a turn. Pieces of output are left out.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/events", tag = "sessions", operation_id = "get_session_events",
    params(
        ("id" = String, Path, description = "The session's UUID, or the client's own name for it."),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "How many turns; 10 if absent."),
        ("offset" = Option<i64>, Query, minimum = 0, description = "How many turns to skip, from the oldest."),
        ("include_payload" = Option<bool>, Query, description = "Whether events have their payload; false if absent."),
    ),
    responses(
        (status = 200, description = "The turns.", body = TurnList),
        Refused, NoSession, TooMuch,
    ),
)]
pub(in crate::gateway) async fn turns(
    request: HttpRequest,
    caller: Caller,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let wanted = Wanted::read(request.query_string())?;
    let session = state
        .services
        .sessions
        .get(caller.0.user, &label(&name)?)
        .await
        .map_err(ApiError::store(OPERATION))?
        .ok_or_else(not_found)?;
    let room = Room::default();
    let turns = Reader { services: &state.services, session: session.id, room };
    let turns = turns.read(wanted.offset, wanted.limit).await?;
    let places = wanted.offset.saturating_add(1)..;
    let turns = places.zip(&turns).map(|(place, turn)| turn.view(place, wanted.payloads));
    let view = TurnList { session_id: &name, count: session.tasks, turns: turns.collect() };
    Ok(HttpResponse::Ok().json(view))
}

/// What the query string asks for.
struct Wanted {
    limit: u16,
    offset: i64,
    payloads: bool,
}

impl Wanted {
    fn read(text: &str) -> Result<Self, ApiError> {
        let query = Query::read(text, &["limit", "offset", "include_payload"])?;
        let (limit, offset) = paging::part(&query, 10, 100)?;
        let payloads = match query.get("include_payload") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(ApiError::invalid("Invalid include_payload parameter")),
        };
        Ok(Self { limit, offset, payloads })
    }
}

/// Reads turns and their events, a few at once.
struct Reader<'a> {
    services: &'a Services,
    session: SessionId,
    room: Room,
}

/// A turn and what is kept of its log.
struct TurnLog {
    turn: Turn,
    events: Vec<TaskEvent>,
}

impl Reader<'_> {
    async fn read(mut self, offset: i64, limit: u16) -> Result<Vec<TurnLog>, ApiError> {
        let (mut logs, mut after, mut offset, mut left) = (Vec::new(), 0, offset, limit);
        while left > 0 {
            let limit = left.min(TURNS);
            let query = TurnQuery { session: self.session, after, offset, limit };
            let turns = self.services.sessions.turns(query).await;
            let turns = turns.map_err(ApiError::store(OPERATION))?;
            left = if turns.len() < usize::from(limit) { 0 } else { left - limit };
            (after, offset) = (turns.last().map_or(after, |turn| turn.number.get()), 0);
            let events = self.events(turns.iter().map(|turn| turn.number).collect()).await?;
            let mut events = events.into_iter().peekable();
            for turn in turns {
                let outcome = turn.state.finished().map(|finished| &finished.outcome);
                self.room.take(0, [Some(turn.query.as_str()), outcome.and_then(answer)])?;
                let own = iter::from_fn(|| events.next_if(|(task, _)| *task == turn.number));
                let events = own.map(|(_, event)| event).collect();
                logs.push(TurnLog { turn, events });
            }
        }
        Ok(logs)
    }

    /// The events of these tasks, as far as there is room for them.
    async fn events(
        &mut self,
        tasks: Vec<TaskNumber>,
    ) -> Result<Vec<(TaskNumber, TaskEvent)>, ApiError> {
        let (mut all, mut offset) = (Vec::new(), 0);
        while !tasks.is_empty() {
            let events = self.services.events.of_turns(tasks.clone(), offset, EVENTS).await;
            let events = events.map_err(ApiError::store(OPERATION))?;
            let Ok(count @ 1..) = i64::try_from(events.len()) else { break };
            events.iter().try_for_each(|(_, event)| self.room.hold(event))?;
            all.extend(events);
            offset += count;
        }
        Ok(all)
    }
}

/// What happened in a session.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionEvents)]
struct TurnList<'a> {
    /// The session, as the request named it.
    session_id: &'a str,
    /// How many turns the session has, on all pages.
    count: i64,
    /// The turns, the oldest first.
    turns: Vec<TurnView<'a>>,
}

/// A task of a session, with what happened to it.
#[derive(Serialize, ToSchema)]
#[schema(as = Turn)]
struct TurnView<'a> {
    /// Its place in the session, from 1.
    turn: i64,
    /// The task's id.
    task_id: String,
    /// The question.
    user_query: &'a str,
    /// The answer; empty as long as there is none.
    final_output: &'a str,
    /// When the task was submitted.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// What happened, in order.
    events: Vec<EventView<'a>>,
    /// The turn in figures.
    metadata: TurnMetadata<'a>,
}

/// A turn in figures.
#[derive(Serialize, ToSchema)]
struct TurnMetadata<'a> {
    /// All tokens that the task consumed.
    tokens_used: i64,
    /// How long it took from its first claim to its end, in milliseconds; 0
    /// when it was never claimed or has not ended.
    execution_time_ms: i64,
    /// The agents that the events name, in the order of their first events.
    agents_involved: Vec<&'a str>,
}

/// Something that happened to a task.
#[derive(Serialize, ToSchema)]
#[schema(as = TurnEvent)]
struct EventView<'a> {
    /// The task's id.
    workflow_id: String,
    /// What happened.
    #[serde(rename = "type")]
    event_type: &'a str,
    /// Which agent told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent_id: Option<&'a str>,
    /// Text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'a str>,
    /// Data for programs: the text of a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payload: Option<&'a str>,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Its place in the task's log, from 1; some places may be left out.
    seq: i64,
    /// Its id in streams.
    stream_id: String,
}

impl TurnLog {
    fn view(&self, place: i64, with_payloads: bool) -> TurnView<'_> {
        let turn = &self.turn;
        let id = turn.id.to_string();
        let outcome = turn.state.finished().map(|finished| &finished.outcome);
        let told = || self.events.iter().find(|event| event.event.is_final_output());
        let output = outcome.and_then(answer).or_else(|| told()?.event.message());
        let mut seen = HashSet::new();
        let agents = self.events.iter().filter_map(|event| event.event.agent());
        TurnView {
            turn: place,
            user_query: &turn.query,
            final_output: output.unwrap_or_default(),
            timestamp: Timestamp(turn.created_at),
            metadata: TurnMetadata {
                tokens_used: outcome.map_or(0, |outcome| outcome.usage.tokens().total()),
                execution_time_ms: duration(&turn.state).unwrap_or(0),
                agents_involved: agents.filter(|agent| seen.insert(*agent)).collect(),
            },
            events: self.events.iter().map(|e| EventView::of(e, &id, with_payloads)).collect(),
            task_id: id,
        }
    }
}

impl<'a> EventView<'a> {
    fn of(told: &'a TaskEvent, task: &str, with_payload: bool) -> Self {
        let event = &told.event;
        Self {
            workflow_id: task.to_owned(),
            event_type: event.event_type().as_str(),
            agent_id: event.agent(),
            message: event.message(),
            payload: event.payload().filter(|_| with_payload).map(JsonObject::as_str),
            timestamp: Timestamp(told.at),
            seq: told.seq,
            stream_id: stream_id(told),
        }
    }
}
