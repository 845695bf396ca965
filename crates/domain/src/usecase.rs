//! What callers can do, each use case over the ports it needs.

pub mod events;
pub mod keys;
pub mod reviews;
pub mod sessions;
pub mod tasks;
pub mod workers;
