//! The PostgreSQL adapter, held to the contract and to what is particular to it.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "in tests a panic is the verdict")]

#[path = "postgres/database.rs"]
mod database;
#[path = "postgres/forget.rs"]
mod forget;
#[path = "postgres/news.rs"]
mod news;
#[path = "postgres/reads.rs"]
mod reads;

use database::{Database, Databases};
use diesel::{PgConnection, RunQueryDsl, connection::SimpleConnection, sql_query};
use std::{
    collections::BTreeSet,
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};
use taskgate_domain::{
    id::{TaskNumber, TenantId, UserId},
    query::{TaskQuery, TaskScope},
    queue::Report,
    task::status::TaskStatus,
    testkit::{build, contract as behaviours},
};
use taskgate_infra::{Store, StoreOptions, migrations};
use tokio::task::JoinSet;

/// How long anything may take that is awaited.
const PATIENCE: Duration = Duration::from_secs(30);

taskgate_domain::contract_suite!(Databases::default());

#[test]
fn migrations_run_up_down_and_up_again() {
    let database = Database::empty();
    let url = database.url();
    let all = migrations::pending(&url).unwrap();
    assert!(!all.is_empty());
    assert_eq!(migrations::apply(&url).unwrap(), all);
    assert_eq!(migrations::pending(&url).unwrap(), Vec::<String>::new());
    assert_eq!(migrations::apply(&url).unwrap(), Vec::<String>::new());
    let reverted: Vec<String> = migrations::revert_all(&url).unwrap();
    assert_eq!(reverted.into_iter().rev().collect::<Vec<_>>(), all);
    assert_eq!(migrations::apply(&url).unwrap(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_tables_is_not_ready() {
    let database = Database::empty();
    assert!(database.store().maintenance.ping().await.is_err());
    assert!(Database::migrated().store().maintenance.ping().await.is_ok());
}

#[test]
fn of_processes_that_migrate_at_once_one_does() {
    let database = Database::empty();
    let all = migrations::pending(&database.url()).unwrap();
    let start = Barrier::new(8);
    let applied: Vec<String> = std::thread::scope(|scope| {
        let processes: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    migrations::apply(&database.url()).unwrap()
                })
            })
            .collect();
        processes.into_iter().flat_map(|process| process.join().unwrap()).collect()
    });
    assert_eq!(applied, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_race_of_workers_and_reapers_each_task_ends_once() {
    const TASKS: usize = 600;
    let database = Database::migrated();
    let store = database.store();
    let mut numbers = BTreeSet::new();
    for number in 0..TASKS {
        let task = build::research_task(TenantId::DEFAULT, build::project(1));
        let task = build::with(task, |o| {
            o.with_max_attempts(100)?.with_priority(i64::try_from(number % 3).unwrap())
        });
        numbers.insert(store.tasks.submit(task).await.unwrap().task.number);
    }
    let store = Arc::new(store);
    let mut workers = JoinSet::new();
    for worker in 0..8 {
        let store = store.clone();
        workers.spawn(async move {
            let mut ended: Vec<TaskNumber> = Vec::new();
            loop {
                // Half the leases end at once, for the reapers to take.
                let request =
                    if worker % 2 == 0 { build::claim(7) } else { build::lapsing_claim(7) };
                let claimed = store.queue.claim(request).await.unwrap();
                if worker % 2 == 1 {
                    store.maintenance.reap(5).await.unwrap();
                    store.maintenance.tidy().await.unwrap();
                }
                let report = |task: &taskgate_domain::queue::ClaimedTask| Report {
                    lease: build::lease(task),
                    conclusion: build::complete("{}"),
                };
                let answers =
                    store.queue.finish(claimed.iter().map(report).collect()).await.unwrap();
                let accepted = claimed.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
                ended.extend(accepted.map(|(task, _)| task.number));
                let scope = TaskScope::Tenant(TenantId::DEFAULT);
                let statuses = vec![TaskStatus::Completed];
                let page = build::page(1, 0);
                let done = store.tasks.list(TaskQuery { scope, statuses, page }).await.unwrap();
                if usize::try_from(done.total) == Ok(TASKS) {
                    return ended;
                }
            }
        });
    }
    let ended: Vec<TaskNumber> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(ended.len(), TASKS);
    assert_eq!(BTreeSet::from_iter(ended), numbers);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_may_have_another_default_isolation() {
    let database = Database::migrated();
    database
        .connection()
        .batch_execute(
            "DO $$ BEGIN EXECUTE format(
                'ALTER DATABASE %I SET default_transaction_isolation = serializable',
                current_database()
             ); END $$",
        )
        .unwrap();
    let ports = database.ports();
    behaviours::claim::concurrent_claims_share_the_tasks(&ports).await;
    behaviours::submit::of_concurrent_repeated_submits_one_stores(&ports).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_that_never_began_is_not_looked_for() {
    // Takes connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://taskgate@{}/taskgate", silent.local_addr().unwrap());
    let store = Store::connect(&StoreOptions { url: url.parse().unwrap(), pool_size: 1 }).unwrap();
    let begun = Instant::now();
    store.sessions.find_session(UserId::DEFAULT, &build::label("s")).await.unwrap_err();
    let once = begun.elapsed();
    store.tasks.submit(build::agent_task(UserId::DEFAULT)).await.unwrap_err();
    assert!(begun.elapsed() < once * 5 / 2, "{:?} after {once:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_recovers_when_its_connections_die() {
    let database = Database::migrated();
    let store = database.store();
    let kept = store.tasks.submit(build::agent_task(UserId::DEFAULT)).await.unwrap().task;
    sql_query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut database.connection())
    .unwrap();
    let key = taskgate_domain::query::TaskKey::Id(kept.id);
    // The dead connection may cost one call each, and no more.
    let mut failures = 0;
    let found = loop {
        match store.tasks.find(key).await {
            Ok(found) => break found,
            Err(_) => failures += 1,
        }
        assert!(failures <= 8, "the dead connections are dropped");
    };
    assert_eq!(found, Some(kept));
}

/// Waits until this is so of `others`, the connections of the database but this.
async fn until(connection: &mut PgConnection, condition: &str) {
    let condition = format!(
        "WITH others AS (
            SELECT * FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
         ) SELECT WHERE {condition}"
    );
    let end = Instant::now() + Duration::from_secs(3);
    while sql_query(condition.as_str()).execute(connection).unwrap() == 0 {
        assert!(Instant::now() < end, "never: {condition}");
        tokio::task::yield_now().await;
    }
}

const ONE_WAITS: &str = "EXISTS (SELECT FROM others WHERE wait_event_type = 'Lock')";
const ALL_ARE_IDLE: &str = "NOT EXISTS (SELECT FROM others WHERE state <> 'idle')";

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_up_takes_no_task() {
    let database = Database::migrated();
    let store = database.store();
    let task = store.tasks.submit(build::agent_task(UserId::DEFAULT)).await.unwrap().task;
    let (mut connection, mut other) = (database.connection(), database.connection());
    // Stops the claim while it writes.
    connection.batch_execute("BEGIN; LOCK TABLE task_events IN SHARE MODE").unwrap();
    let queue = store.queue.clone();
    let claim = tokio::spawn(async move { queue.claim(build::claim(1)).await });
    until(&mut other, ONE_WAITS).await;
    claim.abort();
    assert!(claim.await.unwrap_err().is_cancelled());
    connection.batch_execute("COMMIT").unwrap();
    until(&mut other, ALL_ARE_IDLE).await;
    let found = store.tasks.find(taskgate_domain::query::TaskKey::Id(task.id)).await.unwrap();
    assert_eq!(found, Some(task));
}
