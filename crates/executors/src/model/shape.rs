//! The JSON objects that models reply with, read leniently: with a fence or
//! prose around them, with numbers as text, with members left out.

use crate::answerer::{Claim, Fact, Intent, Plan, Step, ToolSpec};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

#[derive(Deserialize)]
struct PlanShape {
    #[serde(default)]
    plan: Value,
    questions: Vec<Value>,
    #[serde(default)]
    intent: Value,
}

#[derive(Deserialize)]
struct StepShape {
    tool: Option<String>,
    #[serde(default)]
    input: Value,
}

#[derive(Deserialize)]
struct Claims {
    claims: Vec<ClaimShape>,
}

#[derive(Deserialize)]
struct ClaimShape {
    #[serde(alias = "claim")]
    text: String,
    #[serde(default)]
    supporting: Value,
    #[serde(default)]
    conflicting: Value,
    #[serde(default)]
    confidence: Value,
}

#[derive(Deserialize)]
struct Facts {
    facts: Vec<FactShape>,
}

#[derive(Deserialize)]
struct FactShape {
    #[serde(alias = "fact")]
    statement: String,
    #[serde(default)]
    confidence: Value,
    #[serde(default)]
    sources: Value,
    #[serde(default)]
    category: Value,
    #[serde(default)]
    entities: Value,
    #[serde(default)]
    time: Value,
    #[serde(default)]
    quantitative: Value,
}

/// A plan of at most `breadth` questions.
pub(super) fn plan(text: &str, breadth: usize) -> Option<Plan> {
    let shape: PlanShape = find(text)?;
    let questions: Vec<String> =
        shape.questions.iter().filter_map(words).take(breadth.max(1)).collect();
    if questions.is_empty() {
        return None;
    }
    let text = words(&shape.plan).unwrap_or_else(|| questions.join("\n"));
    let intent = match shape.intent.as_str() {
        Some("ready") => Intent::Ready,
        Some("execute") => Intent::Execute,
        _ => Intent::Feedback,
    };
    Some(Plan { text, questions, intent })
}

/// The next step: to answer, unless one of the tools is named.
pub(super) fn step(text: &str, tools: &[ToolSpec]) -> Option<Step> {
    let shape: StepShape = find(text)?;
    let name = shape.tool.as_deref().unwrap_or_default();
    Some(match (tools.iter().find(|tool| tool.name == name), words(&shape.input)) {
        (Some(tool), Some(input)) => Step::Use { tool: tool.name.to_owned(), input },
        _ => Step::Answer,
    })
}

/// The parameter of a tool from the arguments of a call. Small models put plain
/// text there, or another name.
pub(super) fn argument(arguments: &str, tool: &ToolSpec) -> Option<String> {
    match serde_json::from_str(arguments) {
        Ok(Value::Object(members)) => {
            members.get(tool.parameter).or_else(|| members.values().next()).and_then(words)
        }
        Ok(value) => words(&value),
        Err(_error) => words(&Value::from(arguments)),
    }
}

/// The claims of a text that has so many sources.
pub(super) fn claims(text: &str, sources: usize) -> Option<Vec<Claim>> {
    let Claims { claims } = find(text)?;
    let claim = |shape: ClaimShape| Claim {
        text: shape.text,
        supporting: numbers(&shape.supporting, sources),
        conflicting: numbers(&shape.conflicting, sources),
        confidence: share(&shape.confidence),
    };
    Some(claims.into_iter().map(claim).collect())
}

/// The facts of a text that has so many sources.
pub(super) fn facts(text: &str, sources: usize) -> Option<Vec<Fact>> {
    let Facts { facts } = find(text)?;
    let fact = |shape: FactShape| Fact {
        statement: shape.statement,
        confidence: share(&shape.confidence),
        sources: numbers(&shape.sources, sources),
        category: category(&shape.category),
        entities: shape.entities.as_array().into_iter().flatten().filter_map(words).collect(),
        time: words(&shape.time),
        quantitative: shape.quantitative == true,
    };
    Some(facts.into_iter().map(fact).collect())
}

/// The first object in a text that has the shape.
fn find<T: DeserializeOwned>(text: &str) -> Option<T> {
    // A text of nothing but braces would be read from each of them.
    const MOST: usize = 1000;
    text.match_indices('{').take(MOST).find_map(|(start, _)| {
        serde_json::Deserializer::from_str(text.get(start..)?).into_iter().next()?.ok()
    })
}

/// A text, or what stands for one, unless it is empty.
fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// Numbers of sources, each once; what is no number of a source is left out.
fn numbers(value: &Value, sources: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    for value in value.as_array().into_iter().flatten() {
        let number =
            words(value).and_then(|text| text.trim_matches(['[', ']']).parse::<usize>().ok());
        if let Some(number) = number
            && (1..=sources).contains(&number)
            && !numbers.contains(&number)
        {
            numbers.push(number);
        }
    }
    numbers
}

