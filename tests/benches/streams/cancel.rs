//! How long a cancel takes to whoever runs the task.

use crate::{percentile, running};
use serde_json::json;
use std::time::{Duration, Instant};
use taskgate_domain::{
    control::{Control, ControlRequest},
    id::UserId,
    query::{Page, TaskQuery, TaskScope},
    task::status::TaskStatus,
};
use taskgate_infra::{Store as Ports, StoreOptions};
use taskgate_tests::{Server, Store, Worker};
use tokio::task::JoinSet;

const TASKS: usize = 20;

/// To a worker that sends a heartbeat each second.
pub(crate) async fn over_the_worker_face(server: &Server) {
    let (gateway, worker) = (server.gateway(), Worker::of(server));
    let mut beating = JoinSet::new();
    let mut cancelled = Vec::new();
    for task in running(server, TASKS).await {
        let (told, heard) = tokio::sync::oneshot::channel();
        let (worker, id) = (worker.clone(), task.id.clone());
        beating.spawn(async move {
            loop {
                let answer = worker.heartbeat(&task, json!({})).await.expect(200);
                if answer["cancel_requested"] == true {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let noticed = Instant::now();
            noticed - heard.await.expect("the time of the cancel")
        });
        cancelled.push((id, told));
    }
    for (n, (id, told)) in cancelled.into_iter().enumerate() {
        // At any time between two heartbeats.
        let n = u64::try_from(n).expect("a small number");
        tokio::time::sleep(Duration::from_millis(n * 37 % 200)).await;
        told.send(Instant::now()).expect("a worker that beats");
        gateway.post(&format!("/api/v1/tasks/{id}/cancel"), &json!({})).await.expect(202);
    }
    let mut times = beating.join_all().await;
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!("cancel to a worker with a heartbeat of 1 s: p50 {half:.0} ms, p99 {most:.0} ms");
}

/// To a listener in the same process, over the ports.
pub(crate) async fn in_process(store: &Store) {
    let url = store.url().parse().expect("a store's URL");
    let ports = Ports::connect(&StoreOptions { url, pool_size: 4 }).expect("a store");
    let scope = TaskScope::User(UserId::DEFAULT);
    // What the heartbeats above left running, if anything, and one new task each.
    let mut times = Vec::new();
    for _ in 0..TASKS {
        let task = taskgate_domain::testkit::build::agent_task(UserId::DEFAULT);
        let number = ports.tasks.submit(task).await.expect("a task").task.number;
        let mut news = ports.feed.listen(number);
        let (tell, told) = tokio::sync::oneshot::channel();
        let listener = tokio::spawn(async move {
            tell.send(()).expect("somebody waits");
            news.past(1).await;
            Instant::now()
        });
        told.await.expect("the listener runs");
        let begun = Instant::now();
        let request = ControlRequest {
            number,
            control: Control::Cancel,
            by: UserId::DEFAULT,
            reason: None,
            idempotency: None,
        };
        ports.tasks.control(request).await.expect("a cancel");
        times.push(listener.await.expect("the listener ends") - begun);
    }
    let page = Page::new(1, 0).expect("a page");
    let query = TaskQuery { scope, statuses: vec![TaskStatus::Queued], page };
    assert_eq!(ports.tasks.list(query).await.expect("a list").total, 0, "all were cancelled");
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!(
        "cancel to a listener in process, commit included: p50 {half:.1} ms, p99 {most:.1} ms"
    );
}
