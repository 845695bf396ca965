//! The ports over PostgreSQL.
//!
//! Every read and nearly every change is one statement, which is its own
//! transaction: a round trip and, for a change, a commit. A claim is committed
//! by itself, once it is known that somebody still waits for it. All times are those
//! of the database's clock.

mod cancel;
mod change;
mod claim;
mod connection;
mod keys;
mod list;
mod maintenance;
mod read;
mod report;
mod row;
mod submit;

pub(crate) use connection::open;

use crate::{cache::Summaries, pool::Pool, statement::sql, wake::Wake};
use async_trait::async_trait;
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use read::SessionColumns;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
        status::TaskStatus,
        submit::{NewTask, Submission, SubmissionKind},
        work::SessionLabel,
    },
};

/// How long a readiness probe waits.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// A PostgreSQL database as every port.
pub(crate) struct PostgresStore {
    pool: Pool<PgConnection>,
    probe: Pool<PgConnection>,
    wake: Wake,
    summaries: Summaries,
}

impl PostgresStore {
    /// The store at `url`, not connected to yet, with at most `pool_size`
    /// connections and one more for probes.
    pub(crate) fn new(url: &str, pool_size: u32) -> Self {
        let (url, probed) = (url.to_owned(), url.to_owned());
        Self {
            pool: Pool::new(pool_size, move || connection::connect(&url)),
            probe: Pool::with_deadline(1, PROBE_DEADLINE, move || connection::connect(&probed)),
            wake: Wake::default(),
            summaries: Summaries::default(),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.pool.run(work).await
    }
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

    async fn cancel(&self, request: CancelRequest) -> Result<Option<Cancellation>, StoreError> {
        self.run(move |c| cancel::cancel(c, &request)).await
    }
}

#[async_trait]
impl TaskQueue for PostgresStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
        let request = Arc::new(request);
        self.wake
            .poll(&request.kinds, request.wait, || {
                let request = request.clone();
                self.pool.run_for(move |c, caller| claim::claim(c, &request, caller))
            })
            .await
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError> {
        self.run(move |c| report::heartbeat(c, &heartbeat)).await?
    }

    async fn record(&self, lease: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError> {
        self.run(move |c| report::record(c, lease, &events)).await?
    }

    async fn finish(&self, reports: Vec<Report>) -> Result<Vec<Reported>, StoreError> {
        let answers = self.run(move |c| report::finish(c, &reports)).await?;
        if answers.iter().any(|answer| matches!(answer, Ok(TaskStatus::Queued))) {
            self.wake.signal_all();
        }
        Ok(answers)
    }
}

#[async_trait]
impl EventLog for PostgresStore {
    async fn events(
        &self,
        task: TaskNumber,
        after: i64,
        limit: u16,
    ) -> Result<Vec<TaskEvent>, StoreError> {
        self.run(move |c| read::events(c, task, after, limit)).await
    }
}

#[async_trait]
impl SessionRepository for PostgresStore {
    async fn find_session(
        &self,
        user: UserId,
        label: &SessionLabel,
    ) -> Result<Option<SessionId>, StoreError> {
        let label = label.clone();
        let find =
            move |c: &mut PgConnection| read::find_session(c, user, &SessionColumns::from(&label));
        Ok(self.run(find).await?.map(SessionId))
    }
}

#[async_trait]
impl ApiKeyRepository for PostgresStore {
    async fn create_key(&self, key: NewApiKey) -> Result<ApiKey, StoreError> {
        self.run(move |c| keys::create(c, &key)).await
    }

    async fn find_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.run(move |c| keys::find(c, hash)).await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.run(keys::list).await
    }

    async fn revoke_key(&self, id: KeyId) -> Result<bool, StoreError> {
        self.run(move |c| keys::revoke(c, id)).await
    }
}

#[async_trait]
impl Maintenance for PostgresStore {
    async fn reap(&self, max: u16) -> Result<Reaped, StoreError> {
        let reaped = self.run(move |c| maintenance::reap(c, max)).await?;
        if reaped.expired > 0 {
            self.wake.signal_all();
        }
        Ok(reaped)
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        self.run(maintenance::tidy).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // A store without tables is not ready either.
        self.probe.run(|c| sql("SELECT FROM tenants LIMIT 1").execute(c).map(drop)).await
    }
}
