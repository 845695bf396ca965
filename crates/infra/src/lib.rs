//! The ports of taskgate on diesel: one adapter for SQLite, one for
//! PostgreSQL, and what the two share.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use taskgate_infra::{Store, StoreOptions, migrations};
//!
//! let url = "sqlite://tasks.db".parse()?;
//! migrations::apply(&url)?;
//! let store = Store::connect(&StoreOptions { url, pool_size: 8 })?;
//! # drop(store); Ok(()) }
//! ```

mod cache;
mod encode;
mod error;
mod feed;
pub mod migrations;
mod pool;
mod postgres;
mod sqlite;
mod statement;
mod url;
mod wake;

pub use url::{DatabaseUrl, InvalidDatabaseUrl};

use cache::{CachedEvents, CachedKeys, CachedTasks};
use std::sync::Arc;
use taskgate_domain::ports::{
    ApiKeyRepository, EventFeed, EventLog, Maintenance, ReviewRepository, SessionRepository,
    TaskQueue, TaskRepository,
};
use url::Backend;

/// Which store to use, and how much of it.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Where it is.
    pub url: DatabaseUrl,
    /// How many connections to keep at most, 1 to 1,000; one more answers
    /// readiness probes, and another carries news.
    pub pool_size: u32,
}

/// Every port over one store.
#[derive(Clone)]
pub struct Store {
    /// Tasks, for those who submit and watch them; what has ended is kept in
    /// memory.
    pub tasks: Arc<dyn TaskRepository>,
    /// Tasks, for those who run them.
    pub queue: Arc<dyn TaskQueue>,
    /// The reviews of tasks' plans.
    pub reviews: Arc<dyn ReviewRepository>,
    /// What happened to tasks; those who follow the same task share what they
    /// read.
    pub events: Arc<dyn EventLog>,
    /// News of what happens.
    pub feed: Arc<dyn EventFeed>,
    /// Conversations.
    pub sessions: Arc<dyn SessionRepository>,
    /// API keys; those found are kept in memory for a few seconds.
    pub keys: Arc<dyn ApiKeyRepository>,
    /// Periodic work and the readiness probe.
    pub maintenance: Arc<dyn Maintenance>,
}

/// Why a store cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The pool's size is out of range.
    #[error("the pool size must be between 1 and 1000")]
    PoolSize,
    /// The directory of the SQLite file does not exist.
    #[error("the directory of {0} does not exist")]
    NoDirectory(DatabaseUrl),
}

impl Store {
    /// Opens a store without connecting to it yet, so that a process starts
    /// while its database is down. Runs no migrations.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(options: &StoreOptions) -> Result<Self, ConnectError> {
        if !(1..=1_000).contains(&options.pool_size) {
            return Err(ConnectError::PoolSize);
        }
        match options.url.backend() {
            Backend::Sqlite(path) => {
                if !path.parent().is_some_and(std::path::Path::is_dir) {
                    return Err(ConnectError::NoDirectory(options.url.clone()));
                }
                Ok(Self::of(sqlite::SqliteStore::new(path, options.pool_size)))
            }
            Backend::Postgres(url) => {
                Ok(Self::of(postgres::PostgresStore::new(url, options.pool_size)))
            }
        }
    }

    /// The ports of an adapter.
    fn of<A>(adapter: A) -> Self
    where
        A: TaskRepository
            + TaskQueue
            + ReviewRepository
            + EventLog
            + EventFeed
            + SessionRepository
            + ApiKeyRepository
            + Maintenance,
        A: 'static,
    {
        let adapter = Arc::new(adapter);
        Self {
            tasks: Arc::new(CachedTasks::new(adapter.clone())),
            queue: adapter.clone(),
            reviews: adapter.clone(),
            events: Arc::new(CachedEvents::new(adapter.clone())),
            feed: adapter.clone(),
            sessions: adapter.clone(),
            keys: Arc::new(CachedKeys::new(adapter.clone())),
            maintenance: adapter,
        }
    }
}
