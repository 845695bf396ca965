//! Stopping without losing what runs.

use crate::world::{Running, World, answer, lane, pass, task};
use std::time::Duration;
use taskgate_domain::{queue::Conclusion, testkit::build};
use taskgate_worker::{Lane, Stop};

/// An executor that works for so many seconds, and does not care about stops.
fn working_for(slots: u16, seconds: f64) -> Lane {
    lane(slots, move |_| {
        Box::pin(async move {
            pass(seconds).await;
            answer("done")
        })
    })
}

/// Asserts that a task was given back to run again.
fn assert_handed_back(conclusion: &Conclusion) {
    assert_eq!(*conclusion, build::release());
}

#[tokio::test(start_paused = true)]
async fn what_runs_may_end_within_the_grace_and_nothing_new_begins() {
    let world = World::with_tasks(3);
    let running = Running::start(&world, vec![working_for(2, 6.0)]);
    pass(1.0).await;
    running.drain().await;
    assert_eq!(world.now(), Duration::from_secs(6), "a drain takes no longer than its tasks");
    assert_eq!(world.conclusions(), vec![build::complete("done"); 2]);
    assert_eq!(world.claims(), [2]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_is_handed_back_after_the_grace() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![working_for(1, 60.0)]);
    pass(1.0).await;
    running.drain().await;
    assert_eq!(world.now(), Duration::from_secs(11));
    let [end] = &world.conclusions()[..] else { panic!("{:?}", world.conclusions()) };
    assert_handed_back(end);
}

#[tokio::test(start_paused = true)]
async fn an_executor_is_told_in_time_to_stop_by_itself() {
    let world = World::with_tasks(1);
    let polite = lane(1, |run| {
        Box::pin(async move {
            let stop = run.stopped().await;
            assert_eq!(stop, Stop::Draining);
            pass(1.0).await;
            Err(stop.into())
        })
    });
    let running = Running::start(&world, vec![polite]);
    running.stop.send_replace(false);
    pass(1.0).await;
    running.drain().await;
    assert_eq!(world.now(), Duration::from_secs(10), "two seconds before the grace is over");
    let [end] = &world.conclusions()[..] else { panic!("{:?}", world.conclusions()) };
    assert_handed_back(end);
}

#[tokio::test(start_paused = true)]
async fn what_was_consumed_by_then_is_told_with_it() {
    for polite in [true, false] {
        let world = World::with_tasks(1);
        let consuming = lane(1, move |run| {
            Box::pin(async move {
                run.consumed(build::usage(7, 1));
                run.consumed(build::usage(9, 2));
                let stop = run.stopped().await;
                if !polite {
                    pass(60.0).await;
                }
                Err(stop.into())
            })
        });
        let running = Running::start(&world, vec![consuming]);
        pass(1.0).await;
        running.drain().await;
        let expected = build::consuming(build::usage(9, 2), build::release());
        assert_eq!(world.conclusions(), [expected], "polite: {polite}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_task_is_handed_back_at_once() {
    let world = World::with_tasks(1);
    let waiting = lane(1, |run| {
        Box::pin(async move {
            loop {
                run.checkpoint().await?;
                pass(0.1).await;
            }
        })
    });
    let running = Running::start_listening(&world, vec![waiting]);
    pass(1.0).await;
    world.announce(|state| state.paused = true);
    pass(1.0).await;
    running.drain().await;
    assert_eq!(world.now(), Duration::from_secs(2));
    let [end] = &world.conclusions()[..] else { panic!("{:?}", world.conclusions()) };
    assert_handed_back(end);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_under_way_is_awaited_and_its_tasks_handed_back() {
    let world = World::with_tasks(0);
    let running = Running::start(&world, vec![working_for(1, 1.0)]);
    pass(1.0).await;
    running.stop.send_replace(true);
    pass(1.0).await;
    world.submit(task(1));
    running.drain().await;
    let [end] = &world.conclusions()[..] else { panic!("{:?}", world.conclusions()) };
    assert_handed_back(end);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_kept_while_its_task_ends() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![working_for(1, 25.0)]);
    pass(19.0).await;
    running.drain().await;
    assert_eq!(world.beats(), [20.0]);
    assert_eq!(world.conclusions(), [build::complete("done")]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_holds_a_stop_up_for_five_seconds() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![working_for(1, 3.0)]);
    pass(1.0).await;
    world.change(|state| state.down = true);
    running.drain().await;
    assert_eq!(world.now(), Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_those_who_could_ask_is_a_stop() {
    let world = World::with_tasks(1);
    let Running { stop, runtime } = Running::start(&world, vec![working_for(1, 3.0)]);
    pass(1.0).await;
    drop(stop);
    runtime.await.unwrap();
    assert_eq!(world.conclusions(), [build::complete("done")]);
}
