//! Every field of the documents on reading and listing tasks, produced by runs.

use super::{World, ended, reached, shape};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use taskgate_tests::Store;

taskgate_tests::on_both_stores!(every_documented_field_is_produced_by_a_run);

/// What a field holds, where it says something: an empty text, list or object
/// says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    Text,
    Time,
    Whole,
    Number,
    Flag,
    Object,
    List,
    Null,
}

use Holds::{Flag, List, Null, Number, Object, Text, Time, Whole};

/// Runs, by their names below.
const ALL: &str = "running, simple, json, research, offline, failed";
const DONE: &str = "simple, json, research, offline";
const RESEARCHED: &str = "research, offline";
const LIST: &str = "list";

/// The fields of both documents, what they hold, and the runs that produce
/// them. `list` is the answer with many tasks, all others are of the answer with
/// one; `[]` stands for the items of a list.
const DOCUMENTED: &[(&str, Holds, &str)] = &[
    ("list.tasks[].task_id", Text, LIST),
    ("list.tasks[].query", Text, LIST),
    ("list.tasks[].status", Text, LIST),
    ("list.tasks[].mode", Text, LIST),
    ("list.tasks[].created_at", Time, LIST),
    ("list.tasks[].completed_at", Time, LIST),
    ("list.tasks[].completed_at", Null, LIST),
    ("list.tasks[].total_token_usage", Null, LIST),
    ("list.tasks[].total_token_usage.total_tokens", Whole, LIST),
    ("list.tasks[].total_token_usage.cost_usd", Number, LIST),
    ("list.tasks[].total_token_usage.prompt_tokens", Whole, LIST),
    ("list.tasks[].total_token_usage.completion_tokens", Whole, LIST),
    ("list.total_count", Whole, LIST),
    ("task_id", Text, ALL),
    ("workflow_id", Text, ALL),
    ("status", Text, ALL),
    ("result", Text, DONE),
    ("response", Object, "json"),
    ("response", Null, "running, simple, research, offline, failed"),
    ("error", Text, "failed"),
    ("created_at", Time, ALL),
    ("updated_at", Time, ALL),
    ("query", Text, ALL),
    ("session_id", Text, ALL),
    ("context", Object, "running, research, offline, failed"),
    ("mode", Text, ALL),
    ("model_used", Text, DONE),
    ("provider", Text, DONE),
    ("usage.total_tokens", Whole, DONE),
    ("usage.input_tokens", Whole, DONE),
    ("usage.output_tokens", Whole, DONE),
    ("usage.estimated_cost", Number, DONE),
    ("unified_response", Object, DONE),
    ("metadata.unified_response.task_id", Text, DONE),
    ("metadata.unified_response.session_id", Text, DONE),
    ("metadata.unified_response.status", Text, DONE),
    ("metadata.unified_response.result", Text, DONE),
    ("metadata.unified_response.metadata.model", Text, DONE),
    ("metadata.unified_response.metadata.execution_mode", Text, DONE),
    ("metadata.unified_response.metadata.complexity_score", Number, DONE),
    ("metadata.unified_response.metadata.agents_used", Whole, DONE),
    ("metadata.unified_response.usage.input_tokens", Whole, DONE),
    ("metadata.unified_response.usage.output_tokens", Whole, DONE),
    ("metadata.unified_response.usage.total_tokens", Whole, DONE),
    ("metadata.unified_response.usage.cost_usd", Number, DONE),
    ("metadata.unified_response.performance.execution_time_ms", Whole, DONE),
    ("metadata.unified_response.stop_reason", Text, DONE),
    ("metadata.unified_response.error", Null, DONE),
    ("metadata.unified_response.timestamp", Time, DONE),
    ("metadata.model_breakdown[].model", Text, DONE),
    ("metadata.model_breakdown[].provider", Text, DONE),
    ("metadata.model_breakdown[].executions", Whole, DONE),
    ("metadata.model_breakdown[].tokens", Whole, DONE),
    ("metadata.model_breakdown[].cost_usd", Number, DONE),
    ("metadata.model_breakdown[].percentage", Whole, DONE),
    ("metadata.citations[].url", Text, RESEARCHED),
    ("metadata.citations[].title", Text, RESEARCHED),
    ("metadata.citations[].source", Text, RESEARCHED),
    ("metadata.citations[].credibility_score", Number, RESEARCHED),
    ("metadata.citations[].quality_score", Number, RESEARCHED),
    ("metadata.verification.overall_confidence", Number, RESEARCHED),
    ("metadata.verification.total_claims", Whole, RESEARCHED),
    ("metadata.verification.supported_claims", Whole, RESEARCHED),
    ("metadata.verification.unsupported_claims[]", Text, "research"),
    ("metadata.verification.conflicts[]", Object, "research"),
    ("metadata.verification.claim_details[].claim", Text, RESEARCHED),
    ("metadata.verification.claim_details[].supporting_citations[]", Whole, RESEARCHED),
    ("metadata.verification.claim_details[].conflicting_citations[]", Whole, "research"),
    ("metadata.verification.claim_details[].confidence", Number, RESEARCHED),
    ("metadata.extracted_facts[].statement", Text, RESEARCHED),
    ("metadata.extracted_facts[].confidence", Number, RESEARCHED),
    ("metadata.extracted_facts[].source_citation[]", Whole, RESEARCHED),
    ("metadata.extracted_facts[].category", Text, RESEARCHED),
    ("metadata.extracted_facts[].entity_mentions[]", Text, RESEARCHED),
    ("metadata.extracted_facts[].temporal_marker", Text, RESEARCHED),
    ("metadata.extracted_facts[].is_quantitative", Flag, RESEARCHED),
    ("metadata.fact_summary.total_facts", Whole, RESEARCHED),
    ("metadata.fact_summary.high_confidence", Whole, RESEARCHED),
    ("metadata.fact_summary.categorized_facts", Object, RESEARCHED),
    ("metadata.fact_summary.contradiction_count", Whole, RESEARCHED),
];

