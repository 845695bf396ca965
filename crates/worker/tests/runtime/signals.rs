//! What an executor is told, and when.

use crate::world::{Running, World, answer, lane, pass, task};
use chrono::TimeDelta;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use taskgate_domain::{queue::ClaimedTask, testkit::build};
use taskgate_worker::{Lane, Stop};

/// What happened to the executor, and when.
type Diary = Arc<Mutex<Vec<(Duration, &'static str)>>>;

/// An executor that goes from checkpoint to checkpoint, and notes when it had
/// to wait and when it was stopped.
fn careful(world: &World, diary: &Diary) -> Lane {
    let (world, diary) = (world.clone(), diary.clone());
    lane(1, move |run| {
        let (world, diary) = (world.clone(), diary.clone());
        Box::pin(async move {
            let note = |text| diary.lock().unwrap().push((world.now(), text));
            loop {
                let before = world.now();
                if let Err(stop) = run.checkpoint().await {
                    note(if stop == Stop::Cancelled { "cancelled" } else { "stopped" });
                    return Err(stop.into());
                }
                if world.now() > before {
                    note("went on");
                }
                pass(0.01).await;
            }
        })
    })
}

/// Asserts that the last thing noted is this, and came within 100 ms of then.
fn assert_noted(diary: &Diary, then: Duration, text: &str) {
    let diary = diary.lock().unwrap();
    let (at, noted) = *diary.last().expect("something is noted");
    assert_eq!(noted, text);
    let took = at.checked_sub(then).expect("not before it happened");
    assert!(took <= Duration::from_millis(100), "{text} after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_heard_at_once_from_the_log() {
    let world = World::with_tasks(1);
    let diary = Diary::default();
    let running = Running::start_listening(&world, vec![careful(&world, &diary)]);
    pass(5.0).await;
    let then = world.now();
    world.announce(|state| state.cancelled = true);
    pass(1.0).await;
    assert_noted(&diary, then, "cancelled");
    running.drain().await;
    assert_eq!(world.conclusions(), [], "no report is taken of a cancelled task");
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_a_resume_are_heard_at_once_from_the_log() {
    let world = World::with_tasks(1);
    let diary = Diary::default();
    let running = Running::start_listening(&world, vec![careful(&world, &diary)]);
    pass(5.0).await;
    world.announce(|state| state.paused = true);
    pass(100.0).await;
    assert_eq!(*diary.lock().unwrap(), [], "it waits at a checkpoint");
    let then = world.now();
    world.announce(|state| state.paused = false);
    pass(1.0).await;
    assert_noted(&diary, then, "went on");
    let then = world.now();
    world.announce(|state| (state.paused, state.cancelled) = (true, true));
    pass(1.0).await;
    assert_noted(&diary, then, "cancelled");
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn many_changes_make_few_heartbeats() {
    let world = World::with_tasks(1);
    let running = Running::start_listening(&world, vec![careful(&world, &Diary::default())]);
    pass(0.1).await;
    for _ in 0..1_000 {
        world.announce(|_| ());
        pass(0.001).await;
    }
    let beats = world.beats().len();
    assert!((19..=22).contains(&beats), "{beats} heartbeats in a second");
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn what_the_task_itself_tells_is_no_news() {
    let world = World::with_tasks(1);
    let telling = lane(1, |run| {
        Box::pin(async move {
            for _ in 0..100 {
                run.tell(build::event("A")).await?;
                pass(0.1).await;
            }
            answer("done")
        })
    });
    let running = Running::start_listening(&world, vec![telling]);
    pass(15.0).await;
    assert_eq!(world.beats(), [0.0], "only the log's past is asked about");
    assert_eq!(world.conclusions(), [build::complete("done")]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn what_others_tell_between_is_news() {
    let world = World::with_tasks(1);
    let telling = lane(1, |run| {
        Box::pin(async move {
            loop {
                run.tell(build::event("A")).await?;
                pass(0.1).await;
            }
        })
    });
    let running = Running::start(&world, vec![telling]);
    pass(5.05).await;
    // Without a feed the numbers of one's own events tell it.
    world.announce(|state| state.cancelled = true);
    pass(0.2).await;
    let beats = world.beats();
    assert_eq!(beats.len(), 2, "{beats:?}");
    running.drain().await;
    assert_eq!(world.conclusions(), []);
}

#[tokio::test(start_paused = true)]
async fn without_a_feed_a_cancel_is_heard_at_the_next_heartbeat() {
    let world = World::with_tasks(1);
    let diary = Diary::default();
    let running = Running::start(&world, vec![careful(&world, &diary)]);
    pass(5.0).await;
    world.change(|state| state.cancelled = true);
    pass(14.9).await;
    assert_eq!(*diary.lock().unwrap(), []);
    pass(1.0).await;
    assert_noted(&diary, Duration::from_secs(20), "cancelled");
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_executor_that_goes_on_is_dropped_after_two_seconds() {
    let world = World::with_tasks(1);
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    let deaf = lane(1, move |_| {
        let held = held.clone();
        Box::pin(async move {
            pass(1_000.0).await;
            drop(held);
            answer("done")
        })
    });
    let running = Running::start_listening(&world, vec![deaf]);
    pass(5.0).await;
    world.announce(|state| state.cancelled = true);
    pass(1.9).await;
    assert_eq!(weak.strong_count(), 2, "the lane and the work have it");
    pass(0.3).await;
    assert_eq!(weak.strong_count(), 1, "the work is gone");
    running.drain().await;
    assert_eq!(world.conclusions(), []);
}

/// A task that times out so many seconds after its claim, by the clock of a
/// store that is a day behind.
fn due_in(seconds: i64) -> ClaimedTask {
    let claimed = build::in_an_hour() - TimeDelta::days(1);
    ClaimedTask {
        lease_expires_at: claimed + TimeDelta::seconds(60),
        deadline: Some(claimed + TimeDelta::seconds(seconds)),
        ..task(1)
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_stops_the_task_and_is_the_stores_to_report() {
    for seconds in [30, 90] {
        let world = World::with_tasks(0);
        world.submit(due_in(seconds));
        let diary = Diary::default();
        let running = Running::start(&world, vec![careful(&world, &diary)]);
        pass(100.0).await;
        assert_noted(&diary, Duration::from_secs(seconds.unsigned_abs()), "stopped");
        running.drain().await;
        assert_eq!(world.conclusions(), []);
    }
}
