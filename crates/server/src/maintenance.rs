//! What the store needs from time to time.

use crate::failure::chain;
use std::{collections::HashMap, sync::Arc, time::Duration};
use taskgate_domain::{error::StoreError, ports::Maintenance, task::work::Kind};
use tokio::{sync::watch, time::Instant};

/// How often expired leases and passed deadlines are looked for.
const REAP_EVERY: Duration = Duration::from_secs(1);
/// How often the store is tidied.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// How often the kinds are looked at that nobody serves.
const COUNT_KINDS_EVERY: Duration = Duration::from_secs(30);
/// How long a kind may wait for a worker before the log says so.
const UNSERVED_FOR: Duration = Duration::from_secs(60);
/// How much one look takes, so that no transaction is long.
const BATCH: u16 = 500;
/// The longest pause after repeated failures, which is also how late expired
/// leases are noticed once the store is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Looks after the store until `stop` says so. A failure is logged when it
/// begins and when it ends, and slows the looks down in between.
pub(crate) async fn run(store: Arc<dyn Maintenance>, mut stop: watch::Receiver<bool>) {
    let mut pause = REAP_EVERY;
    let mut rounds = Rounds::default();
    loop {
        match rounds.look(&*store).await {
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

/// What has been done and seen so far.
#[derive(Default)]
struct Rounds {
    tidied: Option<Instant>,
    counted: Option<Instant>,
    waiting: Waiting,
}

impl Rounds {
    async fn look(&mut self, store: &dyn Maintenance) -> Result<(), StoreError> {
        reap(store).await?;
        if is_due(self.tidied, TIDY_EVERY) {
            store.tidy().await?;
            self.tidied = Some(Instant::now());
        }
        if is_due(self.counted, COUNT_KINDS_EVERY) {
            for kind in self.waiting.since(store.unserved().await?, Instant::now()) {
                tracing::warn!(
                    kind = kind.as_str(),
                    "tasks of this kind have waited for over a minute: no worker serves them"
                );
            }
            self.counted = Some(Instant::now());
        }
        Ok(())
    }
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}

async fn reap(store: &dyn Maintenance) -> Result<(), StoreError> {
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
            return Ok(());
        }
    }
}

/// The kinds that wait for a worker, each since when, and whether that has been
/// said.
#[derive(Default)]
struct Waiting(HashMap<Kind, (Instant, bool)>);

impl Waiting {
    /// Takes what a look has found, and returns the kinds that have waited long
    /// enough to be spoken of, each once until it no longer waits.
    fn since(&mut self, unserved: Vec<Kind>, now: Instant) -> Vec<Kind> {
        self.0.retain(|kind, _| unserved.contains(kind));
        let overdue = |kind: &Kind| {
            let (since, said) = self.0.entry(*kind).or_insert((now, false));
            let first = !*said && now.duration_since(*since) >= UNSERVED_FOR;
            *said |= first;
            first
        };
        unserved.into_iter().filter(overdue).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCH, Waiting, run};
    use std::{sync::Arc, time::Duration};
    use taskgate_domain::{
        error::StoreError,
        ports::MockMaintenance,
        queue::Reaped,
        task::work::{Kind, TaskType},
    };
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
    async fn leases_are_looked_for_every_second_and_the_rest_now_and_then() {
        let mut store = MockMaintenance::new();
        store.expect_reap().times(40).returning(|_| Ok(Reaped::default()));
        store.expect_tidy().times(8).returning(|| Ok(()));
        store.expect_unserved().times(2).returning(|| Ok(Vec::new()));
        run_for(40, store).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_is_followed_by_another_at_once() {
        let mut store = MockMaintenance::new();
        let mut left = [usize::from(BATCH), usize::from(BATCH), 3].into_iter();
        let reap = move |_| Ok(Reaped { expired: left.next().unwrap(), timed_out: 0 });
        store.expect_reap().times(3).returning(reap);
        store.expect_tidy().times(1).returning(|| Ok(()));
        store.expect_unserved().times(1).returning(|| Ok(Vec::new()));
        run_for(0, store).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_down_is_asked_ever_more_rarely() {
        let mut store = MockMaintenance::new();
        // After 0, 2, 6, 14, 22, 30 … 94 seconds.
        store.expect_reap().times(14).returning(|_| Err(StoreError::failed("down")));
        run_for(95, store).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_nobody_serves_is_told_once_until_it_is_served() {
        const OCR: Kind = Kind::Research(TaskType::Ocr);
        let start = Instant::now();
        let mut waiting = Waiting::default();
        for (seconds, unserved, told) in [
            (0, vec![OCR], vec![]),
            (30, vec![OCR, Kind::Agent], vec![]),
            (60, vec![OCR, Kind::Agent], vec![OCR]),
            (90, vec![OCR, Kind::Agent], vec![Kind::Agent]),
            (120, vec![Kind::Agent], vec![]),
            (150, vec![OCR, Kind::Agent], vec![]),
            (180, vec![OCR], vec![]),
            (210, vec![OCR], vec![OCR]),
        ] {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(waiting.since(unserved, now), told, "after {seconds} seconds");
        }
    }
}
