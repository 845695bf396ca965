//! The queue of a server elsewhere, over its worker face (`docs/worker-protocol.md`).

mod answer;
#[cfg(test)]
mod tests;
mod wire;

use answer::Refusal;
use async_trait::async_trait;
use reqwest::{Client, RequestBuilder, Url, header::HeaderValue, redirect::Policy};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::{net::IpAddr, time::Duration};
use taskgate_domain::{
    error::{InvalidValue, ReportError, StoreError},
    event::NewEvent,
    id::TaskId,
    ports::TaskQueue,
    queue::{
        ClaimRequest, ClaimedTask, Conversation, Heartbeat, HeartbeatReply, Lease, Report, Reported,
    },
    review::{Proposal, Review},
};

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long an answer may take, beside the time that a claim waits.
const ANSWERING: Duration = Duration::from_secs(30);
/// The longest time that a claim may wait at the server.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How many tasks a claim, and how many reports a batch may have.
const MOST: usize = 500;
/// How many bytes of reports are sent at a time, unless a single one has more.
/// The server takes 64 MiB.
const BATCH_BYTES: usize = 48 * 1024 * 1024;

/// A [`TaskQueue`] at the other end of a network.
///
/// Times are whole seconds there: leases and waits are rounded up to them. A
/// server gives a failure that may be retried a delay of its own, whatever
/// [`Conclusion::Fail`](taskgate_domain::queue::Conclusion) says. What it
/// refuses as malformed is [`ReportError::Invalid`] of the field `report`.
#[derive(Debug)]
pub struct HttpQueue {
    client: Client,
    base: Url,
    key: Option<HeaderValue>,
}

