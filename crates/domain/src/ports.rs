//! What the domain needs from the outside, by the caller's need.
//!
//! An adapter implements these traits over some store; the suite in
//! `testkit` holds it to what is said here.

use crate::{
    control::{ControlRequest, Controlled},
    error::{ReportError, StoreError},
    event::{NewEvent, TaskEvent},
    id::{KeyId, SessionId, TaskNumber, UserId},
    key::{ApiKey, KeyHash, NewApiKey},
    query::{Page, TaskKey, TaskPage, TaskQuery, TurnQuery},
    queue::{
        ClaimRequest, ClaimedTask, Conversation, Heartbeat, HeartbeatReply, Lease, Reaped, Report,
        Reported,
    },
    review::{Proposal, Review, ReviewError, ReviewRequest},
    session::{Session, SessionPage, SessionTitle},
    task::{
        Task, Turn,
        submit::{NewTask, Submission},
        work::{Kind, SessionLabel},
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// Tasks, as those who submit and watch them see them.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait TaskRepository: Send + Sync {
    /// Stores a task with its first event; when this returns, the task
    /// survives the loss of every process.
    ///
    /// An agent task's session is the one that
    /// [`find_session`](SessionRepository::find_session) finds for the user,
    /// and is made in the same transaction when there is none. A label that
    /// is a UUID of version 4 or 7 becomes the new session's id, unless a
    /// session, user or tenant has it. A deleted session is not found: its
    /// label makes a new session. A new session is titled and marked by its
    /// first task.
    ///
    /// When `idempotency` was seen within 24 hours, or a live task of the
    /// same project carries the same unique key, nothing is stored and the
    /// earlier task is returned. Of concurrent calls with the same key one
    /// stores, and the others wait for it.
    async fn submit(&self, task: NewTask) -> Result<Submission, StoreError>;

    /// Reads one task, whoever it belongs to; `None` when there is none.
    async fn find(&self, key: TaskKey) -> Result<Option<Task>, StoreError>;

    /// Reads a page of a list, the newest first, and the list's exact length
    /// in the same snapshot. The cost does not grow with the number of tasks
    /// stored, but for the offset.
    async fn list(&self, query: TaskQuery) -> Result<TaskPage, StoreError>;

    /// Reads what was asked and answered in a session, the oldest first. The
    /// tasks' contexts, which may be large, are not read.
    async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError>;

    /// Cancels, pauses or resumes a task, at once and whoever holds its lease,
    /// where [`Control::transition`](crate::control::Control::transition) has a
    /// move for it; elsewhere nothing changes and nothing is accepted. `None`
    /// when there is no such task.
    ///
    /// The answer to a request with an idempotency key is remembered for 24
    /// hours if it was accepted, and that to a cancel in any case.
    ///
    /// A paused task gets no claim, keeps its number, priority and the time
    /// before which it does not run, and times out as any other.
    async fn control(&self, request: ControlRequest) -> Result<Option<Controlled>, StoreError>;
}

/// Tasks, as those who run them see them.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait TaskQueue: Send + Sync {
    /// Leases tasks that are due to a worker: those of the highest priority
    /// first, of equal priority the oldest. Each task is given to one caller.
    ///
    /// There are fewer than `request.max` when more would be due but all
    /// together they would ship more than [`ClaimRequest::MAX_BYTES`]; the
    /// first is given whatever its size. Nothing stays leased to a caller that
    /// has gone away before the answer was ready.
    ///
    /// When none is due, waits up to `request.wait` for one. The answer is
    /// empty when none came.
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError>;

    /// Renews a lease and stores progress. The worker of a task that was
    /// cancelled is told so instead.
    ///
    /// # Errors
    /// [`ReportError::NotFound`] for an unknown task,
    /// [`ReportError::LeaseLost`] when the claim is not the task's latest or
    /// the task is no longer running or paused.
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError>;

    /// Records events of a running task, all or none, and returns the number
    /// of the last one recorded for the task.
    ///
    /// # Errors
    /// As [`heartbeat`](Self::heartbeat).
    async fn record(&self, lease: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError>;

    /// Reads what a running task follows on: of the tasks of its session that
    /// were submitted before it and have completed with an answer, the latest
    /// `turns`, and what all tasks of the session that have ended consumed. A
    /// research task follows on nothing.
    ///
    /// There are fewer turns when they would be longer than
    /// [`READ_BYTES`](crate::event::READ_BYTES) all together; the latest stay.
    ///
    /// # Errors
    /// As [`heartbeat`](Self::heartbeat).
    async fn conversation(&self, lease: Lease, turns: u16) -> Result<Conversation, ReportError>;

    /// Takes the ends of several tasks, at most 500, each for itself: one
    /// refused report leaves the others valid. The answers stand in the order
    /// of the reports.
    ///
    /// A report that was accepted before is accepted again and changes
    /// nothing, though its delay may differ. A store may forget it, and refuse
    /// the repetition, once the task has moved on from where it was put.
    ///
    /// A completed task's progress is set to its total, if that is known. What
    /// each report says to have consumed is kept, and whatever ends the task adds
    /// it all up.
    ///
    /// # Errors
    /// In the answers [`ReportError::NotFound`] and
    /// [`ReportError::LeaseLost`] as for [`heartbeat`](Self::heartbeat), and
    /// [`ReportError::Invalid`] when a result does not fit its task's kind.
    async fn finish(&self, reports: Vec<Report>) -> Result<Vec<Reported>, StoreError>;

    /// Reads the review of a held task's plan; `None` when none was proposed yet.
    ///
    /// # Errors
    /// As [`heartbeat`](Self::heartbeat).
    async fn review(&self, lease: Lease) -> Result<Option<Review>, ReportError>;

    /// Proposes a plan of a held agent task for review. The worker holds the task
    /// no more, which is paused, in its owner's name; the attempt does not count
    /// among those that the task may take.
    ///
    /// A plan that no remark has asked for leaves the one under review as it is.
    /// A proposal that was taken before is taken again and changes nothing.
    ///
    /// # Errors
    /// As [`heartbeat`](Self::heartbeat), and [`ReportError::Invalid`] when the
    /// task is not an agent task or a plan is approved already.
    async fn propose(&self, lease: Lease, proposal: Proposal) -> Result<(), ReportError>;
}

/// The reviews of plans, as those who own the tasks see them.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait ReviewRepository: Send + Sync {
    /// Reads the review of a task's plan; `None` when no plan was proposed.
    async fn find_review(&self, task: TaskNumber) -> Result<Option<Review>, StoreError>;

    /// Takes an owner's word on a plan, where
    /// [`Standing::judge`](crate::review::Standing::judge) has nothing against
    /// it: of concurrent ones about the same plan, one. A paused task returns to
    /// its place in the queue.
    ///
    /// Returns the number of the last event that this has recorded; `None` when
    /// the same was said before and nothing changes.
    ///
    /// # Errors
    /// [`ReviewError::NotFound`] when no plan was proposed, or there is no such
    /// task, and [`ReviewError::Refused`].
    async fn respond(&self, request: ReviewRequest) -> Result<Option<i64>, ReviewError>;
}

