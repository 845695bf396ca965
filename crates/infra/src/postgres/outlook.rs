//! News of logs between the processes that share a database.

use super::{connection, row::row};
use crate::{
    error::DbError,
    feed::{Known, Outlook, with_ends},
    statement::sql,
};
use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    connection::SimpleConnection,
    sql_types::{Array, BigInt, Text},
};
use std::time::Duration;

/// How many logs one notification tells of, so that its text stays below the
/// 8,000 bytes that a notification may have: two numbers of 19 digits each.
const LOGS: usize = 190;

/// A view of the other processes over a connection of its own.
pub(super) struct PostgresOutlook {
    url: String,
    link: Option<Link>,
    /// Whether anybody in this process listens, so that the others' hints are of
    /// use.
    attentive: bool,
}

struct Link {
    connection: PgConnection,
    /// Whether it gets notifications.
    hears: bool,
}

impl PostgresOutlook {
    /// The outlook over the database at `url`, not connected to yet.
    pub(super) const fn new(url: String) -> Self {
        Self { url, link: None, attentive: false }
    }

    /// Does something over the connection, which is made if need be, and given
    /// up when that fails.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
    ) -> Result<T, DbError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link { connection: connection::connect(&self.url)?, hears: false },
        };
        if link.hears != self.attentive {
            let command = if self.attentive { "LISTEN" } else { "UNLISTEN" };
            link.connection.batch_execute(&format!("{command} taskgate_logs"))?;
            link.hears = self.attentive;
        }
        let answer = work(&mut link.connection)?;
        self.link = Some(link);
        Ok(answer)
    }
}

row! {
    LogRow {
        task: BigInt => i64,
        last_seq: BigInt => i64,
    }
}

impl Outlook for PostgresOutlook {
    const HINTS: Option<Duration> = Some(Duration::from_millis(10));

    /// A process that nobody listens in does not take notifications, which would
    /// pile up in the server while it rests.
    fn attend(&mut self, attentive: bool) {
        let changed = self.attentive != attentive;
        self.attentive = attentive;
        if changed && self.link.is_some() {
            // Without the connection there is nothing to take.
            drop(self.with(|_| Ok(())));
        }
    }

    fn exchange(&mut self, told: &[(i64, Known)]) -> Result<Vec<(i64, Known)>, DbError> {
        let texts: Vec<String> = told.chunks(LOGS).map(text).collect();
        self.with(|connection| {
            if !texts.is_empty() {
                sql("SELECT pg_notify('taskgate_logs', hint) FROM unnest(?) hint")
                    .bind::<Array<Text>, _>(texts)
                    .execute(connection)?;
            }
            let mut hints = Vec::new();
            for notification in connection.notifications_iter() {
                hints.extend(notification?.payload.split(' ').filter_map(hint));
            }
            Ok(hints)
        })
    }

    fn look(&mut self, tasks: &[i64]) -> Result<Vec<(i64, Known)>, DbError> {
        let rows: Vec<LogRow> = self.with(|connection| {
            sql("SELECT task_number, last_seq FROM live_tasks WHERE task_number = ANY (?)")
                .bind::<Array<BigInt>, _>(tasks)
                .load(connection)
        })?;
        Ok(with_ends(tasks, rows.into_iter().map(|row| (row.task, row.last_seq))))
    }
}

/// What a notification says: `TASK:SEQ TASK:SEQ …`.
fn text(told: &[(i64, Known)]) -> String {
    let hints: Vec<String> = told.iter().map(|(task, known)| format!("{task}:{known}")).collect();
    hints.join(" ")
}

/// A hint of a notification; `None` of one that no taskgate has sent.
fn hint(text: &str) -> Option<(i64, Known)> {
    let (task, known) = text.split_once(':')?;
    Some((task.parse().ok()?, known.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{LOGS, hint, text};
    use crate::feed::ENDED;

    #[test]
    fn hints_read_back_and_fit_a_notification() {
        let told = vec![(i64::MAX, ENDED); LOGS];
        let text = text(&told);
        assert!(text.len() < 8_000, "{}", text.len());
        assert_eq!(text.split(' ').filter_map(hint).collect::<Vec<_>>(), told);
        assert_eq!(hint("7"), None);
        assert_eq!(hint("x:y"), None);
    }
}
