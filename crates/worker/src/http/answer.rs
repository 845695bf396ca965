//! What a server's answers mean.

use reqwest::{Response, StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};
use std::error::Error;
use taskgate_domain::error::{InvalidValue, ReportError, StoreError};

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no such task.
    NotFound,
    /// The task is somebody else's.
    LeaseLost,
    /// The request breaks a rule, which the server names.
    Invalid(String),
    /// The server has no capacity now.
    Busy,
    /// The server answers, and will do nothing for whoever asks with this key or
    /// at this URL. The sentence is for operators and holds no secret.
    Denied(String),
    /// No answer came, or one that helps nobody. The sentence is for operators
    /// and holds no secret.
    Failed(String),
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
}

/// Reads an answer.
pub(super) async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, Refusal> {
    let status = answer.status();
    // The address is of the operator's own making, and in the log elsewhere.
    let body = answer.bytes().await.map_err(|error| {
        Refusal::Failed(format!("the answer broke off: {}", chain(&error.without_url())))
    })?;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|error| Refusal::unreadable(&error));
    }
    let sentence = serde_json::from_slice::<ErrorBody>(&body).ok().map(|body| body.error);
    Err(Refusal::of(status, sentence))
}

impl Refusal {
    /// What an answer of this status means, with the sentence that came with it.
    fn of(status: StatusCode, sentence: Option<String>) -> Self {
        let said = |sentence: Option<String>| {
            let sentence = sentence.as_deref().or(status.canonical_reason());
            format!("the server answered {}: {}", status.as_u16(), sentence.unwrap_or("nothing"))
        };
        match status.as_u16() {
            // Only the face itself speaks so; anything else has no such route.
            404 if sentence.as_deref() == Some(Self::NOT_FOUND) => Self::NotFound,
            404 => Self::Denied("there is no worker face at this URL (404)".to_owned()),
            409 => Self::LeaseLost,
            400 | 413 => Self::Invalid(sentence.unwrap_or_else(|| said(None))),
            401 => Self::Denied(
                "the server accepts no request without a valid key: it is missing, unknown, expired or revoked (401)"
                    .to_owned(),
            ),
            403 => Self::Denied("the key is not for workers: it lacks the scope (403)".to_owned()),
            429 | 503 => Self::Busy,
            300..400 => Self::Denied(format!(
                "the URL points elsewhere, and the key is not sent there ({})",
                status.as_u16()
            )),
            _ => Self::Failed(said(sentence)),
        }
    }

    const NOT_FOUND: &str = "Task not found";

    /// Why one report of a batch was not taken.
    pub(super) fn of_item(sentence: Option<String>) -> Self {
        match sentence.as_deref() {
            Some("lease_lost") => Self::LeaseLost,
            Some(Self::NOT_FOUND) => Self::NotFound,
            _ => Self::Invalid(sentence.unwrap_or_default()),
        }
    }

    /// No answer came from this server.
    pub(super) fn unreachable(base: &Url, error: reqwest::Error) -> Self {
        let why = chain(&error.without_url());
        Self::Failed(format!("cannot reach {}: {why}", base.as_str().trim_end_matches('/')))
    }

    /// An answer, but not one of this protocol.
    pub(super) fn unreadable(error: &(dyn Error + 'static)) -> Self {
        Self::Failed(format!("this is no answer of a taskgate server: {}", chain(error)))
    }
}

/// An error and its causes in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy => Self::Busy,
            Refusal::Denied(sentence) | Refusal::Failed(sentence) => Self::failed(sentence),
            Refusal::Invalid(sentence) => Self::failed(format!("the server refused: {sentence}")),
            Refusal::NotFound | Refusal::LeaseLost => {
                Self::failed("the server speaks of a task where none was named")
            }
        }
    }
}

impl From<Refusal> for ReportError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::NotFound,
            Refusal::LeaseLost => Self::LeaseLost,
            Refusal::Invalid(sentence) => {
                InvalidValue::new("report", format!("was refused: {sentence}")).into()
            }
            other => StoreError::from(other).into(),
        }
    }
}