impl HttpQueue {
    /// The queue of the server at this URL, with a key of the scope `worker`,
    /// which only a server that asks for none does without. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidValue`] unless the URL is `http` or `https`, without a password,
    /// query or fragment, and the key has the characters of one. Neither is
    /// repeated in the error.
    pub fn new(url: &str, key: Option<&str>) -> Result<Self, InvalidValue> {
        let base = base(url)?;
        let key = key.map(header).transpose()?;
        let mut client = Client::builder()
            .user_agent(concat!("taskgate-worker/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECTING)
            // The key must not follow to wherever an answer points.
            .redirect(Policy::none());
        if is_loopback(&base) {
            client = client.no_proxy();
        }
        let rule = "cannot be reached: the system has no usable TLS library or certificates";
        let client = client.build().map_err(|_| InvalidValue::new("url", rule))?;
        Ok(Self { client, base, key })
    }

    /// Why the server will give this queue no task, now or later, if it says so:
    /// the key is none for workers, or there is no worker face at the URL. A
    /// server that does not answer within five seconds says nothing.
    pub async fn denial(&self) -> Option<String> {
        let nobody = TaskId::from_bits(0).to_string();
        let mut url = self.url(&["tasks", &nobody, "review"]);
        url.query_pairs_mut().append_pair("attempt", "1");
        match self.send::<IgnoredAny>(self.client.get(url).timeout(CONNECTING)).await {
            Err(Refusal::Denied(sentence)) => Some(sentence),
            // Nobody's task is not found, which is as it should be.
            Ok(_) | Err(_) => None,
        }
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1", "worker"]).extend(segments);
        }
        url
    }

    fn post(&self, segments: &[&str], body: String) -> RequestBuilder {
        let request = self.client.post(self.url(segments)).timeout(ANSWERING);
        request.header("Content-Type", "application/json").body(body)
    }

    /// A call about one task.
    fn about(&self, lease: Lease, call: &str, body: String) -> RequestBuilder {
        self.post(&["tasks", &lease.task.to_string(), call], body)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Refusal> {
        let request = match &self.key {
            Some(key) => request.header("X-API-Key", key),
            None => request,
        };
        let answer = request.send().await;
        answer::read(answer.map_err(|error| Refusal::unreachable(&self.base, error))?).await
    }

    /// Sends reports; those of a batch that is refused as a whole one by one, so
    /// that the others do not suffer from the one that is to blame.
    async fn report(&self, items: &[String]) -> Result<Vec<Reported>, StoreError> {
        match self.finish_at_once(items).await {
            Err(Refusal::Invalid(_)) if items.len() > 1 => {}
            Err(Refusal::Invalid(sentence)) => {
                return Ok(vec![Err(Refusal::Invalid(sentence).into())]);
            }
            answer => return answer.map_err(StoreError::from),
        }
        let mut reported = Vec::with_capacity(items.len());
        for item in items.chunks(1) {
            reported.push(match self.finish_at_once(item).await {
                Ok(mut one) => one.remove(0),
                Err(Refusal::Invalid(sentence)) => Err(Refusal::Invalid(sentence).into()),
                Err(refusal) => return Err(refusal.into()),
            });
        }
        Ok(reported)
    }

    async fn finish_at_once(&self, items: &[String]) -> Result<Vec<Reported>, Refusal> {
        let body = format!(r#"{{"items":[{}]}}"#, items.join(","));
        let answer: wire::Finished = self.send(self.post(&["finish"], body)).await?;
        answer.reported(items.len())
    }
}

#[async_trait]
impl TaskQueue for HttpQueue {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
        if request.kinds.is_empty() {
            // Nothing can be due, and a server refuses the question.
            return Ok(Vec::new());
        }
        let wait = request.wait.min(LONGEST_WAIT);
        let call = self.post(&["claim"], wire::json(&wire::Claim::of(&request, wait))?);
        // The wait is rounded up by less than a second.
        let call = call.timeout(wait + Duration::from_secs(1) + ANSWERING);
        let claimed: wire::Claimed = self.send(call).await?;
        Ok(claimed.tasks()?)
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError> {
        let body = wire::json(&wire::Beat::from(&heartbeat))?;
        let beaten: wire::Beaten =
            self.send(self.about(heartbeat.lease, "heartbeat", body)).await?;
        Ok(beaten.into())
    }

    async fn record(&self, lease: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError> {
        let body = wire::json(&wire::Events::of(lease, &events))?;
        let recorded: wire::Recorded = self.send(self.about(lease, "events", body)).await?;
        Ok(recorded.last_seq)
    }

    async fn conversation(&self, lease: Lease, turns: u16) -> Result<Conversation, ReportError> {
        let mut url = self.url(&["tasks", &lease.task.to_string(), "conversation"]);
        url.query_pairs_mut()
            .append_pair("attempt", &lease.attempt.get().to_string())
            .append_pair("turns", &turns.min(100).to_string());
        let read: wire::Conversed = self.send(self.client.get(url).timeout(ANSWERING)).await?;
        Ok(read.conversation()?)
    }

    async fn review(&self, lease: Lease) -> Result<Option<Review>, ReportError> {
        let mut url = self.url(&["tasks", &lease.task.to_string(), "review"]);
        url.query_pairs_mut().append_pair("attempt", &lease.attempt.get().to_string());
        let read: wire::Reviewed = self.send(self.client.get(url).timeout(ANSWERING)).await?;
        Ok(read.review()?)
    }

    async fn propose(&self, lease: Lease, proposal: Proposal) -> Result<(), ReportError> {
        let body = wire::json(&wire::Plan::of(lease, &proposal))?;
        let _: IgnoredAny = self.send(self.about(lease, "plan", body)).await?;
        Ok(())
    }

    async fn finish(&self, reports: Vec<Report>) -> Result<Vec<Reported>, StoreError> {
        let items = reports.iter().map(|report| wire::json(&wire::Item::from(report)));
        let items = items.collect::<Result<Vec<String>, Refusal>>()?;
        let mut reported = Vec::with_capacity(items.len());
        for batch in batches(&items) {
            reported.extend(self.report(batch).await?);
        }
        Ok(reported)
    }
}

/// Cuts reports, in their order, into parts that a server takes.
fn batches(mut items: &[String]) -> Vec<&[String]> {
    let mut batches = Vec::new();
    while !items.is_empty() {
        let mut bytes = 0;
        let fits = |item: &&String| {
            bytes += item.len();
            bytes <= BATCH_BYTES
        };
        let count = items.iter().take(MOST).take_while(fits).count();
        let (batch, rest) = items.split_at(count.max(1));
        batches.push(batch);
        items = rest;
    }
    batches
}

fn base(text: &str) -> Result<Url, InvalidValue> {
    Url::parse(text)
        .ok()
        .filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        })
        .ok_or_else(|| {
            InvalidValue::new("url", "must be http://HOST:PORT or https://HOST, without a password")
        })
}

fn header(key: &str) -> Result<HeaderValue, InvalidValue> {
    let rule = "must have no characters but letters, digits and underscores";
    let mut value = HeaderValue::from_str(key).map_err(|_| InvalidValue::new("key", rule))?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
