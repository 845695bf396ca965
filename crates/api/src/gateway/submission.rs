//! From the body of a submit to the work it asks for.

use super::context::Context;
use crate::http::error::ApiError;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::str::FromStr;
use taskgate_domain::task::work::{AgentWork, Mode, SessionLabel};
use utoipa::ToSchema;

/// A question to an agent. Members that are null or an empty text count as
/// absent, and unknown ones are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = Submit)]
pub(super) struct SubmitBody {
    /// The question. It may be empty when `context.attachments` has an element.
    #[schema(required, nullable = false)]
    query: Option<String>,
    /// The conversation: a UUID or any name of the client's own, 1 to 128
    /// characters. Without it, the task begins a new one.
    session_id: Option<String>,
    /// Settings for the agent. They are kept as they are written, with the
    /// overrides below set in them.
    #[schema(value_type = Option<Object>)]
    context: Option<Box<RawValue>>,
    /// `simple` (the default), `standard`, `complex` or `supervisor`.
    mode: Option<String>,
    /// `small`, `medium` or `large`.
    model_tier: Option<String>,
    /// The model to use.
    model_override: Option<String>,
    /// The provider to use.
    provider_override: Option<String>,
    /// No skills exist here: any name is refused.
    skill: Option<String>,
    /// `quick`, `standard`, `deep` or `academic`.
    research_strategy: Option<String>,
    /// How often a reasoning loop may turn.
    #[schema(minimum = 1, maximum = 50)]
    max_iterations: Option<i64>,
    /// How many agents may work at the same time.
    #[schema(minimum = 1, maximum = 20)]
    max_concurrent_agents: Option<i64>,
    /// Whether claims of the answer are checked.
    enable_verification: Option<bool>,
}

const TIERS: [&str; 3] = ["small", "medium", "large"];
const PROVIDERS: [&str; 13] = [
    "openai",
    "anthropic",
    "google",
    "groq",
    "xai",
    "deepseek",
    "qwen",
    "zai",
    "kimi",
    "minimax",
    "ollama",
    "mistral",
    "cohere",
];
const STRATEGIES: [&str; 4] = ["quick", "standard", "deep", "academic"];

impl SubmitBody {
    /// Checks everything (gateway contract, section 1).
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for the first rule that is broken.
    pub(super) fn into_work(self) -> Result<AgentWork, ApiError> {
        let session = match self.session_id.as_deref().filter(|id| !id.is_empty()) {
            Some(id) => SessionLabel::new(id)?,
            None => SessionLabel::generate(),
        };
        let mode = match word(self.mode.as_deref()) {
            Some(name) => Mode::from_str(&name)?,
            None => Mode::default(),
        };
        if let Some(skill) = word(self.skill.as_deref()) {
            return Err(ApiError::invalid(format!("Unknown skill: {}", skill.escape_debug())));
        }
        let context = self.context.as_deref().map_or("{}", RawValue::get);
        let context = Context::read(context)?;
        let mut set = self.overrides()?;
        refuse_models_without_ai(&context, &set)?;
        let strategy = set.iter().any(|(name, _)| *name == "research_strategy");
        if context.is_truthy("force_research")
            && !strategy
            && !context.has_text("research_strategy")
        {
            set.push(("research_strategy", Value::from("standard")));
        }
        let context = context.with(&set)?;
        let query = self.query.unwrap_or_default();
        let missing = query.is_empty();
        AgentWork::new(query, session, mode, context).map_err(|error| {
            if missing { ApiError::invalid("Query is required") } else { error.into() }
        })
    }

