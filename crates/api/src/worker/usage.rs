//! Tokens and money, as workers write and read them.

use super::field::{self, Object};
use serde::{Deserialize, Serialize};
use taskgate_domain::{
    error::InvalidValue,
    text,
    usage::{ModelUsage, Tokens, Usage, Usd},
};
use utoipa::ToSchema;

/// What a report says that was consumed.
///
/// # Errors
/// [`InvalidValue`] for the first field that breaks its rule.
pub(super) fn usage(body: Option<Object<UsageBody>>) -> Result<Usage, InvalidValue> {
    body.map_or_else(|| Ok(Usage::default()), |Object(usage)| usage.into_domain())
}

/// What an attempt, or several, consumed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Usage)]
pub(super) struct UsageBody {
    /// Tokens of what was sent to the models.
    #[schema(minimum = 0)]
    prompt_tokens: i64,
    /// Tokens of what the models wrote.
    #[schema(minimum = 0)]
    completion_tokens: i64,
    /// All tokens; the sum of the other two by default.
    #[schema(minimum = 0)]
    total_tokens: Option<i64>,
    /// Price in US dollars; the sum over the models by default.
    #[schema(minimum = 0, maximum = 9_000_000)]
    cost_usd: Option<f64>,
    /// The share of each model; several shares of one are added together.
    #[schema(value_type = Option<Vec<ModelBody>>)]
    models: Option<Vec<Object<ModelBody>>>,
}

/// The share of one model in a task's usage.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ModelUsage)]
struct ModelBody {
    /// The model's name as its provider spells it.
    model: String,
    /// The provider's name.
    provider: String,
    /// How many times the model was called.
    #[schema(minimum = 0, maximum = 4_294_967_295_i64)]
    executions: i64,
    /// Tokens of what was sent to the model.
    #[schema(minimum = 0)]
    prompt_tokens: i64,
    /// Tokens of what the model wrote.
    #[schema(minimum = 0)]
    completion_tokens: i64,
    /// All tokens; the sum of the other two by default.
    #[schema(minimum = 0)]
    total_tokens: Option<i64>,
    /// Price of these calls in US dollars.
    #[schema(minimum = 0, maximum = 9_000_000)]
    cost_usd: f64,
}

impl UsageBody {
    fn into_domain(self) -> Result<Usage, InvalidValue> {
        let models = self
            .models
            .unwrap_or_default()
            .into_iter()
            .map(|Object(model)| model.into_domain())
            .collect::<Result<Vec<ModelUsage>, InvalidValue>>()?;
        let cost = match self.cost_usd {
            Some(dollars) => Usd::from_dollars(dollars)?,
            None => models
                .iter()
                .try_fold(Usd::ZERO, |sum, model| sum.checked_add(model.cost))
                .ok_or_else(|| InvalidValue::new("cost_usd", "must fit 63 bits of nano-dollars"))?,
        };
        let tokens = Tokens::new(self.prompt_tokens, self.completion_tokens, self.total_tokens)?;
        Ok(Usage::new(tokens, cost, models))
    }
}

impl ModelBody {
    fn into_domain(self) -> Result<ModelUsage, InvalidValue> {
        Ok(ModelUsage {
            model: text::replace_nul(self.model),
            provider: text::replace_nul(self.provider),
            executions: field::in_range("executions", self.executions, 0, u32::MAX.into())?,
            tokens: Tokens::new(self.prompt_tokens, self.completion_tokens, self.total_tokens)?,
            cost: Usd::from_dollars(self.cost_usd)?,
        })
    }
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        let tokens = usage.tokens();
        Self {
            prompt_tokens: tokens.prompt(),
            completion_tokens: tokens.completion(),
            total_tokens: Some(tokens.total()),
            cost_usd: Some(usage.cost().dollars()),
            models: Some(usage.models().iter().map(|model| Object(model.into())).collect()),
        }
    }
}

impl From<&ModelUsage> for ModelBody {
    fn from(usage: &ModelUsage) -> Self {
        Self {
            model: usage.model.clone(),
            provider: usage.provider.clone(),
            executions: usage.executions.into(),
            prompt_tokens: usage.tokens.prompt(),
            completion_tokens: usage.tokens.completion(),
            total_tokens: Some(usage.tokens.total()),
            cost_usd: usage.cost.dollars(),
        }
    }
}
