//! The ways to go about a question.

use super::{
    job::Job,
    pool::Pool,
    writing::{Written, write},
};
use crate::{
    answerer::{Listener, Material, Source, Step},
    marks::renumbered,
    tools::Toolbox,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::future::Future;
use taskgate_domain::event::EventType;
use taskgate_worker::Failure;
use tokio::sync::Semaphore;

/// The agent that answers alone.
pub(super) const ALONE: &str = "agent";
/// How many smaller questions a question is divided into at most.
const BREADTH: usize = 4;
/// How many sources one use of a tool brings.
const SOURCES: usize = 5;

/// What an agent has found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) sources: Pool,
    /// What tools have said that is no source.
    pub(super) notes: Vec<String>,
}

/// One answer, without tools.
pub(super) async fn simple(job: &Job<'_>, lead: &str) -> Result<Written, Failure> {
    thinking(job, lead, "Answering").await?;
    write(job, &Material::default()).await
}

/// Several steps with tools, then the answer.
pub(super) async fn standard(job: &Job<'_>, lead: &str) -> Result<Written, Failure> {
    job.expect_steps(0, 2, "Gathering what is needed");
    let gathered = gather(job, lead, job.work.query(), SOURCES).await?;
    job.step_done("Answering");
    thinking(job, lead, "Answering").await?;
    let Gathered { sources, notes } = gathered;
    write(job, &Material { sources: sources.sources(), notes: &notes }).await
}

/// A plan, its questions at the same time, each with tools, then one answer
/// from theirs.
pub(super) async fn complex(job: &Job<'_>, lead: &str) -> Result<Written, Failure> {
    thinking(job, lead, "Planning").await?;
    let plan = job.plan(BREADTH, None).await?;
    let crew = Crew::new(job, lead, plan.questions.len());
    let works = plan.questions.iter().zip(1..).map(|(question, n)| {
        let crew = &crew;
        async move {
            let agent = format!("agent-{n}");
            crew.delegate(&agent, question, solve(job, &agent, question)).await
        }
    });
    let answers = job.all(works).await?;
    let (mut pool, mut notes) = (Pool::default(), Vec::new());
    for (text, sources) in answers {
        let numbers = pool.add(sources);
        notes.push(renumbered(&text, |n| numbers.get(n.checked_sub(1)?).copied()));
    }
    thinking(job, lead, "Answering").await?;
    write(job, &Material { sources: pool.sources(), notes: &notes }).await
}

/// Lets an agent use tools until it can answer, each for so many sources.
pub(super) async fn gather(
    job: &Job<'_>,
    agent: &str,
    question: &str,
    most: usize,
) -> Result<Gathered, Failure> {
    let mut done = Vec::new();
    while done.len() < job.settings.iterations {
        thinking(job, agent, "Deciding what to do next").await?;
        match job.next(question, &done).await? {
            Step::Use { tool, input } => done.push(job.use_tool(agent, &tool, &input, most).await?),
            Step::Answer => break,
        }
    }
    let mut gathered = Gathered::default();
    for seen in done {
        // A search that finds nothing says nothing about the question.
        if seen.sources.is_empty() && seen.tool != Toolbox::SEARCH {
            gathered.notes.push(seen.text);
        }
        gathered.sources.add(seen.sources);
    }
    Ok(gathered)
}

/// Answers one of the smaller questions; its `[n]` are of the sources beside it.
async fn solve(
    job: &Job<'_>,
    agent: &str,
    question: &str,
) -> Result<(String, Vec<Source>), Failure> {
    let Gathered { sources, notes } = gather(job, agent, question, SOURCES).await?;
    thinking(job, agent, "Answering").await?;
    let material = Material { sources: sources.sources(), notes: &notes };
    let answer = job.answer(question, &material, &Nobody).await?.value;
    Ok((answer.text, answer.sources))
}

/// Hears nothing: only the answer to the task's question is told in pieces.
struct Nobody;

#[async_trait]
impl Listener for Nobody {
    async fn hear(&self, _: &str) {}
}

/// Agents that work on the parts of a question at the same time, as many as the
/// task allows.
pub(super) struct Crew<'a> {
    job: &'a Job<'a>,
    lead: &'a str,
    slots: Semaphore,
}

impl<'a> Crew<'a> {
    /// A crew for so many questions, after the step that has found them.
    pub(super) fn new(job: &'a Job<'a>, lead: &'a str, questions: usize) -> Self {
        let total = i64::try_from(questions).unwrap_or(i64::MAX).saturating_add(2);
        job.expect_steps(1, total, &format!("Working on {questions} questions"));
        Self { job, lead, slots: Semaphore::new(job.settings.agents) }
    }

    /// Has an agent work on a question as soon as there is a place for it.
    pub(super) async fn delegate<T>(
        &self,
        agent: &str,
        question: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        // It is never closed.
        let _slot = self.slots.acquire().await;
        self.job.goes_on()?;
        let payload = json!({ "to": agent });
        self.job.tell(EventType::DELEGATION, self.lead, question, payload).await?;
        started(self.job, agent, question).await?;
        let brought = work.await?;
        completed(self.job, agent).await?;
        self.job.step_done(question);
        Ok(brought)
    }
}

pub(super) async fn started(job: &Job<'_>, agent: &str, question: &str) -> Result<(), Failure> {
    job.tell(EventType::AGENT_STARTED, agent, question, Value::Null).await
}

pub(super) async fn thinking(job: &Job<'_>, agent: &str, message: &str) -> Result<(), Failure> {
    job.tell(EventType::AGENT_THINKING, agent, message, Value::Null).await
}

pub(super) async fn completed(job: &Job<'_>, agent: &str) -> Result<(), Failure> {
    job.tell(EventType::AGENT_COMPLETED, agent, "Done", Value::Null).await
}
