//! What workers say of the tasks that they hold.

use super::{
    News,
    change::{self, End, Release, status_bits},
    claim::micros,
    events::{columns, tell, told},
    row::row,
};
use crate::{
    encode::{self, id_column, status_code},
    statement::sql,
};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    sql_types::{
        Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
    },
};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};
use taskgate_domain::{
    error::ReportError,
    event::NewEvent,
    id::TaskId,
    queue::{Conclusion, Heartbeat, HeartbeatReply, Lease, Report, Reported},
    task::{
        Progress,
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
    },
    usage::Usage,
};
use uuid::Uuid;

/// Where a worker may report from: wherever it may end the task from.
pub(super) const HELD: &[LiveStatus] = Transition::Complete.sources();

/// Whether there is something to tell is judged by the numbers as they were;
/// `progressed` writes them as [`NewEvent::progressed`] does, for only here both
/// are known.
const HEARTBEAT: &str = "
    WITH beat AS (
        UPDATE live_tasks l SET
            lease_expires_at = now()
                + coalesce(?::bigint, l.lease_micros) * interval '1 microsecond',
            progress = coalesce(?, l.progress), total = coalesce(?, l.total),
            last_seq = l.last_seq + b.tells::integer, updated_at = greatest(now(), l.updated_at)
        FROM (
            SELECT task_number, ?::text IS NOT NULL OR coalesce($2, progress) <> progress
                OR coalesce($3, total) <> total AS tells
            FROM live_tasks
        ) b
        WHERE l.task_number = (SELECT number FROM tasks WHERE id = ?)
            AND b.task_number = l.task_number
            AND l.attempt = ? AND l.worker IS NOT NULL AND (? >> l.status) & 1 = 1
        RETURNING l.task_number, l.last_seq, l.lease_expires_at, l.status, l.updated_at,
            l.progress, l.total, b.tells
    ), event AS (
        INSERT INTO task_events (task_number, seq, at, type, message, payload)
        SELECT task_number, last_seq, updated_at, ?, $4,
            format('{\"progress\":%s,\"total\":%s}', progress, total)::json
        FROM beat WHERE tells
    )
    SELECT task_number, CASE WHEN tells THEN last_seq END, lease_expires_at, status FROM beat";

row! {
    BeatRow {
        number: BigInt => i64,
        /// The number of the event, if there is one.
        told: Nullable<BigInt> => Option<i64>,
        lease_expires_at: Timestamptz => DateTime<Utc>,
        status: SmallInt => i16,
    }
}

/// Renews a lease.
pub(super) fn heartbeat(
    connection: &mut PgConnection,
    beat: &Heartbeat,
    news: &mut News,
) -> QueryResult<Result<HeartbeatReply, ReportError>> {
    let event = NewEvent::progressed(Progress::default(), beat.message.as_deref());
    let row: Option<BeatRow> = sql(HEARTBEAT)
        .bind::<Nullable<BigInt>, _>(beat.extend.map(micros))
        .bind::<Nullable<BigInt>, _>(beat.progress)
        .bind::<Nullable<BigInt>, _>(beat.total)
        .bind::<Nullable<Text>, _>(event.message())
        .bind::<SqlUuid, _>(id_column(beat.lease.task))
        .bind::<Integer, _>(beat.lease.attempt.get())
        .bind::<Integer, _>(status_bits(HELD))
        .bind::<Text, _>(event.event_type().as_str())
        .get_result(connection)
        .optional()?;
    let Some(row) = row else { return lost(connection, beat.lease) };
    news.extend(row.told.map(|seq| (row.number, seq)));
    Ok(Ok(HeartbeatReply {
        lease_expires_at: row.lease_expires_at,
        cancel_requested: false,
        pause_requested: row.status == status_code(TaskStatus::Paused),
    }))
}

/// What to tell the holder of a lease that no longer holds.
fn lost(
    connection: &mut PgConnection,
    lease: Lease,
) -> QueryResult<Result<HeartbeatReply, ReportError>> {
    let Some(now) = settled(connection, &[lease.task])?.pop() else {
        return Ok(Err(ReportError::NotFound));
    };
    match now.finished_at {
        Some(finished_at)
            if now.status == status_code(TaskStatus::Cancelled)
                && now.attempt == lease.attempt.get() =>
        {
            Ok(Ok(HeartbeatReply {
                lease_expires_at: finished_at,
                cancel_requested: true,
                pause_requested: false,
            }))
        }
        _ => Ok(Err(ReportError::LeaseLost)),
    }
}

