//! Rules and forms of single fields, shared by the calls of this face.

use serde_json::value::RawValue;
use std::time::Duration;
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
