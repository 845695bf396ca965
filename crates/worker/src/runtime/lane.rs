//! The tasks of one executor.

use super::{Shared, attempt::Attempt, backoff::Backoff, chain, hand_back, reporter::End};
use crate::executor::Executor;
use std::{num::NonZeroU16, sync::Arc, time::Duration};
use taskgate_domain::{
    error::StoreError,
    queue::{ClaimRequest, ClaimedTask, Lease},
    task::work::Kind,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

/// The most tasks that one claim takes.
const BATCH: u16 = 500;
/// The least time between claims that bring nothing: a queue that does not
/// wait, though it should, is not asked without pause.
const SHORTEST_TURN: Duration = Duration::from_millis(100);
/// The longest wait after claims that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An executor, and how many tasks it does at the same time.
pub struct Lane {
    executor: Arc<dyn Executor>,
    slots: NonZeroU16,
}

impl Lane {
    /// So many tasks at a time for this executor.
    pub fn new(executor: Arc<dyn Executor>, slots: NonZeroU16) -> Self {
        Self { executor, slots }
    }

    /// Claims and does tasks until the stop, and to the end of those that run
    /// then.
    pub(super) async fn serve(self, shared: Arc<Shared>) {
        let mut kinds = self.executor.kinds().to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        let slots = Arc::new(Semaphore::new(self.slots.get().into()));
        let mut attempts = JoinSet::new();
        let mut trouble: Option<Backoff> = None;
        while let Some(free) = free_slots(&slots, &shared).await {
            while attempts.try_join_next().is_some() {}
            // The lease cannot end before this and its length are over.
            let since = Instant::now();
            match claim(&shared, &kinds, free.num_permits()).await {
                Ok(tasks) => {
                    if trouble.take().is_some() {
                        tracing::info!("claims work again");
                    }
                    if tasks.is_empty() {
                        sleep_until(since + SHORTEST_TURN).await;
                    }
                    self.start(&mut attempts, &shared, free, tasks, since).await;
                }
                Err(error) => {
                    let backoff = trouble.get_or_insert_with(|| {
                        tracing::warn!(error = chain(&error), "claims fail and will be retried");
                        Backoff::up_to(LONGEST_WAIT)
                    });
                    tokio::select! {
                        () = sleep(backoff.next()) => {}
                        () = shared.stopping() => {}
                    }
                }
            }
        }
        attempts.join_all().await;
    }

    /// Starts what was claimed, or gives it back when a stop came meanwhile.
    async fn start(
        &self,
        attempts: &mut JoinSet<()>,
        shared: &Arc<Shared>,
        mut free: OwnedSemaphorePermit,
        tasks: Vec<ClaimedTask>,
        since: Instant,
    ) {
        for task in tasks {
            if shared.is_stopping() {
                let lease = Lease { task: task.id, attempt: task.attempt };
                let end = End { lease, verdict: hand_back() };
                // The reporter stays for as long as anybody can send to it.
                drop(shared.ends.send(end).await);
                continue;
            }
            let slot = free.split(1);
            let attempt = Attempt::new(shared.clone(), self.executor.clone(), task, since);
            attempts.spawn(async move {
                attempt.run().await;
                drop(slot);
            });
        }
    }
}

/// All slots that are free, when there is one; `None` when a stop is asked for.
async fn free_slots(slots: &Arc<Semaphore>, shared: &Shared) -> Option<OwnedSemaphorePermit> {
    let mut free = tokio::select! {
        biased;
        () = shared.stopping() => return None,
        slot = slots.clone().acquire_owned() => slot.ok()?,
    };
    let more = slots.available_permits().min(usize::from(BATCH) - 1);
    if let Ok(more) = slots.clone().try_acquire_many_owned(u32::try_from(more).ok()?) {
        free.merge(more);
    }
    Some(free)
}

/// Takes at most so many tasks of these kinds.
async fn claim(
    shared: &Shared,
    kinds: &[Kind],
    max: usize,
) -> Result<Vec<ClaimedTask>, StoreError> {
    let request = ClaimRequest {
        worker: shared.worker.clone(),
        kinds: kinds.to_vec(),
        max: u16::try_from(max).unwrap_or(BATCH),
        lease: shared.options.lease,
        // How long a claim waited is not known of its tasks, so their leases
        // count from when it was sent: most of them must be left at its end.
        wait: shared.options.wait.min(shared.options.lease / 3),
    };
    shared.workers.claim(request).await
}
