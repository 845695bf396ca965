//! What memory can answer: what does not change of tasks, and keys seen a
//! moment ago.

mod events;

pub(crate) use events::CachedEvents;

use async_trait::async_trait;
use moka::sync::Cache;
use std::{sync::Arc, time::Duration};
use taskgate_domain::{
    control::{ControlRequest, Controlled},
    error::StoreError,
    id::{KeyId, UserId},
    json::JsonObject,
    key::{ApiKey, KeyHash, NewApiKey},
    ports::{ApiKeyRepository, TaskRepository},
    query::{TaskKey, TaskPage, TaskQuery, TurnQuery},
    task::{
        Subject, Task, TaskSummary, Turn,
        submit::{NewTask, Submission},
        work::Work,
    },
};

/// The memory that finished tasks may take, in bytes.
const TASK_BYTES: u64 = 64 << 20;
/// The memory that lines of lists may take, in bytes.
const SUMMARY_BYTES: u64 = 32 << 20;
/// How long a key is believed to be as it was found: so much later another
/// process's revocation takes effect.
const KEY_LIFE: Duration = Duration::from_secs(5);
/// How many keys are remembered.
const KEYS: u64 = 10_000;

/// A repository that reads a finished task once, since nothing of it changes
/// any more. Live tasks are read from the store each time.
pub(crate) struct CachedTasks {
    store: Arc<dyn TaskRepository>,
    finished: Cache<TaskKey, Arc<Task>>,
}

impl CachedTasks {
    /// The repository over `store`.
    pub(crate) fn new(store: Arc<dyn TaskRepository>) -> Self {
        let finished = Cache::builder()
            .max_capacity(TASK_BYTES)
            .weigher(|_: &TaskKey, task: &Arc<Task>| weight(task))
            .build();
        Self { store, finished }
    }
}

/// About how many bytes of memory a finished task takes.
fn weight(task: &Task) -> u32 {
    let asked = match &task.work {
        Work::Agent(work) => {
            [work.query().len(), work.session().as_str().len(), work.context().as_str().len()]
        }
        Work::Research(work) => [work.params.as_str().len(), 0, 0],
    };
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let json = |json: &Option<JsonObject>| json.as_ref().map_or(0, |json| json.as_str().len());
    let came = task.finished().map(|finished| &finished.outcome).map_or(0, |outcome| {
        text(&outcome.result)
            + text(&outcome.error)
            + json(&outcome.response)
            + json(&outcome.metadata)
            + outcome.usage.models().len() * 128
    });
    // The fixed part, what the cache adds to it, and the allocations' slack.
    let bytes = 1_024 + asked.iter().sum::<usize>() + came;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[async_trait]
impl TaskRepository for CachedTasks {
    async fn submit(&self, task: NewTask) -> Result<Submission, StoreError> {
        self.store.submit(task).await
    }

    async fn find(&self, key: TaskKey) -> Result<Option<Task>, StoreError> {
        if let Some(task) = self.finished.get(&key) {
            return Ok(Some(Task::clone(&task)));
        }
        let found = self.store.find(key).await?;
        if let Some(task) = found.as_ref().filter(|task| task.finished().is_some()) {
            self.finished.insert(key, Arc::new(task.clone()));
        }
        Ok(found)
    }

    async fn list(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        self.store.list(query).await
    }

    async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError> {
        self.store.turns(query).await
    }

    async fn control(&self, request: ControlRequest) -> Result<Option<Controlled>, StoreError> {
        self.store.control(request).await
    }
}

/// Lines of lists by the tasks' numbers: what was asked, and how the task ended
/// if it had when the line was read. Neither ever changes.
#[derive(Clone)]
pub(crate) struct Summaries(Cache<i64, Arc<TaskSummary>>);

impl Default for Summaries {
    fn default() -> Self {
        let weight = |_: &i64, summary: &Arc<TaskSummary>| {
            let query = match &summary.subject {
                Subject::Agent { query, .. } => query.len(),
                Subject::Research { .. } => 0,
            };
            u32::try_from(512 + query).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(SUMMARY_BYTES).weigher(weight).build())
    }
}

impl Summaries {
    /// The line of a task, if it is remembered.
    pub(crate) fn get(&self, number: i64) -> Option<Arc<TaskSummary>> {
        self.0.get(&number)
    }

    /// Remembers a line.
    pub(crate) fn insert(&self, number: i64, summary: Arc<TaskSummary>) {
        self.0.insert(number, summary);
    }
}

/// A repository that remembers keys it has found for a few seconds. A key that
/// it did not find is looked for each time, so that a new one works at once.
pub(crate) struct CachedKeys {
    store: Arc<dyn ApiKeyRepository>,
    found: Cache<KeyHash, ApiKey>,
}

impl CachedKeys {
    /// The repository over `store`.
    pub(crate) fn new(store: Arc<dyn ApiKeyRepository>) -> Self {
        Self { store, found: Cache::builder().max_capacity(KEYS).time_to_live(KEY_LIFE).build() }
    }
}

#[async_trait]
impl ApiKeyRepository for CachedKeys {
    async fn create_key(&self, key: NewApiKey) -> Result<ApiKey, StoreError> {
        self.store.create_key(key).await
    }

    async fn find_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        if let Some(key) = self.found.get(&hash) {
            return Ok(Some(key));
        }
        let key = self.store.find_key(hash).await?;
        if let Some(key) = &key {
            self.found.insert(hash, key.clone());
        }
        Ok(key)
    }

    async fn replace_key(&self, old: KeyId, new: NewApiKey) -> Result<Option<ApiKey>, StoreError> {
        let replaced = self.store.replace_key(old, new).await;
        self.found.invalidate_all();
        replaced
    }

    async fn list_keys(&self, user: Option<UserId>) -> Result<Vec<ApiKey>, StoreError> {
        self.store.list_keys(user).await
    }

    async fn revoke_key(&self, id: KeyId) -> Result<bool, StoreError> {
        let revoked = self.store.revoke_key(id).await;
        // Also when the answer was lost, for then it may have been revoked. It
        // is rare enough to forget every key for it.
        self.found.invalidate_all();
        revoked
    }
}

