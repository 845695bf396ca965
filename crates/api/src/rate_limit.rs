//! The rate limit of a key: a sliding log, exact in every window.
//!
//! Fixed windows would let twice the limit through at their edges, and a token
//! bucket would refuse traffic that keeps both limits. One log of at most 100
//! times answers for the minute and, by its 20th newest entry, for the second.

use crate::http::error::ApiError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use taskgate_domain::id::KeyId;

/// A number of requests allowed in any stretch of time of this length.
struct Window {
    name: &'static str,
    length: Duration,
    limit: usize,
}

const MINUTE: Window = Window { name: "minute", length: Duration::from_secs(60), limit: 100 };
const SECOND: Window = Window { name: "second", length: Duration::from_secs(1), limit: 20 };

/// Where a key stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// How many more requests the minute takes.
    remaining: usize,
    /// How long until it takes more: a counted request leaves the window.
    reset: Duration,
}

impl Quota {
    /// Writes the headers that clients read (gateway contract, 0.3).
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let reset = whole_seconds(now.saturating_add(self.reset));
        for (name, value) in [
            (HeaderName::from_static("x-ratelimit-limit-minute"), HeaderValue::from(MINUTE.limit)),
            (
                HeaderName::from_static("x-ratelimit-remaining-minute"),
                HeaderValue::from(self.remaining),
            ),
            (HeaderName::from_static("x-ratelimit-reset"), HeaderValue::from(reset)),
        ] {
            headers.insert(name, value);
        }
    }
}

/// A request that is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal {
    window: &'static str,
    retry_after: Duration,
}

/// The times of one key's latest requests, the oldest first.
#[derive(Default)]
struct Log(VecDeque<Instant>);

impl Log {
    /// Counts a request, or refuses it and does not count it.
    fn admit(&mut self, now: Instant) -> (Quota, Result<(), Refusal>) {
        self.forget(now);
        let refusal = [MINUTE, SECOND]
            .iter()
            .filter_map(|window| {
                let oldest = *self.0.get(self.0.len().checked_sub(window.limit)?)?;
                let left = window.length.checked_sub(age(now, oldest))?;
                (!left.is_zero()).then_some(Refusal { window: window.name, retry_after: left })
            })
            .max_by_key(|refusal| refusal.retry_after);
        if refusal.is_none() {
            self.0.push_back(now);
        }
        let reset = match (refusal, self.0.front()) {
            (Some(refusal), _) => refusal.retry_after,
            (None, Some(oldest)) => MINUTE.length.saturating_sub(age(now, *oldest)),
            (None, None) => Duration::ZERO,
        };
        let quota = Quota { remaining: self.remaining(), reset };
        (quota, refusal.map_or(Ok(()), Err))
    }

    /// Drops the requests that have left the minute.
    fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|oldest| age(now, *oldest) >= MINUTE.length) {
            self.0.pop_front();
        }
    }

    fn remaining(&self) -> usize {
        MINUTE.limit.saturating_sub(self.0.len())
    }

    /// Whether the log says no more than an empty one.
    fn is_stale(&self, now: Instant) -> bool {
        self.0.back().is_none_or(|newest| age(now, *newest) >= MINUTE.length)
    }
}

/// How long ago a request was.
fn age(now: Instant, then: Instant) -> Duration {
    now.saturating_duration_since(then)
}

/// The whole seconds that a time takes, begun ones counted.
const fn whole_seconds(time: Duration) -> u64 {
    if time.subsec_nanos() == 0 { time.as_secs() } else { time.as_secs().saturating_add(1) }
}

/// The logs of all keys in this process. Keys that were silent for a minute
/// are forgotten each time the number of logs has doubled, so memory is bound
/// by twice the keys of a busy minute.
pub(crate) struct RateLimiter(Mutex<Logs>);

struct Logs {
    by_key: HashMap<KeyId, Log>,
    sweep_at: usize,
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self(Mutex::new(Logs { by_key: HashMap::new(), sweep_at: Self::SMALL }))
    }
}

impl RateLimiter {
    /// How many requests of a key a minute takes.
    pub(crate) const PER_MINUTE: usize = MINUTE.limit;

    /// Below so many logs no sweep is worth its time.
    const SMALL: usize = 1_024;

    /// Counts a request of this key.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`] when it is one too many; it is not counted.
    pub(crate) fn admit(&self, key: KeyId) -> (Quota, Result<(), ApiError>) {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that times enter each log in order.
        let (quota, answer) = logs.admit(key, Instant::now());
        let answer = answer.map_err(|refusal| ApiError::RateLimited {
            window: refusal.window,
            retry_after: whole_seconds(refusal.retry_after),
        });
        (quota, answer)
    }

    /// Counts what `old` has asked for as `new`'s, which stands in its place.
    pub(crate) fn inherit(&self, old: KeyId, new: KeyId) {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = logs.by_key.remove(&old) {
            logs.by_key.insert(new, log);
        }
    }

    /// How many more requests of this key the minute takes; counts nothing.
    pub(crate) fn remaining(&self, key: KeyId) -> usize {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logs.by_key.get_mut(&key).map_or(MINUTE.limit, |log| {
            log.forget(Instant::now());
            log.remaining()
        })
    }
}

