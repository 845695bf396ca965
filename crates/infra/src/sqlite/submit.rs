//! Storing new tasks.

use super::{
    QUEUED,
    columns::{At, Id},
    events, find, idempotency, sessions,
};
use crate::{
    encode::{self, WorkColumns},
    error::unreadable,
    statement::sql,
};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    result::Error::NotFound,
    sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text},
};
use taskgate_domain::{
    event::NewEvent,
    id::TaskNumber,
    query::TaskKey,
    task::{
        Live, Owner, Progress, Task, TaskState,
        status::LiveStatus,
        submit::{NewTask, Submission, SubmissionKind},
        work::Work,
    },
};
use uuid::Uuid;

#[derive(QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Stores a task, or finds the one that the request stands for.
pub(super) fn submit(connection: &mut SqliteConnection, new: &NewTask) -> QueryResult<Submission> {
    let now = At::now();
    if let Some(key) = &new.idempotency
        && let Some(earlier) = idempotency::find(connection, key, now)?
    {
        return earlier_task(connection, earlier.task, SubmissionKind::Replayed);
    }
    let (owner, group) = owner_and_group(connection, new, now)?;
    if let Some(key) = new.options.unique_key()
        && let Some(number) = live_with_unique_key(connection, group, key)?
    {
        return earlier_task(connection, number, SubmissionKind::Duplicate);
    }
    let deadline = new.options.timeout().map(|timeout| {
        let start = new.options.run_after().map_or(now, |at| now.max(at.into()));
        At(start.0.saturating_add(timeout.num_microseconds().unwrap_or(i64::MAX)))
    });
    let number = insert_asked(connection, new, owner, group, now, deadline)?;
    insert_live(connection, new, number, owner, group, now, deadline)?;
    events::write(connection, number, 1, now, &[NewEvent::SUBMITTED])?;
    if let Some(key) = &new.idempotency {
        idempotency::keep(connection, key, number, true, now)?;
    }
    let task = stored(new, number, now, deadline)?;
    Ok(Submission { task, kind: SubmissionKind::Created })
}

fn earlier_task(
    connection: &mut SqliteConnection,
    number: i64,
    kind: SubmissionKind,
) -> QueryResult<Submission> {
    let key = TaskKey::Number(encode::number(number)?);
    let task = find::find(connection, key)?.ok_or(NotFound)?;
    Ok(Submission { task, kind })
}

fn owner_and_group(
    connection: &mut SqliteConnection,
    new: &NewTask,
    now: At,
) -> QueryResult<(Uuid, Uuid)> {
    match (new.owner, &new.work) {
        (Owner::User(user), Work::Agent(work)) => {
            let session = sessions::find_or_create(connection, user, work, now)?;
            Ok((user.0, session.0))
        }
        (Owner::Tenant(tenant), Work::Research(work)) => {
            Ok((tenant.0, encode::project_group(tenant, work.project)))
        }
        _ => Err(unreadable("this owner has no tasks of this kind")),
    }
}

fn live_with_unique_key(
    connection: &mut SqliteConnection,
    group: Uuid,
    key: &str,
) -> QueryResult<Option<i64>> {
    let row: Option<NumberRow> =
        sql("SELECT number FROM live_tasks WHERE group_id = ? AND unique_key = ?")
            .bind::<Binary, _>(Id(group))
            .bind::<Text, _>(key)
            .get_result(connection)
            .optional()?;
    Ok(row.map(|row| row.number))
}

fn insert_asked(
    connection: &mut SqliteConnection,
    new: &NewTask,
    owner: Uuid,
    group: Uuid,
    now: At,
    deadline: Option<At>,
) -> QueryResult<i64> {
    let work = WorkColumns::from(&new.work);
    let row: NumberRow = sql("INSERT INTO tasks (id, owner_id, group_id, kind, project, mode,
             session, created_at, deadline, query, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number")
    .bind::<Binary, _>(Id(encode::id_column(new.id)))
    .bind::<Binary, _>(Id(owner))
    .bind::<Binary, _>(Id(group))
    .bind::<SmallInt, _>(work.kind)
    .bind::<Nullable<BigInt>, _>(work.project)
    .bind::<Nullable<SmallInt>, _>(work.mode)
    .bind::<Nullable<Text>, _>(work.session)
    .bind::<BigInt, _>(now)
    .bind::<Nullable<BigInt>, _>(deadline)
    .bind::<Nullable<Text>, _>(work.query)
    .bind::<Text, _>(work.body)
    .get_result(connection)?;
    Ok(row.number)
}

fn insert_live(
    connection: &mut SqliteConnection,
    new: &NewTask,
    number: i64,
    owner: Uuid,
    group: Uuid,
    now: At,
    deadline: Option<At>,
) -> QueryResult<()> {
    let options = &new.options;
    let run_after = options.run_after().map_or(now, At::from);
    sql("INSERT INTO live_tasks (number, owner_id, group_id, kind, status, ready, priority,
             run_after, deadline, attempt, max_attempts, size, reported, progress, total,
             last_seq, updated_at, unique_key)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, 0, 0, ?, 1, ?, ?)")
    .bind::<BigInt, _>(number)
    .bind::<Binary, _>(Id(owner))
    .bind::<Binary, _>(Id(group))
    .bind::<SmallInt, _>(encode::kind_code(new.work.kind()))
    .bind::<SmallInt, _>(QUEUED)
    .bind::<Bool, _>(run_after <= now)
    .bind::<SmallInt, _>(options.priority())
    .bind::<BigInt, _>(run_after)
    .bind::<Nullable<BigInt>, _>(deadline)
    .bind::<Integer, _>(options.max_attempts())
    .bind::<Integer, _>(WorkColumns::from(&new.work).size())
    .bind::<BigInt, _>(options.total())
    .bind::<BigInt, _>(now)
    .bind::<Nullable<Text>, _>(options.unique_key())
    .execute(connection)?;
    Ok(())
}

/// The task as [`find::find`] would read it now.
fn stored(new: &NewTask, number: i64, now: At, deadline: Option<At>) -> QueryResult<Task> {
    Ok(Task {
        number: TaskNumber::new(number).map_err(unreadable)?,
        id: new.id,
        owner: new.owner,
        work: new.work.clone(),
        created_at: now.into(),
        deadline: deadline.map(Into::into),
        state: TaskState::Live(Live {
            status: LiveStatus::Queued,
            progress: Progress::new(0, new.options.total()).map_err(unreadable)?,
            attempt: None,
            started_at: None,
            updated_at: now.into(),
            pause: None,
        }),
    })
}
