//! The members of a task's context, read and set without touching the rest.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use std::fmt;
use taskgate_domain::{error::InvalidValue, json::JsonObject};

/// A JSON object as its members in their order, each as it was written.
pub(super) struct Context<'a> {
    text: &'a str,
    members: Vec<(&'a RawValue, &'a RawValue)>,
}

impl<'a> Context<'a> {
    /// Takes the text of a JSON object.
    ///
    /// # Errors
    /// [`InvalidValue`] for anything else.
    pub(super) fn read(text: &'a str) -> Result<Self, InvalidValue> {
        let Members(members) = serde_json::from_str(text)
            .map_err(|_| InvalidValue::new("context", "must be a JSON object"))?;
        Ok(Self { text, members })
    }

    /// A member's value, unless it is an array or object, which no rule here asks
    /// for and which may be large; of members with the same name the last, as for
    /// most readers of JSON.
    fn get(&self, name: &str) -> Option<Value> {
        let (_, value) = self.members.iter().rev().find(|(key, _)| is_named(key, name))?;
        let text = value.get();
        (!text.starts_with(['[', '{'])).then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// Whether a member stands for yes: true, a number but zero, or one of the
    /// texts that clients send for true.
    pub(super) fn is_truthy(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Bool(yes)) => yes,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => {
                ["true", "1", "yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes))
            }
            _ => false,
        }
    }

    /// Whether a member is a text that is not empty.
    pub(super) fn has_text(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::String(text)) if !text.is_empty())
    }

    /// The object with these members set. The others keep their bytes; with
    /// nothing to set, so does the whole text.
    ///
    /// # Errors
    /// None: the parts of an object make an object.
    pub(super) fn with(&self, set: &[(&'static str, Value)]) -> Result<JsonObject, InvalidValue> {
        if set.is_empty() {
            return JsonObject::parse("context", self.text.to_owned());
        }
        let mut text = String::with_capacity(self.text.len());
        let mut push = |key: &str, value: &str| {
            let before = if text.is_empty() { "{" } else { "," };
            text.extend([before, key, ":", value]);
        };
        for (key, value) in &self.members {
            if !set.iter().any(|(name, _)| is_named(key, name)) {
                push(key.get(), value.get());
            }
        }
        for (name, value) in set {
            push(&format!("\"{name}\""), &value.to_string());
        }
        text.push('}');
        JsonObject::parse("context", text)
    }
}

fn is_named(key: &RawValue, name: &str) -> bool {
    let key = key.get();
    // There can be millions of members, and hardly any name is escaped.
    if key.contains('\\') {
        return serde_json::from_str::<String>(key).is_ok_and(|key| key == name);
    }
    key.strip_prefix('"').and_then(|key| key.strip_suffix('"')) == Some(name)
}

struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::Context;
    use proptest::prelude::{Just, Strategy, prop, prop_assert_eq, prop_oneof, proptest};
    use serde_json::{Map, Value, json};

    fn set(text: &str, members: &[(&'static str, Value)]) -> String {
        Context::read(text).unwrap().with(members).unwrap().as_str().to_owned()
    }

    #[test]
    fn nothing_set_changes_no_byte() {
        let text = "{ \"a\" : 1.0e+2 ,\"a\":\"\\u0000\" }";
        assert_eq!(set(text, &[]), text);
    }

    #[test]
    fn what_is_not_set_keeps_its_bytes() {
        let text = r#"{"big":123456789012345678901234567890.10,"m\u006fde":1,"x":{ "é":"\u00e9"}}"#;
        assert_eq!(
            set(text, &[("mode", json!("y")), ("n", json!(5))]),
            r#"{"big":123456789012345678901234567890.10,"x":{ "é":"\u00e9"},"mode":"y","n":5}"#
        );
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        assert!(Context::read(r#"{"a":false,"a":"TRUE"}"#).unwrap().is_truthy("a"));
        assert_eq!(set(r#"{"a":1,"b":2,"a":3}"#, &[("a", json!(4))]), r#"{"b":2,"a":4}"#);
    }

    #[test]
    fn truth_has_several_spellings() {
        for (value, truth) in [
            ("true", true),
            ("1", true),
            ("0.5", true),
            ("\"Yes\"", true),
            ("false", false),
            ("0", false),
            ("\"\"", false),
            ("null", false),
            ("[1]", false),
        ] {
            let text = format!(r#"{{"flag":{value}}}"#);
            assert_eq!(Context::read(&text).unwrap().is_truthy("flag"), truth, "{value}");
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            proptest::prelude::any::<bool>().prop_map(Value::from),
            proptest::prelude::any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop::collection::vec(inner, 0..4).prop_map(Value::from)
        })
    }

    proptest! {
        #[test]
        fn setting_a_member_is_inserting_it(
            members in prop::collection::btree_map("(mode|tier|.*)", json_value(), 0..6),
            value in json_value(),
        ) {
            let mut object: Map<String, Value> = members.into_iter().collect();
            let text = Value::from(object.clone()).to_string();
            let written: Map<String, Value> =
                serde_json::from_str(&set(&text, &[("tier", value.clone())])).unwrap();
            object.insert("tier".to_owned(), value);
            prop_assert_eq!(written, object);
        }
    }
}
