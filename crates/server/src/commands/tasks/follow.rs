//! Following a stream of events across broken connections.

use super::{
    backoff::{Backoff, LONGEST},
    client::{Client, Trouble},
    sse::{Frame, Reader},
};
use reqwest::{Response, Url};
use std::time::Duration;
use tokio::time::Instant;

/// A stream of events, each of which is seen once.
#[derive(Debug)]
pub(super) struct Follow<'a> {
    client: &'a Client,
    url: Url,
    reader: Reader,
    open: Option<Open>,
    /// The server has answered before, so that it is worth a wait.
    known: bool,
    backoff: Backoff,
    wait: Duration,
}

#[derive(Debug)]
struct Open {
    response: Response,
    since: Instant,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// An event.
    Frame(Frame),
    /// The connection has broken; it is tried again so much later.
    Lost(Trouble, Duration),
}

impl<'a> Follow<'a> {
    /// The stream at this URL, from its start.
    pub(super) fn new(client: &'a Client, url: Url) -> Self {
        Self {
            client,
            url,
            reader: Reader::default(),
            open: None,
            known: false,
            backoff: Backoff::default(),
            wait: Duration::ZERO,
        }
    }

    /// Waits for what comes next.
    ///
    /// # Errors
    /// When the server refuses, was never there, or stays away.
    pub(super) async fn next(&mut self) -> Result<Step, Trouble> {
        loop {
            if let Some(frame) = self.reader.next() {
                self.backoff.reset();
                return Ok(Step::Frame(frame));
            }
            if let Err(trouble) = self.advance().await {
                self.drop_connection();
                self.wait = self.wait_after(&trouble).ok_or_else(|| trouble.clone())?;
                return Ok(Step::Lost(trouble, self.wait));
            }
        }
    }

