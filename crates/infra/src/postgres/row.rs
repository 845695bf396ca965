//! Rows, read by position: a page reads hundreds of values, and looking each
//! column up by its name takes as long as the database takes for the page.

use crate::encode::{
    Asked, FinishedColumns, LiveColumns, NoteColumns, SummaryColumns, UsageColumns, status_code,
};
use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    deserialize::{self, FromSql, QueryableByName},
    pg::Pg,
    row::NamedRow,
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use taskgate_domain::task::{Task, TaskState, status::TaskStatus};
use uuid::Uuid;

/// The values of a row, from the first to the last.
pub(super) struct Values<'r, R> {
    row: &'r R,
    next: usize,
}

impl<'r, 'a, R: NamedRow<'a, Pg>> Values<'r, R> {
    pub(super) const fn of(row: &'r R) -> Self {
        Self { row, next: 0 }
    }

    /// The next value, of the SQL type `ST`.
    pub(super) fn next<ST, T: FromSql<ST, Pg>>(&mut self) -> deserialize::Result<T> {
        let at = self.next;
        self.next += 1;
        self.row.get_value::<ST, T, _>(at)
    }
}

/// Names the columns of a statement in their order and makes a struct of them.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$about:meta])* $field:ident: $sql:ty => $type:ty,)*
    }) => {
        $(#[$doc])*
        pub(super) struct $name { $($(#[$about])* pub(super) $field: $type,)* }

        impl diesel::deserialize::QueryableByName<diesel::pg::Pg> for $name {
            fn build<'a>(
                row: &impl diesel::row::NamedRow<'a, diesel::pg::Pg>,
            ) -> diesel::deserialize::Result<Self> {
                let mut values = $crate::postgres::row::Values::of(row);
                Ok(Self { $($field: values.next::<$sql, $type>()?,)* })
            }
        }
    };
}
pub(super) use row;

/// What was asked, for [`asked`].
macro_rules! asked_columns {
    () => {
        "t.number, t.id, t.owner_id, t.kind, t.project_id, t.mode, t.session, t.created_at, \
         t.deadline, t.query, t.payload::text"
    };
}
pub(super) use asked_columns;

/// Reads [`asked_columns`].
pub(super) fn asked<'a, R: NamedRow<'a, Pg>>(
    values: &mut Values<'_, R>,
) -> deserialize::Result<Asked> {
    Ok(Asked {
        number: values.next::<BigInt, _>()?,
        id: values.next::<SqlUuid, _>()?,
        owner: values.next::<SqlUuid, _>()?,
        kind: values.next::<SmallInt, _>()?,
        project: values.next::<Nullable<BigInt>, _>()?,
        mode: values.next::<Nullable<SmallInt>, _>()?,
        session: values.next::<Nullable<Text>, _>()?,
        created_at: values.next::<Timestamptz, _>()?,
        deadline: values.next::<Nullable<Timestamptz>, _>()?,
        query: values.next::<Nullable<Text>, _>()?,
        body: values.next::<Text, _>()?,
    })
}

/// How far a task has come, for [`StateColumns`], from `live_tasks l` and
/// `finished_tasks f`.
macro_rules! state_columns {
    () => {
        "coalesce(l.status, f.status), coalesce(l.progress, f.progress), \
         coalesce(l.total, f.total), coalesce(l.attempt, f.attempt), \
         coalesce(l.started_at, f.started_at), coalesce(l.paused_by, f.cancelled_by), \
         coalesce(l.pause_reason, f.cancel_reason), l.paused_at, l.updated_at, \
         f.finished_at, f.prompt_tokens, f.completion_tokens, f.total_tokens, \
         f.cost_nanos, f.models::text, f.model, f.provider, f.error, f.result, \
         f.response::text, f.metadata::text"
    };
}
pub(super) use state_columns;

/// Joins the two tables of [`state_columns`] to `tasks t`.
macro_rules! join_state {
    () => {
        " LEFT JOIN live_tasks l ON l.task_number = t.number \
          LEFT JOIN finished_tasks f ON f.task_number = t.number "
    };
}
pub(super) use join_state;

/// A whole task: [`asked_columns`] and [`state_columns`].
pub(super) struct TaskRow {
    asked: Asked,
    state: StateColumns,
}

/// How far a task has come.
pub(super) enum StateColumns {
    Live(LiveColumns),
    Finished(Box<FinishedColumns>),
}

impl TaskRow {
    pub(super) fn task(self) -> QueryResult<Task> {
        self.asked.task(self.state.state()?)
    }
}

impl QueryableByName<Pg> for TaskRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        let asked = asked(&mut values)?;
        Ok(Self { asked, state: StateColumns::read(&mut values)? })
    }
}

