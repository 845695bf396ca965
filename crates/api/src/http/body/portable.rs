//! JSON that every reader takes, not only one that passes text on.

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// Checks that JSON text is well formed, that its strings are Unicode text and
/// that its numbers are finite in 64-bit floating point.
///
/// # Errors
/// A sentence with the first place that breaks a rule.
pub(super) fn check(text: &str) -> Result<(), String> {
    let Err(error) = serde_json::from_str::<Portable>(text) else { return Ok(()) };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Err(error.to_string());
    }
    // It has the form of JSON, so what is wrong is the meaning of a part.
    let why = if error.to_string().starts_with("number") {
        "a number beyond the range of 64-bit floating point"
    } else {
        "a string with half of a surrogate pair"
    };
    Err(format!("{why} at line {} column {}", error.line(), error.column()))
}

/// A JSON value that is read to its end and not kept.
struct Portable;

impl<'de> Deserialize<'de> for Portable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Portable {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self, A::Error> {
        while array.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn numbers_keep_their_spelling_and_may_be_long() {
        for text in [
            "123456789012345678901234567890",
            "1.0e+2",
            "1e-999",
            "1.7976931348623157e308",
            r#"{"\ud83d\ude00":["\u0000",null,true]}"#,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_strict_readers_refuse_is_named_with_its_place() {
        let number = "a number beyond the range of 64-bit floating point";
        let string = "a string with half of a surrogate pair";
        for (text, why) in [
            ("[1e999]", number),
            ("[-1e400]", number),
            (r#"["\ud800"]"#, string),
            (r#"["\ud800x"]"#, string),
            (r#"["\udc00"]"#, string),
            (r#"["\ud800\ud800"]"#, string),
            (r#"[{"\udfff":1}]"#, string),
        ] {
            let refusal = check(text).unwrap_err();
            assert!(refusal.starts_with(&format!("{why} at line 1 column ")), "{text}: {refusal}");
        }
        let digits = "9".repeat(400);
        assert!(check(&digits).unwrap_err().starts_with(number));
    }
}
