//! Those who answer questions, step by step.

/// What a planner makes of a remark.
pub use taskgate_domain::review::Intent;

use async_trait::async_trait;
use taskgate_domain::{
    queue::PastTurn,
    usage::{Tokens, Usd},
};

/// Somebody who answers questions. Each method is one step of an answer, and
/// one call of a model where there is one.
///
/// A step that cannot be done within [`Brief::allowance`] is not begun.
#[async_trait]
pub trait Answerer: Send + Sync {
    /// Divides a question into at most `breadth` smaller ones, or does so again
    /// in the light of what somebody said about an earlier plan.
    async fn plan(
        &self,
        brief: &Brief<'_>,
        breadth: usize,
        revision: Option<&Revision<'_>>,
    ) -> Result<Reply<Plan>, AnswerError>;

    /// Says what to do next on the way to an answer: use one of the tools, or
    /// answer by what is known.
    async fn next(
        &self,
        brief: &Brief<'_>,
        tools: &[ToolSpec],
        done: &[Observation],
    ) -> Result<Reply<Step>, AnswerError>;

    /// Answers by the sources, if there are any; `[n]` in the text is the nth
    /// of them, from 1. Pieces of the text are told to `listener` as they come.
    async fn answer(
        &self,
        brief: &Brief<'_>,
        material: &Material<'_>,
        listener: &dyn Listener,
    ) -> Result<Reply<Answer>, AnswerError>;

    /// Takes a text's claims apart and says which sources support or contradict
    /// each.
    async fn verify(
        &self,
        brief: &Brief<'_>,
        text: &str,
        sources: &[Source],
    ) -> Result<Reply<Vec<Claim>>, AnswerError>;

    /// Draws the facts from a text.
    async fn extract(
        &self,
        brief: &Brief<'_>,
        text: &str,
        sources: &[Source],
    ) -> Result<Reply<Vec<Fact>>, AnswerError>;
}

/// Hears pieces of an answer while it is written.
#[async_trait]
pub trait Listener: Send + Sync {
    /// The text goes on with this.
    async fn hear(&self, piece: &str);
}

/// What every step comes with.
#[derive(Debug, Clone, Copy)]
pub struct Brief<'a> {
    /// What is asked in this step.
    pub question: &'a str,
    /// What was asked and answered before in the session, the oldest first.
    pub history: &'a [PastTurn],
    /// How to behave: the client's system prompt or role.
    pub instructions: Option<&'a str>,
    /// Which model to use.
    pub model: &'a ModelChoice,
    /// How much the step may consume.
    pub allowance: Allowance,
}

/// Which model a task asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelChoice {
    /// How large a model.
    pub tier: Tier,
    /// A certain model, whatever the tier.
    pub name: Option<String>,
}

/// How large a model, by what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tier {
    /// The cheapest.
    Small,
    /// The default.
    #[default]
    Medium,
    /// The best.
    Large,
}

/// What is left of a task's budgets; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// Tokens, of questions and answers together.
    pub tokens: Option<i64>,
    /// Money.
    pub cost: Option<Usd>,
}

/// What came of a step, and the call of a model that it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<T> {
    /// What came of it.
    pub value: T,
    /// What it took.
    pub call: ModelCall,
}

/// One call of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCall {
    /// Who served it.
    pub provider: String,
    /// The model, as its provider spells it.
    pub model: String,
    /// Tokens.
    pub tokens: Tokens,
    /// Price.
    pub cost: Usd,
}

/// How a question is gone about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The plan in words, for people.
    pub text: String,
    /// The smaller questions; at least one.
    pub questions: Vec<String>,
    /// What a remark about the earlier plan asked for.
    pub intent: Intent,
}

/// A remark about an earlier plan.
#[derive(Debug, Clone, Copy)]
pub struct Revision<'a> {
    /// The earlier plan in words.
    pub plan: &'a str,
    /// What was said about it.
    pub feedback: &'a str,
}

/// A tool, as it is described to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolSpec {
    /// Its name, in snake case.
    pub name: &'static str,
    /// What it does and when to use it.
    pub description: &'static str,
    /// The name of its only parameter, a text.
    pub parameter: &'static str,
    /// What that parameter is.
    pub parameter_description: &'static str,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Use a tool.
    Use {
        /// Its name.
        tool: String,
        /// Its parameter.
        input: String,
    },
    /// Answer.
    Answer,
}

/// What a tool has told.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The tool.
    pub tool: String,
    /// What it was given.
    pub input: String,
    /// What it said.
    pub text: String,
    /// What it has found.
    pub sources: Vec<Source>,
}

/// What an answer is made from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Material<'a> {
    /// Texts to answer by and to cite.
    pub sources: &'a [Source],
    /// What else is known, such as what tools have calculated or the answers
    /// to smaller questions. Their `[n]` count by the same sources.
    pub notes: &'a [String],
}

/// A text that can be cited.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Where it is.
    pub url: String,
    /// What it is called.
    pub title: String,
    /// Who published it.
    pub publisher: String,
    /// The passage that matters.
    pub text: String,
    /// How far its publisher can be believed, 0 to 1.
    pub credibility: f64,
    /// How well it fits what was asked, 0 to 1.
    pub quality: f64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// What its `[n]` mean: the sources that were given, or, where none were,
    /// those that the answerer found itself, in the order of their first use.
    pub sources: Vec<Source>,
}

/// Something that a text says.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What it says.
    pub text: String,
    /// The sources that say so too, by their numbers from 1.
    pub supporting: Vec<usize>,
    /// The sources that say otherwise.
    pub conflicting: Vec<usize>,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
}

/// Something that is the case, by a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What is the case.
    pub statement: String,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
    /// The sources that say so, by their numbers from 1.
    pub sources: Vec<usize>,
    /// What kind of fact it is, in one lower-case word.
    pub category: String,
    /// Whom or what it is about.
    pub entities: Vec<String>,
    /// When it is the case, as the text says it.
    pub time: Option<String>,
    /// Whether it is a number.
    pub quantitative: bool,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It would consume more than was allowed; the sentence says of what.
    #[error("{0}")]
    OverBudget(String),
    /// Whoever serves the model did not answer, or not in a usable form, after
    /// all that was tried. The sentence names the provider and the cause.
    #[error("{0}")]
    Unavailable(String),
    /// Whoever serves the model refuses the question, and will again. The
    /// sentence names the provider and the cause.
    #[error("{0}")]
    Refused(String),
    /// It failed, but not before something had been consumed.
    #[error("{error}")]
    Spent {
        /// What was consumed.
        call: Box<ModelCall>,
        /// Why it failed: any of the others.
        error: Box<AnswerError>,
    },
}

impl AnswerError {
    /// Why the step failed, and what was consumed until then.
    pub fn split(self) -> (Self, Option<ModelCall>) {
        match self {
            Self::Spent { call, error } => (*error, Some(*call)),
            error => (error, None),
        }
    }
}
