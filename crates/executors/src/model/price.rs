//! What models cost.

use std::{collections::HashMap, str::FromStr};
use taskgate_domain::{
    error::InvalidValue,
    usage::{Tokens, Usd},
};

/// What models cost, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prices(HashMap<String, Price>);

/// What a model costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// A million tokens of what is sent.
    pub input: Usd,
    /// A million tokens of what the model writes.
    pub output: Usd,
}

const MILLION: i128 = 1_000_000;

impl Prices {
    /// What a model costs: nothing when it is not listed.
    pub fn of(&self, model: &str) -> Price {
        self.0.get(model).copied().unwrap_or_default()
    }

    /// Whether other models have a price, and this one has none.
    pub(super) fn lack(&self, model: &str) -> bool {
        !self.0.is_empty() && !self.0.contains_key(model)
    }
}

impl FromStr for Prices {
    type Err = InvalidValue;

    /// Reads `MODEL=IN/OUT` with commas between: dollars for a million tokens.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(entry).collect::<Option<_>>().map(Self).ok_or_else(|| {
            InvalidValue::new(
                "model_prices",
                "must be MODEL=IN/OUT with commas between, in dollars for a million tokens with \
                 at most 9 decimals, such as gpt-5-mini=0.25/2",
            )
        })
    }
}

fn entry(text: &str) -> Option<(String, Price)> {
    // Names hold slashes, and may hold equals signs.
    let (model, prices) = text.rsplit_once('=')?;
    let (input, output) = prices.split_once('/')?;
    let model = model.trim();
    if model.is_empty() {
        return None;
    }
    Some((model.to_owned(), Price { input: dollars(input)?, output: dollars(output)? }))
}

/// Decimal dollars, exactly.
fn dollars(text: &str) -> Option<Usd> {
    const DECIMALS: usize = 9;
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > DECIMALS {
        return None;
    }
    format!("{whole}{fraction:0<DECIMALS$}")
        .parse()
        .ok()
        .and_then(|nanos| Usd::from_nanos(nanos).ok())
}

impl Price {
    /// What so many tokens cost, to the nearest billionth of a dollar.
    pub(super) fn cost(self, tokens: Tokens) -> Usd {
        usd((self.millionths(tokens.prompt(), tokens.completion()) + MILLION / 2) / MILLION)
    }

    /// How many tokens may be written for this much money after so many were
    /// sent, if that is bounded at all; negative when already those cost more.
    pub(super) fn affordable(self, money: Usd, sent: i64) -> Option<i64> {
        let left = i128::from(money.nanos()) * MILLION - self.millionths(sent, 0);
        if left < 0 {
            return Some(-1);
        }
        let count = left.checked_div(i128::from(self.output.nanos()))?;
        Some(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Millionths of a billionth of a dollar.
    fn millionths(self, sent: i64, written: i64) -> i128 {
        i128::from(sent) * i128::from(self.input.nanos())
            + i128::from(written) * i128::from(self.output.nanos())
    }
}

fn usd(nanos: i128) -> Usd {
    Usd::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Price, Prices};
    use taskgate_domain::usage::{Tokens, Usd};

    fn nanos(nanos: i64) -> Usd {
        Usd::from_nanos(nanos).unwrap()
    }

    #[test]
    fn prices_are_read_exactly() {
        let prices: Prices =
            "gpt-5-mini=0.25/2, meta-llama/Llama-3.3-70B=0.0000375/.5".parse().unwrap_or_default();
        assert_eq!(prices, Prices::default(), "a number begins with a digit");

        let prices: Prices = "gpt-5-mini=0.25/2, org/model:8b=0.037500001/0.1,".parse().unwrap();
        assert_eq!(
            prices.of("gpt-5-mini"),
            Price { input: nanos(250_000_000), output: nanos(2_000_000_000) }
        );
        assert_eq!(
            prices.of("org/model:8b"),
            Price { input: nanos(37_500_001), output: nanos(100_000_000) }
        );
        assert_eq!(prices.of("unknown"), Price::default());
        assert_eq!("".parse(), Ok(Prices::default()));
    }

    #[test]
    fn what_is_no_price_list_is_refused() {
        for text in ["gpt", "gpt=1", "=1/2", "gpt=a/b", "gpt=-1/2", "gpt=1/0.1234567891", "g=1/2/3"]
        {
            assert!(text.parse::<Prices>().is_err(), "{text}");
        }
    }

    #[test]
    fn cost_is_rounded_once_for_each_call() {
        let price = Price { input: nanos(37_500_001), output: nanos(100_000_000) };
        let tokens = |prompt, completion| Tokens::new(prompt, completion, None).unwrap();
        assert_eq!(price.cost(tokens(1000, 500)), nanos(37_500 + 50_000));
        assert_eq!(price.cost(tokens(1, 0)), nanos(38));
        assert_eq!(price.cost(tokens(0, 0)), Usd::ZERO);
        let dear = Price { input: nanos(i64::MAX), output: nanos(i64::MAX) };
        assert_eq!(dear.cost(tokens(1_000_000_000_000, 0)), nanos(i64::MAX));
    }

    #[test]
    fn money_bounds_what_may_be_written() {
        let price = Price { input: nanos(1_000_000_000), output: nanos(2_000_000_000) };
        assert_eq!(price.affordable(nanos(10_000), 4), Some(3));
        assert_eq!(price.affordable(nanos(4_000), 4), Some(0));
        assert_eq!(price.affordable(nanos(3_999), 4), Some(-1));
        assert_eq!(Price::default().affordable(Usd::ZERO, 4), None);
    }
}
