//! What the store needs from time to time.

use crate::failure::chain;
use std::{sync::Arc, time::Duration};
use taskgate_domain::{error::StoreError, ports::Maintenance};
use tokio::{sync::watch, time::Instant};

/// How often expired leases and passed deadlines are looked for.
const REAP_EVERY: Duration = Duration::from_secs(1);
/// How often the store is tidied.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// How much one look takes, so that no transaction is long.
const BATCH: u16 = 500;
/// The longest pause after repeated failures, which is also how late expired
/// leases are noticed once the store is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Looks after the store until `stop` says so. A failure is logged when it
/// begins and when it ends, and slows the looks down in between.
pub(crate) async fn run(store: Arc<dyn Maintenance>, mut stop: watch::Receiver<bool>) {
    let mut pause = REAP_EVERY;
    let mut tidied: Option<Instant> = None;
    loop {
        match look(&*store, &mut tidied).await {
            Ok(()) => {
                if pause > REAP_EVERY {
                    tracing::info!("maintenance works again");
                }
                pause = REAP_EVERY;
            }
            Err(error) => {
                if pause == REAP_EVERY {
                    tracing::warn!(error = chain(&error), "maintenance fails and will be retried");
                }
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        }
        // The sender lives as long as the process serves, so an error is a stop too.
        if tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

async fn look(store: &dyn Maintenance, tidied: &mut Option<Instant>) -> Result<(), StoreError> {
    loop {
        let reaped = store.reap(BATCH).await?;
        if reaped.expired + reaped.timed_out > 0 {
            tracing::info!(
                expired = reaped.expired,
                timed_out = reaped.timed_out,
                "took back expired leases and ended tasks past their deadline"
            );
        }
        if reaped.expired.max(reaped.timed_out) < usize::from(BATCH) {
            break;
        }
    }
    if tidied.is_none_or(|last| last.elapsed() >= TIDY_EVERY) {
        store.tidy().await?;
        *tidied = Some(Instant::now());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{BATCH, run};
    use std::{sync::Arc, time::Duration};
    use taskgate_domain::{error::StoreError, ports::MockMaintenance, queue::Reaped};
    use tokio::{sync::watch, time::Instant};

    /// Runs maintenance for this long in a time that passes by itself.
    async fn run_for(seconds: u64, store: MockMaintenance) {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(run(Arc::new(store), stopped));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let asked = Instant::now();
        stop.send(true).unwrap();
        running.await.unwrap();
        assert_eq!(asked.elapsed(), Duration::ZERO, "a stop is obeyed at once");
    }

    #[tokio::test(start_paused = true)]
    async fn leases_are_looked_for_every_second_and_the_store_tidied_now_and_then() {
        let mut store = MockMaintenance::new();
        store.expect_reap().times(10).returning(|_| Ok(Reaped::default()));
        store.expect_tidy().times(2).returning(|| Ok(()));
        run_for(10, store).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_is_followed_by_another_at_once() {
        let mut store = MockMaintenance::new();
        let mut left = [usize::from(BATCH), usize::from(BATCH), 3].into_iter();
        let reap = move |_| Ok(Reaped { expired: left.next().unwrap(), timed_out: 0 });
        store.expect_reap().times(3).returning(reap);
        store.expect_tidy().times(1).returning(|| Ok(()));
        run_for(0, store).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_down_is_asked_ever_more_rarely() {
        let mut store = MockMaintenance::new();
        // After 0, 2, 6, 14, 22, 30 … 94 seconds.
        store.expect_reap().times(14).returning(|_| Err(StoreError::failed("down")));
        run_for(95, store).await;
    }
}
