//! The HTTP faces.

mod research;
mod worker;
