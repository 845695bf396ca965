//! Reviews as columns.

use super::codes::decode;
use crate::error::unreadable;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use taskgate_domain::review::{Intent, Proposal, Review, Role, Round, Standing};

/// A round, and whether its review is over.
pub(crate) struct RoundColumns {
    pub(crate) approved: bool,
    pub(crate) message: String,
    pub(crate) at: DateTime<Utc>,
    /// Of a plan.
    pub(crate) intent: Option<i16>,
    /// Of a plan.
    pub(crate) questions: Option<String>,
}

/// What only plans have among the rounds.
pub(crate) struct PlanColumns {
    pub(crate) intent: i16,
    pub(crate) questions: String,
}

impl PlanColumns {
    pub(crate) fn of(proposal: &Proposal) -> QueryResult<Self> {
        let questions = serde_json::to_string(proposal.questions()).map_err(unreadable)?;
        Ok(Self { intent: intent_code(proposal.intent()), questions })
    }
}

/// The review of these rounds, in order; `None` of none.
pub(crate) fn review(rows: Vec<RoundColumns>) -> QueryResult<Option<Review>> {
    let Some(last) = rows.last() else { return Ok(None) };
    let mut review = Review {
        approved: last.approved,
        intent: Intent::default(),
        questions: Vec::new(),
        rounds: Vec::with_capacity(rows.len()),
    };
    for row in rows {
        let role = if let (Some(intent), Some(questions)) = (row.intent, row.questions) {
            review.intent = decode("intent", intent, &Intent::ALL, intent_code)?;
            review.questions = serde_json::from_str(&questions).map_err(unreadable)?;
            Role::Assistant
        } else {
            Role::User
        };
        review.rounds.push(Round { role, message: row.message, at: row.at });
    }
    Ok(Some(review))
}

/// Where a review stands, of a task that has one: its rounds, and whether it is
/// over.
pub(crate) fn standing(columns: Option<(i16, bool)>) -> QueryResult<Option<Standing>> {
    let standing = |(rounds, approved)| {
        Ok(Standing { rounds: u16::try_from(rounds).map_err(unreadable)?, approved })
    };
    columns.map(standing).transpose()
}

/// A place among the rounds as a column holds it.
pub(crate) fn place(place: Option<u16>) -> QueryResult<Option<i16>> {
    place.map(|place| i16::try_from(place).map_err(unreadable)).transpose()
}

const fn intent_code(intent: Intent) -> i16 {
    match intent {
        Intent::Feedback => 1,
        Intent::Ready => 2,
        Intent::Execute => 3,
    }
}
