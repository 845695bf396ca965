//! Standard output: for people, for programs, for files.

use super::text;
use crate::{failure::Failure, terminal};
use std::io::IsTerminal;

/// How to write to standard output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// A program reads it.
    pub(super) json: bool,
    /// It goes to a terminal, which text must not steer.
    pub(super) terminal: bool,
}

impl Output {
    /// Standard output as it is.
    pub(super) fn new(json: bool) -> Self {
        Self { json, terminal: std::io::stdout().is_terminal() }
    }

    /// Prints one JSON document on a line; false when its reader has gone.
    pub(super) fn document(self, json: &str) -> Result<bool, Failure> {
        let json = if self.terminal { text::safe_json(json) } else { json.to_owned() };
        terminal::print_on(&format!("{json}\n"))
    }

    /// Prints a result: unchanged, unless a terminal shows it.
    pub(super) fn result(self, result: &str) -> Result<(), Failure> {
        let result = if self.terminal { text::safe(result) } else { result.to_owned() };
        let end = if result.ends_with('\n') { "" } else { "\n" };
        terminal::print(&format!("{result}{end}"))
    }
}
