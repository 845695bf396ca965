//! Reviewing the plans of tasks.

use super::events::Events;
use crate::{
    error::TaskError,
    event::{EventType, Position},
    ports::{ReviewRepository, TaskRepository},
    query::{Access, TaskKey},
    review::{Response, Review, ReviewError, ReviewRequest},
    task::Task,
};
use std::sync::Arc;

/// The use cases of those who review plans. A task that the caller does not see
/// has no review.
pub struct Reviews {
    tasks: Arc<dyn TaskRepository>,
    reviews: Arc<dyn ReviewRepository>,
    events: Arc<Events>,
}

impl Reviews {
    /// The use cases over these ports.
    pub fn new(
        tasks: Arc<dyn TaskRepository>,
        reviews: Arc<dyn ReviewRepository>,
        events: Arc<Events>,
    ) -> Self {
        Self { tasks, reviews, events }
    }

    /// Reads a task and the review of its plan.
    ///
    /// # Errors
    /// [`ReviewError::NotFound`] when there is none that the caller sees.
    pub async fn get(&self, access: &Access, key: TaskKey) -> Result<(Task, Review), ReviewError> {
        let task = self.find(access, key).await?;
        let review = self.reviews.find_review(task.number).await?.ok_or(ReviewError::NotFound)?;
        Ok((task, review))
    }

    /// Says something to a task's plan, of this version if it is given. Returns
    /// where in the task's log what follows begins; `None` when the same was said
    /// before.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`ReviewError::Refused`] when it comes at the
    /// wrong time.
    pub async fn respond(
        &self,
        access: &Access,
        key: TaskKey,
        response: Response,
        version: Option<u16>,
    ) -> Result<Option<Position>, ReviewError> {
        let number = self.find(access, key).await?.number;
        let told = self.reviews.respond(ReviewRequest { number, response, version }).await?;
        Ok(told.map(Position::Seq))
    }

    /// Waits for the plan that follows a place in the task's log; `None` when the
    /// task ends without one. To stop waiting loses nothing.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn next_plan(
        &self,
        access: &Access,
        key: TaskKey,
        from: Position,
    ) -> Result<Option<(Task, Review)>, ReviewError> {
        let mut follow = self.events.follow(access, key, from).await.map_err(not_found)?;
        while let Some(events) = follow.next().await? {
            let mut types = events.iter().map(|event| event.event.event_type());
            if types.any(|event_type| *event_type == EventType::RESEARCH_PLAN_UPDATED) {
                return self.get(access, key).await.map(Some);
            }
        }
        Ok(None)
    }

    async fn find(&self, access: &Access, key: TaskKey) -> Result<Task, ReviewError> {
        let task = self.tasks.find(key).await?;
        task.filter(|task| access.sees(task)).ok_or(ReviewError::NotFound)
    }
}

fn not_found(error: TaskError) -> ReviewError {
    match error {
        TaskError::NotFound => ReviewError::NotFound,
        TaskError::Store(error) => error.into(),
    }
}
