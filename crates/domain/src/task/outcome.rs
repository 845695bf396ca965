//! How a task ended.

use crate::{error::InvalidValue, json::JsonObject, task::work::Kind, text, usage::Usage};

/// What a worker hands in with a result. Every text is free of NUL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The answer: plain or JSON text for an agent task, the text of a JSON
    /// object for a research task. It can be large, and lists never read it.
    pub result: Option<String>,
    /// A structured form of the answer.
    pub response: Option<JsonObject>,
    /// Citations, verification and whatever else the executor tells; opaque.
    pub metadata: Option<JsonObject>,
    /// Why the task failed; `None` unless it did.
    pub error: Option<String>,
    /// The main model that was used.
    pub model: Option<String>,
    /// Who served that model.
    pub provider: Option<String>,
    /// Tokens and money: of one attempt in a report, of all of them at a task's
    /// end.
    pub usage: Usage,
}

impl Outcome {
    /// An outcome that is nothing but a reason.
    pub fn error(reason: impl Into<String>) -> Self {
        Self { error: Some(text::replace_nul(reason.into())), ..Self::default() }
    }

    /// Why the task failed, or nothing when it is not said.
    pub fn reason(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }

    /// Checks that the result has the form that tasks of `kind` have.
    ///
    /// # Errors
    /// [`InvalidValue`] when a research task's result is not a JSON object.
    pub fn check(&self, kind: Kind) -> Result<(), InvalidValue> {
        if let (Kind::Research(_), Some(result)) = (kind, &self.result) {
            JsonObject::parse("result", result.clone())?;
        }
        Ok(())
    }
}
