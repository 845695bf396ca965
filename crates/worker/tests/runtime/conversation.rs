//! What an executor learns of the conversation that its task is part of.

use crate::world::{Call, Running, World, answer, lane, pass};
use taskgate_domain::{
    queue::{Conversation, PastTurn},
    testkit::build,
};
use taskgate_worker::Lane;

/// An executor that reads three turns after a second, and repeats the first
/// question.
fn reading() -> Lane {
    lane(1, |run| {
        Box::pin(async move {
            pass(1.0).await;
            let earlier = run.conversation(3).await?;
            answer(earlier.turns.first().map_or("nothing", |turn| &turn.query))
        })
    })
}

fn world() -> World {
    let world = World::with_tasks(1);
    let turn = PastTurn { query: "Why?".to_owned(), answer: "Because.".to_owned() };
    let conversation = Conversation { turns: vec![turn], ..Conversation::default() };
    world.change(|state| state.conversation = conversation);
    world
}

#[tokio::test(start_paused = true)]
async fn an_executor_reads_what_its_task_follows_on() {
    let world = world();
    let running = Running::start(&world, vec![reading()]);
    pass(2.0).await;
    assert_eq!(world.conclusions(), [build::complete("Why?")]);
    let asked = world.calls(|call| matches!(call, Call::Conversation(3)).then_some(()));
    assert_eq!(asked.len(), 1);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_asked_again() {
    let world = world();
    let running = Running::start(&world, vec![reading()]);
    pass(0.5).await;
    world.change(|state| state.down = true);
    pass(15.0).await;
    world.change(|state| state.down = false);
    pass(6.0).await;
    assert_eq!(world.conclusions(), [build::complete("Why?")]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn who_has_lost_the_lease_learns_nothing_and_reports_nothing() {
    let world = world();
    let running = Running::start(&world, vec![reading()]);
    pass(0.5).await;
    world.change(|state| state.lost = true);
    pass(5.0).await;
    running.drain().await;
    assert_eq!(world.conclusions(), []);
}
