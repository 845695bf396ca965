//! A task at work: its steps, each metered, and what is told of them.

use super::{
    ledger::{Ledger, THRESHOLD},
    settings::Settings,
};
use crate::{
    answerer::{
        Allowance, Answer, AnswerError, Answerer, Brief, Claim, Fact, Listener, Material,
        ModelCall, Observation, Plan, Reply, Revision, Source, Step,
    },
    text::cut,
    tools::Toolbox,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{
    future::Future,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use taskgate_domain::{
    event::{EventType, NewEvent},
    json::JsonObject,
    queue::{Conversation, PastTurn},
    task::{outcome::Outcome, work::AgentWork},
};
use taskgate_worker::{Failure, Run};
use tokio::time::Instant;

/// The longest text in an event about an agent or a tool, in bytes.
const MOST_MESSAGE: usize = 2000;

/// A task at work.
pub(super) struct Job<'a> {
    pub(super) run: &'a Run,
    pub(super) work: &'a AgentWork,
    pub(super) settings: &'a Settings,
    pub(super) began: Instant,
    answerer: &'a dyn Answerer,
    tools: &'a Toolbox,
    history: Vec<PastTurn>,
    ledger: Mutex<Ledger>,
    /// Held by the step that is under way, where something bounds what may be
    /// consumed: two at a time would each take what is left for both.
    turn: tokio::sync::Mutex<()>,
    agents: AtomicUsize,
    /// Whether no further step is worth taking, for one has failed.
    given_up: AtomicBool,
    progress: Mutex<(i64, i64)>,
}

/// The right to take a step.
struct Turn<'a> {
    allowance: Allowance,
    _alone: Option<tokio::sync::MutexGuard<'a, ()>>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        run: &'a Run,
        work: &'a AgentWork,
        settings: &'a Settings,
        answerer: &'a dyn Answerer,
        tools: &'a Toolbox,
        before: Conversation,
    ) -> Self {
        Self {
            run,
            work,
            settings,
            began: Instant::now(),
            answerer,
            tools,
            ledger: Mutex::new(Ledger::new(&settings.limits, &before, run.task().consumed.clone())),
            history: before.turns,
            turn: tokio::sync::Mutex::default(),
            agents: AtomicUsize::new(0),
            given_up: AtomicBool::new(false),
            progress: Mutex::default(),
        }
    }

    /// Divides the task's question into smaller ones, at least one.
    pub(super) async fn plan(
        &self,
        breadth: usize,
        revision: Option<&Revision<'_>>,
    ) -> Result<Plan, Failure> {
        let turn = self.begin().await?;
        let brief = self.brief(self.work.query(), &turn);
        let mut plan = self.end(turn, self.answerer.plan(&brief, breadth, revision)).await?.value;
        plan.questions.retain(|question| !question.trim().is_empty());
        plan.questions.truncate(breadth);
        if plan.questions.is_empty() {
            plan.questions.push(self.work.query().to_owned());
        }
        if plan.text.trim().is_empty() {
            plan.text = plan.questions.join("\n");
        }
        Ok(plan)
    }

    /// Says what to do next.
    pub(super) async fn next(&self, question: &str, done: &[Observation]) -> Result<Step, Failure> {
        let turn = self.begin().await?;
        let brief = self.brief(question, &turn);
        let step = self.answerer.next(&brief, &Toolbox::SPECS, done);
        Ok(self.end(turn, step).await?.value)
    }

    /// Answers.
    pub(super) async fn answer(
        &self,
        question: &str,
        material: &Material<'_>,
        listener: &dyn Listener,
    ) -> Result<Reply<Answer>, Failure> {
        let turn = self.begin().await?;
        let brief = self.brief(question, &turn);
        self.end(turn, self.answerer.answer(&brief, material, listener)).await
    }

    /// Verifies a text.
    pub(super) async fn verify(
        &self,
        text: &str,
        sources: &[Source],
    ) -> Result<Vec<Claim>, Failure> {
        let turn = self.begin().await?;
        let brief = self.brief(self.work.query(), &turn);
        Ok(self.end(turn, self.answerer.verify(&brief, text, sources)).await?.value)
    }

    /// Draws the facts from a text.
    pub(super) async fn extract(
        &self,
        text: &str,
        sources: &[Source],
    ) -> Result<Vec<Fact>, Failure> {
        let turn = self.begin().await?;
        let brief = self.brief(self.work.query(), &turn);
        Ok(self.end(turn, self.answerer.extract(&brief, text, sources)).await?.value)
    }

    /// Uses a tool, for so many sources at most.
    pub(super) async fn use_tool(
        &self,
        agent: &str,
        tool: &str,
        input: &str,
        most: usize,
    ) -> Result<Observation, Failure> {
        self.goes_on()?;
        self.run.checkpoint().await?;
        let payload = json!({ "tool": tool, "input": cut(input, MOST_MESSAGE) });
        self.tell(EventType::TOOL_INVOKED, agent, input, payload).await?;
        let seen = self.unless_stopped(self.tools.use_tool(tool, input, most)).await?;
        let payload = json!({ "tool": tool, "sources": seen.sources.len() });
        self.tell(EventType::TOOL_OBSERVATION, agent, &seen.text, payload).await?;
        Ok(seen)
    }

    /// Does several works at the same time. When one fails, the others take the
    /// step that is under way to its end, so that what it takes is counted, and
    /// no further one.
    pub(super) async fn all<T>(
        &self,
        works: impl Iterator<Item = impl Future<Output = Result<T, Failure>>>,
    ) -> Result<Vec<T>, Failure> {
        let first = Mutex::new(None);
        let works = works.map(async |work| {
            let done = work.await;
            if done.is_err() {
                self.given_up.store(true, Ordering::Relaxed);
            }
            done.map_err(|failure| {
                lock(&first).get_or_insert(failure);
            })
            .ok()
        });
        let done: Vec<Option<T>> = join_all(works).await;
        match first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(failure),
            None => Ok(done.into_iter().flatten().collect()),
        }
    }

    /// Fails when another part of the work has.
    pub(super) fn goes_on(&self) -> Result<(), Failure> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(Failure::lasting("another agent has failed"));
        }
        Ok(())
    }

    /// Begins a step: waits while the task is paused, and sees what is left.
    async fn begin(&self) -> Result<Turn<'_>, Failure> {
        let is_bounded = self.ledger().is_bounded();
        let alone = if is_bounded { Some(self.turn.lock().await) } else { None };
        self.goes_on()?;
        self.run.checkpoint().await?;
        self.tell_thresholds().await?;
        let allowance = self.ledger().allowance().map_err(Failure::lasting)?;
        Ok(Turn { allowance, _alone: alone })
    }

    fn brief<'b>(&'b self, question: &'b str, turn: &Turn<'_>) -> Brief<'b> {
        Brief {
            question,
            history: &self.history,
            instructions: self.settings.instructions.as_deref(),
            model: &self.settings.model,
            allowance: turn.allowance,
        }
    }

    /// Takes a step to its end, and writes down what it took.
    async fn end<T>(
        &self,
        turn: Turn<'_>,
        step: impl Future<Output = Result<Reply<T>, AnswerError>>,
    ) -> Result<Reply<T>, Failure> {
        let answer = self.unless_stopped(step).await?.map_err(AnswerError::split);
        let call = match &answer {
            Ok(reply) => Some(&reply.call),
            Err((_, call)) => call.as_ref(),
        };
        let recorded = call.map_or(Ok(()), |call| self.record(call));
        drop(turn);
        self.tell_thresholds().await?;
        recorded.map_err(Failure::lasting)?;
        answer.map_err(|(error, _)| match error {
            AnswerError::Unavailable(_) => Failure::passing(error.to_string()),
            error => Failure::lasting(error.to_string()),
        })
    }

    /// Writes down what a call took.
    fn record(&self, call: &ModelCall) -> Result<(), String> {
        let mut ledger = self.ledger();
        let recorded = ledger.record(call);
        // Under the lock: a later sum must not be told before an earlier one.
        self.run.consumed(ledger.usage());
        recorded
    }

    /// Does something, unless the task has to stop before it is done.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            stop = self.run.stopped() => Err(stop.into()),
            done = work => Ok(done),
        }
    }

    /// Tells those who watch what happened; a long message is cut.
    pub(super) async fn tell(
        &self,
        event_type: EventType,
        agent: &str,
        message: &str,
        payload: Value,
    ) -> Result<(), Failure> {
        self.tell_whole(event_type, agent, cut(message, MOST_MESSAGE), payload).await
    }

    /// Tells those who watch what happened, however long it is.
    pub(super) async fn tell_whole(
        &self,
        event_type: EventType,
        agent: &str,
        message: String,
        payload: Value,
    ) -> Result<(), Failure> {
        if event_type == EventType::AGENT_STARTED {
            self.agents.fetch_add(1, Ordering::Relaxed);
        }
        let payload = match payload {
            Value::Null => Ok(None),
            payload => JsonObject::parse("payload", payload.to_string()).map(Some),
        };
        let event = payload.and_then(|payload| {
            NewEvent::new(event_type, Some(agent.to_owned()), Some(message), payload)
        });
        let event = event.map_err(|error| Failure::lasting(error.to_string()))?;
        Ok(self.run.tell(event).await?)
    }

    async fn tell_thresholds(&self) -> Result<(), Failure> {
        let reached = self.ledger().thresholds();
        for budget in reached {
            let (used, limit) = budget.amounts();
            let name = budget.name();
            let message = format!("{THRESHOLD} % of the budget of {name} is used");
            let payload =
                json!({ "budget": name, "used": used, "limit": limit, "percent": THRESHOLD });
            self.tell(EventType::BUDGET_THRESHOLD, "budget", &message, payload).await?;
        }
        Ok(())
    }

    /// Says how many steps there will be, the first of which are done.
    pub(super) fn expect_steps(&self, done: i64, total: i64, message: &str) {
        *lock(&self.progress) = (done, total);
        self.run.progress(done, total, Some(cut(message, MOST_MESSAGE)));
    }

    /// Says that one more step is done.
    pub(super) fn step_done(&self, message: &str) {
        let (done, total) = {
            let mut progress = lock(&self.progress);
            progress.0 += 1;
            *progress
        };
        self.run.progress(done, total, Some(cut(message, MOST_MESSAGE)));
    }

    /// How many agents have worked on this.
    pub(super) fn agents(&self) -> usize {
        self.agents.load(Ordering::Relaxed)
    }

    /// What was consumed so far.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// A failure, with what it took to get there.
    pub(super) fn failed(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Failed { outcome, retry } => {
                let ledger = self.ledger();
                let (model, provider) = ledger.last().unzip();
                let outcome = Outcome { usage: ledger.usage(), model, provider, ..*outcome };
                Failure::Failed { outcome: Box::new(outcome), retry }
            }
            other @ (Failure::Proposed(_) | Failure::Stopped(_)) => other,
        }
    }
}

/// What no panic can leave half-changed: each change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
