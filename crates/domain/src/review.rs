//! Reviews: a plan that waits for the word of the task's owner before it is
//! carried out (gateway contract, section 16).
//!
//! A worker proposes a plan and lets go of the task, which is paused. Its owner
//! approves the plan, or remarks on it and gets another; either sends the task
//! back to the queue.

mod standing;

pub use standing::{Place, Refusal, Standing};

use crate::{
    error::{InvalidValue, StoreError},
    id::TaskNumber,
    text,
    usage::Usage,
};
use chrono::{DateTime, Utc};
use std::str::FromStr;

/// What was said about a task's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Whether the plan is approved: nothing of the review changes any more.
    pub approved: bool,
    /// What the planner made of the latest remark.
    pub intent: Intent,
    /// The smaller questions that the plan divides the task into.
    pub questions: Vec<String>,
    /// The plans and the remarks on them in turn, the oldest first. The first is
    /// a plan.
    pub rounds: Vec<Round>,
}

impl Review {
    /// How many plans a review takes at most; the last can only be approved.
    pub const MAX_PLANS: u16 = 10;

    /// The latest plan.
    pub fn plan(&self) -> &str {
        let plan = self.rounds.iter().rfind(|round| round.role == Role::Assistant);
        plan.map_or("", |plan| plan.message.as_str())
    }

    /// The number of the latest plan: 1, 2 and so on.
    pub fn version(&self) -> usize {
        self.rounds.iter().filter(|round| round.role == Role::Assistant).count()
    }

    /// The remark that waits for another plan, if one does.
    pub fn feedback(&self) -> Option<&str> {
        let last = self.rounds.last().filter(|round| round.role == Role::User);
        last.map(|remark| remark.message.as_str())
    }
}

/// A plan, or a remark on one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Who said it.
    pub role: Role,
    /// The text.
    pub message: String,
    /// When, by the store's clock.
    pub at: DateTime<Utc>,
}

/// Who says something in a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The worker.
    Assistant,
    /// The task's owner.
    User,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Assistant, Self::User];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assistant => "assistant",
            Self::User => "user",
        }
    }
}

/// What a planner makes of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Intent {
    /// The conversation goes on.
    #[default]
    Feedback,
    /// The plan is ready to be approved.
    Ready,
    /// The user wants the plan carried out; it is for the user to approve it.
    Execute,
}

impl Intent {
    /// Every intent.
    pub const ALL: [Self; 3] = [Self::Feedback, Self::Ready, Self::Execute];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Feedback => "feedback",
            Self::Ready => "ready",
            Self::Execute => "execute",
        }
    }
}

impl FromStr for Intent {
    type Err = InvalidValue;

    /// # Errors
    /// [`InvalidValue`] for anything but a [name](Self::as_str).
    fn from_str(name: &str) -> Result<Self, InvalidValue> {
        let rule = "must be one of feedback, ready, execute";
        let known = Self::ALL.into_iter().find(|intent| intent.as_str() == name);
        known.ok_or_else(|| InvalidValue::new("intent", rule))
    }
}

/// A plan that a worker proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    plan: String,
    questions: Vec<String>,
    intent: Intent,
    usage: Usage,
}

impl Proposal {
    /// The longest plan, in bytes.
    pub const MAX_PLAN: usize = 64 * 1024;
    /// How many smaller questions there are at most.
    pub const MAX_QUESTIONS: usize = 50;
    /// The longest of them, in bytes.
    pub const MAX_QUESTION: usize = 4 * 1024;

    /// A plan in words for people, and the smaller questions that it divides the
    /// task into; NUL characters are replaced.
    ///
    /// # Errors
    /// [`InvalidValue`] when the plan or a question is blank or too long, or
    /// there are too many questions.
    pub fn new(plan: String, questions: Vec<String>, intent: Intent) -> Result<Self, InvalidValue> {
        let fits = |text: &str, max| !text.trim().is_empty() && text.len() <= max;
        if !fits(&plan, Self::MAX_PLAN) {
            return Err(InvalidValue::new("plan", "must have 1 to 65536 bytes, and not be blank"));
        }
        if questions.len() > Self::MAX_QUESTIONS {
            return Err(InvalidValue::new("questions", "must have at most 50 elements"));
        }
        if !questions.iter().all(|question| fits(question, Self::MAX_QUESTION)) {
            let rule = "must each have 1 to 4096 bytes, and not be blank";
            return Err(InvalidValue::new("questions", rule));
        }
        let questions = questions.into_iter().map(text::replace_nul).collect();
        Ok(Self { plan: text::replace_nul(plan), questions, intent, usage: Usage::default() })
    }

    /// The same with what it took to make, which counts as that of any attempt.
    #[must_use]
    pub fn with_usage(self, usage: Usage) -> Self {
        Self { usage, ..self }
    }

    /// The plan in words.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    /// The smaller questions.
    pub fn questions(&self) -> &[String] {
        &self.questions
    }

    /// What the planner made of the latest remark.
    pub const fn intent(&self) -> Intent {
        self.intent
    }

    /// What it took to make.
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }
}

/// A remark on a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback(String);

impl Feedback {
    /// The longest remark, in bytes (gateway contract, section 16).
    pub const MAX: usize = 10 * 1024;

    /// Takes an owner's words.
    ///
    /// # Errors
    /// [`InvalidValue`] when there are none, or more than 10 KiB of them, or a
    /// NUL character is among them.
    pub fn new(message: String) -> Result<Self, InvalidValue> {
        if message.trim().is_empty() {
            return Err(InvalidValue::new("message", "is required for feedback"));
        }
        if message.len() > Self::MAX {
            return Err(InvalidValue::new("message", "must have at most 10240 bytes"));
        }
        text::refuse_nul("message", &message)?;
        Ok(Self(message))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an owner says to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Carry it out.
    Approve,
    /// Make another.
    Feedback(Feedback),
}

/// An owner's word on a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRequest {
    /// The task.
    pub number: TaskNumber,
    /// What is said.
    pub response: Response,
    /// The [version](Review::version) that it is said about; `None` is the
    /// latest, whichever that is.
    pub version: Option<u16>,
}

/// Why a review could not be read or changed for a caller.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The task has no review, or there is no such task that the caller sees.
    #[error("review not found")]
    NotFound,
    /// The word comes at the wrong time; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::{Feedback, Intent, Proposal};

    #[test]
    fn plans_and_remarks_have_bounds() {
        let proposal = |plan: &str, questions: Vec<String>| {
            Proposal::new(plan.to_owned(), questions, Intent::Ready).map_err(|e| e.to_string())
        };
        assert_eq!(proposal("a\0b", vec!["c\0".to_owned()]).unwrap().plan(), "a\u{fffd}b");
        assert!(proposal(&"a".repeat(Proposal::MAX_PLAN), Vec::new()).is_ok());
        let of_plan = "plan must have 1 to 65536 bytes, and not be blank";
        for plan in [" \n", &"a".repeat(Proposal::MAX_PLAN + 1)] {
            assert_eq!(proposal(plan, Vec::new()).unwrap_err(), of_plan);
        }
        assert!(proposal("p", vec!["q".to_owned(); 51]).is_err());
        assert!(proposal("p", vec![String::new()]).is_err());
        assert!(proposal("p", vec!["q".repeat(Proposal::MAX_QUESTION + 1)]).is_err());
        assert!(Feedback::new("é".repeat(5_120)).is_ok());
        for text in ["", " ", "a\0", &"a".repeat(Feedback::MAX + 1)] {
            assert!(Feedback::new(text.to_owned()).is_err(), "{}", text.len());
        }
    }
}
