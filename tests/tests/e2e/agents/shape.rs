//! What has to fit together in the record of any task that a worker completed.

use super::{list, text};
use serde_json::Value;
use std::collections::BTreeMap;

/// Checks all of it.
#[track_caller]
pub(super) fn check(task: &Value) {
    assert_eq!(task["status"], "TASK_STATUS_COMPLETED", "{task}");
    check_usage(task);
    check_unified(task);
    check_citations(task);
    if let Some(verification) = task["metadata"].get("verification") {
        check_verification(task, verification);
    }
    if let Some(facts) = task["metadata"].get("extracted_facts") {
        check_facts(task, list(facts));
    }
}

/// The sums are those of the models.
#[track_caller]
fn check_usage(task: &Value) {
    let (usage, models) = (&task["usage"], list(&task["metadata"]["model_breakdown"]));
    let sum = |name: &str| models.iter().map(|it| number(&it[name])).sum::<f64>();
    assert_eq!(sum("tokens"), number(&usage["total_tokens"]), "{task}");
    assert!((sum("cost_usd") - number(&usage["cost_usd"])).abs() < 1e-9, "{task}");
    assert_eq!(usage["cost_usd"], usage["estimated_cost"]);
    let parts = number(&usage["input_tokens"]) + number(&usage["output_tokens"]);
    assert_eq!(parts, number(&usage["total_tokens"]));
    assert!(sum("executions") >= 1.0 && sum("percentage") <= 100.0, "{task}");
}

/// The copy says what the record says.
#[track_caller]
fn check_unified(task: &Value) {
    let unified = &task["unified_response"];
    assert_eq!(*unified, task["metadata"]["unified_response"]);
    assert_eq!(unified["task_id"], task["task_id"]);
    assert_eq!(unified["session_id"], task["session_id"]);
    assert_eq!(unified["metadata"]["model"], task["model_used"]);
    for name in ["total_tokens", "input_tokens", "output_tokens", "cost_usd"] {
        assert_eq!(unified["usage"][name], task["usage"][name], "{name}");
    }
    assert!(text(&task["result"]).starts_with(text(&unified["result"])), "{task}");
    assert!(text(&unified["timestamp"]) <= text(&task["updated_at"]), "{task}");
    assert!(text(&unified["timestamp"]) >= text(&task["created_at"]), "{task}");
}

/// The marks in the text count up from 1 in the order of their first use, and
/// each is that of a line below it and of a citation.
#[track_caller]
fn check_citations(task: &Value) {
    let result = text(&task["result"]);
    let heads = ["\n\n## Sources\n", "\n\n## 出典\n"];
    let parts = heads.iter().find_map(|head| result.split_once(head));
    let (body, lines) = parts.unwrap_or((result, ""));
    let marks = marks(body);
    assert!(marks.iter().copied().eq(1..=marks.len()), "{result}");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), marks.len(), "{result}");
    for (line, number) in lines.iter().zip(1..) {
        assert!(line.starts_with(&format!("[{number}] ")), "{result}");
    }
    // Only research has them apart.
    let Some(citations) = task["metadata"].get("citations") else { return };
    assert_eq!(list(citations).len(), marks.len(), "{task}");
    for (line, citation) in lines.iter().zip(list(citations)) {
        let (title, url) = (text(&citation["title"]), text(&citation["url"]));
        assert!(line.ends_with(&format!("] {title} ({url})")), "{line} {citation}");
        for score in ["credibility_score", "quality_score"] {
            assert!((0.0..=1.0).contains(&number(&citation[score])), "{citation}");
        }
    }
}

/// The numbers in brackets, each once.
fn marks(text: &str) -> Vec<usize> {
    let mut marks = Vec::new();
    for part in text.split('[').skip(1) {
        let number = part.split_once(']').and_then(|(number, _)| number.parse().ok());
        if let Some(number) = number
            && !marks.contains(&number)
        {
            marks.push(number);
        }
    }
    marks
}

#[track_caller]
fn check_verification(task: &Value, verification: &Value) {
    let details = list(&verification["claim_details"]);
    let without: Vec<&Value> = details
        .iter()
        .filter(|detail| list(&detail["supporting_citations"]).is_empty())
        .map(|detail| &detail["claim"])
        .collect();
    assert_eq!(verification["total_claims"], details.len());
    assert_eq!(verification["supported_claims"], details.len() - without.len());
    assert_eq!(list(&verification["unsupported_claims"]).iter().collect::<Vec<_>>(), without);
    let conflicts = details.iter().filter(|it| !list(&it["conflicting_citations"]).is_empty());
    assert!(conflicts.eq(list(&verification["conflicts"])), "{verification}");
    let sum: f64 = details.iter().map(|detail| number(&detail["confidence"])).sum();
    let mean = sum / f64::from(u32::try_from(details.len().max(1)).expect("a count"));
    assert!((mean - number(&verification["overall_confidence"])).abs() < 0.011, "{verification}");
    for detail in details {
        for name in ["supporting_citations", "conflicting_citations"] {
            check_numbers(task, &detail[name]);
        }
    }
}

#[track_caller]
fn check_facts(task: &Value, facts: &[Value]) {
    let summary = &task["metadata"]["fact_summary"];
    let sure = facts.iter().filter(|fact| number(&fact["confidence"]) >= 0.8).count();
    let mut categories = BTreeMap::<&str, u64>::new();
    for fact in facts {
        *categories.entry(text(&fact["category"])).or_default() += 1;
        check_numbers(task, &fact["source_citation"]);
    }
    assert_eq!(summary["total_facts"], facts.len());
    assert_eq!(summary["high_confidence"], sure);
    assert_eq!(summary["categorized_facts"], serde_json::to_value(categories).expect("JSON"));
    if let Some(verification) = task["metadata"].get("verification") {
        assert_eq!(summary["contradiction_count"], list(&verification["conflicts"]).len());
    }
}

/// These are numbers of citations.
#[track_caller]
fn check_numbers(task: &Value, numbers: &Value) {
    let known = list(&task["metadata"]["citations"]).len();
    for number in list(numbers) {
        assert!((1..=known).any(|known| *number == known), "{task}");
    }
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}
