//! How events get into a task's log.

use crate::world::{Running, World, answer, lane, pass};
use std::{sync::Arc, time::Duration};
use taskgate_domain::testkit::build;
use taskgate_worker::{Lane, Stop};
use tokio::sync::Semaphore;

/// An executor that tells events of these names, then rests so many seconds.
fn telling(names: impl IntoIterator<Item = &'static str>, rest: f64) -> Lane {
    let names: Vec<_> = names.into_iter().collect();
    lane(1, move |run| {
        let names = names.clone();
        Box::pin(async move {
            for name in names {
                run.tell(build::event(name)).await?;
            }
            pass(rest).await;
            answer("done")
        })
    })
}

/// The names of all that was written, in order.
fn written(world: &World) -> Vec<String> {
    world.records().into_iter().flat_map(|(_, names)| names).collect()
}

#[tokio::test(start_paused = true)]
async fn events_are_written_in_order_and_before_the_end() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![telling(["A", "B", "C"], 0.0)]);
    pass(1.0).await;
    assert_eq!(written(&world), ["A", "B", "C"]);
    let (ended, _) = world.finishes()[0];
    assert!(world.records().iter().all(|(at, _)| *at <= ended));
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_event_is_written_at_once_and_others_gather() {
    let world = World::with_tasks(1);
    let trickling = lane(1, |run| {
        Box::pin(async move {
            for _ in 0..100 {
                run.tell(build::event("A")).await?;
                pass(0.01).await;
            }
            answer("done")
        })
    });
    let running = Running::start(&world, vec![trickling]);
    pass(5.0).await;
    let records = world.records();
    assert_eq!(records[0].0, Duration::ZERO);
    assert_eq!(written(&world).len(), 100);
    assert!((19..=26).contains(&records.len()), "{} writes in a second", records.len());
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn many_events_are_written_in_packs() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![telling(vec!["A"; 1_700], 0.0)]);
    pass(1.0).await;
    let sizes: Vec<usize> = world.records().iter().map(|(_, names)| names.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 1_700);
    assert!(sizes.iter().all(|size| *size <= 500), "{sizes:?}");
    assert!(sizes.len() <= 6, "{sizes:?}");
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn large_events_are_not_written_together() {
    let world = World::with_tasks(1);
    let large = lane(1, |run| {
        Box::pin(async move {
            for _ in 0..4 {
                run.tell(build::final_output(&"x".repeat(700_000))).await?;
            }
            answer("done")
        })
    });
    let running = Running::start(&world, vec![large]);
    pass(1.0).await;
    let sizes: Vec<usize> = world.records().iter().map(|(_, names)| names.len()).collect();
    assert_eq!(sizes, [2, 2]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_is_left_out_alone() {
    // One is refused by the store, the other is taskgate's own to write.
    let world = World::with_tasks(1);
    world.change(|state| state.refused = Some("BAD"));
    let names = ["A", "BAD", "B", "STREAM_END", "C"];
    let running = Running::start(&world, vec![telling(names, 0.0)]);
    pass(1.0).await;
    let taken: Vec<_> = world.records().into_iter().filter(|(_, names)| names.len() == 1).collect();
    let taken: Vec<_> = taken.into_iter().flat_map(|(_, names)| names).collect();
    assert_eq!(taken, ["A", "BAD", "B", "C"], "each is tried for itself");
    assert_eq!(world.conclusions(), [build::complete("done")]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn events_wait_for_a_store_that_is_down() {
    let world = World::with_tasks(1);
    let late = lane(1, |run| {
        Box::pin(async move {
            pass(2.0).await;
            run.tell(build::event("A")).await?;
            run.tell(build::event("B")).await?;
            answer("done")
        })
    });
    let running = Running::start(&world, vec![late]);
    pass(1.0).await;
    world.change(|state| state.down = true);
    pass(10.0).await;
    assert_eq!(world.conclusions(), [], "the end waits for its events");
    world.change(|state| state.down = false);
    pass(6.0).await;
    assert_eq!(world.records().last().unwrap().1, ["A", "B"]);
    assert_eq!(world.conclusions(), [build::complete("done")]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn who_tells_too_much_waits() {
    let world = World::with_tasks(1);
    let told = Arc::new(Semaphore::new(0));
    let count = told.clone();
    let chatty = lane(1, move |run| {
        let count = count.clone();
        Box::pin(async move {
            loop {
                run.tell(build::event("A")).await?;
                count.add_permits(1);
                if count.available_permits() == 500 {
                    pass(1.0).await;
                }
            }
        })
    });
    let running = Running::start(&world, vec![chatty]);
    pass(0.5).await;
    world.change(|state| state.down = true);
    pass(30.0).await;
    // 500 are written, at most as many are being written, 1,000 wait.
    let told = told.available_permits();
    assert!((1_500..=2_000).contains(&told), "{told}");
    pass(30.0).await;
    assert_eq!(world.conclusions(), [], "it is told when the lease is lost");
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_after_a_stop() {
    let world = World::with_tasks(1);
    let late = lane(1, |run| {
        Box::pin(async move {
            assert_eq!(run.stopped().await, Stop::Cancelled);
            assert_eq!(run.tell(build::event("LATE")).await, Err(Stop::Cancelled));
            assert_eq!(run.checkpoint().await, Err(Stop::Cancelled));
            answer("late")
        })
    });
    let running = Running::start_listening(&world, vec![late]);
    pass(1.0).await;
    world.announce(|state| state.cancelled = true);
    pass(1.0).await;
    running.drain().await;
    assert_eq!(written(&world), [""; 0]);
    assert_eq!(world.conclusions(), []);
}