const RECORD: &str = concat!(
    "WITH ",
    told!(),
    ", held AS (
        UPDATE live_tasks SET answered = answered OR ?, last_seq = last_seq + cardinality($1),
            updated_at = greatest(now(), updated_at)
        WHERE task_number = (SELECT number FROM tasks WHERE id = ?)
            AND attempt = ? AND worker IS NOT NULL AND (? >> status) & 1 = 1
        RETURNING task_number, last_seq, last_seq - cardinality($1) AS before, updated_at
    ), event AS (",
    tell!("held"),
    ") SELECT task_number, last_seq FROM held"
);

row! {
    RecordedRow {
        number: BigInt => i64,
        last_seq: BigInt => i64,
    }
}

/// Records events.
pub(super) fn record(
    connection: &mut PgConnection,
    lease: Lease,
    events: &[NewEvent],
    news: &mut News,
) -> QueryResult<Result<i64, ReportError>> {
    let row: Option<RecordedRow> = sql(RECORD)
        .bind_all::<Array<Nullable<Text>>, _>(columns(events.iter().map(Some)))
        .bind::<Bool, _>(events.iter().any(NewEvent::is_final_output))
        .bind::<SqlUuid, _>(id_column(lease.task))
        .bind::<Integer, _>(lease.attempt.get())
        .bind::<Integer, _>(status_bits(HELD))
        .get_result(connection)
        .optional()?;
    match row {
        Some(row) => {
            news.push((row.number, row.last_seq));
            Ok(Ok(row.last_seq))
        }
        None if settled(connection, &[lease.task])?.is_empty() => Ok(Err(ReportError::NotFound)),
        None => Ok(Err(ReportError::LeaseLost)),
    }
}

row! {
    /// What decides how a task may end, and never changes.
    FactsRow {
        id: SqlUuid => Uuid,
        number: BigInt => i64,
        kind: SmallInt => i16,
    }
}

/// What a valid report does to its task: it returns to the queue if it may, and
/// ends otherwise.
struct Move<'a> {
    release: Option<Release<'a>>,
    end: Option<End<'a>>,
}

/// Takes the ends of tasks, each for itself.
///
/// Those that fit are stored first, by one statement for the returns to the queue
/// and one for the ends; what a report deserves that was not stored is
/// read afterwards. So the second of two equal reports in a batch is told that
/// it was accepted before.
pub(super) fn finish(
    connection: &mut PgConnection,
    reports: &[Report],
    news: &mut News,
) -> QueryResult<Vec<Reported>> {
    let facts = facts(connection, reports)?;
    let facts = |report: &Report| facts.get(&id_column(report.lease.task));
    let (mut releases, mut ends) = (Vec::new(), Vec::new());
    let mut refused: HashMap<usize, ReportError> = HashMap::new();
    let mut first = HashSet::new();
    for (at, report) in reports.iter().enumerate() {
        match facts(report).map_or(Ok(Err(ReportError::NotFound)), |facts| judge(report, facts))? {
            Err(error) => {
                refused.insert(at, error);
            }
            Ok(_) if !first.insert(report.lease) => {}
            Ok(Move { release, end }) => {
                releases.extend(release);
                ends.extend(end.map(|end| (report.lease.attempt.get(), end)));
            }
        }
    }
    let mut moved = change::release(connection, releases, news)?;
    let ends =
        ends.into_iter().filter(|(attempt, end)| !moved.contains_key(&(end.number, *attempt)));
    let ended = change::end(connection, ends.map(|(_, end)| end).collect(), news)?;
    moved.extend(ended);
    let mut answers: Vec<Option<Reported>> = reports
        .iter()
        .enumerate()
        .map(|(at, report)| match refused.remove(&at) {
            Some(error) => Some(Err(error)),
            None => facts(report)
                .and_then(|facts| moved.remove(&(facts.number, report.lease.attempt.get())))
                .map(Ok),
        })
        .collect();
    repeat(connection, reports, &mut answers)?;
    Ok(answers.into_iter().map(|answer| answer.unwrap_or(Err(ReportError::LeaseLost))).collect())
}

