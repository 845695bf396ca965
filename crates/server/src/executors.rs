//! What does tasks in this process.

use crate::{
    config::{Config, ExecutorSettings},
    failure::Failure,
};
use std::{num::NonZeroU16, sync::Arc, time::Duration};
use taskgate_domain::{
    error::InvalidValue,
    ports::{EventFeed, TaskQueue},
    queue::WorkerId,
    task::work::Kind,
};
use taskgate_executors::{Agent, ModelAnswerer, Toolbox, library::Library, offline::Offline};
use taskgate_worker::{Executor, Lane, Options, Runtime};
use tokio::{runtime, sync::watch, task::JoinHandle};

/// How long tasks may still run after a stop was asked for.
const GRACE: Duration = Duration::from_secs(8);

/// Where tasks come from, and how they are held.
pub(crate) struct Source {
    /// The queue.
    pub(crate) queue: Arc<dyn TaskQueue>,
    /// News of tasks, where they come from this process's own store.
    pub(crate) feed: Option<Arc<dyn EventFeed>>,
    /// How long a task is held without a sign of life.
    pub(crate) lease: Duration,
}

/// The kinds of task that this program can do.
pub(crate) const KINDS: [Kind; 1] = [Kind::Agent];

/// Starts to run tasks, unless this process is to run none.
pub(crate) fn start(
    config: &Config,
    source: Source,
    stop: watch::Receiver<bool>,
) -> Result<Option<JoinHandle<()>>, Failure> {
    let Some(slots) = NonZeroU16::new(config.settings.workers.0) else { return Ok(None) };
    let lane = Lane::new(agent(&config.executors)?, slots);
    let name =
        worker_name().map_err(|error| Failure::caused("cannot give the worker a name", &error))?;
    let options = Options { lease: source.lease, grace: GRACE, ..Options::default() };
    let mut runtime = Runtime::new(source.queue, name, options);
    if let Some(feed) = source.feed {
        runtime = runtime.with_feed(feed);
    }
    Ok(Some(tokio::spawn(runtime.run(vec![lane], stop))))
}

/// What people see of who has a task: the machine and the process.
fn worker_name() -> Result<WorkerId, InvalidValue> {
    let machine = rustix::system::uname();
    WorkerId::new(format!("{}-{}", machine.nodename().to_string_lossy(), std::process::id()))
}

/// Who answers questions: a model if there is one, and extracts of texts
/// otherwise.
fn agent(settings: &ExecutorSettings) -> Result<Arc<dyn Executor>, Failure> {
    let unreadable = |error| Failure::caused("cannot read the texts to answer by", &error);
    let mut library = Library::embedded().map_err(unreadable)?;
    if let Some(folder) = &settings.corpus {
        library.add_folder(folder).map_err(unreadable)?;
    }
    let library = Arc::new(library);
    let offline = Arc::new(Offline::new(library.clone()));
    let tools = Toolbox::new(move |query, limit| library.search(query, limit))
        .map_err(|error| Failure::caused("cannot start the HTTP client", &error))?;
    let agent = Agent::new(offline, tools);
    let Some(settings) = settings.model()? else { return Ok(Arc::new(agent)) };
    let model = ModelAnswerer::new(settings)
        .map_err(|error| Failure::caused("cannot use the model", &error))?;
    let provider = model.provider().to_owned();
    Ok(Arc::new(agent.with_model(provider, Arc::new(model))))
}

/// The threads of a process that runs tasks, or of one whose faces have threads
/// of their own.
pub(crate) fn threads(config: &Config) -> Result<runtime::Runtime, Failure> {
    let built = if config.settings.workers.0 == 0 {
        runtime::Builder::new_current_thread().enable_all().build()
    } else {
        runtime::Builder::new_multi_thread().enable_all().build()
    };
    built.map_err(|error| Failure::caused("cannot start", &error))
}
