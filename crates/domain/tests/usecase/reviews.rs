//! Reviews: whose they are, and the wait for the plan that follows a remark.

use crate::events::World;
use mockall::predicate::eq;
use std::sync::Arc;
use taskgate_domain::{
    event::Position,
    id::{TaskNumber, UserId},
    ports::MockReviewRepository,
    query::{Access, TaskKey},
    review::{Intent, Response, Review, ReviewError, ReviewRequest},
    usecase::reviews::Reviews,
};

const OWNER: Access = Access::User(UserId::DEFAULT);

fn task() -> TaskNumber {
    TaskNumber::new(7).unwrap()
}

fn review() -> Review {
    Review { approved: false, intent: Intent::Ready, questions: Vec::new(), rounds: Vec::new() }
}

fn reviews(world: &Arc<World>, store: MockReviewRepository) -> Reviews {
    Reviews::new(Arc::new(world.tasks()), Arc::new(store), Arc::new(world.events()))
}

#[tokio::test]
async fn a_stranger_finds_no_review_and_the_store_is_not_asked_for_it() {
    let world = World::new(&[], &[]);
    let reviews = reviews(&world, MockReviewRepository::new());
    let stranger = Access::User(UserId(uuid::Uuid::from_u128(9)));
    let key = TaskKey::Number(task());
    let refused = |error| matches!(error, ReviewError::NotFound);
    assert!(reviews.get(&stranger, key).await.is_err_and(refused));
    let said = reviews.respond(&stranger, key, Response::Approve, None).await;
    assert!(said.is_err_and(refused));
    let next = reviews.next_plan(&stranger, key, Position::Start).await;
    assert!(next.is_err_and(refused));
}

#[tokio::test]
async fn a_task_without_a_plan_has_no_review() {
    let mut store = MockReviewRepository::new();
    store.expect_find_review().with(eq(task())).returning(|_| Ok(None));
    let reviews = reviews(&World::new(&[], &[]), store);
    let found = reviews.get(&OWNER, TaskKey::Number(task())).await;
    assert!(found.is_err_and(|error| matches!(error, ReviewError::NotFound)));
}

#[tokio::test]
async fn what_follows_a_word_begins_where_the_store_has_recorded_it() {
    let mut store = MockReviewRepository::new();
    let request = ReviewRequest { number: task(), response: Response::Approve, version: Some(2) };
    store.expect_respond().with(eq(request)).returning(|_| Ok(Some(5)));
    let reviews = reviews(&World::new(&[], &[]), store);
    let said = reviews.respond(&OWNER, TaskKey::Number(task()), Response::Approve, Some(2)).await;
    assert_eq!(said.unwrap(), Some(Position::Seq(5)));
}

#[tokio::test]
async fn the_next_plan_is_waited_for_and_read() {
    let mut store = MockReviewRepository::new();
    store.expect_find_review().with(eq(task())).returning(|_| Ok(Some(review())));
    let world = World::new(&["RESEARCH_PLAN_UPDATED"], &[&["A"], &["RESEARCH_PLAN_UPDATED"]]);
    let reviews = reviews(&world, store);
    // The plan before the place that is asked from is not the next.
    let next = reviews.next_plan(&OWNER, TaskKey::Number(task()), Position::Seq(1)).await;
    assert_eq!(next.unwrap().unwrap().1, review());
}

#[tokio::test]
async fn a_task_that_ends_has_no_next_plan() {
    let world = World::new(&["A"], &[&["STREAM_END"]]);
    let reviews = reviews(&world, MockReviewRepository::new());
    let next = reviews.next_plan(&OWNER, TaskKey::Number(task()), Position::Start).await;
    assert!(next.unwrap().is_none());
}
