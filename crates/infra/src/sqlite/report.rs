//! What workers say about the tasks that they hold.

use super::{
    columns::{At, Id, micros},
    events::{self, News},
    moves::{self, End, Held, Release},
};
use crate::{
    encode::{self, id_column, status_list},
    error::unreadable,
    statement::sql,
};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt},
};
use std::time::Duration;
use taskgate_domain::{
    error::ReportError,
    event::NewEvent,
    id::TaskId,
    queue::{Conclusion, Heartbeat, HeartbeatReply, Lease, Report, Reported},
    task::{
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
    },
};

/// An answer that a report may be refused with.
pub(super) type Answer<T> = QueryResult<Result<T, ReportError>>;

#[derive(QueryableByName)]
pub(super) struct TaskRow {
    #[diesel(sql_type = BigInt)]
    pub(super) number: i64,
    #[diesel(sql_type = SmallInt)]
    pub(super) kind: i16,
    /// Of a live task.
    #[diesel(sql_type = Nullable<BigInt>)]
    progress: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    total: Option<i64>,
}

impl TaskRow {
    /// What the log tells of a heartbeat that has news of the task.
    fn story(&self, heartbeat: &Heartbeat) -> QueryResult<Option<NewEvent>> {
        let now = (heartbeat.progress.or(self.progress), heartbeat.total.or(self.total));
        let (Some(current), Some(total)) = now else { return Ok(None) };
        if heartbeat.message.is_none() && now == (self.progress, self.total) {
            return Ok(None);
        }
        let progress = encode::progress(current, total)?;
        Ok(Some(NewEvent::progressed(progress, heartbeat.message.as_deref())))
    }
}

pub(super) fn look_up(
    connection: &mut SqliteConnection,
    id: TaskId,
) -> QueryResult<Option<TaskRow>> {
    sql("SELECT t.number, t.kind, l.progress, l.total
         FROM tasks AS t LEFT JOIN live_tasks AS l ON l.number = t.number WHERE t.id = ?")
    .bind::<Binary, _>(Id(id_column(id)))
    .get_result(connection)
    .optional()
}

/// The condition that a worker's claim holds a live task; the task's number and
/// the claim are to be bound.
pub(super) fn held() -> String {
    // A worker that holds a task may end it.
    let statuses = status_list(Transition::Complete.sources());
    format!("number = ? AND attempt = ? AND worker IS NOT NULL AND status IN ({statuses})")
}

#[derive(QueryableByName)]
struct RenewedRow {
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = BigInt)]
    lease_expires_at: At,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: At,
}

/// Renews a lease.
pub(super) fn heartbeat(
    connection: &mut SqliteConnection,
    news: &mut News,
    heartbeat: &Heartbeat,
) -> Answer<HeartbeatReply> {
    let now = At::now();
    let Some(task) = look_up(connection, heartbeat.lease.task)? else {
        return Ok(Err(ReportError::NotFound));
    };
    let attempt = heartbeat.lease.attempt.get();
    let story = task.story(heartbeat)?;
    let renewed: Option<RenewedRow> = sql(format!(
        "UPDATE live_tasks
         SET lease_expires_at = ? + coalesce(?, lease_micros), progress = coalesce(?, progress),
             total = coalesce(?, total), last_seq = last_seq + ?, updated_at = max(updated_at, ?)
         WHERE {}
         RETURNING status, lease_expires_at, last_seq, updated_at",
        held()
    ))
    .bind::<BigInt, _>(now)
    .bind::<Nullable<BigInt>, _>(heartbeat.extend.map(micros))
    .bind::<Nullable<BigInt>, _>(heartbeat.progress)
    .bind::<Nullable<BigInt>, _>(heartbeat.total)
    .bind::<Integer, _>(i32::from(story.is_some()))
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(task.number)
    .bind::<Integer, _>(attempt)
    .get_result(connection)
    .optional()?;
    let Some(row) = renewed else {
        return cancelled(connection, task.number, attempt);
    };
    if let Some(event) = story {
        events::write(connection, task.number, row.last_seq, row.updated_at, &[event])?;
        news.push((task.number, row.last_seq));
    }
    Ok(Ok(HeartbeatReply {
        lease_expires_at: row.lease_expires_at.into(),
        cancel_requested: false,
        pause_requested: encode::live_status(row.status)? == LiveStatus::Paused,
    }))
}

#[derive(QueryableByName)]
struct EndedRow {
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = Bool)]
    reported: bool,
    #[diesel(sql_type = BigInt)]
    at: At,
}

