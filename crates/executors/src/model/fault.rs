//! What goes wrong between an endpoint and us.

use std::{error::Error as _, fmt, io, time::Duration};

/// Why one attempt brought no answer. Its text goes on after the provider's
/// name; it holds no secret and little that comes from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// There is no connection.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The answer does not begin.
    #[error("did not begin to answer within {}", Seconds(*.0))]
    Silent(Duration),
    /// The answer does not go on.
    #[error("stopped in the middle of its answer for {}", Seconds(*.0))]
    Stalled(Duration),
    /// The answer has no end.
    #[error("broke off in the middle of its answer")]
    Cut,
    /// It said no.
    #[error("{}{}", Meaning(*.status), Message(.message))]
    Status {
        /// The status code.
        status: u16,
        /// The error's message.
        message: Option<String>,
        /// Whether there is nothing left of what was paid for, which 429 says as
        /// well.
        exhausted: bool,
        /// How long to wait before asking again.
        retry_after: Option<Duration>,
    },
    /// An error was sent where the answer should have gone on.
    #[error("reported an error in its answer{}", Message(.0))]
    Reported(Option<String>),
    /// The answer is not of the form of a chat completion.
    #[error("sent an answer that cannot be read as a chat completion")]
    Unreadable,
    /// There is no text in the answer.
    #[error("sent an empty answer")]
    Empty,
    /// The answer is longer than anything sensible.
    #[error("sent an answer of over {} MiB", MAX_ANSWER_BYTES / 1024 / 1024)]
    Endless,
    /// The model used up its tokens before it wrote anything.
    #[error("reached the model's limit of tokens before any text")]
    NoRoom,
    /// The answer was withheld.
    #[error("withheld the answer by its content filter")]
    Filtered,
}

/// The longest answer that is taken.
pub(super) const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

impl Fault {
    /// A request that was not sent, or not answered with as much as a status.
    pub(super) fn unreachable(error: &reqwest::Error) -> Self {
        let mut cause = error.source();
        let mut deepest = None;
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>()
                && error.kind() == io::ErrorKind::ConnectionRefused
            {
                return Self::Unreachable("the connection was refused".to_owned());
            }
            deepest = Some(error.to_string());
            cause = error.source();
        }
        let reason = if error.is_timeout() {
            "no connection in time".to_owned()
        } else {
            message(&deepest.unwrap_or_else(|| "the connection broke".to_owned()))
        };
        Self::Unreachable(reason)
    }

    /// Whether another attempt cannot help.
    pub(super) const fn is_lasting(&self) -> bool {
        match self {
            Self::Status { exhausted: true, .. }
            | Self::Endless
            | Self::NoRoom
            | Self::Filtered => true,
            Self::Status { status, .. } => {
                !matches!(status, 408 | 409 | 425 | 429 | 500 | 502..=504 | 520..=529)
            }
            Self::Unreachable(_)
            | Self::Silent(_)
            | Self::Stalled(_)
            | Self::Cut
            | Self::Reported(_)
            | Self::Unreadable
            | Self::Empty => false,
        }
    }

    /// How long the endpoint wants to be left alone.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the endpoint refuses the bound on the length of the answer.
    pub(super) fn is_about_length(&self) -> bool {
        let names = ["max_tokens", "max_completion_tokens", "max_model_len"];
        matches!(self, Self::Status { status: 400 | 422, message: Some(message), .. }
            if names.iter().any(|name| message.contains(name)))
    }

    /// Whether the endpoint refuses because it, or the model, knows no tools.
    /// llama.cpp says so by 500.
    pub(super) fn is_about_tools(&self) -> bool {
        match self {
            Self::Status {
                status: 400 | 404 | 405 | 422 | 500 | 501,
                message: Some(message),
                ..
            } => message.to_ascii_lowercase().contains("tool"),
            _ => false,
        }
    }
}

/// What comes from outside, fit for a sentence: one line, not long.
pub(super) fn message(text: &str) -> String {
    const MAX_CHARS: usize = 300;
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(MAX_CHARS) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// What a status code means here.
struct Meaning(u16);

impl fmt::Display for Meaning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.0 {
            300..=399 => "answers with a redirect, which is not followed",
            401 | 403 => "refuses the key",
            404 => "knows no such model or address",
            429 => "limits how much it is asked",
            500..=599 => "failed",
            _ => "refuses the request",
        };
        write!(formatter, "{meaning} ({})", self.0)
    }
}

struct Message<'a>(&'a Option<String>);

impl fmt::Display for Message<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |message| write!(formatter, ": {message}"))
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} s", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, message};

    fn status(status: u16) -> Fault {
        Fault::Status { status, message: None, exhausted: false, retry_after: None }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for code in [408, 429, 500, 502, 503, 504, 529] {
            assert!(!status(code).is_lasting(), "{code}");
        }
        for code in [302, 400, 401, 403, 404, 413, 422, 501] {
            assert!(status(code).is_lasting(), "{code}");
        }
    }

    #[test]
    fn a_message_from_outside_is_one_short_line() {
        assert_eq!(message(" a\r\n\tb  "), "a b");
        let long = message(&"あ".repeat(10_000));
        assert_eq!(long.chars().count(), 301);
        assert!(long.ends_with('…'));
    }
}
