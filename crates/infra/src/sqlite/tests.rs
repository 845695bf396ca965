//! What only shows from inside: the settings of connections and the plans of
//! statements.

use super::{
    SqliteStore, claim, columns::At, connect, control, events, find, idempotency, keys, list,
    outlook, reap, report, sessions, submit, turns,
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
    control::{Control, ControlRequest},
    event::{EventType, NewEvent, TaskEvent},
    id::{KeyId, SessionId, TaskNumber, TenantId, UserId},
    key::{KeyGrant, KeyOwner, KeySecret, NewApiKey, Scope},
    ports::{EventLog, Maintenance, TaskQueue, TaskRepository},
    query::{Page, TaskKey, TaskQuery, TaskScope, TurnQuery},
    queue::{Heartbeat, Lease, Report},
    session::SessionTitle,
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
    let leases = take_everything(connection);
    report_everything(connection, &leases);
    let label = SessionLabel::generate();
    let agent = build::agent_task_in(UserId::DEFAULT, label.clone());
    let agent = submit::submit(connection, &agent).unwrap().task;
    control_everything(connection, agent.number);
    find::find(connection, TaskKey::Id(agent.id)).unwrap();
    find::find(connection, TaskKey::Number(agent.number)).unwrap();
    events::read(connection, agent.number, 0, 9).unwrap();
    events::history(connection, &[agent.number, agent.number], 1, 9).unwrap();
    outlook::look(connection, &[agent.number.get()]).unwrap();
    idempotency::forget(connection, 9).unwrap();
    let passing = events::with_pieces(connection, At::now(), 9).unwrap();
    events::forget_pieces(connection, &passing, 9).unwrap();
    talk_about_everything(connection, &label);
    make_every_key(connection);
}

fn take_everything(connection: &mut SqliteConnection) -> Vec<Lease> {
    let keyed = |task: NewTask| build::keyed(task, "key");
    submit::submit(connection, &keyed(build::agent_task(UserId::DEFAULT))).unwrap();
    let job = build::research_task(TenantId::DEFAULT, build::project(1));
    let job = build::with(job, |options| options.with_unique_key("one".to_owned()));
    submit::submit(connection, &job).unwrap();
    for _ in 0..3 {
        submit::submit(connection, &build::agent_task(UserId::DEFAULT)).unwrap();
    }
    let mut lapsing = build::claim(9);
    lapsing.lease = Duration::ZERO;
    let claimed = claim::claim(connection, &mut Vec::new(), &lapsing).unwrap();
    claimed.iter().map(build::lease).collect()
}

fn report_everything(connection: &mut SqliteConnection, leases: &[Lease]) {
    let news = &mut Vec::new();
    let lease = leases[1];
    let heartbeat = Heartbeat {
        lease,
        extend: None,
        progress: Some(1),
        total: None,
        message: Some("on the way".to_owned()),
    };
    report::heartbeat(connection, news, &heartbeat).unwrap().unwrap();
    let event = NewEvent::new(EventType::PROGRESS, None, None, None).unwrap();
    report::record(connection, news, lease, &[event]).unwrap().unwrap();
    let ends = [
        build::complete("no object"),
        build::retry_after("busy", Duration::from_secs(60)),
        build::retry_after("busy", Duration::from_secs(60)),
    ];
    for conclusion in ends {
        let _ = report::finish(connection, news, &Report { lease, conclusion }).unwrap();
    }
    let done = Report { lease: leases[2], conclusion: build::complete("done") };
    report::finish(connection, news, &done).unwrap().unwrap();
    reap::reap(connection, news, 9).unwrap();
}

fn control_everything(connection: &mut SqliteConnection, number: TaskNumber) {
    for control in [Control::Pause, Control::Resume, Control::Cancel] {
        let idempotency = Some(build::idempotency(&format!("{control:?}")));
        let by = UserId::DEFAULT;
        let request = ControlRequest { number, control, by, reason: None, idempotency };
        let answer = control::control(connection, &mut Vec::new(), &request).unwrap();
        assert!(answer.unwrap().accepted, "{control:?}");
    }
}

fn talk_about_everything(connection: &mut SqliteConnection, label: &SessionLabel) {
    let user = UserId::DEFAULT;
    sessions::find(connection, user, &build::label("chat")).unwrap();
    assert!(sessions::read(connection, user, label).unwrap().is_some());
    sessions::list(connection, user, Page::new(20, 0).unwrap()).unwrap();
    let session = sessions::find(connection, user, label).unwrap().unwrap();
    let query = TurnQuery { session: SessionId(session.0), after: 0, offset: 0, limit: 9 };
    assert_eq!(turns::read(connection, &query).unwrap().len(), 1);
    let title = SessionTitle::new("Another").unwrap();
    assert!(sessions::rename(connection, user, label, &title).unwrap());
    for _ in 0..2 {
        assert!(sessions::delete(connection, user, label).unwrap());
    }
}

