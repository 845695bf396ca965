//! Tasks as this face shows them (research specification, `TaskSchema` and
//! `TaskDetailSchema`).

use crate::openapi::one_of;
use chrono::{DateTime, Timelike, Utc};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use taskgate_domain::{
    error::InvalidValue,
    json::JsonObject,
    query::TaskPage,
    task::{
        Subject, Task, TaskState, TaskSummary,
        status::{FinalStatus, TaskStatus},
        work::{TaskType, Work},
    },
};
use utoipa::{ToSchema, openapi};

/// The five statuses of this face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Waits for a worker.
    Pending,
    /// A worker has it, or it is paused.
    Running,
    /// Ended with a result.
    Completed,
    /// Ended with an error, or at its deadline.
    Failed,
    /// Ended because somebody cancelled it.
    Cancelled,
}

impl Status {
    const ALL: [Self; 5] =
        [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The spelling on the wire.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the `status` filter.
    ///
    /// # Errors
    /// [`InvalidValue`] unless it is one of the five spellings.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidValue> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            InvalidValue::new(
                "status",
                "must be one of pending, running, completed, failed, cancelled",
            )
        })
    }

    /// The domain's statuses that are shown as this one.
    pub(super) fn domain(self) -> Vec<TaskStatus> {
        TaskStatus::ALL.into_iter().filter(|status| Self::from(*status) == self).collect()
    }
}

