//! Jobs of projects, as the research face tells of them.

use super::{
    text,
    view::{End, View, time},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One job, or a line of the list, which has less.
#[derive(Debug, Deserialize)]
pub(super) struct Job {
    id: i64,
    project_id: i64,
    task_type: String,
    status: String,
    progress: i64,
    total: i64,
    created_at: String,
    params: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
    error_message: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
}

/// A page of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Jobs {
    items: Vec<Job>,
    /// How many jobs match altogether.
    pub(super) total: u64,
}

impl Job {
    /// The job for people.
    pub(super) fn view(self) -> View {
        let status = text::line(&self.status);
        let end = match status.as_str() {
            "completed" => Some(End::Completed),
            "failed" => Some(End::Failed),
            "cancelled" => Some(End::Cancelled),
            _ => None,
        };
        let progress = self.steps();
        let error = self.error_message.unwrap_or_default();
        let mut view = View::default();
        view.tell("Task", Some(self.id));
        view.tell("Status", Some(&status));
        view.tell("Error", Some(&error));
        view.tell("Project", Some(self.project_id));
        view.tell("Type", Some(self.task_type));
        view.tell("Params", self.params);
        view.tell("Progress", Some(progress));
        view.tell("Created", Some(time(&self.created_at)));
        view.tell("Started", self.started_at.map(|at| time(&at)));
        view.tell("Ended", self.completed_at.map(|at| time(&at)));
        let result = self.result.map(|result| result.get().to_owned());
        View { status, end, error, result, ..view }
    }

    /// Steps done, of all steps when their number is known.
    fn steps(&self) -> String {
        match self.total {
            0 => self.progress.to_string(),
            total => format!("{}/{total}", self.progress),
        }
    }
}

impl Jobs {
    /// The page as a table.
    pub(super) fn rows(&self) -> Vec<[String; 6]> {
        let headings = ["TASK", "PROJECT", "TYPE", "STATUS", "PROGRESS", "CREATED"];
        let row = |job: &Job| {
            [
                job.id.to_string(),
                job.project_id.to_string(),
                text::line(&job.task_type),
                text::line(&job.status),
                job.steps(),
                time(&job.created_at),
            ]
        };
        std::iter::once(headings.map(str::to_owned)).chain(self.items.iter().map(row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Job, Jobs};
    use crate::{commands::tasks::view::End, terminal::table};
    use insta::assert_snapshot;

    #[test]
    fn a_job_tells_everything() {
        let job: Job = serde_json::from_str(
            r#"{"id":42,"project_id":1,"task_type":"search","status":"completed","progress":100,"total":100,"params":{"query": "ml"},"result":{"papers_found": 15},"error_message":"","created_at":"2025-03-12T10:00:00","started_at":"2025-03-12T10:00:01.250000","completed_at":"2025-03-12T10:02:30"}"#,
        )
        .unwrap();
        let view = job.view();
        assert_snapshot!(table(&view.facts), @r#"
        Task      42
        Status    completed
        Project   1
        Type      search
        Params    {"query": "ml"}
        Progress  100/100
        Created   2025-03-12T10:00:00Z
        Started   2025-03-12T10:00:01Z
        Ended     2025-03-12T10:02:30Z
        "#);
        let result = view.result.as_deref();
        assert_eq!((view.end, result), (Some(End::Completed), Some(r#"{"papers_found": 15}"#)));
    }

    #[test]
    fn a_page_is_a_table() {
        let page: Jobs = serde_json::from_str(
            r#"{"items":[{"id":42,"project_id":1,"task_type":"search","status":"running","progress":30,"total":100,"created_at":"2025-03-12T10:00:00"},{"id":7,"project_id":12,"task_type":"ocr","status":"pending","progress":0,"total":0,"created_at":"2025-03-12T09:00:00"}],"total":2,"page":1,"page_size":20,"total_pages":1}"#,
        )
        .unwrap();
        assert_snapshot!(table(&page.rows()), @"
        TASK  PROJECT  TYPE    STATUS   PROGRESS  CREATED
        42    1        search  running  30/100    2025-03-12T10:00:00Z
        7     12       ocr     pending  0         2025-03-12T09:00:00Z
        ");
    }
}
