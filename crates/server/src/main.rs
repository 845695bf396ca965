//! The taskgate binary: configuration, wiring, commands and shutdown.

mod address;
mod cli;
mod commands;
mod config;
mod expiry;
mod faces;
mod failure;
mod log;
mod maintenance;
mod open_files;
mod shutdown;
mod terminal;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            terminal::note(&format!("taskgate: {failure}"));
            ExitCode::FAILURE
        }
    }
}
