//! What statements read of tables that hold much.

use super::database::Database;
use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Text},
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use taskgate_domain::{
    id::{SessionId, TaskNumber, TenantId, UserId},
    query::{TaskQuery, TaskScope, TurnQuery},
    queue::{ClaimRequest, Heartbeat, Report},
    task::{
        status::TaskStatus,
        work::{Kind, TaskType},
    },
    testkit::build,
};
use taskgate_infra::Store;
use uuid::Uuid;

/// How many live tasks, and how many finished ones, [`fill`] makes.
const MANY: i64 = 20_000;

/// The session of the default user that has all of its tasks.
/// Of the fourth version, as an id that a session may have.
const SESSION: Uuid = Uuid::from_u128(0x4000_8000_0000_0000_0007);

/// Half the tasks belong to the default user, half to a project of the default
/// tenant; a quarter of what is live is put off by a year.
fn fill(connection: &mut PgConnection) {
    let group = uuid::Uuid::new_v5(&TenantId::DEFAULT.0, &1_i64.to_be_bytes());
    connection
        .batch_execute(&format!(
            "CREATE TEMPORARY TABLE made AS SELECT i, i % 2 = 0 AS agent, i <= {MANY} AS live,
                CASE WHEN i % 2 = 0 THEN '{user}'::uuid ELSE '{tenant}' END AS owner_id,
                CASE WHEN i % 2 = 0 THEN '{SESSION}'::uuid ELSE '{group}' END AS group_id,
                CASE WHEN i % 2 = 0 THEN 1 ELSE 2 END AS kind
             FROM generate_series(1, 2 * {MANY}) i;
             INSERT INTO tasks (id, owner_id, group_id, kind, mode, project_id,
                session, query, payload)
             SELECT gen_random_uuid(), owner_id, group_id, kind, CASE WHEN agent THEN 1 END,
                CASE WHEN NOT agent THEN 1 END, CASE WHEN agent THEN 's' END,
                CASE WHEN agent THEN 'q' END, '{{}}' FROM made ORDER BY i;
             INSERT INTO live_tasks (task_number, owner_id, group_id, kind, status, ready,
                priority, max_attempts, size, run_after, total, last_seq)
             SELECT i, owner_id, group_id, kind, 1, i % 4 > 1, i % 3, 3, 3,
                CASE WHEN i % 4 <= 1 THEN now() + interval '1 year' END, 0, 2
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
             INSERT INTO sessions (id, user_id, external_id, first_mode, research)
             SELECT CASE WHEN i = {MANY} THEN '{SESSION}' ELSE gen_random_uuid() END, '{user}',
                'session ' || i, 1, false FROM generate_series(1, {MANY}) i;
             INSERT INTO task_counts (scope, status, tasks, tokens, cost_nanos)
             VALUES ('{user}', 0, {MANY}, 0, 0);
             INSERT INTO task_events (task_number, seq, type)
             SELECT i, seq, CASE WHEN seq = 2 AND i % 1000 = 0 THEN 'LLM_PARTIAL' ELSE 'NOTED' END
             FROM made CROSS JOIN generate_series(1, 2) seq;
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
         WHERE relname IN ('tasks', 'live_tasks', 'finished_tasks', 'sessions', 'task_events',
            'task_counts', 'task_count_deltas')",
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

/// Statistics may be of a moment when no task was live.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_ends_reads_little_more_than_its_tasks() {
    let database = Database::migrated();
    let mut connection = database.connection();
    fill(&mut connection);
    let none = "UPDATE pg_class SET reltuples = 0 WHERE oid = 'live_tasks'::regclass";
    connection.batch_execute(none).unwrap();
    let store = database.store();
    let request = ClaimRequest { kinds: vec![Kind::Agent], ..build::claim(99) };
    let tasks = store.queue.claim(request).await.unwrap();
    drop(store);
    reads(&mut connection);
    reset_reads(&mut connection);
    let store = database.store();
    let retry = build::retry_after("busy", Duration::ZERO);
    let ends = [build::complete("done"), retry, build::release()];
    let report = |(task, conclusion)| Report { lease: build::lease(task), conclusion };
    let reports = tasks.iter().zip(ends.into_iter().cycle()).map(report).collect();
    let answers = store.queue.finish(reports).await.unwrap();
    assert!(answers.len() == 99 && answers.iter().all(Result::is_ok), "{answers:?}");
    drop(store);
    for reads in reads(&mut connection) {
        assert_eq!(reads.scanned, 0, "{reads:?}");
        assert!(reads.fetched <= 99 * 10, "{reads:?}");
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

/// Calls something ten times and checks how much one call reads of a table at
/// most.
async fn reads_at_most(entries: i64, name: &str, call: impl AsyncFn(&Store)) {
    let database = Database::migrated();
    let mut connection = database.connection();
    fill(&mut connection);
    reset_reads(&mut connection);
    let store = database.store();
    for _ in 0..10 {
        call(&store).await;
    }
    drop(store);
    for reads in reads(&mut connection) {
        assert_eq!(reads.scanned, 0, "{name} {reads:?}");
        assert!(reads.fetched <= 10 * entries, "{name} {reads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_read_without_their_tasks() {
    reads_at_most(150, "a page of sessions", async |store: &Store| {
        let page = store.sessions.list_sessions(UserId::DEFAULT, build::page(20, 0)).await.unwrap();
        assert_eq!((page.sessions.len(), page.total), (20, MANY));
    })
    .await;
    for label in [format!("session {MANY}"), SESSION.to_string()] {
        reads_at_most(30, &label, async |store: &Store| {
            let label = build::label(&label);
            let session = store.sessions.session(UserId::DEFAULT, &label).await.unwrap().unwrap();
            assert_eq!((session.id.0, session.tasks), (SESSION, MANY));
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_and_logs_are_read_without_the_rest() {
    let session = SessionId(SESSION);
    reads_at_most(60, "turns", async |store: &Store| {
        let query = TurnQuery { session, after: MANY, offset: 0, limit: 20 };
        assert_eq!(store.tasks.turns(query).await.unwrap().len(), 20);
    })
    .await;
    reads_at_most(30, "logs", async |store: &Store| {
        let tasks = (1..=10).map(|number| TaskNumber::new(number).unwrap()).collect();
        assert_eq!(store.events.history(tasks, 3, 7).await.unwrap().len(), 7);
    })
    .await;
}
