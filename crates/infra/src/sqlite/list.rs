//! Pages of lists and their exact totals.
//!
//! A list is the union of a few ranges, each of an index that is in the order
//! of the list, so SQLite merges them and stops at the end of the page.

use super::columns::{At, Id};
use crate::{
    encode::{ListScope, SummaryColumns, UsageColumns, status_code},
    statement::sql,
};
use diesel::{
    Connection, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Nullable, SmallInt, Text},
};
use std::cmp::Reverse;
use taskgate_domain::{
    query::{TaskPage, TaskQuery},
    task::status::TaskStatus,
};
use uuid::Uuid;

/// SQLite unites at most 500 ranges in one `SELECT`.
const MAX_UNION: usize = 400;

/// Reads a page and its list's length in one snapshot.
pub(super) fn list(connection: &mut SqliteConnection, query: &TaskQuery) -> QueryResult<TaskPage> {
    let (column, scopes) = match ListScope::from(&query.scope) {
        ListScope::Owner(owner) => ("owner_id", vec![owner]),
        ListScope::Groups(groups) => ("group_id", groups),
    };
    let scopes: Vec<Id> = scopes.into_iter().map(|scope: Uuid| Id(scope)).collect();
    connection.transaction(|connection| {
        let total = total(connection, &scopes, &query.statuses)?;
        if query.page.offset() >= total {
            return Ok(TaskPage { tasks: Vec::new(), total });
        }
        let mut rows = page(connection, column, &scopes, query)?;
        rows.sort_unstable_by_key(|row| Reverse(row.number));
        let tasks = rows.into_iter().map(|row| SummaryColumns::from(row).summary());
        Ok(TaskPage { tasks: tasks.collect::<QueryResult<_>>()?, total })
    })
}

#[derive(QueryableByName)]
struct TotalRow {
    #[diesel(sql_type = BigInt)]
    total: i64,
}

fn total(
    connection: &mut SqliteConnection,
    scopes: &[Id],
    statuses: &[TaskStatus],
) -> QueryResult<i64> {
    let marks = vec!["?"; scopes.len()].join(", ");
    let wanted = if statuses.is_empty() { &TaskStatus::ALL[..] } else { statuses };
    let row: TotalRow = sql(format!(
        "SELECT coalesce(sum(n), 0) AS total FROM task_counts
         WHERE scope IN ({marks}) AND status IN ({})",
        codes(wanted),
    ))
    .bind_all::<Binary, _>(scopes.to_vec())
    .get_result(connection)?;
    Ok(row.total)
}

fn codes(statuses: &[TaskStatus]) -> String {
    let codes: Vec<_> = statuses.iter().map(|status| status_code(*status).to_string()).collect();
    codes.join(", ")
}

/// The ranges of one scope, each with one `?` for it.
fn ranges(column: &str, statuses: &[TaskStatus]) -> Vec<String> {
    if statuses.is_empty() {
        return vec![format!("SELECT number FROM tasks WHERE {column} = ?")];
    }
    let range = |status: &TaskStatus| {
        let table = if status.is_final() { "finished_tasks" } else { "live_tasks" };
        let code = status_code(*status);
        format!("SELECT number FROM {table} WHERE {column} = ? AND status = {code}")
    };
    statuses.iter().map(range).collect()
}

/// The numbers of all the ranges' tasks.
fn numbers(ranges: &[&str]) -> String {
    if ranges.len() <= MAX_UNION {
        return ranges.join(" UNION ALL ");
    }
    let parts: Vec<String> = ranges
        .chunks(MAX_UNION)
        .map(|part| format!("SELECT number FROM ({})", part.join(" UNION ALL ")))
        .collect();
    parts.join(" UNION ALL ")
}

/// The text of a page's query over `scopes` scopes.
pub(super) fn page_sql(column: &str, scopes: usize, statuses: &[TaskStatus]) -> String {
    let of_one = ranges(column, statuses);
    let all: Vec<&str> =
        of_one.iter().map(String::as_str).cycle().take(of_one.len() * scopes).collect();
    let numbers = numbers(&all);
    format!(
        "SELECT t.number, t.id, t.kind, t.project, t.mode, t.created_at, t.query,
                coalesce(l.status, f.status) AS status,
                coalesce(l.progress, f.progress) AS progress,
                coalesce(l.total, f.total) AS total,
                f.finished_at, f.prompt_tokens, f.completion_tokens, f.total_tokens, f.cost_nanos
         FROM ({numbers} ORDER BY number DESC LIMIT ? OFFSET ?) AS page
         CROSS JOIN tasks AS t ON t.number = page.number
         LEFT JOIN live_tasks AS l ON l.number = t.number
         LEFT JOIN finished_tasks AS f ON f.number = t.number"
    )
}

fn page(
    connection: &mut SqliteConnection,
    column: &str,
    scopes: &[Id],
    query: &TaskQuery,
) -> QueryResult<Vec<SummaryRow>> {
    let per_scope = query.statuses.len().max(1);
    let values = scopes.iter().flat_map(|scope| std::iter::repeat_n(*scope, per_scope));
    sql(page_sql(column, scopes.len(), &query.statuses))
        .bind_all::<Binary, _>(values.collect())
        .bind::<BigInt, _>(query.page.limit())
        .bind::<BigInt, _>(query.page.offset())
        .load(connection)
}

#[derive(QueryableByName)]
struct SummaryRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Binary)]
    id: Id,
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = Nullable<BigInt>)]
    project: Option<i64>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    mode: Option<i16>,
    #[diesel(sql_type = BigInt)]
    created_at: At,
    #[diesel(sql_type = Nullable<Text>)]
    query: Option<String>,
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = BigInt)]
    progress: i64,
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(embed)]
    finished: Option<EndRow>,
}

#[derive(QueryableByName)]
struct EndRow {
    #[diesel(sql_type = BigInt)]
    finished_at: At,
    #[diesel(sql_type = BigInt)]
    prompt_tokens: i64,
    #[diesel(sql_type = BigInt)]
    completion_tokens: i64,
    #[diesel(sql_type = BigInt)]
    total_tokens: i64,
    #[diesel(sql_type = BigInt)]
    cost_nanos: i64,
}

impl From<SummaryRow> for SummaryColumns {
    fn from(row: SummaryRow) -> Self {
        let finished = row.finished.map(|end| {
            let usage = UsageColumns {
                prompt_tokens: end.prompt_tokens,
                completion_tokens: end.completion_tokens,
                total_tokens: end.total_tokens,
                cost_nanos: end.cost_nanos,
            };
            (end.finished_at.into(), usage)
        });
        Self {
            number: row.number,
            id: row.id.0,
            kind: row.kind,
            project: row.project,
            mode: row.mode,
            query: row.query,
            status: row.status,
            progress: row.progress,
            total: row.total,
            created_at: row.created_at.into(),
            finished,
        }
    }
}