/// A task's status and claims, whether it has ended or not.
fn state(connection: &mut SqliteConnection, number: i64) -> QueryResult<EndedRow> {
    sql("SELECT status, attempt, reported, updated_at AS at FROM live_tasks
         WHERE number = ?
         UNION ALL
         SELECT status, attempt, reported, finished_at FROM finished_tasks
         WHERE number = ?")
    .bind::<BigInt, _>(number)
    .bind::<BigInt, _>(number)
    .get_result(connection)
}

/// What the worker of a claim that does not hold its task is told.
fn cancelled(
    connection: &mut SqliteConnection,
    number: i64,
    attempt: i32,
) -> Answer<HeartbeatReply> {
    let row = state(connection, number)?;
    if row.attempt != attempt || encode::status(row.status)? != TaskStatus::Cancelled {
        return Ok(Err(ReportError::LeaseLost));
    }
    Ok(Ok(HeartbeatReply {
        lease_expires_at: row.at.into(),
        cancel_requested: true,
        pause_requested: false,
    }))
}

#[derive(QueryableByName)]
struct RecordedRow {
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: At,
}

/// Records events and returns the last one's number.
pub(super) fn record(
    connection: &mut SqliteConnection,
    news: &mut News,
    lease: Lease,
    story: &[NewEvent],
) -> Answer<i64> {
    let Some(task) = look_up(connection, lease.task)? else {
        return Ok(Err(ReportError::NotFound));
    };
    let counted: Option<RecordedRow> = sql(format!(
        "UPDATE live_tasks
         SET last_seq = last_seq + ?, answered = answered OR ?, updated_at = max(updated_at, ?)
         WHERE {} RETURNING last_seq, updated_at",
        held()
    ))
    .bind::<BigInt, _>(i64::try_from(story.len()).map_err(unreadable)?)
    .bind::<Bool, _>(story.iter().any(NewEvent::is_final_output))
    .bind::<BigInt, _>(At::now())
    .bind::<BigInt, _>(task.number)
    .bind::<Integer, _>(lease.attempt.get())
    .get_result(connection)
    .optional()?;
    let Some(row) = counted else {
        return Ok(Err(ReportError::LeaseLost));
    };
    events::write(connection, task.number, row.last_seq, row.updated_at, story)?;
    news.push((task.number, row.last_seq));
    Ok(Ok(row.last_seq))
}

/// Takes the end of a worker's work.
pub(super) fn finish(
    connection: &mut SqliteConnection,
    news: &mut News,
    report: &Report,
) -> QueryResult<Reported> {
    let Some(task) = look_up(connection, report.lease.task)? else {
        return Ok(Err(ReportError::NotFound));
    };
    let attempt = report.lease.attempt.get();
    let moved = match &report.conclusion {
        Conclusion::Complete(outcome) => {
            if let Err(invalid) = outcome.check(encode::kind(task.kind)?) {
                let holds = holds(connection, task.number, attempt)?;
                let invalid = ReportError::Invalid(invalid);
                return Ok(Err(if holds { invalid } else { ReportError::LeaseLost }));
            }
            end(connection, news, task.number, attempt, Transition::Complete, outcome)?
        }
        Conclusion::Fail { outcome, retry } => {
            fail(connection, news, task.number, attempt, outcome, *retry)?
        }
        Conclusion::Release { usage } => {
            let now = At::now();
            let reason = encode::GIVEN_BACK;
            let release = Release { run_after: now, counts: false, reported: true, reason, usage };
            moves::release(connection, news, task.number, attempt, &release, now)?
        }
    };
    match moved {
        Some(status) => Ok(Ok(status)),
        None => repeated(connection, task.number, attempt, &report.conclusion),
    }
}

/// Lets a task be tried again, if its worker wants that and an attempt is left,
/// and fails it otherwise; `None` when that claim does not hold it.
fn fail(
    connection: &mut SqliteConnection,
    news: &mut News,
    number: i64,
    attempt: i32,
    outcome: &Outcome,
    retry: Option<Duration>,
) -> QueryResult<Option<TaskStatus>> {
    let now = At::now();
    if let Some(delay) = retry {
        let (reason, usage) = (outcome.reason(), &outcome.usage);
        let run_after = now.after(delay);
        let release = Release { run_after, counts: true, reported: true, reason, usage };
        let released = moves::release(connection, news, number, attempt, &release, now)?;
        if released.is_some() {
            return Ok(released);
        }
    }
    end(connection, news, number, attempt, Transition::Fail, outcome)
}

fn end(
    connection: &mut SqliteConnection,
    news: &mut News,
    number: i64,
    attempt: i32,
    transition: Transition,
    outcome: &Outcome,
) -> QueryResult<Option<TaskStatus>> {
    let held = Held { number, attempt: Some(attempt) };
    let end = End { transition, outcome, reported: true, cancel: None };
    let ended = moves::end(connection, news, held, &end, At::now())?;
    Ok(ended.then_some(transition.target()))
}

fn holds(connection: &mut SqliteConnection, number: i64, attempt: i32) -> QueryResult<bool> {
    let row: Option<RecordedRow> =
        sql(format!("SELECT last_seq, updated_at FROM live_tasks WHERE {}", held()))
            .bind::<BigInt, _>(number)
            .bind::<Integer, _>(attempt)
            .get_result(connection)
            .optional()?;
    Ok(row.is_some())
}

/// The answer to a report that moved nothing: where the task is when the same
/// report has put it there, else that the lease is lost.
fn repeated(
    connection: &mut SqliteConnection,
    number: i64,
    attempt: i32,
    conclusion: &Conclusion,
) -> QueryResult<Reported> {
    let row = state(connection, number)?;
    if row.attempt != attempt || !row.reported {
        return Ok(Err(ReportError::LeaseLost));
    }
    let status = encode::status(row.status)?;
    let same = match conclusion {
        Conclusion::Complete(_) => status == TaskStatus::Completed,
        Conclusion::Fail { retry: None, .. } => status == TaskStatus::Failed,
        // Failed, when no attempt was left.
        Conclusion::Fail { retry: Some(_), .. } => {
            matches!(status, TaskStatus::Queued | TaskStatus::Paused | TaskStatus::Failed)
        }
        Conclusion::Release { .. } => matches!(status, TaskStatus::Queued | TaskStatus::Paused),
    };
    Ok(if same { Ok(status) } else { Err(ReportError::LeaseLost) })
}
