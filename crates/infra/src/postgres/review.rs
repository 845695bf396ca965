//! Reviews of plans.
//!
//! Whoever changes a review has changed the task's live row before, in the same
//! statement, so that row is the lock of both.

use super::{
    News,
    change::count_moves,
    consumed::consume,
    events::{columns, tell, told},
    row::{Values, row},
};
use crate::{
    encode::{
        self, PlanColumns, RoundColumns, UsageColumns, id_column, models_column, status_code,
    },
    statement::sql,
};
use diesel::{
    OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    deserialize::{self, QueryableByName},
    pg::Pg,
    row::NamedRow,
    sql_types::{
        Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
    },
};
use taskgate_domain::{
    error::{InvalidValue, ReportError},
    event::NewEvent,
    id::TaskNumber,
    queue::Lease,
    review::{Place, Proposal, Response, Review, ReviewError, ReviewRequest, Standing},
    task::{
        status::{LiveStatus, Transition},
        work::Kind,
    },
};

/// The rounds of a task's review, each with whether the claim holds the task; one
/// row without a round when there is no review.
macro_rules! rounds {
    ($condition:literal) => {
        concat!(
            "SELECT coalesce(l.attempt = ? AND l.worker IS NOT NULL, false), r.approved,
                o.message, o.at, o.intent, o.questions::text
             FROM tasks t
             LEFT JOIN live_tasks l ON l.task_number = t.number
             LEFT JOIN reviews r ON r.task_number = t.number
             LEFT JOIN review_rounds o ON o.task_number = r.task_number
             WHERE ",
            $condition,
            " ORDER BY o.place"
        )
    };
}

struct RoundRow {
    held: bool,
    round: Option<RoundColumns>,
}

impl QueryableByName<Pg> for RoundRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        let held = values.next::<Bool, _>()?;
        let Some(approved) = values.next::<Nullable<Bool>, Option<bool>>()? else {
            return Ok(Self { held, round: None });
        };
        let round = RoundColumns {
            approved,
            message: values.next::<Text, _>()?,
            at: values.next::<Timestamptz, _>()?,
            intent: values.next::<Nullable<SmallInt>, _>()?,
            questions: values.next::<Nullable<Text>, _>()?,
        };
        Ok(Self { held, round: Some(round) })
    }
}

fn review(rows: Vec<RoundRow>) -> QueryResult<Option<Review>> {
    encode::review(rows.into_iter().filter_map(|row| row.round).collect())
}

/// Reads the review of a task's plan.
pub(super) fn find(connection: &mut PgConnection, task: TaskNumber) -> QueryResult<Option<Review>> {
    // No claim has this number.
    let rows = sql(rounds!("t.number = ?"))
        .bind::<Integer, _>(0)
        .bind::<BigInt, _>(task.get())
        .load(connection)?;
    review(rows)
}

/// Reads the review of a held task's plan.
pub(super) fn held(
    connection: &mut PgConnection,
    lease: Lease,
) -> QueryResult<Result<Option<Review>, ReportError>> {
    let rows: Vec<RoundRow> = sql(rounds!("t.id = ?"))
        .bind::<Integer, _>(lease.attempt.get())
        .bind::<SqlUuid, _>(id_column(lease.task))
        .load(connection)?;
    match rows.first() {
        None => Ok(Err(ReportError::NotFound)),
        Some(RoundRow { held: false, .. }) => Ok(Err(ReportError::LeaseLost)),
        Some(_) => review(rows).map(Ok),
    }
}

/// Where a task and its review are; the last event's number tells whether that is
/// so still.
macro_rules! standing {
    ($condition:literal) => {
        concat!(
            "SELECT t.number, t.kind, l.status, l.worker IS NOT NULL, l.attempt, l.last_seq,
                r.rounds, r.approved, r.attempt
             FROM tasks t
             LEFT JOIN live_tasks l ON l.task_number = t.number
             LEFT JOIN reviews r ON r.task_number = t.number
             WHERE ",
            $condition
        )
    };
}

row! {
    StandingRow {
        number: BigInt => i64,
        kind: SmallInt => i16,
        /// Of a live task, as the next three.
        status: Nullable<SmallInt> => Option<i16>,
        held: Bool => bool,
        attempt: Nullable<Integer> => Option<i32>,
        last_seq: Nullable<BigInt> => Option<i64>,
        /// Of a task with a plan, as the next two.
        rounds: Nullable<SmallInt> => Option<i16>,
        approved: Nullable<Bool> => Option<bool>,
        proposed_by: Nullable<Integer> => Option<i32>,
    }
}