/// The fields of an answer that say something, with what they hold.
fn fields(path: &str, value: &Value, found: &mut BTreeSet<(String, Holds)>) {
    let mut add = |holds| found.insert((path.to_owned(), holds));
    match value {
        Value::Null => {
            add(Null);
        }
        Value::Bool(_) => {
            add(Flag);
        }
        Value::Number(number) => {
            add(Number);
            if number.as_u64().is_some() {
                add(Whole);
            }
        }
        Value::String(text) if !text.is_empty() => {
            add(Text);
            if chrono::DateTime::parse_from_rfc3339(text).is_ok() {
                add(Time);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            add(List);
            items.iter().for_each(|item| fields(&format!("{path}[]"), item, found));
        }
        Value::Object(members) if !members.is_empty() => {
            add(Object);
            let dot = if path.is_empty() { "" } else { "." };
            for (name, member) in members {
                fields(&format!("{path}{dot}{name}"), member, found);
            }
        }
        Value::String(_) | Value::Array(_) | Value::Object(_) => {}
    }
}

async fn every_documented_field_is_produced_by_a_run(store: Store) {
    let world = World::new(&store, &["--workers", "4"]);
    let gateway = &world.gateway;
    let question = "When was the harbour bridge of Minato opened and who painted it?";
    let context = json!({
        "force_research": true, "enable_verification": true, "enable_fact_extraction": true,
    });
    let mut offline = context.clone();
    offline["disable_ai"] = true.into();
    let stalled = world.submit("Who?", "simple", json!({ "model_override": "fault:stall" })).await;
    let runs = [
        ("running", reached(gateway, &stalled, "TASK_STATUS_RUNNING").await),
        ("simple", world.run("Who is there?", "simple", json!({})).await),
        ("json", world.run(r#"{"city": "Minato"}"#, "simple", json!({})).await),
        ("research", world.run(question, "simple", context).await),
        ("offline", world.run(question, "simple", offline).await),
        ("failed", world.run("Who?", "simple", json!({ "token_budget": 1 })).await),
        ("list", json!({ "list": gateway.get("/api/v1/tasks").await.expect(200) })),
    ];
    gateway.post(&format!("/api/v1/tasks/{stalled}/cancel"), &json!({})).await.expect(202);
    ended(gateway, &stalled).await;

    let mut produced = BTreeMap::<(String, Holds), Vec<&str>>::new();
    for (name, answer) in &runs {
        if answer["status"] == "TASK_STATUS_COMPLETED" {
            shape::check(answer);
        }
        let mut found = BTreeSet::new();
        fields("", answer, &mut found);
        found.into_iter().for_each(|field| produced.entry(field).or_default().push(name));
    }
    for (path, holds, runs) in DOCUMENTED {
        let by = produced.get(&((*path).to_owned(), *holds)).map(|by| by.join(", "));
        assert_eq!(by.as_deref(), Some(*runs), "the runs in which {path} holds a {holds:?}");
    }

    for (_, answer) in runs.iter().filter(|(name, _)| ["simple", "json"].contains(name)) {
        for name in ["citations", "verification", "extracted_facts", "fact_summary"] {
            assert!(answer["metadata"].get(name).is_none(), "only research has {name}");
        }
    }
}
