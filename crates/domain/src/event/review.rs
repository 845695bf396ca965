//! What the review of a plan writes into the log (gateway contract, section 16).

use super::{EventType, NewEvent};
use crate::{
    control::Control,
    json::JsonObject,
    review::{Proposal, Response},
    task::status::LiveStatus,
    text::replace_nul,
};
use serde_json::{Value, json};

impl NewEvent {
    /// Who tells of plans.
    pub const PLANNER: &str = "research-planner";
    /// Who tells of remarks on them.
    pub const REVIEWER: &str = "user";
    /// Why a task is paused whose plan was proposed.
    pub const WAITING_FOR_REVIEW: &str = "waiting for review of the plan";

    /// The events of a task that was at `from` and whose worker proposes a plan:
    /// one of this version, or none that was not there before.
    pub fn proposed(proposal: &Proposal, version: Option<u16>, from: LiveStatus) -> Vec<Self> {
        let plan = version.map(|version| Self::planned(proposal, version));
        let pause = (from != LiveStatus::Paused)
            .then(|| Self::controlled(Control::Pause, from, Some(Self::WAITING_FOR_REVIEW)));
        plan.into_iter().chain(pause.into_iter().flatten()).collect()
    }

    fn planned(proposal: &Proposal, version: u16) -> Self {
        let (plan, intent) = (proposal.plan(), proposal.intent().as_str());
        let event_type = match version {
            1 => EventType::RESEARCH_PLAN_READY,
            _ => EventType::RESEARCH_PLAN_UPDATED,
        };
        let payload = json!({"plan": plan, "round": version, "version": version, "intent": intent});
        Self::said(event_type, Self::PLANNER, Some(plan), &payload)
    }

    /// The events of a task that was at `from` and whose owner says something to
    /// the plan of this version.
    pub fn responded(response: &Response, version: u16, from: LiveStatus) -> Vec<Self> {
        let (event_type, message) = match response {
            Response::Approve => (EventType::RESEARCH_PLAN_APPROVED, None),
            Response::Feedback(remark) => (EventType::REVIEW_USER_FEEDBACK, Some(remark.as_str())),
        };
        let payload = json!({"round": version, "version": version});
        let mut events = vec![Self::said(event_type, Self::REVIEWER, message, &payload)];
        if from == LiveStatus::Paused {
            events.extend(Self::controlled(Control::Resume, from, None));
        }
        events
    }

    fn said(event_type: EventType, agent: &str, message: Option<&str>, payload: &Value) -> Self {
        Self {
            event_type,
            agent: Some(agent.to_owned()),
            message: message.map(|message| replace_nul(message.to_owned())),
            payload: JsonObject::parse("payload", payload.to_string()).ok(),
        }
    }
}
