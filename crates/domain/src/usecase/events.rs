//! Following what happens to tasks, and reading what has happened.

use crate::{
    error::{StoreError, TaskError},
    event::{EventType, Position, TaskEvent},
    id::TaskNumber,
    ports::{EventFeed, EventLog, LogNews, TaskRepository},
    query::{Access, TaskKey},
    task::Task,
};
use std::sync::Arc;

/// How many events are read at once: few, since each may be large.
const BATCH: u16 = 32;

/// The use cases of those who want to know what happens.
pub struct Events {
    tasks: Arc<dyn TaskRepository>,
    log: Arc<dyn EventLog>,
    feed: Arc<dyn EventFeed>,
}

impl Events {
    /// The use cases over these ports.
    pub fn new(
        tasks: Arc<dyn TaskRepository>,
        log: Arc<dyn EventLog>,
        feed: Arc<dyn EventFeed>,
    ) -> Self {
        Self { tasks, log, feed }
    }

    /// Follows a task that the caller sees, from behind a position to the
    /// task's end.
    ///
    /// # Errors
    /// [`TaskError::NotFound`] when there is no such task, or somebody else's.
    pub async fn follow(
        &self,
        access: &Access,
        key: TaskKey,
        from: Position,
    ) -> Result<Follow, TaskError> {
        let task = self.find(access, key).await?;
        let after = match from {
            Position::Seq(seq) => seq,
            // Where numbers grow with time, an event that is where the position
            // says is the last to leave out; elsewhere the times must tell.
            Position::Id { seq, .. } => {
                let there = self.log.events(task.number, seq.saturating_sub(1), 1).await?;
                let same = there.first().is_some_and(|event| Position::of(event) == from);
                if same { seq } else { 0 }
            }
            Position::Start => 0,
        };
        Ok(Follow {
            news: self.feed.listen(task.number),
            task: task.number,
            ended: task.finished().is_some(),
            from,
            after: after.max(0),
            caught_up: false,
            done: false,
            tasks: self.tasks.clone(),
            log: self.log.clone(),
        })
    }

    /// Reads what is kept of the log of a task that the caller sees, at most
    /// `limit` events after `offset` ones.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub async fn history(
        &self,
        access: &Access,
        key: TaskKey,
        offset: i64,
        limit: u16,
    ) -> Result<(Task, Vec<TaskEvent>), TaskError> {
        let task = self.find(access, key).await?;
        let events = self.log.history(vec![task.number], offset, limit).await?;
        Ok((task, events.into_iter().map(|(_, event)| event).collect()))
    }

    /// Reads what is kept of the logs of several tasks, in the order of their
    /// numbers, at most `limit` events in all after `offset` ones. Whose the
    /// tasks are, the caller knows.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn of_turns(
        &self,
        tasks: Vec<TaskNumber>,
        offset: i64,
        limit: u16,
    ) -> Result<Vec<(TaskNumber, TaskEvent)>, StoreError> {
        self.log.history(tasks, offset, limit).await
    }

    async fn find(&self, access: &Access, key: TaskKey) -> Result<Task, TaskError> {
        self.tasks.find(key).await?.filter(|task| access.sees(task)).ok_or(TaskError::NotFound)
    }
}

/// A reader of one task's log, from a position to the end. It reads when it is
/// asked to, so a slow reader holds up nobody and piles nothing up.
pub struct Follow {
    news: Box<dyn LogNews>,
    task: TaskNumber,
    from: Position,
    /// The number of the last event that was read.
    after: i64,
    /// Whether the log was read to its end since listening: the news tell the
    /// rest.
    caught_up: bool,
    /// Whether the task had ended before the log was read last.
    ended: bool,
    /// Whether there is nothing more to read.
    done: bool,
    tasks: Arc<dyn TaskRepository>,
    log: Arc<dyn EventLog>,
}

impl Follow {
    /// The next events, in order, as soon as there are any; `None` when the
    /// task has ended and all of its events were read. To stop waiting loses
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; the call may be repeated.
    pub async fn next(&mut self) -> Result<Option<Vec<Arc<TaskEvent>>>, StoreError> {
        while !self.done {
            if self.caught_up {
                self.news.past(self.after).await;
            }
            let mut events = self.log.events(self.task, self.after, BATCH).await?;
            if let Some(last) = events.last() {
                self.after = last.seq;
                self.done = last.event.event_type() == &EventType::STREAM_END;
                events.retain(|event| self.from.precedes(event));
                if !events.is_empty() {
                    return Ok(Some(events));
                }
            } else if self.ended {
                self.done = true;
            } else if !self.caught_up {
                self.caught_up = true;
            } else {
                // Whoever begins behind the last event would wait for what never
                // comes. What was written before the end is read once more.
                self.ended = has_ended(&*self.tasks, self.task).await?;
                self.caught_up = !self.ended;
            }
        }
        Ok(None)
    }
}

/// Does not borrow the reader, which could not be awaited in a task of a runtime
/// with several threads then.
async fn has_ended(tasks: &dyn TaskRepository, task: TaskNumber) -> Result<bool, StoreError> {
    let task = tasks.find(TaskKey::Number(task)).await?;
    Ok(task.is_none_or(|task| task.finished().is_some()))
}
