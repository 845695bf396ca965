//! What only shows from inside: the settings of connections and the plans of
//! statements.

use super::{
    SqliteStore, cancel, claim, connect, events, find, idempotency, keys, list, reap, report,
    sessions, submit,
};
use crate::{DatabaseUrl, migrations, statement::sql};
use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::InstrumentationEvent,
    sql_types::{BigInt, Text},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use taskgate_domain::{
    event::{EventType, NewEvent},
    id::{KeyId, TenantId, UserId},
    key::{KeyGrant, KeySecret, NewApiKey, Scope},
    query::{Page, TaskKey, TaskQuery, TaskScope},
    queue::{CancelRequest, Heartbeat, Report},
    task::{status::TaskStatus, submit::NewTask, work::SessionLabel},
    testkit::build,
};
use tempfile::TempDir;

fn migrated() -> (TempDir, SqliteConnection) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tasks.db");
    let url: DatabaseUrl = format!("sqlite://{}", path.display()).parse().unwrap();
    migrations::apply(&url).unwrap();
    let connection = connect(&path).unwrap();
    (directory, connection)
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[test]
fn an_acknowledged_commit_is_on_the_disk() {
    let (_directory, mut connection) = migrated();
    let mut value = |name: &str| {
        let text = format!("SELECT {name} AS value FROM pragma_{name}");
        sql(text).get_result::<Setting>(&mut connection).unwrap().value
    };
    assert_eq!(value("synchronous"), 2, "FULL");
    assert_eq!(value("foreign_keys"), 1);
    let mode = sql("SELECT journal_mode = 'wal' AS value FROM pragma_journal_mode");
    assert_eq!(mode.get_result::<Setting>(&mut connection).unwrap().value, 1);
}

#[tokio::test]
async fn readers_cannot_write() {
    let (directory, _) = migrated();
    let store = SqliteStore::new(&directory.path().join("tasks.db"), 1);
    let write = |connection: &mut SqliteConnection| sql("DELETE FROM sessions").execute(connection);
    assert!(store.readers.run(write).await.is_err());
    assert!(store.writer.run(write).await.is_ok());
}

/// Runs every statement that the adapter has.
fn run_everything(connection: &mut SqliteConnection) {
    let keyed = |task: NewTask| build::keyed(task, "key");
    let agent = submit::submit(connection, &keyed(build::agent_task(UserId::DEFAULT))).unwrap();
    let job = build::research_task(TenantId::DEFAULT, build::project(1));
    let job = build::with(job, |options| options.with_unique_key("one".to_owned()));
    submit::submit(connection, &job).unwrap();
    for _ in 0..3 {
        submit::submit(connection, &build::agent_task(UserId::DEFAULT)).unwrap();
    }
    let mut lapsing = build::claim(9);
    lapsing.lease = Duration::ZERO;
    let claimed = claim::claim(connection, &lapsing).unwrap();
    let lease = build::lease(&claimed[1]);
    let heartbeat = Heartbeat {
        lease,
        extend: None,
        progress: Some(1),
        total: None,
        message: Some("on the way".to_owned()),
    };
    report::heartbeat(connection, &heartbeat).unwrap().unwrap();
    let event = NewEvent::new(EventType::PROGRESS, None, None, None).unwrap();
    report::record(connection, lease, &[event]).unwrap().unwrap();
    let ends = [
        build::complete("no object"),
        build::retry_after("busy", Duration::from_secs(60)),
        build::retry_after("busy", Duration::from_secs(60)),
    ];
    for conclusion in ends {
        let _ = report::finish(connection, &Report { lease, conclusion }).unwrap();
    }
    let lease = build::lease(&claimed[2]);
    let done = Report { lease, conclusion: build::complete("done") };
    report::finish(connection, &done).unwrap().unwrap();
    reap::reap(connection, 9).unwrap();
    let number = agent.task.number;
    let request =
        CancelRequest { number, reason: None, idempotency: Some(build::idempotency("cancel")) };
    cancel::cancel(connection, &request).unwrap();
    find::find(connection, TaskKey::Id(agent.task.id)).unwrap();
    find::find(connection, TaskKey::Number(number)).unwrap();
    events::read(connection, number, 0, 9).unwrap();
    idempotency::forget(connection, 9).unwrap();
    let label = SessionLabel::generate();
    sessions::find(connection, UserId::DEFAULT, &label).unwrap();
    let scopes = BTreeSet::from([Scope::Admin]);
    let grant = KeyGrant::new("k".to_owned(), None, None, scopes, BTreeSet::new(), None).unwrap();
    let (id, secret) = (KeyId(uuid::Uuid::nil()), KeySecret::generate().unwrap());
    let key = NewApiKey { id, hash: secret.hash(), hint: secret.hint(), grant };
    keys::create(connection, &key).unwrap();
    keys::revoke(connection, id).unwrap();
}

fn list_everything(connection: &mut SqliteConnection) {
    let projects = |n: i64| (1..=n).map(build::project).collect();
    let statuses: [&[TaskStatus]; 4] = [
        &[],
        &[TaskStatus::Queued],
        &[TaskStatus::Running, TaskStatus::Paused],
        &[TaskStatus::Running, TaskStatus::Failed, TaskStatus::TimedOut],
    ];
    for statuses in statuses {
        for scope in [
            TaskScope::User(UserId::DEFAULT),
            TaskScope::Projects(TenantId::DEFAULT, projects(1)),
            TaskScope::Projects(TenantId::DEFAULT, projects(3)),
            TaskScope::Projects(TenantId::DEFAULT, projects(100)),
        ] {
            let page = Page::new(20, 0).unwrap();
            let query = TaskQuery { scope, statuses: statuses.to_vec(), page };
            list::list(connection, &query).unwrap();
        }
    }
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[test]
fn no_statement_walks_or_sorts_a_table() {
    let (_directory, mut connection) = migrated();
    let texts = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = texts.clone();
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::CacheQuery { sql, .. } = event {
            seen.lock().unwrap().insert(sql.to_owned());
        }
    });
    run_everything(&mut connection);
    list_everything(&mut connection);
    let texts = texts.lock().unwrap().clone();
    assert!(texts.len() > 40, "only {} statements were seen", texts.len());
    for text in texts {
        let plan: Vec<Step> =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(&mut connection).unwrap();
        for Step { detail } in plan {
            // A page and a list of numbers are as long as what was asked for.
            let bounded = ["SCAN page", "SCAN wanted", "SCAN json_each", "SCAN CONSTANT"]
                .iter()
                .any(|known| detail.starts_with(known));
            let bad = detail.contains("SCAN") && !bounded || detail.contains("TEMP B-TREE");
            assert!(!bad, "{detail}: {text}");
        }
    }
}
