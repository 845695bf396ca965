//! A queue without a store: it gives what the test has put there, answers as
//! the test says, and remembers who has said what when.

use async_trait::async_trait;
use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    num::NonZeroU16,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use taskgate_domain::{
    error::{InvalidValue, ReportError, StoreError},
    event::NewEvent,
    id::TaskNumber,
    ports::{EventFeed, LogNews, TaskQueue},
    queue::{
        ClaimRequest, ClaimedTask, Conclusion, Conversation, Heartbeat, HeartbeatReply, Lease,
        Report, Reported, WorkerId,
    },
    review::{Proposal, Review},
    task::{
        Attempt,
        outcome::Outcome,
        status::TaskStatus,
        work::{Kind, Work},
    },
    testkit::build,
    usage::Usage,
};
use taskgate_worker::{Executor, Failure, Lane, Options, Run, Runtime};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

/// What was asked of the queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Claim(ClaimRequest),
    Heartbeat(Heartbeat),
    Record(Vec<String>),
    Conversation(u16),
    Propose(String),
    Finish(Vec<Report>),
}

/// What the queue holds, and how it answers.
pub(crate) struct State {
    due: VecDeque<ClaimedTask>,
    calls: Vec<(Duration, Call)>,
    /// No call is answered but by an error.
    pub(crate) down: bool,
    /// What heartbeats are told.
    pub(crate) paused: bool,
    pub(crate) cancelled: bool,
    pub(crate) lost: bool,
    pub(crate) conversation: Conversation,
    /// How long a finish takes.
    pub(crate) finish_takes: Duration,
    /// A result, reason or plan that does not fit its task.
    pub(crate) unfit: Option<&'static str>,
    /// A result with which a whole report fails.
    pub(crate) poison: Option<&'static str>,
    /// Events that are refused.
    pub(crate) refused: Option<&'static str>,
}

/// The queue, and the world's clock.
#[derive(Clone)]
pub(crate) struct World(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    more: Notify,
    log: watch::Sender<i64>,
    start: Instant,
}

impl World {
    /// A queue in which so many tasks are due.
    pub(crate) fn with_tasks(count: i64) -> Self {
        let state = State {
            due: VecDeque::new(),
            calls: Vec::new(),
            down: false,
            paused: false,
            cancelled: false,
            lost: false,
            conversation: Conversation::default(),
            finish_takes: Duration::ZERO,
            unfit: None,
            poison: None,
            refused: None,
        };
        let world = Self(Arc::new(Shared {
            state: Mutex::new(state),
            more: Notify::new(),
            // A task that was claimed has two events.
            log: watch::Sender::new(2),
            start: Instant::now(),
        }));
        (1..=count).for_each(|number| world.submit(task(number)));
        world
    }

    pub(crate) fn submit(&self, task: ClaimedTask) {
        self.change(|state| state.due.push_back(task));
        self.0.more.notify_one();
    }

