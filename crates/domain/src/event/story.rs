//! What each move of a task writes into its log (gateway contract, sections 5,
//! 8 and 12).

use super::{EventType, NewEvent};
use crate::{
    control::Control,
    json::JsonObject,
    task::{
        Attempt, Progress,
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
        work::Kind,
    },
    text::replace_nul,
};
use serde_json::{Map, Value, json};

impl NewEvent {
    /// The event of a submit.
    pub const SUBMITTED: Self = Self::bare(EventType::DATA_PROCESSING);
    /// The event of a claim.
    pub const CLAIMED: Self = Self::bare(EventType::WORKFLOW_STARTED);

    const fn bare(event_type: EventType) -> Self {
        Self { event_type, agent: None, message: None, payload: None }
    }

    fn saying(event_type: EventType, message: Option<&str>) -> Self {
        let message = message.map(|message| replace_nul(message.to_owned()));
        Self { message, ..Self::bare(event_type) }
    }

    /// The event of a worker's heartbeat that has something to tell.
    pub fn progressed(progress: Progress, message: Option<&str>) -> Self {
        let steps = json!({"progress": progress.current(), "total": progress.total()});
        Self { payload: object(&steps), ..Self::saying(EventType::PROGRESS, message) }
    }

    /// The event of a task that its worker lets go of, or loses, and that is
    /// to be tried again. It names the attempt that is over and the types of
    /// that attempt's events that stand for nothing any more: the next one
    /// writes its output anew.
    pub fn released(attempt: Attempt, reason: &str) -> Self {
        let pieces = EventType::LLM_PARTIAL;
        let payload = json!({"attempt": attempt.get(), "superseded": [pieces.as_str()]});
        let event = Self::saying(EventType::ERROR_RECOVERY, Some(reason));
        Self { payload: object(&payload), ..event }
    }

    /// The events of a control that moves a task from `from`.
    pub fn controlled(control: Control, from: LiveStatus, reason: Option<&str>) -> Vec<Self> {
        let checkpoint = TaskStatus::from(from).to_string();
        let at = |event_type, payload: Value| Self {
            payload: object(&payload),
            ..Self::saying(event_type, reason)
        };
        match control {
            Control::Pause => vec![
                Self::saying(EventType::WORKFLOW_PAUSING, reason),
                at(EventType::WORKFLOW_PAUSED, json!({"checkpoint": checkpoint})),
            ],
            Control::Resume => vec![Self::saying(EventType::WORKFLOW_RESUMED, reason)],
            Control::Cancel => vec![
                Self::saying(EventType::WORKFLOW_CANCELLING, reason),
                at(
                    EventType::WORKFLOW_CANCELLED,
                    json!({"checkpoint": checkpoint, "was_paused": from == LiveStatus::Paused}),
                ),
                Self::bare(EventType::STREAM_END),
            ],
        }
    }

    /// The events of a task that ends with an outcome. The first of a completed
    /// agent task [is its final output](Self::is_final_output), to be left out
    /// when the worker of the same claim has recorded one.
    pub fn ended(transition: Transition, kind: Kind, outcome: &Outcome) -> Vec<Self> {
        let mut events = Vec::with_capacity(3);
        if transition == Transition::Complete {
            if kind == Kind::Agent {
                events.push(Self::final_output(outcome));
            }
            events.push(Self::bare(EventType::WORKFLOW_COMPLETED));
        } else {
            let error = outcome.error.as_deref();
            events.push(Self::saying(EventType::ERROR_OCCURRED, error));
            events.push(Self::saying(EventType::WORKFLOW_FAILED, error));
        }
        events.push(Self::bare(EventType::STREAM_END));
        events
    }

