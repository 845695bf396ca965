//! Answers of a model behind any endpoint that speaks OpenAI's chat
//! completions: OpenAI itself, vLLM, llama.cpp, Ollama and many more.
//!
//! Endpoints agree on the form and differ in the rest, so every step has a way
//! to go on: where tools cannot be called the model is asked for JSON, where
//! JSON is broken it is asked once more, and where it stays broken the question
//! is its own plan and a text has no claims and no facts. What cannot be
//! helped is an [`AnswerError`], whose sentence names the provider.

mod completion;
mod endpoint;
mod fault;
mod ledger;
mod price;
mod prompt;
mod request;
mod settings;
mod shape;
mod sse;
mod teller;
#[cfg(test)]
mod tests;
mod thought;

pub use price::{Price, Prices};
pub use settings::{ApiKey, BaseUrl, ModelSettings, Models, Patience};

use crate::answerer::{
    Answer, AnswerError, Answerer, Brief, Claim, Fact, Intent, Listener, Material, ModelCall,
    Observation, Plan, Reply, Revision, Source, Step, ToolSpec,
};
use async_openai::types::chat::CreateChatCompletionRequest;
use async_trait::async_trait;
use completion::Completion;
use endpoint::Endpoint;
use fault::Fault;
use ledger::{Ledger, estimate};
use prompt::Prompt;
use request::Form;
use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};
use taskgate_domain::usage::Tokens;
use teller::Teller;

/// How many models are remembered for refusing tools.
const MOST_KNOWN: usize = 100;

/// The greatest bound on the length of an answer that is sent. Models refuse one
/// beyond their own, which is as low as this. A longer answer that passes its
/// budget ends the task when it is booked.
const MOST_BOUND: i64 = 4096;

/// An [`Answerer`] that asks a model.
pub struct ModelAnswerer {
    endpoint: Endpoint,
    provider: String,
    models: Models,
    prices: Prices,
    patience: Patience,
    /// Models that answered only once no tools were offered to them.
    without_tools: Mutex<HashSet<String>>,
}

/// The system's TLS library cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up")]
pub struct SetupError(#[source] reqwest::Error);

impl ModelAnswerer {
    /// An answerer by its settings. Nothing is asked of the endpoint yet.
    ///
    /// # Errors
    /// [`SetupError`] when the HTTP client cannot be made.
    pub fn new(settings: ModelSettings) -> Result<Self, SetupError> {
        let endpoint = Endpoint::new(&settings).map_err(SetupError)?;
        let ModelSettings { base_url, provider, models, prices, patience, .. } = settings;
        let provider = provider.unwrap_or_else(|| base_url.provider().to_owned());
        let without_tools = Mutex::default();
        Ok(Self { endpoint, provider, models, prices, patience, without_tools })
    }

    fn without_tools(&self) -> MutexGuard<'_, HashSet<String>> {
        self.without_tools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuses_tools(&self, model: &str) -> bool {
        self.without_tools().contains(model)
    }

    /// What the endpoint's owner is called.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    fn step<'a>(&'a self, brief: &'a Brief<'_>) -> StepCalls<'a> {
        let model = brief.model.name.as_deref();
        let model = model.unwrap_or_else(|| self.models.of(brief.model.tier));
        StepCalls {
            answerer: self,
            model,
            ledger: Ledger::new(brief.allowance, self.prices.of(model)),
            is_unpriced: brief.allowance.cost.is_some() && self.prices.lack(model),
        }
    }
}

#[async_trait]
impl Answerer for ModelAnswerer {
    async fn plan(
        &self,
        brief: &Brief<'_>,
        breadth: usize,
        revision: Option<&Revision<'_>>,
    ) -> Result<Reply<Plan>, AnswerError> {
        let mut step = self.step(brief);
        let prompt = prompt::plan(brief, breadth, revision);
        let plan = step.object(prompt, |text| shape::plan(text, breadth)).await;
        step.reply(plan.map(|plan| {
            plan.unwrap_or_else(|| Plan {
                text: brief.question.to_owned(),
                questions: vec![brief.question.to_owned()],
                intent: Intent::default(),
            })
        }))
    }

    async fn next(
        &self,
        brief: &Brief<'_>,
        tools: &[ToolSpec],
        done: &[Observation],
    ) -> Result<Reply<Step>, AnswerError> {
        let mut step = self.step(brief);
        if !self.refuses_tools(step.model) {
            let prompt = prompt::next(brief, done);
            match step.complete(prompt, Form::Tools(tools), None).await {
                Ok(completion) => return step.reply(Ok(next_step(&completion, tools))),
                Err(Failure::Fault { fault, .. }) if fault.is_about_tools() => {}
                Err(failure) => return step.reply(Err(failure)),
            }
        }
        let prompt = prompt::next_without_calls(brief, tools, done);
        let next = step.object(prompt, |text| shape::step(text, tools)).await;
        if next.is_ok() {
            let mut known = self.without_tools();
            // Tasks may name any model.
            if known.len() < MOST_KNOWN {
                known.insert(step.model.to_owned());
            }
        }
        step.reply(next.map(|next| next.unwrap_or(Step::Answer)))
    }

