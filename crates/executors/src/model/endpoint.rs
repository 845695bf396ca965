//! An endpoint that completes chats.

use super::{
    completion::{Chunk, Completion, error_message},
    fault::{Fault, MAX_ANSWER_BYTES, message},
    settings::{ApiKey, ModelSettings, Patience},
    sse::Events,
    teller::Teller,
};
use async_openai::types::chat::CreateChatCompletionRequest;
use reqwest::{
    Client, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER},
    redirect::Policy,
};
use serde_json::Value;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout_at};

/// An endpoint that completes chats.
pub(super) struct Endpoint {
    http: Client,
    url: Url,
    key: Option<ApiKey>,
    patience: Patience,
}

impl Endpoint {
    /// An endpoint by its settings.
    pub(super) fn new(settings: &ModelSettings) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .connect_timeout(settings.patience.connect)
            // A redirect would carry the question to where nobody meant it to go.
            .redirect(Policy::none())
            .user_agent(concat!("taskgate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            http,
            url: settings.base_url.completions(),
            key: settings.api_key.clone(),
            patience: settings.patience,
        })
    }

    /// Asks once. What has come of the answer is in `completion` even when it
    /// breaks off, and `teller` was told its text. Dropping the future closes
    /// the connection, by which endpoints know that they can stop.
    pub(super) async fn ask(
        &self,
        request: &CreateChatCompletionRequest,
        completion: &mut Completion,
        teller: &mut Teller<'_>,
    ) -> Result<(), Fault> {
        let mut post = self.http.post(self.url.clone()).json(request);
        if let Some(key) = &self.key {
            post = post.header(AUTHORIZATION, key.header());
        }
        let begin = Instant::now() + self.patience.silence;
        let response = match timeout_at(begin, post.send()).await {
            Err(_elapsed) => return Err(Fault::Silent(self.patience.silence)),
            Ok(Err(error)) => return Err(Fault::unreachable(&error)),
            Ok(Ok(response)) => response,
        };
        if !response.status().is_success() {
            return Err(self.refusal(response, begin).await);
        }
        let mut body = Body { response, deadline: begin, begun: false, patience: self.patience };
        let complete = if body.is_stream() {
            self.read_stream(&mut body, completion, teller).await?
        } else {
            // An endpoint, or a proxy before it, that does not stream.
            let chunk = serde_json::from_slice(&body.rest(MAX_ANSWER_BYTES).await?);
            self.add(chunk.map_err(|_error| Fault::Unreadable)?, completion)?;
            teller.tell(completion.answer()).await;
            true
        };
        if complete { Ok(()) } else { Err(Fault::Cut) }
    }

    /// Reads a stream and says whether it came to its end.
    async fn read_stream(
        &self,
        body: &mut Body,
        completion: &mut Completion,
        teller: &mut Teller<'_>,
    ) -> Result<bool, Fault> {
        let mut events = Events::default();
        loop {
            let piece = match body.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                // The answer is whole: only the end of the stream is missing.
                Err(_fault) if completion.finish.is_some() => return Ok(true),
                Err(fault) => return Err(fault),
            };
            for data in events.read(piece.as_ref())? {
                if data == DONE {
                    return Ok(true);
                }
                self.add_data(&data, completion, teller).await?;
            }
        }
        match events.finish()? {
            Some(data) if data == DONE => return Ok(true),
            Some(data) => self.add_data(&data, completion, teller).await?,
            None => {}
        }
        // Some endpoints leave the mark out.
        Ok(completion.finish.is_some())
    }

    async fn add_data(
        &self,
        data: &str,
        completion: &mut Completion,
        teller: &mut Teller<'_>,
    ) -> Result<(), Fault> {
        let chunk = serde_json::from_str(data).map_err(|_error| Fault::Unreadable)?;
        self.add(chunk, completion)?;
        teller.tell(completion.answer_so_far()).await;
        Ok(())
    }

    fn add(&self, chunk: Chunk, completion: &mut Completion) -> Result<(), Fault> {
        match &chunk.error {
            Some(error) => Err(Fault::Reported(self.message(error))),
            None => completion.add(chunk),
        }
    }

    /// Reads why it said no.
    async fn refusal(&self, response: Response, deadline: Instant) -> Fault {
        const MAX_BYTES: usize = 64 * 1024;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let mut body = Body { response, deadline, begun: false, patience: self.patience };
        let error: Value = match body.rest(MAX_BYTES).await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(_fault) => Value::Null,
        };
        let exhausted =
            error.pointer("/error/code").is_some_and(|code| code == "insufficient_quota");
        // Endpoints quote parts of the key here, and the task's owner reads it.
        let is_about_key = matches!(status, 401 | 403);
        let mut message = self.message(&error);
        if is_about_key && let Some(message) = message.take() {
            tracing::warn!(status, message, "the endpoint refuses the key");
        }
        Fault::Status { status, message, exhausted, retry_after }
    }

    /// The message of an error, without the key, should the endpoint quote it.
    fn message(&self, error: &Value) -> Option<String> {
        let text = error_message(error)?;
        Some(match &self.key {
            Some(key) => message(&key.scrub(text)),
            None => message(text),
        })
    }
}

/// What stands at the end of a stream.
const DONE: &str = "[DONE]";

/// The body of an answer, read under the limits of patience.
struct Body {
    response: Response,
    /// When the next piece has to be here.
    deadline: Instant,
    begun: bool,
    patience: Patience,
}

impl Body {
    fn is_stream(&self) -> bool {
        let content_type = self.response.headers().get(CONTENT_TYPE);
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
    }

    /// The next piece, or `None` at the end.
    async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Fault> {
        let piece = match timeout_at(self.deadline, self.response.chunk()).await {
            Err(_elapsed) if self.begun => return Err(Fault::Stalled(self.patience.silence)),
            Err(_elapsed) => return Err(Fault::Silent(self.patience.silence)),
            Ok(Err(_error)) => return Err(Fault::Cut),
            Ok(Ok(piece)) => piece,
        };
        self.begun = true;
        self.deadline = Instant::now() + self.patience.silence;
        Ok(piece)
    }

    /// All that is left, if it is not longer than `most`.
    async fn rest(&mut self, most: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.next().await? {
            bytes.extend_from_slice(piece.as_ref());
            if bytes.len() > most {
                return Err(Fault::Endless);
            }
        }
        Ok(bytes)
    }
}

/// How long `Retry-After` asks to wait, in either of its forms (RFC 9110,
/// section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::retry_after;
    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
    use std::time::{Duration, SystemTime};

    fn read(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        let wait = read(&date).unwrap();
        assert!((Duration::from_secs(28)..=Duration::from_secs(30)).contains(&wait), "{wait:?}");
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
