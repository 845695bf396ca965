//! What a database says went wrong, in words that may be logged.

use crate::url;
use diesel::{
    ConnectionError,
    result::{DatabaseErrorKind, Error as QueryError},
};
use std::fmt;
use taskgate_domain::error::StoreError;

/// A failure of the database or of the way to it.
///
/// Its text holds neither a password nor the values of a row: of what the
/// database says, the main message is kept and the details, which repeat
/// keys, are not.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum DbError {
    /// No connection was made.
    #[error("no connection to the database: {0}")]
    Unreachable(String),
    /// A statement failed.
    #[error("{kind} error of the database: {message}")]
    Statement { kind: &'static str, message: String },
    /// The library could not do what was asked of it.
    #[error("the database library refused: {0}")]
    Library(&'static str),
    /// The store holds something that no version of this code wrote.
    #[error("unreadable row: {0}")]
    Unreadable(String),
    /// The answer did not come in time; what was asked may still be done.
    #[error("the database did not answer in time")]
    Late,
    /// The work itself panicked or its runtime is shutting down.
    #[error("the work was abandoned: {0}")]
    Abandoned(String),
}

impl DbError {
    /// A connection to `url` that was not made.
    pub(crate) fn connecting(error: &ConnectionError, url: &str) -> Self {
        Self::Unreachable(url::scrub(&error.to_string(), url))
    }
}

impl From<QueryError> for DbError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::DatabaseError(kind, information) => Self::Statement {
                kind: kind_name(&kind),
                message: information.message().to_owned(),
            },
            QueryError::NotFound => Self::Library("a row that must exist is missing"),
            QueryError::InvalidCString(_) => Self::Library("a text holds a NUL"),
            QueryError::QueryBuilderError(_) => Self::Library("the statement could not be built"),
            QueryError::SerializationError(_) => Self::Library("a value could not be written"),
            QueryError::RollbackTransaction => Self::Library("rolled back"),
            QueryError::AlreadyInTransaction => Self::Library("already in a transaction"),
            QueryError::NotInTransaction => Self::Library("not in a transaction"),
            QueryError::BrokenTransactionManager => Self::Library("the transaction is broken"),
            QueryError::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            QueryError::DeserializationError(cause) => Self::Unreadable(cause.to_string()),
            _ => Self::Library("unknown failure"),
        }
    }
}

fn kind_name(kind: &DatabaseErrorKind) -> &'static str {
    match kind {
        DatabaseErrorKind::UniqueViolation => "uniqueness",
        DatabaseErrorKind::ForeignKeyViolation => "foreign key",
        DatabaseErrorKind::NotNullViolation => "null value",
        DatabaseErrorKind::CheckViolation => "check",
        DatabaseErrorKind::SerializationFailure => "serialization",
        DatabaseErrorKind::ReadOnlyTransaction => "read-only",
        DatabaseErrorKind::ClosedConnection => "connection",
        DatabaseErrorKind::UnableToSendCommand => "send",
        _ => "other",
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        Self::failed(error)
    }
}

/// An unreadable row as the error of a query, which is what the code inside a
/// transaction returns.
pub(crate) fn unreadable(what: impl fmt::Display) -> QueryError {
    QueryError::DeserializationError(what.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::DbError;
    use diesel::ConnectionError;

    #[test]
    fn a_failed_connection_tells_no_password() {
        let url = "postgres://me:secret@localhost:x/db";
        let cause = ConnectionError::BadConnection(format!("invalid port in \"{url}\""));
        let shown = DbError::connecting(&cause, url).to_string();
        assert!(shown.contains("invalid port") && !shown.contains("secret"), "{shown}");
    }
}