    async fn answer(
        &self,
        brief: &Brief<'_>,
        material: &Material<'_>,
        listener: &dyn Listener,
    ) -> Result<Reply<Answer>, AnswerError> {
        let mut step = self.step(brief);
        let prompt = prompt::answer(brief, material);
        let completion = step.complete(prompt, Form::Text, Some(listener)).await;
        step.reply(completion.map(|completion| Answer {
            text: completion.answer().to_owned(),
            sources: material.sources.to_vec(),
        }))
    }

    async fn verify(
        &self,
        brief: &Brief<'_>,
        text: &str,
        sources: &[Source],
    ) -> Result<Reply<Vec<Claim>>, AnswerError> {
        let mut step = self.step(brief);
        let prompt = prompt::verify(brief, text, sources);
        let claims = step.object(prompt, |text| shape::claims(text, sources.len())).await;
        step.reply(claims.map(Option::unwrap_or_default))
    }

    async fn extract(
        &self,
        brief: &Brief<'_>,
        text: &str,
        sources: &[Source],
    ) -> Result<Reply<Vec<Fact>>, AnswerError> {
        let mut step = self.step(brief);
        let prompt = prompt::extract(brief, text, sources);
        let facts = step.object(prompt, |text| shape::facts(text, sources.len())).await;
        step.reply(facts.map(Option::unwrap_or_default))
    }
}

/// What a model wants to do next: answer, unless it calls a tool that there is.
fn next_step(completion: &Completion, tools: &[ToolSpec]) -> Step {
    let call = completion.tool.as_ref().and_then(|call| {
        let tool = tools.iter().find(|tool| tool.name == call.name)?;
        let input = shape::argument(&call.arguments, tool)?;
        Some(Step::Use { tool: tool.name.to_owned(), input })
    });
    call.unwrap_or(Step::Answer)
}

/// Why a step's call brought nothing.
enum Failure {
    /// It would have consumed too much, or the answer did not fit.
    OverBudget(String),
    /// The endpoint.
    Fault {
        /// The last thing that went wrong.
        fault: Fault,
        /// How often it was asked.
        attempts: u32,
    },
}

/// The calls that one step makes to its model.
struct StepCalls<'a> {
    answerer: &'a ModelAnswerer,
    model: &'a str,
    ledger: Ledger,
    /// Whether money is bounded while nobody knows what the model costs.
    is_unpriced: bool,
}

