//! A task's log, as the mocked ports read it, and streams of it.

use super::{Mocks, app};
use crate::server::State;
use actix_web::{
    body::MessageBody,
    test::{TestRequest, call_service, init_service},
    web,
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::VecDeque,
    future::{pending, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use taskgate_domain::{
    error::StoreError,
    event::{EventType, NewEvent, TaskEvent},
    json::JsonObject,
    ports::LogNews,
    task::{Finished, Progress, Task, TaskState, outcome::Outcome, status::FinalStatus},
};

/// What happens when a stream has caught up and waits.
pub(crate) enum Chapter {
    /// After this time, these are written.
    Events(Duration, Vec<NewEvent>),
    /// The next read fails.
    Error(StoreError),
    /// This, and then nothing.
    Do(Box<dyn FnOnce() + Send>),
}

/// A task and its log.
#[derive(Clone)]
pub(crate) struct Story(Arc<Inner>);

struct Inner {
    task: Task,
    log: Mutex<Vec<Arc<TaskEvent>>>,
    error: Mutex<Option<StoreError>>,
    future: Mutex<VecDeque<Chapter>>,
}

/// An event of a worker: its type, agent, message and payload, where not empty.
pub(crate) fn event(name: &str, agent: &str, message: &str, payload: &str) -> NewEvent {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let payload = some(payload).map(|text| JsonObject::parse("payload", text).unwrap());
    let event_type = EventType::new(name.to_owned()).unwrap();
    NewEvent::new(event_type, some(agent), some(message), payload).unwrap()
}

impl Story {
    /// A live task with this log, to which this will happen.
    pub(crate) fn new(task: Task, past: Vec<NewEvent>, future: Vec<Chapter>) -> Self {
        let story = Self(Arc::new(Inner {
            task,
            log: Mutex::default(),
            error: Mutex::default(),
            future: Mutex::new(future.into()),
        }));
        story.write(past);
        story
    }

    /// How finely time is told.
    const STEP: Duration = Duration::from_secs(1);

    /// When the event of this number is written: four in each second.
    fn at(seq: i64) -> DateTime<Utc> {
        let start: DateTime<Utc> = "2025-10-22T10:30:00Z".parse().unwrap();
        start + TimeDelta::milliseconds((seq - 1) * 250)
    }

    fn write(&self, events: Vec<NewEvent>) {
        let mut log = self.0.log.lock().unwrap();
        for event in events {
            let seq = i64::try_from(log.len()).unwrap() + 1;
            log.push(Arc::new(TaskEvent { seq, event, at: Self::at(seq) }));
        }
    }

    fn read(&self, after: i64, limit: u16) -> Result<Vec<Arc<TaskEvent>>, StoreError> {
        if let Some(error) = self.0.error.lock().unwrap().take() {
            return Err(error);
        }
        let log = self.0.log.lock().unwrap();
        Ok(log.iter().filter(|event| event.seq > after).take(limit.into()).cloned().collect())
    }

    fn task(&self) -> Task {
        let ended = |event: &Arc<TaskEvent>| *event.event.event_type() == EventType::STREAM_END;
        let mut task = self.0.task.clone();
        if self.0.log.lock().unwrap().iter().any(ended) {
            task.state = TaskState::Finished(Finished {
                status: FinalStatus::Completed,
                progress: Progress::default(),
                attempt: None,
                started_at: None,
                finished_at: Self::at(99),
                outcome: Outcome::default(),
                cancel: None,
            });
        }
        task
    }

    /// A store that holds this and nothing else.
    pub(crate) fn mocks(&self) -> Mocks {
        let mut mocks = Mocks::default();
        let story = self.clone();
        mocks.tasks.expect_find().returning(move |_| Ok(Some(story.task())));
        let story = self.clone();
        mocks.events.expect_events().returning(move |_, after, limit| story.read(after, limit));
        let story = self.clone();
        mocks.events.expect_history().returning(move |tasks, offset, limit| {
            let log = story.0.log.lock().unwrap();
            let kept = log.iter().filter(|e| *e.event.event_type() != EventType::LLM_PARTIAL);
            let page = kept.skip(usize::try_from(offset).unwrap()).take(limit.into());
            Ok(page.map(|event| (tasks[0], TaskEvent::clone(event))).collect())
        });
        let story = self.clone();
        mocks.feed.expect_listen().returning(move |_| Box::new(story.clone()));
        mocks
    }
}

#[async_trait]
impl LogNews for Story {
    async fn past(&mut self, seq: i64) -> i64 {
        let last = || self.0.log.lock().unwrap().last().map_or(0, |event| event.seq);
        while last() <= seq && self.0.error.lock().unwrap().is_none() {
            let next = self.0.future.lock().unwrap().pop_front();
            match next {
                // Those who stop waiting do not stop the time.
                Some(Chapter::Events(after, events)) => {
                    let rest = after.checked_sub(Self::STEP);
                    match rest {
                        Some(rest) => {
                            let later = Chapter::Events(rest, events);
                            self.0.future.lock().unwrap().push_front(later);
                            tokio::time::sleep(Self::STEP).await;
                        }
                        None => self.write(events),
                    }
                }
                Some(Chapter::Error(error)) => *self.0.error.lock().unwrap() = Some(error),
                Some(Chapter::Do(act)) => act(),
                None => pending().await,
            }
        }
        last()
    }
}

/// Sends a request and prints the body of the answer, and whether it has an end
/// or breaks off.
pub(crate) async fn stream(state: &web::Data<State>, request: TestRequest) -> String {
    let service = init_service(app(state.clone())).await;
    let response = call_service(&service, request.to_request()).await;
    let (mut text, mut body) = (String::new(), pin!(response.into_body()));
    loop {
        match poll_fn(|context| body.as_mut().poll_next(context)).await {
            Some(Ok(chunk)) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            Some(Err(_)) => return text + "(breaks off)",
            None => return text + "(end)",
        }
    }
}