impl StateColumns {
    pub(super) fn state(self) -> QueryResult<TaskState> {
        match self {
            Self::Live(live) => live.state(),
            Self::Finished(finished) => finished.state(),
        }
    }

    /// Reads [`state_columns`].
    pub(super) fn read<'a, R: NamedRow<'a, Pg>>(
        values: &mut Values<'_, R>,
    ) -> deserialize::Result<Self> {
        let status = values.next::<SmallInt, _>()?;
        let progress = values.next::<BigInt, _>()?;
        let total = values.next::<BigInt, _>()?;
        let attempt = values.next::<Integer, _>()?;
        let started_at = values.next::<Nullable<Timestamptz>, _>()?;
        let by = values.next::<Nullable<SqlUuid>, Option<Uuid>>()?;
        let reason = values.next::<Nullable<Text>, _>()?;
        let note = |at| by.map(|by| NoteColumns { at, by, reason });
        let paused_at = values.next::<Nullable<Timestamptz>, Option<DateTime<Utc>>>()?;
        if let Some(updated_at) = values.next::<Nullable<Timestamptz>, _>()? {
            let pause = paused_at.and_then(note);
            return Ok(Self::Live(LiveColumns {
                status,
                progress,
                total,
                attempt,
                started_at,
                updated_at,
                pause,
            }));
        }
        let finished_at = values.next::<Timestamptz, _>()?;
        Ok(Self::Finished(Box::new(FinishedColumns {
            status,
            progress,
            total,
            attempt,
            started_at,
            finished_at,
            usage: usage(values)?,
            models: values.next::<Nullable<Text>, _>()?,
            model: values.next::<Nullable<Text>, _>()?,
            provider: values.next::<Nullable<Text>, _>()?,
            error: values.next::<Nullable<Text>, _>()?,
            result: values.next::<Nullable<Text>, _>()?,
            response: values.next::<Nullable<Text>, _>()?,
            metadata: values.next::<Nullable<Text>, _>()?,
            cancel: note(finished_at),
        })))
    }
}

/// A line of a page beside the length of the whole list; an empty page is one
/// row without a line.
pub(super) struct LineRow {
    pub(super) total: i64,
    /// The task's number and, unless it has ended, where it is.
    pub(super) line: Option<(i64, Option<SummaryState>)>,
}

/// What changes of a live task's line.
pub(super) struct SummaryState {
    pub(super) status: i16,
    pub(super) progress: i64,
    pub(super) total: i64,
}

impl QueryableByName<Pg> for LineRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        let total = values.next::<BigInt, _>()?;
        let Some(number) = values.next::<Nullable<BigInt>, Option<i64>>()? else {
            return Ok(Self { total, line: None });
        };
        let live = match values.next::<Nullable<SmallInt>, _>()? {
            None => None,
            Some(status) => Some(SummaryState {
                status,
                progress: values.next::<BigInt, _>()?,
                total: values.next::<BigInt, _>()?,
            }),
        };
        Ok(Self { total, line: Some((number, live)) })
    }
}

/// What never changes of a line. As long as the task has not ended, its status
/// and progress here stand for nothing.
pub(super) struct SummaryRow(pub(super) SummaryColumns);

impl QueryableByName<Pg> for SummaryRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        let mut columns = SummaryColumns {
            number: values.next::<BigInt, _>()?,
            id: values.next::<SqlUuid, _>()?,
            kind: values.next::<SmallInt, _>()?,
            project: values.next::<Nullable<BigInt>, _>()?,
            mode: values.next::<Nullable<SmallInt>, _>()?,
            query: values.next::<Nullable<Text>, _>()?,
            created_at: values.next::<Timestamptz, _>()?,
            status: status_code(TaskStatus::Queued),
            progress: 0,
            total: 0,
            finished: None,
        };
        if let Some(status) = values.next::<Nullable<SmallInt>, _>()? {
            columns.status = status;
            columns.progress = values.next::<BigInt, _>()?;
            columns.total = values.next::<BigInt, _>()?;
            columns.finished = Some((values.next::<Timestamptz, _>()?, usage(&mut values)?));
        }
        Ok(Self(columns))
    }
}

pub(super) fn usage<'a, R: NamedRow<'a, Pg>>(
    values: &mut Values<'_, R>,
) -> deserialize::Result<UsageColumns> {
    Ok(UsageColumns {
        prompt_tokens: values.next::<BigInt, _>()?,
        completion_tokens: values.next::<BigInt, _>()?,
        total_tokens: values.next::<BigInt, _>()?,
        cost_nanos: values.next::<BigInt, _>()?,
    })
}
