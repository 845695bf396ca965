//! The harness of the end-to-end tests.
//!
//! A test takes a [`Store`] of its own, starts the real binary over it as a
//! [`Server`] on free ports, and talks to its faces through [`Api`]:
//!
//! ```no_run
//! # async fn story() {
//! use taskgate_tests::{Server, Store};
//!
//! let store = Store::sqlite();
//! let server = Server::dev(&store);
//! let health = server.gateway().get("/health").await;
//! assert_eq!(health.json()["status"], "healthy");
//! # }
//! ```
//!
//! [`command`] runs the binary's other commands.
//! [`on_both_stores!`] stamps a story for SQLite and for PostgreSQL.
//! [`Worker`] speaks the worker protocol step by step, [`ScriptedWorker`] is a
//! worker process, [`Process::worker`] is `taskgate worker`, [`ModelServer`] is
//! an endpoint of chat completions, [`run_client`] runs a client program of
//! `clients/`, [`Live`] reads what a program prints while it runs,
//! [`EventStream`] reads server-sent events frame by frame, and [`Proxy`] breaks
//! the line between a client and the server, or between the server and its
//! database.

mod api;
mod client;
mod cluster;
pub mod command;
mod live;
mod model_server;
mod process;
mod proxy;
mod raw;
mod server;
mod sse;
mod store;
mod wait;
mod worker;

pub use api::{Answer, Api, DEV_KEY};
pub use client::{ScriptedWorker, run_client, run_shannon, run_shannon_each};
pub use cluster::Cluster;
pub use command::{CommandRun, create_key, taskgate, terminate};
pub use live::Live;
pub use model_server::ModelServer;
pub use process::Process;
pub use proxy::Proxy;
pub use raw::{RawAnswer, Socket};
pub use server::Server;
pub use sse::{Block, EventStream, Frame};
pub use store::Store;
pub use wait::{eventually, eventually_within};
pub use worker::{Claimed, Worker};

/// Stamps each story, an `async fn(Store)`, as one test for each store.
#[macro_export]
macro_rules! on_both_stores {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$story($crate::Store::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                super::$story($crate::Store::postgres()).await;
            }
        }
    )+};
}
