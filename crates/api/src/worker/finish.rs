//! The ends of tasks: a result, an error, a return to the queue, or a batch of
//! them.

use super::{
    BATCH_LIMIT, REPORT_LIMIT, TaskPath,
    field::Object,
    outcome::{CompleteBody, Completion, FailBody, Failure, GivenBack, ReleaseBody},
    refusals::{Lost, Refused},
    said,
};
use crate::{
    http::{body, error::ApiError},
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use taskgate_domain::{
    error::{InvalidValue, ReportError, StoreError},
    queue::{Lease, Reported},
    task::{Attempt, status::TaskStatus},
    usecase::workers::Verdict,
};
use utoipa::ToSchema;

/// Ends a task with a result. The body may have 16 MiB.
///
/// The same report sent twice is 200 the second time too.
#[utoipa::path(
    post, path = "/api/v1/worker/tasks/{id}/complete", tag = "worker",
    params(TaskPath),
    request_body = CompleteBody,
    responses((status = 200, description = "The task has completed.", body = Ended), Refused, Lost),
)]
pub(super) async fn complete(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let decode = CompleteBody::into_domain;
    let (_room, (lease, verdict)) = said(&state, &request, payload, REPORT_LIMIT, decode).await?;
    end(&state, "Failed to complete task", lease, verdict).await
}

/// Ends an attempt at a task with an error. The body may have 16 MiB.
///
/// With `retry` the task is queued again after a random delay, as long as it
/// has attempts left. The same report sent twice is 200 the second time too.
#[utoipa::path(
    post, path = "/api/v1/worker/tasks/{id}/fail", tag = "worker",
    params(TaskPath),
    request_body = FailBody,
    responses((status = 200, description = "The task is queued again, or has failed.", body = Ended), Refused, Lost),
)]
pub(super) async fn fail(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let decode = FailBody::into_domain;
    let (_room, (lease, verdict)) = said(&state, &request, payload, REPORT_LIMIT, decode).await?;
    end(&state, "Failed to record failure", lease, verdict).await
}

/// Gives a task back that the worker does not go on with. It is due again at
/// once, or stays paused, and the attempt does not count among those that it may
/// take. The body may have 1 MiB.
///
/// The same report sent twice is 200 the second time too.
#[utoipa::path(
    post, path = "/api/v1/worker/tasks/{id}/release", tag = "worker",
    params(TaskPath),
    request_body = ReleaseBody,
    responses((status = 200, description = "The task is queued again, or paused as it was.", body = Ended), Refused, Lost),
)]
pub(super) async fn release(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let decode = ReleaseBody::into_domain;
    let (_room, (lease, verdict)) = said(&state, &request, payload, body::LIMIT, decode).await?;
    end(&state, "Failed to release task", lease, verdict).await
}

async fn end(
    state: &State,
    operation: &'static str,
    lease: Lease,
    verdict: Verdict,
) -> Result<HttpResponse, ApiError> {
    let reported = state.services.workers.finish(vec![(lease, verdict)]).await;
    let reported = reported.map_err(ApiError::store(operation))?;
    let status = next(&mut reported.into_iter()).map_err(ApiError::report(operation))?;
    Ok(HttpResponse::Ok().json(Ended { status: status_name(status) }))
}

/// Ends several tasks, each for itself. The body may have 64 MiB.
///
/// A body of the wrong form is refused as a whole. When the answer is 500 or
/// 503, some of the reports may have been taken; repeat them all.
#[utoipa::path(
    post, path = "/api/v1/worker/finish", tag = "worker",
    request_body = Batch,
    responses((status = 200, description = "What came of each, in the same order.", body = Finished), Refused),
)]
pub(super) async fn finish(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    const OPERATION: &str = "Failed to finish tasks";
    let body = body::read(&state, &request, payload, BATCH_LIMIT).await?;
    let decode = |bytes: &[u8]| {
        let (mut sent, mut reports) = (Vec::new(), Vec::new());
        for item in body::json::<Batch>(bytes)?.into_items()? {
            let task_id = item.task_id().to_owned();
            sent.push((task_id, item.into_domain().map(|report| reports.push(report))));
        }
        Ok((sent, reports))
    };
    let (sent, reports) = body.decode(decode).await?;
    let reported = if reports.is_empty() {
        Vec::new()
    } else {
        let reported = state.services.workers.finish(reports).await;
        reported.map_err(ApiError::store(OPERATION))?
    };
    let mut reported = reported.into_iter();
    let items = sent.into_iter().map(|(task_id, read)| {
        let answer = match read {
            Ok(()) => next(&mut reported),
            Err(error) => Err(error.into()),
        };
        match answer {
            Ok(status) => {
                let status = Some(status_name(status));
                Ok(FinishedItem { task_id, accepted: true, status, error: None })
            }
            Err(ReportError::Store(error)) => Err(ApiError::store(OPERATION)(error)),
            Err(refusal) => {
                let error = Some(ApiError::report(OPERATION)(refusal).to_string());
                Ok(FinishedItem { task_id, accepted: false, status: None, error })
            }
        }
    });
    let items = items.collect::<Result<Vec<FinishedItem>, ApiError>>()?;
    Ok(HttpResponse::Ok().json(Finished { items }))
}

