//! What callers can do, each use case over the ports it needs.

pub mod keys;
pub mod tasks;
pub mod workers;
