//! News of growing logs.
//!
//! What this process writes is known when the call that writes it returns, so
//! the answer to "is there more?" is there at once. What is awaited is awaited
//! with a deadline.

use crate::{
    control::Control,
    id::{TaskNumber, UserId},
    ports::LogNews,
    queue::{ClaimedTask, Heartbeat},
    task::status::FinalStatus,
    testkit::{Ports, build},
};
use futures_util::{
    FutureExt,
    future::{join, join_all},
};
use std::time::Duration;

type News = Box<dyn LogNews>;

/// A number that no log here comes to: only the end is past it.
const FAR: i64 = 1_000_000;

/// Whether an event above this number, or the end, is known already.
fn known(news: &mut News, seq: i64) -> bool {
    let known = news.past(seq).now_or_never();
    assert!(known.is_none_or(|known| known > seq || known == i64::MAX), "{known:?} is past {seq}");
    known.is_some()
}

/// Checks that a live task's log is known as far as it goes, and no further.
async fn assert_heard(ports: &Ports, news: &mut News, number: TaskNumber) {
    let log = ports.log_types(number).await;
    let length = i64::try_from(log.len()).expect("the log is short");
    let end = news.past(length - 1).now_or_never();
    assert_eq!(end, Some(length), "{log:?} is known to its end");
    assert!(!known(news, length), "{log:?} is all that is known");
}

async fn note(ports: &Ports, task: &ClaimedTask) -> i64 {
    let last = ports.queue.record(build::lease(task), vec![build::event("NOTED")]).await;
    last.expect("the event is recorded")
}

pub async fn a_claim_is_news(ports: &Ports) {
    let task = ports.submit_any().await;
    let mut news = ports.feed.listen(task.number);
    ports.claim_one().await;
    assert_heard(ports, &mut news, task.number).await;
}

pub async fn recorded_events_are_news(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    note(ports, &task).await;
    assert_heard(ports, &mut news, task.number).await;
    let events = vec![build::event("A"), build::event("B")];
    ports.queue.record(build::lease(&task), events).await.expect("they are recorded");
    assert_heard(ports, &mut news, task.number).await;
}

pub async fn a_heartbeat_that_tells_something_is_news(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    let heartbeat = build::sign_of_life(build::lease(&task));
    ports.heartbeat(Heartbeat { progress: Some(1), ..heartbeat.clone() }).await;
    assert_heard(ports, &mut news, task.number).await;
    ports.heartbeat(Heartbeat { message: Some("half".to_owned()), ..heartbeat }).await;
    assert_heard(ports, &mut news, task.number).await;
}

pub async fn a_pause_and_a_resume_are_news(ports: &Ports) {
    let task = ports.submit_any().await;
    let mut news = ports.feed.listen(task.number);
    for control in [Control::Pause, Control::Resume, Control::Pause] {
        ports.control(build::control(task.number, control)).await;
        assert_heard(ports, &mut news, task.number).await;
    }
}

pub async fn a_return_to_the_queue_is_news(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    let retry = build::retry_after("again", Duration::ZERO);
    ports.finish(build::lease(&task), retry).await.expect("it is tried again");
    assert_heard(ports, &mut news, task.number).await;
    ports.claim_lapsing().await;
    ports.reap().await;
    assert_heard(ports, &mut news, task.number).await;
}

pub async fn every_end_is_news(ports: &Ports) {
    for end in
        [FinalStatus::Completed, FinalStatus::Failed, FinalStatus::Cancelled, FinalStatus::TimedOut]
    {
        let task = build::agent_task(UserId::DEFAULT);
        let timeout = if end == FinalStatus::TimedOut { 1 } else { 3_600 };
        let task = build::with(task, |o| o.with_timeout_seconds(timeout));
        let number = ports.submit(task).await.number;
        let mut news = ports.feed.listen(number);
        let lease = build::lease(&ports.claim_one().await);
        match end {
            FinalStatus::Completed => {
                ports.finish(lease, build::complete("done")).await.expect("it ends");
            }
            FinalStatus::Failed => {
                ports.finish(lease, build::fail("broken")).await.expect("it ends");
            }
            FinalStatus::Cancelled => drop(ports.cancel(number).await),
            FinalStatus::TimedOut => ports.reap_deadlines(1).await,
        }
        for seq in [0, FAR] {
            assert!(known(&mut news, seq), "the end is known, {end:?}");
        }
    }
}

