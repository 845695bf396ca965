//! JSON that passes through unchanged.

use crate::error::InvalidValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

/// A JSON object kept as the text it was written in.
///
/// What a client or worker attaches to a task is opaque here: key order,
/// number spelling and unknown members all survive storage.
#[derive(Debug, Clone)]
pub struct JsonObject(Box<RawValue>);

impl JsonObject {
    /// Takes JSON text that must be an object.
    ///
    /// # Errors
    /// [`InvalidValue`] naming `field` when the text is not a JSON object.
    pub fn parse(field: &'static str, text: String) -> Result<Self, InvalidValue> {
        let raw = RawValue::from_string(text)
            .map_err(|_| InvalidValue::new(field, "must be a JSON object"))?;
        Self::from_raw(field, raw)
    }

    /// Takes a parsed value that must be an object.
    ///
    /// # Errors
    /// [`InvalidValue`] naming `field` when the value is of another type.
    pub fn from_raw(field: &'static str, raw: Box<RawValue>) -> Result<Self, InvalidValue> {
        if raw.get().trim_start().starts_with('{') {
            Ok(Self(raw))
        } else {
            Err(InvalidValue::new(field, "must be a JSON object"))
        }
    }

    /// The text of the object.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The text of a top-level member, if there is one of this name.
    pub fn member(&self, name: &str) -> Option<Box<RawValue>> {
        serde_json::from_str::<std::collections::HashMap<String, Box<RawValue>>>(self.as_str())
            .ok()?
            .remove(name)
    }
}

impl PartialEq for JsonObject {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for JsonObject {}

impl Serialize for JsonObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_raw("value", raw).map_err(D::Error::custom)
    }
}
