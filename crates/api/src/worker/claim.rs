//! `POST /api/v1/worker/claim`: tasks for a worker.

use super::{field, refusals::Refused, usage::UsageBody};
use crate::{
    http::{body, error::ApiError, reply::Timestamp},
    openapi::one_of,
    server::State,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};
use taskgate_domain::{
    error::InvalidValue,
    json::JsonObject,
    queue::{ClaimRequest, ClaimedTask, WorkerId},
    task::work::{Kind, Mode, Work},
};
use utoipa::{ToSchema, openapi};

/// Leases tasks to a worker, and waits for a first one if none is due.
#[utoipa::path(
    post, path = "/api/v1/worker/claim", tag = "worker",
    request_body = Claim,
    responses((status = 200, description = "The tasks.", body = Claimed), Refused),
)]
pub(super) async fn claim(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&state, &request, payload, body::LIMIT).await?;
    let wish = body.decode(|bytes| Ok(body::json::<Claim>(bytes)?.into_domain()?)).await?;
    // A claim may wait long, and its body has been read.
    drop(body);
    let tasks = state
        .services
        .workers
        .claim(wish)
        .await
        .map_err(ApiError::store("Failed to claim tasks"))?;
    Ok(HttpResponse::Ok().json(Claimed::from(tasks)))
}

/// How the kinds of task are spelt.
fn kinds() -> openapi::Object {
    one_of(Kind::ALL.map(Kind::as_str))
}

fn kind_list() -> openapi::Array {
    openapi::ArrayBuilder::new().items(kinds()).min_items(Some(1)).build()
}

/// How the modes of an agent task are spelt.
fn modes() -> openapi::Object {
    one_of(Mode::ALL.map(Mode::as_str))
}

/// A worker's wish for tasks.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Claim {
    /// The worker's name, for people to see. No control characters.
    #[schema(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    worker_id: String,
    /// What the worker can do; nothing else is given to it.
    #[schema(schema_with = kind_list)]
    kinds: Vec<String>,
    /// How many tasks it takes at most; 1 by default.
    #[schema(minimum = 1, maximum = 500)]
    max: Option<i64>,
    /// How long it holds them before the first heartbeat is due; 60 by default.
    #[schema(minimum = 5, maximum = 3600)]
    lease_seconds: Option<i64>,
    /// How long to wait for a first task when none is due; 0 by default.
    #[schema(minimum = 0, maximum = 30)]
    wait_seconds: Option<i64>,
}

impl Claim {
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self) -> Result<ClaimRequest, InvalidValue> {
        let kinds = self
            .kinds
            .iter()
            .map(|kind| kind.parse::<Kind>())
            .collect::<Result<BTreeSet<Kind>, InvalidValue>>()
            .map_err(|error| InvalidValue::new("kinds", error.rule))?;
        if kinds.is_empty() {
            return Err(InvalidValue::new("kinds", "must not be empty"));
        }
        Ok(ClaimRequest {
            worker: WorkerId::new(self.worker_id)?,
            kinds: kinds.into_iter().collect(),
            max: field::in_range("max", self.max.unwrap_or(1), 1, 500)?,
            lease: field::lease(self.lease_seconds.unwrap_or(60))?,
            wait: field::in_range("wait_seconds", self.wait_seconds.unwrap_or(0), 0, 30)
                .map(Duration::from_secs)?,
        })
    }
}

/// The tasks that the worker now holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Claimed {
    /// Those of the highest priority first, of equal priority the oldest;
    /// empty when none came in time.
    tasks: Vec<ClaimedView>,
}

impl From<Vec<ClaimedTask>> for Claimed {
    fn from(tasks: Vec<ClaimedTask>) -> Self {
        Self { tasks: tasks.into_iter().map(ClaimedView::from).collect() }
    }
}

/// A task in a worker's hands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClaimedTask)]
struct ClaimedView {
    /// Its id on the gateway and worker faces.
    task_id: String,
    /// Its id on the research face.
    #[schema(minimum = 1)]
    number: i64,
    /// What the worker must be able to do.
    #[schema(schema_with = kinds)]
    kind: &'static str,
    /// The claim's fencing number, to be sent with every report.
    #[schema(minimum = 1)]
    attempt: i32,
    /// When the lease ends unless it is renewed.
    #[schema(value_type = String, format = DateTime)]
    lease_expires_at: Timestamp,
    #[serde(flatten)]
    work: WorkView,
    /// When the task times out; absent when it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    deadline: Option<Timestamp>,
    /// What earlier attempts have reported to have consumed, absent when that is
    /// nothing. It is counted already: report what this attempt consumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    usage: Option<UsageBody>,
}

