//! News of growing logs: who listens to which, and how far each is known to go.
//!
//! A write in this process is told to listeners as soon as it is committed. What
//! other processes write, a thread of its own finds: by hints that they send,
//! where the store can carry them, and in any case by looking once a second.

use crate::error::DbError;
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};
use taskgate_domain::{
    id::TaskNumber,
    ports::{EventFeed, LogNews},
};
use tokio::sync::watch;

/// How long what another process wrote may go unnoticed.
const LOOK: Duration = Duration::from_secs(1);
/// How many tasks are looked at by one statement.
const LOOK_AT: usize = 1_000;
/// How much is kept for other processes while none can be told; they look
/// for themselves.
const MAX_UNTOLD: usize = 10_000;

/// How far a log is known to go: the number of an event that it has, or
/// [`ENDED`].
pub(crate) type Known = i64;

/// Said of a task that has ended: beyond every number.
pub(crate) const ENDED: Known = i64::MAX;

/// A view of what other processes do, over a connection of its own that is made
/// when it is needed, and made again when it is lost.
pub(crate) trait Outlook: Send + 'static {
    /// How often to exchange hints while anybody listens; `None` for a store
    /// that carries none.
    const HINTS: Option<Duration>;

    /// Learns whether anybody in this process listens from now on.
    fn attend(&mut self, _attentive: bool) {}

    /// Tells other processes how far logs go now, and returns what they have
    /// told. Does not wait for anything new.
    fn exchange(&mut self, told: &[(i64, Known)]) -> Result<Vec<(i64, Known)>, DbError>;

    /// How far the logs of these tasks go.
    fn look(&mut self, tasks: &[i64]) -> Result<Vec<(i64, Known)>, DbError>;
}

/// What one process knows of logs that somebody listens to.
pub(crate) struct Feed {
    shared: Arc<Shared>,
    /// Whether others are told of what is written here.
    tells: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    work: Condvar,
}

#[derive(Default)]
struct State {
    listened: HashMap<i64, watch::Sender<Known>>,
    /// What other processes have not been told yet.
    untold: HashMap<i64, Known>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn learn(&self, task: i64, known: Known) {
        if let Some(listened) = self.listened.get(&task) {
            listened.send_if_modified(|before| {
                let news = known > *before;
                *before = known.max(*before);
                news
            });
        }
    }
}

impl Feed {
    /// A feed whose thread looks out by `outlook`, until the feed is dropped.
    pub(crate) fn new<O: Outlook>(outlook: O) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), work: Condvar::new() });
        let weak = Arc::downgrade(&shared);
        // Without the thread, news of this process still come.
        let name = "taskgate-feed".to_owned();
        let started = thread::Builder::new().name(name).spawn(move || look_out(&weak, outlook));
        let tells = O::HINTS.is_some() && started.is_ok();
        Self { shared, tells }
    }

    /// Tells listeners that an event of this number, or the [end](ENDED) of the
    /// task, was committed.
    pub(crate) fn signal(&self, task: i64, seq: i64) {
        let mut state = self.shared.lock();
        state.learn(task, seq);
        if self.tells && state.untold.len() < MAX_UNTOLD {
            let untold = state.untold.entry(task).or_insert(seq);
            *untold = seq.max(*untold);
            self.shared.work.notify_one();
        }
    }
}

impl EventFeed for Feed {
    fn listen(&self, task: TaskNumber) -> Box<dyn LogNews> {
        let task = task.get();
        let mut state = self.shared.lock();
        let known = state.listened.entry(task).or_insert_with(|| watch::Sender::new(0)).subscribe();
        self.shared.work.notify_one();
        Box::new(Listener { task, known: Some(known), shared: self.shared.clone() })
    }
}

struct Listener {
    task: i64,
    /// There until the listener is dropped.
    known: Option<watch::Receiver<Known>>,
    shared: Arc<Shared>,
}

#[async_trait]
impl LogNews for Listener {
    async fn past(&mut self, seq: i64) -> Known {
        let Some(known) = &mut self.known else { return ENDED };
        let news = known.wait_for(|known| *known > seq || *known == ENDED).await;
        // The sender stays as long as there is a listener.
        news.map_or(ENDED, |known| *known)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // Under the lock, so that of two that leave together the second is the last.
        drop(self.known.take());
        if state.listened.get(&self.task).is_some_and(|known| known.receiver_count() == 0) {
            state.listened.remove(&self.task);
        }
    }
}

/// Looks out for what other processes write, as long as the feed is there.
fn look_out<O: Outlook>(shared: &Weak<Shared>, mut outlook: O) {
    let mut looked = Instant::now();
    let mut works = true;
    while let Some(shared) = shared.upgrade() {
        let next_look = LOOK.saturating_sub(looked.elapsed());
        let (told, listening) = work(&shared, O::HINTS.unwrap_or(next_look));
        outlook.attend(listening);
        let mut answer = Ok(());
        if O::HINTS.is_some() && (listening || !told.is_empty()) {
            let hints = outlook.exchange(&told);
            answer =
                hints.and_then(|hints| look(&shared, &mut outlook, &worth_a_look(&shared, &hints)));
        }
        if answer.is_ok() && listening && looked.elapsed() >= LOOK {
            looked = Instant::now();
            let listened: Vec<i64> = shared.lock().listened.keys().copied().collect();
            answer = look(&shared, &mut outlook, &listened);
        }
        match &answer {
            Err(error) if works => {
                tracing::warn!(%error, "cannot see what other processes write; trying again");
            }
            Ok(()) if !works => tracing::info!("seeing again what other processes write"),
            _ => {}
        }
        works = answer.is_ok();
        if !works {
            thread::sleep(LOOK);
        } else if !told.is_empty() {
            // What comes meanwhile is told together.
            thread::sleep(O::HINTS.unwrap_or_default());
        }
    }
}

