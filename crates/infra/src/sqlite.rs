//! The ports over one SQLite file.
//!
//! SQLite has one writer at a time, so one connection does all the writing, in
//! transactions that take the lock at once, and the others read beside it.

mod claim;
mod columns;
mod consumed;
mod control;
mod conversation;
mod events;
mod find;
mod idempotency;
mod keys;
mod list;
mod moves;
mod outlook;
mod reap;
mod report;
mod review;
mod sessions;
mod state;
mod submit;
#[cfg(test)]
mod tests;
mod turns;
mod writer;

use crate::{
    encode::status_code,
    error::DbError,
    feed::Feed,
    pool::{Pool, establish},
    statement::sql,
    wake::Wake,
};
use async_trait::async_trait;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection, connection::SimpleConnection};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
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

use columns::At;
use events::News;
use writer::Writer;

const QUEUED: i16 = status_code(TaskStatus::Queued);
const PAUSED: i16 = status_code(TaskStatus::Paused);

/// The order matters: the first lets the others wait for another process. With
/// a write-ahead log readers and the writer do not block each other, and FULL
/// makes each commit wait until it is on the disk.
const SETTINGS: &str = "
    PRAGMA busy_timeout = 4000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA temp_store = MEMORY;
";

/// Opens the file, which is made when it is missing.
pub(crate) fn connect(path: &Path) -> Result<SqliteConnection, DbError> {
    let mut connection: SqliteConnection = establish(&path.to_string_lossy())?;
    connection.batch_execute(SETTINGS)?;
    Ok(connection)
}

fn connect_reader(path: &Path) -> Result<SqliteConnection, DbError> {
    let mut connection = connect(path)?;
    connection.batch_execute("PRAGMA query_only = ON")?;
    Ok(connection)
}

/// Every port over one file.
pub(crate) struct SqliteStore {
    writer: Writer,
    readers: Pool<SqliteConnection>,
    probe: Pool<SqliteConnection>,
    wake: Wake,
    feed: Feed,
}

impl SqliteStore {
    /// The store in this file, read by at most `readers` connections.
    pub(crate) fn new(path: &Path, readers: u32) -> Self {
        let owned = || -> PathBuf { path.to_owned() };
        let (writer, reader, probe) = (owned(), owned(), owned());
        let outlook = outlook::File::new(owned());
        Self {
            writer: Writer::new(Pool::new(1, move || connect(&writer))),
            readers: Pool::new(readers, move || connect_reader(&reader)),
            probe: Pool::with_deadline(1, Duration::from_secs(2), move || connect_reader(&probe)),
            wake: Wake::default(),
            feed: Feed::new(outlook),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(work).await
    }

    /// As [`write`](Self::write), for work that tells what it has logged.
    async fn log<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection, &mut News) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, news) = self
            .write(move |connection| {
                let mut news = News::new();
                let answer = work(connection, &mut news)?;
                Ok((answer, news))
            })
            .await?;
        news.into_iter().for_each(|(task, known)| self.feed.signal(task, known));
        Ok(answer)
    }
}

#[async_trait]
impl TaskRepository for SqliteStore {
    async fn submit(&self, task: NewTask) -> Result<Submission, StoreError> {
        let submission = self.write(move |connection| submit::submit(connection, &task)).await?;
        if submission.kind == SubmissionKind::Created {
            self.wake.signal(submission.task.work.kind());
        }
        Ok(submission)
    }

    async fn find(&self, key: TaskKey) -> Result<Option<Task>, StoreError> {
        self.readers.run(move |connection| find::find(connection, key)).await
    }

    async fn list(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        self.readers.run(move |connection| list::list(connection, &query)).await
    }

    async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError> {
        self.readers.run(move |connection| turns::read(connection, &query)).await
    }

    async fn control(&self, request: ControlRequest) -> Result<Option<Controlled>, StoreError> {
        let controlled =
            self.log(move |connection, news| control::control(connection, news, &request)).await?;
        if controlled.is_some_and(|done| done.accepted && done.status == TaskStatus::Queued) {
            self.wake.signal_all();
        }
        Ok(controlled)
    }
}

#[async_trait]
impl TaskQueue for SqliteStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
        let look = || {
            let request = request.clone();
            self.log(move |connection, news| claim::claim(connection, news, &request))
        };
        self.wake.poll(&request.kinds, request.wait, look).await
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError> {
        self.log(move |connection, news| report::heartbeat(connection, news, &heartbeat)).await?
    }

    async fn record(&self, lease: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError> {
        self.log(move |connection, news| report::record(connection, news, lease, &events)).await?
    }

    async fn conversation(&self, lease: Lease, turns: u16) -> Result<Conversation, ReportError> {
        self.readers.run(move |connection| conversation::read(connection, lease, turns)).await?
    }

    async fn finish(&self, reports: Vec<Report>) -> Result<Vec<Reported>, StoreError> {
        let answers = self
            .log(move |connection, news| {
                let answers = reports.iter().map(|report| report::finish(connection, news, report));
                answers.collect::<QueryResult<Vec<Reported>>>()
            })
            .await?;
        if answers.iter().any(|answer| matches!(answer, Ok(TaskStatus::Queued))) {
            self.wake.signal_all();
        }
        Ok(answers)
    }

    async fn review(&self, lease: Lease) -> Result<Option<Review>, ReportError> {
        self.readers.run(move |connection| review::held(connection, lease)).await?
    }

    async fn propose(&self, lease: Lease, proposal: Proposal) -> Result<(), ReportError> {
        self.log(move |connection, news| review::propose(connection, news, lease, &proposal))
            .await?
    }
}

