//! SQL text that the database parses once per connection.

use diesel::{
    QueryResult, RunQueryDsl,
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{HasSqlType, Untyped},
};
use std::{borrow::Cow, marker::PhantomData, str::Split};

/// A statement in SQL, each `?` of which stands for the next bound value. Its
/// rows are read by name.
///
/// Diesel prepares `sql_query` anew at each call, since its texts might vary
/// without end. Those of this crate are few, so a prepared statement is kept
/// and found again by its text.
pub(crate) fn sql<'a>(text: impl Into<Cow<'a, str>>) -> Sql<'a, ()> {
    Sql { text: text.into(), binds: () }
}

/// See [`sql`].
pub(crate) struct Sql<'a, B> {
    text: Cow<'a, str>,
    binds: B,
}

/// A bound value and those before it.
pub(crate) struct Bind<B, ST, V> {
    before: B,
    value: V,
    sql_type: PhantomData<ST>,
}

impl<'a, B> Sql<'a, B> {
    /// Puts `value`, of the SQL type `ST`, in the place of the next `?`.
    pub(crate) fn bind<ST, V>(self, value: V) -> Sql<'a, Bind<B, ST, V>> {
        let binds = Bind { before: self.binds, value, sql_type: PhantomData };
        Sql { text: self.text, binds }
    }

    /// Puts each of `values` in the place of one `?`.
    pub(crate) fn bind_all<ST, V>(self, values: Vec<V>) -> Sql<'a, BindAll<B, ST, V>> {
        let binds = BindAll { before: self.binds, values, sql_type: PhantomData };
        Sql { text: self.text, binds }
    }
}

/// Several bound values of one type and those before them.
pub(crate) struct BindAll<B, ST, V> {
    before: B,
    values: Vec<V>,
    sql_type: PhantomData<ST>,
}

/// Values that go between the pieces of a text.
pub(crate) trait Binds<DB: Backend> {
    fn walk<'b>(
        &'b self,
        text: &mut Split<'b, char>,
        out: &mut AstPass<'_, 'b, DB>,
    ) -> QueryResult<()>;
}

impl<DB: Backend> Binds<DB> for () {
    fn walk<'b>(&'b self, _: &mut Split<'b, char>, _: &mut AstPass<'_, 'b, DB>) -> QueryResult<()> {
        Ok(())
    }
}

impl<DB, B, ST, V> Binds<DB> for Bind<B, ST, V>
where
    DB: Backend + HasSqlType<ST>,
    B: Binds<DB>,
    V: ToSql<ST, DB>,
{
    fn walk<'b>(
        &'b self,
        text: &mut Split<'b, char>,
        out: &mut AstPass<'_, 'b, DB>,
    ) -> QueryResult<()> {
        self.before.walk(text, out)?;
        out.push_sql(text.next().unwrap_or_default());
        out.push_bind_param::<ST, V>(&self.value)
    }
}

impl<DB, B, ST, V> Binds<DB> for BindAll<B, ST, V>
where
    DB: Backend + HasSqlType<ST>,
    B: Binds<DB>,
    V: ToSql<ST, DB>,
{
    fn walk<'b>(
        &'b self,
        text: &mut Split<'b, char>,
        out: &mut AstPass<'_, 'b, DB>,
    ) -> QueryResult<()> {
        self.before.walk(text, out)?;
        self.values.iter().try_for_each(|value| {
            out.push_sql(text.next().unwrap_or_default());
            out.push_bind_param::<ST, V>(value)
        })
    }
}

impl<DB: Backend, B: Binds<DB>> QueryFragment<DB> for Sql<'_, B> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let mut text = self.text.split('?');
        self.binds.walk(&mut text, &mut out)?;
        text.for_each(|rest| out.push_sql(rest));
        Ok(())
    }
}

impl<B> QueryId for Sql<'_, B> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<B> Query for Sql<'_, B> {
    type SqlType = Untyped;
}

impl<B, C> RunQueryDsl<C> for Sql<'_, B> {}

#[cfg(test)]
mod tests {
    use super::sql;
    use diesel::{
        Connection, QueryableByName, RunQueryDsl, SqliteConnection,
        connection::InstrumentationEvent,
        sql_types::{BigInt, Text},
    };
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        number: i64,
        #[diesel(sql_type = Text)]
        text: String,
    }

    #[test]
    fn values_stand_in_their_places() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let query = sql("SELECT ? + 1 AS number, ? AS text").bind::<BigInt, _>(1);
        let row: Row = query.bind::<Text, _>("a?b").get_result(&mut connection).unwrap();
        assert_eq!((row.number, row.text.as_str()), (2, "a?b"));
    }

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
            sql("SELECT ?").bind::<BigInt, _>(value).execute(&mut connection).unwrap();
        }
        assert_eq!(prepared.load(Ordering::Relaxed), 1);
    }
}