impl StepCalls<'_> {
    /// Asks until there is an answer, the cause of a failure is lasting, or
    /// patience ends.
    async fn complete(
        &mut self,
        prompt: Prompt,
        form: Form<'_>,
        listener: Option<&dyn Listener>,
    ) -> Result<Completion, Failure> {
        if self.is_unpriced {
            return Err(Failure::OverBudget(format!(
                "the model {} has no price, so that no budget in money can be kept",
                self.model
            )));
        }
        let sent = tokens_of(&prompt, form);
        let mut request = request::request(self.model, prompt, form);
        let mut teller = Teller::new(listener);
        let mut attempts = 0;
        let mut most_bound = MOST_BOUND;
        loop {
            attempts += 1;
            let room = self.ledger.room(sent).map_err(Failure::OverBudget)?;
            let room = room.filter(|room| *room <= most_bound);
            request::bound(&mut request, &self.answerer.provider, room);
            let mut completion = Completion::default();
            let asked = self.once(&request, sent, &mut completion, &mut teller).await;
            let checked = match asked {
                Ok(()) => check(&completion, form, room),
                Err(fault) => Err(fault.into()),
            };
            let fault = match checked {
                Ok(()) => return Ok(completion),
                Err(Unfit::OverBudget(sentence)) => return Err(Failure::OverBudget(sentence)),
                Err(Unfit::Fault(fault)) => fault,
            };
            if room.is_some() && fault.is_about_length() {
                // The bound is beyond what the model can write after this prompt.
                most_bound = 0;
                continue;
            }
            let is_final =
                fault.is_lasting() || matches!(form, Form::Tools(_)) && fault.is_about_tools();
            if is_final || attempts >= self.answerer.patience.attempts {
                return Err(Failure::Fault { fault, attempts });
            }
            let wait = self.answerer.patience.wait(attempts, fault.retry_after());
            tracing::warn!(
                provider = self.answerer.provider,
                model = self.model,
                attempts,
                wait_seconds = wait.as_secs_f64(),
                "the model is asked again: its provider {fault}"
            );
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks once and books what that took, by the endpoint's word or by guess.
    async fn once(
        &mut self,
        request: &CreateChatCompletionRequest,
        sent: i64,
        completion: &mut Completion,
        teller: &mut Teller<'_>,
    ) -> Result<(), Fault> {
        let asked = self.answerer.endpoint.ask(request, completion, teller).await;
        let guess = || Tokens::new(sent, completion.written(), None).unwrap_or_default();
        match completion.usage {
            Some(usage) => self.ledger.book(usage),
            None if completion.begun => self.ledger.book(guess()),
            None => {}
        }
        asked
    }

    /// Asks for a JSON object, and once more when it is not what was asked for;
    /// `None` when it still is not.
    async fn object<T>(
        &mut self,
        prompt: Prompt,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let first = self.complete(prompt.clone(), Form::Json, None).await?;
        if let Some(value) = read(first.answer()) {
            return Ok(Some(value));
        }
        let repair = prompt.repair(first.answer());
        let second = self.complete(repair, Form::Json, None).await?;
        let value = read(second.answer());
        if value.is_none() {
            tracing::warn!(
                provider = self.answerer.provider,
                model = self.model,
                "the model did not reply with the JSON object that it was asked for"
            );
        }
        Ok(value)
    }

    /// What came of the step, with what it took.
    fn reply<T>(&self, result: Result<T, Failure>) -> Result<Reply<T>, AnswerError> {
        let provider = &self.answerer.provider;
        let call = ModelCall {
            provider: provider.clone(),
            model: self.model.to_owned(),
            tokens: self.ledger.tokens(),
            cost: self.ledger.cost(),
        };
        let error = match result {
            Ok(value) => return Ok(Reply { value, call }),
            Err(Failure::OverBudget(sentence)) => AnswerError::OverBudget(sentence),
            Err(Failure::Fault { fault, .. }) if fault.is_lasting() => {
                AnswerError::Refused(format!("the model provider {provider} {fault}"))
            }
            Err(Failure::Fault { fault, attempts: 1 }) => {
                AnswerError::Unavailable(format!("the model provider {provider} {fault}"))
            }
            Err(Failure::Fault { fault, attempts }) => AnswerError::Unavailable(format!(
                "the model provider {provider} {fault} (asked {attempts} times)"
            )),
        };
        if call.tokens == Tokens::default() {
            return Err(error);
        }
        Err(AnswerError::Spent { call: Box::new(call), error: Box::new(error) })
    }
}

/// Why an answer that came to its end is no good.
enum Unfit {
    OverBudget(String),
    Fault(Fault),
}

impl From<Fault> for Unfit {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Checks an answer that came to its end, which was bounded to `room` tokens.
fn check(completion: &Completion, form: Form<'_>, room: Option<i64>) -> Result<(), Unfit> {
    let finish = completion.finish.as_deref();
    if finish == Some("content_filter") {
        return Err(Fault::Filtered.into());
    }
    if finish == Some("length") {
        let written = completion.usage.map_or_else(|| completion.written(), Tokens::completion);
        if let Some(room) = room
            && written >= room
        {
            return Err(Unfit::OverBudget(format!(
                "the answer does not fit in the {room} tokens that the budget leaves for it"
            )));
        }
        if completion.answer().trim().is_empty() {
            return Err(Fault::NoRoom.into());
        }
        // The model's own limit: what it wrote is all there is to get.
    }
    let silence = matches!(form, Form::Tools(_)) && completion.begun;
    if completion.answer().trim().is_empty() && !silence {
        return Err(Fault::Empty.into());
    }
    Ok(())
}

/// About how many tokens a call sends.
fn tokens_of(prompt: &Prompt, form: Form<'_>) -> i64 {
    // What marks a message as such, by the templates of common models.
    const FRAME: i64 = 4;
    let past = prompt.past.iter().flat_map(|(question, answer)| [question, answer]);
    let messages = past.chain([&prompt.system, &prompt.user]);
    let tools = match form {
        Form::Tools(tools) => tools,
        Form::Text | Form::Json => &[],
    };
    let tools = tools.iter().map(|tool| {
        // The JSON around a description is about as long again as a short one.
        let words = [tool.name, tool.description, tool.parameter, tool.parameter_description];
        words.into_iter().map(estimate).sum::<i64>() + 10 * FRAME
    });
    messages.map(|text| estimate(text) + FRAME).chain(tools).sum()
}
