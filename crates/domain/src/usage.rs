//! Tokens and money.

use crate::{error::InvalidValue, text};
use std::collections::HashMap;

/// An amount of US dollars, exact to a billionth of a dollar.
///
/// Prices of models are quoted per million tokens, so the price of one token
/// is a fraction of a micro-dollar; nano-dollars add up without rounding. The
/// largest amount is about nine billion dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(i64);

impl Usd {
    /// No money.
    pub const ZERO: Self = Self(0);
    const NANOS: f64 = 1e9;
    /// Above so many dollars a 64-bit float no longer tells neighbouring
    /// nano-dollars apart.
    pub const MAX_FLOAT: f64 = 9_000_000.0;

    /// An amount of nano-dollars.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is negative.
    pub fn from_nanos(nanos: i64) -> Result<Self, InvalidValue> {
        if nanos < 0 {
            return Err(InvalidValue::new("cost_usd", "must not be negative"));
        }
        Ok(Self(nanos))
    }

    /// The nano-dollars nearest to a number of dollars from the wire.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is negative, not finite, or over nine million
    /// dollars.
    pub fn from_dollars(dollars: f64) -> Result<Self, InvalidValue> {
        if !(0.0..=Self::MAX_FLOAT).contains(&dollars) {
            return Err(InvalidValue::new("cost_usd", "must be between 0 and 9000000"));
        }
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "the range check above keeps the product within 53 bits"
        )]
        let nanos = (dollars * Self::NANOS).round() as i64;
        Ok(Self(nanos))
    }

    /// Nano-dollars.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Dollars as the wire shows them: the float nearest to the exact amount.
    pub fn dollars(self) -> f64 {
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "display only; the exact amount stays in the integer"
        )]
        let nanos = self.0 as f64;
        nanos / Self::NANOS
    }

    /// The sum, or `None` past the largest amount.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The sum, or the largest amount when that is less.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// What a task consumed, all of its attempts together, or one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    tokens: Tokens,
    cost: Usd,
    models: Vec<ModelUsage>,
}

/// Token counts of one task, each below a trillion, so that the sums of many
/// tasks fit 63 bits; the total may exceed the sum of the other two, because some
/// providers count reasoning or cached tokens apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    prompt: i64,
    completion: i64,
    total: i64,
}

impl Tokens {
    /// The largest count.
    pub const MAX: i64 = 1_000_000_000_000;

    /// Token counts; without `total` it is the sum of the others.
    ///
    /// # Errors
    /// [`InvalidValue`] when a count is negative or over a trillion.
    pub fn new(prompt: i64, completion: i64, total: Option<i64>) -> Result<Self, InvalidValue> {
        let total = total.unwrap_or_else(|| prompt.saturating_add(completion));
        for (field, count) in
            [("prompt_tokens", prompt), ("completion_tokens", completion), ("total_tokens", total)]
        {
            if !(0..=Self::MAX).contains(&count) {
                return Err(InvalidValue::new(field, "must be between 0 and 1000000000000"));
            }
        }
        Ok(Self { prompt, completion, total })
    }

    /// Tokens of what was sent to the model.
    pub const fn prompt(self) -> i64 {
        self.prompt
    }

    /// Tokens of what the model wrote.
    pub const fn completion(self) -> i64 {
        self.completion
    }

    /// All tokens.
    pub const fn total(self) -> i64 {
        self.total
    }

    /// The sums, or `None` past the largest counts.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let total = self.total.checked_add(other.total)?;
        Self::new(self.prompt + other.prompt, self.completion + other.completion, Some(total)).ok()
    }

    /// The sums, none of them past the largest count.
    pub fn saturating_add(self, other: Self) -> Self {
        let sum = |one: i64, two: i64| (one + two).min(Self::MAX);
        Self {
            prompt: sum(self.prompt, other.prompt),
            completion: sum(self.completion, other.completion),
            total: sum(self.total, other.total),
        }
    }
}

/// The share of one model in a task's usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelUsage {
    /// The model's name as its provider spells it.
    pub model: String,
    /// The provider's name.
    pub provider: String,
    /// How many times the model was called.
    pub executions: u32,
    /// Tokens of all these calls.
    pub tokens: Tokens,
    /// Price of all these calls.
    pub cost: Usd,
}

impl Usage {
    /// Totals, and optionally the share of each model. Several shares of one
    /// model are added together. Names have no NUL, which no store takes.
    pub fn new(tokens: Tokens, cost: Usd, models: Vec<ModelUsage>) -> Self {
        Self { tokens, cost, models: merged(models) }
    }

    /// The sum of both. No amount in it goes past the largest there is.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let mut models = self.models;
        models.extend(other.models);
        let cost = self.cost.saturating_add(other.cost);
        Self::new(self.tokens.saturating_add(other.tokens), cost, models)
    }

    /// Tokens of all calls.
    pub const fn tokens(&self) -> Tokens {
        self.tokens
    }

    /// Price of all calls.
    pub const fn cost(&self) -> Usd {
        self.cost
    }

    /// Each model's share; empty when the worker gave no breakdown.
    pub fn models(&self) -> &[ModelUsage] {
        &self.models
    }

    /// Whether nothing was consumed.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// One share for each model, in the order in which they come first.
