//! What is not kept for ever.

use super::{ONE_WAITS, database::Database, until};
use diesel::{RunQueryDsl, connection::SimpleConnection, sql_query};
use taskgate_domain::{
    event::{EventType, NewEvent},
    id::UserId,
    queue::ClaimedTask,
    task::submit::SubmissionKind,
    testkit::{Ports, build},
};

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

/// A running task whose worker has told five pieces of output and something
/// else.
async fn telling(ports: &Ports) -> ClaimedTask {
    let task = ports.running().await;
    let mut told = vec![NewEvent::new(EventType::LLM_PARTIAL, None, None, None).unwrap(); 5];
    told.push(build::event("NOTED"));
    ports.queue.record(build::lease(&task), told).await.unwrap();
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_output_are_forgotten_a_minute_after_the_end() {
    let database = Database::migrated();
    let ports = database.ports();
    let (live, ended, old) = (telling(&ports).await, telling(&ports).await, telling(&ports).await);
    for task in [&ended, &old] {
        ports.finish(build::lease(task), build::complete("done")).await.unwrap();
    }
    database
        .connection()
        .batch_execute(&format!(
            "UPDATE finished_tasks SET finished_at = finished_at - interval '61 seconds'
             WHERE task_number = {}",
            old.number
        ))
        .unwrap();
    ports.maintenance.tidy().await.unwrap();
    assert_eq!(ports.log(live.number).await.len(), 2 + 6);
    assert_eq!(ports.log(ended.number).await.len(), 2 + 6 + 3);
    let kept: Vec<i64> = ports.log(old.number).await.iter().map(|event| event.seq).collect();
    assert_eq!(kept, [1, 2, 8, 9, 10, 11]);
}