impl From<TaskStatus> for Status {
    fn from(status: TaskStatus) -> Self {
        match status {
            TaskStatus::Queued => Self::Pending,
            TaskStatus::Running | TaskStatus::Paused => Self::Running,
            TaskStatus::Completed => Self::Completed,
            TaskStatus::Failed | TaskStatus::TimedOut => Self::Failed,
            TaskStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// A time as this face writes it: UTC without a zone, and with a fraction of
/// six digits only when it is not zero, as Python's `isoformat` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp(pub(super) DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let format =
            if self.0.nanosecond() < 1_000 { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
        serializer.collect_str(&self.0.format(format))
    }
}

/// How the types of task are spelt.
pub(super) fn task_types() -> openapi::Object {
    one_of(TaskType::ALL.map(TaskType::as_str))
}

/// A task in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskSchema)]
pub(super) struct TaskItem {
    /// Task ID.
    #[schema(minimum = 1)]
    id: i64,
    /// The project that the task belongs to.
    #[schema(minimum = 1)]
    project_id: i64,
    /// The job.
    #[schema(schema_with = task_types)]
    task_type: &'static str,
    status: Status,
    /// Steps done.
    #[schema(minimum = 0)]
    progress: i64,
    /// All steps, 0 as long as their number is unknown.
    #[schema(minimum = 0)]
    total: i64,
    /// ISO 8601, UTC without a zone.
    #[schema(value_type = String, example = "2025-03-12T10:00:00")]
    created_at: Timestamp,
}

impl TaskItem {
    /// `None` for an agent task: this face knows only those of projects.
    pub(super) fn of(task: &TaskSummary) -> Option<Self> {
        let Subject::Research { project, task_type } = task.subject else { return None };
        Some(Self {
            id: task.number.get(),
            project_id: project.get(),
            task_type: task_type.as_str(),
            status: task.status.into(),
            progress: task.progress.current(),
            total: task.progress.total(),
            created_at: Timestamp(task.created_at),
        })
    }
}

/// A page of a list, when the request asked for pages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskPageView {
    /// The newest first.
    items: Vec<TaskItem>,
    /// How many tasks the whole list has.
    total: i64,
    /// Which page this is, from 1.
    page: i64,
    /// How many items a page has at most.
    page_size: i64,
    /// How many pages there are; 0 for an empty list.
    total_pages: i64,
}

impl TaskPageView {
    pub(super) fn of(found: &TaskPage, page: i64, page_size: i64) -> Self {
        Self {
            items: found.tasks.iter().filter_map(TaskItem::of).collect(),
            total: found.total,
            page,
            page_size,
            total_pages: found.total / page_size + i64::from(found.total % page_size > 0),
        }
    }
}

/// All of a task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskDetailSchema)]
pub(super) struct TaskDetail {
    /// Task ID.
    #[schema(minimum = 1)]
    id: i64,
    /// The project that the task belongs to.
    #[schema(minimum = 1)]
    project_id: i64,
    /// The job.
    #[schema(schema_with = task_types)]
    task_type: &'static str,
    status: Status,
    /// Steps done.
    #[schema(minimum = 0)]
    progress: i64,
    /// All steps, 0 as long as their number is unknown.
    #[schema(minimum = 0)]
    total: i64,
    /// What the task was given.
    #[schema(value_type = Object)]
    params: JsonObject,
    /// What came of it; null until it has completed with a result.
    #[schema(value_type = Option<Object>, required)]
    result: Option<Box<RawValue>>,
    /// Why it failed; empty unless it did.
    error_message: String,
    /// ISO 8601, UTC without a zone.
    #[schema(value_type = String, example = "2025-03-12T10:00:00")]
    created_at: Timestamp,
    /// When a worker took it first; null before.
    #[schema(value_type = Option<String>, required, example = "2025-03-12T10:00:01")]
    started_at: Option<Timestamp>,
    /// When it ended, in whatever way; null before.
    #[schema(value_type = Option<String>, required, example = "2025-03-12T10:02:30")]
    completed_at: Option<Timestamp>,
    /// How many times a worker has taken it so far.
    #[schema(minimum = 0)]
    attempts: i32,
}

impl TaskDetail {
    /// `None` for an agent task: this face knows only those of projects.
    pub(super) fn of(task: Task) -> Option<Self> {
        let status = task.status().into();
        let progress = task.progress();
        let started_at = task.started_at().map(Timestamp);
        let attempts = task.attempts();
        let Work::Research(work) = task.work else { return None };
        let (result, error_message, completed_at) = match task.state {
            TaskState::Live(_) => (None, String::new(), None),
            TaskState::Finished(finished) => {
                let error = error_message(finished.status, finished.outcome.error);
                (finished.outcome.result, error, Some(Timestamp(finished.finished_at)))
            }
        };
        Some(Self {
            id: task.number.get(),
            project_id: work.project.get(),
            task_type: work.task_type.as_str(),
            status,
            progress: progress.current(),
            total: progress.total(),
            params: work.params,
            // The domain admits no other result of a research task than the
            // text of a JSON object.
            result: result.and_then(|text| RawValue::from_string(text).ok()),
            error_message,
            created_at: Timestamp(task.created_at),
            started_at,
            completed_at,
            attempts,
        })
    }
}

fn error_message(status: FinalStatus, error: Option<String>) -> String {
    match status {
        FinalStatus::Completed | FinalStatus::Cancelled => String::new(),
        FinalStatus::Failed => error.unwrap_or_default(),
        FinalStatus::TimedOut => {
            error.unwrap_or_else(|| "The task did not end before its deadline".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Status, TaskPageView, Timestamp, error_message};
    use taskgate_domain::{
        query::TaskPage,
        task::status::{FinalStatus, TaskStatus},
    };

    fn time(rfc3339: &str) -> String {
        serde_json::to_string(&Timestamp(rfc3339.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_fraction_is_written_only_when_there_is_one() {
        assert_eq!(time("2025-03-12T10:00:00Z"), r#""2025-03-12T10:00:00""#);
        assert_eq!(time("2025-03-12T10:00:00.5Z"), r#""2025-03-12T10:00:00.500000""#);
        assert_eq!(time("2025-03-12T10:00:00.000001Z"), r#""2025-03-12T10:00:00.000001""#);
        assert_eq!(time("2025-03-12T11:00:00+01:00"), r#""2025-03-12T10:00:00""#);
    }

    #[test]
    fn every_status_is_shown_and_found_again() {
        for status in TaskStatus::ALL {
            let shown = Status::from(status);
            assert_eq!(Status::parse(shown.as_str()), Ok(shown));
            assert!(shown.domain().contains(&status), "{status}");
        }
        assert_eq!(Status::Running.domain(), [TaskStatus::Running, TaskStatus::Paused]);
    }

    #[test]
    fn only_a_failure_has_a_message() {
        let message = |status, error: Option<&str>| error_message(status, error.map(str::to_owned));
        assert_eq!(message(FinalStatus::Completed, None), "");
        assert_eq!(message(FinalStatus::Cancelled, None), "");
        assert_eq!(message(FinalStatus::Failed, Some("no disk")), "no disk");
        assert_eq!(message(FinalStatus::TimedOut, Some("too slow")), "too slow");
        assert_eq!(
            message(FinalStatus::TimedOut, None),
            "The task did not end before its deadline"
        );
    }

    #[test]
    fn the_last_page_may_be_short() {
        let pages = |total, size| {
            TaskPageView::of(&TaskPage { tasks: Vec::new(), total }, 1, size).total_pages
        };
        assert_eq!([pages(0, 20), pages(1, 20), pages(20, 20), pages(21, 20)], [0, 1, 1, 2]);
    }
}
