//! Connections and the discipline of using them.
//!
//! A statement blocks a thread, and threads and connections are few. So a
//! caller first waits for a permit, which costs nothing, and only the holder
//! of one takes a thread and a connection.

use crate::error::DbError;
use diesel::{
    ConnectionResult, QueryResult,
    r2d2::{ManageConnection, NopErrorHandler, R2D2Connection},
};
use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use taskgate_domain::error::StoreError;
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{timeout, timeout_at},
};

/// How long a caller waits for its answer, the wait for a permit included.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// How long a caller waits for a permit before it is told to come again.
const PERMIT_DEADLINE: Duration = Duration::from_secs(2);
/// How long r2d2 waits for a connection, less than its caller does so that the
/// cause of a failure comes out; a caller with a permit waits only for
/// one to be made.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// A connection that answered so recently is not asked again whether it lives.
const FRESH: Duration = Duration::from_secs(1);
/// Permits beyond the number of connections: the next statement waits beside
/// its connection, so that none idles while a caller is being woken.
const QUEUE: u32 = 2;

/// A number of connections of one kind.
pub(crate) struct Pool<C: R2D2Connection + Send + 'static> {
    connections: diesel::r2d2::Pool<Manager<C>>,
    permits: Arc<Semaphore>,
    deadline: Duration,
}

impl<C: R2D2Connection + Send + 'static> Pool<C> {
    /// A pool of at most `size` connections, none of which is made before it
    /// is needed. `connect` makes one, ready for use.
    pub(crate) fn new(
        size: u32,
        connect: impl Fn() -> Result<C, DbError> + Send + Sync + 'static,
    ) -> Self {
        Self::with_deadline(size, ANSWER_DEADLINE, connect)
    }

    /// As [`new`](Self::new), with another time for the whole of each call.
    pub(crate) fn with_deadline(
        size: u32,
        deadline: Duration,
        connect: impl Fn() -> Result<C, DbError> + Send + Sync + 'static,
    ) -> Self {
        let connections = diesel::r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .connection_timeout(CONNECT_DEADLINE.min(deadline / 2))
            // A failure to connect reaches the caller, who logs it once.
            .error_handler(Box::new(NopErrorHandler))
            .build_unchecked(Manager { connect: Box::new(connect) });
        let permits = usize::try_from(size.saturating_add(QUEUE)).unwrap_or(Semaphore::MAX_PERMITS);
        Self { connections, permits: Arc::new(Semaphore::new(permits)), deadline }
    }

    /// Runs `work` on a connection.
    ///
    /// A caller that goes away, or is told that time is up, does not stop work
    /// that has begun, so it must be short.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when every connection stayed in use, else
    /// [`StoreError::Failed`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut C) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_for(move |connection, _| work(connection)).await
    }

    /// As [`run`](Self::run), for work that asks now and then whether anybody
    /// waits for its answer.
    pub(crate) async fn run_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut C, &Caller) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let present = Arc::new(());
        let caller = Caller(Arc::downgrade(&present));
        let deadline = tokio::time::Instant::now() + self.deadline;
        let permit =
            timeout(PERMIT_DEADLINE.min(self.deadline), self.permits.clone().acquire_owned())
                .await
                .map_err(|_| StoreError::Busy)?
                .map_err(StoreError::failed)?;
        let connections = self.connections.clone();
        let job = spawn_blocking(move || {
            // Held as long as the connection is, even when nobody waits any more.
            let _permit = permit;
            let mut connection = connections.get().map_err(|error| {
                if connections.state().connections >= connections.max_size() {
                    StoreError::Busy
                } else {
                    DbError::Unreachable(error.to_string()).into()
                }
            })?;
            if !caller.waits() {
                return Err(DbError::Late.into());
            }
            connection.use_for(|connection| work(connection, &caller)).map_err(StoreError::from)
        });
        let answer = timeout_at(deadline, job).await;
        drop(present);
        match answer {
            Err(_) => Err(DbError::Late.into()),
            Ok(Err(stopped)) => Err(DbError::Abandoned(stopped.to_string()).into()),
            Ok(Ok(answer)) => answer,
        }
    }
}

/// Whoever asked for some work.
pub(crate) struct Caller(Weak<()>);

impl Caller {
    /// Whether it has neither gone away nor been told that time is up.
    pub(crate) fn waits(&self) -> bool {
        self.0.strong_count() > 0
    }
}

struct Manager<C> {
    connect: Box<dyn Fn() -> Result<C, DbError> + Send + Sync>,
}

