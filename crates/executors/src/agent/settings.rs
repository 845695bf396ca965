//! What a task's context asks for.

use crate::answerer::{ModelChoice, Tier};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;
use taskgate_domain::{json::JsonObject, task::work::AgentWork, usage::Usd};

/// The settings of a task, read from its context. A member that is null counts
/// as absent, and one that is not known is left to others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// Which model to use.
    pub(super) model: ModelChoice,
    /// The provider that has to serve it.
    pub(super) provider: Option<String>,
    /// Whether no model may be used.
    pub(super) disable_ai: bool,
    /// How to behave, with its parameters filled in.
    pub(super) instructions: Option<String>,
    /// How many earlier turns of the session to look at.
    pub(super) history: u16,
    /// How often an agent may decide what to do next.
    pub(super) iterations: usize,
    /// How many agents may work at the same time.
    pub(super) agents: usize,
    /// What to research, if that is asked for.
    pub(super) research: Option<Research>,
    /// How much may be consumed.
    pub(super) limits: Limits,
}

/// How to research.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Research {
    /// How broadly.
    pub(super) strategy: Strategy,
    /// Whether to verify what the text says.
    pub(super) verification: bool,
    /// Whether to draw the facts from it.
    pub(super) facts: bool,
    /// Whether the plan waits for the word of the task's owner.
    pub(super) review: bool,
}

/// How broadly to research.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Strategy {
    /// Two questions with three sources each.
    Quick,
    /// Three with five.
    #[default]
    Standard,
    /// Five with eight.
    Deep,
    /// Six with ten.
    Academic,
}

impl Strategy {
    /// How many smaller questions there are at most, and how many sources for
    /// each of them.
    pub(super) const fn breadth(self) -> (usize, usize) {
        match self {
            Self::Quick => (2, 3),
            Self::Standard => (3, 5),
            Self::Deep => (5, 8),
            Self::Academic => (6, 10),
        }
    }
}

/// How much a task and its session may consume; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Limits {
    /// Tokens of the task.
    pub(super) tokens: Option<i64>,
    /// Money of the task.
    pub(super) cost: Option<Usd>,
    /// Tokens of the session.
    pub(super) session_tokens: Option<i64>,
    /// Money of the session.
    pub(super) session_cost: Option<Usd>,
}

/// Earlier turns that are looked at when the context does not say how many.
const HISTORY: u16 = 10;
/// The most that a store gives.
const MOST_HISTORY: u16 = 100;
/// Decisions of an agent and agents at a time, as the gateway bounds them.
const ITERATIONS: (usize, usize) = (8, 50);
const AGENTS: (usize, usize) = (4, 20);
/// The largest budget of tokens, which is what a task's usage can show.
const MOST_TOKENS: i64 = 1_000_000_000_000;

impl Settings {
    /// Reads a task's context.
    ///
    /// # Errors
    /// One sentence on the first member of the wrong type or range.
    pub(super) fn read(work: &AgentWork) -> Result<Self, String> {
        let members = Members::read(work.context())?;
        let research = Research {
            strategy: members.one_of("research_strategy", &STRATEGIES)?.unwrap_or_default(),
            verification: members.flag("enable_verification")?,
            facts: members.flag("enable_fact_extraction")?,
            review: members.one_of("review_plan", &REVIEWS)?.unwrap_or(false)
                | members.flag("require_review")?,
        };
        let history = members.whole("history_window_size", 0..=i64::MAX)?;
        let history = history.map(|turns| u16::try_from(turns).unwrap_or(MOST_HISTORY));
        Ok(Self {
            model: ModelChoice {
                tier: members.one_of("model_tier", &TIERS)?.unwrap_or_default(),
                name: members.text("model_override")?.map(str::to_owned),
            },
            provider: members.text("provider_override")?.map(str::to_owned),
            disable_ai: members.flag("disable_ai")?,
            instructions: members.instructions()?,
            history: history.unwrap_or(HISTORY).min(MOST_HISTORY),
            iterations: members.count("max_iterations", ITERATIONS)?,
            agents: members.count("max_concurrent_agents", AGENTS)?,
            research: members.flag("force_research")?.then_some(research),
            limits: Limits {
                tokens: members.whole("token_budget", 1..=MOST_TOKENS)?,
                cost: members.money("cost_budget_usd")?,
                session_tokens: members.whole("session_token_budget", 1..=MOST_TOKENS)?,
                session_cost: members.money("session_cost_budget_usd")?,
            },
        })
    }
}