impl StandingRow {
    fn standing(&self) -> QueryResult<Option<Standing>> {
        encode::standing(self.rounds.zip(self.approved))
    }

    fn place(&self) -> QueryResult<Option<Place>> {
        let place = |status| Ok(Place { status: encode::live_status(status)?, held: self.held });
        self.status.map(place).transpose()
    }

    /// Where the task is, if this claim holds it.
    fn held_by(&self, attempt: i32) -> QueryResult<Option<LiveStatus>> {
        let place = self.place()?.filter(|place| place.held && self.attempt == Some(attempt));
        Ok(place.map(|place| place.status))
    }
}

/// A plan that is not wanted has no place, and none of the rounds is written.
const PROPOSE: &str = concat!(
    "WITH ",
    told!(),
    ", moved AS (
        UPDATE live_tasks l SET status = ?, max_attempts = max_attempts + 1, reported = false,
            worker = NULL, lease_expires_at = NULL, lease_micros = NULL,
            pause_reason = CASE WHEN paused_at IS NULL THEN ? ELSE pause_reason END,
            paused_by = coalesce(paused_by, owner_id),
            paused_at = coalesce(paused_at, greatest(now(), updated_at)), ",
    consume!(),
    ", last_seq = last_seq + cardinality($1), updated_at = greatest(now(), updated_at)
        FROM (SELECT ?::bigint AS prompt_tokens, ?::bigint AS completion_tokens,
            ?::bigint AS total_tokens, ?::bigint AS cost_nanos, ?::text AS models) v
        WHERE task_number = ? AND attempt = ? AND worker IS NOT NULL AND status = ?
        RETURNING task_number, owner_id, group_id, $14 AS old_status, status, last_seq,
            last_seq - cardinality($1) AS before, updated_at, attempt
    ), round AS (
        INSERT INTO review_rounds (task_number, place, at, message, intent, questions)
        SELECT task_number, p.place, updated_at, ?, ?, ?::json
        FROM moved CROSS JOIN (SELECT ?::smallint AS place) p WHERE p.place IS NOT NULL
    ), review AS (
        INSERT INTO reviews AS r (task_number, attempt, rounds)
        SELECT task_number, attempt, coalesce($18, 0) FROM moved
        ON CONFLICT (task_number) DO UPDATE
            SET attempt = excluded.attempt, rounds = greatest(r.rounds, excluded.rounds)
    ), event AS (",
    tell!("moved"),
    "), counted AS (",
    count_moves!("moved"),
    ") SELECT last_seq FROM moved"
);

row! {
    MovedRow {
        last_seq: BigInt => i64,
    }
}

/// Takes a plan, and the task from its worker. A task that was paused or resumed
/// meanwhile is looked at again.
pub(super) fn propose(
    connection: &mut PgConnection,
    lease: Lease,
    proposal: &Proposal,
    news: &mut News,
) -> QueryResult<Result<(), ReportError>> {
    let attempt = lease.attempt.get();
    let plan = PlanColumns::of(proposal)?;
    let usage = UsageColumns::from(proposal.usage());
    let models = models_column(proposal.usage().models())?;
    loop {
        let row: Option<StandingRow> = sql(standing!("t.id = ?"))
            .bind::<SqlUuid, _>(id_column(lease.task))
            .get_result(connection)
            .optional()?;
        let Some(row) = row else { return Ok(Err(ReportError::NotFound)) };
        let Some(from) = row.held_by(attempt)? else {
            let known = row.proposed_by == Some(attempt);
            return Ok(if known { Ok(()) } else { Err(ReportError::LeaseLost) });
        };
        if encode::kind(row.kind)? != Kind::Agent {
            return Ok(Err(InvalidValue::new("plan", "is for agent tasks").into()));
        }
        let place = match Standing::place_of_plan(row.standing()?) {
            Ok(place) => place,
            Err(invalid) => return Ok(Err(invalid.into())),
        };
        let version = place.map(|rounds| Standing { rounds, approved: false }.version());
        let events = NewEvent::proposed(proposal, version, from);
        let moved: Option<MovedRow> = sql(PROPOSE)
            .bind_all::<Array<Nullable<Text>>, _>(columns(events.iter().map(Some)))
            .bind::<SmallInt, _>(status_code(Transition::Propose.target()))
            .bind::<Text, _>(NewEvent::WAITING_FOR_REVIEW)
            .bind_all::<BigInt, _>(usage.amounts().to_vec())
            .bind::<Nullable<Text>, _>(&models)
            .bind::<BigInt, _>(row.number)
            .bind::<Integer, _>(attempt)
            .bind::<SmallInt, _>(status_code(from.into()))
            .bind::<Text, _>(proposal.plan())
            .bind::<SmallInt, _>(plan.intent)
            .bind::<Text, _>(&plan.questions)
            .bind::<Nullable<SmallInt>, _>(encode::place(place)?)
            .get_result(connection)
            .optional()?;
        if let Some(moved) = moved {
            news.push((row.number, moved.last_seq));
            return Ok(Ok(()));
        }
    }
}

