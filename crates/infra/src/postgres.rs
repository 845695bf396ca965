//! The ports over PostgreSQL.
//!
//! Every read and nearly every change is one statement, which is its own
//! transaction: a round trip and, for a change, a commit. A claim is committed
//! by itself, once it is known that somebody still waits for it. All times are those
//! of the database's clock.

mod change;
mod claim;
mod connection;
mod consumed;
mod control;
mod conversation;
mod events;
mod keys;
mod list;
mod maintenance;
mod outlook;
mod read;
mod report;
mod review;
mod row;
mod sessions;
mod submit;

pub(crate) use connection::open;

use crate::{
    cache::Summaries,
    feed::{Feed, Known},
    pool::Pool,
    statement::sql,
    wake::Wake,
};
use async_trait::async_trait;
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use outlook::PostgresOutlook;
use sessions::LabelColumns;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use taskgate_domain::{
    control::{ControlRequest, Controlled},
    error::{ReportError, StoreError},
    event::{NewEvent, TaskEvent},
    id::{KeyId, SessionId, TaskNumber, UserId},
    key::{ApiKey, KeyHash, NewApiKey},
    ports::{
        ApiKeyRepository, EventFeed, EventLog, LogNews, Maintenance, ReviewRepository,
        SessionRepository, TaskQueue, TaskRepository,
    },
    query::{Page, TaskKey, TaskPage, TaskQuery, TurnQuery},
    queue::{
        ClaimRequest, ClaimedTask, Conversation, Heartbeat, HeartbeatReply, Lease, Reaped, Report,
        Reported,
    },
    review::{Proposal, Review, ReviewError, ReviewRequest},
    session::{Session, SessionPage, SessionTitle},
    task::{
        Task, Turn,
        status::TaskStatus,
        submit::{NewTask, Submission, SubmissionKind},
        work::{Kind, SessionLabel},
    },
};

/// How long a readiness probe waits.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// A PostgreSQL database as every port.
pub(crate) struct PostgresStore {
    pool: Pool<PgConnection>,
    probe: Pool<PgConnection>,
    wake: Wake,
    feed: Arc<Feed>,
    summaries: Summaries,
}

/// How far logs go after what was done.
type News = Vec<(i64, Known)>;

impl PostgresStore {
    /// The store at `url`, not connected to yet, with at most `pool_size`
    /// connections, one more for probes, and one for news.
    pub(crate) fn new(url: &str, pool_size: u32) -> Self {
        let outlook = PostgresOutlook::new(url.to_owned());
        let (url, probed) = (url.to_owned(), url.to_owned());
        Self {
            pool: Pool::new(pool_size, move || connection::connect(&url)),
            probe: Pool::with_deadline(1, PROBE_DEADLINE, move || connection::connect(&probed)),
            wake: Wake::default(),
            feed: Arc::new(Feed::new(outlook)),
            summaries: Summaries::default(),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.pool.run(work).await
    }

    /// As [`run`](Self::run), for work on the session of a label.
    async fn run_about<T: Send + 'static>(
        &self,
        label: &SessionLabel,
        work: impl FnOnce(&mut PgConnection, &LabelColumns<'_>) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let label = label.clone();
        self.run(move |connection| work(connection, &LabelColumns::from(&label))).await
    }

    /// As [`run`](Self::run), for work that writes events: once it is done, those
    /// who listen learn of it, though its caller may have gone.
    async fn run_and_tell<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection, &mut News) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let feed = self.feed.clone();
        self.pool.run(move |connection| tell(&feed, |news| work(connection, news))).await
    }
}

/// Does some work and tells its news.
fn tell<T>(feed: &Feed, work: impl FnOnce(&mut News) -> QueryResult<T>) -> QueryResult<T> {
    let mut news = News::new();
    let answer = work(&mut news)?;
    news.into_iter().for_each(|(task, known)| feed.signal(task, known));
    Ok(answer)
}

#[async_trait]
impl TaskRepository for PostgresStore {
    async fn submit(&self, task: NewTask) -> Result<Submission, StoreError> {
        let (id, kind) = (TaskKey::Id(task.id), task.work.kind());
        let begun = Arc::new(AtomicBool::new(false));
        let begin = begun.clone();
        let submit = move |connection: &mut PgConnection| {
            begin.store(true, Ordering::SeqCst);
            submit::submit(connection, &task)
        };
        let submission = match self.run(submit).await {
            // The commit may have come through although its answer did not.
            Err(StoreError::Failed(cause)) if begun.load(Ordering::SeqCst) => {
                match self.find(id).await {
                    Ok(Some(task)) => Submission { task, kind: SubmissionKind::Created },
                    _ => return Err(StoreError::Failed(cause)),
                }
            }
            answer => answer?,
        };
        if submission.kind == SubmissionKind::Created {
            self.wake.signal(kind);
        }
        Ok(submission)
    }

    async fn find(&self, key: TaskKey) -> Result<Option<Task>, StoreError> {
        self.run(move |c| read::find(c, key)).await
    }

    async fn list(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        let summaries = self.summaries.clone();
        self.run(move |c| list::list(c, &summaries, &query)).await
    }

    async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError> {
        self.run(move |c| sessions::turns(c, query)).await
    }

    async fn control(&self, request: ControlRequest) -> Result<Option<Controlled>, StoreError> {
        let answer = self.run_and_tell(move |c, news| control::control(c, &request, news)).await?;
        if answer.is_some_and(|a| a.accepted && a.status == TaskStatus::Queued) {
            self.wake.signal_all();
        }
        Ok(answer)
    }
}

