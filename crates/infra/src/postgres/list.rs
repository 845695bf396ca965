//! Reading pages.

use super::row::PageRow;
use crate::{
    encode::{ListScope, status_code},
    statement::sql,
};
use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, SmallInt, Uuid as SqlUuid},
};
use taskgate_domain::{
    query::{TaskPage, TaskQuery},
    task::status::TaskStatus,
};

/// Reads a page and the length of its list, in one snapshot.
pub(super) fn list(connection: &mut PgConnection, query: &TaskQuery) -> QueryResult<TaskPage> {
    let scope = ListScope::from(&query.scope);
    let text = statement(&scope, &query.statuses);
    let scopes = match scope {
        ListScope::Owner(owner) => vec![owner],
        ListScope::Groups(groups) => groups,
    };
    let statuses = match query.statuses.as_slice() {
        [] => TaskStatus::ALL.as_slice(),
        some => some,
    };
    let rows: Vec<PageRow> = sql(text)
        .bind::<Array<SqlUuid>, _>(scopes)
        .bind::<Array<SmallInt>, _>(codes(statuses))
        .bind::<BigInt, _>(query.page.limit())
        .bind::<BigInt, _>(query.page.offset())
        .load(connection)?;
    let total = rows.first().map_or(0, |row| row.total);
    let lines = rows.into_iter().filter_map(|row| row.line);
    let tasks = lines.map(|line| line.summary()).collect::<QueryResult<_>>()?;
    Ok(TaskPage { tasks, total })
}

fn codes(statuses: &[TaskStatus]) -> Vec<i16> {
    statuses.iter().copied().map(status_code).collect()
}

/// The statement of a list, of which there are few kinds. Its values are the
/// scopes, the statuses, the limit and the offset: `given` puts them into this
/// order and is not run.
///
/// The length of the list is the sum of its counts. The numbers of the page
/// come from an index alone, so that what an offset skips is not read, and only
/// then the rows.
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
    format!(
        "WITH given AS (SELECT ?, ?, ?, ?)
        SELECT counted.total, page.* FROM (
            SELECT coalesce(sum(tasks), 0)::bigint AS total FROM (
                SELECT tasks FROM task_counts
                WHERE scope = ANY ($1) AND status = ANY ($2)
                UNION ALL
                SELECT tasks FROM task_count_deltas
                WHERE scope = ANY ($1) AND status = ANY ($2)
            ) parts
        ) counted LEFT JOIN (
            SELECT t.number, t.id, t.kind, t.project_id, t.mode, t.query,
                coalesce(l.status, f.status), coalesce(l.progress, f.progress),
                coalesce(l.total, f.total), t.created_at, f.finished_at, f.prompt_tokens,
                f.completion_tokens, f.total_tokens, f.cost_nanos
            FROM ({numbers}) n
            JOIN tasks t ON t.number = n.number
            LEFT JOIN live_tasks l ON l.task_number = n.number
            LEFT JOIN finished_tasks f ON f.task_number = n.number
        ) page ON true ORDER BY page.number DESC"
    )
}

/// The numbers of a page that one index holds in order.
fn single(table: &str, number: &str, column: &str, and: &str) -> String {
    format!(
        "SELECT {number} AS number FROM {table} WHERE {column} = ($1)[1] {and}
         ORDER BY {number} DESC NULLS LAST LIMIT $3 OFFSET $4"
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
        ) parts ORDER BY number DESC LIMIT $3 OFFSET $4"
    )
}