const TIERS: [(&str, Tier); 3] =
    [("small", Tier::Small), ("medium", Tier::Medium), ("large", Tier::Large)];

/// Who looks at a plan before it is carried out.
const REVIEWS: [(&str, bool); 2] = [("auto", false), ("manual", true)];

const STRATEGIES: [(&str, Strategy); 4] = [
    ("quick", Strategy::Quick),
    ("standard", Strategy::Standard),
    ("deep", Strategy::Deep),
    ("academic", Strategy::Academic),
];

/// The members of a context.
struct Members(Map<String, Value>);

impl Members {
    fn read(context: &JsonObject) -> Result<Self, String> {
        serde_json::from_str(context.as_str())
            .map(Self)
            .map_err(|_| "the context cannot be read".to_owned())
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Reads a member by `read`, or says what it must be.
    fn read_by<'a, T>(
        &'a self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
        must: impl FnOnce() -> String,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| format!("{name} must be {}", must()))
    }

    /// A text; an empty one counts as absent.
    fn text(&self, name: &str) -> Result<Option<&str>, String> {
        let text = self.read_by(name, Value::as_str, || "a text".to_owned())?;
        Ok(text.filter(|text| !text.trim().is_empty()))
    }

    /// True or false, or the text of either, as clients send them.
    fn flag(&self, name: &str) -> Result<bool, String> {
        let read = |value: &Value| match value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.to_ascii_lowercase().parse().ok(),
            _ => None,
        };
        Ok(self.read_by(name, read, || "true or false".to_owned())?.unwrap_or(false))
    }

    fn whole(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, String> {
        let read = |value: &Value| value.as_i64().filter(|number| range.contains(number));
        self.read_by(name, read, || match (range.start(), range.end()) {
            (least, &i64::MAX) => format!("a whole number from {least}"),
            (least, most) => format!("a whole number from {least} to {most}"),
        })
    }

    /// A number from 1 to a most, with a default.
    fn count(&self, name: &str, (default, most): (usize, usize)) -> Result<usize, String> {
        let read = |value: &Value| {
            usize::try_from(value.as_u64()?).ok().filter(|n| (1..=most).contains(n))
        };
        let must = || format!("a whole number from 1 to {most}");
        Ok(self.read_by(name, read, must)?.unwrap_or(default))
    }

    fn money(&self, name: &str) -> Result<Option<Usd>, String> {
        let read = |value: &Value| {
            Usd::from_dollars(value.as_f64()?).ok().filter(|money| *money > Usd::ZERO)
        };
        self.read_by(name, read, || "a number of US dollars over 0".to_owned())
    }

    fn one_of<T: Copy>(&self, name: &str, known: &[(&str, T)]) -> Result<Option<T>, String> {
        let read = |value: &Value| {
            let text = value.as_str()?;
            known.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
        };
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        self.read_by(name, read, || format!("one of {}", names.join(", ")))
    }

    /// The role and the system prompt, with `{{name}}` replaced by the member
    /// of that name of `prompt_params`. What is not there stays as it is.
    fn instructions(&self) -> Result<Option<String>, String> {
        let must = || "an object".to_owned();
        let params = self.read_by("prompt_params", Value::as_object, must)?;
        let role = self.text("role")?.map(|role| format!("Your role: {role}"));
        let parts = [role, self.text("system_prompt")?.map(str::to_owned)];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n");
        let text = match params {
            Some(params) => fill(&text, params),
            None => text,
        };
        Ok((!text.is_empty()).then_some(text))
    }
}