/// What a task asks for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum WorkView {
    /// An agent task.
    Agent {
        /// The question.
        query: String,
        /// How to go about it.
        #[schema(schema_with = modes)]
        mode: &'static str,
        /// The session, as the client named it.
        session_id: String,
        /// Settings for the agent, as the client wrote them.
        #[schema(value_type = Object)]
        context: JsonObject,
    },
    /// A research task.
    Research {
        /// The project.
        project_id: i64,
        /// What the task was given, as the client wrote it.
        #[schema(value_type = Object)]
        params: JsonObject,
    },
}

impl From<ClaimedTask> for ClaimedView {
    fn from(task: ClaimedTask) -> Self {
        Self {
            task_id: task.id.to_string(),
            number: task.number.get(),
            kind: task.work.kind().as_str(),
            attempt: task.attempt.get(),
            lease_expires_at: Timestamp(task.lease_expires_at),
            work: task.work.into(),
            deadline: task.deadline.map(Timestamp),
            usage: (!task.consumed.is_zero()).then(|| task.consumed.into()),
        }
    }
}

impl From<Work> for WorkView {
    fn from(work: Work) -> Self {
        match work {
            Work::Agent(work) => Self::Agent {
                query: work.query().to_owned(),
                mode: work.mode().as_str(),
                session_id: work.session().as_str().to_owned(),
                context: work.context().clone(),
            },
            Work::Research(work) => {
                Self::Research { project_id: work.project.get(), params: work.params }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Claim;
    use std::time::Duration;
    use taskgate_domain::{
        queue::ClaimRequest,
        task::work::{Kind, TaskType},
    };

    fn claim(body: &str) -> Result<ClaimRequest, String> {
        let body: Claim = serde_json::from_str(body).map_err(|error| error.to_string())?;
        body.into_domain().map_err(|error| error.to_string())
    }

    #[test]
    fn a_kind_said_twice_counts_once() {
        let request = claim(r#"{"worker_id":"w","kinds":["ocr","agent","ocr"]}"#).unwrap();
        assert_eq!(request.kinds, [Kind::Agent, Kind::Research(TaskType::Ocr)]);
    }

    #[test]
    fn what_is_not_said_has_the_default() {
        let request = claim(r#"{"worker_id":"w","kinds":["ocr"]}"#).unwrap();
        assert_eq!((request.max, request.wait), (1, Duration::ZERO));
        assert_eq!(request.lease, Duration::from_secs(60));
    }

    #[test]
    fn values_outside_their_range_are_refused() {
        for (member, sentence) in [
            (r#""max":0"#, "max must be between 1 and 500"),
            (r#""max":501"#, "max must be between 1 and 500"),
            (r#""max":65537"#, "max must be between 1 and 500"),
            (r#""lease_seconds":4"#, "lease_seconds must be between 5 and 3600"),
            (r#""lease_seconds":3601"#, "lease_seconds must be between 5 and 3600"),
            (r#""wait_seconds":-1"#, "wait_seconds must be between 0 and 30"),
            (r#""wait_seconds":31"#, "wait_seconds must be between 0 and 30"),
        ] {
            let body = format!(r#"{{"worker_id":"w","kinds":["ocr"],{member}}}"#);
            assert_eq!(claim(&body).unwrap_err(), sentence);
        }
        assert_eq!(
            claim(r#"{"worker_id":"w","kinds":[]}"#).unwrap_err(),
            "kinds must not be empty"
        );
        assert_eq!(
            claim(r#"{"worker_id":"a\u0000","kinds":["ocr"]}"#).unwrap_err(),
            "worker_id must have 1 to 128 characters and no control character"
        );
        assert_eq!(
            claim(r#"{"worker_id":"w","kinds":["Agent"]}"#).unwrap_err(),
            "kinds must be one of agent, search, dedup, crawl, ocr, index, keyword_expand"
        );
    }
}
