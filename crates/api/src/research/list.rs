//! `GET /api/v1/tasks`: lists.

use super::{
    Envelope, count,
    refusals::{Limited, Refused},
    reply,
    view::{Status, TaskItem, TaskPageView},
};
use crate::{
    http::{auth::Caller, error::ApiError, query::Query},
    server::State,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HeaderName},
    web,
};
use taskgate_domain::{error::InvalidValue, id::ProjectId, query::Page, task::status::TaskStatus};
use utoipa::ToSchema;

/// How many tasks the whole list has.
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Lists tasks, the newest first.
///
/// Without `page` and `page_size` the data is an array of at most `limit`
/// tasks, and `X-Total-Count` tells how many there are. With one of them it is
/// a page.
#[utoipa::path(
    get, path = "/api/v1/tasks", tag = "tasks",
    security((), ("api_key" = []), ("bearer" = [])),
    params(
        ("project_id" = Option<i64>, Query, minimum = 1, description = "Only the tasks of this project."),
        ("status" = Option<Status>, Query, description = "Only the tasks that are shown with this status."),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "How many tasks at most; 50 by default. Not together with `page` or `page_size`."),
        ("page" = Option<i64>, Query, minimum = 1, maximum = 18_446_744_073_709_551_i64, description = "Which page; 1 by default."),
        ("page_size" = Option<i64>, Query, minimum = 1, maximum = 500, description = "How many tasks a page has at most; 50 by default."),
    ),
    responses(
        (status = 200, description = "The tasks.", body = inline(ListData),
            headers(("X-Total-Count" = i64, description = "How many tasks the whole list has; only without pages."))),
        Refused, Limited,
    ),
)]
pub(super) async fn list(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let wanted = read_list(request.query_string())?;
    count(&request, &state, &caller)?;
    let Caller(principal) = caller;
    let found = state
        .services
        .tasks
        .list_research(
            principal.tenant,
            principal.projects.as_ref(),
            wanted.project,
            wanted.statuses,
            wanted.page,
        )
        .await
        .map_err(ApiError::store("Failed to list tasks"))?;
    if let Some(number) = wanted.number {
        let page = TaskPageView::of(&found, number, wanted.page.limit());
        return Ok(reply(StatusCode::OK, "success", page));
    }
    let items: Vec<TaskItem> = found.tasks.iter().filter_map(TaskItem::of).collect();
    let mut response = reply(StatusCode::OK, "success", items);
    response.headers_mut().insert(TOTAL_COUNT, found.total.into());
    Ok(response)
}

/// The two forms of a list.
#[derive(ToSchema)]
#[schema(title = "TaskList")]
#[expect(dead_code, reason = "only describes the form in the OpenAPI document")]
#[serde(untagged)]
enum ListData {
    Plain(Envelope<Vec<TaskItem>>),
    Page(Envelope<TaskPageView>),
}

fn read_list(query: &str) -> Result<ListTasks, ApiError> {
    let query = Query::read(query, &["project_id", "status", "limit", "page", "page_size"])?;
    let integer = |name: &str| {
        query.integer(name, ApiError::invalid(format!("{name} must be a 64-bit integer")))
    };
    Ok(ListTasks::new(
        integer("project_id")?,
        query.get("status"),
        integer("limit")?,
        integer("page")?,
        integer("page_size")?,
    )?)
}

/// Which part of which list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListTasks {
    /// The only project, if one is given.
    pub(super) project: Option<ProjectId>,
    /// The statuses to show; empty shows all.
    pub(super) statuses: Vec<TaskStatus>,
    /// The part of the list.
    pub(super) page: Page,
    /// The number of the page, when the request asked for pages.
    pub(super) number: Option<i64>,
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
    pub(super) fn new(
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
    use super::ListTasks;
    use taskgate_domain::{query::Page, task::status::TaskStatus};

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