    /// Asks again for something else after trouble, as patiently as for events.
    pub(super) async fn patiently<T>(
        &mut self,
        mut ask: impl AsyncFnMut() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => {
                    let wait = self.wait_after(&trouble).ok_or(trouble)?;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Opens the connection, or reads from it.
    async fn advance(&mut self) -> Result<(), Trouble> {
        let Some(open) = &mut self.open else {
            tokio::time::sleep(std::mem::take(&mut self.wait)).await;
            let response = self.client.open(self.url.clone(), &self.reader.last_id).await?;
            self.open = Some(Open { response, since: Instant::now() });
            self.known = true;
            return Ok(());
        };
        match open.response.chunk().await {
            Ok(Some(bytes)) => self
                .reader
                .feed(&bytes)
                .map_err(|_| Trouble::Refused("an event is too long to be taken".to_owned())),
            // Only `done` ends a stream; this may be a proxy's doing.
            Ok(None) => Err(Trouble::Unreachable("the stream ended too early".to_owned())),
            Err(error) => Err(self.client.lost(&error)),
        }
    }

    fn drop_connection(&mut self) {
        self.reader.cut();
        // A connection that held is no try in vain, though a task that waits
        // for its worker had nothing to say.
        if self.open.take().is_some_and(|open| open.since.elapsed() > LONGEST) {
            self.backoff.reset();
        }
    }

    fn wait_after(&mut self, trouble: &Trouble) -> Option<Duration> {
        match trouble {
            Trouble::Refused(_) => None,
            Trouble::Unreachable(_) if !self.known => None,
            Trouble::Unreachable(_) => self.backoff.next(self.reader.retry, Duration::ZERO),
            Trouble::Busy(_, after) => self.backoff.next(self.reader.retry, *after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Follow, Step};
    use crate::{
        cli::ClientFace,
        commands::tasks::{
            client::{Client, Trouble},
            route::TaskRef,
            testing::{Reply, Script},
        },
    };

    /// Waits of no more than a few milliseconds.
    const SOON: &str = "retry: 1\n\n";

    fn frames(ids: std::ops::RangeInclusive<u32>) -> String {
        ids.map(|id| format!("id: {id}\nevent: E\ndata: {{\"n\":{id}}}\n\n")).collect()
    }

    fn follow<'a>(client: &'a Client, id: &str) -> Follow<'a> {
        Follow::new(client, TaskRef::new(client.face, id).unwrap().stream(client))
    }

    /// The ids of all events up to the first trouble that ends the stream, and
    /// how often the connection was lost.
    async fn ids(follow: &mut Follow<'_>) -> (Vec<String>, usize, Trouble) {
        let (mut ids, mut lost) = (Vec::new(), 0);
        loop {
            match follow.next().await {
                Ok(Step::Frame(frame)) => ids.push(frame.id),
                Ok(Step::Lost(..)) => lost += 1,
                Err(trouble) => return (ids, lost, trouble),
            }
        }
    }

    #[tokio::test]
    async fn a_broken_stream_goes_on_after_the_last_whole_event() {
        let first = format!("{SOON}{}id: 3\nevent: E\ndata: {{\"n\"", frames(1..=2));
        for size in [1, 5, 1000] {
            let script = Script::play(vec![
                Reply::broken_stream(&first, size),
                Reply::stream(&frames(3..=4)),
                Reply::json(404, r#"{"error":"Task not found"}"#),
            ])
            .await;
            let client = script.client_with_key("sk_1");
            let (ids, lost, trouble) = ids(&mut follow(&client, "task_7")).await;
            assert_eq!((ids.join(" ").as_str(), lost), ("1 2 3 4", 2), "{size}");
            assert_eq!(trouble, Trouble::Refused("Task not found (404)".to_owned()));
            let requests = script.requests();
            assert!(
                requests[0].starts_with("get /api/v1/stream/sse?workflow_id=task_7 http/1.1\r\n")
            );
            for (request, after) in requests.iter().zip([None, Some("2"), Some("4")]) {
                let sent = request.lines().find_map(|line| line.strip_prefix("last-event-id: "));
                assert_eq!(sent, after);
                assert!(request.contains("\r\nx-api-key: sk_1\r\n"), "{request}");
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_ends_the_stream_at_once() {
        for (status, kind) in [(404, "Not Found"), (401, "Unauthorized"), (400, "Bad Request")] {
            let script = Script::play(vec![Reply::json(status, "{}")]).await;
            let client = script.client(ClientFace::Research);
            let trouble = follow(&client, "7").next().await.unwrap_err();
            assert!(
                matches!(&trouble, Trouble::Refused(why) if why.starts_with(kind)),
                "{trouble:?}"
            );
            assert!(script.requests()[0].starts_with("get /api/v1/tasks/7/events http/1.1\r\n"));
        }
    }

    #[tokio::test]
    async fn a_server_that_was_never_there_is_not_waited_for() {
        let script = Script::play(vec![]).await;
        let client = script.client(ClientFace::Gateway);
        drop(script);
        let trouble = follow(&client, "task_7").next().await.unwrap_err();
        assert!(matches!(trouble, Trouble::Unreachable(_)), "{trouble:?}");
    }

    #[tokio::test]
    async fn a_server_that_stays_away_is_given_up() {
        let script =
            Script::play(vec![Reply::broken_stream(&format!("{SOON}{}", frames(1..=1)), 9)]).await;
        let client = script.client(ClientFace::Gateway);
        let (ids, lost, trouble) = ids(&mut follow(&client, "task_7")).await;
        assert_eq!((ids.len(), lost), (1, 8));
        assert!(matches!(trouble, Trouble::Unreachable(_)), "{trouble:?}");
    }

    #[tokio::test]
    async fn a_busy_server_is_asked_again() {
        let script = Script::play(vec![
            Reply::broken_stream(SOON, 3),
            Reply::json(503, "{}"),
            Reply::json(429, "{}"),
            Reply::broken_stream(&frames(1..=1), 3),
            Reply::json(403, "{}"),
        ])
        .await;
        let client = script.client(ClientFace::Gateway);
        let (ids, lost, trouble) = ids(&mut follow(&client, "task_7")).await;
        assert_eq!((ids.len(), lost), (1, 4));
        assert_eq!(trouble, Trouble::Refused("Forbidden (403)".to_owned()));
    }

    #[tokio::test]
    async fn a_page_is_no_stream() {
        let script = Script::play(vec![Reply::json(200, "<html>")]).await;
        let client = script.client(ClientFace::Gateway);
        let trouble = follow(&client, "task_7").next().await.unwrap_err();
        assert!(trouble.sentence().contains("no stream of events"), "{trouble:?}");
    }
}
