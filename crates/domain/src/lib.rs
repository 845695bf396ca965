//! The domain of taskgate, a durable task service: what a task is, how it
//! lives, and what a store must do for it. There is no web, no SQL and no
//! runtime in here.
//!
//! - [`task`] is the aggregate and its lifecycle, [`queue`] what workers do
//!   with it, [`query`] how it is found, [`event`] what is told of it.
//! - [`ports`] are the traits that a store implements.
//! - [`usecase`] is what callers do; it needs nothing but ports.
//!
//! Feature `mocks` adds mockall mocks of every port, and feature `testkit` the
//! contract suite that every adapter must pass.

pub mod error;
pub mod event;
pub mod id;
pub mod json;
pub mod key;
pub mod ports;
pub mod query;
pub mod queue;
pub mod task;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod text;
pub mod usage;
pub mod usecase;
