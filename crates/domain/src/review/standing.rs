//! What may be said of a plan, and when.

use super::{Response, Review, ReviewRequest};
use crate::{error::InvalidValue, task::status::LiveStatus};

/// Where a review stands: how many [rounds](Review::rounds) it has had, and
/// whether it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// At least 1.
    pub rounds: u16,
    /// See [`Review::approved`].
    pub approved: bool,
}

impl Standing {
    /// See [`Review::version`].
    pub const fn version(self) -> u16 {
        self.rounds.div_ceil(2)
    }

    /// Whether a remark waits for another plan.
    pub const fn is_pending(self) -> bool {
        self.rounds.is_multiple_of(2)
    }

    /// The place among the rounds, from 1, of a plan that is proposed now.
    /// `None` when no other plan is wanted: then the one that there is stays.
    ///
    /// # Errors
    /// [`InvalidValue`] when a plan is approved already.
    pub fn place_of_plan(standing: Option<Self>) -> Result<Option<u16>, InvalidValue> {
        match standing {
            None => Ok(Some(1)),
            Some(Self { approved: true, .. }) => {
                Err(InvalidValue::new("plan", "is approved already"))
            }
            Some(standing) => Ok(standing.is_pending().then_some(standing.rounds + 1)),
        }
    }

    /// Judges what the owner says while the task is `at` some place; `None` is
    /// at its end. Returns where the task is, or `None` when the same was said
    /// before, and there is nothing to do.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(
        self,
        request: &ReviewRequest,
        at: Option<Place>,
    ) -> Result<Option<LiveStatus>, Refusal> {
        let is_feedback = matches!(request.response, Response::Feedback(_));
        if request.version.is_some_and(|version| version != self.version()) {
            return Err(Refusal::Stale);
        }
        if self.approved {
            return if is_feedback { Err(Refusal::Approved) } else { Ok(None) };
        }
        let place = at.ok_or(Refusal::Ended)?;
        if self.is_pending() || place.held {
            return Err(Refusal::Planning);
        }
        if is_feedback && self.version() >= Review::MAX_PLANS {
            return Err(Refusal::LastPlan);
        }
        Ok(Some(place.status))
    }
}

/// Where a live task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where it is in its life.
    pub status: LiveStatus,
    /// Whether a worker holds it.
    pub held: bool,
}

/// Why an owner's word on a plan is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is another plan by now.
    #[error("there is another plan by now")]
    Stale,
    /// The plan is approved, so that a remark comes too late.
    #[error("the plan is approved already")]
    Approved,
    /// The task has ended.
    #[error("the task has ended")]
    Ended,
    /// A remark waits for another plan, or a worker has the task: the plan may
    /// be another in a moment.
    #[error("the task is being planned")]
    Planning,
    /// There were [`Review::MAX_PLANS`] plans.
    #[error("no other plan is made")]
    LastPlan,
}

#[cfg(test)]
mod tests {
    use super::{Place, Refusal, Standing};
    use crate::{
        id::TaskNumber,
        review::{Feedback, Response, Review, ReviewRequest},
        task::status::LiveStatus,
    };

    const PAUSED: Option<Place> = Some(Place { status: LiveStatus::Paused, held: false });

    fn request(response: Response, version: Option<u16>) -> ReviewRequest {
        ReviewRequest { number: TaskNumber::new(1).unwrap(), response, version }
    }

    fn feedback() -> Response {
        Response::Feedback(Feedback::new("shorter".to_owned()).unwrap())
    }

    #[test]
    fn rounds_are_plans_and_remarks_in_turn() {
        let standing = |rounds| Standing { rounds, approved: false };
        assert_eq!([1, 2, 3, 4].map(|n| standing(n).version()), [1, 1, 2, 2]);
        assert_eq!([1, 2, 3].map(|n| standing(n).is_pending()), [false, true, false]);
        assert_eq!(Standing::place_of_plan(None), Ok(Some(1)));
        assert_eq!(Standing::place_of_plan(Some(standing(1))), Ok(None));
        assert_eq!(Standing::place_of_plan(Some(standing(2))), Ok(Some(3)));
        let approved = Standing { rounds: 1, approved: true };
        assert!(Standing::place_of_plan(Some(approved)).is_err());
    }

    #[test]
    fn a_word_is_judged_by_where_review_and_task_are() {
        let held = Some(Place { status: LiveStatus::Running, held: true });
        let last = Review::MAX_PLANS * 2 - 1;
        for (rounds, approved, at, version, on_approve, on_feedback) in [
            (1, false, PAUSED, None, Ok(true), Ok(true)),
            (3, false, PAUSED, Some(2), Ok(true), Ok(true)),
            (3, false, PAUSED, Some(1), Err(Refusal::Stale), Err(Refusal::Stale)),
            (1, true, PAUSED, None, Ok(false), Err(Refusal::Approved)),
            (1, true, None, Some(1), Ok(false), Err(Refusal::Approved)),
            (1, false, None, None, Err(Refusal::Ended), Err(Refusal::Ended)),
            (2, false, None, None, Err(Refusal::Ended), Err(Refusal::Ended)),
            (2, false, PAUSED, Some(1), Err(Refusal::Planning), Err(Refusal::Planning)),
            (1, false, held, None, Err(Refusal::Planning), Err(Refusal::Planning)),
            (last, false, PAUSED, None, Ok(true), Err(Refusal::LastPlan)),
        ] {
            let standing = Standing { rounds, approved };
            for (response, expected) in [(Response::Approve, on_approve), (feedback(), on_feedback)]
            {
                let judged = standing.judge(&request(response, version), at);
                assert_eq!(judged.map(|from| from.is_some()), expected, "{standing:?} {at:?}");
            }
        }
    }
}