fn merged(shares: Vec<ModelUsage>) -> Vec<ModelUsage> {
    let mut merged: Vec<ModelUsage> = Vec::with_capacity(shares.len());
    let mut places = HashMap::with_capacity(shares.len());
    for share in shares {
        let (model, provider) = (text::replace_nul(share.model), text::replace_nul(share.provider));
        let share = ModelUsage { model, provider, ..share };
        let place = places.entry((share.model.clone(), share.provider.clone()));
        match place.or_insert(merged.len()) {
            place if *place == merged.len() => merged.push(share),
            place => {
                if let Some(sum) = merged.get_mut(*place) {
                    sum.executions = sum.executions.saturating_add(share.executions);
                    sum.tokens = sum.tokens.saturating_add(share.tokens);
                    sum.cost = sum.cost.saturating_add(share.cost);
                }
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::{ModelUsage, Tokens, Usage, Usd};

    #[test]
    fn dollars_survive_the_way_through_nanos() {
        for dollars in [0.0, 0.0023, 0.006, 0.0462, 0.1 + 0.2, 123.456_789_012] {
            let usd = Usd::from_dollars(dollars).unwrap();
            assert!((usd.dollars() - dollars).abs() < 1e-9);
        }
        assert_eq!(Usd::from_dollars(0.0023).unwrap().dollars().to_string(), "0.0023");
    }

    #[test]
    fn impossible_amounts_are_refused() {
        for dollars in [-0.01, f64::NAN, f64::INFINITY, 1e300] {
            assert!(Usd::from_dollars(dollars).is_err(), "{dollars}");
        }
        assert!(Usd::from_nanos(-1).is_err());
    }

    #[test]
    fn a_missing_total_is_the_sum() {
        assert_eq!(Tokens::new(45, 105, None).unwrap().total(), 150);
        assert_eq!(Tokens::new(45, 105, Some(300)).unwrap().total(), 300);
        assert!(Tokens::new(i64::MAX, 1, None).is_err());
        assert!(Tokens::new(-1, 1, None).is_err());
    }

    #[test]
    fn tokens_add_up_to_the_largest_counts() {
        let tokens = Tokens::new(1, 2, Some(5)).unwrap();
        assert_eq!(tokens.checked_add(tokens), Tokens::new(2, 4, Some(10)).ok());
        let most = Tokens::new(0, 0, Some(Tokens::MAX)).unwrap();
        assert_eq!(most.checked_add(tokens), None);
    }

    #[test]
    fn names_of_models_are_free_of_nul() {
        let share = ModelUsage {
            model: "a\0".to_owned(),
            provider: "\0b".to_owned(),
            executions: 1,
            tokens: Tokens::default(),
            cost: Usd::default(),
        };
        let usage = Usage::new(Tokens::default(), Usd::default(), vec![share]);
        let [share] = usage.models() else { panic!("{usage:?}") };
        assert_eq!((share.model.as_str(), share.provider.as_str()), ("a\u{fffd}", "\u{fffd}b"));
    }

    #[test]
    fn what_two_attempts_consumed_adds_up_for_each_model() {
        let share = |model: &str, calls, nanos| ModelUsage {
            model: model.to_owned(),
            provider: "p".to_owned(),
            executions: calls,
            tokens: Tokens::new(1, 2, Some(4)).unwrap(),
            cost: Usd::from_nanos(nanos).unwrap(),
        };
        let usage = |total, nanos, models| {
            let tokens = Tokens::new(1, 2, Some(total)).unwrap();
            Usage::new(tokens, Usd::from_nanos(nanos).unwrap(), models)
        };
        let first = usage(8, 3, vec![share("m", 1, 1), share("n", 1, 2)]);
        let second = usage(8, 12, vec![share("n", 2, 4), share("o", 1, 8)]);
        let sum = first.plus(second);
        assert_eq!((sum.tokens().prompt(), sum.tokens().total(), sum.cost().nanos()), (2, 16, 15));
        let models = sum.models().iter().map(|it| (&*it.model, it.executions, it.cost.nanos()));
        assert_eq!(models.collect::<Vec<_>>(), [("m", 1, 1), ("n", 3, 6), ("o", 1, 8)]);

        let most = usage(Tokens::MAX, i64::MAX, vec![share("m", u32::MAX, i64::MAX)]);
        let sum = most.clone().plus(usage(5, 1, vec![share("m", 1, 1)]));
        assert_eq!((sum.tokens().total(), sum.cost()), (Tokens::MAX, most.cost()));
        assert_eq!((sum.models()[0].executions, sum.models()[0].cost), (u32::MAX, most.cost()));
    }
}
