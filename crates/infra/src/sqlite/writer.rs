//! One transaction for everything that waits to be written.
//!
//! A commit waits for the disk, which takes longer than all the statements
//! before it. So whoever gets the writing connection does its own work and that
//! of all who have come to wait for it, each in a savepoint of its own, and one
//! commit makes all of it durable before anybody is answered.

use crate::{
    error::DbError,
    pool::{ANSWER_DEADLINE, Pool},
};
use diesel::{
    Connection, QueryResult, SqliteConnection,
    connection::{AnsiTransactionManager, TransactionManager},
    result::Error::RollbackTransaction,
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use taskgate_domain::error::StoreError;
use tokio::{sync::oneshot, time::timeout};

/// How many works share a commit at most, so that none waits long for others.
const MAX_BATCH: usize = 100;

/// The only connection that writes, and the works that wait for it.
pub(super) struct Writer {
    connection: Pool<SqliteConnection>,
    waiting: Arc<Mutex<VecDeque<Box<dyn Job>>>>,
}

impl Writer {
    /// A writer over a pool of one connection.
    pub(super) fn new(connection: Pool<SqliteConnection>) -> Self {
        Self { connection, waiting: Arc::default() }
    }

    /// Runs `work` in an immediate transaction, and returns when it is on the
    /// disk. Work whose caller is gone is not done, or undone.
    ///
    /// # Errors
    /// As [`Pool::run`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let taken = Arc::new(AtomicBool::new(false));
        let (tell, told) = oneshot::channel();
        let job = Work { work: Some(work), answer: None, tell, taken: taken.clone() };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(Box::new(job));
        timeout(ANSWER_DEADLINE, self.answer(&taken, told))
            .await
            .unwrap_or_else(|_| Err(DbError::Late.into()))
    }

    async fn answer<T>(
        &self,
        taken: &AtomicBool,
        mut told: oneshot::Receiver<Result<T, DbError>>,
    ) -> Result<T, StoreError> {
        loop {
            let waiting = self.waiting.clone();
            let failure = tokio::select! {
                biased;
                answer = &mut told => return heard(answer),
                // Without an answer the batch was full, and the next is due.
                ran = self.connection.run(move |connection| write(connection, &waiting)) => ran.err(),
            };
            if let Some(failure) = failure {
                // Somebody else may be doing the work; nobody will from now on.
                let begun = taken.swap(true, Ordering::SeqCst);
                return if begun { heard(told.await) } else { Err(failure) };
            }
        }
    }
}

fn heard<T>(
    answer: Result<Result<T, DbError>, oneshot::error::RecvError>,
) -> Result<T, StoreError> {
    let answer = answer.unwrap_or_else(|lost| Err(DbError::Abandoned(lost.to_string())));
    answer.map_err(StoreError::from)
}

/// Does the works that wait, and answers them once they are on the disk.
fn write(
    connection: &mut SqliteConnection,
    waiting: &Mutex<VecDeque<Box<dyn Job>>>,
) -> QueryResult<()> {
    let mut jobs: Vec<Box<dyn Job>> = {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(MAX_BATCH);
        waiting.drain(..count).collect()
    };
    jobs.retain(|job| job.take());
    if jobs.is_empty() {
        return Ok(());
    }
    let mut ended = Ok(());
    let committed: QueryResult<()> = connection.immediate_transaction(|connection| {
        ended = jobs.iter_mut().try_for_each(|job| job.run(connection));
        Ok(())
    });
    let committed = ended.and(committed.map_err(DbError::from));
    jobs.into_iter().for_each(|job| job.answer(&committed));
    committed.map_err(|_| RollbackTransaction)
}

/// Some work, whatever its answer's type.
trait Job: Send {
    /// Whether the work is still to be done, by whoever asks first.
    fn take(&self) -> bool;
    /// Does the work in a savepoint.
    ///
    /// # Errors
    /// Why the transaction itself has ended: when a disk is full, SQLite undoes
    /// all of it, and what came after would be stored on its own.
    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), DbError>;
    fn answer(self: Box<Self>, committed: &Result<(), DbError>);
}

struct Work<T, F> {
    work: Option<F>,
    answer: Option<Result<T, DbError>>,
    tell: oneshot::Sender<Result<T, DbError>>,
    taken: Arc<AtomicBool>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send,
{
    fn take(&self) -> bool {
        !self.tell.is_closed() && !self.taken.swap(true, Ordering::SeqCst)
    }

    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), DbError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let mut failure = None;
        let answer = connection.transaction(|connection| {
            let answer = work(connection).map_err(|error| {
                failure = Some(DbError::from(error));
                RollbackTransaction
            })?;
            // Tasks leased to a worker that hung up would wait for nobody.
            if self.tell.is_closed() { Err(RollbackTransaction) } else { Ok(answer) }
        });
        // The work's own failure tells more than that of undoing it.
        let answer = answer.map_err(|error| failure.unwrap_or_else(|| error.into()));
        let status = AnsiTransactionManager::transaction_manager_status_mut(connection);
        let goes_on = status.transaction_depth().is_ok_and(|depth| depth.is_some());
        let ended =
            if goes_on { Ok(()) } else { answer.as_ref().map(drop).map_err(DbError::clone) };
        self.answer = Some(answer);
        ended
    }

    fn answer(self: Box<Self>, committed: &Result<(), DbError>) {
        let answer = match (committed, self.answer) {
            (Err(failure), _) => Err(failure.clone()),
            (Ok(()), Some(answer)) => answer,
            (Ok(()), None) => Err(DbError::Abandoned("the work was not done".to_owned())),
        };
        // A caller that has gone needs no answer.
        drop(self.tell.send(answer));
    }
}