    /// Changes how the queue answers.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.state.lock().unwrap())
    }

    /// Changes it, and writes that into the log of every task.
    pub(crate) fn announce(&self, change: impl FnOnce(&mut State)) {
        self.change(change);
        self.0.log.send_modify(|last| *last += 1);
    }

    /// How long the world is there.
    pub(crate) fn now(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// The calls so far that `pick` knows, and when they were.
    pub(crate) fn calls<T>(&self, pick: impl Fn(&Call) -> Option<T>) -> Vec<(Duration, T)> {
        let calls = self.change(|state| state.calls.clone());
        calls.iter().filter_map(|(at, call)| Some((*at, pick(call)?))).collect()
    }

    /// How many tasks each claim asked for.
    pub(crate) fn claims(&self) -> Vec<u16> {
        let max = |call: &Call| match call {
            Call::Claim(request) => Some(request.max),
            _ => None,
        };
        self.calls(max).into_iter().map(|(_, max)| max).collect()
    }

    /// When heartbeats came, in seconds.
    pub(crate) fn beats(&self) -> Vec<f64> {
        let beats = self.calls(|call| matches!(call, Call::Heartbeat(_)).then_some(()));
        beats.into_iter().map(|(at, ())| seconds(at)).collect()
    }

    /// What heartbeats told of progress, and when, in seconds.
    pub(crate) fn progress(&self) -> Vec<(f64, i64, i64, Option<String>)> {
        let told = self.calls(|call| match call {
            Call::Heartbeat(beat) => Some((beat.progress?, beat.total?, beat.message.clone())),
            _ => None,
        });
        told.into_iter().map(|(at, (done, of, text))| (seconds(at), done, of, text)).collect()
    }

    /// The names of the events of each write.
    pub(crate) fn records(&self) -> Vec<(Duration, Vec<String>)> {
        self.calls(|call| match call {
            Call::Record(names) => Some(names.clone()),
            _ => None,
        })
    }

    /// What was reported, in packs as it came.
    pub(crate) fn finishes(&self) -> Vec<(Duration, Vec<Report>)> {
        self.calls(|call| match call {
            Call::Finish(reports) => Some(reports.clone()),
            _ => None,
        })
    }

    /// The ends that were reported, repetitions among them.
    pub(crate) fn conclusions(&self) -> Vec<Conclusion> {
        let finishes = self.finishes().into_iter();
        finishes.flat_map(|(_, reports)| reports).map(|report| report.conclusion).collect()
    }

    /// Notes a call, and fails when nothing is answered.
    fn note(&self, call: Call) -> Result<(), StoreError> {
        let now = self.now();
        self.change(|state| {
            state.calls.push((now, call));
            if state.down { Err(StoreError::failed("down")) } else { Ok(()) }
        })
    }
}

/// Seconds, to a hundredth.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100.0).round() / 100.0
}

/// A question that was claimed for a minute.
pub(crate) fn task(number: i64) -> ClaimedTask {
    let Work::Agent(work) = build::agent_task(taskgate_domain::id::UserId::DEFAULT).work else {
        unreachable!("it is a question");
    };
    ClaimedTask {
        id: build::task_id(),
        number: TaskNumber::new(number).unwrap(),
        work: Work::Agent(work),
        attempt: Attempt::new(1).unwrap(),
        lease_expires_at: build::in_an_hour(),
        deadline: None,
        consumed: Usage::default(),
    }
}

#[async_trait]
impl TaskQueue for World {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
        let (max, wait) = (usize::from(request.max), request.wait);
        self.note(Call::Claim(request))?;
        let take = || {
            self.change(|state| {
                let count = max.min(state.due.len());
                state.due.drain(..count).collect::<Vec<_>>()
            })
        };
        let some = async {
            loop {
                let tasks = take();
                if !tasks.is_empty() {
                    return tasks;
                }
                self.0.more.notified().await;
            }
        };
        Ok(timeout(wait, some).await.unwrap_or_default())
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError> {
        let tells = heartbeat.progress.is_some();
        self.note(Call::Heartbeat(heartbeat))?;
        self.change(|state| {
            if state.lost {
                return Err(ReportError::LeaseLost);
            }
            if tells {
                self.0.log.send_modify(|last| *last += 1);
            }
            Ok(HeartbeatReply {
                lease_expires_at: build::in_an_hour(),
                cancel_requested: state.cancelled,
                pause_requested: state.paused,
            })
        })
    }

