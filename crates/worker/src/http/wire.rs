//! The bodies of the calls, as a worker writes and reads them.

mod report;
mod usage;

pub(super) use report::{Finished, Item};

use super::{MOST, answer::Refusal};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use taskgate_domain::{
    error::InvalidValue,
    event::NewEvent,
    id::{ProjectId, TaskNumber},
    json::JsonObject,
    queue::{ClaimRequest, ClaimedTask, Conversation, Heartbeat, HeartbeatReply, Lease, PastTurn},
    review::{Intent, Proposal, Review, Role, Round},
    task::{
        Attempt,
        work::{AgentWork, Kind, Mode, ResearchWork, SessionLabel, Work},
    },
    usage::Usage,
};
use usage::{UsageBody, usd};

/// A body as text.
pub(super) fn json(body: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(body).map_err(|error| Refusal::Failed(error.to_string()))
}

/// Whole seconds, rounded up.
const fn seconds(time: Duration) -> u64 {
    time.as_secs() + if time.subsec_nanos() > 0 { 1 } else { 0 }
}

#[derive(Serialize)]
pub(super) struct Claim<'a> {
    worker_id: &'a str,
    kinds: Vec<&'static str>,
    max: u16,
    lease_seconds: u64,
    wait_seconds: u64,
}

impl<'a> Claim<'a> {
    pub(super) fn of(request: &'a ClaimRequest, wait: Duration) -> Self {
        Self {
            worker_id: request.worker.as_str(),
            kinds: request.kinds.iter().map(|kind| kind.as_str()).collect(),
            max: u16::try_from(MOST).map_or(request.max, |most| request.max.min(most)),
            lease_seconds: seconds(request.lease),
            wait_seconds: seconds(wait),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Claimed {
    tasks: Vec<ClaimedItem>,
}

#[derive(Deserialize)]
struct ClaimedItem {
    task_id: String,
    number: i64,
    kind: String,
    attempt: i64,
    lease_expires_at: DateTime<Utc>,
    deadline: Option<DateTime<Utc>>,
    query: Option<String>,
    mode: Option<String>,
    session_id: Option<String>,
    context: Option<JsonObject>,
    project_id: Option<i64>,
    params: Option<JsonObject>,
    usage: Option<UsageBody>,
}

impl Claimed {
    pub(super) fn tasks(self) -> Result<Vec<ClaimedTask>, Refusal> {
        let tasks = self.tasks.into_iter().map(ClaimedItem::into_domain);
        tasks.collect::<Result<_, _>>().map_err(|error| Refusal::unreadable(&error))
    }
}

impl ClaimedItem {
    fn into_domain(self) -> Result<ClaimedTask, InvalidValue> {
        let work = match self.kind.parse()? {
            Kind::Agent => Work::Agent(AgentWork::new(
                given("query", self.query)?,
                SessionLabel::new(given("session_id", self.session_id)?)?,
                given("mode", self.mode)?.parse::<Mode>()?,
                given("context", self.context)?,
            )?),
            Kind::Research(task_type) => Work::Research(ResearchWork {
                project: ProjectId::new(given("project_id", self.project_id)?)?,
                task_type,
                params: given("params", self.params)?,
            }),
        };
        Ok(ClaimedTask {
            id: self.task_id.parse()?,
            number: TaskNumber::new(self.number)?,
            work,
            attempt: Attempt::new(self.attempt)?,
            lease_expires_at: self.lease_expires_at,
            deadline: self.deadline,
            consumed: self.usage.map_or_else(|| Ok(Usage::default()), UsageBody::usage)?,
        })
    }
}

fn given<T>(name: &'static str, value: Option<T>) -> Result<T, InvalidValue> {
    value.ok_or_else(|| InvalidValue::new(name, "is missing"))
}

#[derive(Serialize)]
pub(super) struct Beat<'a> {
    attempt: i32,
    lease_seconds: Option<u64>,
    progress: Option<i64>,
    total: Option<i64>,
    message: Option<&'a str>,
}

impl<'a> From<&'a Heartbeat> for Beat<'a> {
    fn from(heartbeat: &'a Heartbeat) -> Self {
        Self {
            attempt: heartbeat.lease.attempt.get(),
            lease_seconds: heartbeat.extend.map(seconds),
            progress: heartbeat.progress,
            total: heartbeat.total,
            message: heartbeat.message.as_deref(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Beaten {
    lease_expires_at: DateTime<Utc>,
    cancel_requested: bool,
    pause_requested: bool,
}

impl From<Beaten> for HeartbeatReply {
    fn from(beaten: Beaten) -> Self {
        let Beaten { lease_expires_at, cancel_requested, pause_requested } = beaten;
        Self { lease_expires_at, cancel_requested, pause_requested }
    }
}

#[derive(Serialize)]
pub(super) struct Events<'a> {
    attempt: i32,
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    agent_id: Option<&'a str>,
    message: Option<&'a str>,
    payload: Option<&'a JsonObject>,
}

impl<'a> Events<'a> {
    pub(super) fn of(lease: Lease, events: &'a [NewEvent]) -> Self {
        let event = |event: &'a NewEvent| Event {
            event_type: event.event_type().as_str(),
            agent_id: event.agent(),
            message: event.message(),
            payload: event.payload(),
        };
        Self { attempt: lease.attempt.get(), events: events.iter().map(event).collect() }
    }
}

#[derive(Deserialize)]
pub(super) struct Recorded {
    pub(super) last_seq: i64,
}

#[derive(Deserialize)]
pub(super) struct Conversed {
    turns: Vec<Turn>,
    tokens: i64,
    cost_usd: f64,
}

#[derive(Deserialize)]
struct Turn {
    query: String,
    answer: String,
}

impl Conversed {
    pub(super) fn conversation(self) -> Result<Conversation, Refusal> {
        let cost = usd(self.cost_usd);
        let turn = |Turn { query, answer }| PastTurn { query, answer };
        Ok(Conversation {
            turns: self.turns.into_iter().map(turn).collect(),
            tokens: self.tokens,
            cost: cost.map_err(|error| Refusal::unreadable(&error))?,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Reviewed {
    review: Option<ReviewItem>,
}

#[derive(Deserialize)]
struct ReviewItem {
    approved: bool,
    intent: String,
    questions: Vec<String>,
    rounds: Vec<RoundItem>,
}

#[derive(Deserialize)]
struct RoundItem {
    role: String,
    message: String,
    timestamp: DateTime<Utc>,
}

impl Reviewed {
    pub(super) fn review(self) -> Result<Option<Review>, Refusal> {
        let Some(ReviewItem { approved, intent, questions, rounds }) = self.review else {
            return Ok(None);
        };
        let intent = Intent::ALL.into_iter().find(|known| known.as_str() == intent);
        let intent = intent
            .ok_or_else(|| Refusal::unreadable(&InvalidValue::new("intent", "is unknown")))?;
        let round = |RoundItem { role, message, timestamp: at }| {
            let role = Role::ALL.into_iter().find(|known| known.as_str() == role);
            role.map(|role| Round { role, message, at })
        };
        let rounds: Option<Vec<Round>> = rounds.into_iter().map(round).collect();
        let rounds =
            rounds.ok_or_else(|| Refusal::unreadable(&InvalidValue::new("role", "is unknown")))?;
        Ok(Some(Review { approved, intent, questions, rounds }))
    }
}

#[derive(Serialize)]
pub(super) struct Plan<'a> {
    attempt: i32,
    plan: &'a str,
    questions: &'a [String],
    intent: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageBody>,
}

impl<'a> Plan<'a> {
    pub(super) fn of(lease: Lease, proposal: &'a Proposal) -> Self {
        Self {
            attempt: lease.attempt.get(),
            plan: proposal.plan(),
            questions: proposal.questions(),
            intent: proposal.intent().as_str(),
            usage: UsageBody::told(proposal.usage()),
        }
    }
}
