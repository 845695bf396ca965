//! The exit codes, which scripts rely on.

use crate::failure::Failure;

/// The task has failed.
pub(super) const FAILED: u8 = 3;
/// The task was cancelled.
pub(super) const CANCELLED: u8 = 4;
/// The task passed its deadline.
pub(super) const TIMED_OUT: u8 = 5;
/// The server cannot be reached.
pub(super) const UNREACHABLE: u8 = 6;
/// The user stopped watching: 128 and the number of the signal.
pub(super) const INTERRUPTED: u8 = 130;

/// A command line that cannot be followed, as the parser of it would say.
pub(super) fn usage(sentence: impl Into<String>) -> Failure {
    Failure::with_code(2, sentence)
}