#[cfg(test)]
mod tests {
    use super::{CachedKeys, CachedTasks};
    use chrono::Utc;
    use std::{collections::BTreeSet, sync::Arc};
    use taskgate_domain::{
        id::{KeyId, TaskNumber, TenantId, UserId},
        key::{ApiKey, KeySecret, Principal},
        ports::{ApiKeyRepository, MockApiKeyRepository, MockTaskRepository, TaskRepository},
        query::TaskKey,
        task::{
            Finished, Live, Progress, Task, TaskState,
            outcome::Outcome,
            status::{FinalStatus, LiveStatus},
            submit::NewTask,
        },
        testkit::build,
    };

    fn task(state: TaskState) -> Task {
        let NewTask { id, owner, work, .. } = build::agent_task(UserId::DEFAULT);
        let number = TaskNumber::new(1).unwrap();
        Task { number, id, owner, work, created_at: Utc::now(), deadline: None, state }
    }

    fn key() -> ApiKey {
        ApiKey {
            principal: Principal {
                tenant: TenantId::DEFAULT,
                user: UserId::DEFAULT,
                key: KeyId(uuid::Uuid::nil()),
                scopes: BTreeSet::new(),
                projects: None,
            },
            name: String::new(),
            description: None,
            tenant: String::new(),
            user: String::new(),
            hint: String::new(),
            created_at: Utc::now(),
            expires_at: None,
            revoked_at: None,
        }
    }

    async fn reads_of_two_finds(state: TaskState, reads: usize) {
        let mut store = MockTaskRepository::new();
        let stored = task(state);
        let answer = stored.clone();
        store.expect_find().times(reads).returning(move |_| Ok(Some(answer.clone())));
        let cached = CachedTasks::new(Arc::new(store));
        for _ in 0..2 {
            let found = cached.find(TaskKey::Id(stored.id)).await.unwrap();
            assert_eq!(found.as_ref(), Some(&stored));
        }
    }

    #[tokio::test]
    async fn a_finished_task_is_read_once() {
        let finished = TaskState::Finished(Finished {
            status: FinalStatus::Completed,
            progress: Progress::default(),
            attempt: None,
            started_at: None,
            finished_at: Utc::now(),
            outcome: Outcome::default(),
            cancel: None,
        });
        reads_of_two_finds(finished, 1).await;
    }

    #[tokio::test]
    async fn a_live_task_is_read_each_time() {
        let live = TaskState::Live(Live {
            status: LiveStatus::Running,
            progress: Progress::default(),
            attempt: None,
            started_at: None,
            updated_at: Utc::now(),
            pause: None,
        });
        reads_of_two_finds(live, 2).await;
    }

    #[tokio::test]
    async fn a_key_is_found_once_until_some_key_is_revoked() {
        let secret = KeySecret::generate().unwrap();
        let mut store = MockApiKeyRepository::new();
        let mut found = Some(());
        store.expect_find_key().times(2).returning(move |_| Ok(found.take().map(|()| key())));
        store.expect_revoke_key().returning(|_| Ok(true));
        let cached = CachedKeys::new(Arc::new(store));
        for _ in 0..3 {
            assert!(cached.find_key(secret.hash()).await.unwrap().is_some());
        }
        cached.revoke_key(KeyId(uuid::Uuid::nil())).await.unwrap();
        assert!(cached.find_key(secret.hash()).await.unwrap().is_none());
    }
}
