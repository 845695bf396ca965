//! Speaking HTTP to a face.

use crate::{
    cli::{ClientFace, ClientFlags},
    failure::{Failure, root},
};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use std::{ffi::OsString, net::IpAddr, time::Duration};

use super::{exit, text};

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long the server may be silent. Its streams say something every ten
/// seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// A face of a server, and the key to it.
#[derive(Debug)]
pub(super) struct Client {
    /// Which face.
    pub(super) face: ClientFace,
    http: reqwest::Client,
    base: Url,
    key: Option<HeaderValue>,
}

/// What the server answered.
#[derive(Debug)]
pub(super) struct Answer {
    face: ClientFace,
    /// The JSON, as it came.
    pub(super) text: String,
}

/// Why there is no answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No whole answer came: the server is gone, or the line to it.
    Unreachable(String),
    /// The server cannot at the moment; it wants to be left alone that long.
    Busy(String, Duration),
    /// The server will not.
    Refused(String),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreachable(sentence) => Self::with_code(exit::UNREACHABLE, sentence),
            Trouble::Busy(sentence, _) | Trouble::Refused(sentence) => Self::new(sentence),
        }
    }
}

impl Trouble {
    /// What happened, for people.
    pub(super) fn sentence(&self) -> &str {
        let (Self::Unreachable(sentence) | Self::Busy(sentence, _) | Self::Refused(sentence)) =
            self;
        sentence
    }
}

impl Client {
    /// The client that the flags and the environment describe.
    pub(super) fn new(
        flags: &ClientFlags,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Failure> {
        let (variable, default) = match flags.face {
            ClientFace::Gateway => ("TASKGATE_URL", "http://127.0.0.1:8080"),
            ClientFace::Research => ("TASKGATE_RESEARCH_URL", "http://127.0.0.1:8000"),
        };
        let setting = |flag: &Option<String>, name| {
            let variable = environment(name).filter(|text| !text.is_empty());
            let variable = variable.map(|text| text.to_string_lossy().into_owned());
            flag.clone().or(variable)
        };
        let base = base(&setting(&flags.url, variable).unwrap_or_else(|| default.to_owned()))?;
        let key = setting(&flags.api_key, "TASKGATE_API_KEY").map(header).transpose()?;
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("taskgate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECTING)
            .read_timeout(SILENCE)
            // The key must not follow to wherever an answer points.
            .redirect(Policy::none());
        if is_loopback(&base) {
            http = http.no_proxy();
        }
        let http = http
            .build()
            .map_err(|error| Failure::caused("cannot start the HTTP client", &error))?;
        Ok(Self { face: flags.face, http, base, key })
    }

    /// The URL of a route, given by the segments of its path.
    pub(super) fn url(&self, segments: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Reads something.
    pub(super) async fn get(&self, url: Url) -> Result<Answer, Trouble> {
        self.whole(self.http.get(url)).await
    }

    /// Sends a JSON body, with further headers.
    pub(super) async fn post(
        &self,
        url: Url,
        headers: HeaderMap,
        body: &impl serde::Serialize,
    ) -> Result<Answer, Trouble> {
        self.whole(self.http.request(Method::POST, url).headers(headers).json(body)).await
    }

    /// Opens a stream of events, from the start or after the event of this id.
    pub(super) async fn open(&self, url: Url, after: &str) -> Result<Response, Trouble> {
        let mut request = self.http.get(url).header("Accept", "text/event-stream");
        if !after.is_empty() {
            request = request.header("Last-Event-ID", after);
        }
        let response = self.send(request).await?;
        let kind = response.headers().get("Content-Type").and_then(|kind| kind.to_str().ok());
        match kind {
            Some(kind) if kind.starts_with("text/event-stream") => Ok(response),
            _ => Err(Trouble::Refused(format!("{} sends no stream of events", self.base))),
        }
    }

    /// What is to be said of a connection that broke.
    pub(super) fn lost(&self, error: &reqwest::Error) -> Trouble {
        // The layers above the last cause only say which layer they are.
        let what = if error.is_decode() { "lost the connection to" } else { "cannot reach" };
        Trouble::Unreachable(format!("{what} {}: {}", self.base, root(error)))
    }

    async fn whole(&self, request: RequestBuilder) -> Result<Answer, Trouble> {
        let text = self.send(request).await?.text().await.map_err(|error| self.lost(&error))?;
        // Anything may answer at an address: a proxy's page must not pass for JSON.
        match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => Ok(Answer { face: self.face, text: text.trim().to_owned() }),
            Err(_) => Err(Trouble::Refused(format!("{} does not answer in JSON", self.base))),
        }
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Response, Trouble> {
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key.clone());
        }
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.map_err(|error| self.lost(&error))?;
        Err(self.refusal(status, &headers, &body))
    }

    fn refusal(&self, status: StatusCode, headers: &HeaderMap, body: &str) -> Trouble {
        let said =
            serde_json::from_str::<Refusal>(body).ok().and_then(|body| body.error.or(body.message));
        let said =
            said.or_else(|| status.canonical_reason().map(str::to_owned)).unwrap_or_default();
        let said = format!("{} ({})", text::short(&said, 500), status.as_u16());
        match status.as_u16() {
            401 if self.key.is_none() => Trouble::Refused(format!(
                "{said}: no key was sent; set TASKGATE_API_KEY to one that {} accepts",
                self.base
            )),
            401 => Trouble::Refused(format!("{said}: {} does not accept the key", self.base)),
            300..=399 => Trouble::Refused(format!(
                "{said}: {} points elsewhere, which is not followed; correct the URL",
                self.base
            )),
            429 | 500 | 502..=504 => {
                let after = headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok());
                let seconds = after.and_then(|after| after.parse().ok()).unwrap_or(0);
                Trouble::Busy(said, Duration::from_secs(seconds))
            }
            _ => Trouble::Refused(said),
        }
    }
}

