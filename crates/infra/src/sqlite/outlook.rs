//! Looking for what other processes write to the same file.

use super::connect_reader;
use crate::{
    error::{DbError, unreadable},
    feed::{Known, Outlook, with_ends},
    statement::sql,
};
use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};
use std::{path::PathBuf, time::Duration};

/// A reader beside those of the pool, which is there while somebody listens.
pub(super) struct File {
    path: PathBuf,
    connection: Option<SqliteConnection>,
}

impl File {
    /// A view of the file at `path`, not opened yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, connection: None }
    }
}

impl Outlook for File {
    /// A file tells nobody that it has changed.
    const HINTS: Option<Duration> = None;

    fn exchange(&mut self, _: &[(i64, Known)]) -> Result<Vec<(i64, Known)>, DbError> {
        Ok(Vec::new())
    }

    fn look(&mut self, tasks: &[i64]) -> Result<Vec<(i64, Known)>, DbError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect_reader(&self.path)?,
        };
        let known = look(&mut connection, tasks)?;
        // One that has failed is not kept.
        self.connection = Some(connection);
        Ok(known)
    }
}

#[derive(QueryableByName)]
struct LiveRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
}

/// How far the logs of these tasks go; whoever is not live has ended.
pub(super) fn look(
    connection: &mut SqliteConnection,
    tasks: &[i64],
) -> QueryResult<Vec<(i64, Known)>> {
    let rows: Vec<LiveRow> = sql("SELECT number, last_seq FROM live_tasks
         WHERE number IN (SELECT value FROM json_each(?))")
    .bind::<Text, _>(serde_json::to_string(tasks).map_err(unreadable)?)
    .load(connection)?;
    Ok(with_ends(tasks, rows.into_iter().map(|row| (row.number, row.last_seq))))
}

#[cfg(test)]
mod tests {
    use super::File;
    use crate::{
        feed::{ENDED, Outlook},
        migrations,
    };
    use tempfile::TempDir;

    #[test]
    fn a_file_that_was_away_is_seen_again() {
        let directory = TempDir::new().unwrap();
        let parent = directory.path().join("away");
        let path = parent.join("tasks.db");
        let mut file = File::new(path.clone());
        assert!(file.look(&[7]).is_err());
        std::fs::create_dir(&parent).unwrap();
        assert!(file.look(&[7]).is_err(), "there are no tables yet");
        migrations::apply(&format!("sqlite://{}", path.display()).parse().unwrap()).unwrap();
        assert_eq!(file.look(&[7]).unwrap(), [(7, ENDED)]);
    }
}
