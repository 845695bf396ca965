//! The contract suite over SQLite, and what is particular to it.

#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

use async_trait::async_trait;
use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use taskgate_domain::testkit::{Ports, StoreFactory, build};
use taskgate_infra::{DatabaseUrl, Store, StoreOptions, migrations};
use tempfile::TempDir;
use tokio::time::timeout;

/// Makes each store in a directory of its own.
#[derive(Default)]
struct Files(Mutex<Vec<TempDir>>);

#[async_trait]
impl StoreFactory for Files {
    async fn fresh(&self) -> Ports {
        let directory = TempDir::new().unwrap();
        let url = url(&directory.path().join("tasks.db"));
        migrations::apply(&url).unwrap();
        let store = Store::connect(&StoreOptions { url, pool_size: 4 }).unwrap();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(directory);
        Ports {
            tasks: store.tasks,
            queue: store.queue,
            reviews: store.reviews,
            events: store.events,
            feed: store.feed,
            sessions: store.sessions,
            keys: store.keys,
            maintenance: store.maintenance,
        }
    }
}

fn url(path: &Path) -> DatabaseUrl {
    format!("sqlite://{}", path.display()).parse().unwrap()
}

taskgate_domain::contract_suite!(Files::default());

/// How long anything may take that is awaited.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn news_cross_over_to_another_process() {
    let files = Files::default();
    let writing = files.fresh().await;
    let url = url(&files.0.lock().unwrap()[0].path().join("tasks.db"));
    let reading = Store::connect(&StoreOptions { url, pool_size: 1 }).unwrap();
    let running = writing.running().await;
    let lease = build::lease(&running);
    let mut news = reading.feed.listen(running.number);
    let last = writing.queue.record(lease, vec![build::event("NOTED")]).await.unwrap();
    timeout(PATIENCE, news.past(last - 1)).await.unwrap();
    writing.finish(lease, build::complete("done")).await.unwrap();
    timeout(PATIENCE, news.past(i64::MAX)).await.unwrap();
}

#[test]
fn migrations_go_up_down_and_up_again() {
    let directory = TempDir::new().unwrap();
    let url = url(&directory.path().join("tasks.db"));
    let all = migrations::pending(&url).unwrap();
    assert!(!all.is_empty());
    assert!(!directory.path().join("tasks.db").exists(), "asking makes no file");
    assert_eq!(migrations::apply(&url).unwrap(), all);
    assert!(migrations::pending(&url).unwrap().is_empty());
    assert!(migrations::apply(&url).unwrap().is_empty());
    assert_eq!(migrations::revert_all(&url).unwrap().len(), all.len());
    assert_eq!(migrations::pending(&url).unwrap(), all);
    assert_eq!(migrations::apply(&url).unwrap(), all);
}

#[test]
fn of_several_that_migrate_at_once_one_does() {
    let directory = TempDir::new().unwrap();
    let url = url(&directory.path().join("tasks.db"));
    let applied: usize = std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..8).map(|_| scope.spawn(|| migrations::apply(&url).unwrap().len())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).sum()
    });
    assert_eq!(applied, 1);
}

#[test]
fn a_store_in_a_missing_directory_is_refused_in_words() {
    let url = url(Path::new("/nowhere/at/all/tasks.db"));
    let error = Store::connect(&StoreOptions { url, pool_size: 1 }).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the directory of sqlite:///nowhere/at/all/tasks.db does not exist"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_tables_is_not_ready() {
    let directory = TempDir::new().unwrap();
    let url = url(&directory.path().join("tasks.db"));
    let store = Store::connect(&StoreOptions { url, pool_size: 1 }).unwrap();
    assert!(store.maintenance.ping().await.is_err());
}
