//! Reading a log to its end while it grows: what the log, the news of it and
//! the task say together.

use crate::{
    event::{Position, TaskEvent},
    id::{TaskNumber, UserId},
    query::{Access, TaskKey},
    queue::ClaimedTask,
    testkit::{Ports, build},
    usecase::events::Events,
};
use futures_util::future::{join, join_all};
use std::sync::Arc;

/// Reads from a position to the end.
async fn read(ports: &Ports, number: TaskNumber, from: Position) -> Vec<Arc<TaskEvent>> {
    let events = Events::new(ports.tasks.clone(), ports.events.clone(), ports.feed.clone());
    let access = Access::User(UserId::DEFAULT);
    let follow = events.follow(&access, TaskKey::Number(number), from).await;
    let mut follow = follow.expect("the task exists");
    let mut read = Vec::new();
    loop {
        let batch = ports.soon("what follows", follow.next()).await;
        match batch.expect("the log is read") {
            Some(events) => read.extend(events),
            None => break read,
        }
    }
}

async fn work(ports: &Ports, task: &ClaimedTask) {
    for n in 0..40 {
        let events = vec![build::event("NOTED"); n % 3 + 1];
        ports.queue.record(build::lease(task), events).await.expect("they are recorded");
    }
    ports.finish(build::lease(task), build::complete("done")).await.expect("it ends");
}

pub async fn followers_read_a_growing_log_to_its_end(ports: &Ports) {
    let task = ports.running().await;
    let followers = join_all((0..4).map(|_| read(ports, task.number, Position::Start)));
    let (read, ()) = join(followers, work(ports, &task)).await;
    let log = ports.log(task.number).await;
    for read in read {
        assert_eq!(read, log);
    }
}

pub async fn a_follower_of_a_queued_task_sees_it_cancelled(ports: &Ports) {
    let task = ports.submit_any().await;
    let (read, _) =
        join(read(ports, task.number, Position::Start), ports.cancel(task.number)).await;
    assert_eq!(read, ports.log(task.number).await);
}

pub async fn a_follower_of_a_finished_task_reads_the_rest(ports: &Ports) {
    let task = ports.running().await;
    work(ports, &task).await;
    let log = ports.log(task.number).await;
    for n in [0, 1, 40, log.len() - 1, log.len()] {
        let seq = i64::try_from(n).expect("the log is short");
        assert_eq!(read(ports, task.number, Position::Seq(seq)).await, log[n..]);
        let from = n.checked_sub(1).map_or(Position::Start, |n| Position::of(&log[n]));
        assert_eq!(read(ports, task.number, from).await, log[n..]);
    }
}
