//! The rules of the runtime, in a time that passes by itself.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a panic is the verdict of a test")]

mod claims;
mod conversation;
mod drain;
mod ends;
mod events;
mod leases;
mod signals;
mod world;
