//! The ends of tasks: one result, one error, or a batch of both.

use super::outcome::{Completion, Failure};
use serde::{Deserialize, Serialize};
use taskgate_domain::{
    error::InvalidValue, id::TaskId, queue::Lease, task::Attempt, usecase::workers::Verdict,
};
use utoipa::ToSchema;

/// The claim under which a report is made; the rest of the body is the report.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Claimant {
    /// The attempt that the claim told.
    #[schema(minimum = 1)]
    attempt: i64,
}

impl Claimant {
    /// # Errors
    /// [`InvalidValue`] when the attempt is out of range.
    pub(crate) fn lease(&self, task: TaskId) -> Result<Lease, InvalidValue> {
        Ok(Lease { task, attempt: Attempt::new(self.attempt)? })
    }
}

/// The ends of several tasks, each for itself.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Finish)]
pub(crate) struct Batch {
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<BatchItem>,
}

/// The end of one task: either `complete` or `fail`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = FinishItem)]
pub(crate) struct BatchItem {
    /// The task.
    task_id: String,
    /// The attempt that the claim told.
    #[schema(minimum = 1)]
    attempt: i64,
    complete: Option<Completion>,
    fail: Option<Failure>,
}

impl Batch {
    /// How many ends one call takes at most.
    const MAX: usize = 500;

    /// # Errors
    /// [`InvalidValue`] when there are none, or too many.
    pub(crate) fn into_items(self) -> Result<Vec<BatchItem>, InvalidValue> {
        if !(1..=Self::MAX).contains(&self.items.len()) {
            return Err(InvalidValue::new("items", "must have 1 to 500 elements"));
        }
        Ok(self.items)
    }
}

impl BatchItem {
    /// The task as the worker named it.
    pub(crate) fn task_id(&self) -> &str {
        &self.task_id
    }

    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(crate) fn into_domain(self) -> Result<(Lease, Verdict), InvalidValue> {
        let lease = Lease { task: self.task_id.parse()?, attempt: Attempt::new(self.attempt)? };
        let verdict = match (self.complete, self.fail) {
            (Some(completion), None) => completion.into_domain()?,
            (None, Some(failure)) => failure.into_domain(),
            _ => return Err(InvalidValue::new("item", "must have either complete or fail")),
        };
        Ok((lease, verdict))
    }
}

/// What came of a batch, in the order of its items.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Finished {
    pub(crate) items: Vec<FinishedItem>,
}

/// What came of one item.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FinishedItem {
    /// The task as the worker named it.
    pub(crate) task_id: String,
    /// Whether the report was taken, now or when it was sent before.
    pub(crate) accepted: bool,
    /// Why it was not; absent when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
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
        let refusal = Err("item must have either complete or fail".to_owned());
        assert_eq!(item(&format!("{{{HEAD},{fail}}}")), Ok(()));
        assert_eq!(item(&format!(r#"{{{HEAD},"complete":{{}}}}"#)), Ok(()));
        assert_eq!(item(&format!("{{{HEAD}}}")), refusal);
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
