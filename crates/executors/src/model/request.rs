//! Requests on the wire.

use super::prompt::Prompt;
use crate::answerer::ToolSpec;
use async_openai::types::chat::{
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
    ChatCompletionStreamOptions, ChatCompletionTool, ChatCompletionTools,
    CreateChatCompletionRequest, FunctionObject, ResponseFormat,
};
use serde_json::json;

/// The form of a reply.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'a> {
    /// Text.
    Text,
    /// A JSON object.
    Json,
    /// The call of a tool, or text.
    Tools(&'a [ToolSpec]),
}

/// A request without a bound on the reply's length.
///
/// Every reply is streamed, so that a model that writes for minutes can be told
/// from one that hangs. Temperature and the like are left to the endpoint:
/// newer models of OpenAI refuse them.
pub(super) fn request(model: &str, prompt: Prompt, form: Form<'_>) -> CreateChatCompletionRequest {
    let mut messages: Vec<ChatCompletionRequestMessage> =
        vec![ChatCompletionRequestSystemMessage::from(prompt.system).into()];
    for (question, answer) in prompt.past {
        messages.push(ChatCompletionRequestUserMessage::from(question).into());
        messages.push(ChatCompletionRequestAssistantMessage::from(answer).into());
    }
    messages.push(ChatCompletionRequestUserMessage::from(prompt.user).into());
    let (response_format, tools) = match form {
        Form::Text => (None, None),
        Form::Json => (Some(ResponseFormat::JsonObject), None),
        Form::Tools(tools) => (None, Some(tools.iter().map(tool).collect())),
    };
    CreateChatCompletionRequest {
        model: model.to_owned(),
        messages,
        response_format,
        tools,
        stream: Some(true),
        stream_options: Some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        }),
        ..CreateChatCompletionRequest::default()
    }
}

/// Bounds the length of a reply by the name that the provider knows.
pub(super) fn bound(
    request: &mut CreateChatCompletionRequest,
    provider: &str,
    tokens: Option<i64>,
) {
    let tokens = tokens.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX));
    if provider == "openai" {
        request.max_completion_tokens = tokens;
    } else {
        #[expect(deprecated, reason = "the name that every other provider knows")]
        {
            request.max_tokens = tokens;
        }
    }
}

fn tool(tool: &ToolSpec) -> ChatCompletionTools {
    ChatCompletionTools::Function(ChatCompletionTool {
        function: FunctionObject {
            name: tool.name.to_owned(),
            description: Some(tool.description.to_owned()),
            parameters: Some(json!({
                "type": "object",
                "properties": {
                    tool.parameter: { "type": "string", "description": tool.parameter_description },
                },
                "required": [tool.parameter],
            })),
            strict: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{Form, bound, request};
    use crate::{answerer::ToolSpec, model::prompt::Prompt};
    use insta::assert_json_snapshot;

    fn prompt() -> Prompt {
        Prompt {
            system: "Be brief.".to_owned(),
            past: vec![("Hello?".to_owned(), "Hello.".to_owned())],
            user: "Who is there?".to_owned(),
        }
    }

    #[test]
    fn a_text_is_asked_for_with_all_that_was_said_before() {
        let mut request = request("gpt-5-mini", prompt(), Form::Text);
        bound(&mut request, "openai", Some(100));
        assert_json_snapshot!(request, @r#"
        {
          "messages": [
            {
              "role": "system",
              "content": "Be brief."
            },
            {
              "role": "user",
              "content": "Hello?"
            },
            {
              "role": "assistant",
              "content": "Hello."
            },
            {
              "role": "user",
              "content": "Who is there?"
            }
          ],
          "model": "gpt-5-mini",
          "max_completion_tokens": 100,
          "stream": true,
          "stream_options": {
            "include_usage": true
          }
        }
        "#);
    }

    #[test]
    fn a_tool_has_one_parameter() {
        let tools = [ToolSpec {
            name: "search",
            description: "Searches.",
            parameter: "query",
            parameter_description: "What to look for.",
        }];
        let prompt = Prompt { past: Vec::new(), ..prompt() };
        let mut request = request("qwen3", prompt, Form::Tools(&tools));
        bound(&mut request, "custom", Some(i64::MAX));
        assert_json_snapshot!(request, @r#"
        {
          "messages": [
            {
              "role": "system",
              "content": "Be brief."
            },
            {
              "role": "user",
              "content": "Who is there?"
            }
          ],
          "model": "qwen3",
          "stream": true,
          "max_tokens": 4294967295,
          "stream_options": {
            "include_usage": true
          },
          "tools": [
            {
              "type": "function",
              "function": {
                "name": "search",
                "description": "Searches.",
                "parameters": {
                  "type": "object",
                  "properties": {
                    "query": {
                      "type": "string",
                      "description": "What to look for."
                    }
                  },
                  "required": [
                    "query"
                  ]
                }
              }
            }
          ]
        }
        "#);
    }

    #[test]
    fn an_object_is_asked_for_by_name() {
        let request = request("qwen3", prompt(), Form::Json);
        assert_json_snapshot!(request.response_format, @r#"
        {
          "type": "json_object"
        }
        "#);
    }
}
