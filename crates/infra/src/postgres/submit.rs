//! Storing tasks.

use super::{
    read::{self, forgotten},
    row::row,
    sessions::{self, LabelColumns},
};
use crate::{
    encode::{self, SESSIONS, WorkColumns},
    error::unreadable,
    statement::sql,
};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    result::{DatabaseErrorKind, Error as QueryError},
    sql_types::{
        BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
    },
};
use taskgate_domain::{
    event::NewEvent,
    id::{TaskId, TenantId, UserId},
    query::TaskKey,
    session::SessionTitle,
    task::{
        Live, Owner, Progress, Task, TaskState,
        status::{LiveStatus, TaskStatus},
        submit::{NewTask, Submission, SubmissionKind},
        work::Work,
    },
};
use uuid::Uuid;

/// Everything in one statement, so that a submit is one round trip and one
/// commit. It yields no row, and changes nothing, when an earlier task stands
/// for the request; it fails on a unique index when a concurrent one got there
/// first.
///
/// `known` finds the group; `fresh` is empty when the unique key is taken,
/// `accepted` when the request was answered before: of concurrent requests
/// with one key the later wait in `keyed` for the first to commit.
const SUBMIT: &str = concat!(
    "WITH asked AS MATERIALIZED (
        SELECT ? AS id, ? AS owner_id, ? AS group_id, ? AS label_id, ? AS label,
            ? AS key, ? AS kind, ? AS status, ? AS priority, ? AS total, ? AS max_attempts,
            ? AS size, ? AS run_after, ?::bigint * interval '1 microsecond' AS timeout, ? AS unique_key
    ), known AS MATERIALIZED (
        SELECT a.*, coalesce(
            a.group_id,
            (SELECT CASE WHEN s.user_id = a.owner_id THEN s.id END FROM sessions s
                WHERE s.id = a.label_id AND s.deleted_at IS NULL),
            (SELECT s.id FROM sessions s
                WHERE s.user_id = a.owner_id AND s.external_id = a.label AND s.deleted_at IS NULL)
        ) AS known_group FROM asked a
    ), fresh AS MATERIALIZED (
        SELECT * FROM known k WHERE NOT EXISTS (
            SELECT FROM live_tasks l
            WHERE l.group_id = k.known_group AND l.unique_key = k.unique_key
        )
    ), keyed AS (
        INSERT INTO idempotency_keys AS i (key, task_id, accepted)
        SELECT key, id, true FROM fresh WHERE key IS NOT NULL
        ON CONFLICT (key) DO UPDATE
            SET task_id = excluded.task_id, accepted = true, created_at = now()
            WHERE i.created_at <= ",
    forgotten!(),
    " RETURNING key
    ), accepted AS MATERIALIZED (
        SELECT * FROM fresh WHERE key IS NULL OR EXISTS (SELECT FROM keyed)
    ), made AS (
        INSERT INTO sessions (id, user_id, external_id, title, first_mode, research)
        SELECT CASE WHEN free THEN label_id ELSE gen_random_uuid() END, owner_id,
            CASE WHEN free THEN NULL ELSE label END, ?, ?, ?
        FROM accepted CROSS JOIN LATERAL (
            SELECT label_id IS NOT NULL
                AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = label_id)
                AND NOT EXISTS (SELECT FROM users u WHERE u.id = label_id)
                AND NOT EXISTS (SELECT FROM tenants t WHERE t.id = label_id) AS free
        ) label_id_is
        WHERE known_group IS NULL
        RETURNING id, user_id
    ), placed AS MATERIALIZED (
        SELECT a.*, greatest(now(), run_after) + timeout AS deadline,
            coalesce(known_group, (SELECT m.id FROM made m)) AS final_group
        FROM accepted a
    ), task AS (
        INSERT INTO tasks (id, owner_id, group_id, kind, deadline,
            project_id, mode, session, query, payload)
        SELECT id, owner_id, final_group, kind, deadline, ?, ?, ?, ?, ?::json
        FROM placed
        RETURNING number, created_at, deadline
    ), live AS (
        INSERT INTO live_tasks (task_number, owner_id, group_id, kind, status, ready, priority,
            max_attempts, size, run_after, deadline, total, last_seq, unique_key)
        SELECT t.number, p.owner_id, p.final_group, p.kind, p.status,
            coalesce(p.run_after <= now(), true), p.priority, p.max_attempts, p.size,
            CASE WHEN p.run_after > now() THEN p.run_after END, p.deadline, p.total, 1,
            p.unique_key
        FROM task t CROSS JOIN placed p
    ), event AS (
        INSERT INTO task_events (task_number, seq, type) SELECT number, 1, ? FROM task
    ), counted AS (
        INSERT INTO task_count_deltas (scope, status, tasks)
        SELECT scope, status, 1 FROM placed
        CROSS JOIN LATERAL (VALUES (owner_id), (final_group)) AS scopes (scope)
        UNION ALL
        SELECT user_id, ?, 1 FROM made
    )
    SELECT number, created_at, deadline FROM task"
);

/// How often to look again when others keep getting there first. Each round
/// one of them has succeeded, so the second look nearly always decides.
const ROUNDS: u8 = 10;

row! {
    StoredRow {
        number: BigInt => i64,
        created_at: Timestamptz => DateTime<Utc>,
        deadline: Nullable<Timestamptz> => Option<DateTime<Utc>>,
    }
}

