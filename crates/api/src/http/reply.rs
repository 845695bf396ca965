//! Values as the wire spells them, the same on every face.

use chrono::{DateTime, SecondsFormat, Timelike, Utc};
use serde::{Serialize, Serializer};

/// A time as `YYYY-MM-DDThh:mm:ss[.ffffff]Z`. The fraction is left out when it
/// is zero; with six digits, every client's parser takes it (gateway contract,
/// 0.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = self.0.nanosecond() / 1_000 == 0;
        let fraction = if whole { SecondsFormat::Secs } else { SecondsFormat::Micros };
        // A page has forty of them: this is several times as fast as `format`.
        serializer.serialize_str(&self.0.to_rfc3339_opts(fraction, true))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn a_zero_fraction_is_left_out() {
        let text = |time: &str| serde_json::to_string(&Timestamp(time.parse().unwrap())).unwrap();
        assert_eq!(text("2025-10-22T10:30:00Z"), r#""2025-10-22T10:30:00Z""#);
        assert_eq!(text("2025-10-22T10:30:00.000001Z"), r#""2025-10-22T10:30:00.000001Z""#);
        assert_eq!(text("2025-10-22T10:30:00.0000009Z"), r#""2025-10-22T10:30:00Z""#);
        assert_eq!(text("2025-10-22T12:30:00.5+02:00"), r#""2025-10-22T10:30:00.500000Z""#);
    }
}
