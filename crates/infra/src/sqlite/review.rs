//! Reviews of plans.

use super::{
    columns::{At, Id},
    consumed,
    events::{self, News},
    report::{Answer, held as held_by_claim},
};
use crate::{
    encode::{self, PlanColumns, RoundColumns, id_column, status_code},
    error::unreadable,
    statement::sql,
};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text},
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

/// The columns of a [`RoundRow`], and whether the claim holds the task that the
/// condition is about.
fn rounds(condition: &str) -> String {
    format!(
        "SELECT l.attempt = ? AND l.worker IS NOT NULL AS held,
                r.approved, o.message, o.at, o.intent, o.questions
         FROM tasks AS t
         LEFT JOIN live_tasks AS l ON l.number = t.number
         LEFT JOIN reviews AS r ON r.task = t.number
         LEFT JOIN review_rounds AS o ON o.task = r.task
         WHERE {condition} ORDER BY o.place"
    )
}

#[derive(QueryableByName)]
struct RoundRow {
    #[diesel(sql_type = Nullable<Bool>)]
    held: Option<bool>,
    #[diesel(embed)]
    round: Option<SaidRow>,
}

#[derive(QueryableByName)]
struct SaidRow {
    #[diesel(sql_type = Bool)]
    approved: bool,
    #[diesel(sql_type = Text)]
    message: String,
    #[diesel(sql_type = BigInt)]
    at: At,
    #[diesel(sql_type = Nullable<SmallInt>)]
    intent: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    questions: Option<String>,
}

impl From<SaidRow> for RoundColumns {
    fn from(row: SaidRow) -> Self {
        Self {
            approved: row.approved,
            message: row.message,
            at: row.at.into(),
            intent: row.intent,
            questions: row.questions,
        }
    }
}

fn review(rows: Vec<RoundRow>) -> QueryResult<Option<Review>> {
    encode::review(rows.into_iter().filter_map(|row| row.round).map(Into::into).collect())
}

/// Reads the review of a task's plan.
pub(super) fn find(
    connection: &mut SqliteConnection,
    task: TaskNumber,
) -> QueryResult<Option<Review>> {
    // No claim has this number.
    let rows = sql(rounds("t.number = ?"))
        .bind::<Integer, _>(0)
        .bind::<BigInt, _>(task.get())
        .load(connection)?;
    review(rows)
}

/// Reads the review of a held task's plan.
pub(super) fn held(connection: &mut SqliteConnection, lease: Lease) -> Answer<Option<Review>> {
    let rows: Vec<RoundRow> = sql(rounds("t.id = ?"))
        .bind::<Integer, _>(lease.attempt.get())
        .bind::<Binary, _>(Id(id_column(lease.task)))
        .load(connection)?;
    match rows.first() {
        None => Ok(Err(ReportError::NotFound)),
        Some(RoundRow { held: Some(true), .. }) => review(rows).map(Ok),
        Some(_) => Ok(Err(ReportError::LeaseLost)),
    }
}

#[derive(QueryableByName)]
struct StandingRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    /// Of a live task.
    #[diesel(sql_type = Nullable<SmallInt>)]
    status: Option<i16>,
    #[diesel(sql_type = Bool)]
    held: bool,
    /// Of a task with a plan, as the next two.
    #[diesel(sql_type = Nullable<SmallInt>)]
    rounds: Option<i16>,
    #[diesel(sql_type = Nullable<Bool>)]
    approved: Option<bool>,
    #[diesel(sql_type = Nullable<Integer>)]
    proposed_by: Option<i32>,
}

const STANDING: &str = "
    SELECT t.number, t.kind, l.status, l.worker IS NOT NULL AS held,
           r.rounds, r.approved, r.attempt AS proposed_by
    FROM tasks AS t
    LEFT JOIN live_tasks AS l ON l.number = t.number
    LEFT JOIN reviews AS r ON r.task = t.number ";

impl StandingRow {
    fn standing(&self) -> QueryResult<Option<Standing>> {
        encode::standing(self.rounds.zip(self.approved))
    }

    fn place(&self) -> QueryResult<Option<Place>> {
        let place = |status| Ok(Place { status: encode::live_status(status)?, held: self.held });
        self.status.map(place).transpose()
    }
}

#[derive(QueryableByName)]
struct MovedRow {
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: At,
}

/// Takes a plan, and the task from its worker.
pub(super) fn propose(
    connection: &mut SqliteConnection,
    news: &mut News,
    lease: Lease,
    proposal: &Proposal,
) -> Answer<()> {
    let attempt = lease.attempt.get();
    let row: Option<StandingRow> = sql(format!("{STANDING} WHERE t.id = ?"))
        .bind::<Binary, _>(Id(id_column(lease.task)))
        .get_result(connection)
        .optional()?;
    let Some(row) = row else { return Ok(Err(ReportError::NotFound)) };
    let Some(from) = held_at(connection, row.number, attempt)? else {
        let known = row.proposed_by == Some(attempt);
        return Ok(if known { Ok(()) } else { Err(ReportError::LeaseLost) });
    };
    if encode::kind(row.kind)? != Kind::Agent {
        return Ok(Err(InvalidValue::new("plan", "is for agent tasks").into()));
    }
    let standing = row.standing()?;
    let place = match Standing::place_of_plan(standing) {
        Ok(place) => place,
        Err(invalid) => return Ok(Err(invalid.into())),
    };
    let version = place.map(|rounds| Standing { rounds, approved: false }.version());
    let story = NewEvent::proposed(proposal, version, from);
    let at = suspend(connection, row.number, &story)?;
    consumed::add(connection, row.number, proposal.usage())?;
    if let Some(place) = place {
        let plan = PlanColumns::of(proposal)?;
        say(connection, row.number, place, at.updated_at, proposal.plan(), Some(plan))?;
    }
    note(connection, row.number, attempt, place)?;
    events::write(connection, row.number, at.last_seq, at.updated_at, &story)?;
    news.push((row.number, at.last_seq));
    Ok(Ok(()))
}

