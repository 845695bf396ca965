//! Why a command failed.

use std::{error::Error, fmt, process::ExitCode};

/// One sentence for the terminal, without a secret and without Rust in it, and
/// the exit code for scripts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    sentence: String,
    code: u8,
}

impl Failure {
    /// A failure that this sentence explains.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self::with_code(1, sentence)
    }

    /// A failure that scripts tell from others by this exit code.
    pub(crate) fn with_code(code: u8, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), code }
    }

    /// What could not be done, and why.
    pub(crate) fn caused(what: &str, cause: &dyn Error) -> Self {
        Self::new(format!("{what}: {}", chain(cause)))
    }

    /// The code to exit with.
    pub(crate) fn code(&self) -> ExitCode {
        self.code.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// An error with its causes, as one line whatever lines a library gave it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    one_line(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// The cause that has no other cause, as one line.
pub(crate) fn root(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    one_line(&causes.last().map(ToString::to_string).unwrap_or_default())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::Failure;
    use std::io::{Error, ErrorKind};

    #[test]
    fn a_failure_is_one_line_with_its_causes() {
        let cause = Error::new(ErrorKind::NotFound, "no server\n\tIs it running?\n");
        let failure = Failure::caused("cannot migrate", &cause);
        assert_eq!(failure.to_string(), "cannot migrate: no server Is it running?");
    }
}
