//! Errors that the ports and constructors owe their callers.

use std::borrow::Cow;

/// A value that breaks a rule of the domain.
///
/// Its text is one sentence that may be shown to whoever sent the value: the
/// field, then the rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct InvalidValue {
    /// The field's name as callers know it.
    pub field: &'static str,
    /// What the field must be, as the rest of the sentence.
    pub rule: Cow<'static, str>,
}

impl InvalidValue {
    /// An error for `field`, whose value must satisfy `rule`.
    pub fn new(field: &'static str, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { field, rule: rule.into() }
    }
}

/// Why a store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is up but has no capacity for this call now; nothing was
    /// done, and the same call may succeed in a second.
    #[error("the store has no free connection")]
    Busy,
    /// The store failed. What it had begun was rolled back, unless the failure
    /// struck during the commit itself. The source is for the log only: it may
    /// name tables, and never holds a secret.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Wraps the cause of a failure.
    pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }
}

/// Why a task could not be read or changed for a caller.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// There is no such task, or it is not the caller's to see: the two are
    /// one answer, so that nobody learns which ids exist.
    #[error("task not found")]
    NotFound,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a worker's report on a task was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no task with this id.
    #[error("task not found")]
    NotFound,
    /// The reporting attempt no longer holds the task: its lease was taken
    /// away, or the task has ended otherwise. Nothing was stored.
    #[error("the lease is lost")]
    LeaseLost,
    /// The report does not fit the task, for example a text result for a
    /// research task. Nothing was stored.
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