/// Fills in parameters, each once: what a parameter says is not looked at for
/// further ones.
fn fill(text: &str, params: &Map<String, Value>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let found = after.split_once("}}").and_then(|(name, behind)| {
            let value = params.get(name.trim())?;
            Some((value.as_str().map_or_else(|| value.to_string(), str::to_owned), behind))
        });
        match found {
            Some((value, behind)) => {
                filled.push_str(&value);
                rest = behind;
            }
            None => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::{Limits, MOST_HISTORY, Research, Settings, Strategy};
    use crate::answerer::{ModelChoice, Tier};
    use taskgate_domain::{
        json::JsonObject,
        task::work::{AgentWork, Mode, SessionLabel},
        usage::Usd,
    };

    fn read(context: &str) -> Result<Settings, String> {
        let context = JsonObject::parse("context", context.to_owned()).unwrap();
        let session = SessionLabel::generate();
        Settings::read(&AgentWork::new("q".to_owned(), session, Mode::Simple, context).unwrap())
    }

    #[test]
    fn without_members_there_are_defaults() {
        let defaults = Settings {
            model: ModelChoice { tier: Tier::Medium, name: None },
            provider: None,
            disable_ai: false,
            instructions: None,
            history: 10,
            iterations: 8,
            agents: 4,
            research: None,
            limits: Limits::default(),
        };
        assert_eq!(read("{}").as_ref(), Ok(&defaults));
        let null = r#"{"role":null,"token_budget":null,"other":[1],"research_strategy":"deep"}"#;
        assert_eq!(read(null), Ok(defaults));
    }

    #[test]
    fn every_member_is_read() {
        let context = r#"{"model_tier":"large","model_override":"m-1","provider_override":"openai",
            "disable_ai":"true","role":"a {{kind}}","system_prompt":"Say {{ word }} and {{none}}.",
            "prompt_params":{"kind":"{{word}}","word":7},"history_window_size":0,
            "max_iterations":50,"max_concurrent_agents":1,"force_research":"true",
            "research_strategy":"academic","enable_verification":true,
            "enable_fact_extraction":"True","review_plan":"manual","token_budget":1000,"cost_budget_usd":0.05,
            "session_token_budget":5000,"session_cost_budget_usd":1}"#;
        let dollars = |amount| Usd::from_dollars(amount).ok();
        let settings = Settings {
            model: ModelChoice { tier: Tier::Large, name: Some("m-1".to_owned()) },
            provider: Some("openai".to_owned()),
            disable_ai: true,
            instructions: Some("Your role: a {{word}}\n\nSay 7 and {{none}}.".to_owned()),
            history: 0,
            iterations: 50,
            agents: 1,
            research: Some(Research {
                strategy: Strategy::Academic,
                verification: true,
                facts: true,
                review: true,
            }),
            limits: Limits {
                tokens: Some(1000),
                cost: dollars(0.05),
                session_tokens: Some(5000),
                session_cost: dollars(1.0),
            },
        };
        assert_eq!(read(context), Ok(settings));
        let long = read(r#"{"history_window_size":100000}"#).unwrap().history;
        assert_eq!(long, MOST_HISTORY, "a store gives no more");
    }

    #[test]
    fn a_wrong_member_is_named_in_one_sentence() {
        let mut said = String::new();
        for member in [
            r#""model_tier":"huge""#,
            r#""model_override":5"#,
            r#""provider_override":["openai"]"#,
            r#""disable_ai":1"#,
            r#""force_research":"maybe""#,
            r#""role":{}"#,
            r#""system_prompt":true"#,
            r#""prompt_params":"a""#,
            r#""history_window_size":-1"#,
            r#""max_iterations":0"#,
            r#""max_iterations":51"#,
            r#""max_concurrent_agents":2.5"#,
            r#""research_strategy":1"#,
            r#""enable_verification":"yes""#,
            r#""enable_fact_extraction":0"#,
            r#""review_plan":true"#,
            r#""require_review":"manual""#,
            r#""token_budget":0"#,
            r#""token_budget":"1000""#,
            r#""token_budget":1e3"#,
            r#""cost_budget_usd":0"#,
            r#""cost_budget_usd":-0.5"#,
            r#""cost_budget_usd":"1""#,
            r#""session_token_budget":1000000000001"#,
            r#""session_cost_budget_usd":1e300"#,
        ] {
            said.push_str(&read(&format!("{{{member}}}")).unwrap_err());
            said.push('\n');
        }
        insta::assert_snapshot!(said, @r#"
        model_tier must be one of small, medium, large
        model_override must be a text
        provider_override must be a text
        disable_ai must be true or false
        force_research must be true or false
        role must be a text
        system_prompt must be a text
        prompt_params must be an object
        history_window_size must be a whole number from 0
        max_iterations must be a whole number from 1 to 50
        max_iterations must be a whole number from 1 to 50
        max_concurrent_agents must be a whole number from 1 to 20
        research_strategy must be one of quick, standard, deep, academic
        enable_verification must be true or false
        enable_fact_extraction must be true or false
        review_plan must be one of auto, manual
        require_review must be true or false
        token_budget must be a whole number from 1 to 1000000000000
        token_budget must be a whole number from 1 to 1000000000000
        token_budget must be a whole number from 1 to 1000000000000
        cost_budget_usd must be a number of US dollars over 0
        cost_budget_usd must be a number of US dollars over 0
        cost_budget_usd must be a number of US dollars over 0
        session_token_budget must be a whole number from 1 to 1000000000000
        session_cost_budget_usd must be a number of US dollars over 0
        "#);
    }
}
