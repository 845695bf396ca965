//! Following a log, from anywhere in it to the end.

use chrono::{DateTime, TimeDelta, Utc};
use std::sync::{Arc, Mutex};
use taskgate_domain::{
    error::TaskError,
    event::{EventType, NewEvent, Position, TaskEvent},
    id::{TaskNumber, UserId},
    ports::{MockEventFeed, MockEventLog, MockLogNews, MockTaskRepository},
    query::{Access, TaskKey},
    task::{
        Finished, Live, Progress, Task, TaskState,
        outcome::Outcome,
        status::{FinalStatus, LiveStatus},
        submit::NewTask,
    },
    testkit::build,
    usecase::events::{Events, Follow},
};

/// A task and its log, which mocks read as a store would.
pub(crate) struct World {
    task: Mutex<Task>,
    log: Mutex<Vec<Arc<TaskEvent>>>,
    /// What happens while a follower waits for news, one entry for each wait.
    future: Mutex<Vec<Vec<&'static str>>>,
}

/// When the event of this number is written: two in each millisecond.
fn at(seq: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::microseconds(1_000_000 + seq * 500)
}

fn event(name: &str) -> NewEvent {
    NewEvent::new(EventType::new(name.to_owned()).unwrap(), None, None, None).unwrap()
}

impl World {
    pub(crate) fn new(log: &[&'static str], future: &[&[&'static str]]) -> Arc<Self> {
        let NewTask { id, owner, work, .. } = build::agent_task(UserId::DEFAULT);
        let state = TaskState::Live(Live {
            status: LiveStatus::Running,
            progress: Progress::default(),
            attempt: None,
            started_at: None,
            updated_at: at(0),
            pause: None,
        });
        let number = TaskNumber::new(7).unwrap();
        let task = Task { number, id, owner, work, created_at: at(0), deadline: None, state };
        let future = Mutex::new(future.iter().rev().map(|names| names.to_vec()).collect());
        let world = Self { task: Mutex::new(task), log: Mutex::default(), future };
        world.write(log);
        Arc::new(world)
    }

    fn write(&self, names: &[&'static str]) {
        for name in names {
            let mut log = self.log.lock().unwrap();
            let seq = i64::try_from(log.len()).unwrap() + 1;
            log.push(Arc::new(TaskEvent { seq, event: event(name), at: at(seq) }));
            if *name == "STREAM_END" {
                self.task.lock().unwrap().state = TaskState::Finished(Finished {
                    status: FinalStatus::Completed,
                    progress: Progress::default(),
                    attempt: None,
                    started_at: None,
                    finished_at: at(seq),
                    outcome: Outcome::default(),
                    cancel: None,
                });
            }
        }
    }

    fn read(&self, after: i64, limit: u16) -> Vec<Arc<TaskEvent>> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|event| event.seq > after).take(limit.into()).cloned().collect()
    }

    pub(crate) fn tasks(self: &Arc<Self>) -> MockTaskRepository {
        let mut tasks = MockTaskRepository::new();
        let world = self.clone();
        tasks.expect_find().returning(move |_| Ok(Some(world.task.lock().unwrap().clone())));
        tasks
    }

    pub(crate) fn events(self: &Arc<Self>) -> Events {
        let mut log = MockEventLog::new();
        let world = self.clone();
        log.expect_events().returning(move |_, after, limit| Ok(world.read(after, limit)));
        let mut feed = MockEventFeed::new();
        let world = self.clone();
        feed.expect_listen().returning(move |_| {
            let mut news = MockLogNews::new();
            let world = world.clone();
            news.expect_past().returning(move |after| {
                // Known at once, or the next thing happens.
                if world.read(after, 1).is_empty() {
                    let next = world.future.lock().unwrap().pop();
                    world.write(&next.expect("nothing happens any more"));
                }
                world.read(0, u16::MAX).last().map_or(0, |event| event.seq)
            });
            Box::new(news)
        });
        Events::new(Arc::new(self.tasks()), Arc::new(log), Arc::new(feed))
    }

    async fn follow(self: &Arc<Self>, from: Position) -> Follow {
        let key = TaskKey::Number(TaskNumber::new(7).unwrap());
        self.events().follow(&Access::User(UserId::DEFAULT), key, from).await.unwrap()
    }

    /// The numbers of all events that a follower sees.
    async fn seen(self: &Arc<Self>, from: Position) -> Vec<i64> {
        let mut follow = self.follow(from).await;
        let mut seen = Vec::new();
        while let Some(events) = follow.next().await.unwrap() {
            assert!(!events.is_empty());
            seen.extend(events.iter().map(|event| event.seq));
        }
        assert!(follow.next().await.unwrap().is_none(), "the end stays the end");
        seen
    }
}

