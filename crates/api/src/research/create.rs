//! `POST /api/v1/tasks`: new tasks.

use super::{
    Envelope, access, count, detail,
    refusals::{BadBody, Limited, Missing, Refused},
    reply,
    view::{TaskDetail, task_types},
};
use crate::{
    http::{auth::Caller, body, error::ApiError},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use taskgate_domain::{
    error::InvalidValue,
    id::ProjectId,
    json::JsonObject,
    task::{
        submit::{SubmissionKind, SubmitOptions},
        work::ResearchWork,
    },
};
use utoipa::ToSchema;

/// Creates a task.
///
/// While a task of the project with the same `unique_key` has not ended, that
/// task is answered instead. A project that the key does not see does not
/// exist.
#[utoipa::path(
    post, path = "/api/v1/tasks", tag = "tasks",
    security((), ("api_key" = []), ("bearer" = [])),
    request_body = CreateTask,
    responses(
        (status = 201, description = "The task was created.", body = Envelope<TaskDetail>),
        (status = 200, description = "A task with this `unique_key` has not ended yet.", body = Envelope<TaskDetail>),
        Refused, Missing, BadBody, Limited,
    ),
)]
pub(super) async fn create(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&state, &request, payload, body::LIMIT).await?;
    let decode = |bytes: &[u8]| Ok(body::json::<CreateTask>(bytes)?.into_domain()?);
    let (work, options) = body.decode(decode).await?;
    count(&request, &state, &caller)?;
    if !access(&caller).sees_project(work.project) {
        return Err(ApiError::NotFound("Project not found"));
    }
    let submission = state
        .services
        .tasks
        .submit_research(caller.0.tenant, work, options)
        .await
        .map_err(ApiError::store("Failed to create task"))?;
    let (status, message) = match submission.kind {
        SubmissionKind::Created => (StatusCode::CREATED, "Task created"),
        SubmissionKind::Duplicate | SubmissionKind::Replayed => {
            (StatusCode::OK, "Task already exists")
        }
    };
    Ok(reply(status, message, detail(submission.task)?))
}

/// A task to be created.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CreateTask {
    /// The project that the task will belong to.
    #[schema(minimum = 1)]
    project_id: i64,
    /// The job.
    #[schema(schema_with = task_types)]
    task_type: String,
    /// What the task's worker is given, kept as written.
    #[schema(value_type = Object)]
    params: Box<RawValue>,
    /// How many steps the task has, if it is known; 0 by default.
    #[schema(minimum = 0)]
    total: Option<i64>,
    /// Tasks of a higher priority run first; 0 by default.
    #[schema(minimum = -1000, maximum = 1000)]
    priority: Option<i64>,
    /// Not to be run before: RFC 3339, or without a zone for UTC; in the years
    /// 1970 to 9997.
    #[schema(example = "2025-03-12T10:00:00")]
    run_after: Option<String>,
    /// How often the task may be tried; 3 by default.
    #[schema(minimum = 1, maximum = 100)]
    max_attempts: Option<i64>,
    /// The task fails when it has not ended so many seconds after its
    /// creation, or after `run_after`.
    #[schema(minimum = 1, maximum = 31_622_400)]
    timeout_seconds: Option<i64>,
    /// While a task of the project with this key has not ended, creating
    /// another one finds that task instead. No control characters.
    #[schema(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    unique_key: Option<String>,
}

impl CreateTask {
    /// What is to be done, and how.
    ///
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self) -> Result<(ResearchWork, SubmitOptions), InvalidValue> {
        let work = ResearchWork {
            project: ProjectId::new(self.project_id)?,
            task_type: self.task_type.parse()?,
            params: JsonObject::from_raw("params", self.params)?,
        };
        let mut options = SubmitOptions::default();
        if let Some(total) = self.total {
            options = options.with_total(total)?;
        }
        if let Some(priority) = self.priority {
            options = options.with_priority(priority)?;
        }
        if let Some(run_after) = self.run_after {
            options = options.with_run_after(parse_time("run_after", &run_after)?)?;
        }
        if let Some(attempts) = self.max_attempts {
            options = options.with_max_attempts(attempts)?;
        }
        if let Some(seconds) = self.timeout_seconds {
            options = options.with_timeout_seconds(seconds)?;
        }
        if let Some(key) = self.unique_key {
            options = options.with_unique_key(key)?;
        }
        Ok((work, options))
    }
}

/// Reads a time with a zone, or one without as this face writes it.
fn parse_time(field: &'static str, text: &str) -> Result<DateTime<Utc>, InvalidValue> {
    DateTime::parse_from_rfc3339(text)
        .map(|at| at.to_utc())
        .or_else(|_| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|at| at.and_utc())
        })
        .map_err(|_| InvalidValue::new(field, "must be an ISO 8601 date and time"))
}

#[cfg(test)]
mod tests {
    use super::CreateTask;
    use taskgate_domain::task::submit::SubmitOptions;

    fn create(body: &str) -> Result<SubmitOptions, String> {
        let body: CreateTask = serde_json::from_str(body).map_err(|error| error.to_string())?;
        body.into_domain().map(|(_, options)| options).map_err(|error| error.to_string())
    }

    fn run_after(text: &str) -> Result<String, String> {
        create(&format!(
            r#"{{"project_id":1,"task_type":"ocr","params":{{}},"run_after":"{text}"}}"#
        ))
        .map(|options| options.run_after().unwrap().to_rfc3339())
    }

    #[test]
    fn what_is_not_said_has_the_default() {
        assert_eq!(
            create(r#"{"project_id":1,"task_type":"ocr","params":{},"total":null}"#),
            Ok(SubmitOptions::default())
        );
    }

    #[test]
    fn params_keep_their_bytes() {
        let params = r#"{"b": 1.50, "a":[1e3],"a\u0000":null}"#;
        let body = format!(r#"{{"project_id":1,"task_type":"ocr","params":{params}}}"#);
        let body: CreateTask = serde_json::from_str(&body).unwrap();
        assert_eq!(body.into_domain().unwrap().0.params.as_str(), params);
    }

    #[test]
    fn a_time_may_have_a_zone_and_is_utc_without_one() {
        let expected = Ok("2025-03-12T10:00:00+00:00".to_owned());
        assert_eq!(run_after("2025-03-12T10:00:00"), expected);
        assert_eq!(run_after("2025-03-12T10:00:00Z"), expected);
        assert_eq!(run_after("2025-03-12T11:30:00+01:30"), expected);
        assert_eq!(
            run_after("2025-03-12T10:00:00.1234567"),
            Ok("2025-03-12T10:00:00.123456+00:00".to_owned())
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "tomorrow", "2025-03-12", "2025-13-12T10:00:00", "1969-12-31T23:59:59"] {
            assert!(run_after(text).unwrap_err().starts_with("run_after must"), "{text}");
        }
    }
}