    /// The answer, with what it took to make it (gateway contract, section 9).
    fn final_output(outcome: &Outcome) -> Self {
        let (tokens, cost) = (outcome.usage.tokens(), outcome.usage.cost());
        let mut payload = Map::new();
        if !outcome.usage.is_zero() {
            payload.insert("tokens_used".to_owned(), tokens.total().into());
            payload.insert("input_tokens".to_owned(), tokens.prompt().into());
            payload.insert("output_tokens".to_owned(), tokens.completion().into());
            payload.insert("cost_usd".to_owned(), cost.dollars().into());
        }
        for (name, text) in [("model_used", &outcome.model), ("provider", &outcome.provider)] {
            if let Some(text) = text {
                payload.insert(name.to_owned(), text.as_str().into());
            }
        }
        let answer = outcome.result.as_deref();
        let answer = answer.or_else(|| outcome.response.as_ref().map(JsonObject::as_str));
        Self {
            agent: Some(Self::FINAL_OUTPUT.to_owned()),
            payload: if payload.is_empty() { None } else { object(&Value::Object(payload)) },
            ..Self::saying(EventType::LLM_OUTPUT, Some(answer.unwrap_or_default()))
        }
    }
}

fn object(value: &Value) -> Option<JsonObject> {
    JsonObject::parse("payload", value.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::NewEvent;
    use crate::{
        control::Control,
        json::JsonObject,
        task::{
            Attempt,
            outcome::Outcome,
            status::{LiveStatus, Transition},
            work::{Kind, TaskType},
        },
        usage::{Tokens, Usage, Usd},
    };

    fn told(events: &[NewEvent]) -> Vec<String> {
        let line = |event: &NewEvent| {
            let payload = event.payload().map(JsonObject::as_str).unwrap_or_default();
            let parts = [event.event_type().as_str(), event.message().unwrap_or_default(), payload];
            parts.join(" ").trim_end().to_owned()
        };
        events.iter().map(line).collect()
    }

    #[test]
    fn a_completed_question_ends_with_its_answer() {
        let usage = Usage::new(
            Tokens::new(45, 105, None).unwrap(),
            Usd::from_dollars(0.0023).unwrap(),
            Vec::new(),
        );
        let outcome = Outcome {
            result: Some("It scatters.".to_owned()),
            model: Some("m".to_owned()),
            usage,
            ..Outcome::default()
        };
        let events = NewEvent::ended(Transition::Complete, Kind::Agent, &outcome);
        assert!(events[0].is_final_output());
        assert_eq!(
            told(&events),
            [
                r#"LLM_OUTPUT It scatters. {"tokens_used":150,"input_tokens":45,"output_tokens":105,"cost_usd":0.0023,"model_used":"m"}"#,
                "WORKFLOW_COMPLETED",
                "STREAM_END",
            ]
        );
    }

    #[test]
    fn a_job_has_no_final_output() {
        let job = Kind::Research(TaskType::Ocr);
        let events = NewEvent::ended(Transition::Complete, job, &Outcome::default());
        assert_eq!(told(&events), ["WORKFLOW_COMPLETED", "STREAM_END"]);
    }

    #[test]
    fn a_failure_tells_why() {
        let events = NewEvent::ended(Transition::Fail, Kind::Agent, &Outcome::error("no\0paper"));
        assert_eq!(
            told(&events),
            ["ERROR_OCCURRED no\u{fffd}paper", "WORKFLOW_FAILED no\u{fffd}paper", "STREAM_END"]
        );
    }

    #[test]
    fn another_attempt_makes_the_pieces_of_the_last_one_void() {
        let event = NewEvent::released(Attempt::new(2).unwrap(), "busy");
        assert_eq!(
            told(&[event]),
            [r#"ERROR_RECOVERY busy {"attempt":2,"superseded":["LLM_PARTIAL"]}"#]
        );
    }

    #[test]
    fn a_cancel_tells_where_the_task_stood() {
        let events = NewEvent::controlled(Control::Cancel, LiveStatus::Paused, Some("late"));
        assert_eq!(
            told(&events),
            [
                "WORKFLOW_CANCELLING late",
                r#"WORKFLOW_CANCELLED late {"checkpoint":"paused","was_paused":true}"#,
                "STREAM_END",
            ]
        );
    }
}
