//! The commands, each in its own file.

mod config;
mod keys;
mod migrate;
mod openapi;
mod server;
mod tasks;
mod worker;

use crate::{cli::Command, failure::Failure};
use std::process::ExitCode;

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Dev { no_auth, flags } => server::run(server::Mode::Dev { no_auth }, &flags),
        Command::Serve(flags) => server::run(server::Mode::Serve, &flags),
        Command::Worker(flags) => worker::run(&flags),
        Command::Migrate { check, store } => migrate::run(check, &store),
        Command::Keys(command) => keys::run(command),
        Command::Tasks(flags) => tasks::run(flags),
        Command::Openapi { face } => openapi::run(face),
        Command::Config(flags) => config::run(&flags),
    }
}
