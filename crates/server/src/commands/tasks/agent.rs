//! Agent tasks, as the gateway tells of them.

use super::{
    text,
    view::{End, View, time},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One task. Only what it cannot do without is demanded, so that the client
/// works with servers of other versions.
#[derive(Debug, Deserialize)]
pub(super) struct AgentTask {
    task_id: String,
    status: String,
    query: Option<String>,
    session_id: Option<String>,
    mode: Option<String>,
    context: Option<Box<RawValue>>,
    created_at: Option<String>,
    updated_at: Option<String>,
    progress: Option<f64>,
    result: Option<String>,
    response: Option<Box<RawValue>>,
    error: Option<String>,
    metadata: Option<Box<RawValue>>,
    model_used: Option<String>,
    provider: Option<String>,
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    total_tokens: Option<u64>,
    #[serde(alias = "prompt_tokens")]
    input_tokens: Option<u64>,
    #[serde(alias = "completion_tokens")]
    output_tokens: Option<u64>,
    cost_usd: Option<f64>,
}

/// A page of the list.
#[derive(Debug, Deserialize)]
pub(super) struct AgentTasks {
    tasks: Vec<Listed>,
    /// How many tasks match altogether.
    #[serde(rename = "total_count")]
    pub(super) total: u64,
}

#[derive(Debug, Deserialize)]
struct Listed {
    task_id: String,
    status: String,
    query: Option<String>,
    created_at: Option<String>,
    total_token_usage: Option<Usage>,
}

impl AgentTask {
    /// The task for people.
    pub(super) fn view(self) -> View {
        let status = word(&self.status, "TASK_STATUS_");
        let end = match status.as_str() {
            "completed" => Some(End::Completed),
            "failed" => Some(End::Failed),
            "cancelled" => Some(End::Cancelled),
            "timeout" => Some(End::TimedOut),
            _ => None,
        };
        let error = self.error.unwrap_or_default();
        let mut view = View::default();
        view.tell("Task", Some(self.task_id));
        view.tell("Status", Some(&status));
        view.tell("Error", Some(&error));
        view.tell("Query", self.query);
        view.tell("Session", self.session_id);
        view.tell("Mode", self.mode.map(|mode| word(&mode, "EXECUTION_MODE_")));
        view.tell("Context", self.context.filter(|context| context.get() != "{}"));
        view.tell("Progress", self.progress.map(|part| format!("{:.0}%", part * 100.0)));
        view.tell("Created", self.created_at.map(|at| time(&at)));
        view.tell("Updated", self.updated_at.map(|at| time(&at)));
        view.tell("Model", self.model_used);
        view.tell("Provider", self.provider);
        view.tell("Tokens", self.usage.as_ref().map(Usage::tokens));
        view.tell("Cost", self.usage.as_ref().map(Usage::cost));
        view.tell("Metadata", self.metadata);
        let text = self.result.filter(|result| !result.is_empty());
        let structured = || self.response.map(|response| response.get().to_owned());
        View { status, end, error, result: text.or_else(structured), ..view }
    }
}

impl Usage {
    fn tokens(&self) -> String {
        let number = |tokens: Option<u64>| tokens.unwrap_or(0);
        let (input, output) = (number(self.input_tokens), number(self.output_tokens));
        format!("{} ({input} in, {output} out)", number(self.total_tokens))
    }

    fn cost(&self) -> String {
        format!("${}", self.cost_usd.unwrap_or(0.0))
    }
}

impl AgentTasks {
    /// The page as a table. The query comes last: it is the only column whose
    /// characters may be wider than others.
    pub(super) fn rows(&self) -> Vec<[String; 6]> {
        let headings = ["TASK", "STATUS", "CREATED", "TOKENS", "COST", "QUERY"];
        let row = |task: &Listed| {
            let usage = task.total_token_usage.as_ref();
            [
                text::line(&task.task_id),
                word(&task.status, "TASK_STATUS_"),
                task.created_at.as_deref().map(time).unwrap_or_default(),
                usage
                    .and_then(|usage| usage.total_tokens)
                    .map(|n| n.to_string())
                    .unwrap_or_default(),
                usage.map(Usage::cost).unwrap_or_default(),
                text::short(task.query.as_deref().unwrap_or_default(), 60),
            ]
        };
        std::iter::once(headings.map(str::to_owned)).chain(self.tasks.iter().map(row)).collect()
    }
}

/// A word of the wire, without its prefix and its capitals.
fn word(wire: &str, prefix: &str) -> String {
    text::line(wire.strip_prefix(prefix).unwrap_or(wire)).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{AgentTask, AgentTasks};
    use crate::{commands::tasks::view::End, terminal::table};
    use insta::assert_snapshot;

    fn read(text: &str) -> AgentTask {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_task_that_has_ended_tells_everything() {
        let view = read(
            r#"{"task_id":"task_1","workflow_id":"task_1","status":"TASK_STATUS_COMPLETED","result":"3776 metres","response":null,"error":"","progress":1,"created_at":"2026-11-21T20:59:29.032494Z","updated_at":"2026-11-21T20:59:30Z","query":"How high\nis it?\u001b[2J","session_id":"geo","context":{"a": 1e2},"mode":"EXECUTION_MODE_SIMPLE","model_used":"m","provider":"p","usage":{"total_tokens":16,"input_tokens":12,"output_tokens":4,"estimated_cost":0.0004,"cost_usd":0.0004},"metadata":{"citations":[]}}"#,
        )
        .view();
        assert_snapshot!(table(&view.facts), @r#"
        Task      task_1
        Status    completed
        Query     How high is it?[2J
        Session   geo
        Mode      simple
        Context   {"a": 1e2}
        Progress  100%
        Created   2026-11-21T20:59:29Z
        Updated   2026-11-21T20:59:30Z
        Model     m
        Provider  p
        Tokens    16 (12 in, 4 out)
        Cost      $0.0004
        Metadata  {"citations":[]}
        "#);
        assert_eq!((view.end, view.result.as_deref()), (Some(End::Completed), Some("3776 metres")));
    }

    #[test]
    fn a_task_that_waits_has_neither_end_nor_result() {
        let view =
            read(r#"{"task_id":"task_1","status":"TASK_STATUS_QUEUED","response":null}"#).view();
        assert_eq!((view.status.as_str(), view.end, view.result), ("queued", None, None));
    }

    #[test]
    fn each_end_is_its_own() {
        for (status, end) in [
            ("FAILED", Some(End::Failed)),
            ("CANCELLED", Some(End::Cancelled)),
            ("TIMEOUT", Some(End::TimedOut)),
            ("PAUSED", None),
        ] {
            let text =
                format!(r#"{{"task_id":"t","status":"TASK_STATUS_{status}","error":"why"}}"#);
            assert_eq!(read(&text).view().end, end, "{status}");
        }
    }

    #[test]
    fn a_structured_answer_is_the_result_where_there_is_no_text() {
        let view = read(r#"{"task_id":"t","status":"x","result":"","response":{"n": 1.0}}"#).view();
        assert_eq!(view.result.unwrap(), r#"{"n": 1.0}"#);
    }

    #[test]
    fn a_page_is_a_table() {
        let page: AgentTasks = serde_json::from_str(
            r#"{"tasks":[{"task_id":"task_2","query":"富士山の高さは？","status":"TASK_STATUS_RUNNING","mode":"EXECUTION_MODE_SIMPLE","created_at":"2026-11-21T21:00:00.5Z","completed_at":null,"total_token_usage":null},{"task_id":"task_1","query":"a\nb","status":"TASK_STATUS_COMPLETED","created_at":"2026-11-21T20:59:29.032494Z","total_token_usage":{"total_tokens":16,"cost_usd":0.0004,"prompt_tokens":12,"completion_tokens":4}}],"total_count":7}"#,
        )
        .unwrap();
        assert_snapshot!(table(&page.rows()), @"
        TASK    STATUS     CREATED               TOKENS  COST     QUERY
        task_2  running    2026-11-21T21:00:00Z                   富士山の高さは？
        task_1  completed  2026-11-21T20:59:29Z  16      $0.0004  a b
        ");
        assert_eq!(page.total, 7);
    }
}