/// Whoever claims, moves or reviews a task that no worker holds adds to its log:
/// while that is as long as it was, the task is where it was. A remark stands in
/// the place after the last round, an approval in none.
const RESPOND: &str = concat!(
    "WITH ",
    told!(),
    ", moved AS (
        UPDATE live_tasks SET status = ?, paused_at = NULL, paused_by = NULL,
            pause_reason = NULL, ready = coalesce(run_after <= now(), true),
            run_after = CASE WHEN run_after > now() THEN run_after END,
            last_seq = last_seq + cardinality($1), updated_at = greatest(now(), updated_at)
        WHERE task_number = ? AND last_seq = ?
        RETURNING task_number, owner_id, group_id, ? AS old_status, status, last_seq,
            last_seq - cardinality($1) AS before, updated_at
    ), round AS (
        INSERT INTO review_rounds (task_number, place, at, message)
        SELECT task_number, ?, updated_at, r.message
        FROM moved CROSS JOIN (SELECT ?::text AS message) r WHERE r.message IS NOT NULL
    ), review AS (
        UPDATE reviews r SET approved = $10 IS NULL,
            rounds = CASE WHEN $10 IS NULL THEN r.rounds ELSE $9 END
        FROM moved WHERE r.task_number = moved.task_number
    ), event AS (",
    tell!("moved"),
    "), counted AS (",
    count_moves!("moved"),
    ") SELECT last_seq FROM moved"
);

/// Takes an owner's word on a plan, and returns the number of the last event that
/// tells of it. A task that has changed meanwhile is looked at again.
pub(super) fn respond(
    connection: &mut PgConnection,
    request: &ReviewRequest,
    news: &mut News,
) -> QueryResult<Result<Option<i64>, ReviewError>> {
    let number = request.number.get();
    loop {
        let row: Option<StandingRow> = sql(standing!("t.number = ?"))
            .bind::<BigInt, _>(number)
            .get_result(connection)
            .optional()?;
        let Some(row) = row else { return Ok(Err(ReviewError::NotFound)) };
        let Some(standing) = row.standing()? else { return Ok(Err(ReviewError::NotFound)) };
        let from = match standing.judge(request, row.place()?) {
            Ok(Some(from)) => from,
            Ok(None) => return Ok(Ok(None)),
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let events = NewEvent::responded(&request.response, standing.version(), from);
        let remark = match &request.response {
            Response::Approve => None,
            Response::Feedback(remark) => Some(remark.as_str()),
        };
        let moved: Option<MovedRow> = sql(RESPOND)
            .bind_all::<Array<Nullable<Text>>, _>(columns(events.iter().map(Some)))
            .bind::<SmallInt, _>(status_code(Transition::Requeue.target()))
            .bind::<BigInt, _>(number)
            .bind::<Nullable<BigInt>, _>(row.last_seq)
            .bind::<SmallInt, _>(status_code(from.into()))
            .bind::<Nullable<SmallInt>, _>(encode::place(Some(standing.rounds + 1))?)
            .bind::<Nullable<Text>, _>(remark)
            .get_result(connection)
            .optional()?;
        if let Some(moved) = moved {
            news.push((number, moved.last_seq));
            return Ok(Ok(Some(moved.last_seq)));
        }
    }
}
