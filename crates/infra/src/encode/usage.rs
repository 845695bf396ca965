//! Tokens and money.

use crate::error::unreadable;
use diesel::QueryResult;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use taskgate_domain::{
    error::InvalidValue,
    usage::{ModelUsage, Tokens, Usage, Usd},
};

/// Tokens and nano-dollars, as columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UsageColumns {
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) total_tokens: i64,
    pub(crate) cost_nanos: i64,
}

impl UsageColumns {
    /// Tokens that were sent, written and all together, and nano-dollars.
    pub(crate) const fn amounts(self) -> [i64; 4] {
        [self.prompt_tokens, self.completion_tokens, self.total_tokens, self.cost_nanos]
    }

    /// The usage, with the shares of models from their JSON column.
    pub(crate) fn usage(self, models: Option<&str>) -> QueryResult<Usage> {
        let models = models.map_or(Ok(Vec::new()), model_usages)?;
        Ok(Usage::new(self.tokens()?, self.cost()?, models))
    }

    pub(super) fn tokens(self) -> QueryResult<Tokens> {
        Tokens::new(self.prompt_tokens, self.completion_tokens, Some(self.total_tokens))
            .map_err(unreadable)
    }

    pub(super) fn cost(self) -> QueryResult<Usd> {
        Usd::from_nanos(self.cost_nanos).map_err(unreadable)
    }
}

impl From<&Usage> for UsageColumns {
    fn from(usage: &Usage) -> Self {
        let tokens = usage.tokens();
        Self {
            prompt_tokens: tokens.prompt(),
            completion_tokens: tokens.completion(),
            total_tokens: tokens.total(),
            cost_nanos: usage.cost().nanos(),
        }
    }
}

/// One model's share of a task's usage, as an element of a JSON column.
#[derive(Serialize, Deserialize)]
struct ModelColumns<'a> {
    model: Cow<'a, str>,
    provider: Cow<'a, str>,
    executions: u32,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    cost_nanos: i64,
}

/// The shares of models as a JSON column; `None` when there are none.
pub(crate) fn models_column(models: &[ModelUsage]) -> QueryResult<Option<String>> {
    if models.is_empty() {
        return Ok(None);
    }
    let columns = models.iter().map(|usage| ModelColumns {
        model: usage.model.as_str().into(),
        provider: usage.provider.as_str().into(),
        executions: usage.executions,
        prompt_tokens: usage.tokens.prompt(),
        completion_tokens: usage.tokens.completion(),
        total_tokens: usage.tokens.total(),
        cost_nanos: usage.cost.nanos(),
    });
    serde_json::to_string(&columns.collect::<Vec<_>>())
        .map(Some)
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))
}

/// The shares of models of a JSON column.
fn model_usages(text: &str) -> QueryResult<Vec<ModelUsage>> {
    let columns: Vec<ModelColumns<'_>> = serde_json::from_str(text).map_err(unreadable)?;
    let usage = |columns: ModelColumns<'_>| {
        Ok::<_, InvalidValue>(ModelUsage {
            tokens: Tokens::new(
                columns.prompt_tokens,
                columns.completion_tokens,
                Some(columns.total_tokens),
            )?,
            cost: Usd::from_nanos(columns.cost_nanos)?,
            executions: columns.executions,
            model: columns.model.into_owned(),
            provider: columns.provider.into_owned(),
        })
    };
    columns.into_iter().map(|one| usage(one).map_err(unreadable)).collect()
}

#[cfg(test)]
mod tests {
    use super::{model_usages, models_column};
    use taskgate_domain::usage::{ModelUsage, Tokens, Usd};

    #[test]
    fn model_shares_read_back() {
        let share = ModelUsage {
            model: "m \"quoted\"".to_owned(),
            provider: "p".to_owned(),
            executions: 3,
            tokens: Tokens::new(1, 2, Some(4)).unwrap(),
            cost: Usd::from_nanos(5).unwrap(),
        };
        let column = models_column(std::slice::from_ref(&share)).unwrap().unwrap();
        assert_eq!(model_usages(&column), Ok(vec![share]));
        assert_eq!(models_column(&[]), Ok(None));
    }
}