/// A share between 0 and 1; a model that does not say is half sure.
fn share(value: &Value) -> f64 {
    let share =
        words(value).and_then(|text| text.parse().ok()).filter(|share: &f64| !share.is_nan());
    share.unwrap_or(0.5).clamp(0.0, 1.0)
}

fn category(value: &Value) -> String {
    let words = words(value).unwrap_or_default().to_lowercase();
    words.split_whitespace().next().unwrap_or("general").to_owned()
}

#[cfg(test)]
mod tests {
    use super::{argument, claims, facts, plan, step};
    use crate::answerer::{Claim, Fact, Intent, Plan, Step, ToolSpec};

    const SEARCH: ToolSpec =
        ToolSpec { name: "search", description: "", parameter: "query", parameter_description: "" };

    #[test]
    fn a_plan_is_found_in_what_stands_around_it() {
        let expected = Plan {
            text: "Look.".to_owned(),
            questions: vec!["a?".to_owned(), "b?".to_owned()],
            intent: Intent::Feedback,
        };
        let object = r#"{"plan": "Look.", "questions": [" a? ", "", {"x": 1}, "b?", "c?"]}"#;
        for text in [
            object.to_owned(),
            format!("```json\n{object}\n```"),
            format!(
                "<think>{{maybe}} {{\"plan\": 1}}</think>Here it is: {object} I hope it helps."
            ),
        ] {
            assert_eq!(plan(&text, 2), Some(expected.clone()), "{text}");
        }
    }

    #[test]
    fn a_plan_without_questions_is_none() {
        for text in ["", "{", "no", "{}", r#"{"questions": []}"#, r#"{"questions": "a?"}"#] {
            assert_eq!(plan(text, 4), None, "{text}");
        }
        let bare = plan(r#"{"questions": ["a?"], "intent": "execute"}"#, 4).unwrap();
        assert_eq!((&*bare.text, bare.intent), ("a?", Intent::Execute));
    }

    #[test]
    fn a_step_uses_a_tool_that_there_is() {
        let search = Step::Use { tool: "search".to_owned(), input: "x".to_owned() };
        assert_eq!(step(r#"{"tool": "search", "input": "x"}"#, &[SEARCH]), Some(search));
        for text in
            [r#"{"tool": null}"#, r#"{"tool": "fly", "input": "x"}"#, r#"{"tool": "search"}"#]
        {
            assert_eq!(step(text, &[SEARCH]), Some(Step::Answer), "{text}");
        }
        assert_eq!(step("search", &[SEARCH]), None);
    }

    #[test]
    fn an_argument_is_read_whatever_it_is_called() {
        for arguments in [r#"{"query": "x"}"#, r#"{"q": "x"}"#, r#""x""#, "x"] {
            assert_eq!(argument(arguments, &SEARCH).as_deref(), Some("x"), "{arguments}");
        }
        for arguments in ["", "{}", "null", r#"{"query": ""}"#] {
            assert_eq!(argument(arguments, &SEARCH), None, "{arguments}");
        }
    }

    #[test]
    fn claims_name_only_sources_that_there_are() {
        let text = r#"{"claims": [
            {"text": "a", "supporting": [2, "[1]", 2, 3, 0, -1, null], "confidence": 7},
            {"claim": "b", "supporting": null, "conflicting": [1], "confidence": "0.25"}
        ]}"#;
        assert_eq!(
            claims(text, 2).unwrap(),
            [
                Claim {
                    text: "a".to_owned(),
                    supporting: vec![2, 1],
                    conflicting: vec![],
                    confidence: 1.0
                },
                Claim {
                    text: "b".to_owned(),
                    supporting: vec![],
                    conflicting: vec![1],
                    confidence: 0.25
                },
            ]
        );
        assert_eq!(claims(r#"{"facts": []}"#, 2), None);
    }

    #[test]
    fn a_fact_may_be_a_bare_statement() {
        let text = r#"{"facts": [{"statement": "a"}, {"statement": "b", "confidence": 0.5,
            "sources": [1], "category": "Release date", "entities": ["taskgate", ""],
            "time": 2026, "quantitative": true}]}"#;
        let bare = Fact {
            statement: "a".to_owned(),
            confidence: 0.5,
            sources: vec![],
            category: "general".to_owned(),
            entities: vec![],
            time: None,
            quantitative: false,
        };
        let full = Fact {
            statement: "b".to_owned(),
            sources: vec![1],
            category: "release".to_owned(),
            entities: vec!["taskgate".to_owned()],
            time: Some("2026".to_owned()),
            quantitative: true,
            ..bare
        };
        assert_eq!(facts(text, 1).unwrap(), [bare, full]);
    }
}
