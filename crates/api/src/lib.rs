//! The HTTP faces of taskgate: gateway, research and worker.
//!
//! [`serve`] runs one face on one listener; what is answered comes from the
//! use cases in [`Services`], so this crate knows no store. Everything the
//! faces share (request ids, keys, limits, strict reading, error bodies) is in
//! `http`; each face adds its routes and the form of its values on the wire.
//!
//! [`openapi`] describes a face to programs.

mod gateway;
mod http;
mod openapi;
mod rate_limit;
mod research;
mod server;
#[cfg(test)]
mod testing;
mod worker;

pub use http::cors::CorsOrigins;
pub use openapi::openapi;
pub use research::ResearchAccess;
pub use server::{Face, HttpOptions, Services, serve};