/// What has to be done from time to time, by any one process.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait Maintenance: Send + Sync {
    /// Takes back expired leases and ends tasks whose deadline has passed, at
    /// most `max` of each, by the store's clock.
    async fn reap(&self, max: u16) -> Result<Reaped, StoreError>;

    /// Folds what the store has put off and forgets what has expired: old
    /// requests, and the [pieces of output](crate::event::EventType::LLM_PARTIAL)
    /// of tasks that ended over a minute ago, when those who watched have read
    /// them.
    async fn tidy(&self) -> Result<(), StoreError>;

    /// Tells of which kinds a task is due while no worker has any task of that
    /// kind. It reads no more than the tasks in flight, and is asked every half
    /// a minute.
    async fn unserved(&self) -> Result<Vec<Kind>, StoreError>;

    /// Whether the store answers; used by readiness probes, so it has its own
    /// connection and a deadline of about two seconds.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The log of what happened to each task. Every event is written in the
/// transaction of the change that it tells of.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Reads a task's events with a number above `after`, in order, at most
    /// `limit` of them. They are shared, because many may follow one task.
    ///
    /// There may be more behind the last, but if there is any, one is returned:
    /// whoever reads on until nothing comes has read all. A read takes
    /// [`READ_BYTES`](crate::event::READ_BYTES) at most, but for its last event.
    async fn events(
        &self,
        task: TaskNumber,
        after: i64,
        limit: u16,
    ) -> Result<Vec<Arc<TaskEvent>>, StoreError>;

    /// Reads what is kept of some tasks' logs, that is everything but the
    /// [pieces of output](crate::event::EventType::LLM_PARTIAL): in the order
    /// of the tasks' numbers and within each in its own, at most `limit` events
    /// after `offset` ones. As with [`events`](Self::events) there may be more
    /// behind the last, and a read takes [`READ_BYTES`](crate::event::READ_BYTES)
    /// at most, but for its last event.
    async fn history(
        &self,
        tasks: Vec<TaskNumber>,
        offset: i64,
        limit: u16,
    ) -> Result<Vec<(TaskNumber, TaskEvent)>, StoreError>;
}

