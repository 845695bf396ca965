//! The edge that every face shares: what happens to a request before a handler
//! sees a valid value, and what turns an answer or error into bytes.
//!
//! The order is request id, key, validation, rate limit, idempotency, handler.

pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod cors;
pub(crate) mod edge;
pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod keyless;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod stream;
pub(crate) mod trace;
pub(crate) mod unread;
