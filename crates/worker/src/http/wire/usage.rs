//! Tokens and money.

use serde::{Deserialize, Serialize};
use taskgate_domain::{
    error::InvalidValue,
    usage::{ModelUsage, Tokens, Usage, Usd},
};

#[derive(Serialize, Deserialize)]
pub(super) struct UsageBody {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    cost_usd: f64,
    models: Vec<ModelBody>,
}

#[derive(Serialize, Deserialize)]
struct ModelBody {
    model: String,
    provider: String,
    executions: u32,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    cost_usd: f64,
}

/// An amount that a server tells, which may be more than a float tells exactly.
pub(super) fn usd(dollars: f64) -> Result<Usd, InvalidValue> {
    Usd::from_dollars(dollars.min(Usd::MAX_FLOAT))
}

impl UsageBody {
    /// What is told of a usage: nothing when it is nothing.
    pub(super) fn told(usage: &Usage) -> Option<Self> {
        let tokens = usage.tokens();
        (!usage.is_zero()).then(|| Self {
            prompt_tokens: tokens.prompt(),
            completion_tokens: tokens.completion(),
            total_tokens: tokens.total(),
            cost_usd: usage.cost().dollars(),
            models: usage.models().iter().map(ModelBody::from).collect(),
        })
    }

    pub(super) fn usage(self) -> Result<Usage, InvalidValue> {
        let tokens =
            Tokens::new(self.prompt_tokens, self.completion_tokens, Some(self.total_tokens))?;
        let models = self.models.into_iter().map(ModelBody::share).collect::<Result<_, _>>()?;
        Ok(Usage::new(tokens, usd(self.cost_usd)?, models))
    }
}

impl From<&ModelUsage> for ModelBody {
    fn from(usage: &ModelUsage) -> Self {
        Self {
            model: usage.model.clone(),
            provider: usage.provider.clone(),
            executions: usage.executions,
            prompt_tokens: usage.tokens.prompt(),
            completion_tokens: usage.tokens.completion(),
            total_tokens: usage.tokens.total(),
            cost_usd: usage.cost.dollars(),
        }
    }
}

impl ModelBody {
    fn share(self) -> Result<ModelUsage, InvalidValue> {
        let tokens =
            Tokens::new(self.prompt_tokens, self.completion_tokens, Some(self.total_tokens))?;
        Ok(ModelUsage {
            tokens,
            cost: usd(self.cost_usd)?,
            executions: self.executions,
            model: self.model,
            provider: self.provider,
        })
    }
}
