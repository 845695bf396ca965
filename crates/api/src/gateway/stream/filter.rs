//! Which events a client asks for, and what they are called on the wire.

use crate::http::error::ApiError;
use std::collections::BTreeSet;
use taskgate_domain::event::EventType;

/// The types that server-sent events call otherwise (gateway contract,
/// section 6), and their names there.
static RENAMED: [(EventType, &str); 9] = [
    (EventType::LLM_PARTIAL, "thread.message.delta"),
    (EventType::LLM_OUTPUT, "thread.message.completed"),
    (EventType::ERROR_OCCURRED, "error"),
    (EventType::STREAM_END, "done"),
    (EventType::WORKFLOW_PAUSING, "workflow.pausing"),
    (EventType::WORKFLOW_PAUSED, "workflow.paused"),
    (EventType::WORKFLOW_RESUMED, "workflow.resumed"),
    (EventType::WORKFLOW_CANCELLING, "workflow.cancelling"),
    (EventType::WORKFLOW_CANCELLED, "workflow.cancelled"),
];

/// The name of a type in server-sent events.
pub(super) fn sse_name(event_type: &EventType) -> &str {
    let renamed = RENAMED.iter().find(|(renamed, _)| renamed == event_type);
    renamed.map_or(event_type.as_str(), |(_, name)| *name)
}

/// The types that a client asks for, in either spelling; all when there are
/// none.
pub(super) struct Types(BTreeSet<String>);

impl Types {
    /// How many names may be asked for.
    const MAX: usize = 100;

    /// The longest name, in characters: no type has a longer one.
    const MAX_NAME: usize = 64;

    /// Reads names between commas. Any name may be asked for.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] when there are more than 100, or one has more than
    /// 64 characters.
    pub(super) fn read(names: &str) -> Result<Self, ApiError> {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        let too_long = |name: &String| name.chars().count() > Self::MAX_NAME;
        if names.len() > Self::MAX || names.iter().any(too_long) {
            return Err(ApiError::invalid("Invalid types parameter"));
        }
        Ok(Self(names))
    }

    /// Whether events of this type are shown.
    pub(super) fn admit(&self, event_type: &EventType) -> bool {
        self.0.is_empty()
            || self.0.contains(event_type.as_str())
            || self.0.contains(sse_name(event_type))
    }

    /// Whether nothing is shown after an event of this type. Who does not ask
    /// for the end is told no more than the completion (gateway contract,
    /// section 6).
    pub(super) fn end_at(&self, event_type: &EventType) -> bool {
        *event_type == EventType::STREAM_END
            || (*event_type == EventType::WORKFLOW_COMPLETED && !self.admit(&EventType::STREAM_END))
    }
}

#[cfg(test)]
mod tests {
    use super::{EventType, RENAMED, Types};

    fn admitted(names: &str) -> Vec<String> {
        let types = Types::read(names).unwrap();
        let own = EventType::new("TOOL_INVOKED".to_owned()).unwrap();
        [EventType::LLM_OUTPUT, EventType::WORKFLOW_PAUSED, EventType::STREAM_END, own]
            .into_iter()
            .filter(|event_type| types.admit(event_type))
            .map(|event_type| event_type.as_str().to_owned())
            .collect()
    }

    #[test]
    fn both_spellings_are_understood() {
        for names in
            ["LLM_OUTPUT,STREAM_END", "thread.message.completed, done", ",STREAM_END,,LLM_OUTPUT,x"]
        {
            assert_eq!(admitted(names), ["LLM_OUTPUT", "STREAM_END"], "{names}");
        }
        assert_eq!(admitted("TOOL_INVOKED"), ["TOOL_INVOKED"]);
        assert!(admitted("tool_invoked,Done").is_empty());
    }

    #[test]
    fn no_name_asks_for_all() {
        for names in ["", ",", " , "] {
            assert_eq!(admitted(names).len(), 4, "{names}");
        }
    }

    #[test]
    fn at_most_100_names_of_64_characters_are_taken() {
        let taken = |names: String| Types::read(&names).is_ok();
        let numbers = |count: i32| (0..count).map(|n| format!("T{n}, ")).collect::<String>();
        assert!(taken(numbers(100)) && !taken(numbers(101)));
        assert!(taken("LLM_OUTPUT,".repeat(101)));
        assert!(taken("富".repeat(64)) && !taken("a".repeat(65)));
    }

    #[test]
    fn workers_cannot_record_what_looks_renamed() {
        for (_, name) in &RENAMED {
            assert!(EventType::new((*name).to_owned()).unwrap().is_reserved(), "{name}");
        }
    }

    #[test]
    fn without_the_end_the_completion_is_the_last() {
        let last = |names| Types::read(names).unwrap().end_at(&EventType::WORKFLOW_COMPLETED);
        assert!(last("LLM_OUTPUT") && last("WORKFLOW_COMPLETED"));
        assert!(!last("") && !last("done") && !last("STREAM_END,LLM_OUTPUT"));
        assert!(Types::read("LLM_OUTPUT").unwrap().end_at(&EventType::STREAM_END));
        assert!(!Types::read("LLM_OUTPUT").unwrap().end_at(&EventType::WORKFLOW_FAILED));
    }
}
