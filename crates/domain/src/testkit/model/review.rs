//! What the ports promise of reviews.

use super::{checker::Checker, world::Entry};
use crate::{
    error::ReportError,
    event::NewEvent,
    review::{Place, Proposal, Refusal, Response, ReviewError, ReviewRequest, Standing},
    task::{
        status::{TaskStatus, Transition},
        work::Kind,
    },
    testkit::build,
};

/// What a proposal is to be answered with.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Taken,
    Lost,
    Invalid,
}

impl Entry {
    fn propose(&mut self, attempt: i64, proposal: &Proposal) -> Answer {
        if !self.holds(attempt) {
            return if self.proposed_by == Some(attempt) { Answer::Taken } else { Answer::Lost };
        }
        let Ok(place) = Standing::place_of_plan(self.review) else { return Answer::Invalid };
        let Some(from) = self.live_status().filter(|_| self.kind == Kind::Agent) else {
            return Answer::Invalid;
        };
        let rounds = place.or(self.review.map(|review| review.rounds)).unwrap_or_default();
        let review = Standing { rounds, approved: false };
        let fresh = place.map(|_| review.version());
        (self.review, self.proposed_by) = (Some(review), Some(attempt));
        self.tell(&NewEvent::proposed(proposal, fresh, from));
        self.become_through(Transition::Propose);
        self.max_attempts += 1;
        self.consume(proposal.usage());
        Answer::Taken
    }

    /// How many events a word on the plan has recorded; `None` when there is no
    /// plan.
    fn respond(&mut self, request: &ReviewRequest) -> Option<Result<usize, Refusal>> {
        let review = self.review.as_mut()?;
        let held = self.held;
        let statuses = Transition::Cancel.sources().iter().copied();
        let at = statuses.map(|status| Place { status, held });
        let at = at.into_iter().find(|place| TaskStatus::from(place.status) == self.status);
        let from = match review.judge(request, at) {
            Ok(Some(from)) => from,
            Ok(None) => return Some(Ok(0)),
            Err(refusal) => return Some(Err(refusal)),
        };
        let events = NewEvent::responded(&request.response, review.version(), from);
        match request.response {
            Response::Approve => review.approved = true,
            Response::Feedback(_) => review.rounds += 1,
        }
        // A resume tells of itself.
        self.tell(&events[..1]);
        if self.status == TaskStatus::Paused {
            self.become_through(Transition::Requeue);
        }
        Some(Ok(events.len()))
    }

    fn tell(&mut self, events: &[NewEvent]) {
        self.log.extend(events.iter().map(|event| event.event_type().as_str().to_owned()));
    }
}

impl Checker {
    pub(super) async fn propose(&mut self, n: usize, attempt: i64) {
        let lease = self.world.tasks[n].lease(attempt);
        let proposal = build::proposal("first this, then that").with_usage(self.usage());
        let expected = self.world.tasks[n].propose(attempt, &proposal);
        let answer = match self.ports.queue.propose(lease, proposal).await {
            Ok(()) => Answer::Taken,
            Err(ReportError::LeaseLost) => Answer::Lost,
            Err(ReportError::Invalid(_)) => Answer::Invalid,
            Err(error) => panic!("the proposal is answered: {error}"),
        };
        assert_eq!(answer, expected);
        self.compare_review(n).await;
    }

    pub(super) async fn respond(&mut self, n: usize, response: Response, version: Option<u16>) {
        let entry = &mut self.world.tasks[n];
        let request = ReviewRequest { number: entry.number, response, version };
        let expected = entry.respond(&request);
        let told = entry.log.len();
        match (self.ports.reviews.respond(request).await, expected) {
            (Ok(None), Some(Ok(0))) => {}
            (Ok(Some(last)), Some(Ok(1..))) => assert_eq!(usize::try_from(last), Ok(told)),
            (Err(ReviewError::Refused(refusal)), Some(Err(expected))) => {
                assert_eq!(refusal, expected);
            }
            (Err(ReviewError::NotFound), None) => {}
            (answer, expected) => panic!("{answer:?} where {expected:?} was due"),
        }
        self.compare_review(n).await;
    }

    async fn compare_review(&self, n: usize) {
        let entry = &self.world.tasks[n];
        let review = self.ports.reviews.find_review(entry.number).await;
        let review = review.expect("the review is read").map(|review| {
            let rounds = u16::try_from(review.rounds.len()).expect("there are few");
            Standing { rounds, approved: review.approved }
        });
        assert_eq!(review, entry.review);
    }
}
