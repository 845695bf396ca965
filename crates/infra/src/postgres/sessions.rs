//! Users' sessions and their turns.

use super::row::{StateColumns, Values, join_state, row, state_columns};
use crate::{
    encode::{SESSIONS, SessionFacts, SumColumns, TurnColumns},
    statement::sql,
};
use diesel::{
    OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    deserialize::{self, QueryableByName},
    pg::Pg,
    row::NamedRow,
    sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use std::borrow::Cow;
use taskgate_domain::{
    id::UserId,
    query::{Page, TurnQuery},
    session::{Session, SessionPage, SessionTitle},
    task::{Turn, work::SessionLabel},
};
use uuid::Uuid;

/// A session's label, as columns.
pub(super) struct LabelColumns<'a> {
    /// The label as a session's own id, if it has the form of one.
    pub(super) id: Option<Uuid>,
    /// The label as the name of a session; one that has the form of an id has
    /// one spelling.
    pub(super) name: Cow<'a, str>,
}

impl<'a> From<&'a SessionLabel> for LabelColumns<'a> {
    fn from(label: &'a SessionLabel) -> Self {
        let id = label.as_id().map(|id| id.0);
        let name = id.map_or(label.as_str().into(), |id| id.hyphenated().to_string().into());
        Self { id, name }
    }
}

/// The session that a user means: by its id or else by its name. The user, the
/// id and the name are the first values of a statement.
macro_rules! meant {
    () => {
        "meant AS MATERIALIZED (
            SELECT coalesce(
                (SELECT CASE WHEN user_id = ? THEN id END FROM sessions
                    WHERE id = ? AND deleted_at IS NULL),
                (SELECT id FROM sessions
                    WHERE user_id = $1 AND external_id = ? AND deleted_at IS NULL)
            ) AS id
        )"
    };
}

/// Begins a statement about the session that a user means.
macro_rules! about {
    ($text:expr, $user:expr, $label:expr) => {
        sql($text)
            .bind::<SqlUuid, _>($user.0)
            .bind::<Nullable<SqlUuid>, _>($label.id)
            .bind::<Text, _>($label.name.as_ref())
    };
}

row! {
    IdRow {
        id: Nullable<SqlUuid> => Option<Uuid>,
    }
}

/// Finds a user's session.
pub(super) fn find(
    connection: &mut PgConnection,
    user: UserId,
    label: &LabelColumns<'_>,
) -> QueryResult<Option<Uuid>> {
    let row: IdRow = about!(concat!("WITH ", meant!(), " SELECT id FROM meant"), user, label)
        .get_result(connection)?;
    Ok(row.id)
}

/// What a session is, and what its tasks add up to: the latest of them is found
/// by an index, the sums are the counts.
macro_rules! select_sessions {
    ($from:literal) => {
        concat!(
            "SELECT s.id, s.user_id, s.external_id, s.title, s.first_mode, s.research,
                s.created_at, s.updated_at, latest.*, sums.*
             FROM ",
            $from,
            " LEFT JOIN LATERAL (
                SELECT left(t.query, 500), coalesce(l.status, f.status),
                    coalesce(l.updated_at, f.finished_at)
                FROM tasks t ",
            join_state!(),
            " WHERE t.group_id = s.id ORDER BY t.number DESC NULLS LAST LIMIT 1
            ) latest ON true
            CROSS JOIN LATERAL (
                SELECT array_agg(status), array_agg(tasks), array_agg(tokens), array_agg(cost)
                FROM (
                    SELECT status, sum(tasks)::bigint AS tasks, sum(tokens)::bigint AS tokens,
                        least(sum(cost_nanos), 9223372036854775807)::bigint AS cost
                    FROM (
                        SELECT status, tasks, tokens, cost_nanos
                        FROM task_counts WHERE scope = s.id
                        UNION ALL
                        SELECT status, tasks, tokens, cost_nanos
                        FROM task_count_deltas WHERE scope = s.id
                    ) parts GROUP BY status
                ) by_status
            ) sums"
        )
    };
}

