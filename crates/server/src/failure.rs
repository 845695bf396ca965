//! Why a command failed.

use std::{error::Error, fmt};

/// One sentence for the terminal, without a secret and without Rust in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure that this sentence explains.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// What could not be done, and why.
    pub(crate) fn caused(what: &str, cause: &dyn Error) -> Self {
        Self(format!("{what}: {}", chain(cause)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error with its causes, as one line whatever lines a library gave it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
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
