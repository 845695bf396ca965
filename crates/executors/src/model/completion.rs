//! What endpoints answer.
//!
//! Only what is used is read, and leniently: endpoints differ in the members
//! they leave out, in the reasons for which they finish, and in the types of
//! codes.

use super::{
    fault::{Fault, MAX_ANSWER_BYTES},
    ledger::estimate,
    thought::without_thought,
};
use serde::Deserialize;
use serde_json::Value;
use taskgate_domain::usage::Tokens;

/// A part of an answer, or the whole of it: the two differ in one name.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    usage: Option<WireUsage>,
    pub(super) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    /// In a stream.
    delta: Option<Delta>,
    /// In one piece.
    message: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    content: Option<String>,
    tool_calls: Option<Vec<ToolPart>>,
}

#[derive(Debug, Deserialize)]
struct ToolPart {
    index: Option<i64>,
    function: Option<FunctionPart>,
}

#[derive(Debug, Deserialize)]
struct FunctionPart {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WireUsage {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
}

/// An answer as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Completion {
    /// The text, with what the model has thought aloud.
    text: String,
    /// The first tool that the model wants to use.
    pub(super) tool: Option<ToolCall>,
    /// Why the model stopped.
    pub(super) finish: Option<String>,
    /// What it took, when the endpoint says so.
    pub(super) usage: Option<Tokens>,
    /// Whether the model has begun to answer, so that it took something.
    pub(super) begun: bool,
}

/// A tool that a model wants to use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ToolCall {
    index: Option<i64>,
    pub(super) name: String,
    /// JSON, by the model's word.
    pub(super) arguments: String,
}

impl Completion {
    /// The answer, once it is whole.
    pub(super) fn answer(&self) -> &str {
        without_thought(&self.text, true)
    }

    /// The answer as far as it is certain.
    pub(super) fn answer_so_far(&self) -> &str {
        without_thought(&self.text, self.finish.is_some())
    }

    /// About how many tokens were written.
    pub(super) fn written(&self) -> i64 {
        let call = self.tool.as_ref();
        estimate(&self.text)
            + call.map_or(0, |call| estimate(&call.name) + estimate(&call.arguments))
    }

    /// Goes on with a part.
    pub(super) fn add(&mut self, chunk: Chunk) -> Result<(), Fault> {
        if let Some(usage) = chunk.usage.and_then(WireUsage::tokens) {
            self.usage = Some(usage);
        }
        // One answer was asked for. The last part of a stream has none.
        let Some(choice) = chunk.choices.into_iter().flatten().next() else { return Ok(()) };
        self.begun = true;
        if choice.finish_reason.is_some() {
            self.finish = choice.finish_reason;
        }
        if let Some(delta) = choice.delta.or(choice.message) {
            self.text.push_str(&delta.content.unwrap_or_default());
            for part in delta.tool_calls.into_iter().flatten() {
                self.add_tool(part);
            }
        }
        let arguments = self.tool.as_ref().map_or(0, |tool| tool.arguments.len());
        if self.text.len() + arguments > MAX_ANSWER_BYTES {
            return Err(Fault::Endless);
        }
        Ok(())
    }

    /// Takes a part of a call of a tool. Only the first call counts: steps are
    /// taken one at a time.
    fn add_tool(&mut self, part: ToolPart) {
        let Some(function) = part.function else { return };
        match &mut self.tool {
            None => {
                self.tool = Some(ToolCall {
                    index: part.index,
                    name: function.name.unwrap_or_default(),
                    arguments: function.arguments.unwrap_or_default(),
                });
            }
            Some(tool) => {
                // Without numbers a name begins another call.
                let same =
                    tool.index == part.index && (part.index.is_some() || function.name.is_none());
                if same {
                    tool.arguments.push_str(&function.arguments.unwrap_or_default());
                }
            }
        }
    }
}

impl WireUsage {
    /// The counts, unless they are impossible or all zero, which some endpoints
    /// send for "unknown".
    fn tokens(self) -> Option<Tokens> {
        let (prompt, completion) =
            (self.prompt_tokens.unwrap_or(0), self.completion_tokens.unwrap_or(0));
        let total = self.total_tokens.filter(|total| *total >= prompt.saturating_add(completion));
        Tokens::new(prompt, completion, total).ok().filter(|tokens| tokens.total() > 0)
    }
}

/// The message of an error object in any of its common shapes.
pub(super) fn error_message(error: &Value) -> Option<&str> {
    match error {
        Value::String(message) => Some(message),
        Value::Object(members) => ["message", "detail", "error"]
            .iter()
            .find_map(|name| error_message(members.get(*name)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Completion, error_message};
    use serde_json::json;
    use taskgate_domain::usage::Tokens;

    fn read(parts: &[serde_json::Value]) -> Completion {
        let mut completion = Completion::default();
        for part in parts {
            completion.add(serde_json::from_value(part.clone()).unwrap()).unwrap();
        }
        completion
    }

    #[test]
    fn parts_and_a_whole_say_the_same() {
        let parts = read(&[
            json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}),
            json!({"choices": [{"delta": {"content": "Hel"}, "finish_reason": null}], "usage": null}),
            json!({"choices": [{"delta": {"content": "lo"}, "finish_reason": "stop"}]}),
            json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9}}),
        ]);
        let whole = read(&[json!({
            "choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9},
        })]);
        for completion in [parts, whole] {
            assert_eq!(completion.text, "Hello");
            assert_eq!(completion.finish.as_deref(), Some("stop"));
            assert_eq!(completion.usage, Some(Tokens::new(3, 2, Some(9)).unwrap()));
        }
    }

    #[test]
    fn the_first_tool_is_put_together() {
        let call = |index, name: Option<&str>, arguments: &str| {
            json!({"choices": [{"delta": {"tool_calls": [
                {"index": index, "function": {"name": name, "arguments": arguments}}
            ]}}]})
        };
        let completion = read(&[
            call(0, Some("search"), ""),
            call(0, None, "{\"query\":"),
            call(1, Some("calculate"), "{}"),
            call(0, None, "\"x\"}"),
        ]);
        let tool = completion.tool.unwrap();
        assert_eq!((&*tool.name, &*tool.arguments), ("search", "{\"query\":\"x\"}"));

        let whole = read(&[json!({"choices": [{"message": {"content": null, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "search", "arguments": "{}"}},
            {"id": "2", "type": "function", "function": {"name": "fetch", "arguments": "{}"}},
        ]}}]})]);
        assert_eq!(whole.tool.unwrap().name, "search");
    }

    #[test]
    fn impossible_counts_are_no_counts() {
        for usage in [
            json!({"prompt_tokens": -1, "completion_tokens": 2}),
            json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
            json!({}),
        ] {
            assert_eq!(read(&[json!({"choices": [], "usage": usage})]).usage, None);
        }
    }

    #[test]
    fn errors_come_in_many_shapes() {
        for error in [
            json!("no"),
            json!({"error": {"message": "no", "code": 400}}),
            json!({"error": "no"}),
            json!({"object": "error", "message": "no"}),
            json!({"detail": "no"}),
        ] {
            assert_eq!(error_message(&error), Some("no"), "{error}");
        }
        assert_eq!(error_message(&json!([1])), None);
    }
}
