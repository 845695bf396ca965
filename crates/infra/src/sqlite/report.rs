//! What workers say about the tasks that they hold.

use super::{
    RUNNING_OR_PAUSED,
    columns::{At, Id, micros},
    events,
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
use taskgate_domain::{
    error::ReportError,
    event::{EventType, NewEvent},
    id::TaskId,
    queue::{Conclusion, Heartbeat, HeartbeatReply, Lease, Report, Reported},
    task::{
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
    },
};

/// An answer that a report may be refused with.
type Answer<T> = QueryResult<Result<T, ReportError>>;

#[derive(QueryableByName)]
struct TaskRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = SmallInt)]
    kind: i16,
}

fn look_up(connection: &mut SqliteConnection, id: TaskId) -> QueryResult<Option<TaskRow>> {
    sql("SELECT number, kind FROM tasks WHERE id = ?")
        .bind::<Binary, _>(Id(id_column(id)))
        .get_result(connection)
        .optional()
}

#[derive(QueryableByName)]
struct RenewedRow {
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = BigInt)]
    lease_expires_at: At,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
}

/// Renews a lease.
pub(super) fn heartbeat(
    connection: &mut SqliteConnection,
    heartbeat: &Heartbeat,
) -> Answer<HeartbeatReply> {
    let now = At::now();
    let Some(task) = look_up(connection, heartbeat.lease.task)? else {
        return Ok(Err(ReportError::NotFound));
    };
    let attempt = heartbeat.lease.attempt.get();
    let event = heartbeat
        .message
        .clone()
        .map(|message| NewEvent::new(EventType::PROGRESS, None, Some(message), None))
        .transpose()
        .map_err(unreadable)?;
    let renewed: Option<RenewedRow> = sql(format!(
        "UPDATE live_tasks
         SET lease_expires_at = ? + coalesce(?, lease_micros), progress = coalesce(?, progress),
             total = coalesce(?, total), last_seq = last_seq + ?, updated_at = ?
         WHERE number = ? AND attempt = ? AND status IN ({})
         RETURNING status, lease_expires_at, last_seq",
        status_list(RUNNING_OR_PAUSED)
    ))
    .bind::<BigInt, _>(now)
    .bind::<Nullable<BigInt>, _>(heartbeat.extend.map(micros))
    .bind::<Nullable<BigInt>, _>(heartbeat.progress)
    .bind::<Nullable<BigInt>, _>(heartbeat.total)
    .bind::<Integer, _>(i32::from(event.is_some()))
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(task.number)
    .bind::<Integer, _>(attempt)
    .get_result(connection)
    .optional()?;
    let Some(row) = renewed else {
        return cancelled(connection, task.number, attempt);
    };
    if let Some(event) = event {
        events::write(connection, task.number, row.last_seq, now, &event)?;
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
struct SeqRow {
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
}

/// Records events and returns the last one's number.
pub(super) fn record(
    connection: &mut SqliteConnection,
    lease: Lease,
    new_events: &[NewEvent],
) -> Answer<i64> {
    let now = At::now();
    let Some(task) = look_up(connection, lease.task)? else {
        return Ok(Err(ReportError::NotFound));
    };
    let count = i64::try_from(new_events.len()).map_err(unreadable)?;
    let counted: Option<SeqRow> = sql(format!(
        "UPDATE live_tasks SET last_seq = last_seq + ?
         WHERE number = ? AND attempt = ? AND status IN ({}) RETURNING last_seq",
        status_list(RUNNING_OR_PAUSED)
    ))
    .bind::<BigInt, _>(count)
    .bind::<BigInt, _>(task.number)
    .bind::<Integer, _>(lease.attempt.get())
    .get_result(connection)
    .optional()?;
    let Some(row) = counted else {
        return Ok(Err(ReportError::LeaseLost));
    };
    for (seq, event) in (row.last_seq - count + 1..).zip(new_events) {
        events::write(connection, task.number, seq, now, event)?;
    }
    Ok(Ok(row.last_seq))
}

/// Takes the end of a worker's work.
pub(super) fn finish(connection: &mut SqliteConnection, report: &Report) -> QueryResult<Reported> {
    let now = At::now();
    let Some(task) = look_up(connection, report.lease.task)? else {
        return Ok(Err(ReportError::NotFound));
    };
    let attempt = report.lease.attempt.get();
    let held = Held { number: task.number, attempt: Some(attempt) };
    match &report.conclusion {
        Conclusion::Complete(outcome) => {
            if let Err(invalid) = outcome.check(encode::kind(task.kind)?) {
                let refusal = if holds(connection, held)? {
                    ReportError::Invalid(invalid)
                } else {
                    ReportError::LeaseLost
                };
                return Ok(Err(refusal));
            }
            let end =
                End { transition: Transition::Complete, outcome, reported: true, message: None };
            if moves::end(connection, held, end, now)? {
                return Ok(Ok(Transition::Complete.target()));
            }
        }
        Conclusion::Fail { error, retry } => {
            if let Some(delay) = retry {
                let release = Release {
                    run_after: now.after(*delay),
                    reported: true,
                    message: error.clone(),
                };
                if moves::release(connection, task.number, attempt, release, now)? {
                    return Ok(Ok(Transition::Release.target()));
                }
            }
            let end = End {
                transition: Transition::Fail,
                outcome: &Outcome::error(error.as_str()),
                reported: true,
                message: Some(error.clone()),
            };
            if moves::end(connection, held, end, now)? {
                return Ok(Ok(Transition::Fail.target()));
            }
        }
    }
    repeated(connection, held, &report.conclusion)
}

fn holds(connection: &mut SqliteConnection, held: Held) -> QueryResult<bool> {
    let row: Option<SeqRow> = sql(format!(
        "SELECT last_seq FROM live_tasks WHERE number = ? AND attempt = ? AND status IN ({})",
        status_list(RUNNING_OR_PAUSED)
    ))
    .bind::<BigInt, _>(held.number)
    .bind::<Nullable<Integer>, _>(held.attempt)
    .get_result(connection)
    .optional()?;
    Ok(row.is_some())
}

/// The answer to a report that moved nothing: where the task is when the same
/// report has put it there, else that the lease is lost.
fn repeated(
    connection: &mut SqliteConnection,
    held: Held,
    conclusion: &Conclusion,
) -> QueryResult<Reported> {
    let row = state(connection, held.number)?;
    if Some(row.attempt) != held.attempt || !row.reported {
        return Ok(Err(ReportError::LeaseLost));
    }
    let status = encode::status(row.status)?;
    let same = match conclusion {
        Conclusion::Complete(_) => status == TaskStatus::Completed,
        Conclusion::Fail { retry: None, .. } => status == TaskStatus::Failed,
        // Failed, when no attempt was left.
        Conclusion::Fail { retry: Some(_), .. } => {
            matches!(status, TaskStatus::Queued | TaskStatus::Failed)
        }
    };
    Ok(if same { Ok(status) } else { Err(ReportError::LeaseLost) })
}
