//! How the gateway spells statuses, modes and ids.

use crate::http::{edge::path_parameter, error::ApiError};
use actix_web::HttpRequest;
use taskgate_domain::{
    id::TaskId,
    task::{status::TaskStatus, work::Mode},
};
use utoipa::openapi::{Object, ObjectBuilder, Type};

/// What begins every status but those that sessions show.
const STATUS_PREFIX: &str = "TASK_STATUS_";

/// A status as sessions show it, without the prefix (gateway contract, 0.6).
pub(super) fn bare_status(value: TaskStatus) -> &'static str {
    let prefixed = status(value);
    prefixed.strip_prefix(STATUS_PREFIX).unwrap_or(prefixed)
}

/// A status as answers show it.
pub(super) const fn status(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Queued => "TASK_STATUS_QUEUED",
        TaskStatus::Running => "TASK_STATUS_RUNNING",
        TaskStatus::Paused => "TASK_STATUS_PAUSED",
        TaskStatus::Completed => "TASK_STATUS_COMPLETED",
        TaskStatus::Failed => "TASK_STATUS_FAILED",
        TaskStatus::Cancelled => "TASK_STATUS_CANCELLED",
        TaskStatus::TimedOut => "TASK_STATUS_TIMEOUT",
    }
}

/// The schema of a status in answers.
pub(super) fn status_schema() -> Object {
    names("Where the task is in its life.", TaskStatus::ALL.map(status))
}

/// The schema of a status in sessions.
pub(super) fn bare_status_schema() -> Object {
    names("Where the task is in its life.", TaskStatus::ALL.map(bare_status))
}

/// The schema of a mode in sessions, which name it as submits do.
pub(super) fn bare_mode_schema() -> Object {
    names("How the agent goes about the query.", Mode::ALL.map(Mode::as_str))
}

/// The schema of a mode in answers.
pub(super) fn mode_schema() -> Object {
    let modes = [Mode::Simple, Mode::Standard, Mode::Complex];
    names("How the agent goes about the query.", modes.map(mode))
}

fn names<const N: usize>(description: &str, names: [&'static str; N]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(names))
        .build()
}

/// A status as the list's filter spells it, in any case.
pub(super) fn status_filter(text: &str) -> Option<TaskStatus> {
    Some(match text.to_ascii_uppercase().as_str() {
        "QUEUED" => TaskStatus::Queued,
        "RUNNING" => TaskStatus::Running,
        "PAUSED" => TaskStatus::Paused,
        "COMPLETED" => TaskStatus::Completed,
        "FAILED" => TaskStatus::Failed,
        "CANCELLED" | "CANCELED" => TaskStatus::Cancelled,
        "TIMEOUT" => TaskStatus::TimedOut,
        _ => return None,
    })
}

/// A mode as answers show it. Clients know three; a supervisor's task is a
/// standard one to them (gateway contract, 0.6).
pub(super) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Simple => "EXECUTION_MODE_SIMPLE",
        Mode::Standard | Mode::Supervisor => "EXECUTION_MODE_STANDARD",
        Mode::Complex => "EXECUTION_MODE_COMPLEX",
    }
}

/// Whether a text has the form of an id in paths and filters (gateway
/// contract, 0.6).
pub(super) fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":_-.".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// The task that a request's path names.
///
/// # Errors
/// [`ApiError::Invalid`] when the name has not the form of an id, and
/// [`ApiError::NotFound`] when no task is named so.
pub(super) fn task_of(request: &HttpRequest) -> Result<TaskId, ApiError> {
    task_named(name_of_task(request)?)
}

/// What a request's path has for a task's id.
///
/// # Errors
/// [`ApiError::Invalid`] when it has not the form of an id.
pub(super) fn name_of_task(request: &HttpRequest) -> Result<&str, ApiError> {
    let name = path_parameter(request, "id");
    if is_id(name) { Ok(name) } else { Err(ApiError::invalid("Invalid task ID")) }
}

/// The task of this name.
///
/// # Errors
/// [`ApiError::NotFound`] when no task is named so.
pub(super) fn task_named(name: &str) -> Result<TaskId, ApiError> {
    name.parse().map_err(|_| ApiError::NotFound("Task not found"))
}

#[cfg(test)]
mod tests {
    use super::{bare_status, is_id, status_filter};
    use taskgate_domain::task::status::TaskStatus;

    #[test]
    fn every_status_can_be_filtered_by() {
        for value in TaskStatus::ALL {
            let bare = bare_status(value);
            assert!(!bare.starts_with("TASK"));
            assert_eq!(status_filter(bare), Some(value));
            assert_eq!(status_filter(&bare.to_lowercase()), Some(value));
        }
        assert_eq!(status_filter("Canceled"), Some(TaskStatus::Cancelled));
        assert_eq!(status_filter("TASK_STATUS_QUEUED"), None);
        assert_eq!(status_filter("UNSPECIFIED"), None);
    }

    #[test]
    fn ids_are_short_and_plain() {
        assert!(is_id("task-9f1c.a:b_C") && is_id(&"a".repeat(128)));
        for text in ["", "a b", "a/b", "a%00", "é", "a\0", &"a".repeat(129)] {
            assert!(!is_id(text), "{text}");
        }
    }
}
