//! `GET /api/v1/tasks/{id}/timeline`

use super::{
    event::stream_id,
    refusals::{Missing, Refused, TooMuch},
    room::Room,
    spelling,
};
use crate::{
    http::{auth::Caller, error::ApiError, query::Query, reply::Timestamp},
    openapi::one_of,
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use taskgate_domain::{
    event::{EventType, TaskEvent},
    json::JsonObject,
    query::{Access, TaskKey},
};
use utoipa::{ToSchema, openapi::Object};

/// How many events of a task's log a timeline looks at, at most.
const MAX: i64 = 5_000;

/// How many of them are read at once.
const PAGE: u16 = 200;

/// Shows the course of one of the caller's tasks, at most the first 5,000 events
/// of its log, under the names of a workflow engine.
///
/// A task is a workflow (`WF_STARTED`, `WF_COMPLETED`, `WF_FAILED`,
/// `WF_CANCEL_REQUESTED`, `WF_CANCELLED`), each of its attempts an activity
/// (`ACT_STARTED`, `ACT_FAILED`), a pause and a resume are signals
/// (`SIG_PAUSED`, `SIG_RESUMED`). The mode `full` shows everything else too, as
/// `MARKER_` and the event's type.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/timeline", tag = "tasks", operation_id = "get_task_timeline",
    params(
        ("id" = String, Path, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "The task's id."),
        ("mode" = Option<Mode>, Query, description = "`summary` if absent."),
        ("include_payloads" = Option<bool>, Query, description = "Whether events show their payload; false if absent."),
        ("persist" = Option<bool>, Query, description = "Whether to answer 202 with the number of events alone; false if absent. There is nothing to wait for: a timeline is a view of what is stored."),
        ("run_id" = Option<String>, Query, description = "Ignored: a task has one run."),
    ),
    responses(
        (status = 200, description = "The timeline.", body = Timeline),
        (status = 202, description = "The answer to `persist`.", body = Persisted),
        Refused, Missing, TooMuch,
    ),
)]
pub(super) async fn timeline(
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = spelling::name_of_task(&request)?;
    let options = Options::read(request.query_string())?;
    let key = TaskKey::Id(spelling::task_named(id)?);
    let access = Access::User(caller.0.user);
    let (mut events, mut offset, mut room) = (Vec::new(), 0, Room::default());
    while offset < MAX {
        let limit = u16::try_from(MAX - offset).unwrap_or(PAGE).min(PAGE);
        let (_, page) = state
            .services
            .events
            .history(&access, key, offset, limit)
            .await
            .map_err(ApiError::task("Failed to read timeline"))?;
        let Ok(count @ 1..) = i64::try_from(page.len()) else { break };
        offset += count;
        for event in page.into_iter().filter_map(|event| options.show(id, event)) {
            room.take(
                0,
                [Some(event.message.as_str()), event.payload.as_ref().map(JsonObject::as_str)],
            )?;
            events.push(event);
        }
    }
    if options.persist {
        let view = Persisted { status: "accepted", workflow_id: id, count: events.len() };
        return Ok(HttpResponse::Accepted().json(view));
    }
    let stats = Stats { total: events.len(), mode: options.mode };
    Ok(HttpResponse::Ok().json(Timeline { workflow_id: id, events, stats }))
}

/// How much a timeline shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TimelineMode)]
enum Mode {
    /// The moves of the task and its attempts.
    Summary,
    /// Everything.
    Full,
}

struct Options {
    mode: Mode,
    payloads: bool,
    persist: bool,
}

impl Options {
    fn read(text: &str) -> Result<Self, ApiError> {
        let query = Query::read(text, &["mode", "include_payloads", "persist"])?;
        let mode = match query.get("mode") {
            None | Some("summary") => Mode::Summary,
            Some("full") => Mode::Full,
            Some(_) => return Err(ApiError::invalid("mode must be summary or full")),
        };
        let flag = |name| match query.get(name) {
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if !value.eq_ignore_ascii_case("false") => {
                Err(ApiError::invalid(format!("{name} must be true or false")))
            }
            _ => Ok(false),
        };
        Ok(Self { mode, payloads: flag("include_payloads")?, persist: flag("persist")? })
    }

    /// The event as this timeline shows it, if it does.
    fn show<'a>(&self, workflow_id: &'a str, event: TaskEvent) -> Option<Entry<'a>> {
        let event_type = match (name(&event), self.mode) {
            (Some(name), _) => name.to_owned(),
            (None, Mode::Summary) => return None,
            (None, Mode::Full) => format!("MARKER_{}", event.event.event_type().as_str()),
        };
        let at = Timestamp(event.at);
        Some(Entry {
            id: stream_id(&event),
            workflow_id,
            event_type,
            message: event.event.message().unwrap_or_default().to_owned(),
            timestamp: at,
            seq: event.seq,
            created_at: at,
            payload: event.event.payload().filter(|_| self.payloads).cloned(),
        })
    }
}

/// What a workflow engine calls the event.
fn name(event: &TaskEvent) -> Option<&'static str> {
    const NAMES: [(EventType, &str); 8] = [
        (EventType::WORKFLOW_STARTED, "ACT_STARTED"),
        (EventType::ERROR_RECOVERY, "ACT_FAILED"),
        (EventType::WORKFLOW_PAUSED, "SIG_PAUSED"),
        (EventType::WORKFLOW_RESUMED, "SIG_RESUMED"),
        (EventType::WORKFLOW_CANCELLING, "WF_CANCEL_REQUESTED"),
        (EventType::WORKFLOW_CANCELLED, "WF_CANCELLED"),
        (EventType::WORKFLOW_COMPLETED, "WF_COMPLETED"),
        (EventType::WORKFLOW_FAILED, "WF_FAILED"),
    ];
    let event_type = event.event.event_type();
    // The submit writes the first event; workers may use its type too.
    if event.seq == 1 && *event_type == EventType::DATA_PROCESSING {
        return Some("WF_STARTED");
    }
    NAMES.iter().find(|(named, _)| named == event_type).map(|(_, name)| *name)
}

/// The course of a task.
#[derive(Serialize, ToSchema)]
pub(super) struct Timeline<'a> {
    /// The task's id.
    workflow_id: &'a str,
    /// The oldest first.
    events: Vec<Entry<'a>>,
    /// What was asked for, and how much there is of it.
    stats: Stats,
}

/// Something that happened to a task.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineEvent)]
struct Entry<'a> {
    /// The event's id in streams.
    id: String,
    /// The task's id.
    workflow_id: &'a str,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "WF_STARTED")]
    event_type: String,
    /// Text for people; may be empty.
    message: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Its place in the task's log, from 1.
    seq: i64,
    /// The same as `timestamp`.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Data for programs, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    payload: Option<JsonObject>,
}

/// What a timeline holds.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineStats)]
struct Stats {
    /// How many events it shows.
    total: usize,
    mode: Mode,
}

/// That a timeline is stored.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineStored)]
pub(super) struct Persisted<'a> {
    /// Always `accepted`.
    #[schema(schema_with = accepted)]
    status: &'static str,
    /// The task's id.
    workflow_id: &'a str,
    /// How many events it shows.
    count: usize,
}

fn accepted() -> Object {
    one_of(["accepted"])
}
