//! Rows, read by position: a page reads hundreds of values, and looking each
//! column up by its name takes as long as the database takes for the page.

use crate::encode::{
    Asked, FinishedColumns, LiveColumns, SummaryColumns, UsageColumns, status_code,
};
use diesel::{
    deserialize::{self, FromSql, QueryableByName},
    pg::Pg,
    row::NamedRow,
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use taskgate_domain::task::{Task, TaskState, status::TaskStatus};

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
    ($(#[$doc:meta])* $name:ident { $($field:ident: $sql:ty => $type:ty,)* }) => {
        $(#[$doc])*
        pub(super) struct $name { $(pub(super) $field: $type,)* }

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

/// The columns of a [`TaskRow`], from `tasks t`, `live_tasks l` and
/// `finished_tasks f`.
macro_rules! task_columns {
    () => {
        concat!(
            $crate::postgres::row::asked_columns!(),
            ", coalesce(l.status, f.status), coalesce(l.progress, f.progress), \
               coalesce(l.total, f.total), coalesce(l.attempt, f.attempt), \
               coalesce(l.started_at, f.started_at), l.updated_at, \
               f.finished_at, f.prompt_tokens, f.completion_tokens, f.total_tokens, \
               f.cost_nanos, f.models::text, f.model, f.provider, f.error, f.result, \
               f.response::text, f.metadata::text"
        )
    };
}
pub(super) use task_columns;

/// A whole task.
pub(super) struct TaskRow {
    asked: Asked,
    state: StateColumns,
}

enum StateColumns {
    Live(LiveColumns),
    Finished(Box<FinishedColumns>),
}

impl TaskRow {
    pub(super) fn task(self) -> diesel::QueryResult<Task> {
        let state: TaskState = match self.state {
            StateColumns::Live(live) => live.state()?,
            StateColumns::Finished(finished) => finished.state()?,
        };
        self.asked.task(state)
    }
}

impl QueryableByName<Pg> for TaskRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        let asked = asked(&mut values)?;
        let status = values.next::<SmallInt, _>()?;
        let progress = values.next::<BigInt, _>()?;
        let total = values.next::<BigInt, _>()?;
        let attempt = values.next::<Integer, _>()?;
        let started_at = values.next::<Nullable<Timestamptz>, _>()?;
        if let Some(updated_at) = values.next::<Nullable<Timestamptz>, _>()? {
            let live = LiveColumns { status, progress, total, attempt, started_at, updated_at };
            return Ok(Self { asked, state: StateColumns::Live(live) });
        }
        let finished = FinishedColumns {
            status,
            progress,
            total,
            attempt,
            started_at,
            finished_at: values.next::<Timestamptz, _>()?,
            usage: usage(&mut values)?,
            models: values.next::<Nullable<Text>, _>()?,
            model: values.next::<Nullable<Text>, _>()?,
            provider: values.next::<Nullable<Text>, _>()?,
            error: values.next::<Nullable<Text>, _>()?,
            result: values.next::<Nullable<Text>, _>()?,
            response: values.next::<Nullable<Text>, _>()?,
            metadata: values.next::<Nullable<Text>, _>()?,
        };
        Ok(Self { asked, state: StateColumns::Finished(Box::new(finished)) })
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

fn usage<'a, R: NamedRow<'a, Pg>>(values: &mut Values<'_, R>) -> deserialize::Result<UsageColumns> {
    Ok(UsageColumns {
        prompt_tokens: values.next::<BigInt, _>()?,
        completion_tokens: values.next::<BigInt, _>()?,
        total_tokens: values.next::<BigInt, _>()?,
        cost_nanos: values.next::<BigInt, _>()?,
    })
}
