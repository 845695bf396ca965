//! What each mode and each strategy of research does.

use super::{World, corpus, count, ended, events, shape};
use serde_json::{Value, json};
use taskgate_tests::{Api, Server, Store};

taskgate_tests::on_both_stores!(
    a_model_answers_in_every_mode,
    the_server_answers_in_every_mode_without_a_model,
    strategies_differ_in_breadth,
);

/// A question whose parts have an answer in the texts, with a sum in it.
const QUESTION: &str = "When was the harbour bridge of Minato opened and when does the night \
    ferry of Minato leave?";

/// A task in each mode, and research, each in a line.
async fn in_every_mode(gateway: &Api, question: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for mode in ["simple", "standard", "complex", "supervisor"] {
        let body = json!({ "query": question, "mode": mode });
        ids.push((mode, gateway.submit(&body).await));
    }
    let context = json!({
        "force_research": true, "enable_verification": true, "enable_fact_extraction": true,
    });
    let body = json!({ "query": question, "context": context });
    ids.push(("research", gateway.submit(&body).await));
    let mut lines = Vec::new();
    for (name, id) in ids {
        let task = ended(gateway, &id).await;
        shape::check(&task);
        lines.push(format!("{name}: {}", line(&task, &events(gateway, &id).await)));
    }
    lines
}

/// How a task was run, in short.
fn line(task: &Value, events: &[Value]) -> String {
    let model = &task["metadata"]["model_breakdown"][0];
    let members = ["citations", "verification", "extracted_facts", "fact_summary"];
    let told: Vec<&str> =
        members.into_iter().filter(|name| task["metadata"].get(name).is_some()).collect();
    format!(
        "{} ({}), {} of {}: {} calls, {} agents, {} delegations, {} tools; {told:?}",
        task["mode"].as_str().expect("a mode").trim_start_matches("EXECUTION_MODE_"),
        task["metadata"]["execution_mode"].as_str().expect("a mode"),
        task["model_used"].as_str().expect("a model"),
        task["provider"].as_str().expect("a provider"),
        model["executions"],
        task["unified_response"]["metadata"]["agents_used"],
        count(events, "DELEGATION"),
        count(events, "TOOL_INVOKED"),
    )
}

async fn a_model_answers_in_every_mode(store: Store) {
    let world = World::new(&store, &[]);
    let expected = [
        "simple: SIMPLE (EXECUTION_MODE_SIMPLE), medium-1 of ollama: 1 calls, 1 agents, 0 delegations, 0 tools; []",
        "standard: STANDARD (EXECUTION_MODE_STANDARD), medium-1 of ollama: 3 calls, 1 agents, 0 delegations, 1 tools; []",
        "complex: COMPLEX (EXECUTION_MODE_COMPLEX), medium-1 of ollama: 8 calls, 3 agents, 2 delegations, 2 tools; []",
        "supervisor: STANDARD (EXECUTION_MODE_STANDARD), medium-1 of ollama: 8 calls, 3 agents, 2 delegations, 2 tools; []",
        r#"research: SIMPLE (EXECUTION_MODE_COMPLEX), medium-1 of ollama: 8 calls, 3 agents, 2 delegations, 2 tools; ["citations", "verification", "extracted_facts", "fact_summary"]"#,
    ];
    assert_eq!(in_every_mode(&world.gateway, QUESTION).await, expected);
}

async fn the_server_answers_in_every_mode_without_a_model(store: Store) {
    let server = Server::start(&store, &["dev", "--corpus", &corpus(&store)]);
    let expected = [
        "simple: SIMPLE (EXECUTION_MODE_SIMPLE), extractive of taskgate: 1 calls, 1 agents, 0 delegations, 0 tools; []",
        "standard: STANDARD (EXECUTION_MODE_STANDARD), extractive of taskgate: 3 calls, 1 agents, 0 delegations, 1 tools; []",
        "complex: COMPLEX (EXECUTION_MODE_COMPLEX), extractive of taskgate: 8 calls, 3 agents, 2 delegations, 2 tools; []",
        "supervisor: STANDARD (EXECUTION_MODE_STANDARD), extractive of taskgate: 8 calls, 3 agents, 2 delegations, 2 tools; []",
        r#"research: SIMPLE (EXECUTION_MODE_COMPLEX), extractive of taskgate: 8 calls, 3 agents, 2 delegations, 2 tools; ["citations", "verification", "extracted_facts", "fact_summary"]"#,
    ];
    assert_eq!(in_every_mode(&server.gateway(), QUESTION).await, expected);
}

/// By the number of questions and of the sources that each search may bring.
async fn strategies_differ_in_breadth(store: Store) {
    let world = World::new(&store, &[]);
    let question = "What are tasks and events and streams and sessions and keys and workers and \
        leases and stores?";
    let mut ids = Vec::new();
    for strategy in ["quick", "standard", "deep", "academic"] {
        let body = json!({
            "query": question, "research_strategy": strategy, "context": { "force_research": true },
        });
        ids.push((strategy, world.gateway.submit(&body).await));
    }
    let mut lines = Vec::new();
    for (strategy, id) in ids {
        let task = ended(&world.gateway, &id).await;
        shape::check(&task);
        assert!(task["metadata"].get("verification").is_none(), "nobody has asked for it");
        let events = events(&world.gateway, &id).await;
        let found = events.iter().filter(|event| event["type"] == "TOOL_OBSERVATION");
        let most = found.filter_map(|event| event["payload"]["sources"].as_u64()).max();
        let most = most.expect("a search");
        lines.push(format!(
            "{strategy}: {} questions, {most} sources",
            count(&events, "DELEGATION")
        ));
    }
    let expected = [
        "quick: 2 questions, 3 sources",
        "standard: 3 questions, 5 sources",
        "deep: 5 questions, 8 sources",
        "academic: 6 questions, 10 sources",
    ];
    assert_eq!(lines, expected);
}
