//! What the attempts at a live task consumed.
//!
//! Each attempt's end adds its own: to the row of `live_tasks`, or, when the task
//! ends with it, to what `finished_tasks` keeps.

use crate::encode::{UsageColumns, models_column};
use diesel::QueryResult;
use taskgate_domain::usage::Usage;

/// What `live_tasks l` has with what the end `v` of an attempt adds; no sum goes
/// past the largest amount that the domain knows.
macro_rules! consumed {
    () => {
        "l.prompt_tokens + least(v.prompt_tokens, 1000000000000 - l.prompt_tokens) AS prompt_tokens,
        l.completion_tokens + least(v.completion_tokens, 1000000000000 - l.completion_tokens)
            AS completion_tokens,
        l.total_tokens + least(v.total_tokens, 1000000000000 - l.total_tokens) AS total_tokens,
        l.cost_nanos + least(v.cost_nanos, 9223372036854775807 - l.cost_nanos) AS cost_nanos,
        CASE WHEN l.models IS NULL THEN v.models::json WHEN v.models IS NULL THEN l.models
            ELSE (l.models::jsonb || v.models::jsonb)::json END AS models"
    };
}
pub(super) use consumed;

/// Sets a row `l` of `live_tasks` to what is [`consumed`] with `v`.
macro_rules! consume {
    () => {
        concat!(
            "(prompt_tokens, completion_tokens, total_tokens, cost_nanos, models) = (SELECT ",
            $crate::postgres::consumed::consumed!(),
            ")"
        )
    };
}
pub(super) use consume;

/// The amounts of usages, each a column: tokens that were sent, written and all
/// together, and nano-dollars.
pub(super) fn amounts<'u>(usages: impl Iterator<Item = &'u Usage>) -> Vec<Vec<i64>> {
    let mut columns = vec![Vec::new(); 4];
    for usage in usages {
        for (column, amount) in columns.iter_mut().zip(UsageColumns::from(usage).amounts()) {
            column.push(amount);
        }
    }
    columns
}

/// The shares of models in usages, a column.
pub(super) fn models<'u>(
    usages: impl Iterator<Item = &'u Usage>,
) -> QueryResult<Vec<Option<String>>> {
    usages.map(|usage| models_column(usage.models())).collect()
}
