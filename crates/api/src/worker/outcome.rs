//! How a worker's work on a task ended, as it is reported.

use super::{
    field::{self, Object},
    usage::{UsageBody, usage},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use taskgate_domain::{
    error::InvalidValue,
    id::TaskId,
    queue::Lease,
    task::{Attempt, outcome::Outcome},
    text,
    usecase::workers::Verdict,
};
use utoipa::ToSchema;

/// A result, and the claim that it is reported under. In every text a NUL is
/// replaced by U+FFFD.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Complete)]
pub(super) struct CompleteBody {
    /// The attempt that the claim told.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    attempt: i64,
    // The members of `Completion`, once more: serde cannot flatten a struct
    // that keeps JSON as written.
    /// The answer: a string for an agent task, a JSON object for a research
    /// task. An object given for an agent task is kept as its text.
    #[schema(value_type = Option<TextOrObject>)]
    result: Option<Box<RawValue>>,
    /// A structured form of the answer, kept as written.
    #[schema(value_type = Option<Object>)]
    response: Option<Box<RawValue>>,
    /// Citations and whatever else the executor tells, kept as written.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// The main model that was used.
    model_used: Option<String>,
    /// Who served that model.
    provider: Option<String>,
    /// Tokens and money; none by default.
    #[schema(value_type = Option<UsageBody>)]
    usage: Option<Object<UsageBody>>,
}

impl CompleteBody {
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self, task: TaskId) -> Result<(Lease, Verdict), InvalidValue> {
        let Self { attempt, result, response, metadata, model_used, provider, usage } = self;
        let lease = Lease { task, attempt: Attempt::new(attempt)? };
        let completion = Completion { result, response, metadata, model_used, provider, usage };
        Ok((lease, completion.into_domain()?))
    }
}

/// A result. In every text a NUL is replaced by U+FFFD.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Completion {
    /// The answer: a string for an agent task, a JSON object for a research
    /// task. An object given for an agent task is kept as its text.
    #[schema(value_type = Option<TextOrObject>)]
    result: Option<Box<RawValue>>,
    /// A structured form of the answer, kept as written.
    #[schema(value_type = Option<Object>)]
    response: Option<Box<RawValue>>,
    /// Citations and whatever else the executor tells, kept as written.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// The main model that was used.
    model_used: Option<String>,
    /// Who served that model.
    provider: Option<String>,
    /// Tokens and money; none by default.
    #[schema(value_type = Option<UsageBody>)]
    usage: Option<Object<UsageBody>>,
}

impl Completion {
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self) -> Result<Verdict, InvalidValue> {
        Ok(Verdict::Complete(Outcome {
            result: self.result.map(|raw| result_text(&raw)).transpose()?,
            response: field::object("response", self.response)?,
            metadata: field::object("metadata", self.metadata)?,
            error: None,
            model: self.model_used.map(text::replace_nul),
            provider: self.provider.map(text::replace_nul),
            usage: usage(self.usage)?,
        }))
    }
}

/// The text that the domain keeps as a result: what a string says, or an
/// object as it is written. Whether the task's kind admits it, the store tells.
fn result_text(raw: &RawValue) -> Result<String, InvalidValue> {
    let json = raw.get();
    if json.starts_with('{') {
        return Ok(json.to_owned());
    }
    serde_json::from_str(json)
        .map(text::replace_nul)
        .map_err(|_| InvalidValue::new("result", "must be a string or a JSON object"))
}

/// A string or a JSON object.
#[derive(ToSchema)]
#[schema(as = Result)]
#[serde(untagged)]
#[expect(dead_code, reason = "only describes the form in the OpenAPI document")]
enum TextOrObject {
    #[schema(title = "text")]
    Text(String),
    #[schema(title = "object", value_type = Object)]
    Object(Box<RawValue>),
}

