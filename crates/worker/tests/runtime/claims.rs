//! What is claimed, and when.

use crate::world::{Call, Running, World, answer, lane, pass, task};
use std::{sync::Arc, time::Duration};
use taskgate_domain::{queue::ClaimRequest, task::work::Kind, testkit::build};
use taskgate_worker::Options;
use tokio::sync::Semaphore;

#[tokio::test(start_paused = true)]
async fn a_claim_asks_for_as_many_tasks_as_slots_are_free() {
    let world = World::with_tasks(6);
    let doors = Arc::new(Semaphore::new(0));
    let door = doors.clone();
    let running = Running::start(
        &world,
        vec![lane(3, move |_| {
            let door = door.clone();
            Box::pin(async move {
                door.acquire().await.unwrap().forget();
                answer("done")
            })
        })],
    );
    pass(1.0).await;
    assert_eq!(world.claims(), [3], "nothing more is claimed while no slot is free");
    doors.add_permits(2);
    pass(1.0).await;
    // Of two that end at once the first frees a slot, and its claim is on the way.
    assert_eq!(world.claims().iter().sum::<u16>(), 5);
    doors.add_permits(4);
    pass(1.0).await;
    assert_eq!(world.conclusions(), vec![build::complete("done"); 6]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_says_who_asks_for_what_and_how_long() {
    let world = World::with_tasks(0);
    let running = Running::start(&world, vec![lane(1_000, |_| Box::pin(async { answer("") }))]);
    pass(6.0).await;
    let request = ClaimRequest {
        kinds: vec![Kind::Agent],
        lease: Duration::from_secs(60),
        wait: Duration::from_secs(5),
        ..build::claim(500)
    };
    let claims = world.calls(|call| Some(call.clone()));
    let expected = [0, 5].map(|at| (Duration::from_secs(at), Call::Claim(request.clone())));
    assert_eq!(claims, expected, "a claim is followed by another when it has waited in vain");
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_comes_late_in_a_wait_is_held_for_long_enough() {
    let options = Options {
        lease: Duration::from_secs(15),
        wait: Duration::from_secs(30),
        ..Options::default()
    };
    for late in 0..30 {
        let world = World::with_tasks(0);
        let slow = lane(1, |_| {
            Box::pin(async {
                pass(40.0).await;
                answer("done")
            })
        });
        let running = Running::start_with(&world, vec![slow], options);
        pass(f64::from(late)).await;
        world.submit(task(1));
        pass(60.0).await;
        assert_eq!(world.conclusions(), [build::complete("done")], "{late} s into the wait");
        running.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_is_asked_ever_more_rarely_and_forgiven() {
    let world = World::with_tasks(1);
    world.change(|state| state.down = true);
    let running = Running::start(&world, vec![lane(1, |_| Box::pin(async { answer("done") }))]);
    pass(300.0).await;
    let claims = world.claims().len();
    // Waits of 0.2, 0.4 … 25.6 seconds, then of 30, all shortened by up to a half.
    assert!((16..=34).contains(&claims), "{claims} claims in five minutes");
    world.change(|state| state.down = false);
    pass(30.0).await;
    assert_eq!(world.conclusions(), [build::complete("done")]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_next_try() {
    let world = World::with_tasks(0);
    world.change(|state| state.down = true);
    let running = Running::start(&world, vec![lane(1, |_| Box::pin(async { answer("") }))]);
    pass(120.0).await;
    let asked = world.now();
    running.drain().await;
    assert_eq!(world.now(), asked);
}

#[tokio::test(start_paused = true)]
async fn lanes_do_not_wait_for_each_other() {
    let world = World::with_tasks(4);
    let busy = lane(1, |run| Box::pin(async { Err(run.stopped().await.into()) }));
    let quick = lane(1, |_| Box::pin(async { answer("done") }));
    let running = Running::start(&world, vec![busy, quick]);
    pass(1.0).await;
    assert_eq!(world.conclusions(), vec![build::complete("done"); 3]);
    running.drain().await;
}
