//! Tokens and money.

use crate::error::InvalidValue;

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
    /// Above this a 64-bit float no longer tells neighbouring nano-dollars apart.
    const MAX_FLOAT: f64 = 9_000_000.0;

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
}

/// What one finished task consumed.
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
    const MAX: i64 = 1_000_000_000_000;

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
    /// A task's usage: totals, and optionally the share of each model.
    pub const fn new(tokens: Tokens, cost: Usd, models: Vec<ModelUsage>) -> Self {
        Self { tokens, cost, models }
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

#[cfg(test)]
mod tests {
    use super::{Tokens, Usd};

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
}