pub async fn the_end_is_news_wherever_the_reader_is(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    assert!(!known(&mut news, i64::MAX));
    ports.finish(build::lease(&task), build::complete("done")).await.expect("it ends");
    for seq in [-1, 0, 4, 5, 6, i64::MAX - 1, i64::MAX] {
        assert!(known(&mut news, seq), "past {seq}");
    }
}

pub async fn the_last_lost_lease_is_the_end(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let task = ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
    let mut news = ports.feed.listen(task.number);
    ports.claim_lapsing().await;
    ports.reap().await;
    assert!(known(&mut news, FAR));
}

pub async fn news_are_told_as_long_as_there_is_more_to_read(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    let last = note(ports, &task).await;
    for seq in [0, last - 1, 1, 0, last - 1] {
        assert!(known(&mut news, seq), "there is more than {seq}");
    }
}

pub async fn a_listener_hears_of_its_own_task_alone(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    let other = ports.running().await;
    note(ports, &other).await;
    ports.finish(build::lease(&other), build::complete("done")).await.expect("it ends");
    assert!(!known(&mut news, 2), "nothing has happened to its task");
    note(ports, &task).await;
    assert_heard(ports, &mut news, task.number).await;
}

pub async fn what_changes_nothing_is_no_news(ports: &Ports) {
    ports.submit_any().await;
    let lost = ports.claim_lapsing().await;
    ports.reap().await;
    let task = ports.claim_one().await;
    let mut news = ports.feed.listen(task.number);
    let end = i64::try_from(ports.log(task.number).await.len()).expect("the log is short");
    ports.heartbeat(build::sign_of_life(build::lease(&task))).await;
    ports.resume(task.number).await;
    for end in [build::complete("late"), build::fail("late")] {
        ports.finish(build::lease(&lost), end).await.expect_err("the lease is lost");
    }
    let late = vec![build::event("LATE")];
    ports.queue.record(build::lease(&lost), late).await.expect_err("the lease is lost");
    assert!(!known(&mut news, end));
}

pub async fn a_waiting_listener_is_woken_by_an_event(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    for _ in 0..20 {
        let end = i64::try_from(ports.log(task.number).await.len()).expect("the log is short");
        join(ports.soon("the event", news.past(end)), note(ports, &task)).await;
    }
}

pub async fn a_waiting_listener_is_woken_by_the_end(ports: &Ports) {
    for control in [None, Some(Control::Cancel)] {
        let task = ports.running().await;
        let mut news = ports.feed.listen(task.number);
        let end = async {
            match control {
                None => {
                    let end = build::complete("done");
                    ports.finish(build::lease(&task), end).await.expect("it ends");
                }
                Some(_) => drop(ports.cancel(task.number).await),
            }
        };
        join(ports.soon("the end", news.past(FAR)), end).await;
    }
}

pub async fn listeners_hear_the_same(ports: &Ports) {
    let task = ports.running().await;
    let mut listeners: Vec<News> = (0..5).map(|_| ports.feed.listen(task.number)).collect();
    let waiting = listeners.iter_mut().map(|news| ports.soon("the event", news.past(2)));
    join(join_all(waiting), note(ports, &task)).await;
    for news in &mut listeners {
        assert_heard(ports, news, task.number).await;
    }
}

pub async fn a_listener_that_leaves_disturbs_nobody(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    let mut leaving = ports.feed.listen(task.number);
    assert!(!known(&mut leaving, 2));
    drop(leaving);
    note(ports, &task).await;
    assert_heard(ports, &mut news, task.number).await;
    drop(news);
    note(ports, &task).await;
    let mut back = ports.feed.listen(task.number);
    note(ports, &task).await;
    assert_heard(ports, &mut back, task.number).await;
}

pub async fn to_stop_waiting_loses_no_news(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    for _ in 0..3 {
        assert!(!known(&mut news, 2), "it has waited in vain");
    }
    note(ports, &task).await;
    assert_heard(ports, &mut news, task.number).await;
}

pub async fn of_concurrent_writers_the_last_event_is_known(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    for _ in 0..5 {
        join_all((0..8).map(|_| note(ports, &task))).await;
        assert_heard(ports, &mut news, task.number).await;
    }
}

pub async fn a_task_that_is_not_there_has_no_news(ports: &Ports) {
    let mut news = ports.feed.listen(build::unknown_number());
    ports.running().await;
    assert!(!known(&mut news, 0));
}
