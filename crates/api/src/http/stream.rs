//! Answers that go on while a task lives: what drives them, and their form as
//! server-sent events.

mod sse;

pub(crate) use sse::{Frames, one_line, respond, resume_header};

use crate::http::error::ApiError;
use std::{fmt, sync::Arc, time::Duration, vec};
use taskgate_domain::{error::StoreError, event::TaskEvent, usecase::events::Follow};
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep},
};
use tracing::Span;

/// What an open stream has to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Tell this event.
    Event(Arc<TaskEvent>),
    /// End: the task has ended, and all of its events were told.
    End,
    /// Give a sign of life.
    Beat,
    /// Send the client away for a moment: the program stops.
    Stop,
    /// Send the client away for a moment: the store does not answer. That is
    /// logged already.
    Fail,
}

/// What drives a stream. It is asked when the client can take more, so that one
/// that does not read holds back only itself.
pub(crate) struct Source {
    follow: Follow,
    /// What was read and not told yet.
    batch: vec::IntoIter<Arc<TaskEvent>>,
    beat: Interval,
    stopping: watch::Receiver<bool>,
    /// The request, for the log.
    span: Span,
}

impl Source {
    /// How long to wait for a store without capacity before asking again.
    const BUSY: Duration = Duration::from_millis(250);

    /// Tells what `follow` reads, with a beat each time that this has passed.
    pub(crate) fn new(follow: Follow, beat: Duration, stopping: watch::Receiver<bool>) -> Self {
        let mut beat = interval_at(Instant::now() + beat, beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { follow, batch: Vec::new().into_iter(), beat, stopping, span: Span::current() }
    }

    /// What to do next. To stop waiting loses nothing.
    pub(crate) async fn next(&mut self) -> Step {
        let event = tokio::select! {
            biased;
            () = stopped(&mut self.stopping) => return Step::Stop,
            event = next_event(&mut self.follow, &mut self.batch) => event,
            _ = self.beat.tick() => return Step::Beat,
        };
        match event {
            Ok(Some(event)) => Step::Event(event),
            Ok(None) => Step::End,
            Err(error) => {
                let error = ApiError::store("Failed to stream events")(error);
                self.span.in_scope(|| error.log());
                Step::Fail
            }
        }
    }
}

async fn next_event(
    follow: &mut Follow,
    batch: &mut vec::IntoIter<Arc<TaskEvent>>,
) -> Result<Option<Arc<TaskEvent>>, StoreError> {
    loop {
        if let Some(event) = batch.next() {
            return Ok(Some(event));
        }
        match follow.next().await {
            Ok(Some(events)) => *batch = events.into_iter(),
            Ok(None) => return Ok(None),
            // To cut streams now would bring more requests.
            Err(StoreError::Busy) => sleep(Source::BUSY).await,
            Err(error) => return Err(error),
        }
    }
}

/// Returns when the program stops.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left to say so.
        std::future::pending().await
    }
}

/// Ends an answer whose connection is to break off, without the last chunk that
/// would say that it is whole.
#[derive(Debug)]
pub(crate) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream was cut")
    }
}

impl std::error::Error for Cut {}