fn make_every_key(connection: &mut SqliteConnection) {
    let new = |owner: KeyOwner| {
        let scopes = BTreeSet::from([Scope::Admin]);
        let grant = KeyGrant::new("k".to_owned(), owner, scopes, BTreeSet::new(), None).unwrap();
        let (id, secret) = (KeyId(uuid::Uuid::new_v4()), KeySecret::generate().unwrap());
        NewApiKey { id, hash: secret.hash(), hint: secret.hint(), grant }
    };
    let old = keys::create(connection, &new(KeyOwner::Named { tenant: None, user: None })).unwrap();
    let user = old.principal.user;
    keys::replace(connection, old.principal.key, &new(KeyOwner::User(user))).unwrap();
    assert_eq!(keys::list(connection, Some(user)).unwrap().len(), 2);
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
            let bounded =
                ["SCAN page", "SCAN wanted", "SCAN json_each", "SCAN passed", "SCAN CONSTANT"]
                    .iter()
                    .any(|known| detail.starts_with(known));
            let bad = detail.contains("SCAN") && !bounded || detail.contains("TEMP B-TREE");
            assert!(!bad, "{detail}: {text}");
        }
    }
}

/// The log of a task, from a store without a cache.
async fn log(store: &SqliteStore, task: TaskNumber) -> Vec<Arc<TaskEvent>> {
    store.events(task, 0, u16::MAX).await.unwrap()
}

#[tokio::test]
async fn pieces_of_output_go_when_those_who_watched_have_read_them() {
    let (directory, mut connection) = migrated();
    let store = SqliteStore::new(&directory.path().join("tasks.db"), 1);
    for _ in 0..3 {
        store.submit(build::agent_task(UserId::DEFAULT)).await.unwrap();
    }
    let claimed = store.claim(build::claim(3)).await.unwrap();
    // More than go at once.
    let mut told = vec![NewEvent::new(EventType::LLM_PARTIAL, None, None, None).unwrap(); 2_500];
    told.push(build::event("NOTED"));
    for task in &claimed {
        store.record(build::lease(task), told.clone()).await.unwrap();
    }
    let end = |task| Report { lease: build::lease(task), conclusion: build::complete("done") };
    store.finish(claimed[1..].iter().map(end).collect()).await.unwrap();
    sql("UPDATE finished_tasks SET finished_at = finished_at - 61000000 WHERE number = ?")
        .bind::<BigInt, _>(claimed[2].number.get())
        .execute(&mut connection)
        .unwrap();
    store.tidy().await.unwrap();
    let pieces = log(&store, claimed[0].number).await.len() - 3;
    assert_eq!(pieces, 2_500, "of a live task");
    assert_eq!(log(&store, claimed[1].number).await.len(), 2_506, "of one just ended");
    let kept: Vec<_> = log(&store, claimed[2].number).await.iter().map(|event| event.seq).collect();
    assert_eq!(kept, [1, 2, 2_503, 2_504, 2_505, 2_506]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_turns_no_log_around() {
    let (directory, mut connection) = migrated();
    let store = SqliteStore::new(&directory.path().join("tasks.db"), 1);
    let task = store.submit(build::agent_task(UserId::DEFAULT)).await.unwrap().task.number;
    // What was written last was written in an hour.
    sql("UPDATE live_tasks SET updated_at = updated_at + 3600000000")
        .execute(&mut connection)
        .unwrap();
    sql("UPDATE task_events SET at = at + 3600000000").execute(&mut connection).unwrap();
    let lease = build::lease(&store.claim(build::claim(1)).await.unwrap()[0]);
    store.heartbeat(Heartbeat { progress: Some(1), ..build::sign_of_life(lease) }).await.unwrap();
    store.record(lease, vec![build::event("NOTED")]).await.unwrap();
    for control in [Control::Pause, Control::Resume] {
        store.control(build::control(task, control)).await.unwrap();
    }
    let paused = store.find(TaskKey::Number(task)).await.unwrap().unwrap();
    let busy = build::retry_after("busy", Duration::ZERO);
    store.finish(vec![Report { lease, conclusion: busy }]).await.unwrap();
    let lease = build::lease(&store.claim(build::claim(1)).await.unwrap()[0]);
    let done = build::complete("done");
    store.finish(vec![Report { lease, conclusion: done }]).await.unwrap();
    let log = log(&store, task).await;
    assert_eq!(log.len(), 12, "{log:?}");
    assert!(log.is_sorted_by_key(|event| event.at), "{log:?}");
    let ended = store.find(TaskKey::Number(task)).await.unwrap().unwrap();
    assert_eq!(ended.updated_at(), log[0].at);
    assert_eq!((paused.updated_at(), paused.started_at()), (log[0].at, Some(log[0].at)));
}
