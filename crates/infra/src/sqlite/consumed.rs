//! What the attempts at a live task consumed.

use crate::{
    encode::{UsageColumns, models_column},
    statement::sql,
};
use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Nullable, Text},
};
use taskgate_domain::usage::Usage;

/// Columns of `live_tasks`.
#[derive(QueryableByName)]
pub(super) struct ConsumedRow {
    #[diesel(sql_type = BigInt)]
    prompt_tokens: i64,
    #[diesel(sql_type = BigInt)]
    completion_tokens: i64,
    #[diesel(sql_type = BigInt)]
    total_tokens: i64,
    #[diesel(sql_type = BigInt)]
    cost_nanos: i64,
    #[diesel(sql_type = Nullable<Text>)]
    models: Option<String>,
}

/// The columns of a [`ConsumedRow`].
pub(super) const CONSUMED: &str =
    "prompt_tokens, completion_tokens, total_tokens, cost_nanos, models";

impl ConsumedRow {
    pub(super) fn usage(self) -> QueryResult<Usage> {
        let columns = UsageColumns {
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            total_tokens: self.total_tokens,
            cost_nanos: self.cost_nanos,
        };
        columns.usage(self.models.as_deref())
    }
}

/// Adds what an attempt at a task consumed that does not end the task.
pub(super) fn add(
    connection: &mut SqliteConnection,
    number: i64,
    usage: &Usage,
) -> QueryResult<()> {
    if usage.is_zero() {
        return Ok(());
    }
    let before: ConsumedRow = sql(format!("SELECT {CONSUMED} FROM live_tasks WHERE number = ?"))
        .bind::<BigInt, _>(number)
        .get_result(connection)?;
    let sum = before.usage()?.plus(usage.clone());
    let columns = UsageColumns::from(&sum);
    sql(format!("UPDATE live_tasks SET ({CONSUMED}) = (?, ?, ?, ?, ?) WHERE number = ?"))
        .bind::<BigInt, _>(columns.prompt_tokens)
        .bind::<BigInt, _>(columns.completion_tokens)
        .bind::<BigInt, _>(columns.total_tokens)
        .bind::<BigInt, _>(columns.cost_nanos)
        .bind::<Nullable<Text>, _>(models_column(sum.models())?)
        .bind::<BigInt, _>(number)
        .execute(connection)?;
    Ok(())
}
