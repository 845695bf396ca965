//! What is told beside a result, in the words of the gateway's document on
//! reading a task.

use super::{job::Job, research::Findings, writing::Written};
use crate::answerer::{Claim, Fact, Source};
use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use taskgate_domain::{
    json::JsonObject,
    task::work::Mode,
    usage::{ModelUsage, Usage},
};

/// From this confidence on a fact counts as sure.
const SURE: f64 = 0.8;

/// The metadata of a finished task, whose attempts have used so much all together.
pub(super) fn metadata(
    job: &Job<'_>,
    written: &Written,
    findings: Option<&Findings>,
    usage: &Usage,
) -> Option<JsonObject> {
    let mut metadata = Map::new();
    let mode = execution_mode(job, findings);
    metadata.insert("execution_mode".to_owned(), mode.into());
    metadata.insert("model_breakdown".to_owned(), breakdown(usage.models()));
    metadata.insert("unified_response".to_owned(), unified(job, written, mode, usage));
    if let Some(findings) = findings {
        let citations = &written.citations;
        let known = citations.len();
        metadata.insert("citations".to_owned(), citations.iter().map(citation).collect());
        if let Some(claims) = &findings.claims {
            metadata.insert("verification".to_owned(), verification(claims, known));
        }
        if let Some(facts) = &findings.facts {
            let conflicts = findings.claims.iter().flatten().filter(|it| is_conflict(it, known));
            let facts_shown = facts.iter().map(|it| fact(it, known)).collect();
            metadata.insert("extracted_facts".to_owned(), facts_shown);
            metadata.insert("fact_summary".to_owned(), fact_summary(facts, conflicts.count()));
        }
    }
    JsonObject::parse("metadata", Value::Object(metadata).to_string()).ok()
}

/// The mode that was run, as the gateway spells it: it shows a supervisor's
/// task as a standard one (gateway contract, section 0.6), and research plans
/// and divides as the complex mode does.
const fn execution_mode(job: &Job<'_>, findings: Option<&Findings>) -> &'static str {
    match (findings, job.work.mode()) {
        (Some(_), _) | (None, Mode::Complex) => "EXECUTION_MODE_COMPLEX",
        (None, Mode::Simple) => "EXECUTION_MODE_SIMPLE",
        (None, Mode::Standard | Mode::Supervisor) => "EXECUTION_MODE_STANDARD",
    }
}

/// Each model's share, the dearest first (gateway contract, section 9).
fn breakdown(models: &[ModelUsage]) -> Value {
    let all: i128 = models.iter().map(|model| i128::from(model.cost.nanos())).sum();
    let mut models: Vec<&ModelUsage> = models.iter().collect();
    models.sort_by_key(|model| std::cmp::Reverse(model.cost));
    let share = |model: &ModelUsage| {
        let percent = (i128::from(model.cost.nanos()) * 100).checked_div(all).unwrap_or_default();
        json!({
            "model": model.model,
            "provider": model.provider,
            "executions": model.executions,
            "tokens": model.tokens.total(),
            "cost_usd": model.cost.dollars(),
            "percentage": i64::try_from(percent).unwrap_or_default(),
        })
    };
    models.into_iter().map(share).collect()
}

fn unified(job: &Job<'_>, written: &Written, mode: &str, usage: &Usage) -> Value {
    let tokens = usage.tokens();
    json!({
        "task_id": job.run.task().id.to_string(),
        "session_id": job.work.session().as_str(),
        "status": "completed",
        "result": written.body,
        "metadata": {
            "model": written.call.model,
            "execution_mode": mode,
            "complexity_score": complexity(usage),
            "agents_used": job.agents(),
        },
        "usage": {
            "input_tokens": tokens.prompt(),
            "output_tokens": tokens.completion(),
            "total_tokens": tokens.total(),
            "cost_usd": usage.cost().dollars(),
        },
        "performance": {
            "execution_time_ms": u64::try_from(job.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        },
        "stop_reason": "completed",
        "error": null,
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
    })
}

/// How much a task took, from 0 for a single step towards 1 for many.
fn complexity(usage: &Usage) -> f64 {
    let steps: f64 = usage.models().iter().map(|model| f64::from(model.executions)).sum();
    rounded(1.0 - 1.0 / steps.max(1.0))
}

fn citation(source: &Source) -> Value {
    json!({
        "url": source.url,
        "title": source.title,
        "source": source.publisher,
        "credibility_score": part(source.credibility),
        "quality_score": part(source.quality),
    })
}

fn verification(claims: &[Claim], known: usize) -> Value {
    let is_supported = |claim: &&Claim| !numbers(&claim.supporting, known).is_empty();
    let unsupported: Vec<&str> =
        claims.iter().filter(|it| !is_supported(it)).map(|it| it.text.as_str()).collect();
    let sum: f64 = claims.iter().map(|claim| part(claim.confidence)).sum();
    let count = u32::try_from(claims.len()).unwrap_or(u32::MAX);
    json!({
        "overall_confidence": rounded(sum / f64::from(count.max(1))),
        "total_claims": claims.len(),
        "supported_claims": claims.len() - unsupported.len(),
        "unsupported_claims": unsupported,
        "conflicts": claims
            .iter()
            .filter(|claim| is_conflict(claim, known))
            .map(|claim| detail(claim, known))
            .collect::<Vec<_>>(),
        "claim_details": claims.iter().map(|claim| detail(claim, known)).collect::<Vec<_>>(),
    })
}

fn is_conflict(claim: &Claim, known: usize) -> bool {
    !numbers(&claim.conflicting, known).is_empty()
}

fn detail(claim: &Claim, known: usize) -> Value {
    json!({
        "claim": claim.text,
        "supporting_citations": numbers(&claim.supporting, known),
        "conflicting_citations": numbers(&claim.conflicting, known),
        "confidence": part(claim.confidence),
    })
}

fn fact(fact: &Fact, known: usize) -> Value {
    json!({
        "statement": fact.statement,
        "confidence": part(fact.confidence),
        "source_citation": numbers(&fact.sources, known),
        "category": fact.category,
        "entity_mentions": fact.entities,
        "temporal_marker": fact.time,
        "is_quantitative": fact.quantitative,
    })
}

fn fact_summary(facts: &[Fact], contradictions: usize) -> Value {
    let mut categories = BTreeMap::<&str, usize>::new();
    for fact in facts {
        *categories.entry(&fact.category).or_default() += 1;
    }
    json!({
        "total_facts": facts.len(),
        "high_confidence": facts.iter().filter(|fact| part(fact.confidence) >= SURE).count(),
        "categorized_facts": categories,
        "contradiction_count": contradictions,
    })
}

/// The numbers of citations that exist, each once and in order: an answerer may
/// name others.
fn numbers(numbers: &[usize], known: usize) -> BTreeSet<usize> {
    numbers.iter().copied().filter(|n| (1..=known).contains(n)).collect()
}

/// A part from 0 to 1, to two digits.
fn part(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { rounded(value.clamp(0.0, 1.0)) }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
