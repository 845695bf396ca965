//! The taskgate binary: configuration, wiring, commands and shutdown.

mod address;
mod cli;
mod commands;
mod config;
mod executors;
mod expiry;
mod faces;
mod failure;
mod huge_pages;
mod log;
mod maintenance;
mod open_files;
mod shutdown;
mod terminal;

use clap::Parser;
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A request makes hundreds of small allocations, on one thread, and frees some
/// on another; the system's allocator spends a sixth of the process's time on
/// that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            terminal::note(&format!("taskgate: {failure}"));
            failure.code()
        }
    }
}