/// Waits for the next thing to do: what is to be told, and whether anybody
/// listens. While somebody does, there is something to do after each `pause`.
fn work(shared: &Shared, pause: Duration) -> (Vec<(i64, Known)>, bool) {
    let state = shared.lock();
    let idle = state.untold.is_empty();
    let longest = if state.listened.is_empty() { LOOK } else { pause };
    let mut state = if idle {
        let waited = shared.work.wait_timeout(state, longest);
        waited.unwrap_or_else(PoisonError::into_inner).0
    } else {
        state
    };
    (state.untold.drain().collect(), !state.listened.is_empty())
}

/// The tasks of hints that promise more of a log than is known. A hint is
/// believed no further, for whoever may use the database may send one.
fn worth_a_look(shared: &Shared, hints: &[(i64, Known)]) -> Vec<i64> {
    let state = shared.lock();
    let promising = |(task, promised): &&(i64, Known)| {
        state.listened.get(task).is_some_and(|known| *promised > *known.borrow())
    };
    hints.iter().filter(promising).map(|(task, _)| *task).collect()
}

/// Looks how far the logs of these tasks go.
fn look<O: Outlook>(shared: &Shared, outlook: &mut O, tasks: &[i64]) -> Result<(), DbError> {
    for tasks in tasks.chunks(LOOK_AT) {
        let known = outlook.look(tasks)?;
        let state = shared.lock();
        known.into_iter().for_each(|(task, known)| state.learn(task, known));
    }
    Ok(())
}

/// How far the logs of these tasks go, by those of them that are live.
pub(crate) fn with_ends(
    tasks: &[i64],
    live: impl IntoIterator<Item = (i64, Known)>,
) -> Vec<(i64, Known)> {
    let live: HashMap<i64, Known> = live.into_iter().collect();
    tasks.iter().map(|task| (*task, live.get(task).copied().unwrap_or(ENDED))).collect()
}

#[cfg(test)]
mod tests {
    use super::{ENDED, Feed, Known, Outlook};
    use crate::error::DbError;
    use futures_util::FutureExt;
    use std::{
        sync::{
            Mutex,
            mpsc::{Receiver, Sender, channel},
        },
        time::Duration,
    };
    use taskgate_domain::{id::TaskNumber, ports::EventFeed};
    use tokio::time::timeout;

    /// Another process that is told and tells through channels.
    struct Wire {
        told: Mutex<Sender<(i64, Known)>>,
        hints: Mutex<Receiver<(i64, Known)>>,
        looks: Mutex<Receiver<(i64, Known)>>,
    }

    impl Outlook for Wire {
        const HINTS: Option<Duration> = Some(Duration::from_millis(1));

        fn exchange(&mut self, told: &[(i64, Known)]) -> Result<Vec<(i64, Known)>, DbError> {
            let wire = self.told.get_mut().unwrap();
            told.iter().for_each(|news| wire.send(*news).unwrap_or_default());
            Ok(self.hints.get_mut().unwrap().try_iter().collect())
        }

        fn look(&mut self, _: &[i64]) -> Result<Vec<(i64, Known)>, DbError> {
            Ok(self.looks.get_mut().unwrap().try_iter().collect())
        }
    }

    struct Ends {
        told: Receiver<(i64, Known)>,
        hints: Sender<(i64, Known)>,
        looks: Sender<(i64, Known)>,
    }

    fn feed() -> (Feed, Ends) {
        let ((told, hear), (hint, hints), (see, looks)) = (channel(), channel(), channel());
        let wire =
            Wire { told: Mutex::new(told), hints: Mutex::new(hints), looks: Mutex::new(looks) };
        (Feed::new(wire), Ends { told: hear, hints: hint, looks: see })
    }

    fn task(number: i64) -> TaskNumber {
        TaskNumber::new(number).unwrap()
    }

    #[tokio::test]
    async fn what_is_known_is_not_waited_for() {
        let (feed, _ends) = feed();
        let mut listener = feed.listen(task(1));
        assert!(listener.past(0).now_or_never().is_none());
        feed.signal(1, 5);
        feed.signal(2, 9);
        feed.signal(1, 3);
        for seq in [0, 4, 0] {
            assert!(listener.past(seq).now_or_never().is_some(), "{seq}");
        }
        assert!(listener.past(5).now_or_never().is_none());
        feed.signal(1, ENDED);
        assert!(listener.past(ENDED).now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_nobody_listens_to_is_forgotten() {
        let (feed, _ends) = feed();
        let (first, second) = (feed.listen(task(1)), feed.listen(task(1)));
        drop(first);
        assert_eq!(feed.shared.lock().listened.len(), 1);
        drop(second);
        assert!(feed.shared.lock().listened.is_empty());
    }

    #[tokio::test]
    async fn other_processes_are_told_and_listened_to() {
        let (feed, ends) = feed();
        feed.signal(7, 3);
        assert_eq!(ends.told.recv_timeout(Duration::from_secs(30)), Ok((7, 3)));
        let mut listener = feed.listen(task(8));
        ends.looks.send((8, 4)).unwrap();
        ends.hints.send((8, ENDED)).unwrap();
        timeout(Duration::from_secs(30), listener.past(3)).await.unwrap();
        ends.looks.send((8, ENDED)).unwrap();
        timeout(Duration::from_secs(30), listener.past(1_000)).await.unwrap();
    }
}
