//! Submitting a task.

use crate::{
    error::InvalidValue,
    id::{TaskId, UserId},
    task::{Owner, Task, work::Work},
    text,
};
use chrono::{DateTime, Datelike, Duration, SubsecRound, Utc};
use sha2::{Digest, Sha256};

/// A task on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// Its id, made by the caller so that a submit whose answer was lost can
    /// be looked up.
    pub id: TaskId,
    /// Whom it will belong to.
    pub owner: Owner,
    /// What it asks for.
    pub work: Work,
    /// When and how often to run it.
    pub options: SubmitOptions,
    /// Makes a repeated request find the first one's task.
    pub idempotency: Option<IdempotencyKey>,
}

/// The longest timeout: 366 days.
const MAX_TIMEOUT_SECONDS: i64 = 366 * 86_400;

/// When and how often to run a task. The default is at once, in the order of
/// submission, three times at most, without a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitOptions {
    priority: i16,
    run_after: Option<DateTime<Utc>>,
    timeout: Option<Duration>,
    max_attempts: i32,
    total: i64,
    unique_key: Option<String>,
}

impl Default for SubmitOptions {
    fn default() -> Self {
        Self {
            priority: 0,
            run_after: None,
            timeout: None,
            max_attempts: 3,
            total: 0,
            unique_key: None,
        }
    }
}

impl SubmitOptions {
    /// Runs the task before those of a lower priority, −1000 to 1000.
    ///
    /// # Errors
    /// [`InvalidValue`] outside that range.
    pub fn with_priority(self, priority: i64) -> Result<Self, InvalidValue> {
        in_range("priority", priority, -1_000, 1_000).map(|priority| Self { priority, ..self })
    }

    /// Keeps the task queued until then.
    ///
    /// # Errors
    /// [`InvalidValue`] outside the years 1970 to 9997: with the longest timeout
    /// the deadline still has a year of four digits, as RFC 3339 demands.
    pub fn with_run_after(self, at: DateTime<Utc>) -> Result<Self, InvalidValue> {
        if at.timestamp() < 0 || at.year() > 9997 {
            return Err(InvalidValue::new("run_after", "must lie in the years 1970 to 9997"));
        }
        Ok(Self { run_after: Some(at.trunc_subsecs(6)), ..self })
    }

    /// Ends the task as timed out when it has not ended so many seconds after
    /// its submission, or after `run_after` if that is later: 1 second to 366
    /// days. The time includes waiting and every attempt.
    ///
    /// # Errors
    /// [`InvalidValue`] outside that range.
    pub fn with_timeout_seconds(self, seconds: i64) -> Result<Self, InvalidValue> {
        let seconds: i64 = in_range("timeout_seconds", seconds, 1, MAX_TIMEOUT_SECONDS)?;
        Ok(Self { timeout: Some(Duration::seconds(seconds)), ..self })
    }

    /// Gives the task up after so many attempts, 1 to 100.
    ///
    /// # Errors
    /// [`InvalidValue`] outside that range.
    pub fn with_max_attempts(self, attempts: i64) -> Result<Self, InvalidValue> {
        in_range("max_attempts", attempts, 1, 100).map(|max_attempts| Self { max_attempts, ..self })
    }

    /// Tells beforehand how many steps the task has.
    ///
    /// # Errors
    /// [`InvalidValue`] when negative.
    pub fn with_total(self, total: i64) -> Result<Self, InvalidValue> {
        in_range("total", total, 0, i64::MAX).map(|total| Self { total, ..self })
    }

    /// Lets only one live task of the project carry this key, 1 to 200
    /// characters: a second submit finds the first one's task instead.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is empty, too long or has control characters.
    pub fn with_unique_key(self, key: String) -> Result<Self, InvalidValue> {
        text::check_label("unique_key", &key, 1, 200)?;
        Ok(Self { unique_key: Some(key), ..self })
    }

    /// Tasks of a higher priority run first.
    pub const fn priority(&self) -> i16 {
        self.priority
    }

    /// When the task may run at the earliest, at microsecond precision.
    pub const fn run_after(&self) -> Option<DateTime<Utc>> {
        self.run_after
    }

    /// How long the task may take from submission or `run_after`.
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// How often the task may be claimed.
    pub const fn max_attempts(&self) -> i32 {
        self.max_attempts
    }

    /// Number of steps, 0 if unknown.
    pub const fn total(&self) -> i64 {
        self.total
    }