#[test]
fn a_follower_may_be_awaited_on_any_thread() {
    fn check<T: Send>(_: impl FnOnce(&'static mut Follow) -> T) {}
    check(|follow| follow.next());
}

#[tokio::test]
async fn a_follower_sees_what_was_and_what_comes() {
    let world = World::new(&["A", "B"], &[&["C"], &["D", "STREAM_END"]]);
    assert_eq!(world.seen(Position::Start).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_long_past_is_read_without_waiting() {
    let mut past = vec!["A"; 100];
    past.push("STREAM_END");
    let world = World::new(&past, &[]);
    assert_eq!(world.seen(Position::Start).await, (1..=101).collect::<Vec<i64>>());
}

#[tokio::test]
async fn every_place_in_a_log_can_be_resumed_from() {
    for seq in 0..=4 {
        let rest: Vec<i64> = (seq + 1..=4).collect();
        let id = Position::Id { millis: at(seq).timestamp_millis(), seq };
        for from in [Position::Seq(seq), id] {
            let world = World::new(&["A", "B"], &[&["C", "STREAM_END"]]);
            assert_eq!(world.seen(from).await, rest, "{from:?}");
        }
    }
}

#[tokio::test]
async fn an_id_that_is_nobodys_stands_for_its_time() {
    let from = |millis, seq| Position::Id { millis, seq };
    // 1 is at 1000.5 ms, 2 and 3 within 1001, 4 and 5 within 1002.
    for (from, expected) in [
        (from(0, 0), vec![1, 2, 3, 4, 5]),
        (from(1_001, 0), vec![2, 3, 4, 5]),
        (from(1_001, 9), vec![4, 5]),
        (from(1_001, 4), vec![4, 5]),
        (from(1_003, 0), vec![]),
        (from(i64::MAX, i64::MAX), vec![]),
    ] {
        let world = World::new(&["A", "B", "C"], &[&["D", "STREAM_END"]]);
        assert_eq!(world.seen(from).await, expected, "{from:?}");
    }
}

#[tokio::test]
async fn a_finished_task_has_nothing_behind_its_end() {
    let world = World::new(&["A", "STREAM_END"], &[]);
    for from in [Position::Seq(2), Position::Seq(99), Position::Seq(i64::MAX)] {
        assert!(world.seen(from).await.is_empty(), "{from:?}");
    }
    assert_eq!(world.seen(Position::Seq(-5)).await, [1, 2]);
}

#[tokio::test]
async fn waiting_beyond_the_end_ends_with_the_task() {
    let world = World::new(&["A"], &[&["B", "STREAM_END"]]);
    assert!(world.seen(Position::Seq(1_000)).await.is_empty());
}

#[tokio::test]
async fn nobody_follows_what_is_not_theirs() {
    let world = World::new(&["A"], &[]);
    let (stranger, key) =
        (UserId(uuid::Uuid::from_u128(9)), TaskKey::Number(build::unknown_number()));
    let access = Access::User(stranger);
    let follow = world.events().follow(&access, key, Position::Start).await;
    assert!(matches!(follow, Err(TaskError::NotFound)));
    // The mock has no expectation of a history: none may reach the log.
    let history = world.events().history(&access, key, 0, 10).await;
    assert!(matches!(history, Err(TaskError::NotFound)));
}