#[async_trait]
impl ReviewRepository for SqliteStore {
    async fn find_review(&self, task: TaskNumber) -> Result<Option<Review>, StoreError> {
        self.readers.run(move |connection| review::find(connection, task)).await
    }

    async fn respond(&self, request: ReviewRequest) -> Result<Option<i64>, ReviewError> {
        let told =
            self.log(move |connection, news| review::respond(connection, news, &request)).await??;
        if told.is_some() {
            self.wake.signal_all();
        }
        Ok(told)
    }
}

#[async_trait]
impl Maintenance for SqliteStore {
    async fn reap(&self, max: u16) -> Result<Reaped, StoreError> {
        let reaped = self.log(move |connection, news| reap::reap(connection, news, max)).await?;
        if reaped.expired > 0 {
            self.wake.signal_all();
        }
        Ok(reaped)
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        /// Few enough for other writers not to notice.
        const AT_ONCE: i64 = 1_000;
        /// How long those who watched a task have to read its last pieces.
        const KEPT_FOR: Duration = Duration::from_secs(60);
        /// How long one call goes on; the next one does the rest.
        const TIDY_FOR: Duration = Duration::from_secs(2);
        let begun = Instant::now();
        let forget = || self.write(|connection| idempotency::forget(connection, AT_ONCE));
        while forget().await? > 0 && begun.elapsed() < TIDY_FOR {}
        let ended = At::now().before(KEPT_FOR);
        while begun.elapsed() < TIDY_FOR {
            // Looked for beside the writer, since that may take longer.
            let look = move |c: &mut SqliteConnection| events::with_pieces(c, ended, AT_ONCE);
            let tasks = Arc::new(self.readers.run(look).await?);
            if tasks.is_empty() {
                return Ok(());
            }
            let forget = || {
                let tasks = tasks.clone();
                self.write(move |connection| events::forget_pieces(connection, &tasks, AT_ONCE))
            };
            while forget().await? > 0 && begun.elapsed() < TIDY_FOR {}
        }
        Ok(())
    }

    async fn unserved(&self) -> Result<Vec<Kind>, StoreError> {
        self.readers.run(claim::unserved).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // A store without tables is not ready either.
        let probe = |connection: &mut SqliteConnection| {
            sql("SELECT 1 FROM tenants LIMIT 1").execute(connection).map(|_| ())
        };
        self.probe.run(probe).await
    }
}

#[async_trait]
impl EventLog for SqliteStore {
    async fn events(
        &self,
        task: TaskNumber,
        after: i64,
        limit: u16,
    ) -> Result<Vec<Arc<TaskEvent>>, StoreError> {
        self.readers.run(move |connection| events::read(connection, task, after, limit)).await
    }

    async fn history(
        &self,
        tasks: Vec<TaskNumber>,
        offset: i64,
        limit: u16,
    ) -> Result<Vec<(TaskNumber, TaskEvent)>, StoreError> {
        let read = move |c: &mut SqliteConnection| events::history(c, &tasks, offset, limit);
        self.readers.run(read).await
    }
}

impl EventFeed for SqliteStore {
    fn listen(&self, task: TaskNumber) -> Box<dyn LogNews> {
        self.feed.listen(task)
    }
}

#[async_trait]
impl SessionRepository for SqliteStore {
    async fn find_session(
        &self,
        user: UserId,
        label: &SessionLabel,
    ) -> Result<Option<SessionId>, StoreError> {
        let label = label.clone();
        self.readers.run(move |connection| sessions::find(connection, user, &label)).await
    }

    async fn session(
        &self,
        user: UserId,
        label: &SessionLabel,
    ) -> Result<Option<Session>, StoreError> {
        let label = label.clone();
        self.readers.run(move |connection| sessions::read(connection, user, &label)).await
    }

    async fn list_sessions(&self, user: UserId, page: Page) -> Result<SessionPage, StoreError> {
        self.readers.run(move |connection| sessions::list(connection, user, page)).await
    }

    async fn rename_session(
        &self,
        user: UserId,
        label: &SessionLabel,
        title: &SessionTitle,
    ) -> Result<bool, StoreError> {
        let (label, title) = (label.clone(), title.clone());
        self.write(move |connection| sessions::rename(connection, user, &label, &title)).await
    }

    async fn delete_session(&self, user: UserId, label: &SessionLabel) -> Result<bool, StoreError> {
        let label = label.clone();
        self.write(move |connection| sessions::delete(connection, user, &label)).await
    }
}

#[async_trait]
impl ApiKeyRepository for SqliteStore {
    async fn create_key(&self, key: NewApiKey) -> Result<ApiKey, StoreError> {
        self.write(move |connection| keys::create(connection, &key)).await
    }

    async fn replace_key(&self, old: KeyId, new: NewApiKey) -> Result<Option<ApiKey>, StoreError> {
        self.write(move |connection| keys::replace(connection, old, &new)).await
    }

    async fn find_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.readers.run(move |connection| keys::find(connection, hash)).await
    }

    async fn list_keys(&self, user: Option<UserId>) -> Result<Vec<ApiKey>, StoreError> {
        self.readers.run(move |connection| keys::list(connection, user)).await
    }

    async fn revoke_key(&self, id: KeyId) -> Result<bool, StoreError> {
        self.write(move |connection| keys::revoke(connection, id)).await
    }
}
