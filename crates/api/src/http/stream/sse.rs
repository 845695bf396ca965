//! Server-sent events, as the HTML standard has them.

use super::{Cut, Source, Step};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    web::Bytes,
};
use futures_util::stream;
use serde::Serialize;
use std::{fmt::Write, mem, time::Duration};
use taskgate_domain::{
    event::{EventType, Position, TaskEvent},
    usecase::events::Follow,
};
use tokio::sync::watch;

/// How often a client hears something: more often than proxies and readers lose
/// patience (gateway contract, section 6).
const BEAT: Duration = Duration::from_secs(10);

/// How a face writes the events of one task.
pub(crate) trait Frames: 'static {
    /// The id by which a client resumes behind a place.
    fn id(&self, place: Position) -> Option<String>;

    /// The frame of an event: its name, and its data on one line. `None` when
    /// the client is not to see it. The end needs none.
    fn frame<'a>(&mut self, event: &'a TaskEvent) -> Option<(&'a str, String)>;

    /// Whether nothing is told after this event.
    fn ends_at(&self, event: &TaskEvent) -> bool {
        *event.event.event_type() == EventType::STREAM_END
    }
}

/// Answers with a stream that begins with a comment and ends with the frame
/// `done`, behind the task's last event.
pub(crate) fn respond(
    follow: Follow,
    from: Position,
    stopping: watch::Receiver<bool>,
    comment: &str,
    frames: impl Frames,
) -> HttpResponse {
    let source = Source::new(follow, BEAT, stopping);
    let phase = Phase::Greet(format!(": {comment}\n\n"));
    let body = Body { source, frames, place: from, phase };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        // nginx would collect the frames.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(stream::unfold(body, |mut body| async move {
            let chunk = body.chunk().await?;
            Some((chunk, body))
        }))
}

/// The text of the header by which a browser resumes, if it sends one.
pub(crate) fn resume_header(request: &HttpRequest) -> Option<&str> {
    request.headers().get("last-event-id")?.to_str().ok()
}

enum Phase {
    /// This is to be sent first.
    Greet(String),
    /// Events are told.
    Open,
    /// All was told.
    Over,
    /// The connection is to break off, when what was written has left.
    Cut,
}

struct Body<F> {
    source: Source,
    frames: F,
    /// Behind the last event that was seen, told or not.
    place: Position,
    phase: Phase,
}

impl<F: Frames> Body<F> {
    /// The next piece of the answer; `None` at its end.
    async fn chunk(&mut self) -> Option<Result<Bytes, Cut>> {
        match mem::replace(&mut self.phase, Phase::Open) {
            Phase::Greet(comment) => return Some(Ok(comment.into())),
            Phase::Open => {}
            Phase::Over => return None,
            Phase::Cut => return Some(self.cut().await),
        }
        loop {
            match self.source.next().await {
                Step::Event(event) => {
                    let text = self.tell(&event);
                    if !text.is_empty() {
                        return Some(Ok(text.into()));
                    }
                }
                Step::End => {
                    self.phase = Phase::Over;
                    return Some(Ok(self.done().into()));
                }
                Step::Beat => return Some(Ok(Bytes::from_static(b": ping\n\n"))),
                Step::Stop => {
                    self.phase = Phase::Cut;
                    return Some(Ok(Bytes::from_static(b"retry: 1000\n\n")));
                }
                Step::Fail => return Some(self.cut().await),
            }
        }
    }

    /// Writes an event, if the client is to see it, and the end behind the last.
    fn tell(&mut self, event: &TaskEvent) -> String {
        self.place = Position::of(event);
        let frame = self.frames.frame(event);
        let mut text = frame.map_or(String::new(), |(name, data)| self.frame(name, &data));
        if self.frames.ends_at(event) {
            text.push_str(&self.done());
            self.phase = Phase::Over;
        }
        text
    }

    /// The frame by which clients know that nothing is missing. It has an id,
    /// so that a client can resume behind it.
    fn done(&self) -> String {
        self.frame("done", "[DONE]")
    }

    fn frame(&self, name: &str, data: &str) -> String {
        let mut text = String::with_capacity(data.len() + name.len() + 64);
        if let Some(id) = self.frames.id(self.place) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "id: {id}");
        }
        let _ = write!(text, "event: {name}\ndata: {data}\n\n");
        text
    }

    /// Lets what was written before reach the client first.
    async fn cut(&mut self) -> Result<Bytes, Cut> {
        self.phase = Phase::Over;
        tokio::task::yield_now().await;
        Err(Cut)
    }
}

/// A value as JSON without any character that some reader takes for the end of
/// a line: the standard knows two, Python's `splitlines` eleven. In JSON they
/// are spaces between tokens, or can be escaped.
pub(crate) fn one_line(value: &impl Serialize) -> String {
    const ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let json = serde_json::to_string(value).unwrap_or_default();
    if !json.contains(ENDS) {
        return json;
    }
    let mut line = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        match c {
            '\n' | '\r' => line.push(' '),
            c if ENDS.contains(&c) => {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;
    use taskgate_domain::json::JsonObject;

    #[test]
    fn a_text_of_many_lines_stays_the_same_on_one() {
        let text = "a\nb\r\nc\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}é";
        let line = one_line(&text);
        assert_eq!(line, r#""a\nb\r\nc\u000b\f\u001c\u001d\u001e\u0085\u2028\u2029é""#);
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }

    #[test]
    fn json_that_was_written_on_many_lines_is_joined() {
        let json = "{\n  \"a\": 1.0,\r\n  \"b\": \"\u{2028}\"\n}";
        let object = JsonObject::parse("payload", json.to_owned()).unwrap();
        assert_eq!(one_line(&object), r#"{   "a": 1.0,    "b": "\u2028" }"#);
    }
}