/// Where a task is that the claim holds.
fn held_at(
    connection: &mut SqliteConnection,
    number: i64,
    attempt: i32,
) -> QueryResult<Option<LiveStatus>> {
    #[derive(QueryableByName)]
    struct StatusRow {
        #[diesel(sql_type = SmallInt)]
        status: i16,
    }
    let row: Option<StatusRow> =
        sql(format!("SELECT status FROM live_tasks WHERE {}", held_by_claim()))
            .bind::<BigInt, _>(number)
            .bind::<Integer, _>(attempt)
            .get_result(connection)
            .optional()?;
    row.map(|row| encode::live_status(row.status)).transpose()
}

/// Pauses a held task in its owner's name, unless it is paused already, and takes
/// it from its worker. The attempt does not count.
fn suspend(
    connection: &mut SqliteConnection,
    number: i64,
    story: &[NewEvent],
) -> QueryResult<MovedRow> {
    let now = At::now();
    sql("UPDATE live_tasks
         SET status = ?, max_attempts = max_attempts + 1, reported = 0, worker = NULL,
             lease_micros = NULL, lease_expires_at = NULL,
             pause_reason = iif(paused_at IS NULL, ?, pause_reason),
             paused_by = coalesce(paused_by, owner_id),
             paused_at = coalesce(paused_at, max(updated_at, ?)),
             last_seq = last_seq + ?, updated_at = max(updated_at, ?)
         WHERE number = ? RETURNING last_seq, updated_at")
    .bind::<SmallInt, _>(status_code(Transition::Propose.target()))
    .bind::<Text, _>(NewEvent::WAITING_FOR_REVIEW)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(i64::try_from(story.len()).map_err(unreadable)?)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(number)
    .get_result(connection)
}

fn say(
    connection: &mut SqliteConnection,
    number: i64,
    place: u16,
    at: At,
    message: &str,
    plan: Option<PlanColumns>,
) -> QueryResult<()> {
    let (intent, questions) = plan.map(|plan| (plan.intent, plan.questions)).unzip();
    sql("INSERT INTO review_rounds (task, place, at, message, intent, questions)
         VALUES (?, ?, ?, ?, ?, ?)")
    .bind::<BigInt, _>(number)
    .bind::<Nullable<SmallInt>, _>(encode::place(Some(place))?)
    .bind::<BigInt, _>(at)
    .bind::<Text, _>(message)
    .bind::<Nullable<SmallInt>, _>(intent)
    .bind::<Nullable<Text>, _>(questions)
    .execute(connection)?;
    Ok(())
}

/// Notes who has proposed, and how many rounds there are if that is new.
fn note(
    connection: &mut SqliteConnection,
    number: i64,
    attempt: i32,
    rounds: Option<u16>,
) -> QueryResult<()> {
    sql("INSERT INTO reviews (task, attempt, rounds) VALUES (?, ?, coalesce(?, 0))
         ON CONFLICT (task) DO UPDATE
         SET attempt = excluded.attempt, rounds = max(rounds, excluded.rounds)")
    .bind::<BigInt, _>(number)
    .bind::<Integer, _>(attempt)
    .bind::<Nullable<SmallInt>, _>(encode::place(rounds)?)
    .execute(connection)?;
    Ok(())
}

/// Takes an owner's word on a plan, and returns the number of the last event that
/// tells of it.
pub(super) fn respond(
    connection: &mut SqliteConnection,
    news: &mut News,
    request: &ReviewRequest,
) -> QueryResult<Result<Option<i64>, ReviewError>> {
    let number = request.number.get();
    let row: Option<StandingRow> = sql(format!("{STANDING} WHERE t.number = ?"))
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
    let story = NewEvent::responded(&request.response, standing.version(), from);
    let at = requeue(connection, number, &story)?;
    let set = match &request.response {
        Response::Approve => "approved = 1",
        Response::Feedback(remark) => {
            let place = standing.rounds + 1;
            say(connection, number, place, at.updated_at, remark.as_str(), None)?;
            "rounds = rounds + 1"
        }
    };
    sql(format!("UPDATE reviews SET {set} WHERE task = ?"))
        .bind::<BigInt, _>(number)
        .execute(connection)?;
    events::write(connection, number, at.last_seq, at.updated_at, &story)?;
    news.push((number, at.last_seq));
    Ok(Ok(Some(at.last_seq)))
}

/// Lets a task go on that nobody holds, whether it is paused or in the queue.
fn requeue(
    connection: &mut SqliteConnection,
    number: i64,
    story: &[NewEvent],
) -> QueryResult<MovedRow> {
    let now = At::now();
    sql("UPDATE live_tasks
         SET status = ?, ready = run_after <= ?, paused_at = NULL, paused_by = NULL,
             pause_reason = NULL, last_seq = last_seq + ?, updated_at = max(updated_at, ?)
         WHERE number = ? RETURNING last_seq, updated_at")
    .bind::<SmallInt, _>(status_code(Transition::Requeue.target()))
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(i64::try_from(story.len()).map_err(unreadable)?)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(number)
    .get_result(connection)
}
