//! Work that may take long.

use std::{future::pending, panic::resume_unwind};
use tokio::task::{JoinError, spawn_blocking};

/// Does what may take long on a thread where it keeps nobody waiting: whoever
/// runs a task has to renew its lease meanwhile.
pub(crate) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => resume_unwind(panic),
        // The process ends before it was begun.
        Err(Err(_)) => pending().await,
    }
}
