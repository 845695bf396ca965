//! The ports over one SQLite file.
//!
//! SQLite has one writer at a time, so one connection does all the writing, in
//! transactions that take the lock at once, and the others read beside it.

mod cancel;
mod claim;
mod columns;
mod events;
mod find;
mod idempotency;
mod keys;
mod list;
mod moves;
mod reap;
mod report;
mod sessions;
mod submit;
#[cfg(test)]
mod tests;
mod writer;

use crate::{
    encode::status_code,
    error::DbError,
    pool::{Pool, establish},
    statement::sql,
    wake::Wake,
};
use async_trait::async_trait;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection, connection::SimpleConnection};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use taskgate_domain::{
    error::{ReportError, StoreError},
    event::{NewEvent, TaskEvent},
    id::{KeyId, SessionId, TaskNumber, UserId},
    key::{ApiKey, KeyHash, NewApiKey},
    ports::{
        ApiKeyRepository, EventLog, Maintenance, SessionRepository, TaskQueue, TaskRepository,
    },
    query::{TaskKey, TaskPage, TaskQuery},
    queue::{
        CancelRequest, Cancellation, ClaimRequest, ClaimedTask, Heartbeat, HeartbeatReply, Lease,
        Reaped, Report, Reported,
    },
    task::{
        Task,
        status::{LiveStatus, TaskStatus, Transition},
        submit::{NewTask, Submission, SubmissionKind},
        work::SessionLabel,
    },
};
use writer::Writer;

const QUEUED: i16 = status_code(TaskStatus::Queued);
const RUNNING: i16 = status_code(TaskStatus::Running);
/// Where a task is while a worker holds it.
const RUNNING_OR_PAUSED: &[LiveStatus] = Transition::Complete.sources();

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
}

impl SqliteStore {
    /// The store in this file, read by at most `readers` connections.
    pub(crate) fn new(path: &Path, readers: u32) -> Self {
        let owned = || -> PathBuf { path.to_owned() };
        let (writer, reader, probe) = (owned(), owned(), owned());
        Self {
            writer: Writer::new(Pool::new(1, move || connect(&writer))),
            readers: Pool::new(readers, move || connect_reader(&reader)),
            probe: Pool::with_deadline(1, Duration::from_secs(2), move || connect_reader(&probe)),
            wake: Wake::default(),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(work).await
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

    async fn cancel(&self, request: CancelRequest) -> Result<Option<Cancellation>, StoreError> {
        self.write(move |connection| cancel::cancel(connection, &request)).await
    }
}

#[async_trait]
impl TaskQueue for SqliteStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
        let look = || {
            let request = request.clone();
            self.write(move |connection| claim::claim(connection, &request))
        };
        self.wake.poll(&request.kinds, request.wait, look).await
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError> {
        self.write(move |connection| report::heartbeat(connection, &heartbeat)).await?
    }

    async fn record(&self, lease: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError> {
        self.write(move |connection| report::record(connection, lease, &events)).await?
    }

    async fn finish(&self, reports: Vec<Report>) -> Result<Vec<Reported>, StoreError> {
        let answers = self
            .write(move |connection| {
                let answers = reports.iter().map(|report| report::finish(connection, report));
                answers.collect::<QueryResult<Vec<Reported>>>()
            })
            .await?;
        if answers.iter().any(|answer| matches!(answer, Ok(TaskStatus::Queued))) {
            self.wake.signal_all();
        }
        Ok(answers)
    }
}

#[async_trait]
impl Maintenance for SqliteStore {
    async fn reap(&self, max: u16) -> Result<Reaped, StoreError> {
        let reaped = self.write(move |connection| reap::reap(connection, max)).await?;
        if reaped.expired > 0 {
            self.wake.signal_all();
        }
        Ok(reaped)
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        /// Few enough for other writers not to notice.
        const AT_ONCE: i64 = 1_000;
        while self.write(|connection| idempotency::forget(connection, AT_ONCE)).await? > 0 {}
        Ok(())
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
    ) -> Result<Vec<TaskEvent>, StoreError> {
        self.readers.run(move |connection| events::read(connection, task, after, limit)).await
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
}

#[async_trait]
impl ApiKeyRepository for SqliteStore {
    async fn create_key(&self, key: NewApiKey) -> Result<ApiKey, StoreError> {
        self.write(move |connection| keys::create(connection, &key)).await
    }

    async fn find_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.readers.run(move |connection| keys::find(connection, hash)).await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.readers.run(keys::list).await
    }

    async fn revoke_key(&self, id: KeyId) -> Result<bool, StoreError> {
        self.write(move |connection| keys::revoke(connection, id)).await
    }
}
