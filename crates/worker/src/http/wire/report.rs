//! The ends of tasks.

use super::{super::answer::Refusal, usage::UsageBody};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use taskgate_domain::{
    error::InvalidValue,
    json::JsonObject,
    queue::{Conclusion, Lease, Report, Reported},
    task::{outcome::Outcome, status::TaskStatus},
};

/// One end in a batch.
#[derive(Serialize)]
pub(in crate::http) struct Item<'a> {
    task_id: String,
    attempt: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<Completion<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail: Option<Failure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<GivenBack>,
}

#[derive(Serialize)]
struct Completion<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a JsonObject>,
    #[serde(flatten)]
    expense: Expense<'a>,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
    retry: bool,
    #[serde(flatten)]
    expense: Expense<'a>,
}

#[derive(Serialize)]
struct GivenBack {
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageBody>,
}

/// What either of these has beside its result or its error.
#[derive(Serialize)]
struct Expense<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a JsonObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_used: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageBody>,
}

/// A result on the wire. The report does not tell the task's kind, and a server
/// takes an object for tasks of every kind, keeping its text.
#[derive(Serialize)]
#[serde(untagged)]
enum ResultText<'a> {
    Object(&'a RawValue),
    Text(&'a str),
}

impl<'a> From<&'a str> for ResultText<'a> {
    fn from(text: &'a str) -> Self {
        let object = Some(text).filter(|text| text.trim_start().starts_with('{'));
        let object = object.and_then(|text| serde_json::from_str(text).ok());
        object.map_or(Self::Text(text), Self::Object)
    }
}

impl<'a> From<&'a Report> for Item<'a> {
    fn from(report: &'a Report) -> Self {
        let Lease { task, attempt } = report.lease;
        let (task_id, attempt) = (task.to_string(), attempt.get());
        let nothing = Self { task_id, attempt, complete: None, fail: None, release: None };
        match &report.conclusion {
            Conclusion::Complete(outcome) => Self { complete: Some(outcome.into()), ..nothing },
            Conclusion::Fail { outcome, retry } => {
                let (error, expense) = (outcome.reason(), Expense::from(outcome));
                let failure = Failure { error, retry: retry.is_some(), expense };
                Self { fail: Some(failure), ..nothing }
            }
            Conclusion::Release { usage } => {
                Self { release: Some(GivenBack { usage: UsageBody::told(usage) }), ..nothing }
            }
        }
    }
}

impl<'a> From<&'a Outcome> for Completion<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        Self {
            result: outcome.result.as_deref().map(ResultText::from),
            response: outcome.response.as_ref(),
            expense: outcome.into(),
        }
    }
}

impl<'a> From<&'a Outcome> for Expense<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        Self {
            metadata: outcome.metadata.as_ref(),
            model_used: outcome.model.as_deref(),
            provider: outcome.provider.as_deref(),
            usage: UsageBody::told(&outcome.usage),
        }
    }
}

#[derive(Deserialize)]
pub(in crate::http) struct Finished {
    items: Vec<FinishedItem>,
}

#[derive(Deserialize)]
struct FinishedItem {
    accepted: bool,
    status: Option<String>,
    error: Option<String>,
}

impl Finished {
    /// The answers to so many reports, in their order.
    pub(in crate::http) fn reported(self, count: usize) -> Result<Vec<Reported>, Refusal> {
        if self.items.len() != count {
            return Err(Refusal::Failed(format!(
                "the server answered {} of {count} reports",
                self.items.len()
            )));
        }
        self.items.into_iter().map(FinishedItem::reported).collect()
    }
}

impl FinishedItem {
    fn reported(self) -> Result<Reported, Refusal> {
        if !self.accepted {
            return Ok(Err(Refusal::of_item(self.error).into()));
        }
        let led_to =
            [TaskStatus::Completed, TaskStatus::Failed, TaskStatus::Queued, TaskStatus::Paused];
        let status = led_to.into_iter().find(|status| Some(status.to_string()) == self.status);
        status
            .map(Ok)
            .ok_or_else(|| Refusal::unreadable(&InvalidValue::new("status", "is missing")))
    }
}
