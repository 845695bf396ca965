//! The contract that every store is held to.
//!
//! [`contract`] holds one function for each behaviour that [`ports`](crate::ports)
//! promises, and [`model`] compares a store with a model of it over random
//! sequences of calls. An adapter's test file names a factory of fresh stores:
//!
//! ```
//! use taskgate_domain::testkit::{Ports, StoreFactory};
//!
//! struct EmptyDatabases;
//!
//! #[async_trait::async_trait]
//! impl StoreFactory for EmptyDatabases {
//!     async fn fresh(&self) -> Ports {
//!         connect_to_an_empty_database().await
//!     }
//! }
//!
//! taskgate_domain::contract_suite!(EmptyDatabases);
//! # async fn connect_to_an_empty_database() -> Ports { unreachable!("nothing runs here") }
//! # fn main() {}
//! ```
//!
//! The adapter's crate needs tokio with `macros` and `rt-multi-thread` among
//! its dev-dependencies. Nothing in the suite sleeps: an expired lease is one
//! of no length, and what must come is awaited with a deadline.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the suite runs in tests alone, where a panic is the verdict"
)]

pub mod build;
pub mod contract;
pub mod model;
mod steps;

use crate::ports::{
    ApiKeyRepository, EventFeed, EventLog, Maintenance, ReviewRepository, SessionRepository,
    TaskQueue, TaskRepository,
};
use async_trait::async_trait;
use std::sync::Arc;

/// A store, by its ports. The methods are steps of a story: they panic when the
/// store fails.
#[derive(Clone)]
pub struct Ports {
    /// Submitting and watching.
    pub tasks: Arc<dyn TaskRepository>,
    /// Running.
    pub queue: Arc<dyn TaskQueue>,
    /// Reviewing plans.
    pub reviews: Arc<dyn ReviewRepository>,
    /// What happened.
    pub events: Arc<dyn EventLog>,
    /// News of it.
    pub feed: Arc<dyn EventFeed>,
    /// Conversations.
    pub sessions: Arc<dyn SessionRepository>,
    /// Who calls.
    pub keys: Arc<dyn ApiKeyRepository>,
    /// Housekeeping.
    pub maintenance: Arc<dyn Maintenance>,
}

/// Makes stores for tests.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// A store that is empty but for the default tenant and user, and that
    /// nobody else uses. It is dropped before the factory.
    async fn fresh(&self) -> Ports;
}
