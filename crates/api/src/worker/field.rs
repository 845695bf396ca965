//! Rules and forms of single fields, shared by the calls of this face.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;
use std::{fmt, marker::PhantomData, time::Duration};
use taskgate_domain::{error::InvalidValue, json::JsonObject};

/// A number between two bounds, in the type that the domain wants it in.
pub(super) fn in_range<T: TryFrom<i64>>(
    name: &'static str,
    value: i64,
    min: i64,
    max: i64,
) -> Result<T, InvalidValue> {
    T::try_from(value)
        .ok()
        .filter(|_| (min..=max).contains(&value))
        .ok_or_else(|| InvalidValue::new(name, format!("must be between {min} and {max}")))
}

/// The length of a lease.
pub(super) fn lease(seconds: i64) -> Result<Duration, InvalidValue> {
    in_range("lease_seconds", seconds, 5, 3_600).map(Duration::from_secs)
}

/// A JSON object, if one was sent, in the bytes it was sent in.
pub(super) fn object(
    name: &'static str,
    value: Option<Box<RawValue>>,
) -> Result<Option<JsonObject>, InvalidValue> {
    value.map(|raw| JsonObject::from_raw(name, raw)).transpose()
}

/// A struct that stands on the wire as an object, and as nothing else: serde
/// alone would also take an array for the members in order.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
