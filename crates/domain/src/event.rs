//! What happened to a task, in order.

use crate::{error::InvalidValue, json::JsonObject, task::status::Transition, text};
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
    /// The task went back to the queue.
    pub const ERROR_RECOVERY: Self = Self::known("ERROR_RECOVERY");
    /// The task ended with a result.
    pub const WORKFLOW_COMPLETED: Self = Self::known("WORKFLOW_COMPLETED");
    /// The task ended with an error or at its deadline.
    pub const WORKFLOW_FAILED: Self = Self::known("WORKFLOW_FAILED");
    /// The task was cancelled.
    pub const WORKFLOW_CANCELLED: Self = Self::known("WORKFLOW_CANCELLED");

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

    /// The event that a move of the task itself writes.
    pub const fn of(transition: Transition) -> Self {
        match transition {
            Transition::Claim => Self::WORKFLOW_STARTED,
            Transition::Release => Self::ERROR_RECOVERY,
            Transition::Complete => Self::WORKFLOW_COMPLETED,
            Transition::Fail | Transition::TimeOut => Self::WORKFLOW_FAILED,
            Transition::Cancel => Self::WORKFLOW_CANCELLED,
        }
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

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEvent {
    /// Its place in the task's log: 1, 2, 3 and so on, without gaps.
    pub seq: i64,
    /// What happened.
    pub event: NewEvent,
    /// When, by the store's clock.
    pub at: DateTime<Utc>,
}
