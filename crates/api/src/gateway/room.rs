//! How much of tasks' logs one answer holds.

use crate::http::error::ApiError;
use taskgate_domain::{event::TaskEvent, json::JsonObject};

/// How many events an answer has at most (gateway contract, section 10).
const MAX_EVENTS: usize = 5_000;

/// How many bytes of texts are read for an answer at most.
const MAX_BYTES: usize = 64 << 20;

/// What may still be read for an answer.
pub(super) struct Room {
    events: usize,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { events: MAX_EVENTS, bytes: MAX_BYTES }
    }
}

impl Room {
    /// Takes room for so many events, and for texts.
    ///
    /// # Errors
    /// [`ApiError::AnswerTooLarge`] when there is not so much left.
    pub(super) fn take<'a>(
        &mut self,
        events: usize,
        texts: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Result<(), ApiError> {
        let bytes = texts.into_iter().flatten().map(str::len).sum();
        let left = self.events.checked_sub(events).zip(self.bytes.checked_sub(bytes));
        (self.events, self.bytes) = left.ok_or(ApiError::AnswerTooLarge(
            "Too many events: ask for fewer turns, or for the events of one task",
        ))?;
        Ok(())
    }

    /// Takes room for an event.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn hold(&mut self, event: &TaskEvent) -> Result<(), ApiError> {
        let payload = event.event.payload().map(JsonObject::as_str);
        self.take(1, [event.event.message(), payload])
    }
}
