//! Reads pages on the public web.
//!
//! A question can come from anybody, and a page can lead anywhere, so this
//! connects to addresses of the public internet alone. Names are resolved here,
//! and a connection goes to the very addresses that were looked at: a redirect,
//! or a name that means something else the next time, leads to the same check.

use super::{address::is_public, page};
use crate::answerer::{Source, ToolSpec};
use reqwest::{
    Client, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, CONTENT_TYPE},
    redirect,
};
use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "fetch_page",
    description: "Reads a page on the public web. Use it for addresses with http:// or https:// \
                  that the question or a source names. No other can be read: what the search \
                  finds under docs/ is not on the web.",
    parameter: "url",
    parameter_description: "The address, with http:// or https://.",
};

/// How long it takes at most from the first connection to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many redirects are followed.
const MOST_REDIRECTS: usize = 5;
/// How much of a page is read; the rest is left.
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// The longest address.
const MOST_URL: usize = 2048;
/// How far a page of which nothing else is known can be believed.
const CREDIBILITY: f64 = 0.5;

/// Reads pages.
#[derive(Clone)]
pub(super) struct FetchPage {
    client: Client,
    guard: Guard,
}

/// Says whither a connection may go.
#[derive(Clone, Copy)]
struct Guard {
    allows: fn(IpAddr) -> bool,
}

impl FetchPage {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        Self::guarded(Guard { allows: is_public }, Arc::new(SystemNames))
    }

    fn guarded(guard: Guard, names: Arc<dyn Names>) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("taskgate/", env!("CARGO_PKG_VERSION")))
            // A proxy would resolve names by itself.
            .no_proxy()
            .dns_resolver(Guarded { guard, names })
            .redirect(redirect::Policy::custom(move |attempt| {
                if attempt.previous().len() > MOST_REDIRECTS {
                    return attempt.error("it redirects too often");
                }
                match guard.check(attempt.url()) {
                    Ok(()) => attempt.follow(),
                    Err(reason) => attempt.error(reason),
                }
            }))
            .referer(false)
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { client, guard })
    }

    /// What a page says, or why it cannot be read.
    pub(super) async fn read(&self, url: &str) -> (String, Vec<Source>) {
        match self.source(url.trim()).await {
            Ok(source) => (source.text.clone(), vec![source]),
            Err(reason) => (format!("the page cannot be read: {reason}"), Vec::new()),
        }
    }

    async fn source(&self, url: &str) -> Result<Source, String> {
        if url.len() > MOST_URL {
            return Err(format!("its address is longer than {MOST_URL} bytes"));
        }
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        self.guard.check(&url)?;
        let accept = "text/html, text/plain, application/json";
        let response =
            self.client.get(url).header(ACCEPT, accept).send().await.map_err(|e| cause(&e))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("it is answered with {status}"));
        }
        let url = response.url().clone();
        let said = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let is_said = said.is_some();
        let content_type = said.unwrap_or("text/plain").to_owned();
        let (form, charset) = page::form(&content_type)
            .ok_or_else(|| format!("it is {content_type}, which is neither HTML, text nor JSON"))?;
        let (bytes, charset) = (body(response).await?, charset.map(str::to_owned));
        if !is_said && bytes.contains(&0) {
            return Err("it does not say what it is, and is no text".to_owned());
        }
        let page =
            tokio::task::spawn_blocking(move || page::read(&bytes, form, charset.as_deref()));
        let page = page.await.map_err(|_| "its markup is too odd".to_owned())?;
        if page.text.is_empty() {
            return Err("it has no text".to_owned());
        }
        let publisher = url.host_str().unwrap_or_default().to_owned();
        Ok(Source {
            title: page.title.unwrap_or_else(|| url.to_string()),
            url: url.into(),
            publisher,
            text: page.text,
            credibility: CREDIBILITY,
            // The page was named, so it is what was looked for.
            quality: 1.0,
        })
    }
}

/// The start of what a server sends.
async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while bytes.len() < MOST_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Err(cause(&error)),
        }
    }
    bytes.truncate(MOST_BYTES);
    Ok(bytes)
}

/// What is at the bottom of an error.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("it takes longer than {} seconds", TIMEOUT.as_secs());
    }
    let mut bottom: &dyn Error = error;
    while let Some(deeper) = bottom.source() {
        bottom = deeper;
    }
    bottom.to_string()
}

impl Guard {
    /// Checks all of an address that is seen before names are resolved. An IP
    /// address in it is never resolved, so it is judged here; the parser has
    /// brought every spelling of one (decimal, hexadecimal, short) into form.
    fn check(self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("only http and https addresses are read".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address with a user name or password is not read".to_owned());
        }
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if !(self.allows)(address) => Err(KEPT.to_owned()),
            _ => Ok(()),
        }
    }
}

/// Why a connection is not made.
const KEPT: &str = "it does not lie on the public internet";

/// Resolves names.
#[async_trait::async_trait]
trait Names: Send + Sync {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<SocketAddr>>;
}

/// Names, as this machine resolves them.
struct SystemNames;

#[async_trait::async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<SocketAddr>> {
        // The port is the connection's to say.
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Resolves names to the addresses that the guard allows.
struct Guarded {
    guard: Guard,
    names: Arc<dyn Names>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, names) = (self.guard, self.names.clone());
        Box::pin(async move {
            let mut addresses = names.addresses(name.as_str()).await?;
            addresses.retain(|address| (guard.allows)(address.ip()));
            if addresses.is_empty() {
                return Err(KEPT.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
