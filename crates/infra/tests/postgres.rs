//! The PostgreSQL adapter, held to the contract and to what is particular to it.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "in tests a panic is the verdict")]

#[path = "postgres/database.rs"]
mod database;

use database::{Database, Databases};
use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Text},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};
use taskgate_domain::{
    id::{TaskNumber, TenantId, UserId},
    query::{TaskQuery, TaskScope},
    queue::{ClaimRequest, Heartbeat, Report},
    task::{
        status::TaskStatus,
        submit::SubmissionKind,
        work::{Kind, TaskType},
    },
    testkit::{build, contract as behaviours},
};
use taskgate_infra::{Store, StoreOptions, migrations};
use tokio::task::JoinSet;

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

/// How many live tasks, and how many finished ones, [`fill`] makes.
const MANY: i64 = 20_000;

/// Half the tasks belong to the default user, half to a project of the default
/// tenant; a quarter of what is live is put off by a year.
fn fill(connection: &mut PgConnection) {
    let group = uuid::Uuid::new_v5(&TenantId::DEFAULT.0, &1_i64.to_be_bytes());
    connection
        .batch_execute(&format!(
            "CREATE TEMPORARY TABLE made AS SELECT i, i % 2 = 0 AS agent, i <= {MANY} AS live,
                CASE WHEN i % 2 = 0 THEN '{user}'::uuid ELSE '{tenant}' END AS owner_id,
                CASE WHEN i % 2 = 0 THEN '{user}'::uuid ELSE '{group}' END AS group_id,
                CASE WHEN i % 2 = 0 THEN 1 ELSE 2 END AS kind
             FROM generate_series(1, 2 * {MANY}) i;
             INSERT INTO tasks (id, owner_id, group_id, kind, mode, project_id, max_attempts,
                session, query, payload)
             SELECT gen_random_uuid(), owner_id, group_id, kind, CASE WHEN agent THEN 1 END,
                CASE WHEN NOT agent THEN 1 END, 3, CASE WHEN agent THEN 's' END,
                CASE WHEN agent THEN 'q' END, '{{}}' FROM made ORDER BY i;
             INSERT INTO live_tasks (task_number, owner_id, group_id, kind, status, ready,
                priority, max_attempts, size, run_after, total, last_seq)
             SELECT i, owner_id, group_id, kind, 1, i % 4 > 1, i % 3, 3, 3,
                CASE WHEN i % 4 <= 1 THEN now() + interval '1 year' END, 0, 1
             FROM made WHERE live;
             INSERT INTO finished_tasks (task_number, owner_id, group_id, status, attempt,
                reported, progress, total, finished_at, prompt_tokens,
                completion_tokens, total_tokens, cost_nanos)
             SELECT i, owner_id, group_id, 4 + i / 2 % 4, 1, true, 0, 0, now(), 0, 0, 0, 0
             FROM made WHERE NOT live;
             INSERT INTO task_counts (scope, status, tasks, tokens, cost_nanos)
             SELECT scope, status, count(*), 0, 0 FROM (
                SELECT owner_id, group_id, status FROM live_tasks
                UNION ALL SELECT owner_id, group_id, status FROM finished_tasks
             ) states CROSS JOIN LATERAL (VALUES (owner_id), (group_id)) scopes (scope)
             GROUP BY scope, status;
             ANALYZE",
            user = UserId::DEFAULT,
            tenant = TenantId::DEFAULT,
        ))
        .unwrap();
}

#[derive(QueryableByName, Debug)]
struct Reads {
    #[diesel(sql_type = Text)]
    #[expect(dead_code, reason = "shown when a test fails")]
    table: String,
    #[diesel(sql_type = BigInt)]
    scanned: i64,
    #[diesel(sql_type = BigInt)]
    fetched: i64,
}

/// What was read of the tables of tasks since the beginning: rows by scans of a
/// whole table, and entries of indexes. Connections tell it when they close.
fn reads(connection: &mut PgConnection) -> Vec<Reads> {
    let end = Instant::now() + Duration::from_secs(30);
    let others = "SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while sql_query(others).execute(connection).unwrap() > 0 {
        assert!(Instant::now() < end, "the store's connections close");
        std::thread::yield_now();
    }
    sql_query(
        "SELECT relname::text AS table, seq_tup_read AS scanned,
            coalesce((SELECT sum(idx_tup_read) FROM pg_stat_user_indexes i
                WHERE i.relid = t.relid), 0)::bigint AS fetched
         FROM pg_stat_user_tables t
         WHERE relname IN ('tasks', 'live_tasks', 'finished_tasks')",
    )
    .load(connection)
    .unwrap()
}

