//! What the events of both faces mean to somebody who watches.

use super::{sse::Frame, text};
use serde::Deserialize;

/// An event, as far as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// So many steps are done, of a number that is 0 while it is unknown.
    Progress { done: u64, total: u64, message: String },
    /// The next words of the answer.
    Words(String),
    /// Something happened.
    Line(String),
    /// Nothing that is not shown in another way.
    Silent,
    /// The stream has ended.
    End,
}

/// Members of events; those of other types than here are not shown.
#[derive(Debug, Default, Deserialize)]
struct Data {
    agent_id: Option<String>,
    message: Option<String>,
    delta: Option<String>,
    response: Option<String>,
    status: Option<String>,
    payload: Option<serde_json::Value>,
    progress: Option<u64>,
    total: Option<u64>,
}

impl Event {
    /// What a frame says.
    pub(super) fn of(frame: &Frame) -> Self {
        if frame.data == "[DONE]" {
            return Self::End;
        }
        let data: Data = serde_json::from_str(&frame.data).unwrap_or_default();
        let agent = data.agent_id.unwrap_or_default();
        let message = data.message.unwrap_or_default();
        match frame.name.as_str() {
            // It makes titles of sessions beside the task, not its answer.
            _ if agent == "title_generator" => Self::Silent,
            "thread.message.delta" => Self::Words(data.delta.unwrap_or_default()),
            // The result, which is printed at the end.
            "thread.message.completed" if agent == "final_output" => Self::Silent,
            "thread.message.completed" => {
                Self::line(&frame.name, &agent, &data.response.unwrap_or_default())
            }
            "PROGRESS" => {
                let steps = |name| data.payload.as_ref()?.get(name)?.as_u64();
                Self::progress(steps("progress"), steps("total"), &message)
            }
            "progress" => Self::progress(data.progress, data.total, &message),
            "status" => Self::line(&data.status.unwrap_or_default(), "", &message),
            name => Self::line(name, &agent, &message),
        }
    }

    fn progress(done: Option<u64>, total: Option<u64>, message: &str) -> Self {
        let message = text::short(message, 200);
        Self::Progress { done: done.unwrap_or(0), total: total.unwrap_or(0), message }
    }

    fn line(what: &str, agent: &str, message: &str) -> Self {
        let agent = if agent.is_empty() { String::new() } else { format!(" {agent}") };
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        Self::Line(text::short(&format!("{what}{agent}{message}"), 200))
    }
}

#[cfg(test)]
mod tests {
    use super::Event;
    use crate::commands::tasks::sse::Frame;

    fn event(name: &str, data: &str) -> Event {
        Event::of(&Frame { id: "1".to_owned(), name: name.to_owned(), data: data.to_owned() })
    }

    fn line(text: &str) -> Event {
        Event::Line(text.to_owned())
    }

    #[test]
    fn progress_is_told_by_both_faces() {
        let expected = Event::Progress { done: 3, total: 10, message: "m".to_owned() };
        let gateway = r#"{"type":"PROGRESS","message":"m","payload":{"progress":3,"total":10}}"#;
        assert_eq!(event("PROGRESS", gateway), expected);
        let research = r#"{"task_id":7,"status":"running","progress":3,"total":10,"message":"m"}"#;
        assert_eq!(event("progress", research), expected);
    }

    #[test]
    fn the_answer_is_told_word_by_word_and_not_again() {
        let delta = r#"{"delta":"Mount ","agent_id":"writer","message":"Mount "}"#;
        assert_eq!(event("thread.message.delta", delta), Event::Words("Mount ".to_owned()));
        let answer = r#"{"response":"3776 metres","agent_id":"final_output"}"#;
        assert_eq!(event("thread.message.completed", answer), Event::Silent);
        let title = r#"{"delta":"Mountains","agent_id":"title_generator"}"#;
        assert_eq!(event("thread.message.delta", title), Event::Silent);
    }

    #[test]
    fn everything_else_is_a_line() {
        let thinking =
            r#"{"type":"AGENT_THINKING","agent_id":"planner","message":"a\nb\u001b[2J"}"#;
        assert_eq!(event("AGENT_THINKING", thinking), line("AGENT_THINKING planner: a b[2J"));
        assert_eq!(event("workflow.paused", "{}"), line("workflow.paused"));
        let step = r#"{"response":"done","agent_id":"reader"}"#;
        let shown = line("thread.message.completed reader: done");
        assert_eq!(event("thread.message.completed", step), shown);
        let status = r#"{"task_id":7,"status":"failed","message":"no such page"}"#;
        assert_eq!(event("status", status), line("failed: no such page"));
        assert_eq!(event("NEW_KIND", "no JSON"), line("NEW_KIND"));
    }

    #[test]
    fn both_faces_end_alike() {
        assert_eq!(event("done", "[DONE]"), Event::End);
    }
}