struct SessionRow(SessionFacts, Vec<SumColumns>);

impl QueryableByName<Pg> for SessionRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        let id = values.next::<SqlUuid, _>()?;
        Self::read(id, &mut values)
    }
}

impl SessionRow {
    /// Reads what stands behind the id.
    fn read<'a, R: NamedRow<'a, Pg>>(
        id: Uuid,
        values: &mut Values<'_, R>,
    ) -> deserialize::Result<Self> {
        let mut facts = SessionFacts {
            id,
            user: values.next::<SqlUuid, _>()?,
            external_id: values.next::<Nullable<Text>, _>()?,
            title: values.next::<Nullable<Text>, _>()?,
            first_mode: values.next::<SmallInt, _>()?,
            research: values.next::<Bool, _>()?,
            created_at: values.next::<Timestamptz, _>()?,
            updated_at: values.next::<Timestamptz, _>()?,
            latest: None,
        };
        let query = values.next::<Nullable<Text>, Option<_>>()?;
        let status = values.next::<Nullable<SmallInt>, Option<_>>()?;
        let updated_at = values.next::<Nullable<Timestamptz>, Option<_>>()?;
        if let (Some(query), Some(status), Some(updated_at)) = (query, status, updated_at) {
            facts.latest = Some((query, status, updated_at));
        }
        let statuses = values.next::<Nullable<Array<SmallInt>>, Option<Vec<i16>>>()?;
        let mut numbers = || {
            let numbers = values.next::<Nullable<Array<BigInt>>, Option<Vec<i64>>>();
            numbers.map(Option::unwrap_or_default)
        };
        let (tasks, tokens, costs) = (numbers()?, numbers()?, numbers()?);
        let sums = statuses.unwrap_or_default().into_iter().zip(tasks).zip(tokens).zip(costs);
        let sum = |(((status, tasks), tokens), cost_nanos)| SumColumns {
            status,
            tasks,
            tokens,
            cost_nanos,
        };
        Ok(Self(facts, sums.map(sum).collect()))
    }

    fn session(self) -> QueryResult<Session> {
        self.0.session(&self.1)
    }
}

/// Reads a user's session.
pub(super) fn session(
    connection: &mut PgConnection,
    user: UserId,
    label: &LabelColumns<'_>,
) -> QueryResult<Option<Session>> {
    let text = concat!(
        "WITH ",
        meant!(),
        select_sessions!("(SELECT * FROM sessions WHERE id = (SELECT id FROM meant)) s")
    );
    let row: Option<SessionRow> = about!(text, user, label).get_result(connection).optional()?;
    row.map(SessionRow::session).transpose()
}

const PAGE: &str = concat!(
    "WITH counted AS MATERIALIZED (
        SELECT coalesce(sum(tasks), 0)::bigint AS total FROM (
            SELECT tasks FROM task_counts WHERE scope = ? AND status = ?
            UNION ALL
            SELECT tasks FROM task_count_deltas WHERE scope = $1 AND status = $2
        ) parts
    )
    SELECT counted.total, page.* FROM counted LEFT JOIN (",
    select_sessions!(
        "(SELECT * FROM sessions
            WHERE user_id = $1 AND deleted_at IS NULL AND created_at > '-infinity'
            ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?) s"
    ),
    " ORDER BY s.created_at DESC, s.id DESC) page ON true"
);

/// A session beside the number of all; an empty page is one row without one.
struct PageRow(i64, Option<SessionRow>);

impl QueryableByName<Pg> for PageRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        let total = values.next::<BigInt, _>()?;
        let id = values.next::<Nullable<SqlUuid>, Option<Uuid>>()?;
        let session = id.map(|id| SessionRow::read(id, &mut values)).transpose()?;
        Ok(Self(total, session))
    }
}