    /// The members to set in the context.
    fn overrides(&self) -> Result<Vec<(&'static str, Value)>, ApiError> {
        let model = self.model_override.as_deref().filter(|model| !model.is_empty());
        let members = [
            ("model_tier", one_of("model_tier", self.model_tier.as_deref(), &TIERS)?),
            ("model_override", model.map(Value::from)),
            (
                "provider_override",
                one_of("provider_override", self.provider_override.as_deref(), &PROVIDERS)?,
            ),
            (
                "research_strategy",
                one_of("research_strategy", self.research_strategy.as_deref(), &STRATEGIES)?,
            ),
            ("max_iterations", up_to("max_iterations", self.max_iterations, 50)?),
            (
                "max_concurrent_agents",
                up_to("max_concurrent_agents", self.max_concurrent_agents, 20)?,
            ),
            ("enable_verification", self.enable_verification.map(Value::from)),
        ];
        Ok(members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

/// Refuses to choose a model for a task that shall use none.
fn refuse_models_without_ai(
    context: &Context<'_>,
    set: &[(&'static str, Value)],
) -> Result<(), ApiError> {
    let chosen = |name: &str| set.iter().any(|(set, _)| *set == name) || context.has_text(name);
    let conflict =
        ["model_tier", "model_override", "provider_override"].into_iter().find(|n| chosen(n));
    match conflict {
        Some(name) if context.is_truthy("disable_ai") => {
            Err(ApiError::invalid(format!("{name} cannot be combined with disable_ai")))
        }
        _ => Ok(()),
    }
}

/// A name without the space around it and in lower case; `None` if nothing is
/// left.
fn word(text: Option<&str>) -> Option<String> {
    text.map(|text| text.trim().to_ascii_lowercase()).filter(|word| !word.is_empty())
}

fn one_of(name: &str, text: Option<&str>, names: &[&str]) -> Result<Option<Value>, ApiError> {
    match word(text) {
        Some(word) if names.contains(&word.as_str()) => Ok(Some(Value::from(word))),
        Some(_) => Err(ApiError::invalid(format!("{name} must be one of {}", names.join(", ")))),
        None => Ok(None),
    }
}

fn up_to(name: &str, number: Option<i64>, max: i64) -> Result<Option<Value>, ApiError> {
    match number {
        Some(number) if !(1..=max).contains(&number) => {
            Err(ApiError::invalid(format!("{name} must be between 1 and {max}")))
        }
        number => Ok(number.map(Value::from)),
    }
}

#[cfg(test)]
mod tests {
    use super::SubmitBody;
    use taskgate_domain::task::work::{AgentWork, Mode};

    fn work(body: &str) -> Result<AgentWork, String> {
        let body: SubmitBody = serde_json::from_str(body).map_err(|error| error.to_string())?;
        body.into_work().map_err(|error| error.to_string())
    }

    fn context(members: &str) -> String {
        work(&format!(r#"{{"query":"q",{members}}}"#)).unwrap().context().as_str().to_owned()
    }

    #[test]
    fn a_question_is_enough() {
        let work = work(r#"{"query":"  ","session_id":"","mode":null,"context":null}"#).unwrap();
        assert_eq!((work.query(), work.mode()), ("  ", Mode::Simple));
        assert!(work.session().as_id().is_some());
        assert_eq!(work.context().as_str(), "{}");
    }

    #[test]
    fn overrides_are_set_in_the_context() {
        insta::assert_snapshot!(context(
            r#""context":{"model_tier":"large","k":1.50},"model_tier":" Small ","model_override":"m",
            "provider_override":"OpenAI","research_strategy":"deep","max_iterations":50,
            "max_concurrent_agents":1,"enable_verification":false"#
        ), @r#"{"k":1.50,"model_tier":"small","model_override":"m","provider_override":"openai","research_strategy":"deep","max_iterations":50,"max_concurrent_agents":1,"enable_verification":false}"#);
    }

    #[test]
    fn forced_research_has_a_strategy() {
        let standard = r#"{"force_research":"true","research_strategy":"standard"}"#;
        assert_eq!(context(r#""context":{"force_research":"true"}"#), standard);
        let own = r#"{"force_research":true,"research_strategy":"quick"}"#;
        assert_eq!(context(&format!(r#""context":{own}"#)), own);
        assert_eq!(
            context(r#""context":{"force_research":true},"research_strategy":"quick""#),
            own
        );
    }

    #[test]
    fn modes_are_read_in_any_case() {
        let mode =
            |mode: &str| work(&format!(r#"{{"query":"q","mode":"{mode}"}}"#)).unwrap().mode();
        assert_eq!(mode(" SuperVisor "), Mode::Supervisor);
        assert_eq!(mode(""), Mode::Simple);
    }

    #[test]
    fn every_broken_rule_has_its_sentence() {
        let bodies = [
            r#"{}"#,
            r#"{"query":""}"#,
            r#"{"query":"","context":{"attachments":[]}}"#,
            r#"{"query":1}"#,
            r#"{"query":"a\u0000b"}"#,
            r#"{"query":"q","context":[]}"#,
            r#"{"query":"q","context":"{}"}"#,
            r#"{"query":"q","session_id":"a\nb"}"#,
            r#"{"query":"q","mode":"fast"}"#,
            r#"{"query":"q","skill":"x\u0000"}"#,
            r#"{"query":"q","model_tier":"huge"}"#,
            r#"{"query":"q","provider_override":"acme"}"#,
            r#"{"query":"q","research_strategy":"slow"}"#,
            r#"{"query":"q","max_iterations":0}"#,
            r#"{"query":"q","max_iterations":1.5}"#,
            r#"{"query":"q","max_concurrent_agents":21}"#,
            r#"{"query":"q","enable_verification":"yes"}"#,
            r#"{"query":"q","context":{"disable_ai":1},"model_tier":"small"}"#,
            r#"{"query":"q","context":{"disable_ai":"true","provider_override":"xai"}}"#,
        ];
        let refusals: Vec<String> =
            bodies.iter().map(|body| format!("{body}\n  {}", work(body).unwrap_err())).collect();
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        {}
          Query is required
        {"query":""}
          Query is required
        {"query":"","context":{"attachments":[]}}
          Query is required
        {"query":1}
          invalid type: integer `1`, expected a string at line 1 column 10
        {"query":"a\u0000b"}
          query must not contain a NUL character
        {"query":"q","context":[]}
          context must be a JSON object
        {"query":"q","context":"{}"}
          context must be a JSON object
        {"query":"q","session_id":"a\nb"}
          session_id must have 1 to 128 characters and no control character
        {"query":"q","mode":"fast"}
          mode must be one of simple, standard, complex, supervisor
        {"query":"q","skill":"x\u0000"}
          Unknown skill: x\0
        {"query":"q","model_tier":"huge"}
          model_tier must be one of small, medium, large
        {"query":"q","provider_override":"acme"}
          provider_override must be one of openai, anthropic, google, groq, xai, deepseek, qwen, zai, kimi, minimax, ollama, mistral, cohere
        {"query":"q","research_strategy":"slow"}
          research_strategy must be one of quick, standard, deep, academic
        {"query":"q","max_iterations":0}
          max_iterations must be between 1 and 50
        {"query":"q","max_iterations":1.5}
          invalid type: floating point `1.5`, expected i64 at line 1 column 33
        {"query":"q","max_concurrent_agents":21}
          max_concurrent_agents must be between 1 and 20
        {"query":"q","enable_verification":"yes"}
          invalid type: string "yes", expected a boolean at line 1 column 40
        {"query":"q","context":{"disable_ai":1},"model_tier":"small"}
          model_tier cannot be combined with disable_ai
        {"query":"q","context":{"disable_ai":"true","provider_override":"xai"}}
          provider_override cannot be combined with disable_ai
        "#);
    }

    #[test]
    fn an_attachment_may_be_the_question() {
        assert!(work(r#"{"context":{"attachments":[{"id":"a"}]}}"#).is_ok());
    }
}
