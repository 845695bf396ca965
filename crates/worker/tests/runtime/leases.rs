//! How leases are kept and lost.

use crate::world::{Running, World, answer, lane, pass};
use std::sync::{Arc, Mutex};
use taskgate_domain::testkit::build;
use taskgate_worker::{Lane, Run, Stop};

/// An executor that works for so many seconds.
fn working_for(seconds: f64) -> Lane {
    lane(1, move |_| {
        Box::pin(async move {
            pass(seconds).await;
            answer("done")
        })
    })
}

/// An executor that waits until it has to stop, and notes why.
fn waiting(stops: &Arc<Mutex<Vec<Stop>>>) -> Lane {
    let stops = stops.clone();
    lane(1, move |run| {
        let stops = stops.clone();
        Box::pin(async move {
            let stop = run.stopped().await;
            stops.lock().unwrap().push(stop);
            Err(stop.into())
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_at_a_third_of_it() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![working_for(70.0)]);
    pass(100.0).await;
    assert_eq!(world.beats(), [20.0, 40.0, 60.0]);
    assert_eq!(world.conclusions(), [build::complete("done")]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_short_task_has_no_heartbeat() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![working_for(0.01)]);
    pass(1.0).await;
    assert_eq!(world.beats(), [0.0; 0]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_at_once_and_then_once_a_second() {
    async fn work(run: &Run) {
        for done in 0..25 {
            run.progress(done, 25, Some(format!("step {done}")));
            pass(0.1).await;
        }
        pass(10.0).await;
    }
    let world = World::with_tasks(1);
    let lane = lane(1, |run| {
        Box::pin(async move {
            work(run).await;
            answer("done")
        })
    });
    let running = Running::start(&world, vec![lane]);
    pass(20.0).await;
    let step = |at: f64, done: i64| (at, done, 25, Some(format!("step {done}")));
    // At a full second the next step may be told already, or not.
    let told = world.progress();
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[0], step(0.0, 0));
    assert_eq!(told[3], step(3.0, 24));
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_progress_is_told_before_the_end() {
    let world = World::with_tasks(1);
    let lane = lane(1, |run| {
        Box::pin(async move {
            run.progress(1, 2, None);
            pass(0.1).await;
            run.progress(-2, 2, Some("a\0b".to_owned()));
            answer("done")
        })
    });
    let running = Running::start(&world, vec![lane]);
    pass(0.2).await;
    let told = [(0.0, 1, 2, None), (0.1, 0, 2, Some("a\u{fffd}b".to_owned()))];
    assert_eq!(world.progress(), told, "numbers and text are what a store takes");
    assert_eq!(world.conclusions(), [build::complete("done")]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_fails_is_tried_again() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![working_for(90.0)]);
    pass(15.0).await;
    world.change(|state| state.down = true);
    pass(35.0).await;
    world.change(|state| state.down = false);
    pass(50.0).await;
    let beats = world.beats();
    assert!((5..=20).contains(&beats.len()), "{beats:?}");
    assert_eq!(world.conclusions(), [build::complete("done")]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_is_lost_when_it_must_be_over() {
    let world = World::with_tasks(1);
    let stops = Arc::default();
    let running = Running::start(&world, vec![waiting(&stops)]);
    pass(15.0).await;
    world.change(|state| state.down = true);
    pass(44.0).await;
    assert_eq!(*stops.lock().unwrap(), []);
    pass(1.1).await;
    assert_eq!(*stops.lock().unwrap(), [Stop::LeaseLost]);
    world.change(|state| state.down = false);
    pass(10.0).await;
    assert_eq!(world.conclusions(), [], "the task is somebody else's to end");
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_the_task_and_frees_its_slot() {
    let world = World::with_tasks(2);
    let stops = Arc::default();
    let running = Running::start(&world, vec![waiting(&stops)]);
    pass(1.0).await;
    world.change(|state| state.lost = true);
    pass(20.0).await;
    assert_eq!(*stops.lock().unwrap(), [Stop::LeaseLost]);
    assert_eq!(world.claims(), [1, 1], "the next task is taken");
    assert_eq!(world.conclusions(), []);
    running.drain().await;
}
