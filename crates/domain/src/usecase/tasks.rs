//! Submitting, reading, listing and controlling tasks.

use crate::{
    control::{Control, ControlRequest, Controlled},
    error::{StoreError, TaskError},
    id::{ProjectId, TaskIds, TenantId, UserId},
    ports::{SessionRepository, TaskRepository},
    query::{Access, Page, TaskKey, TaskPage, TaskQuery, TaskScope},
    task::{
        Owner, Task,
        status::TaskStatus,
        submit::{IdempotencyKey, NewTask, Submission, SubmitOptions},
        work::{AgentWork, ResearchWork, SessionLabel, Work},
    },
    text,
};
use std::{collections::BTreeSet, sync::Arc};

/// The use cases of those who submit and watch tasks.
pub struct Tasks {
    tasks: Arc<dyn TaskRepository>,
    sessions: Arc<dyn SessionRepository>,
    ids: TaskIds,
}

impl Tasks {
    /// The use cases over these ports.
    pub fn new(tasks: Arc<dyn TaskRepository>, sessions: Arc<dyn SessionRepository>) -> Self {
        Self { tasks, sessions, ids: TaskIds::default() }
    }

    /// Submits a user's question.
    ///
    /// # Errors
    /// [`StoreError`] when the task was not stored, or when it is not known
    /// whether it was.
    pub async fn submit_agent(
        &self,
        user: UserId,
        work: AgentWork,
        options: SubmitOptions,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Submission, StoreError> {
        self.submit(Owner::User(user), Work::Agent(work), options, idempotency).await
    }

    /// Submits a research job of a tenant's project.
    ///
    /// # Errors
    /// As [`submit_agent`](Self::submit_agent).
    pub async fn submit_research(
        &self,
        tenant: TenantId,
        work: ResearchWork,
        options: SubmitOptions,
    ) -> Result<Submission, StoreError> {
        self.submit(Owner::Tenant(tenant), Work::Research(work), options, None).await
    }

    async fn submit(
        &self,
        owner: Owner,
        work: Work,
        options: SubmitOptions,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Submission, StoreError> {
        let id = self.ids.next();
        self.tasks.submit(NewTask { id, owner, work, options, idempotency }).await
    }

    /// Reads a task that the caller sees.
    ///
    /// # Errors
    /// [`TaskError::NotFound`] when there is none, or somebody else's.
    pub async fn get(&self, access: &Access, key: TaskKey) -> Result<Task, TaskError> {
        self.tasks.find(key).await?.filter(|task| access.sees(task)).ok_or(TaskError::NotFound)
    }

    /// Lists a user's tasks, or those of one of the user's sessions; a session
    /// that the user does not have has no tasks.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn list_agent(
        &self,
        user: UserId,
        session: Option<&SessionLabel>,
        statuses: Vec<TaskStatus>,
        page: Page,
    ) -> Result<TaskPage, StoreError> {
        let scope = match session {
            None => TaskScope::User(user),
            Some(label) => match self.sessions.find_session(user, label).await? {
                Some(id) => TaskScope::Session(id),
                None => return Ok(TaskPage::default()),
            },
        };
        self.tasks.list(TaskQuery { scope, statuses, page }).await
    }

    /// Lists a tenant's research tasks, those of one project if it is given; a
    /// project that the caller does not see has no tasks.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn list_research(
        &self,
        tenant: TenantId,
        visible: Option<&BTreeSet<ProjectId>>,
        project: Option<ProjectId>,
        statuses: Vec<TaskStatus>,
        page: Page,
    ) -> Result<TaskPage, StoreError> {
        let scope = match (project, visible) {
            (None, None) => TaskScope::Tenant(tenant),
            (None, Some(visible)) => TaskScope::Projects(tenant, visible.clone()),
            (Some(project), Some(visible)) if !visible.contains(&project) => {
                return Ok(TaskPage::default());
            }
            (Some(project), _) => TaskScope::Projects(tenant, BTreeSet::from([project])),
        };
        self.tasks.list(TaskQuery { scope, statuses, page }).await
    }

    /// Cancels, pauses or resumes a task that the caller sees.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn control(
        &self,
        access: &Access,
        key: TaskKey,
        by: UserId,
        control: Control,
        reason: Option<String>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Controlled, TaskError> {
        let number = self.get(access, key).await?.number;
        let reason = reason.map(text::replace_nul);
        let request = ControlRequest { number, control, by, reason, idempotency };
        self.tasks.control(request).await?.ok_or(TaskError::NotFound)
    }
}