    /// The key that one live task of the project may carry.
    pub fn unique_key(&self) -> Option<&str> {
        self.unique_key.as_deref()
    }
}

fn in_range<T: TryFrom<i64>>(
    field: &'static str,
    value: i64,
    min: i64,
    max: i64,
) -> Result<T, InvalidValue> {
    (min..=max)
        .contains(&value)
        .then(|| T::try_from(value).ok())
        .flatten()
        .ok_or_else(|| InvalidValue::new(field, format!("must be between {min} and {max}")))
}

/// The identity of one request: who sent what where, under which key.
///
/// Requests that differ in any of these are independent (gateway contract,
/// section 0.4). The store keeps an identity for 24 hours, in the transaction
/// of the change that the request made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey([u8; 32]);

impl IdempotencyKey {
    /// The longest client key, in characters.
    pub const MAX_CLIENT_KEY: usize = 255;

    /// The identity of a request.
    ///
    /// # Errors
    /// [`InvalidValue`] when the client's key is empty, longer than 255
    /// characters or has control characters.
    pub fn derive(
        client_key: &str,
        user: UserId,
        path: &str,
        body: &[u8],
    ) -> Result<Self, InvalidValue> {
        text::check_label("Idempotency-Key", client_key, 1, Self::MAX_CLIENT_KEY)?;
        let mut hash = Sha256::new();
        for part in [client_key.as_bytes(), user.0.as_bytes(), path.as_bytes(), body] {
            // The digest of each part has a fixed length, so no two different
            // requests run together into the same bytes.
            hash.update(Sha256::digest(part));
        }
        Ok(Self(hash.finalize().into()))
    }

    /// The 256 bits of the identity.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What came of a submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The task that the request stands for.
    pub task: Task,
    /// Whether this request made it.
    pub kind: SubmissionKind,
}

/// Whether a submit made its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmissionKind {
    /// This request made it.
    Created,
    /// An earlier request with the same [`IdempotencyKey`] made it.
    Replayed,
    /// A live task of the project already carries the unique key.
    Duplicate,
}

#[cfg(test)]
mod tests {
    use super::{IdempotencyKey, MAX_TIMEOUT_SECONDS, SubmitOptions};
    use crate::id::UserId;
    use chrono::{DateTime, Datelike, Utc};

    #[test]
    fn options_outside_their_range_are_refused() {
        let options = SubmitOptions::default;
        assert!(options().with_priority(1_001).is_err());
        assert!(options().with_max_attempts(0).is_err());
        assert!(options().with_timeout_seconds(i64::MAX).is_err());
        assert!(options().with_total(-1).is_err());
        assert!(options().with_unique_key(String::new()).is_err());
        assert_eq!(options().with_priority(-5).unwrap().priority(), -5);
        assert_eq!(
            options().with_max_attempts(101).unwrap_err().to_string(),
            "max_attempts must be between 1 and 100"
        );
    }

    #[test]
    fn the_latest_deadline_has_a_year_of_four_digits() {
        let start = |text: &str| {
            let at: DateTime<Utc> = text.parse().unwrap();
            SubmitOptions::default().with_run_after(at)
        };
        let latest = start("9997-12-31T23:59:59.999999Z").unwrap();
        let latest = latest.with_timeout_seconds(MAX_TIMEOUT_SECONDS).unwrap();
        let deadline = latest.run_after().unwrap() + latest.timeout().unwrap();
        assert_eq!(deadline.year(), 9999);
        assert_eq!(
            start("9998-01-01T00:00:00Z").unwrap_err().to_string(),
            "run_after must lie in the years 1970 to 9997"
        );
        assert!(start("1970-01-01T00:00:00Z").is_ok());
        assert!(start("1969-12-31T23:59:59.9Z").is_err());
    }

    #[test]
    fn requests_that_differ_anywhere_are_independent() {
        let key = |client: &str, path: &str, body: &[u8]| {
            IdempotencyKey::derive(client, UserId::DEFAULT, path, body).unwrap()
        };
        assert_eq!(key("a", "/b", b"c"), key("a", "/b", b"c"));
        assert_ne!(key("a", "/b", b"c"), key("a", "/", b"bc"));
        assert_ne!(key("a", "/b", b"c"), key("a/", "b", b"c"));
        assert!(IdempotencyKey::derive("", UserId::DEFAULT, "/", b"").is_err());
    }
}
