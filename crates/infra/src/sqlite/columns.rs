//! How SQLite keeps ids and times, and the clock it goes by.

use chrono::{DateTime, Utc};
use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{BigInt, Binary},
    sqlite::{Sqlite, SqliteValue},
};
use uuid::Uuid;

/// An id: the 16 bytes of a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromSqlRow)]
pub(super) struct Id(pub(super) Uuid);

/// A time: microseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, FromSqlRow)]
pub(super) struct At(pub(super) i64);

impl At {
    /// Now. SQLite is a library of this process and its own clock has only
    /// milliseconds, so the process's clock is the database's.
    pub(super) fn now() -> Self {
        Utc::now().into()
    }

    /// The time so much later.
    pub(super) fn after(self, time: std::time::Duration) -> Self {
        Self(self.0.saturating_add(micros(time)))
    }

    /// The time so much earlier.
    pub(super) fn before(self, time: std::time::Duration) -> Self {
        Self(self.0.saturating_sub(micros(time)))
    }
}

/// A length of time in microseconds.
pub(super) fn micros(time: std::time::Duration) -> i64 {
    // Half the range, so that a sum with any time stays within it.
    i64::try_from(time.as_micros()).map_or(i64::MAX / 2, |micros| micros.min(i64::MAX / 2))
}

impl From<DateTime<Utc>> for At {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl From<At> for DateTime<Utc> {
    fn from(at: At) -> Self {
        // Past either end of time lies only what saturated on the way in.
        Self::from_timestamp_micros(at.0).unwrap_or(Self::MAX_UTC)
    }
}

impl FromSql<Binary, Sqlite> for Id {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(Uuid::from_slice(value.read_blob())?))
    }
}

impl ToSql<Binary, Sqlite> for Id {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_bytes().as_slice());
        Ok(IsNull::No)
    }
}

impl FromSql<BigInt, Sqlite> for At {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(value.read_long()))
    }
}

impl ToSql<BigInt, Sqlite> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0);
        Ok(IsNull::No)
    }
}