#[async_trait]
impl TaskQueue for PostgresStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
        let request = Arc::new(request);
        self.wake
            .poll(&request.kinds, request.wait, || {
                let (request, feed) = (request.clone(), self.feed.clone());
                self.pool.run_for(move |connection, caller| {
                    tell(&feed, |news| claim::claim(connection, &request, caller, news))
                })
            })
            .await
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError> {
        self.run_and_tell(move |c, news| report::heartbeat(c, &heartbeat, news)).await?
    }

    async fn record(&self, lease: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError> {
        self.run_and_tell(move |c, news| report::record(c, lease, &events, news)).await?
    }

    async fn conversation(&self, lease: Lease, turns: u16) -> Result<Conversation, ReportError> {
        self.run(move |c| conversation::read(c, lease, turns)).await?
    }

    async fn finish(&self, reports: Vec<Report>) -> Result<Vec<Reported>, StoreError> {
        let answers = self.run_and_tell(move |c, news| report::finish(c, &reports, news)).await?;
        if answers.iter().any(|answer| matches!(answer, Ok(TaskStatus::Queued))) {
            self.wake.signal_all();
        }
        Ok(answers)
    }

    async fn review(&self, lease: Lease) -> Result<Option<Review>, ReportError> {
        self.run(move |c| review::held(c, lease)).await?
    }

    async fn propose(&self, lease: Lease, proposal: Proposal) -> Result<(), ReportError> {
        self.run_and_tell(move |c, news| review::propose(c, lease, &proposal, news)).await?
    }
}

#[async_trait]
impl ReviewRepository for PostgresStore {
    async fn find_review(&self, task: TaskNumber) -> Result<Option<Review>, StoreError> {
        self.run(move |c| review::find(c, task)).await
    }

    async fn respond(&self, request: ReviewRequest) -> Result<Option<i64>, ReviewError> {
        let told = self.run_and_tell(move |c, news| review::respond(c, &request, news)).await??;
        if told.is_some() {
            self.wake.signal_all();
        }
        Ok(told)
    }
}

#[async_trait]
impl EventLog for PostgresStore {
    async fn events(
        &self,
        task: TaskNumber,
        after: i64,
        limit: u16,
    ) -> Result<Vec<Arc<TaskEvent>>, StoreError> {
        self.run(move |c| events::events(c, task, after, limit)).await
    }

    async fn history(
        &self,
        tasks: Vec<TaskNumber>,
        offset: i64,
        limit: u16,
    ) -> Result<Vec<(TaskNumber, TaskEvent)>, StoreError> {
        self.run(move |c| events::history(c, &tasks, offset, limit)).await
    }
}

impl EventFeed for PostgresStore {
    fn listen(&self, task: TaskNumber) -> Box<dyn LogNews> {
        self.feed.listen(task)
    }
}

#[async_trait]
impl SessionRepository for PostgresStore {
    async fn find_session(
        &self,
        user: UserId,
        label: &SessionLabel,
    ) -> Result<Option<SessionId>, StoreError> {
        let found = self.run_about(label, move |c, label| sessions::find(c, user, label)).await?;
        Ok(found.map(SessionId))
    }

    async fn session(
        &self,
        user: UserId,
        label: &SessionLabel,
    ) -> Result<Option<Session>, StoreError> {
        self.run_about(label, move |c, label| sessions::session(c, user, label)).await
    }

    async fn list_sessions(&self, user: UserId, page: Page) -> Result<SessionPage, StoreError> {
        self.run(move |c| sessions::list(c, user, page)).await
    }

    async fn rename_session(
        &self,
        user: UserId,
        label: &SessionLabel,
        title: &SessionTitle,
    ) -> Result<bool, StoreError> {
        let title = title.clone();
        self.run_about(label, move |c, label| sessions::rename(c, user, label, &title)).await
    }

    async fn delete_session(&self, user: UserId, label: &SessionLabel) -> Result<bool, StoreError> {
        self.run_about(label, move |c, label| sessions::delete(c, user, label)).await
    }
}

#[async_trait]
impl ApiKeyRepository for PostgresStore {
    async fn create_key(&self, key: NewApiKey) -> Result<ApiKey, StoreError> {
        self.run(move |c| keys::create(c, &key)).await
    }

    async fn replace_key(&self, old: KeyId, new: NewApiKey) -> Result<Option<ApiKey>, StoreError> {
        self.run(move |c| keys::replace(c, old, &new)).await
    }

    async fn find_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.run(move |c| keys::find(c, hash)).await
    }

    async fn list_keys(&self, user: Option<UserId>) -> Result<Vec<ApiKey>, StoreError> {
        self.run(move |c| keys::list(c, user)).await
    }

    async fn revoke_key(&self, id: KeyId) -> Result<bool, StoreError> {
        self.run(move |c| keys::revoke(c, id)).await
    }
}

#[async_trait]
impl Maintenance for PostgresStore {
    async fn reap(&self, max: u16) -> Result<Reaped, StoreError> {
        let reaped = self.run_and_tell(move |c, news| maintenance::reap(c, max, news)).await?;
        if reaped.expired > 0 {
            self.wake.signal_all();
        }
        Ok(reaped)
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        self.run(maintenance::tidy).await
    }

    async fn unserved(&self) -> Result<Vec<Kind>, StoreError> {
        self.run(claim::unserved).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // A store without tables is not ready either.
        self.probe.run(|c| sql("SELECT FROM tenants LIMIT 1").execute(c).map(drop)).await
    }
}
