//! `taskgate openapi`

use crate::{failure::Failure, terminal};
use std::process::ExitCode;
use taskgate_api::Face;

/// Prints a face's OpenAPI document.
pub(crate) fn run(face: Face) -> Result<ExitCode, Failure> {
    terminal::print(&format!("{}\n", taskgate_api::openapi(face).trim_end()))?;
    Ok(ExitCode::SUCCESS)
}
