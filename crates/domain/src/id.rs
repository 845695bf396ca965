//! Identifiers, each its own type.

use crate::error::InvalidValue;
use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};
use ulid::{Generator, Ulid};
use uuid::Uuid;

/// The id of a task on the gateway and worker faces: `task_` and a ULID.
///
/// Ids sort by creation. Only the canonical spelling (26 upper-case
/// characters) parses, so one task has one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(Ulid);

impl TaskId {
    const PREFIX: &'static str = "task_";

    /// The id that these 128 bits stand for.
    pub const fn from_bits(bits: u128) -> Self {
        Self(Ulid(bits))
    }

    /// The 128 bits of the id, in an order that sorts by creation.
    pub const fn bits(self) -> u128 {
        self.0.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
    }
}

impl FromStr for TaskId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        text.strip_prefix(Self::PREFIX)
            .and_then(|ulid| Ulid::from_string(ulid).ok().filter(|u| u.to_string() == ulid))
            .map(Self)
            .ok_or_else(|| InvalidValue::new("task_id", "must be task_ and a ULID"))
    }
}

/// Makes task ids that grow even within one millisecond.
#[derive(Default)]
pub struct TaskIds(Mutex<Generator>);

impl TaskIds {
    /// The next id.
    pub fn next(&self) -> TaskId {
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        TaskId(generator.generate().unwrap_or_else(|overflow| overflow.commit_overflow_increment()))
    }
}

/// The integer id of a task, the one that the research face shows.
///
/// The store assigns it; it grows with creation and is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskNumber(i64);

impl TaskNumber {
    /// A number from outside.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is below 1.
    pub fn new(number: i64) -> Result<Self, InvalidValue> {
        positive("id", number).map(Self)
    }

    /// The integer.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for TaskNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A project of the research face. Projects are managed elsewhere: a number is
/// all that is known of one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectId(i64);

impl ProjectId {
    /// A number from outside.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is below 1.
    pub fn new(number: i64) -> Result<Self, InvalidValue> {
        positive("project_id", number).map(Self)
    }

    /// The integer.
    pub const fn get(self) -> i64 {
        self.0
    }
}

fn positive(field: &'static str, number: i64) -> Result<i64, InvalidValue> {
    if number < 1 {
        return Err(InvalidValue::new(field, "must be a positive integer"));
    }
    Ok(number)
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// A tenant: an organisation whose users share nothing with others'.
    TenantId
);
uuid_id!(
    /// A user of a tenant; agent tasks and sessions belong to one.
    UserId
);
uuid_id!(
    /// An API key (its public id, not its secret).
    KeyId
);
uuid_id!(
    /// A session: the conversation that agent tasks belong to.
    SessionId
);

impl TenantId {
    /// The tenant of every key that names none, present in every store.
    pub const DEFAULT: Self = Self(Uuid::from_u128(1));
}

impl UserId {
    /// The user of every key that names none, present in every store.
    pub const DEFAULT: Self = Self(Uuid::from_u128(2));
}

#[cfg(test)]
mod tests {
    use super::{TaskId, TaskIds};

    #[test]
    fn ids_grow_and_read_back() {
        let ids = TaskIds::default();
        let made: Vec<TaskId> = std::iter::repeat_with(|| ids.next()).take(1_000).collect();
        assert!(made.is_sorted() && made.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(made[0].to_string().parse(), Ok(made[0]));
    }

    #[test]
    fn only_the_canonical_spelling_parses() {
        for text in [
            "",
            "task_",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "task_01arz3ndektsv4rrffq69g5fav",
            "task_01ARZ3NDEKTSV4RRFFQ69G5FAVX",
            "task_01HQZX3Y9K8M2P4N5S7T9W2V",
            "task_81ARZ3NDEKTSV4RRFFQ69G5FAV",
        ] {
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
    }
}
