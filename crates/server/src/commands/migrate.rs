//! `taskgate migrate`

use crate::{
    cli::StoreFlags,
    config::{Config, make_default_directory},
    failure::Failure,
    terminal,
};
use std::process::ExitCode;
use taskgate_infra::migrations;

/// Applies what is pending, or with `check` tells what would be.
pub(crate) fn run(check: bool, flags: &StoreFlags) -> Result<ExitCode, Failure> {
    let url = Config::load(flags)?.settings.database_url;
    let (names, nothing) = if check {
        let names = migrations::pending(&url)
            .map_err(|error| Failure::caused("cannot check the migrations", &error))?;
        (names, "no migration is pending")
    } else {
        make_default_directory(&url)?;
        let names =
            migrations::apply(&url).map_err(|error| Failure::caused("cannot migrate", &error))?;
        (names, "the store was up to date")
    };
    if names.is_empty() {
        terminal::note(nothing);
    }
    terminal::print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    Ok(ExitCode::from(u8::from(check && !names.is_empty())))
}
