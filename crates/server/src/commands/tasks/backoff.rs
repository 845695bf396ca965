//! How long to wait before the next try.

use std::time::Duration;

/// The first wait, when the server asks for no other.
const FIRST: Duration = Duration::from_secs(1);
/// No wait is longer, whatever the server asks for.
pub(super) const LONGEST: Duration = Duration::from_secs(30);
/// So many tries in vain are enough: two minutes, as the waits grow.
const TRIES: u32 = 8;

/// Waits that double from try to try.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The wait before the next try, which doubles from `first` on and is
    /// `at_least` so long; None when it has been tried often enough.
    pub(super) fn next(&mut self, first: Option<Duration>, at_least: Duration) -> Option<Duration> {
        if self.tries == TRIES {
            return None;
        }
        let wait = first.unwrap_or(FIRST).saturating_mul(1 << self.tries).max(at_least);
        self.tries += 1;
        // A server that stops sends all its clients away at once; they should
        // not all come back at once.
        Some(wait.min(LONGEST).mul_f64(1.0 + fastrand::f64() / 2.0))
    }

    /// It worked: the next trouble is a new one.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, TRIES};
    use std::time::Duration;

    #[test]
    fn waits_double_up_to_a_limit_and_come_to_an_end() {
        let mut backoff = Backoff::default();
        for expected in [1, 2, 4, 8, 16, 30, 30, 30] {
            let wait = backoff.next(None, Duration::ZERO).unwrap().as_secs_f64();
            let expected = f64::from(expected);
            assert!((expected..=expected * 1.5).contains(&wait), "{wait} is not {expected}");
        }
        assert_eq!(backoff.next(None, Duration::ZERO), None);
        backoff.reset();
        assert!(backoff.next(None, Duration::ZERO).is_some());
    }

    #[test]
    fn the_server_decides_where_waits_begin() {
        let mut backoff = Backoff::default();
        let first = backoff.next(Some(Duration::from_millis(10)), Duration::ZERO).unwrap();
        assert!(first < Duration::from_millis(16), "{first:?}");
        let asked = backoff.next(None, Duration::from_secs(7)).unwrap();
        assert!((7.0..=10.5).contains(&asked.as_secs_f64()), "{asked:?}");
        let absurd = backoff.next(Some(Duration::MAX), Duration::MAX).unwrap();
        assert!(absurd <= Duration::from_secs(45), "{absurd:?}");
        const { assert!(TRIES < 32, "the factor must not overflow") };
    }
}