/// An error, and the claim that it is reported under.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Fail)]
pub(super) struct FailBody {
    /// The attempt that the claim told.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    attempt: i64,
    // The members of `Failure`, as above.
    /// Why the attempt failed, for people.
    error: String,
    /// Whether another attempt may help.
    retry: bool,
    /// Whatever else the executor tells, kept as written. This and the two that
    /// follow are stored when the task has failed for good.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// The main model that was used.
    model_used: Option<String>,
    /// Who served that model.
    provider: Option<String>,
    /// Tokens and money; none by default.
    #[schema(value_type = Option<UsageBody>)]
    usage: Option<Object<UsageBody>>,
}

impl FailBody {
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self, task: TaskId) -> Result<(Lease, Verdict), InvalidValue> {
        let Self { attempt, error, retry, metadata, model_used, provider, usage } = self;
        let lease = Lease { task, attempt: Attempt::new(attempt)? };
        let failure = Failure { error, retry, metadata, model_used, provider, usage };
        Ok((lease, failure.into_domain()?))
    }
}

/// An error.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Failure {
    /// Why the attempt failed, for people.
    error: String,
    /// Whether another attempt may help.
    retry: bool,
    /// Whatever else the executor tells, kept as written. This and the two that
    /// follow are stored when the task has failed for good.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// The main model that was used.
    model_used: Option<String>,
    /// Who served that model.
    provider: Option<String>,
    /// Tokens and money; none by default.
    #[schema(value_type = Option<UsageBody>)]
    usage: Option<Object<UsageBody>>,
}

impl Failure {
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self) -> Result<Verdict, InvalidValue> {
        let outcome = Outcome {
            metadata: field::object("metadata", self.metadata)?,
            model: self.model_used.map(text::replace_nul),
            provider: self.provider.map(text::replace_nul),
            usage: usage(self.usage)?,
            ..Outcome::error(self.error)
        };
        Ok(Verdict::Fail { outcome, retry: self.retry })
    }
}

/// A task that is given back, and the claim that it is held under.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Release)]
pub(super) struct ReleaseBody {
    /// The attempt that the claim told.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    attempt: i64,
    /// Tokens and money that were consumed by then; none by default.
    #[schema(value_type = Option<UsageBody>)]
    usage: Option<Object<UsageBody>>,
}

impl ReleaseBody {
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self, task: TaskId) -> Result<(Lease, Verdict), InvalidValue> {
        let lease = Lease { task, attempt: Attempt::new(self.attempt)? };
        Ok((lease, GivenBack { usage: self.usage }.into_domain()?))
    }
}

/// A task that is given back.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct GivenBack {
    /// Tokens and money that were consumed by then; none by default.
    #[schema(value_type = Option<UsageBody>)]
    usage: Option<Object<UsageBody>>,
}