    async fn record(&self, _: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError> {
        let name = |event: &NewEvent| event.event_type().as_str().to_owned();
        let names: Vec<String> = events.iter().map(name).collect();
        self.note(Call::Record(names.clone()))?;
        self.change(|state| {
            if state.lost || state.cancelled {
                return Err(ReportError::LeaseLost);
            }
            if names.iter().any(|name| Some(name.as_str()) == state.refused) {
                return Err(InvalidValue::new("type", "is not liked").into());
            }
            self.0.log.send_modify(|last| *last += i64::try_from(names.len()).unwrap());
            Ok(*self.0.log.borrow())
        })
    }

    async fn conversation(&self, _: Lease, turns: u16) -> Result<Conversation, ReportError> {
        self.note(Call::Conversation(turns))?;
        self.change(|state| {
            if state.lost { Err(ReportError::LeaseLost) } else { Ok(state.conversation.clone()) }
        })
    }

    async fn review(&self, _: Lease) -> Result<Option<Review>, ReportError> {
        Ok(None)
    }

    async fn propose(&self, _: Lease, proposal: Proposal) -> Result<(), ReportError> {
        let plan = proposal.plan().to_owned();
        self.note(Call::Propose(plan.clone()))?;
        match self.change(|state| state.unfit) {
            Some(unfit) if unfit == plan => Err(InvalidValue::new("plan", "is approved").into()),
            _ => Ok(()),
        }
    }

    async fn finish(&self, reports: Vec<Report>) -> Result<Vec<Reported>, StoreError> {
        self.note(Call::Finish(reports.clone()))?;
        sleep(self.change(|state| state.finish_takes)).await;
        let (unfit, poison) = self.change(|state| (state.unfit, state.poison));
        let is = |report: &Report, bad: Option<&str>| match &report.conclusion {
            Conclusion::Complete(outcome) => bad.is_some() && outcome.result.as_deref() == bad,
            Conclusion::Fail { outcome, .. } => {
                bad == Some(outcome.reason()) && !outcome.usage.is_zero()
            }
            Conclusion::Release { .. } => false,
        };
        if reports.iter().any(|report| is(report, poison)) {
            return Err(StoreError::failed("the statement failed"));
        }
        let answer = |report: Report| match is(&report, unfit) {
            true => Err(InvalidValue::new("result", "must be a JSON object").into()),
            false => Ok(TaskStatus::Completed),
        };
        Ok(reports.into_iter().map(answer).collect())
    }
}

impl EventFeed for World {
    fn listen(&self, _: TaskNumber) -> Box<dyn LogNews> {
        Box::new(News(self.0.log.subscribe()))
    }
}

struct News(watch::Receiver<i64>);

#[async_trait]
impl LogNews for News {
    async fn past(&mut self, seq: i64) -> i64 {
        *self.0.wait_for(|last| *last > seq).await.unwrap()
    }
}

/// What an executor's work is.
pub(crate) type Doing<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send + 'a>>;

struct Doer<F>(F);

#[async_trait]
impl<F> Executor for Doer<F>
where
    F: for<'a> Fn(&'a Run) -> Doing<'a> + Send + Sync,
{
    fn kinds(&self) -> &[Kind] {
        &[Kind::Agent]
    }

    async fn execute(&self, run: &Run) -> Result<Outcome, Failure> {
        (self.0)(run).await
    }
}

/// So many slots of an executor that does this.
pub(crate) fn lane<F>(slots: u16, work: F) -> Lane
where
    F: for<'a> Fn(&'a Run) -> Doing<'a> + Send + Sync + 'static,
{
    Lane::new(Arc::new(Doer(work)), NonZeroU16::new(slots).unwrap())
}

/// An outcome that is this text.
pub(crate) fn answer(text: impl fmt::Display) -> Result<Outcome, Failure> {
    Ok(Outcome { result: Some(text.to_string()), ..Outcome::default() })
}

/// A runtime at work.
pub(crate) struct Running {
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) runtime: JoinHandle<()>,
}

impl Running {
    /// A runtime that has only this queue.
    pub(crate) fn start(world: &World, lanes: Vec<Lane>) -> Self {
        Self::start_with(world, lanes, Options::default())
    }

    /// The same, with other options.
    pub(crate) fn start_with(world: &World, lanes: Vec<Lane>, options: Options) -> Self {
        Self::of(runtime(world, options), lanes)
    }

    /// A runtime that also listens to the logs.
    pub(crate) fn start_listening(world: &World, lanes: Vec<Lane>) -> Self {
        let runtime = runtime(world, Options::default());
        Self::of(runtime.with_feed(Arc::new(world.clone())), lanes)
    }

    fn of(runtime: Runtime, lanes: Vec<Lane>) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, runtime: tokio::spawn(runtime.run(lanes, stopped)) }
    }

    /// Asks for the stop and waits for it.
    pub(crate) async fn drain(self) {
        self.stop.send_replace(true);
        self.runtime.await.unwrap();
    }
}

fn runtime(world: &World, options: Options) -> Runtime {
    let worker = WorkerId::new("worker-1").unwrap();
    Runtime::new(Arc::new(world.clone()), worker, options)
}

/// Lets so many seconds pass.
pub(crate) async fn pass(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds)).await;
}
