//! SQL text that the database parses once per connection.

use diesel::{
    QueryResult, RunQueryDsl,
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
};

/// A query whose prepared statement is kept.
///
/// Diesel prepares `sql_query`, `UPDATE` and `INSERT` anew at each call, since
/// it cannot tell whether their text varies without end. The texts of this
/// crate are few: the statement is found again by its text.
pub(crate) struct Cached<Q>(pub(crate) Q);

impl<Q: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for Cached<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> QueryId for Cached<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Cached<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C> RunQueryDsl<C> for Cached<Q> {}

#[cfg(test)]
mod tests {
    use super::Cached;
    use diesel::{
        Connection, RunQueryDsl, SqliteConnection, connection::InstrumentationEvent, sql_query,
        sql_types::BigInt,
    };
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    #[test]
    fn a_statement_is_prepared_once() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let prepared = Arc::new(AtomicUsize::new(0));
        let seen = prepared.clone();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::CacheQuery { .. } = event {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        });
        for value in 0..3 {
            let query = sql_query("SELECT ?1").bind::<BigInt, _>(value);
            Cached(query).execute(&mut connection).unwrap();
        }
        assert_eq!(prepared.load(Ordering::Relaxed), 1);
    }
}