impl GivenBack {
    /// # Errors
    /// [`InvalidValue`] for the first field that breaks its rule.
    pub(super) fn into_domain(self) -> Result<Verdict, InvalidValue> {
        Ok(Verdict::Release { usage: usage(self.usage)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Completion, Failure};
    use taskgate_domain::{
        task::{
            outcome::Outcome,
            work::{Kind, TaskType},
        },
        usecase::workers::Verdict,
    };

    fn outcome(body: &str) -> Result<Outcome, String> {
        let body: Completion = serde_json::from_str(body).map_err(|error| error.to_string())?;
        match body.into_domain().map_err(|error| error.to_string())? {
            Verdict::Complete(outcome) => Ok(outcome),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_report_may_be_empty() {
        assert_eq!(outcome("{}"), Ok(Outcome::default()));
        assert_eq!(outcome(r#"{"result":null,"usage":null}"#), Ok(Outcome::default()));
    }

    #[test]
    fn a_failure_tells_what_it_took() {
        let body = r#"{"error":"e","retry":false,"metadata":{"n": 1.50},"model_used":"m\u0000",
            "provider":"p","usage":{"prompt_tokens":1,"completion_tokens":2,"cost_usd":0.5}}"#;
        let failure: Failure = serde_json::from_str(body).unwrap();
        let Verdict::Fail { outcome, retry: false } = failure.into_domain().unwrap() else {
            panic!("it is a failure for good");
        };
        assert_eq!((outcome.reason(), outcome.result.as_deref()), ("e", None));
        assert_eq!(outcome.metadata.unwrap().as_str(), r#"{"n": 1.50}"#);
        assert_eq!(
            (outcome.model.as_deref(), outcome.provider.as_deref()),
            (Some("m\u{fffd}"), Some("p"))
        );
        assert_eq!(
            (outcome.usage.tokens().total(), outcome.usage.cost().nanos()),
            (3, 500_000_000)
        );
    }

    #[test]
    fn an_object_keeps_its_bytes_as_a_result() {
        let found = outcome(r#"{"result": {"b": 1.50, "a":[]} }"#).unwrap();
        assert_eq!(found.result.as_deref(), Some(r#"{"b": 1.50, "a":[]}"#));
        assert_eq!(found.check(Kind::Research(TaskType::Ocr)), Ok(()));
    }

    #[test]
    fn a_string_is_the_text_that_it_says() {
        let found = outcome(r#"{"result":"two\nlines \u00e9"}"#).unwrap();
        assert_eq!(found.result.as_deref(), Some("two\nlines é"));
        assert_eq!(found.check(Kind::Agent), Ok(()));
        assert!(found.check(Kind::Research(TaskType::Ocr)).is_err());
    }

    #[test]
    fn other_results_are_refused() {
        for result in ["1", "true", "[]", r#""\ud800""#] {
            let refused = outcome(&format!(r#"{{"result":{result}}}"#));
            assert_eq!(refused.unwrap_err(), "result must be a string or a JSON object");
        }
    }

    #[test]
    fn nul_is_replaced_in_every_text() {
        let found = outcome(
            r#"{"result":"a\u0000","model_used":"b\u0000","provider":"c\u0000",
                "usage":{"prompt_tokens":1,"completion_tokens":2,"models":[
                    {"model":"d\u0000","provider":"e\u0000","executions":1,
                     "prompt_tokens":1,"completion_tokens":2,"cost_usd":0.5}]}}"#,
        )
        .unwrap();
        let model = &found.usage.models()[0];
        let texts = [
            found.result.as_deref().unwrap(),
            found.model.as_deref().unwrap(),
            found.provider.as_deref().unwrap(),
            &model.model,
            &model.provider,
        ];
        assert_eq!(texts, ["a\u{fffd}", "b\u{fffd}", "c\u{fffd}", "d\u{fffd}", "e\u{fffd}"]);
    }

    #[test]
    fn a_missing_cost_is_the_sum_over_the_models() {
        let model = r#"{"model":"m","provider":"p","executions":1,"prompt_tokens":1,
                        "completion_tokens":2,"cost_usd":0.1}"#;
        let found = outcome(&format!(
            r#"{{"usage":{{"prompt_tokens":3,"completion_tokens":6,"models":[{model},{model},{model}]}}}}"#
        ))
        .unwrap();
        assert_eq!(found.usage.cost().nanos(), 300_000_000);
        assert_eq!(found.usage.tokens().total(), 9);
    }

    #[test]
    fn impossible_amounts_are_refused() {
        for (usage, sentence) in [
            (
                r#"{"prompt_tokens":-1,"completion_tokens":0}"#,
                "prompt_tokens must be between 0 and 1000000000000",
            ),
            (
                r#"{"prompt_tokens":0,"completion_tokens":0,"cost_usd":-0.1}"#,
                "cost_usd must be between 0 and 9000000",
            ),
            (
                r#"{"prompt_tokens":0,"completion_tokens":0,"models":[{"model":"m","provider":"p",
                    "executions":4294967296,"prompt_tokens":0,"completion_tokens":0,"cost_usd":0}]}"#,
                "executions must be between 0 and 4294967295",
            ),
        ] {
            assert_eq!(outcome(&format!(r#"{{"usage":{usage}}}"#)).unwrap_err(), sentence);
        }
    }
}
