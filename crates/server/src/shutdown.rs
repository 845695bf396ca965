//! Stopping without losing what runs.

use crate::{faces::Faces, failure::Failure};
use async_trait::async_trait;
use futures_util::future::OptionFuture;
use std::{process::ExitCode, sync::Arc, time::Duration};
use taskgate_domain::{
    error::{ReportError, StoreError},
    event::NewEvent,
    ports::TaskQueue,
    queue::{
        ClaimRequest, ClaimedTask, Conversation, Heartbeat, HeartbeatReply, Lease, Report, Reported,
    },
    review::{Proposal, Review},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

/// How long requests and tasks that run may go on after a stop was asked for,
/// with all that has to be told of them.
const GRACE: Duration = Duration::from_secs(15);

/// The signals that ask for a stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over from the system, which would kill the process.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::caused("cannot listen for signals", &error))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Waits for a signal, then tells everybody through `stop` and lets the
/// requests and tasks that run finish. A second signal ends the wait.
pub(crate) async fn supervise(
    mut faces: Faces,
    tasks: Option<JoinHandle<()>>,
    mut signals: Signals,
    stop: watch::Sender<bool>,
) -> ExitCode {
    tokio::select! {
        signal = signals.next() => tracing::info!(signal, "stopping"),
        error = faces.failed() => {
            tracing::error!(error, "a face has ended by itself");
            return ExitCode::FAILURE;
        }
    }
    stop.send_replace(true);
    let finish = async { tokio::join!(faces.finish(), OptionFuture::from(tasks)) };
    tokio::select! {
        finished = timeout(GRACE, finish) => {
            match finished {
                Ok(_) => tracing::info!("stopped"),
                Err(_) => tracing::warn!("stopped while requests or tasks were still running"),
            }
            ExitCode::SUCCESS
        }
        signal = signals.next() => {
            tracing::warn!(signal, "stopped at once, at a second signal");
            ExitCode::FAILURE
        }
    }
}

/// A queue whose claims do not wait on while the process stops.
///
/// A claim is never abandoned half-way, for tasks that it has leased by then
/// would reach nobody until the lease ends; instead it waits in short turns.
pub(crate) struct StoppableQueue {
    queue: Arc<dyn TaskQueue>,
    stop: watch::Receiver<bool>,
}

impl StoppableQueue {
    /// The longest time that a stop waits for a claim. Each turn costs an idle
    /// worker's server one query more.
    const TURN: Duration = Duration::from_secs(2);

    /// This queue, until `stop` says so.
    pub(crate) fn new(queue: Arc<dyn TaskQueue>, stop: watch::Receiver<bool>) -> Self {
        Self { queue, stop }
    }
}

#[async_trait]
impl TaskQueue for StoppableQueue {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
        let end = Instant::now() + request.wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let turn = ClaimRequest { wait: left.min(Self::TURN), ..request.clone() };
            let claimed = self.queue.claim(turn).await?;
            if !claimed.is_empty() || left <= Self::TURN || *self.stop.borrow() {
                return Ok(claimed);
            }
        }
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError> {
        self.queue.heartbeat(heartbeat).await
    }

    async fn record(&self, lease: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError> {
        self.queue.record(lease, events).await
    }

    async fn conversation(&self, lease: Lease, turns: u16) -> Result<Conversation, ReportError> {
        self.queue.conversation(lease, turns).await
    }

    async fn finish(&self, reports: Vec<Report>) -> Result<Vec<Reported>, StoreError> {
        self.queue.finish(reports).await
    }

    async fn review(&self, lease: Lease) -> Result<Option<Review>, ReportError> {
        self.queue.review(lease).await
    }

    async fn propose(&self, lease: Lease, proposal: Proposal) -> Result<(), ReportError> {
        self.queue.propose(lease, proposal).await
    }
}

#[cfg(test)]
mod tests {
    use super::StoppableQueue;
    use async_trait::async_trait;
    use std::{sync::Arc, time::Duration};
    use taskgate_domain::{
        error::{ReportError, StoreError},
        event::NewEvent,
        ports::TaskQueue,
        queue::{
            ClaimRequest, ClaimedTask, Conversation, Heartbeat, HeartbeatReply, Lease, Report,
            Reported, WorkerId,
        },
        review::{Proposal, Review},
        task::work::Kind,
    };
    use tokio::{sync::watch, time::Instant};

    /// A queue without tasks, whose claims wait as long as they are told.
    struct EmptyQueue;

    #[async_trait]
    impl TaskQueue for EmptyQueue {
        async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
            tokio::time::sleep(request.wait).await;
            Ok(Vec::new())
        }

        async fn heartbeat(&self, _: Heartbeat) -> Result<HeartbeatReply, ReportError> {
            Err(ReportError::NotFound)
        }

        async fn record(&self, _: Lease, _: Vec<NewEvent>) -> Result<i64, ReportError> {
            Err(ReportError::NotFound)
        }

        async fn conversation(&self, _: Lease, _: u16) -> Result<Conversation, ReportError> {
            Err(ReportError::NotFound)
        }

        async fn finish(&self, _: Vec<Report>) -> Result<Vec<Reported>, StoreError> {
            Ok(Vec::new())
        }

        async fn review(&self, _: Lease) -> Result<Option<Review>, ReportError> {
            Err(ReportError::NotFound)
        }

        async fn propose(&self, _: Lease, _: Proposal) -> Result<(), ReportError> {
            Err(ReportError::NotFound)
        }
    }

    /// Claims with a wait of 30 seconds and tells how long it took when the
    /// stop comes after `stop_after`.
    async fn time_claim(stop_after: Duration) -> Duration {
        let (stop, stopped) = watch::channel(false);
        let queue = StoppableQueue::new(Arc::new(EmptyQueue), stopped);
        let request = ClaimRequest {
            worker: WorkerId::new("w").unwrap(),
            kinds: vec![Kind::Agent],
            max: 1,
            lease: Duration::from_secs(60),
            wait: Duration::from_secs(30),
        };
        let started = Instant::now();
        let claim = tokio::spawn(async move { queue.claim(request).await });
        tokio::time::sleep(stop_after).await;
        stop.send_replace(true);
        assert_eq!(claim.await.unwrap().unwrap(), []);
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_waits_as_long_as_it_was_told() {
        assert_eq!(time_claim(Duration::from_secs(60)).await, Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait_within_a_turn() {
        let took = time_claim(Duration::from_secs(3)).await;
        assert!(took <= Duration::from_secs(3) + StoppableQueue::TURN, "{took:?}");
    }
}
