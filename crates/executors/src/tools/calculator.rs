//! Calculates.
//!
//! It is written here because the crates for it either hang on a hostile
//! expression (a shift by 10^11 in one with numbers of any length) or read
//! `2^3^2`, `-2^2` and `1e5` otherwise than people do. This one takes a time in
//! proportion to the length of the text.

use crate::answerer::ToolSpec;

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "calculator",
    description: "Calculates. It knows numbers, + - * / % ^, parentheses, pi, e, and the \
                  functions sqrt, abs, round, floor, ceil, exp, ln, log10, log2, sin, cos, tan \
                  (of radians), min and max.",
    parameter: "expression",
    parameter_description: "What to calculate, such as (1200 - 950) / 950 * 100.",
};

/// The longest expression, in bytes.
const MOST_BYTES: usize = 1000;
/// How deep operators, functions and parentheses may lie in each other.
const DEEPEST: usize = 64;

/// The expression and its value, or why there is none.
pub(super) fn calculate(expression: &str) -> String {
    match value(expression) {
        Ok(value) => format!("{} = {}", expression.trim(), Shown(value)),
        Err(reason) => format!("this cannot be calculated: {reason}"),
    }
}

fn value(expression: &str) -> Result<f64, String> {
    if expression.len() > MOST_BYTES {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    let mut reader = Reader { rest: expression, depth: 0 };
    let value = reader.sum()?;
    match reader.peek() {
        Some(odd) => Err(format!("{odd:?} is not expected there")),
        None if value.is_finite() => Ok(value),
        None => Err("the value is no number, or too large a one".to_owned()),
    }
}

/// A number as people write it: to 15 digits, which is what a 64-bit float
/// holds for certain.
struct Shown(f64);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounded = format!("{:.14e}", self.0);
        match rounded.parse::<f64>() {
            Ok(value) if value == 0.0 || (1e-6..1e15).contains(&value.abs()) => {
                write!(f, "{}", value + 0.0)
            }
            Ok(value) => write!(f, "{value:e}"),
            Err(_) => f.write_str(&rounded),
        }
    }
}

