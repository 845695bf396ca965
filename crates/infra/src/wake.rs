//! Waking those who wait for tasks.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};
use taskgate_domain::{error::StoreError, task::work::Kind};
use tokio::{
    sync::{Notify, futures::Notified},
    time::{Instant, timeout_at},
};

/// What a waiter does not learn by a signal, it finds within this time.
const POLL: Duration = Duration::from_secs(1);

/// Signals, within one process, that a task of some kind is due.
///
/// A signal is a hint that saves waiting: each wakes one waiter, and one that
/// is lost costs up to a second.
#[derive(Default)]
pub(crate) struct Wake([Notify; Kind::ALL.len()]);

impl Wake {
    /// Tells one waiter that a task of this kind is due.
    pub(crate) fn signal(&self, kind: Kind) {
        if let Some(signal) = self.of(kind) {
            signal.notify_one();
        }
    }

    /// Tells every waiter that tasks may be due.
    pub(crate) fn signal_all(&self) {
        self.0.iter().for_each(Notify::notify_waiters);
    }

    /// Repeats `claim` until it yields something or `wait` is over: after each
    /// signal for one of `kinds`, and once a second without one.
    pub(crate) async fn poll<T, F>(
        &self,
        kinds: &[Kind],
        wait: Duration,
        mut claim: impl FnMut() -> F,
    ) -> Result<Vec<T>, StoreError>
    where
        F: Future<Output = Result<Vec<T>, StoreError>>,
    {
        let end = Instant::now() + wait;
        loop {
            // Armed first: what becomes due after the look is signalled.
            let mut signals: Vec<Pin<Box<Notified<'_>>>> = kinds
                .iter()
                .filter_map(|kind| self.of(*kind))
                .map(|signal| Box::pin(signal.notified()))
                .collect();
            for signal in &mut signals {
                signal.as_mut().enable();
            }
            let claimed = claim().await?;
            let now = Instant::now();
            if !claimed.is_empty() || now >= end {
                return Ok(claimed);
            }
            let any = poll_fn(|context| {
                let woken =
                    signals.iter_mut().any(|signal| signal.as_mut().poll(context).is_ready());
                if woken { Poll::Ready(()) } else { Poll::Pending }
            });
            // Whether a signal came or time passed, the next look tells.
            let _ = timeout_at(end.min(now + POLL), any).await;
        }
    }

    fn of(&self, kind: Kind) -> Option<&Notify> {
        Kind::ALL.iter().position(|known| *known == kind).and_then(|at| self.0.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::Wake;
    use std::{cell::Cell, time::Duration};
    use taskgate_domain::task::work::Kind;

    #[tokio::test(start_paused = true)]
    async fn a_signal_during_the_look_is_not_lost() {
        let wake = Wake::default();
        let due = Cell::new(false);
        let started = tokio::time::Instant::now();
        let claimed = wake
            .poll(&[Kind::Agent], Duration::from_secs(30), || async {
                let found = if due.replace(true) { vec![1] } else { vec![] };
                wake.signal(Kind::Agent);
                Ok(found)
            })
            .await;
        assert_eq!(claimed.unwrap(), [1]);
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_signal_a_task_is_found_within_a_second() {
        let wake = Wake::default();
        let looks = Cell::new(0);
        let look = || async {
            looks.set(looks.get() + 1);
            Ok(if looks.get() == 2 { vec![()] } else { vec![] })
        };
        let started = tokio::time::Instant::now();
        let claimed = wake.poll(&[Kind::Agent], Duration::from_secs(30), look).await;
        assert_eq!(claimed.unwrap().len(), 1);
        assert!(started.elapsed() <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_nothing() {
        let wake = Wake::default();
        let started = tokio::time::Instant::now();
        let none = wake
            .poll(&[Kind::Agent], Duration::from_millis(1500), || async { Ok(Vec::<()>::new()) })
            .await;
        assert!(none.unwrap().is_empty());
        assert_eq!(started.elapsed(), Duration::from_millis(1500));
    }
}
