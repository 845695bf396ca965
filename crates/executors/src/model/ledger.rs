//! What a step may consume, and what it has consumed.

use super::price::Price;
use crate::answerer::Allowance;
use taskgate_domain::usage::{Tokens, Usd};

/// What one step may consume, and what its calls have consumed.
#[derive(Debug)]
pub(super) struct Ledger {
    allowance: Allowance,
    price: Price,
    tokens: Tokens,
    cost: Usd,
}

impl Ledger {
    pub(super) fn new(allowance: Allowance, price: Price) -> Self {
        Self { allowance, price, tokens: Tokens::default(), cost: Usd::ZERO }
    }

    /// How many tokens an answer may have when so many are sent; `None` is
    /// without limit.
    ///
    /// # Errors
    /// A sentence that says of what there is too little even for an answer of
    /// one token.
    pub(super) fn room(&self, sent: i64) -> Result<Option<i64>, String> {
        let by_tokens = self
            .allowance
            .tokens
            .map(|allowed| allowed.saturating_sub(self.tokens.total()).saturating_sub(sent));
        if by_tokens.is_some_and(|room| room < 1) {
            return Err(format!(
                "the tokens that are left of the budget do not suffice for a call that sends {sent}"
            ));
        }
        let by_cost = self.allowance.cost.and_then(|allowed| {
            let left = allowed.nanos().saturating_sub(self.cost.nanos()).max(0);
            self.price.affordable(Usd::from_nanos(left).unwrap_or_default(), sent)
        });
        if by_cost.is_some_and(|room| room < 1) {
            return Err(format!(
                "the money that is left of the budget does not suffice for a call that sends \
                 {sent} tokens"
            ));
        }
        Ok([by_tokens, by_cost].into_iter().flatten().min())
    }

    /// Books what a call has consumed.
    pub(super) fn book(&mut self, tokens: Tokens) {
        self.tokens = self.tokens.checked_add(tokens).unwrap_or(self.tokens);
        self.cost = self.cost.checked_add(self.price.cost(tokens)).unwrap_or(self.cost);
    }

    /// The tokens of all calls.
    pub(super) const fn tokens(&self) -> Tokens {
        self.tokens
    }

    /// The price of all calls.
    pub(super) const fn cost(&self) -> Usd {
        self.cost
    }
}

/// About how many tokens a text has: one for four ASCII characters, one for
/// each other character. That is near the truth for English and a little above
/// it for Japanese; who has to stay below a budget should not guess too low.
pub(super) fn estimate(text: &str) -> i64 {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let other = text.chars().filter(|char| !char.is_ascii()).count();
    i64::try_from(ascii.div_ceil(4) + other).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Ledger, estimate};
    use crate::{answerer::Allowance, model::price::Price};
    use taskgate_domain::usage::{Tokens, Usd};

    fn usd(nanos: i64) -> Usd {
        Usd::from_nanos(nanos).unwrap()
    }

    #[test]
    fn tokens_are_guessed_by_characters() {
        assert_eq!(estimate(""), 0);
        assert_eq!(estimate("words"), 2);
        assert_eq!(estimate("課金 ok"), 3);
    }

    #[test]
    fn the_narrower_budget_bounds_an_answer() {
        let price = Price { input: usd(1_000_000_000), output: usd(1_000_000_000) };
        let room = |tokens, cost: Option<i64>| {
            Ledger::new(Allowance { tokens, cost: cost.map(usd) }, price).room(10)
        };
        assert_eq!(room(None, None), Ok(None));
        assert_eq!(room(Some(100), None), Ok(Some(90)));
        assert_eq!(room(Some(100), Some(50_000)), Ok(Some(40)));
        assert!(room(Some(10), None).unwrap_err().contains("the tokens that are left"));
        assert!(room(Some(100), Some(10_000)).unwrap_err().contains("the money that is left"));
    }

    #[test]
    fn what_was_consumed_is_no_longer_there() {
        let price = Price { input: usd(1_000_000_000), output: usd(2_000_000_000) };
        let mut ledger =
            Ledger::new(Allowance { tokens: Some(100), cost: Some(usd(100_000)) }, price);
        ledger.book(Tokens::new(10, 20, None).unwrap());
        ledger.book(Tokens::new(10, 0, Some(15)).unwrap());
        assert_eq!(ledger.tokens(), Tokens::new(20, 20, Some(45)).unwrap());
        assert_eq!(ledger.cost(), usd(60_000));
        assert_eq!(ledger.room(10), Ok(Some(15)));
    }

    #[test]
    fn what_costs_nothing_is_not_bounded_by_money() {
        let allowance = Allowance { tokens: None, cost: Some(Usd::ZERO) };
        assert_eq!(Ledger::new(allowance, Price::default()).room(1000), Ok(None));
    }
}