fn facts(
    connection: &mut PgConnection,
    reports: &[Report],
) -> QueryResult<HashMap<Uuid, FactsRow>> {
    let ids: Vec<Uuid> = reports.iter().map(|report| id_column(report.lease.task)).collect();
    let rows: Vec<FactsRow> = sql("SELECT id, number, kind FROM tasks WHERE id = ANY (?)")
        .bind::<Array<SqlUuid>, _>(ids)
        .load(connection)?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// What a report does to its task, if the claim still holds.
fn judge<'a>(report: &'a Report, facts: &FactsRow) -> QueryResult<Result<Move<'a>, ReportError>> {
    let attempt = report.lease.attempt.get();
    let kind = encode::kind(facts.kind)?;
    let end = |transition, outcome: &'a Outcome| {
        End::of(facts.number, kind, Some(attempt), transition, Cow::Borrowed(outcome))
    };
    let release = |counts, usage: &'a Usage| Release {
        number: facts.number,
        attempt,
        counts,
        reported: true,
        delay: 0,
        message: encode::GIVEN_BACK,
        usage: Cow::Borrowed(usage),
    };
    Ok(match &report.conclusion {
        Conclusion::Complete(outcome) => match outcome.check(kind) {
            Ok(()) => Ok(Move { release: None, end: Some(end(Transition::Complete, outcome)) }),
            Err(invalid) => Err(invalid.into()),
        },
        Conclusion::Fail { outcome, retry } => {
            let release = retry.map(|delay| {
                let (delay, message) = (micros(delay), outcome.reason());
                Release { delay, message, ..release(true, &outcome.usage) }
            });
            Ok(Move { release, end: Some(end(Transition::Fail, outcome)) })
        }
        Conclusion::Release { usage } => {
            Ok(Move { release: Some(release(false, usage)), end: None })
        }
    })
}

/// Accepts once more, of the reports without an answer, those that were
/// accepted before.
fn repeat(
    connection: &mut PgConnection,
    reports: &[Report],
    answers: &mut [Option<Reported>],
) -> QueryResult<()> {
    let open: Vec<(&Report, &mut Option<Reported>)> =
        reports.iter().zip(answers).filter(|(_, answer)| answer.is_none()).collect();
    if open.is_empty() {
        return Ok(());
    }
    let tasks: Vec<TaskId> = open.iter().map(|(report, _)| report.lease.task).collect();
    let now: HashMap<Uuid, SettledRow> =
        settled(connection, &tasks)?.into_iter().map(|row| (row.id, row)).collect();
    for (report, answer) in open {
        let led_to = now.get(&id_column(report.lease.task)).and_then(|now| now.led_to(report));
        *answer = led_to.map(Ok);
    }
    Ok(())
}

row! {
    /// Where a task is, for whoever reported on it in vain.
    SettledRow {
        id: SqlUuid => Uuid,
        status: SmallInt => i16,
        attempt: Integer => i32,
        reported: Bool => bool,
        finished_at: Nullable<Timestamptz> => Option<DateTime<Utc>>,
    }
}

impl SettledRow {
    /// Where the task is, when this report has put it there.
    fn led_to(&self, report: &Report) -> Option<TaskStatus> {
        let results: &[Transition] = match &report.conclusion {
            Conclusion::Complete(_) => &[Transition::Complete],
            Conclusion::Fail { retry: None, .. } => &[Transition::Fail],
            // Failed, when no attempt was left.
            Conclusion::Fail { retry: Some(_), .. } => {
                &[Transition::Release, Transition::Park, Transition::Fail]
            }
            Conclusion::Release { .. } => &[Transition::Release, Transition::Park],
        };
        let mut statuses = results.iter().map(|transition| transition.target());
        (self.reported && self.attempt == report.lease.attempt.get())
            .then(|| statuses.find(|status| status_code(*status) == self.status))
            .flatten()
    }
}

/// Where some tasks are.
pub(super) fn settled(
    connection: &mut PgConnection,
    tasks: &[TaskId],
) -> QueryResult<Vec<SettledRow>> {
    sql("SELECT t.id, coalesce(l.status, f.status), coalesce(l.attempt, f.attempt),
            coalesce(l.reported, f.reported), f.finished_at
         FROM tasks t
         LEFT JOIN live_tasks l ON l.task_number = t.number
         LEFT JOIN finished_tasks f ON f.task_number = t.number
         WHERE t.id = ANY (?)")
    .bind::<Array<SqlUuid>, _>(tasks.iter().copied().map(id_column).collect::<Vec<_>>())
    .load(connection)
}
