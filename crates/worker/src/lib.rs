//! Running tasks: what a program implements to do them, and the runtime that
//! claims them, keeps their leases, and reports how they ended.
//!
//! [`Executor`] is the one trait to implement: which kinds of task it does, and
//! how it does one. [`Run`] is what it knows of the task, whether to go on, and
//! what it may tell those who watch. [`Runtime`] does the rest, over any
//! [`TaskQueue`](taskgate_domain::ports::TaskQueue); [`HttpQueue`] is that of a
//! server elsewhere.
//!
//! An executor of one's own, at work:
//!
//! ```
//! use std::{num::NonZeroU16, sync::Arc, time::Duration};
//! use taskgate_domain::{
//!     event::{EventType, NewEvent},
//!     ports::{EventFeed, TaskQueue},
//!     queue::WorkerId,
//!     task::{
//!         outcome::Outcome,
//!         work::{Kind, Work},
//!     },
//! };
//! use taskgate_worker::{Executor, Failure, Lane, Options, Run, Runtime};
//! use tokio::sync::watch;
//!
//! /// Answers every question by shouting it back.
//! struct Shout;
//!
//! #[async_trait::async_trait]
//! impl Executor for Shout {
//!     fn kinds(&self) -> &[Kind] {
//!         &[Kind::Agent]
//!     }
//!
//!     async fn execute(&self, run: &Run) -> Result<Outcome, Failure> {
//!         let Work::Agent(work) = &run.task().work else {
//!             return Err(Failure::lasting("this is not a question"));
//!         };
//!         let mut answer = String::new();
//!         for word in work.query().split_inclusive(' ') {
//!             // Waits while the task is paused. When it is cancelled, out of
//!             // time or given back, `?` is all there is to do.
//!             run.checkpoint().await?;
//!             answer += &word.to_uppercase();
//!             let piece = Some(word.to_uppercase());
//!             let piece = NewEvent::new(EventType::LLM_PARTIAL, None, piece, None);
//!             run.tell(piece.expect("the event is valid")).await?;
//!         }
//!         // Not every failure lasts.
//!         if answer.contains("TRY AGAIN") {
//!             return Err(Failure::passing("not now"));
//!         }
//!         Ok(Outcome { result: Some(answer), ..Outcome::default() })
//!     }
//! }
//!
//! /// Shouts, eight questions at a time, until `stop` says so.
//! async fn serve(
//!     queue: Arc<dyn TaskQueue>,
//!     feed: Arc<dyn EventFeed>,
//!     stop: watch::Receiver<bool>,
//! ) {
//!     let worker = WorkerId::new("shouter-1").expect("the name is valid");
//!     let eight = NonZeroU16::new(8).expect("8 is not 0");
//!     let options = Options { wait: Duration::from_secs(1), ..Options::default() };
//!     Runtime::new(queue, worker, options)
//!         .with_feed(feed)
//!         .run(vec![Lane::new(Arc::new(Shout), eight)], stop)
//!         .await;
//! }
//! # use taskgate_domain::{ports::LogNews, testkit::build, query::TaskKey};
//! # use taskgate_infra::{Store, StoreOptions, migrations};
//! #
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::TempDir::new()?;
//! # let url: taskgate_infra::DatabaseUrl =
//! #     format!("sqlite://{}", directory.path().join("tasks.db").display()).parse()?;
//! # migrations::apply(&url)?;
//! # let store = Store::connect(&StoreOptions { url, pool_size: 2 })?;
//! # let task = build::agent_task(taskgate_domain::id::UserId::DEFAULT);
//! # let task = store.tasks.submit(task).await?.task;
//! # let mut news = store.feed.listen(task.number);
//! # let (stop, stopped) = watch::channel(false);
//! # let end = async {
//! #     tokio::time::timeout(Duration::from_secs(20), news.past(1_000)).await.unwrap();
//! #     stop.send_replace(true);
//! # };
//! # tokio::join!(serve(store.queue.clone(), store.feed.clone(), stopped), end);
//! # let ended = store.tasks.find(TaskKey::Number(task.number)).await?.unwrap();
//! # let answer = ended.finished().unwrap().outcome.result.as_deref();
//! # assert_eq!(answer, Some("WHY IS THE SKY BLUE?"));
//! # Ok(()) }
//! ```
//!
//! What the runtime does for each task, so that an executor need not:
//!
//! | | |
//! |---|---|
//! | Claim | A [`Lane`] asks for as many tasks as it has free slots, and waits in the queue for the first. While the queue fails it asks ever more rarely. |
//! | Lease | Heartbeats come at a third of the lease. What fails is tried again until the lease must be over; then the executor has to [stop](Stop::LeaseLost). |
//! | Cancel, pause, resume | They reach the executor with the next heartbeat, or within 100 ms when the runtime [listens](Runtime::with_feed) to the tasks' logs and the word was said in the same process. |
//! | Events, progress | [`Run::tell`] and [`Run::progress`] gather for a moment and are written together, in order, before the end. |
//! | End | A result, a failure or a panic is reported, with others that end meanwhile, until the queue has answered. Whether and when a task is tried again, the queue decides. |
//! | Stop | Nothing more is claimed. What runs may end within the [grace](Options::grace), and is given back otherwise. |
//!
//! A task may run more than once: a process that dies after the work and before
//! its report leaves a task that another will do again. Effects that must not
//! repeat belong under the task's id.

mod executor;
mod http;
mod run;
mod runtime;

pub use executor::{Executor, Failure};
pub use http::HttpQueue;
pub use run::{Run, Stop};
pub use runtime::{Lane, Options, Runtime};
