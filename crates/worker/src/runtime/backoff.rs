//! How long to wait before the next try.

use std::time::Duration;

/// Below this no wait begins.
const FIRST: Duration = Duration::from_millis(200);

/// Waits that double from try to try, each shortened by up to a half at random,
/// so that those who failed together do not all come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits of 100 ms and more, up to this.
    pub(crate) fn up_to(longest: Duration) -> Self {
        Self { longest, next: FIRST.min(longest) }
    }

    /// The wait before the next try.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.longest);
        wait.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::up_to(Duration::from_secs(1));
        for longest in [0.2, 0.4, 0.8, 1.0, 1.0] {
            let wait = backoff.next().as_secs_f64();
            assert!((longest / 2.0..=longest).contains(&wait), "{wait} is not up to {longest}");
        }
    }
}
