//! `taskgate config`

use crate::{cli::ServerFlags, config::Config, failure::Failure, terminal};
use std::process::ExitCode;

/// Prints the settings in force.
pub(crate) fn run(flags: &ServerFlags) -> Result<ExitCode, Failure> {
    terminal::print(&Config::load(flags)?.show())?;
    Ok(ExitCode::SUCCESS)
}