#[cfg(test)]
mod tests {
    use super::Writer;
    use crate::{pool::Pool, sqlite::connect, statement::sql};
    use diesel::{
        QueryResult, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
        result::Error::NotFound, sql_types::BigInt,
    };
    use std::{
        sync::{Arc, Barrier},
        time::Duration,
    };
    use taskgate_domain::error::StoreError;
    use tempfile::TempDir;

    fn writer() -> (TempDir, Arc<Writer>) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("tasks.db");
        let mut first = connect(&path).unwrap();
        sql("CREATE TABLE numbers (n INTEGER NOT NULL)").execute(&mut first).unwrap();
        let pool = Pool::new(1, move || connect(&path));
        (directory, Arc::new(Writer::new(pool)))
    }

    fn insert(connection: &mut SqliteConnection, n: i64) -> QueryResult<usize> {
        sql("INSERT INTO numbers VALUES (?)").bind::<BigInt, _>(n).execute(connection)
    }

    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    async fn stored(writer: &Writer) -> Vec<i64> {
        let read = |connection: &mut SqliteConnection| {
            sql("SELECT n FROM numbers ORDER BY n").load::<Number>(connection)
        };
        writer.run(read).await.unwrap().into_iter().map(|row| row.n).collect()
    }

    /// Keeps the connection busy until the barrier is reached.
    fn hold(writer: &Arc<Writer>) -> Arc<Barrier> {
        let (begun, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (writer, inside) = (writer.clone(), (begun.clone(), end.clone()));
        tokio::spawn(async move {
            writer
                .run(move |_| {
                    inside.0.wait();
                    inside.1.wait();
                    Ok(())
                })
                .await
        });
        begun.wait();
        end
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_work_of_a_crowd_is_done_once() {
        let (_directory, writer) = writer();
        let mut crowd = tokio::task::JoinSet::new();
        for n in 0..1_000 {
            let writer = writer.clone();
            crowd.spawn(async move { writer.run(move |c| insert(c, n)).await.unwrap() });
        }
        crowd.join_all().await;
        assert_eq!(stored(&writer).await, (0..1_000).collect::<Vec<i64>>());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failed_work_leaves_those_beside_it() {
        let (_directory, writer) = writer();
        let end = hold(&writer);
        let mut beside = tokio::task::JoinSet::new();
        for n in 0..10 {
            let writer = writer.clone();
            beside.spawn(async move {
                let work = move |connection: &mut SqliteConnection| {
                    insert(connection, n)?;
                    if n % 2 == 0 { Ok(()) } else { Err(NotFound) }
                };
                writer.run(work).await.is_ok()
            });
        }
        end.wait();
        let kept = beside.join_all().await.into_iter().filter(|kept| *kept).count();
        assert_eq!(kept, 5);
        assert_eq!(stored(&writer).await, [0, 2, 4, 6, 8]);
    }

    /// SQLite then ends the whole transaction, not only the savepoint.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_undoes_the_whole_batch_and_is_named() {
        let (_directory, writer) = writer();
        let limit = |c: &mut SqliteConnection| c.batch_execute("PRAGMA max_page_count = 10");
        writer.run(limit).await.unwrap();
        let end = hold(&writer);
        let fill = |connection: &mut SqliteConnection| {
            (0..10_000).try_for_each(|n| insert(connection, n).map(drop))
        };
        let (before, full, after, ()) = tokio::join!(
            biased;
            writer.run(|connection| insert(connection, -1)),
            writer.run(fill),
            writer.run(|connection| insert(connection, -2)),
            async move {
                end.wait();
            },
        );
        for answer in [before.map(drop), full, after.map(drop)] {
            let Err(StoreError::Failed(cause)) = answer else { panic!("{answer:?}") };
            assert!(cause.to_string().contains("disk is full"), "{cause}");
        }
        assert!(stored(&writer).await.is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_whose_caller_has_gone_is_not_done() {
        let (_directory, writer) = writer();
        let end = hold(&writer);
        let gone = writer.run(|connection| insert(connection, 1));
        assert!(tokio::time::timeout(Duration::ZERO, gone).await.is_err());
        end.wait();
        assert!(stored(&writer).await.is_empty());
    }
}
