//! Logs that many read at the same time.

use async_trait::async_trait;
use moka::sync::Cache;
use std::{sync::Arc, time::Duration};
use taskgate_domain::{
    error::StoreError, event::TaskEvent, id::TaskNumber, json::JsonObject, ports::EventLog,
};
use tokio::sync::Mutex;

/// The memory that events may take, in bytes.
const BYTES: u64 = 64 << 20;
/// How long events are kept that nobody reads.
const LIFE: Duration = Duration::from_secs(60);
/// How many reads of different tasks may go on at the same time, about.
const LANES: usize = 256;

/// Where a read began, and how many events it asked for.
type Place = (TaskNumber, i64, u16);

/// A log whose readers share what they read: those who follow one task ask the
/// store once for all of them.
///
/// What was read stays true, for events never change: it is a beginning of what
/// the log holds behind that place, and whoever reads on from its end learns the
/// rest.
pub(crate) struct CachedEvents {
    store: Arc<dyn EventLog>,
    read: Cache<Place, Arc<[Arc<TaskEvent>]>>,
    /// One reader of a task asks the store, and the others wait for it.
    lanes: Vec<Mutex<()>>,
}

impl CachedEvents {
    /// The log over `store`.
    pub(crate) fn new(store: Arc<dyn EventLog>) -> Self {
        let read = Cache::builder()
            .max_capacity(BYTES)
            .time_to_idle(LIFE)
            .weigher(|_: &Place, events: &Arc<[Arc<TaskEvent>]>| weight(events))
            .build();
        Self { store, read, lanes: (0..LANES).map(|_| Mutex::new(())).collect() }
    }

    fn known(&self, place: &Place) -> Option<Vec<Arc<TaskEvent>>> {
        self.read.get(place).map(|events| events.to_vec())
    }
}

/// About how many bytes of memory these events take.
fn weight(events: &[Arc<TaskEvent>]) -> u32 {
    let bytes = |event: &Arc<TaskEvent>| {
        let text = event.event.message().map_or(0, str::len);
        let payload = event.event.payload().map(JsonObject::as_str).map_or(0, str::len);
        256 + text + payload
    };
    u32::try_from(256 + events.iter().map(bytes).sum::<usize>()).unwrap_or(u32::MAX)
}

#[async_trait]
impl EventLog for CachedEvents {
    async fn events(
        &self,
        task: TaskNumber,
        after: i64,
        limit: u16,
    ) -> Result<Vec<Arc<TaskEvent>>, StoreError> {
        let place = (task, after, limit);
        if let Some(known) = self.known(&place) {
            return Ok(known);
        }
        let lane = usize::try_from(task.get()).unwrap_or_default() % LANES;
        let _turn = match self.lanes.get(lane) {
            Some(lane) => Some(lane.lock().await),
            None => None,
        };
        if let Some(known) = self.known(&place) {
            return Ok(known);
        }
        let events = self.store.events(task, after, limit).await?;
        if !events.is_empty() {
            self.read.insert(place, events.clone().into());
        }
        Ok(events)
    }

    async fn history(
        &self,
        tasks: Vec<TaskNumber>,
        offset: i64,
        limit: u16,
    ) -> Result<Vec<(TaskNumber, TaskEvent)>, StoreError> {
        self.store.history(tasks, offset, limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::CachedEvents;
    use chrono::DateTime;
    use std::sync::Arc;
    use taskgate_domain::{
        event::{NewEvent, TaskEvent},
        id::TaskNumber,
        ports::{EventLog, MockEventLog},
    };
    use tokio::task::JoinSet;

    fn event(seq: i64) -> Arc<TaskEvent> {
        Arc::new(TaskEvent { seq, event: NewEvent::SUBMITTED, at: DateTime::UNIX_EPOCH })
    }

    #[tokio::test]
    async fn a_crowd_reads_once() {
        let mut store = MockEventLog::new();
        store.expect_events().times(1).returning(|_, after, _| Ok(vec![event(after + 1)]));
        let log = Arc::new(CachedEvents::new(Arc::new(store)));
        let task = TaskNumber::new(7).unwrap();
        let mut crowd = JoinSet::new();
        for _ in 0..100 {
            let log = log.clone();
            crowd.spawn(async move { log.events(task, 4, 32).await.unwrap() });
        }
        assert!(crowd.join_all().await.iter().all(|events| *events == [event(5)]));
    }

    #[tokio::test]
    async fn what_is_not_there_yet_is_looked_for_again() {
        let mut store = MockEventLog::new();
        let mut written = vec![vec![event(1)], Vec::new()];
        store.expect_events().times(2).returning(move |_, _, _| Ok(written.pop().unwrap()));
        let log = CachedEvents::new(Arc::new(store));
        let task = TaskNumber::new(7).unwrap();
        assert!(log.events(task, 0, 32).await.unwrap().is_empty());
        for _ in 0..2 {
            assert_eq!(log.events(task, 0, 32).await.unwrap(), [event(1)]);
        }
    }
}
