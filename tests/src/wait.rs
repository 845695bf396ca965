//! Waiting for something to become true, with a deadline.

use std::time::{Duration, Instant};

/// Asks `probe` again and again until it has an answer, for 30 seconds at
/// most; `what` says what was waited for when it never came.
pub async fn eventually<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(Duration::from_secs(30), what, probe).await
}

/// Like [`eventually`], with a deadline of the caller's.
pub async fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
