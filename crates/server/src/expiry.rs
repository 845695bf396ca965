//! When a key is to stop working, as an operator writes it.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// Reads an RFC 3339 time or a duration from `now`, such as `30d` or `12h`.
///
/// # Errors
/// The rule that the text breaks, as the rest of a sentence.
pub(crate) fn parse(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let end = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_utc()),
        Err(_) => {
            let duration = humantime::parse_duration(text).map_err(|_| {
                "must be a time such as 2030-01-31T00:00:00Z or a duration such as 30d".to_owned()
            })?;
            TimeDelta::from_std(duration).ok().and_then(|delta| now.checked_add_signed(delta))
        }
    };
    // Stores and RFC 3339 agree on years of four digits.
    let latest = DateTime::parse_from_rfc3339("9999-12-31T23:59:59Z").unwrap_or_default().to_utc();
    match end {
        Some(end) if end <= now => Err("must lie in the future".to_owned()),
        Some(end) if end <= latest => Ok(end),
        _ => Err("must lie before the year 10000".to_owned()),
    }
}

/// A time as tables and messages show it.
pub(crate) fn show(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::{parse, show};
    use chrono::{DateTime, Utc};

    fn parsed(text: &str) -> Result<String, String> {
        let now: DateTime<Utc> = "2030-01-01T00:00:00Z".parse().unwrap();
        parse(text, now).map(show)
    }

    #[test]
    fn a_time_is_taken_as_it_is_in_utc() {
        assert_eq!(parsed("2030-06-01T12:00:00+02:00").as_deref(), Ok("2030-06-01T10:00:00Z"));
    }

    #[test]
    fn a_duration_counts_from_now() {
        assert_eq!(parsed("30d").as_deref(), Ok("2030-01-31T00:00:00Z"));
        assert_eq!(parsed("1h 30m").as_deref(), Ok("2030-01-01T01:30:00Z"));
    }

    #[test]
    fn a_key_cannot_be_born_expired() {
        for text in ["0s", "2029-12-31T23:59:59Z", "2030-01-01T00:00:00Z"] {
            assert_eq!(parsed(text), Err("must lie in the future".to_owned()), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "soon", "30", "2030-01-01", "-1d"] {
            assert!(parsed(text).is_err_and(|rule| rule.starts_with("must be a time")), "{text}");
        }
        for text in ["8000y", "9999999999999y"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
