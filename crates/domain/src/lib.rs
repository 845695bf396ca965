//! The domain of taskgate, a durable task service: what a task is, how it
//! lives, and what a store must do for it. There is no web, no SQL and no
//! runtime in here.
//!
//! - [`task`] is the aggregate and its lifecycle, [`queue`] what workers do
//!   with it, [`control`] what its owner does, [`query`] how it is found,
//!   [`event`] what is told of it, [`review`] what is said of its plan, [`session`]
//!   the conversation it is part of.
//! - [`ports`] are the traits that a store implements.
//! - [`usecase`] is what callers do; it needs nothing but ports.
//!
//! A program that embeds taskgate needs no web server to submit tasks and to
//! watch them:
//!
//! ```
//! use std::sync::Arc;
//! use taskgate_domain::{
//!     id::UserId,
//!     json::JsonObject,
//!     ports::{SessionRepository, TaskRepository},
//!     query::{Access, Page, TaskKey},
//!     task::{
//!         Task,
//!         status::TaskStatus,
//!         submit::SubmitOptions,
//!         work::{AgentWork, Mode, SessionLabel},
//!     },
//!     usecase::tasks::Tasks,
//! };
//!
//! /// Asks a question, unless the user has questions waiting already.
//! async fn ask(
//!     tasks: Arc<dyn TaskRepository>,
//!     sessions: Arc<dyn SessionRepository>,
//!     user: UserId,
//! ) -> Result<Option<Task>, Box<dyn std::error::Error>> {
//!     let tasks = Tasks::new(tasks, sessions);
//!     let queued = vec![TaskStatus::Queued];
//!     if tasks.list_agent(user, None, queued, Page::new(1, 0)?).await?.total > 0 {
//!         return Ok(None);
//!     }
//!     let work = AgentWork::new(
//!         "Why is the sky blue?".to_owned(),
//!         SessionLabel::new("physics")?,
//!         Mode::Simple,
//!         JsonObject::parse("context", r#"{"model_tier": "small"}"#.to_owned())?,
//!     )?;
//!     let options = SubmitOptions::default().with_priority(10)?.with_timeout_seconds(600)?;
//!     let submitted = tasks.submit_agent(user, work, options, None).await?.task;
//!     // Whoever asks for another user's task is told that there is none.
//!     Ok(Some(tasks.get(&Access::User(user), TaskKey::Id(submitted.id)).await?))
//! }
//! #
//! # use taskgate_domain::{
//! #     ports::{MockSessionRepository, MockTaskRepository},
//! #     query::TaskPage,
//! # };
//! # let mut busy = MockTaskRepository::new();
//! # busy.expect_list().returning(|_| Ok(TaskPage { tasks: Vec::new(), total: 1 }));
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # let sessions = Arc::new(MockSessionRepository::new());
//! # assert!(runtime.block_on(ask(Arc::new(busy), sessions, UserId::DEFAULT)).unwrap().is_none());
//! ```
//!
//! Feature `mocks` adds mockall mocks of every port, and feature `testkit` the
//! contract suite that every adapter must pass.

pub mod control;
pub mod error;
pub mod event;
pub mod id;
pub mod json;
pub mod key;
pub mod ports;
pub mod query;
pub mod queue;
pub mod review;
pub mod session;
pub mod task;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod text;
pub mod usage;
pub mod usecase;