#[cfg(test)]
impl RateLimiter {
    /// Uses up a key's minute, so that it stays used up for some seconds.
    pub(crate) fn use_up(&self, key: KeyId) {
        let mut logs = self.0.lock().unwrap();
        let start = Instant::now() + Duration::from_secs(10);
        for i in 0..100 {
            assert!(logs.admit(key, start + SECOND.length * i / 20).1.is_ok());
        }
    }
}

impl Logs {
    fn admit(&mut self, key: KeyId, now: Instant) -> (Quota, Result<(), Refusal>) {
        if self.by_key.len() >= self.sweep_at && !self.by_key.contains_key(&key) {
            self.by_key.retain(|_, log| !log.is_stale(now));
            self.sweep_at = self.by_key.len().saturating_mul(2).max(RateLimiter::SMALL);
        }
        self.by_key.entry(key).or_default().admit(now)
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyId, Log, Logs, Quota, RateLimiter, Refusal, whole_seconds};
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
    use std::{
        collections::HashMap,
        time::{Duration, Instant},
    };
    use uuid::Uuid;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_21st_request_of_a_second_waits_for_the_first_to_leave_it() {
        let (mut log, start) = (Log::default(), Instant::now());
        for i in 0..20 {
            assert_eq!(log.admit(start + millis(i)).1, Ok(()));
        }
        let refusal = Refusal { window: "second", retry_after: millis(1) };
        assert_eq!(log.admit(start + millis(999)).1, Err(refusal));
        assert_eq!(log.admit(start + millis(1_000)).1, Ok(()));
    }

    #[test]
    fn the_101st_request_of_a_minute_waits_for_the_first_to_leave_it() {
        let (mut log, start) = (Log::default(), Instant::now());
        for i in 0..100 {
            assert_eq!(log.admit(start + millis(i * 100)).1, Ok(()));
        }
        let (quota, answer) = log.admit(start + millis(10_000));
        assert_eq!(answer, Err(Refusal { window: "minute", retry_after: millis(50_000) }));
        assert_eq!(quota, Quota { remaining: 0, reset: millis(50_000) });
        assert_eq!(log.admit(start + millis(60_000)).1, Ok(()));
    }

    #[test]
    fn to_ask_what_remains_counts_nothing() {
        let (limiter, key) = (RateLimiter::default(), KeyId(Uuid::nil()));
        assert_eq!(limiter.remaining(key), 100);
        assert!(limiter.admit(key).1.is_ok());
        assert_eq!([limiter.remaining(key), limiter.remaining(key)], [99, 99]);
    }

    #[test]
    fn a_key_in_the_place_of_another_has_what_that_had_left() {
        let limiter = RateLimiter::default();
        let [old, new, silent] = [1, 2, 3].map(|n| KeyId(Uuid::from_u128(n)));
        assert!(limiter.admit(old).1.is_ok());
        limiter.inherit(old, new);
        limiter.inherit(silent, old);
        assert_eq!([old, new].map(|key| limiter.remaining(key)), [100, 99]);
    }

    #[test]
    fn waiting_times_are_rounded_up() {
        assert_eq!([millis(1), millis(1_000), millis(1_001)].map(whole_seconds), [1, 1, 2]);
    }

    #[test]
    fn silent_keys_are_forgotten() {
        let mut logs = Logs { by_key: HashMap::new(), sweep_at: RateLimiter::SMALL };
        let start = Instant::now();
        for i in 0..100_000 {
            // A new key each 60 ms: a thousand are heard of in a minute.
            let key = KeyId(Uuid::from_u128(i.into()));
            assert_eq!(logs.admit(key, start + millis(i * 60)).1, Ok(()));
        }
        assert!(logs.by_key.len() <= 2_048, "{}", logs.by_key.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// The naive model keeps every admitted time and counts.
        #[test]
        fn the_log_admits_what_a_full_count_admits(
            gaps in prop::collection::vec(prop::sample::select(vec![0_u64, 1, 7, 49, 50, 51, 600, 999, 1_000, 59_000]), 1..600),
            jitter in any::<bool>(),
        ) {
            let start = Instant::now();
            let (mut log, mut admitted, mut now) = (Log::default(), Vec::<u64>::new(), 0);
            for gap in gaps {
                now += gap + u64::from(jitter);
                let within = |length: u64| admitted.iter().filter(|then| now - **then < length).count();
                let allowed = within(60_000) < 100 && within(1_000) < 20;
                let (quota, answer) = log.admit(start + millis(now));
                prop_assert_eq!(answer.is_ok(), allowed);
                if allowed {
                    admitted.push(now);
                }
                let used = admitted.iter().filter(|then| now - **then < 60_000).count();
                prop_assert_eq!(quota.remaining, 100 - used);
                if let Err(refusal) = answer {
                    let then = now + u64::try_from(refusal.retry_after.as_millis()).unwrap();
                    let within = |length: u64| admitted.iter().filter(|t| then - **t < length).count();
                    prop_assert_eq!(within(60_000) < 100 && within(1_000) < 20, true);
                }
            }
        }
    }
}
