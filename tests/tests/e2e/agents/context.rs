//! What a task's context and its session make of the questions to a model.

use super::{World, shape, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use taskgate_tests::Store;

taskgate_tests::on_both_stores!(
    the_context_chooses_the_model_and_what_it_is_told,
    a_session_goes_on_from_its_earlier_turns,
    usage_is_what_the_endpoint_has_counted,
);

async fn the_context_chooses_the_model_and_what_it_is_told(store: Store) {
    let world = World::new(&store, &[]);
    let asked = async |context: Value| {
        let before = world.endpoint.requests().await.len();
        let task = world.run("Who is there?", "standard", context).await;
        shape::check(&task);
        let requests = world.endpoint.requests().await.split_off(before);
        let models = requests.iter().all(|it| it["model"] == task["model_used"]);
        assert!(models && !requests.is_empty(), "{requests:?}");
        (task, requests)
    };
    for (context, model) in [
        (json!({}), "medium-1"),
        (json!({ "model_tier": "small" }), "small-1"),
        (json!({ "model_tier": "large", "provider_override": "ollama" }), "large-1"),
        (json!({ "model_tier": "large", "model_override": "own-2" }), "own-2"),
    ] {
        assert_eq!(asked(context).await.0["model_used"], model);
    }

    let context = json!({
        "role": "harbour master of {{place}}", "system_prompt": "Speak like {{ name }} to {{all}}.",
        "prompt_params": { "place": "Minato", "name": "Aki" },
    });
    for request in asked(context).await.1 {
        let system = text(&request["messages"][0]["content"]);
        let known = "Your role: harbour master of Minato\n\nSpeak like Aki to {{all}}.\n\n";
        assert!(system.starts_with(known), "{system}");
    }

    let steps = |requests: &[Value]| requests.iter().filter(|it| it.get("tools").is_some()).count();
    assert_eq!(steps(&asked(json!({})).await.1), 2, "it searches, and has seen enough");
    assert_eq!(steps(&asked(json!({ "max_iterations": 1 })).await.1), 1);

    let silent = world.endpoint.requests().await.len();
    let offline = world.run("Who is there?", "simple", json!({ "disable_ai": true })).await;
    assert_eq!(offline["provider"], "taskgate");
    let other =
        world.run("Who is there?", "simple", json!({ "provider_override": "openai" })).await;
    assert_eq!(other["error"], "the provider openai is not available here, only ollama is");
    assert_eq!(world.endpoint.requests().await.len(), silent, "the model was not asked");
}

async fn a_session_goes_on_from_its_earlier_turns(store: Store) {
    let world = World::new(&store, &[]);
    let ask = async |query: &str, context: Value| {
        let body = json!({ "query": query, "session_id": "harbour", "context": context });
        super::ended(&world.gateway, &world.gateway.submit(&body).await).await
    };
    let first = ask("Who is there?", json!({})).await;
    let second = ask("And who else?", json!({})).await;
    assert_eq!(second["result"], "Before, you asked: Who is there? You asked: And who else?");
    let requests = world.endpoint.requests().await;
    let said: Vec<&Value> = super::list(&requests[1]["messages"]).iter().skip(1).collect();
    let expected = [
        json!({ "role": "user", "content": "Who is there?" }),
        json!({ "role": "assistant", "content": first["result"] }),
        json!({ "role": "user", "content": "And who else?" }),
    ];
    assert!(said.into_iter().eq(&expected), "{requests:?}");
    let alone = ask("And now?", json!({ "history_window_size": 0 })).await;
    assert_eq!(alone["result"], "You asked: And now?");
    let last = ask("And then?", json!({ "history_window_size": 1 })).await;
    assert_eq!(last["result"], "Before, you asked: And now? You asked: And then?");
}

/// Tokens and their price by model, as the endpoint and as tasks tell them.
type Sums = BTreeMap<String, (u32, u32, u32)>;

/// A count that has to be there.
fn count(value: &Value) -> u32 {
    let count = value.as_u64().unwrap_or_else(|| panic!("no count: {value}"));
    u32::try_from(count).expect("a small count")
}

async fn usage_is_what_the_endpoint_has_counted(store: Store) {
    let world = World::new(&store, &[]);
    let question = "When was the harbour bridge of Minato opened and who painted it?";
    let mut ids = Vec::new();
    for (tier, mode) in [("small", "standard"), ("medium", "complex"), ("large", "simple")] {
        let context = json!({ "force_research": tier == "large", "enable_verification": true });
        let body = json!({
            "query": question, "mode": mode, "model_tier": tier, "session_id": "harbour",
            "context": context,
        });
        ids.push(world.gateway.submit(&body).await);
    }
    let mut told = Sums::new();
    let (mut tokens, mut cost) = (0, 0.0);
    for id in ids {
        let task = super::ended(&world.gateway, &id).await;
        shape::check(&task);
        let usage = &task["usage"];
        let model = &task["metadata"]["model_breakdown"][0];
        assert_eq!(model["percentage"], 100);
        let sums = told.entry(text(&model["model"]).to_owned()).or_default();
        sums.0 += count(&model["executions"]);
        sums.1 += count(&usage["input_tokens"]);
        sums.2 += count(&usage["output_tokens"]);
        tokens += count(&usage["total_tokens"]);
        cost += usage["cost_usd"].as_f64().expect("a price");
    }
    let mut counted = Sums::new();
    for usage in world.endpoint.usages().await {
        let sums = counted.entry(text(&usage["model"]).to_owned()).or_default();
        sums.0 += 1;
        sums.1 += count(&usage["prompt_tokens"]);
        sums.2 += count(&usage["completion_tokens"]);
    }
    assert_eq!(told, counted);
    let prices = [("small-1", (0.1, 0.4)), ("medium-1", (0.5, 1.5)), ("large-1", (2.0, 8.0))];
    let price: f64 = prices
        .iter()
        .map(|(model, (sent, written))| {
            let (_, prompt, completion) = counted[*model];
            (f64::from(prompt) * sent + f64::from(completion) * written) / 1e6
        })
        .sum();
    assert!((price - cost).abs() < 1e-7, "{price} {cost}");
    let session = world.gateway.get("/api/v1/sessions/harbour").await.expect(200);
    assert_eq!(session["tokens_used"], tokens);
    assert!((session["cost_usd"].as_f64().expect("a price") - cost).abs() < 1e-9, "{session}");
}
