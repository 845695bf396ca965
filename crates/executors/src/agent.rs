//! The executor of questions.
//!
//! | Mode | What is done |
//! |---|---|
//! | simple | one answer, without tools |
//! | standard | steps with tools, then the answer |
//! | complex, supervisor | a plan, its questions at the same time, each with tools, then one answer |
//! | any, with `force_research` | a plan, sources for its questions, a text that cites them, and what was wished of its verification and its facts |
//!
//! Whatever the mode, each step begins at a checkpoint, where a pause holds it,
//! and is left when the task has to stop; each call of a model is added up; and
//! budgets end the task before they are passed, as far as the answerer can tell
//! beforehand what a call takes.

mod job;
mod ledger;
mod metadata;
mod modes;
mod pool;
mod research;
mod settings;
mod writing;

use crate::{
    answerer::{Answerer, ModelCall},
    tools::Toolbox,
};
use async_trait::async_trait;
use job::Job;
use research::Findings;
use serde_json::{Value, json};
use settings::Settings;
use std::sync::Arc;
use taskgate_domain::{
    event::{EventType, NewEvent},
    queue::Conversation,
    task::{
        outcome::Outcome,
        work::{AgentWork, Kind, Mode, Work},
    },
};
use taskgate_worker::{Executor, Failure, Run};
use writing::Written;

/// The provider that the offline answerer names.
const OFFLINE: &str = "taskgate";

/// The executor of questions.
pub struct Agent {
    offline: Arc<dyn Answerer>,
    model: Option<(String, Arc<dyn Answerer>)>,
    tools: Toolbox,
}

impl Agent {
    /// An executor that answers offline.
    pub fn new(offline: Arc<dyn Answerer>, tools: Toolbox) -> Self {
        Self { offline, model: None, tools }
    }

    /// Answers by a model of this provider, but for tasks with `disable_ai`.
    #[must_use]
    pub fn with_model(self, provider: impl Into<String>, model: Arc<dyn Answerer>) -> Self {
        Self { model: Some((provider.into(), model)), ..self }
    }

    /// Who answers under these settings.
    ///
    /// # Errors
    /// A sentence when the task wants somebody who is not here.
    fn answerer(&self, settings: &Settings) -> Result<&dyn Answerer, String> {
        let model = self.model.as_ref().filter(|_| !settings.disable_ai);
        let (here, answerer) = match model {
            Some((provider, answerer)) => (provider.as_str(), answerer),
            None => (OFFLINE, &self.offline),
        };
        match (&settings.provider, &settings.model.name) {
            (Some(wanted), _) if !wanted.eq_ignore_ascii_case(here) => {
                Err(format!("the provider {wanted} is not available here, only {here} is"))
            }
            (_, Some(wanted)) if model.is_none() => Err(format!(
                "the model {wanted} is not available here: answers come without a model"
            )),
            _ => Ok(answerer.as_ref()),
        }
    }

    async fn work(&self, run: &Run, work: &AgentWork) -> Result<Outcome, Failure> {
        let settings = Settings::read(work).map_err(Failure::lasting)?;
        let answerer = self.answerer(&settings).map_err(Failure::lasting)?;
        if work.query().is_empty() {
            return Err(Failure::lasting("the query is empty, and attachments are not read here"));
        }
        let before = before(run, &settings).await?;
        let job = Job::new(run, work, &settings, answerer, &self.tools, before);
        answer(&job).await.map_err(|failure| job.failed(failure))
    }
}

#[async_trait]
impl Executor for Agent {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Agent]
    }

    async fn execute(&self, run: &Run) -> Result<Outcome, Failure> {
        match &run.task().work {
            Work::Agent(work) => self.work(run, work).await,
            Work::Research(_) => Err(Failure::lasting("this executor answers questions alone")),
        }
    }
}

/// What a task follows on, as far as it is looked at.
async fn before(run: &Run, settings: &Settings) -> Result<Conversation, Failure> {
    let limits = &settings.limits;
    let counts = limits.session_tokens.is_some() || limits.session_cost.is_some();
    if settings.history == 0 && !counts {
        return Ok(Conversation::default());
    }
    let mut before = run.conversation(settings.history.max(1)).await?;
    if settings.history == 0 {
        before.turns.clear();
    }
    Ok(before)
}

/// Answers the question in its mode.
async fn answer(job: &Job<'_>) -> Result<Outcome, Failure> {
    let lead = match (job.settings.research, job.work.mode()) {
        (Some(_), _) => research::LEAD,
        (None, Mode::Simple | Mode::Standard) => modes::ALONE,
        (None, Mode::Complex) => "planner",
        (None, Mode::Supervisor) => "supervisor",
    };
    modes::started(job, lead, job.work.query()).await?;
    let (written, findings) = match (job.settings.research, job.work.mode()) {
        (Some(wished), _) => {
            let plan = research::plan(job, wished).await?;
            let (written, findings) = research::carry_out(job, wished, &plan).await?;
            (written, Some(findings))
        }
        (None, Mode::Simple) => (modes::simple(job, lead).await?, None),
        (None, Mode::Standard) => (modes::standard(job, lead).await?, None),
        (None, Mode::Complex | Mode::Supervisor) => (modes::complex(job, lead).await?, None),
    };
    let agent = NewEvent::FINAL_OUTPUT;
    let payload = spent(&written.call);
    job.tell_whole(EventType::LLM_OUTPUT, agent, written.text.clone(), payload).await?;
    modes::completed(job, lead).await?;
    Ok(outcome(job, written, findings.as_ref()))
}

fn outcome(job: &Job<'_>, written: Written, findings: Option<&Findings>) -> Outcome {
    let total = job.ledger().total();
    Outcome {
        metadata: metadata::metadata(job, &written, findings, &total),
        result: Some(taskgate_domain::text::replace_nul(written.text)),
        model: Some(written.call.model),
        provider: Some(written.call.provider),
        usage: job.ledger().usage(),
        ..Outcome::default()
    }
}

/// What a call took, as clients read it beside its text (gateway contract,
/// section 9).
fn spent(call: &ModelCall) -> Value {
    json!({
        "tokens_used": call.tokens.total(),
        "input_tokens": call.tokens.prompt(),
        "output_tokens": call.tokens.completion(),
        "cost_usd": call.cost.dollars(),
        "model_used": call.model,
        "provider": call.provider,
    })
}

#[cfg(test)]
mod tests;
