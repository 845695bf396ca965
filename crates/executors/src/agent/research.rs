//! Research: plan, gather, write, check.

use super::{
    job::Job,
    modes::{Crew, Gathered, gather, thinking},
    pool::Pool,
    settings::Research,
    writing::{Written, write_cited},
};
use crate::{
    answerer::{Claim, Fact, Material, Plan, Revision, Source},
    text::start,
    tools::Toolbox,
};
use taskgate_domain::review::Proposal;
use taskgate_worker::Failure;

/// The agent that leads.
pub(super) const LEAD: &str = "researcher";

/// What research brings besides the text.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What the text says, held against its sources.
    pub(super) claims: Option<Vec<Claim>>,
    /// The facts in it.
    pub(super) facts: Option<Vec<Fact>>,
}

/// The plan to carry out: at once, or when the task's owner has approved it.
///
/// # Errors
/// [`Failure::Proposed`] when the plan waits for the owner's word.
pub(super) async fn plan(job: &Job<'_>, research: Research) -> Result<Plan, Failure> {
    let breadth = research.strategy.breadth().0;
    let make = async |revision: Option<&Revision<'_>>| {
        thinking(job, LEAD, "Planning").await?;
        job.plan(breadth, revision).await
    };
    if !research.review {
        return make(None).await;
    }
    let Some(review) = job.run.review().await? else {
        return Err(proposed(make(None).await?));
    };
    let known = Plan {
        text: review.plan().to_owned(),
        questions: review.questions.clone(),
        intent: review.intent,
    };
    match review.feedback() {
        _ if review.approved => Ok(known),
        Some(feedback) => {
            let revision = Revision { plan: &known.text, feedback };
            Err(proposed(make(Some(&revision)).await?))
        }
        // Resumed without a word on the plan.
        None => Err(proposed(known)),
    }
}

fn proposed(plan: Plan) -> Failure {
    let questions =
        plan.questions.iter().map(|question| start(question, Proposal::MAX_QUESTION).to_owned());
    let text = start(&plan.text, Proposal::MAX_PLAN).to_owned();
    match Proposal::new(text, questions.collect(), plan.intent) {
        Ok(proposal) => Failure::Proposed(proposal),
        Err(error) => Failure::lasting(error.to_string()),
    }
}

/// Carries out a plan, whoever has made it.
pub(super) async fn carry_out(
    job: &Job<'_>,
    research: Research,
    plan: &Plan,
) -> Result<(Written, Findings), Failure> {
    let (_, most) = research.strategy.breadth();
    let crew = Crew::new(job, LEAD, plan.questions.len());
    let works = plan.questions.iter().zip(1..).map(|(question, n)| {
        let crew = &crew;
        async move {
            let agent = format!("{LEAD}-{n}");
            crew.delegate(&agent, question, look_into(job, &agent, question, most)).await
        }
    });
    let found = job.all(works).await?;
    let (mut pool, mut notes) = (Pool::default(), Vec::new());
    for (sources, said) in found {
        pool.add(sources);
        notes.extend(said);
    }
    thinking(job, LEAD, "Writing by what was found").await?;
    let written = write_cited(job, &Material { sources: pool.sources(), notes: &notes }).await?;
    let findings = check(job, research, &written).await?;
    Ok((written, findings))
}

/// The best sources for one question, and what else tools have said.
async fn look_into(
    job: &Job<'_>,
    agent: &str,
    question: &str,
    most: usize,
) -> Result<(Vec<Source>, Vec<String>), Failure> {
    let Gathered { mut sources, notes } = gather(job, agent, question, most).await?;
    if sources.sources().is_empty() {
        // Research is by sources, even where an agent thinks that it knows.
        sources.add(job.use_tool(agent, Toolbox::SEARCH, question, most).await?.sources);
    }
    Ok((sources.into_best(most), notes))
}

/// Verifies a text and draws its facts, as far as that is wished.
async fn check(job: &Job<'_>, research: Research, written: &Written) -> Result<Findings, Failure> {
    let mut findings = Findings::default();
    let (text, citations) = (&written.body, &written.citations);
    if research.verification {
        thinking(job, LEAD, "Checking the text against its sources").await?;
        findings.claims = Some(job.verify(text, citations).await?);
    }
    if research.facts {
        thinking(job, LEAD, "Drawing the facts from the text").await?;
        findings.facts = Some(job.extract(text, citations).await?);
    }
    Ok(findings)
}
