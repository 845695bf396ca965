//! What happened to a task, in order.

mod review;
mod story;

use crate::{error::InvalidValue, json::JsonObject, text};
use chrono::{DateTime, Utc};

/// The name of what happened, such as `WORKFLOW_STARTED`.
///
/// Workers may use any name of 1 to 64 ASCII letters, digits, `_`, `.` and
/// `-`; the gateway's clients know those of section 8 of its contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventType(std::borrow::Cow<'static, str>);

impl EventType {
    /// The task was accepted.
    pub const DATA_PROCESSING: Self = Self::known("DATA_PROCESSING");
    /// A worker took the task.
    pub const WORKFLOW_STARTED: Self = Self::known("WORKFLOW_STARTED");
    /// The worker told how far it is.
    pub const PROGRESS: Self = Self::known("PROGRESS");
    /// A piece of a model's output, as it is written. It is not kept for long
    /// after the task has ended.
    pub const LLM_PARTIAL: Self = Self::known("LLM_PARTIAL");
    /// A model's whole output.
    pub const LLM_OUTPUT: Self = Self::known("LLM_OUTPUT");
    /// An agent begins with a question.
    pub const AGENT_STARTED: Self = Self::known("AGENT_STARTED");
    /// An agent thinks about what to do next.
    pub const AGENT_THINKING: Self = Self::known("AGENT_THINKING");
    /// An agent is done with its question.
    pub const AGENT_COMPLETED: Self = Self::known("AGENT_COMPLETED");
    /// An agent gives a question to another.
    pub const DELEGATION: Self = Self::known("DELEGATION");
    /// An agent uses a tool.
    pub const TOOL_INVOKED: Self = Self::known("TOOL_INVOKED");
    /// A tool has said something.
    pub const TOOL_OBSERVATION: Self = Self::known("TOOL_OBSERVATION");
    /// Much of a budget is used.
    pub const BUDGET_THRESHOLD: Self = Self::known("BUDGET_THRESHOLD");
    /// Something went wrong for good.
    pub const ERROR_OCCURRED: Self = Self::known("ERROR_OCCURRED");
    /// A worker let go of the task, or lost it, and it is to be tried again.
    pub const ERROR_RECOVERY: Self = Self::known("ERROR_RECOVERY");
    /// Somebody asked for a pause.
    pub const WORKFLOW_PAUSING: Self = Self::known("WORKFLOW_PAUSING");
    /// The task is paused.
    pub const WORKFLOW_PAUSED: Self = Self::known("WORKFLOW_PAUSED");
    /// The task goes on after a pause.
    pub const WORKFLOW_RESUMED: Self = Self::known("WORKFLOW_RESUMED");
    /// Somebody asked for the task's end.
    pub const WORKFLOW_CANCELLING: Self = Self::known("WORKFLOW_CANCELLING");
    /// The task was cancelled.
    pub const WORKFLOW_CANCELLED: Self = Self::known("WORKFLOW_CANCELLED");
    /// The task ended with a result.
    pub const WORKFLOW_COMPLETED: Self = Self::known("WORKFLOW_COMPLETED");
    /// The task ended with an error or at its deadline.
    pub const WORKFLOW_FAILED: Self = Self::known("WORKFLOW_FAILED");
    /// A worker proposed a plan, and its owner is to review it.
    pub const RESEARCH_PLAN_READY: Self = Self::known("RESEARCH_PLAN_READY");
    /// A worker proposed another plan after a remark.
    pub const RESEARCH_PLAN_UPDATED: Self = Self::known("RESEARCH_PLAN_UPDATED");
    /// The plan was approved.
    pub const RESEARCH_PLAN_APPROVED: Self = Self::known("RESEARCH_PLAN_APPROVED");
    /// Somebody remarked on the plan.
    pub const REVIEW_USER_FEEDBACK: Self = Self::known("REVIEW_USER_FEEDBACK");
    /// Nothing follows.
    pub const STREAM_END: Self = Self::known("STREAM_END");

    /// The types that only a move of the task itself writes.
    const MOVES: [Self; 13] = [
        Self::WORKFLOW_STARTED,
        Self::WORKFLOW_PAUSING,
        Self::WORKFLOW_PAUSED,
        Self::WORKFLOW_RESUMED,
        Self::WORKFLOW_CANCELLING,
        Self::WORKFLOW_CANCELLED,
        Self::WORKFLOW_COMPLETED,
        Self::WORKFLOW_FAILED,
        Self::RESEARCH_PLAN_READY,
        Self::RESEARCH_PLAN_UPDATED,
        Self::RESEARCH_PLAN_APPROVED,
        Self::REVIEW_USER_FEEDBACK,
        Self::STREAM_END,
    ];

