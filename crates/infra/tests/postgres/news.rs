//! News that cross over between processes.

use super::{PATIENCE, database::Database};
use diesel::{PgConnection, RunQueryDsl, sql_query};
use std::time::{Duration, Instant};
use taskgate_domain::{
    queue::ClaimedTask,
    testkit::{Ports, build},
};
use tokio::time::timeout;

/// The connection of another process that hears news.
const HEARS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND (query LIKE 'LISTEN %' OR query LIKE 'SELECT task_number, last_seq %')";

/// Records an event and returns its number.
async fn note(ports: &Ports, task: &ClaimedTask) -> i64 {
    ports.queue.record(build::lease(task), vec![build::event("NOTED")]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn news_cross_over_to_another_process() {
    let database = Database::migrated();
    let (writing, reading) = (database.ports(), database.ports());
    let task = writing.running().await;
    let mut news = reading.feed.listen(task.number);
    let last = note(&writing, &task).await;
    timeout(PATIENCE, news.past(last - 1)).await.unwrap();
    // By now both have their connections, and hints come at once: much sooner
    // than by the looks, which are a second apart.
    let begun = Instant::now();
    for _ in 0..20 {
        let last = note(&writing, &task).await;
        timeout(PATIENCE, news.past(last - 1)).await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    writing.cancel(task.number).await;
    timeout(PATIENCE, news.past(i64::MAX)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn news_cross_over_after_their_connection_has_died() {
    let database = Database::migrated();
    let (writing, reading) = (database.ports(), database.ports());
    let task = writing.running().await;
    let mut news = reading.feed.listen(task.number);
    let mut connection = database.connection();
    for _ in 0..2 {
        kill(&mut connection).await;
        let last = note(&writing, &task).await;
        timeout(PATIENCE, news.past(last - 1)).await.unwrap();
    }
}

/// Kills the connection that hears news, as soon as there is one.
async fn kill(connection: &mut PgConnection) {
    let end = Instant::now() + PATIENCE;
    while sql_query(HEARS).execute(connection).unwrap() == 0 {
        assert!(Instant::now() < end, "somebody hears news");
        tokio::task::yield_now().await;
    }
}