/// A connection and when it last did what was asked of it.
struct Tracked<C> {
    connection: C,
    proven: Option<Instant>,
}

impl<C> Tracked<C> {
    fn use_for<T>(&mut self, work: impl FnOnce(&mut C) -> QueryResult<T>) -> Result<T, DbError> {
        // Stays so when the work fails or panics: then the next use asks first.
        self.proven = None;
        let answer = work(&mut self.connection)?;
        self.proven = Some(Instant::now());
        Ok(answer)
    }
}

impl<C: R2D2Connection + Send + 'static> ManageConnection for Manager<C> {
    type Connection = Tracked<C>;
    type Error = DbError;

    fn connect(&self) -> Result<Tracked<C>, DbError> {
        Ok(Tracked { connection: (self.connect)()?, proven: Some(Instant::now()) })
    }

    fn is_valid(&self, tracked: &mut Tracked<C>) -> Result<(), DbError> {
        if tracked.proven.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(());
        }
        tracked.use_for(R2D2Connection::ping)
    }

    fn has_broken(&self, tracked: &mut Tracked<C>) -> bool {
        std::thread::panicking() || tracked.connection.is_broken()
    }
}

/// Makes a connection to `url`, with an error that does not show it.
pub(crate) fn establish<C: R2D2Connection>(url: &str) -> Result<C, DbError> {
    let made: ConnectionResult<C> = C::establish(url);
    made.map_err(|error| DbError::connecting(&error, url))
}

#[cfg(test)]
mod tests {
    use super::{Pool, QUEUE};
    use crate::error::DbError;
    use diesel::{Connection, SqliteConnection};
    use std::{
        sync::{Arc, Barrier},
        time::Duration,
    };
    use taskgate_domain::error::StoreError;

    const SHORT: Duration = Duration::from_millis(50);

    fn memory() -> Result<SqliteConnection, DbError> {
        SqliteConnection::establish(":memory:")
            .map_err(|error| DbError::connecting(&error, ":memory:"))
    }

    #[tokio::test]
    async fn a_caller_without_a_permit_is_told_to_come_again() {
        let pool = Pool::with_deadline(1, SHORT, memory);
        let _all = pool.permits.clone().acquire_many_owned(1 + QUEUE).await.unwrap();
        let answer = pool.run(|_| Ok(())).await;
        assert!(matches!(answer, Err(StoreError::Busy)), "{answer:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_caller_without_a_connection_is_told_to_come_again() {
        let pool = Arc::new(Pool::with_deadline(1, 10 * SHORT, memory));
        let (begun, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (holder, inside) = (pool.clone(), (begun.clone(), end.clone()));
        let holding = tokio::spawn(async move {
            holder
                .run(move |_| {
                    inside.0.wait();
                    inside.1.wait();
                    Ok(())
                })
                .await
        });
        begun.wait();
        let answer = pool.run(|_| Ok(())).await;
        end.wait();
        drop(holding.await);
        assert!(matches!(answer, Err(StoreError::Busy)), "{answer:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn slow_work_does_not_keep_its_caller() {
        let pool = Pool::with_deadline(1, SHORT, memory);
        let end = Arc::new(Barrier::new(2));
        let inside = end.clone();
        let answer = pool
            .run(move |_| {
                inside.wait();
                Ok(())
            })
            .await;
        assert!(matches!(answer, Err(StoreError::Failed(_))), "{answer:?}");
        end.wait();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_learns_that_its_caller_was_told_that_time_is_up() {
        let pool = Pool::with_deadline(1, SHORT, memory);
        let end = Arc::new(Barrier::new(2));
        let inside = end.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let answer = pool
            .run_for(move |_, caller| {
                let before = caller.waits();
                inside.wait();
                tell.send((before, caller.waits())).unwrap();
                Ok(())
            })
            .await;
        assert!(matches!(answer, Err(StoreError::Failed(_))), "{answer:?}");
        end.wait();
        assert_eq!(told.recv(), Ok((true, false)));
    }

    #[tokio::test]
    async fn a_database_that_is_down_is_a_failure_in_words() {
        let pool: Pool<SqliteConnection> =
            Pool::with_deadline(1, SHORT, || Err(DbError::Unreachable("it is down".to_owned())));
        let Err(StoreError::Failed(cause)) = pool.run(|_| Ok(())).await else {
            panic!("it cannot have worked");
        };
        assert!(cause.to_string().contains("no connection"), "{cause}");
    }
}
