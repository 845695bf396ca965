//! Bringing a store's tables to this version, embedded in the binary.
//!
//! Everything here blocks its thread.

use crate::{
    error::DbError,
    postgres, sqlite,
    url::{self, DatabaseUrl},
};
use diesel::{
    PgConnection, QueryResult, SqliteConnection, backend::Backend, connection::SimpleConnection,
    migration::MigrationSource, sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Why migrations did not run.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The store could not be opened or locked.
    #[error("the store could not be opened for migration")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A migration failed and was rolled back.
    #[error("a migration failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Applies what is pending, in order, and returns its names. Of several
/// processes that do so at once, one works and the others wait for it.
///
/// # Errors
/// [`MigrationError`].
pub fn apply(url: &DatabaseUrl) -> Result<Vec<String>, MigrationError> {
    run(url, Task::Apply)
}

/// The names of what [`apply`] would apply.
///
/// # Errors
/// [`MigrationError`].
pub fn pending(url: &DatabaseUrl) -> Result<Vec<String>, MigrationError> {
    run(url, Task::Pending)
}

/// Undoes everything, the newest first, and returns the names. All data is
/// lost.
///
/// # Errors
/// [`MigrationError`].
pub fn revert_all(url: &DatabaseUrl) -> Result<Vec<String>, MigrationError> {
    run(url, Task::Revert)
}

#[derive(Clone, Copy)]
enum Task {
    Apply,
    Pending,
    Revert,
}

fn run(url: &DatabaseUrl, task: Task) -> Result<Vec<String>, MigrationError> {
    match url.backend() {
        // Asking must not make the file.
        url::Backend::Sqlite(path) if matches!(task, Task::Pending) && !path.exists() => {
            MigrationSource::<Sqlite>::migrations(&SQLITE)
                .map(|all| all.iter().map(|one| one.name().to_string()).collect())
                .map_err(MigrationError::Failed)
        }
        url::Backend::Sqlite(path) => {
            let mut connection = sqlite::connect(path).map_err(store)?;
            // The whole run is one transaction, which is the lock.
            connection.immediate_transaction(|connection: &mut SqliteConnection| {
                perform(connection, SQLITE, task)
            })
        }
        url::Backend::Postgres(url) => {
            let mut connection = postgres::open(url).map_err(store)?;
            // Held until the connection closes, however this function returns.
            lock(&mut connection).map_err(|error| store(error.into()))?;
            perform(&mut connection, POSTGRES, task)
        }
    }
}

/// Waits for the right to migrate. The number is arbitrary but fixed.
fn lock(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute("SELECT pg_advisory_lock(8386110886273709157)")
}

fn perform<DB: Backend, C: MigrationHarness<DB>>(
    connection: &mut C,
    source: EmbeddedMigrations,
    task: Task,
) -> Result<Vec<String>, MigrationError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let all = source.migrations().map_err(MigrationError::Failed)?;
    let applied = connection.applied_migrations().map_err(MigrationError::Failed)?;
    // Their versions are dates, so their names sort by age.
    let mut all: Vec<_> = all.into_iter().map(|one| (one.name().to_string(), one)).collect();
    all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let reverting = matches!(task, Task::Revert);
    all.retain(|(_, one)| applied.contains(&one.name().version()) == reverting);
    if reverting {
        all.reverse();
    }
    for (_, one) in &all {
        match task {
            Task::Apply => connection.run_migration(one).map(|_| ()),
            Task::Revert => connection.revert_migration(one).map(|_| ()),
            Task::Pending => Ok(()),
        }
        .map_err(MigrationError::Failed)?;
    }
    Ok(all.into_iter().map(|(name, _)| name).collect())
}

fn store(error: DbError) -> MigrationError {
    MigrationError::Store(error.into())
}

impl From<diesel::result::Error> for MigrationError {
    fn from(error: diesel::result::Error) -> Self {
        store(error.into())
    }
}