/// Stores a task, or finds the one that stands for the request.
pub(super) fn submit(connection: &mut PgConnection, new: &NewTask) -> QueryResult<Submission> {
    for _ in 0..ROUNDS {
        match store(connection, new) {
            Ok(Some(row)) => {
                return Ok(Submission { task: stored(new, &row)?, kind: SubmissionKind::Created });
            }
            Ok(None) | Err(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {}
            Err(error) => return Err(error),
        }
        if let Some(earlier) = earlier(connection, new)? {
            return Ok(earlier);
        }
    }
    Err(unreadable("a submit met a conflict that does not last and does not end"))
}

/// Runs [`SUBMIT`].
fn store(connection: &mut PgConnection, new: &NewTask) -> QueryResult<Option<StoredRow>> {
    let place = Place::of(new);
    let work = WorkColumns::from(&new.work);
    let options = &new.options;
    sql(SUBMIT)
        .bind::<SqlUuid, _>(encode::id_column(new.id))
        .bind::<SqlUuid, _>(place.owner)
        .bind::<Nullable<SqlUuid>, _>(place.group)
        .bind::<Nullable<SqlUuid>, _>(place.session.as_ref().and_then(|session| session.id))
        .bind::<Nullable<Text>, _>(place.session.as_ref().map(|session| session.name.as_ref()))
        .bind::<Nullable<Binary>, _>(new.idempotency.as_ref().map(|key| key.as_bytes().as_slice()))
        .bind::<SmallInt, _>(work.kind)
        .bind::<SmallInt, _>(encode::status_code(TaskStatus::Queued))
        .bind::<SmallInt, _>(options.priority())
        .bind::<BigInt, _>(options.total())
        .bind::<Integer, _>(options.max_attempts())
        .bind::<Integer, _>(work.size())
        .bind::<Nullable<Timestamptz>, _>(options.run_after())
        .bind::<Nullable<BigInt>, _>(options.timeout().and_then(|time| time.num_microseconds()))
        .bind::<Nullable<Text>, _>(options.unique_key())
        .bind::<Nullable<Text>, _>(place.title.as_ref().map(SessionTitle::as_str))
        .bind::<Nullable<SmallInt>, _>(work.mode)
        .bind::<Bool, _>(place.research)
        .bind::<Nullable<BigInt>, _>(work.project)
        .bind::<Nullable<SmallInt>, _>(work.mode)
        .bind::<Nullable<Text>, _>(work.session)
        .bind::<Nullable<Text>, _>(work.query)
        .bind::<Text, _>(work.body)
        .bind::<Text, _>(NewEvent::SUBMITTED.event_type().as_str())
        .bind::<SmallInt, _>(SESSIONS)
        .get_result(connection)
        .optional()
}

/// The task as it was just stored.
fn stored(new: &NewTask, row: &StoredRow) -> QueryResult<Task> {
    Ok(Task {
        number: encode::number(row.number)?,
        id: new.id,
        owner: new.owner,
        work: new.work.clone(),
        created_at: row.created_at,
        deadline: row.deadline,
        state: TaskState::Live(Live {
            status: LiveStatus::Queued,
            progress: Progress::new(0, new.options.total()).map_err(unreadable)?,
            attempt: None,
            started_at: None,
            updated_at: row.created_at,
            pause: None,
        }),
    })
}

/// The task that was there before this request, if there is one.
fn earlier(connection: &mut PgConnection, new: &NewTask) -> QueryResult<Option<Submission>> {
    if let Some(key) = &new.idempotency
        && let Some(answered) = read::answered(connection, key)?
    {
        let id = TaskId::from_bits(answered.task_id.as_u128());
        let task = read::find(connection, TaskKey::Id(id))?;
        return Ok(task.map(|task| Submission { task, kind: SubmissionKind::Replayed }));
    }
    let Some(unique_key) = new.options.unique_key() else { return Ok(None) };
    let Some(group) = group_of(connection, new)? else { return Ok(None) };
    let task = read::find_unique(connection, group, unique_key)?;
    Ok(task.map(|task| Submission { task, kind: SubmissionKind::Duplicate }))
}

fn group_of(connection: &mut PgConnection, new: &NewTask) -> QueryResult<Option<Uuid>> {
    let place = Place::of(new);
    match (place.group, &place.session) {
        (None, Some(session)) => sessions::find(connection, UserId(place.owner), session),
        (group, _) => Ok(group),
    }
}

/// Where a new task belongs, as far as its request tells.
struct Place<'a> {
    owner: Uuid,
    /// Known beforehand for a project.
    group: Option<Uuid>,
    session: Option<LabelColumns<'a>>,
    /// Of a session that this task is the first of.
    title: Option<SessionTitle>,
    research: bool,
}

impl<'a> Place<'a> {
    fn of(new: &'a NewTask) -> Self {
        let owner = match new.owner {
            Owner::User(user) => user.0,
            Owner::Tenant(tenant) => tenant.0,
        };
        match &new.work {
            Work::Agent(work) => Self {
                owner,
                group: None,
                session: Some(LabelColumns::from(work.session())),
                title: SessionTitle::of_query(work.query()),
                research: work.forces_research(),
            },
            Work::Research(work) => Self {
                owner,
                group: Some(encode::project_group(TenantId(owner), work.project)),
                session: None,
                title: None,
                research: false,
            },
        }
    }
}