fn reset_reads(connection: &mut PgConnection) {
    connection.batch_execute("SELECT pg_stat_force_next_flush(), pg_stat_reset()").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_little_more_than_its_lines() {
    pages_read_little(0, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_beyond_the_end_reads_nothing() {
    pages_read_little(2 * MANY, 0).await;
}

/// Reads pages of `lines` lines at this offset.
async fn pages_read_little(offset: i64, lines: usize) {
    let database = Database::migrated();
    let mut connection = database.connection();
    fill(&mut connection);
    let scopes = [
        TaskScope::User(UserId::DEFAULT),
        TaskScope::Tenant(TenantId::DEFAULT),
        TaskScope::Projects(TenantId::DEFAULT, BTreeSet::from([build::project(1)])),
        TaskScope::Projects(
            TenantId::DEFAULT,
            BTreeSet::from([build::project(1), build::project(2)]),
        ),
    ];
    let filters: [&[TaskStatus]; 4] = [
        &[],
        &[TaskStatus::Queued],
        &[TaskStatus::Completed],
        &[TaskStatus::Queued, TaskStatus::Running, TaskStatus::Failed, TaskStatus::Completed],
    ];
    for (scope, statuses) in scopes.iter().flat_map(|s| filters.iter().map(move |f| (s, f))) {
        reset_reads(&mut connection);
        let store = database.store();
        for _ in 0..10 {
            let query = TaskQuery {
                scope: scope.clone(),
                statuses: statuses.to_vec(),
                page: build::page(20, offset),
            };
            let page = store.tasks.list(query).await.unwrap();
            assert_eq!(page.tasks.len(), lines);
        }
        drop(store);
        for reads in reads(&mut connection) {
            assert_eq!(reads.scanned, 0, "{scope:?} {statuses:?} {reads:?}");
            assert!(reads.fetched <= 10 * 150, "{scope:?} {statuses:?} {reads:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_reads_little_more_than_it_takes() {
    let database = Database::migrated();
    let mut connection = database.connection();
    fill(&mut connection);
    for kinds in [vec![Kind::Agent], vec![Kind::Agent, Kind::Research(TaskType::Search)]] {
        reset_reads(&mut connection);
        let store = database.store();
        for _ in 0..10 {
            let request = ClaimRequest { kinds: kinds.clone(), ..build::claim(10) };
            assert_eq!(store.queue.claim(request).await.unwrap().len(), 10);
        }
        drop(store);
        for reads in reads(&mut connection) {
            assert_eq!(reads.scanned, 0, "{kinds:?} {reads:?}");
            // Entries of what was claimed before are met until they are cleaned up.
            assert!(reads.fetched <= 10 * 300, "{kinds:?} {reads:?}");
        }
    }
}

#[derive(QueryableByName)]
struct Updates {
    #[diesel(sql_type = BigInt)]
    all: i64,
    #[diesel(sql_type = BigInt)]
    hot: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_touch_no_index() {
    let database = Database::migrated();
    let mut connection = database.connection();
    let store = database.store();
    store.tasks.submit(build::agent_task(UserId::DEFAULT)).await.unwrap();
    let claimed = store.queue.claim(build::claim(1)).await.unwrap();
    drop(store);
    reads(&mut connection);
    reset_reads(&mut connection);
    let store = database.store();
    for step in 0..50 {
        let beat = Heartbeat {
            lease: build::lease(&claimed[0]),
            extend: None,
            progress: Some(step),
            total: None,
            message: None,
        };
        store.queue.heartbeat(beat).await.unwrap();
    }
    drop(store);
    reads(&mut connection);
    let updates: Updates = sql_query(
        "SELECT n_tup_upd AS all, n_tup_hot_upd AS hot FROM pg_stat_user_tables
         WHERE relname = 'live_tasks'",
    )
    .get_result(&mut connection)
    .unwrap();
    assert_eq!(updates.all, 50);
    // Once in a while a page has to be tidied first.
    assert!(updates.hot >= 45, "{} of 50", updates.hot);
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

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_request_is_forgotten_after_a_day() {
    let database = Database::migrated();
    let store = database.store();
    let submit = || store.tasks.submit(build::keyed(build::agent_task(UserId::DEFAULT), "key"));
    let first = submit().await.unwrap();
    assert_eq!(submit().await.unwrap().kind, SubmissionKind::Replayed);
    let mut connection = database.connection();
    connection
        .batch_execute("UPDATE idempotency_keys SET created_at = now() - interval '24 hours'")
        .unwrap();
    let second = submit().await.unwrap();
    assert_eq!(second.kind, SubmissionKind::Created);
    assert_ne!(second.task.number, first.task.number);
    assert_eq!(submit().await.unwrap().task, second.task);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_answered_anew_is_not_forgotten_with_the_old_one() {
    let database = Database::migrated();
    let store = database.store();
    let task = || build::keyed(build::agent_task(UserId::DEFAULT), "key");
    store.tasks.submit(task()).await.unwrap();
    let (mut connection, mut other) = (database.connection(), database.connection());
    connection
        .batch_execute("UPDATE idempotency_keys SET created_at = now() - interval '24 hours'")
        .unwrap();
    // What a submit does, held before its commit until the tidying waits for it.
    connection.batch_execute("BEGIN; UPDATE idempotency_keys SET created_at = now()").unwrap();
    let tidied = tokio::spawn(async move { store.maintenance.tidy().await });
    until(&mut other, ONE_WAITS).await;
    connection.batch_execute("COMMIT").unwrap();
    tidied.await.unwrap().unwrap();
    assert_eq!(sql_query("SELECT FROM idempotency_keys").execute(&mut other).unwrap(), 1);
}
