//! The ports over one SQLite file.

use crate::{error::DbError, pool::establish};
use diesel::{SqliteConnection, connection::SimpleConnection};
use std::path::Path;

/// Opens the file, which is made when it is missing.
pub(crate) fn connect(path: &Path) -> Result<SqliteConnection, DbError> {
    let mut connection: SqliteConnection = establish(&path.to_string_lossy())?;
    connection.batch_execute(SETTINGS)?;
    Ok(connection)
}

/// The order matters: the first lets the others wait for another process. With
/// a write-ahead log readers and the writer do not block each other, and FULL
/// makes each commit wait until it is on the disk.
const SETTINGS: &str = "
    PRAGMA busy_timeout = 4000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA temp_store = MEMORY;
";