impl Answer {
    /// The answer's members; on the research face those of its `data`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let read = match self.face {
            ClientFace::Gateway => serde_json::from_str(&self.text),
            ClientFace::Research => {
                serde_json::from_str::<Envelope<T>>(&self.text).map(|envelope| envelope.data)
            }
        };
        read.map_err(|error| Failure::caused("this is no answer of a taskgate server", &error))
    }
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Refusal {
    error: Option<String>,
    message: Option<String>,
}

fn base(text: &str) -> Result<Url, Failure> {
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Ok(url)
        }
        // The text is not repeated: it may hold a password.
        _ => {
            Err(exit::usage("the URL must be http://HOST:PORT or https://HOST, without a password"))
        }
    }
}

fn header(key: String) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(key)
        .map_err(|_| exit::usage("the API key has characters that no key has"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{Client, Trouble};
    use crate::{
        cli::{ClientFace, ClientFlags},
        commands::tasks::testing::{Reply, Script},
    };
    use std::time::Duration;

    fn flags(face: ClientFace) -> ClientFlags {
        ClientFlags { face, url: None, api_key: None, json: false }
    }

    fn url_of(flags: &ClientFlags, environment: &[(&str, &str)]) -> Result<String, String> {
        let environment: Vec<(String, String)> =
            environment.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        let find = move |name: &str| {
            environment.iter().find(|(known, _)| known == name).map(|(_, text)| text.into())
        };
        let client = Client::new(flags, &find).map_err(|failure| failure.to_string())?;
        Ok(client.url(&["tasks"], &[("limit", "5".to_owned())]).to_string())
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_default() {
        let both = [("TASKGATE_URL", "https://a.example/tg/"), ("TASKGATE_RESEARCH_URL", "")];
        let mut gateway = flags(ClientFace::Gateway);
        assert_eq!(url_of(&gateway, &[]).unwrap(), "http://127.0.0.1:8080/api/v1/tasks?limit=5");
        assert_eq!(url_of(&gateway, &both).unwrap(), "https://a.example/tg/api/v1/tasks?limit=5");
        let research = flags(ClientFace::Research);
        assert_eq!(url_of(&research, &both).unwrap(), "http://127.0.0.1:8000/api/v1/tasks?limit=5");
        gateway.url = Some("http://b.example".to_owned());
        assert_eq!(url_of(&gateway, &both).unwrap(), "http://b.example/api/v1/tasks?limit=5");
    }

    #[test]
    fn wrong_urls_and_keys_are_refused_without_being_repeated() {
        for url in ["b.example", "ftp://b.example", "http://ann:hunter2@b.example", "http://b?x=1"]
        {
            let mut flags = flags(ClientFace::Gateway);
            flags.url = Some(url.to_owned());
            let refusal = url_of(&flags, &[]).unwrap_err();
            assert!(refusal.contains("URL") && !refusal.contains("hunter2"), "{refusal}");
        }
        let refusal = url_of(&flags(ClientFace::Gateway), &[("TASKGATE_API_KEY", "sk_x\n1")]);
        assert!(!refusal.unwrap_err().contains("sk_x"));
    }

    #[test]
    fn a_client_does_not_show_its_key() {
        let mut flags = flags(ClientFace::Gateway);
        flags.api_key = Some("sk_secret".to_owned());
        let client = Client::new(&flags, &|_| None).unwrap();
        assert!(!format!("{client:?}").contains("sk_secret"));
    }

    #[tokio::test]
    async fn refusals_are_told_in_the_servers_words() {
        let busy = |sentence: &str, seconds| {
            Trouble::Busy(sentence.to_owned(), Duration::from_secs(seconds))
        };
        let refused = |sentence: &str| Trouble::Refused(sentence.to_owned());
        for (reply, expected) in [
            (Reply::json(404, r#"{"error":"Task not found"}"#), refused("Task not found (404)")),
            (Reply::json(400, r#"{"code":400,"message":"No","data":null}"#), refused("No (400)")),
            (Reply::json(403, r#"{"error":"a\u001b[2Jb"}"#), refused("a[2Jb (403)")),
            (Reply::json(418, "<html>"), refused("I'm a teapot (418)")),
            (Reply::json(500, "{}"), busy("Internal Server Error (500)", 0)),
            (Reply::json(503, "{}").with("Retry-After: 2"), busy("Service Unavailable (503)", 2)),
        ] {
            let script = Script::play(vec![reply]).await;
            let client = script.client(ClientFace::Gateway);
            let trouble = client.get(client.url(&["tasks"], &[])).await.unwrap_err();
            assert_eq!(trouble, expected);
        }
    }

    #[tokio::test]
    async fn a_missing_key_is_told_from_a_wrong_one() {
        let reply = || Reply::json(401, r#"{"error":"Unauthorized"}"#);
        let script = Script::play(vec![reply(), reply()]).await;
        let client = script.client(ClientFace::Gateway);
        let trouble = client.get(client.url(&["tasks"], &[])).await.unwrap_err();
        assert!(trouble.sentence().contains("TASKGATE_API_KEY"), "{trouble:?}");
        let client = script.client_with_key("sk_wrong");
        let trouble = client.get(client.url(&["tasks"], &[])).await.unwrap_err();
        assert!(trouble.sentence().contains("does not accept the key"), "{trouble:?}");
        assert!(!trouble.sentence().contains("sk_wrong"), "{trouble:?}");
    }

    #[tokio::test]
    async fn a_key_does_not_follow_a_redirect() {
        let elsewhere = Script::play(vec![]).await;
        let location = format!("Location: {}", elsewhere.url());
        let script = Script::play(vec![Reply::json(307, "").with(&location)]).await;
        let client = script.client_with_key("sk_1");
        let trouble = client.get(client.url(&["tasks"], &[])).await.unwrap_err();
        assert!(trouble.sentence().contains("points elsewhere"), "{trouble:?}");
        assert!(elsewhere.requests().is_empty());
    }

    #[tokio::test]
    async fn a_page_is_no_answer() {
        let script = Script::play(vec![Reply::json(200, "<html>")]).await;
        let client = script.client(ClientFace::Gateway);
        let trouble = client.get(client.url(&["tasks"], &[])).await.unwrap_err();
        assert!(trouble.sentence().contains("does not answer in JSON"), "{trouble:?}");
    }

    #[tokio::test]
    async fn nobody_there_is_not_a_refusal() {
        let script = Script::play(vec![]).await;
        let client = script.client(ClientFace::Gateway);
        drop(script);
        let trouble = client.get(client.url(&["tasks"], &[])).await.unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Unreachable(why) if why.starts_with("cannot reach http://")),
            "{trouble:?}"
        );
    }
}
