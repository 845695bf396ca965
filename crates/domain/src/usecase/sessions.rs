//! Reading, naming and hiding a user's sessions.

use crate::{
    error::StoreError,
    id::{SessionId, UserId},
    ports::{SessionRepository, TaskRepository},
    query::{Page, TurnQuery},
    session::{Session, SessionPage, SessionTitle},
    task::{Turn, work::SessionLabel},
};
use std::sync::Arc;

/// The use cases of conversations. A session that the user does not have is
/// `None` or false, whoever else may have it.
pub struct Sessions {
    sessions: Arc<dyn SessionRepository>,
    tasks: Arc<dyn TaskRepository>,
}

impl Sessions {
    /// The use cases over these ports.
    pub fn new(sessions: Arc<dyn SessionRepository>, tasks: Arc<dyn TaskRepository>) -> Self {
        Self { sessions, tasks }
    }

    /// Lists a user's sessions, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn list(&self, user: UserId, page: Page) -> Result<SessionPage, StoreError> {
        self.sessions.list_sessions(user, page).await
    }

    /// Finds the id of a user's session.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn find(
        &self,
        user: UserId,
        label: &SessionLabel,
    ) -> Result<Option<SessionId>, StoreError> {
        self.sessions.find_session(user, label).await
    }

    /// Reads a session with what its tasks add up to.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn get(
        &self,
        user: UserId,
        label: &SessionLabel,
    ) -> Result<Option<Session>, StoreError> {
        self.sessions.session(user, label).await
    }

    /// Reads turns of a session that [`find`](Self::find) has found, the
    /// oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError> {
        self.tasks.turns(query).await
    }

    /// Gives a session another title.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn rename(
        &self,
        user: UserId,
        label: &SessionLabel,
        title: &SessionTitle,
    ) -> Result<bool, StoreError> {
        self.sessions.rename_session(user, label, title).await
    }

    /// Hides a session; its tasks stay.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn delete(&self, user: UserId, label: &SessionLabel) -> Result<bool, StoreError> {
        self.sessions.delete_session(user, label).await
    }
}
