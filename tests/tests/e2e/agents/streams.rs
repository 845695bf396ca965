//! What those who watch see of an answer while it is written.

use super::{World, ended, text};
use serde_json::{Value, json};
use taskgate_tests::{EventStream, Store};

taskgate_tests::on_both_stores!(an_answer_is_seen_while_it_is_written);

/// The pieces of a task's answer as they were streamed, and what its end said.
async fn watch(world: &World, id: &str) -> (Vec<String>, Value) {
    let path = format!("/api/v1/stream/sse?workflow_id={id}");
    let key = [("X-API-Key", taskgate_tests::DEV_KEY)];
    let mut stream =
        EventStream::open(world.gateway.address(), &path, &key).await.expect("a stream");
    let (mut pieces, mut whole) = (Vec::new(), Value::Null);
    while let Some(frame) = stream.event().await {
        let data = || serde_json::from_str::<Value>(&frame.data).expect("JSON");
        match frame.event.as_str() {
            "thread.message.delta" => {
                assert_eq!(data()["agent_id"], "final_output");
                pieces.push(text(&data()["delta"]).to_owned());
            }
            "thread.message.completed" => whole = data(),
            "done" => break,
            _ => {}
        }
    }
    (pieces, whole)
}

async fn an_answer_is_seen_while_it_is_written(store: Store) {
    let world = World::new(&store, &[]);
    let question = "When was the harbour bridge of Minato opened and who painted it?";
    let research = json!({ "force_research": true });
    for (query, context) in [
        // The model takes its time, so that pieces come one by one.
        ("Who is there?", json!({ "model_override": "fault:slow" })),
        ("Who thinks?", json!({ "model_override": "fault:thinking" })),
        (question, research.clone()),
        ("一時停止したタスクを再開するとどうなりますか。", research),
        (question, json!({ "disable_ai": true })),
    ] {
        let id = world.submit(query, "simple", context).await;
        let (pieces, whole) = watch(&world, &id).await;
        let task = ended(&world.gateway, &id).await;
        super::shape::check(&task);
        assert!(!text(&task["result"]).contains("think>"), "{task}");
        assert_eq!(pieces.concat(), text(&task["result"]), "{query}");
        assert!(pieces.len() > 3, "{pieces:?}");
        assert_eq!(whole["response"], task["result"]);
        let metadata = &whole["metadata"];
        assert_eq!(metadata["model_used"], task["model_used"]);
        assert_eq!(metadata["provider"], task["provider"]);
        assert!(metadata["tokens_used"].as_u64() <= task["usage"]["total_tokens"].as_u64());
    }
}