/// The next answer of a store, which owes one for each report.
fn next(reported: &mut impl Iterator<Item = Reported>) -> Reported {
    reported
        .next()
        .unwrap_or_else(|| Err(StoreError::failed("a report was left unanswered").into()))
}

/// The names of the statuses that a report can lead to.
const fn status_name(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Queued => "queued",
        TaskStatus::Running => "running",
        TaskStatus::Paused => "paused",
        TaskStatus::Completed => "completed",
        TaskStatus::Failed => "failed",
        TaskStatus::Cancelled => "cancelled",
        TaskStatus::TimedOut => "timed_out",
    }
}

/// Where a report has led to.
#[derive(Debug, Serialize, ToSchema)]
struct Ended {
    /// `completed`; after a failure `queued`, `paused` or `failed`; after a
    /// release `queued` or `paused`.
    status: &'static str,
}

/// The ends of several tasks, each for itself.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Finish)]
pub(super) struct Batch {
    #[schema(value_type = Vec<BatchItem>, min_items = 1, max_items = 500)]
    items: Vec<Object<BatchItem>>,
}

/// The end of one task: one of `complete`, `fail` and `release`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = FinishItem)]
pub(super) struct BatchItem {
    /// The task.
    task_id: String,
    /// The attempt that the claim told.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    attempt: i64,
    #[schema(value_type = Option<Completion>)]
    complete: Option<Object<Completion>>,
    #[schema(value_type = Option<Failure>)]
    fail: Option<Object<Failure>>,
    #[schema(value_type = Option<GivenBack>)]
    release: Option<Object<GivenBack>>,
}

impl Batch {
    /// How many ends one call takes at most.
    const MAX: usize = 500;

    /// # Errors
    /// [`InvalidValue`] when there are none, or too many.
    pub(super) fn into_items(self) -> Result<Vec<BatchItem>, InvalidValue> {
        if !(1..=Self::MAX).contains(&self.items.len()) {
            return Err(InvalidValue::new("items", "must have 1 to 500 elements"));
        }
        Ok(self.items.into_iter().map(|Object(item)| item).collect())
    }
}

impl BatchItem {
    /// The task as the worker named it.
    pub(super) fn task_id(&self) -> &str {
        &self.task_id
    }

    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self) -> Result<(Lease, Verdict), InvalidValue> {
        let lease = Lease { task: self.task_id.parse()?, attempt: Attempt::new(self.attempt)? };
        let verdict = match (self.complete, self.fail, self.release) {
            (Some(Object(completion)), None, None) => completion.into_domain()?,
            (None, Some(Object(failure)), None) => failure.into_domain()?,
            (None, None, Some(Object(given_back))) => given_back.into_domain()?,
            _ => {
                let rule = "must have one of complete, fail and release";
                return Err(InvalidValue::new("item", rule));
            }
        };
        Ok((lease, verdict))
    }
}

/// What came of a batch, in the order of its items.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Finished {
    items: Vec<FinishedItem>,
}

/// What came of one item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FinishedItem {
    /// The task as the worker named it.
    task_id: String,
    /// Whether the report was taken, now or when it was sent before.
    accepted: bool,
    /// Where it has led to, as for a single report; absent when it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Why it was not; absent when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{Batch, BatchItem};

    fn item(json: &str) -> Result<(), String> {
        let item: BatchItem = serde_json::from_str(json).map_err(|error| error.to_string())?;
        item.into_domain().map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn an_item_says_one_end() {
        const HEAD: &str = r#""task_id":"task_00000000000000000000000001","attempt":1"#;
        let fail = r#""fail":{"error":"e","retry":true}"#;
        let refusal = Err("item must have one of complete, fail and release".to_owned());
        assert_eq!(item(&format!("{{{HEAD},{fail}}}")), Ok(()));
        assert_eq!(item(&format!(r#"{{{HEAD},"complete":{{}}}}"#)), Ok(()));
        assert_eq!(item(&format!(r#"{{{HEAD},"release":{{}}}}"#)), Ok(()));
        assert_eq!(item(&format!("{{{HEAD}}}")), refusal);
        assert_eq!(item(&format!(r#"{{{HEAD},"release":{{}},{fail}}}"#)), refusal);
        assert_eq!(item(&format!(r#"{{{HEAD},"complete":{{}},{fail}}}"#)), refusal);
    }

    #[test]
    fn an_item_names_a_task_and_a_claim() {
        assert_eq!(
            item(r#"{"task_id":"7","attempt":1,"complete":{}}"#),
            Err("task_id must be task_ and a ULID".to_owned())
        );
        assert_eq!(
            item(r#"{"task_id":"task_00000000000000000000000001","attempt":0,"complete":{}}"#),
            Err("attempt must be a positive 32-bit integer".to_owned())
        );
    }

    #[test]
    fn a_batch_has_one_to_five_hundred_items() {
        let batch = |count: usize| {
            let items = vec![r#"{"task_id":"","attempt":0}"#; count].join(",");
            let batch: Batch = serde_json::from_str(&format!(r#"{{"items":[{items}]}}"#)).unwrap();
            batch.into_items().map(|items| items.len())
        };
        assert!(batch(0).is_err() && batch(501).is_err());
        assert_eq!(batch(500), Ok(500));
    }
}
