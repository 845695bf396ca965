//! What callers of this face ask for.

use super::view::Status;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use taskgate_domain::{
    error::InvalidValue,
    id::ProjectId,
    json::JsonObject,
    query::Page,
    task::{status::TaskStatus, submit::SubmitOptions, work::ResearchWork},
};
use utoipa::ToSchema;

/// A task to be created.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateTask {
    /// The project that the task will belong to.
    #[schema(minimum = 1)]
    project_id: i64,
    /// search, dedup, crawl, ocr, index or keyword_expand.
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
    /// Not to be run before: RFC 3339, or without a zone for UTC.
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
    #[schema(min_length = 1, max_length = 200)]
    unique_key: Option<String>,
}

impl CreateTask {
    /// What is to be done, and how.
    ///
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(crate) fn into_domain(self) -> Result<(ResearchWork, SubmitOptions), InvalidValue> {
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

/// Which part of which list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListTasks {
    /// The only project, if one is given.
    pub(crate) project: Option<ProjectId>,
    /// The statuses to show; empty shows all.
    pub(crate) statuses: Vec<TaskStatus>,
    /// The part of the list.
    pub(crate) page: Page,
    /// The number of the page, when the request asked for pages.
    pub(crate) number: Option<i64>,
}

impl ListTasks {
    const DEFAULT_LIMIT: i64 = 50;
    const MAX_LIMIT: i64 = 500;

    /// A list from the values of the query string.
    ///
    /// # Errors
    /// [`InvalidValue`] for the first parameter that breaks its rule, or when
    /// `limit` stands beside `page` or `page_size`: they say the same thing in
    /// two ways, and only one of them would be obeyed.
    pub(crate) fn new(
        project_id: Option<i64>,
        status: Option<&str>,
        limit: Option<i64>,
        page: Option<i64>,
        page_size: Option<i64>,
    ) -> Result<Self, InvalidValue> {
        let number = (page.is_some() || page_size.is_some()).then(|| page.unwrap_or(1));
        let part = match number {
            None => Page::new(limit.unwrap_or(Self::DEFAULT_LIMIT), 0)?,
            Some(_) if limit.is_some() => {
                return Err(InvalidValue::new("limit", "must not stand beside page or page_size"));
            }
            Some(number) => numbered(number, page_size.unwrap_or(Self::DEFAULT_LIMIT))?,
        };
        Ok(Self {
            project: project_id.map(ProjectId::new).transpose()?,
            statuses: status
                .map(Status::parse)
                .transpose()?
                .map(Status::domain)
                .unwrap_or_default(),
            page: part,
            number,
        })
    }
}

/// The page of this number, from 1, when each has `size` items.
fn numbered(number: i64, size: i64) -> Result<Page, InvalidValue> {
    const LAST: i64 = i64::MAX / ListTasks::MAX_LIMIT;
    if !(1..=LAST).contains(&number) {
        return Err(InvalidValue::new("page", format!("must be between 1 and {LAST}")));
    }
    if !(1..=ListTasks::MAX_LIMIT).contains(&size) {
        return Err(InvalidValue::new("page_size", "must be between 1 and 500"));
    }
    Page::new(size, (number - 1) * size)
}

#[cfg(test)]
mod tests {
    use super::{CreateTask, ListTasks};
    use taskgate_domain::{
        query::Page,
        task::{status::TaskStatus, submit::SubmitOptions},
    };

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

    #[test]
    fn a_plain_list_has_fifty_items() {
        let list = ListTasks::new(None, None, None, None, None).unwrap();
        assert_eq!(list.page, Page::new(50, 0).unwrap());
        assert_eq!((list.number, list.statuses), (None, Vec::new()));
    }

    #[test]
    fn pages_are_counted_from_one() {
        let list = |page, size| ListTasks::new(None, None, None, page, size).unwrap();
        assert_eq!(list(Some(1), None).page, Page::new(50, 0).unwrap());
        assert_eq!(list(Some(3), Some(20)).page, Page::new(20, 40).unwrap());
        assert_eq!(list(None, Some(20)).number, Some(1));
    }

    #[test]
    fn failed_tasks_include_those_that_timed_out() {
        let list = ListTasks::new(None, Some("failed"), None, None, None).unwrap();
        assert_eq!(list.statuses, [TaskStatus::Failed, TaskStatus::TimedOut]);
    }

    #[test]
    fn parameters_outside_their_range_are_refused() {
        let refusal = |project, status, limit, page, size| {
            ListTasks::new(project, status, limit, page, size).unwrap_err().to_string()
        };
        assert_eq!(
            refusal(Some(0), None, None, None, None),
            "project_id must be a positive integer"
        );
        assert_eq!(
            refusal(None, Some("PENDING"), None, None, None),
            "status must be one of pending, running, completed, failed, cancelled"
        );
        for limit in [0, -1, 501, i64::MAX] {
            assert_eq!(
                refusal(None, None, Some(limit), None, None),
                "limit must be between 1 and 500"
            );
        }
        for page in [0, -1, i64::MAX, i64::MIN] {
            assert_eq!(
                refusal(None, None, None, Some(page), None),
                "page must be between 1 and 18446744073709551"
            );
        }
        assert_eq!(
            refusal(None, None, None, None, Some(501)),
            "page_size must be between 1 and 500"
        );
        assert_eq!(
            refusal(None, None, Some(5), Some(1), None),
            "limit must not stand beside page or page_size"
        );
    }
}