/// News of growing logs, from whichever process they come.
#[cfg_attr(feature = "mocks", mockall::automock)]
pub trait EventFeed: Send + Sync {
    /// Starts to listen for news of a task's log.
    ///
    /// Whoever listens first, then reads the log to its end, and reads on after
    /// each piece of news misses nothing.
    fn listen(&self, task: TaskNumber) -> Box<dyn LogNews>;
}

/// A listener to one task's log.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait LogNews: Send {
    /// Returns when the log is known to have an event with a number above
    /// `seq`, or the task to have ended; at once when that is known already.
    /// The answer is how far the log is known to go, `i64::MAX` when the task
    /// has ended.
    ///
    /// Events that this process writes while somebody listens are known when
    /// their call returns, those of other processes in about a second at the
    /// latest. To stop waiting loses nothing.
    async fn past(&mut self, seq: i64) -> i64;
}

/// The conversations that agent tasks belong to.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait SessionRepository: Send + Sync {
    /// Finds a user's session by its own id or by the name that the user's
    /// client gave it; never another user's, nor a deleted one.
    async fn find_session(
        &self,
        user: UserId,
        label: &SessionLabel,
    ) -> Result<Option<SessionId>, StoreError>;

    /// Reads a session that [`find_session`](Self::find_session) finds. The
    /// cost does not grow with its tasks.
    async fn session(
        &self,
        user: UserId,
        label: &SessionLabel,
    ) -> Result<Option<Session>, StoreError>;

    /// Reads a page of a user's sessions, the newest first, and their exact
    /// number. The cost does not grow with the number of tasks or of sessions,
    /// but for the offset.
    async fn list_sessions(&self, user: UserId, page: Page) -> Result<SessionPage, StoreError>;

    /// Gives a session another title; false when the user has no such session.
    async fn rename_session(
        &self,
        user: UserId,
        label: &SessionLabel,
        title: &SessionTitle,
    ) -> Result<bool, StoreError>;

    /// Hides a session; its tasks stay. False when the user never had such a
    /// session; deleting it again changes nothing.
    async fn delete_session(&self, user: UserId, label: &SessionLabel) -> Result<bool, StoreError>;
}

/// API keys.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait ApiKeyRepository: Send + Sync {
    /// Stores a key, and its tenant and user when their names are new.
    async fn create_key(&self, key: NewApiKey) -> Result<ApiKey, StoreError>;

    /// Stores a key in the place of another, which is revoked in the same
    /// transaction; `None`, and nothing stored, when there is no such key or it
    /// was revoked before.
    async fn replace_key(&self, old: KeyId, new: NewApiKey) -> Result<Option<ApiKey>, StoreError>;

    /// Finds a key by its secret's hash, valid or not.
    async fn find_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError>;

    /// Reads a user's keys, or everybody's, the oldest first.
    async fn list_keys(&self, user: Option<UserId>) -> Result<Vec<ApiKey>, StoreError>;

    /// Ends a key's validity; false when there is no such key or it was
    /// revoked before.
    async fn revoke_key(&self, id: KeyId) -> Result<bool, StoreError>;
}

/// The time, for what the store's clock does not decide.
#[cfg_attr(feature = "mocks", mockall::automock)]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