/// Reads an expression from left to right and calculates as it goes.
struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    /// Products, added up.
    fn sum(&mut self) -> Result<f64, String> {
        let mut value = self.product()?;
        loop {
            value = match self.peek() {
                Some('+') => value + self.after('+')?.product()?,
                Some('-') => value - self.after('-')?.product()?,
                _ => return Ok(value),
            };
        }
    }

    /// Signed powers, multiplied.
    fn product(&mut self) -> Result<f64, String> {
        let mut value = self.signed()?;
        loop {
            value = match self.peek() {
                Some('*') => value * self.after('*')?.signed()?,
                Some('/') => match self.after('/')?.signed()? {
                    0.0 => return Err("it divides by zero".to_owned()),
                    divisor => value / divisor,
                },
                Some('%') => match self.after('%')?.signed()? {
                    0.0 => return Err("it divides by zero".to_owned()),
                    divisor => value % divisor,
                },
                _ => return Ok(value),
            };
        }
    }

    /// A power, with signs before it: they bind less than the power does.
    fn signed(&mut self) -> Result<f64, String> {
        self.deeper(|reader| match reader.peek() {
            Some('-') => Ok(-reader.after('-')?.signed()?),
            Some('+') => reader.after('+')?.signed(),
            _ => reader.power(),
        })
    }

    /// A base with its exponent, which may be a power again.
    fn power(&mut self) -> Result<f64, String> {
        let base = self.atom()?;
        match self.peek() {
            Some('^') => Ok(base.powf(self.after('^')?.signed()?)),
            _ => Ok(base),
        }
    }

    /// A number, a name, or something in parentheses.
    fn atom(&mut self) -> Result<f64, String> {
        match self.peek() {
            Some('(') => {
                let value = self.after('(')?.sum()?;
                self.after(')')?;
                Ok(value)
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_ascii_alphabetic() => self.name(),
            Some(odd) => Err(format!("{odd:?} is not expected there")),
            None => Err("something is missing at its end".to_owned()),
        }
    }

    fn number(&mut self) -> Result<f64, String> {
        let digits = |text: &str| text.len() - text.trim_start_matches(is_digit).len();
        let mut end = digits(self.rest);
        // An exponent, unless the letter begins something else.
        let tail = self.rest.get(end..).unwrap_or_default();
        if let Some(exponent) = tail.strip_prefix(['e', 'E']) {
            let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if unsigned.starts_with(|c: char| c.is_ascii_digit()) {
                let length = unsigned.len() - unsigned.trim_start_matches(is_ascii_digit).len();
                end += tail.len() - unsigned.len() + length;
            }
        }
        let text = self.take(end);
        text.replace('_', "").parse().map_err(|_| format!("{text} is not a number"))
    }

    fn name(&mut self) -> Result<f64, String> {
        let end = self.rest.len() - self.rest.trim_start_matches(is_alphanumeric).len();
        let name = self.take(end).to_ascii_lowercase();
        match name.as_str() {
            "pi" => Ok(std::f64::consts::PI),
            "e" => Ok(std::f64::consts::E),
            _ => self.function(&name),
        }
    }

    fn function(&mut self, name: &str) -> Result<f64, String> {
        let unknown = || format!("{name} is not known");
        if self.peek() != Some('(') {
            return Err(unknown());
        }
        let mut values = vec![self.after('(')?.sum()?];
        while self.peek() == Some(',') {
            values.push(self.after(',')?.sum()?);
        }
        self.after(')')?;
        match (name, values.as_slice()) {
            ("min", values) => Ok(values.iter().copied().fold(f64::INFINITY, f64::min)),
            ("max", values) => Ok(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            (_, &[value]) => unary(name).map(|function| function(value)).ok_or_else(unknown),
            _ => Err(unary(name).map_or_else(unknown, |_| format!("{name} takes one number"))),
        }
    }

    /// The next character that is not space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    /// Goes on behind a character that has to be there.
    fn after(&mut self, c: char) -> Result<&mut Self, String> {
        self.rest = self
            .rest
            .trim_start()
            .strip_prefix(c)
            .ok_or_else(|| format!("{c:?} is missing somewhere"))?;
        Ok(self)
    }

    fn take(&mut self, end: usize) -> String {
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken.to_owned()
    }

    /// Reads what lies inside something else. All that nests goes through here.
    fn deeper(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<f64, String>,
    ) -> Result<f64, String> {
        if self.depth == DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '.' | '_')
}

fn is_ascii_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn unary(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "sqrt" => f64::sqrt,
        "abs" => f64::abs,
        "round" => f64::round,
        "floor" => f64::floor,
        "ceil" => f64::ceil,
        "exp" => f64::exp,
        "ln" => f64::ln,
        "log10" | "log" => f64::log10,
        "log2" => f64::log2,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::calculate;
    use proptest::{prelude::any, proptest};
    use std::time::{Duration, Instant};

    #[test]
    fn it_calculates_as_people_do() {
        for (expression, value) in [
            ("1 + 2 * 3", "7"),
            ("(1 + 2) * 3", "9"),
            ("0.1 + 0.2", "0.3"),
            ("100 / 3", "33.3333333333333"),
            ("2^3^2", "512"),
            ("-2^2", "-4"),
            ("2^-1", "0.5"),
            ("7 % 4 - -1", "4"),
            ("1e5 + 1.5E-3", "100000.0015"),
            ("1_000_000 / 4", "250000"),
            ("2 * pi", "6.28318530717959"),
            ("sqrt(2) ^ 2", "2"),
            ("max(1, min(5, 9), 3)", "5"),
            ("round(2.5) + log10(1000) + ln(e)", "7"),
            ("2 ^ 64", "1.84467440737096e19"),
            ("0 * -1", "0"),
        ] {
            assert_eq!(calculate(expression), format!("{expression} = {value}"));
        }
    }

    #[test]
    fn what_is_no_expression_is_answered_by_a_sentence() {
        let mut said = String::new();
        for expression in [
            "",
            "1 +",
            "(1",
            "1)",
            "1 2",
            "1.2.3",
            "2(3)",
            "x + 1",
            "system(1)",
            "sqrt(1, 2)",
            "1 / 0",
            "1 % (1 - 1)",
            "sqrt(-1)",
            "9^9^9^9",
            "１＋１",
            "日本",
        ] {
            said.push_str(&format!("{expression}: {}\n", calculate(expression)));
        }
        insta::assert_snapshot!(said, @r#"
        : this cannot be calculated: something is missing at its end
        1 +: this cannot be calculated: something is missing at its end
        (1: this cannot be calculated: ')' is missing somewhere
        1): this cannot be calculated: ')' is not expected there
        1 2: this cannot be calculated: '2' is not expected there
        1.2.3: this cannot be calculated: 1.2.3 is not a number
        2(3): this cannot be calculated: '(' is not expected there
        x + 1: this cannot be calculated: x is not known
        system(1): this cannot be calculated: system is not known
        sqrt(1, 2): this cannot be calculated: sqrt takes one number
        1 / 0: this cannot be calculated: it divides by zero
        1 % (1 - 1): this cannot be calculated: it divides by zero
        sqrt(-1): this cannot be calculated: the value is no number, or too large a one
        9^9^9^9: this cannot be calculated: the value is no number, or too large a one
        １＋１: this cannot be calculated: '１' is not expected there
        日本: this cannot be calculated: '日' is not expected there
        "#);
    }

    #[test]
    fn a_hostile_expression_is_soon_refused() {
        let began = Instant::now();
        for expression in [
            "(".repeat(999),
            "-".repeat(999) + "1",
            "2^".repeat(499) + "2",
            "sqrt(".repeat(199),
            "1".repeat(1000),
            "1+".repeat(499) + "1",
            "1e999999999".to_owned(),
            "(".repeat(10_000_000),
        ] {
            calculate(&expression);
        }
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in any::<String>(), sum in "[0-9.e+*/^%(), a-z-]{0,80}") {
            calculate(&text);
            calculate(&sum);
        }
    }
}