/// Reads a page of a user's sessions, and how many there are.
pub(super) fn list(
    connection: &mut PgConnection,
    user: UserId,
    page: Page,
) -> QueryResult<SessionPage> {
    let rows: Vec<PageRow> = sql(PAGE)
        .bind::<SqlUuid, _>(user.0)
        .bind::<SmallInt, _>(SESSIONS)
        .bind::<BigInt, _>(page.limit())
        .bind::<BigInt, _>(page.offset())
        .load(connection)?;
    let total = rows.first().map_or(0, |PageRow(total, _)| *total);
    let sessions = rows.into_iter().filter_map(|PageRow(_, session)| session);
    Ok(SessionPage {
        sessions: sessions.map(SessionRow::session).collect::<QueryResult<_>>()?,
        total,
    })
}

/// Gives a session another title; false when the user has no such session.
pub(super) fn rename(
    connection: &mut PgConnection,
    user: UserId,
    label: &LabelColumns<'_>,
    title: &SessionTitle,
) -> QueryResult<bool> {
    let text = concat!(
        "WITH ",
        meant!(),
        " UPDATE sessions SET title = ?, updated_at = greatest(now(), updated_at)
          WHERE id = (SELECT id FROM meant) AND deleted_at IS NULL"
    );
    let renamed = about!(text, user, label).bind::<Text, _>(title.as_str()).execute(connection)?;
    Ok(renamed > 0)
}

/// One that another call deletes at the same time is still `meant`.
const DELETE: &str = concat!(
    "WITH ",
    meant!(),
    ", deleted AS (
        UPDATE sessions SET deleted_at = now()
        WHERE id = (SELECT id FROM meant) AND deleted_at IS NULL
        RETURNING user_id
    ), counted AS (
        INSERT INTO task_count_deltas (scope, status, tasks) SELECT user_id, ?, -1 FROM deleted
    )
    SELECT (SELECT id FROM meant) IS NOT NULL
        OR EXISTS (SELECT FROM sessions WHERE user_id = $1 AND id = $2)
        OR EXISTS (SELECT FROM sessions
            WHERE user_id = $1 AND external_id = $3 AND deleted_at IS NOT NULL)"
);

row! {
    KnownRow {
        known: Bool => bool,
    }
}

/// Hides a session; false when the user never had such a session.
pub(super) fn delete(
    connection: &mut PgConnection,
    user: UserId,
    label: &LabelColumns<'_>,
) -> QueryResult<bool> {
    let row: KnownRow =
        about!(DELETE, user, label).bind::<SmallInt, _>(SESSIONS).get_result(connection)?;
    Ok(row.known)
}

/// The order is that of an index, read backwards, which NULLS FIRST says.
const TURNS: &str = concat!(
    "SELECT t.number, t.id, t.query, t.mode, t.created_at, ",
    state_columns!(),
    " FROM (
        SELECT number FROM tasks WHERE group_id = ? AND number > ?
        ORDER BY number NULLS FIRST LIMIT ? OFFSET ?
    ) n JOIN tasks t ON t.number = n.number ",
    join_state!(),
    " ORDER BY n.number NULLS FIRST"
);

struct TurnRow(TurnColumns, StateColumns);

impl QueryableByName<Pg> for TurnRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut values = Values::of(row);
        let asked = TurnColumns {
            number: values.next::<BigInt, _>()?,
            id: values.next::<SqlUuid, _>()?,
            query: values.next::<Text, _>()?,
            mode: values.next::<SmallInt, _>()?,
            created_at: values.next::<Timestamptz, _>()?,
        };
        Ok(Self(asked, StateColumns::read(&mut values)?))
    }
}

/// Reads turns of a session, the oldest first.
pub(super) fn turns(connection: &mut PgConnection, query: TurnQuery) -> QueryResult<Vec<Turn>> {
    let rows: Vec<TurnRow> = sql(TURNS)
        .bind::<SqlUuid, _>(query.session.0)
        .bind::<BigInt, _>(query.after)
        .bind::<BigInt, _>(i64::from(query.limit))
        .bind::<BigInt, _>(query.offset)
        .load(connection)?;
    rows.into_iter().map(|TurnRow(asked, state)| asked.turn(state.state()?)).collect()
}
