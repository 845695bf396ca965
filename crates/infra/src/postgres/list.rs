//! Reading pages.
//!
//! One statement tells the length of the list, the numbers of the page, and
//! what changes of its tasks; the rest never changes, so it is read once and
//! remembered.

use super::row::{LineRow, SummaryRow, SummaryState};
use crate::{
    cache::Summaries,
    encode::{self, ListScope, SESSIONS, status_code},
    error::unreadable,
    statement::sql,
};
use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, SmallInt, Uuid as SqlUuid},
};
use std::{cmp::Reverse, collections::HashMap, sync::Arc};
use taskgate_domain::{
    query::{TaskPage, TaskQuery},
    task::{TaskSummary, status::TaskStatus},
};

/// Reads a page and the length of its list, in one snapshot.
pub(super) fn list(
    connection: &mut PgConnection,
    summaries: &Summaries,
    query: &TaskQuery,
) -> QueryResult<TaskPage> {
    let scope = ListScope::from(&query.scope);
    let text = statement(&scope, &query.statuses);
    let scopes = match scope {
        ListScope::Owner(owner) => vec![owner],
        ListScope::Groups(groups) => groups,
    };
    let rows: Vec<LineRow> = sql(text)
        .bind::<Array<SqlUuid>, _>(scopes)
        .bind::<Array<SmallInt>, _>(codes(&query.statuses))
        .bind::<BigInt, _>(query.page.limit())
        .bind::<BigInt, _>(query.page.offset())
        .load(connection)?;
    let total = rows.first().map_or(0, |row| row.total);
    let mut lines: Vec<(i64, Option<SummaryState>)> =
        rows.into_iter().filter_map(|row| row.line).collect();
    // Cheaper here than one more step of the statement.
    lines.sort_unstable_by_key(|(number, _)| Reverse(*number));
    let known = known(connection, summaries, &lines)?;
    let tasks = lines.into_iter().map(|(number, live)| {
        let summary =
            known.get(&number).ok_or_else(|| unreadable("a listed task has no row"))?.as_ref();
        match live {
            None => Ok(summary.clone()),
            // It may have ended since the page was read.
            Some(live) => Ok(TaskSummary {
                status: encode::status(live.status)?,
                progress: encode::progress(live.progress, live.total)?,
                finished: None,
                ..summary.clone()
            }),
        }
    });
    Ok(TaskPage { tasks: tasks.collect::<QueryResult<_>>()?, total })
}

/// What never changes of these tasks, from memory or else from the tables. A
/// task that had ended when its page was read has its end in there.
fn known(
    connection: &mut PgConnection,
    summaries: &Summaries,
    lines: &[(i64, Option<SummaryState>)],
) -> QueryResult<HashMap<i64, Arc<TaskSummary>>> {
    let mut known = HashMap::with_capacity(lines.len());
    let mut unknown = Vec::new();
    for (number, live) in lines {
        match summaries.get(*number) {
            Some(summary) if live.is_some() || summary.finished.is_some() => {
                known.insert(*number, summary);
            }
            _ => unknown.push(*number),
        }
    }
    if unknown.is_empty() {
        return Ok(known);
    }
    let rows: Vec<SummaryRow> = sql("SELECT t.number, t.id, t.kind, t.project_id, t.mode, t.query,
            t.created_at, f.status, f.progress, f.total, f.finished_at, f.prompt_tokens,
            f.completion_tokens, f.total_tokens, f.cost_nanos
        FROM tasks t LEFT JOIN finished_tasks f ON f.task_number = t.number
        WHERE t.number = ANY (?)")
    .bind::<Array<BigInt>, _>(unknown)
    .load(connection)?;
    for SummaryRow(columns) in rows {
        let number = columns.number;
        let summary = Arc::new(columns.summary()?);
        summaries.insert(number, summary.clone());
        known.insert(number, summary);
    }
    Ok(known)
}

fn codes(statuses: &[TaskStatus]) -> Vec<i16> {
    statuses.iter().copied().map(status_code).collect()
}

/// The statement of a list, of which there are few kinds. Its values are the
/// scopes, the statuses, the limit and the offset: `given` puts them into this
/// order and is not run.
///
/// The length of the list is the sum of its counts. The numbers of the page
/// come from an index alone, so that what an offset skips is not read.
fn statement(scope: &ListScope, statuses: &[TaskStatus]) -> String {
    let column = match scope {
        ListScope::Owner(_) => "owner_id",
        ListScope::Groups(_) => "group_id",
    };
    let numbers = match (scope, statuses) {
        (ListScope::Groups(groups), _) if groups.len() != 1 => merged(column, statuses),
        (_, []) => single("tasks", "number", column, ""),
        (_, [status]) if status.is_final() => {
            single("finished_tasks", "task_number", column, "AND status = ($2)[1]")
        }
        (_, [_]) => single("live_tasks", "task_number", column, "AND status = ($2)[1]"),
        _ => merged(column, statuses),
    };
    let of_statuses = if statuses.is_empty() {
        format!("AND status <> {SESSIONS}")
    } else {
        "AND status = ANY ($2)".to_owned()
    };
    format!(
        "WITH given AS (SELECT ?, ?, ?, ?), counted AS MATERIALIZED (
            SELECT coalesce(sum(tasks), 0)::bigint AS total FROM (
                SELECT tasks FROM task_counts WHERE scope = ANY ($1) {of_statuses}
                UNION ALL
                SELECT tasks FROM task_count_deltas WHERE scope = ANY ($1) {of_statuses}
            ) parts
        )
        SELECT counted.total, page.* FROM counted LEFT JOIN (
            SELECT n.number, l.status, l.progress, l.total
            FROM ({numbers}) n LEFT JOIN live_tasks l ON l.task_number = n.number
        ) page ON true"
    )
}

/// The part of the numbers that makes the page. One beyond the end of the list
/// is empty without walking there.
const WINDOW: &str =
    "LIMIT CASE WHEN $4 < (SELECT total FROM counted) THEN $3 ELSE 0 END OFFSET $4";

/// The numbers of a page that one index holds in order.
fn single(table: &str, number: &str, column: &str, and: &str) -> String {
    format!(
        "SELECT {number} AS number FROM {table} WHERE {column} = ($1)[1] {and}
         ORDER BY {number} DESC NULLS LAST {WINDOW}"
    )
}

/// The numbers of a page that is merged from several groups or statuses, each
/// of which gives no more than the page may need.
fn merged(column: &str, statuses: &[TaskStatus]) -> String {
    let part = |table: &str, number: &str, and: &str| {
        format!(
            "(SELECT {number} AS number FROM {table} WHERE {column} = g.id {and}
              ORDER BY {number} DESC NULLS LAST LIMIT $3 + $4)"
        )
    };
    let parts = if statuses.is_empty() {
        format!("CROSS JOIN LATERAL {}", part("tasks", "number", ""))
    } else {
        format!(
            "CROSS JOIN unnest($2) AS s (status) CROSS JOIN LATERAL ({} UNION ALL {})",
            part("live_tasks", "task_number", "AND status = s.status"),
            part("finished_tasks", "task_number", "AND status = s.status"),
        )
    };
    format!(
        "SELECT number FROM (
            SELECT part.number FROM unnest($1) AS g (id) {parts} AS part
        ) parts ORDER BY number DESC {WINDOW}"
    )
}