    /// The names that mean something else in the gateway's server-sent events,
    /// or to every reader of such.
    const TAKEN: [&str; 11] = [
        "done",
        "error",
        "message",
        "open",
        "thread.message.delta",
        "thread.message.completed",
        "workflow.pausing",
        "workflow.paused",
        "workflow.resumed",
        "workflow.cancelling",
        "workflow.cancelled",
    ];

    const fn known(name: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(name))
    }

    /// Takes a worker's name for an event.
    ///
    /// # Errors
    /// [`InvalidValue`] when the name breaks the rule above.
    pub fn new(name: String) -> Result<Self, InvalidValue> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !(1..=64).contains(&name.len()) || !name.chars().all(allowed) {
            return Err(InvalidValue::new(
                "type",
                "must have 1 to 64 letters, digits, underscores, dots or hyphens",
            ));
        }
        Ok(Self(name.into()))
    }

    /// Whether it tells of a move of the task, and is written with that move.
    pub fn tells_a_move(&self) -> bool {
        Self::MOVES.contains(self)
    }

    /// Whether workers may not record it: it [tells a move](Self::tells_a_move),
    /// or its name means something else to those who read event streams.
    pub fn is_reserved(&self) -> bool {
        self.tells_a_move() || Self::TAKEN.contains(&self.as_str())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something to record about a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    event_type: EventType,
    agent: Option<String>,
    message: Option<String>,
    payload: Option<JsonObject>,
}

impl NewEvent {
    /// The agent whose output is the answer to the task's question.
    pub const FINAL_OUTPUT: &str = "final_output";

    /// An event; NUL characters in the message are replaced.
    ///
    /// # Errors
    /// [`InvalidValue`] when the agent's name is not 1 to 128 characters
    /// without control characters.
    pub fn new(
        event_type: EventType,
        agent: Option<String>,
        message: Option<String>,
        payload: Option<JsonObject>,
    ) -> Result<Self, InvalidValue> {
        if let Some(agent) = &agent {
            text::check_label("agent_id", agent, 1, 128)?;
        }
        Ok(Self { event_type, agent, message: message.map(text::replace_nul), payload })
    }

    /// What happened.
    pub const fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// Whether this is the answer to the task's question: an agent's output
    /// under the name [`FINAL_OUTPUT`](Self::FINAL_OUTPUT).
    pub fn is_final_output(&self) -> bool {
        self.event_type == EventType::LLM_OUTPUT && self.agent() == Some(Self::FINAL_OUTPUT)
    }

    /// Which agent of the worker tells it.
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// Text for people.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Data for programs.
    pub const fn payload(&self) -> Option<&JsonObject> {
        self.payload.as_ref()
    }
}

/// How many bytes of messages and payloads one read of logs takes, about: it
/// stops behind the event that goes past them, for a worker may write
/// megabytes at once.
pub const READ_BYTES: i64 = 1024 * 1024;

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEvent {
    /// Its place in the task's log: 1, 2, 3 and so on, without gaps until the
    /// pieces of output are removed from the log of a task that has ended.
    pub seq: i64,
    /// What happened.
    pub event: NewEvent,
    /// When, by the store's clock; never before the event that precedes it.
    pub at: DateTime<Utc>,
}

/// A place in a task's log, for readers to go on behind it.
///
/// Places order events by time, then by number. That is the order of the
/// numbers too, because time does not decrease within a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Position {
    /// Before the first event.
    #[default]
    Start,
    /// At the event of this number, or where it would stand.
    Seq(i64),
    /// At the event of this number and time, or where it would stand.
    Id {
        /// Milliseconds since 1970.
        millis: i64,
        /// The event's number.
        seq: i64,
    },
}

impl Position {
    /// Where an event stands.
    pub const fn of(event: &TaskEvent) -> Self {
        Self::Id { millis: event.at.timestamp_millis(), seq: event.seq }
    }

    /// Whether an event stands behind this place.
    pub const fn precedes(self, event: &TaskEvent) -> bool {
        match self {
            Self::Start => true,
            Self::Seq(seq) => event.seq > seq,
            Self::Id { millis, seq } => {
                let at = event.at.timestamp_millis();
                at > millis || (at == millis && event.seq > seq)
            }
        }
    }
}
