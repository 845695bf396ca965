//! `taskgate dev` and `taskgate serve`

mod welcome;

use crate::{
    address::Reach,
    cli::ServerFlags,
    config::{Config, Settings, WORKERS, make_default_directory},
    executors::{self, Source},
    faces::Sockets,
    failure::{Failure, chain},
    huge_pages, log, maintenance, open_files,
    shutdown::{self, Signals, StoppableQueue},
    terminal,
};
use std::{process::ExitCode, sync::Arc, time::Duration};
use taskgate_api::{Face, HttpOptions, ResearchAccess, Services};
use taskgate_domain::{
    key::KeySecret,
    ports::{SystemClock, TaskQueue},
    usecase::{
        events::Events, keys::Keys, reviews::Reviews, sessions::Sessions, tasks::Tasks,
        workers::Workers,
    },
};
use taskgate_infra::{DatabaseUrl, Store, StoreOptions, migrations};
use tokio::sync::watch;

/// The key of the documentation's examples.
const DEV_KEY: &str = "sk_test_123456";

/// How long a task of this process is held without a sign of life: as long as
/// it waits when the process dies.
const LEASE: Duration = Duration::from_secs(15);

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Trying things out on this machine: the store is made, and
    /// [`DEV_KEY`] opens every face.
    Dev {
        /// Every face is open without any key.
        no_auth: bool,
    },
    /// Production.
    Serve,
}

impl Mode {
    /// The defaults that this mode has of its own.
    const fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Dev { .. } => &[WORKERS],
            Self::Serve => &[],
        }
    }

    /// Where a face may listen.
    fn reach(self, face: Face, access: ResearchAccess) -> Reach {
        match (self, face) {
            (Self::Dev { no_auth: false }, _) => Reach::DEV,
            (Self::Dev { no_auth: true }, _) => Reach::NO_AUTH,
            (Self::Serve, Face::Research) => Reach::of_research(access),
            (Self::Serve, Face::Gateway | Face::Worker) => Reach::Any,
        }
    }
}

/// Runs a server until a signal ends it.
pub(crate) fn run(mode: Mode, flags: &ServerFlags) -> Result<ExitCode, Failure> {
    let config = Config::load_over(mode.defaults(), flags)?;
    log::start(config.settings.log_format, &config.settings.log_level)?;
    huge_pages::refuse();
    let runtime = executors::threads(&config)?;
    let code = runtime.block_on(serve(mode, &config));
    // A statement that runs may end; one that the database never answers must
    // not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn serve(mode: Mode, config: &Config) -> Result<ExitCode, Failure> {
    let settings = &config.settings;
    let signals = Signals::listen()?;
    let sockets = Sockets::bind(settings, |face| mode.reach(face, settings.research_access))?;
    let addresses = sockets.addresses();
    let url = &settings.database_url;
    if matches!(mode, Mode::Dev { .. }) {
        make_default_directory(url)?;
        migrations::apply(url)
            .map_err(|error| Failure::caused("cannot prepare the store", &error))?;
    }
    let options = StoreOptions { url: url.clone(), pool_size: settings.pool_size.0 };
    let store = Store::connect(&options)
        .map_err(|error| Failure::caused("cannot open the store", &error))?;
    let (stop, stopped) = watch::channel(false);
    let faces: Vec<Face> = addresses.iter().map(|(face, _)| *face).collect();
    let options = http_options(settings, faces);
    let queue: Arc<dyn TaskQueue> =
        Arc::new(StoppableQueue::new(store.queue.clone(), stopped.clone()));
    let source = Source { queue: queue.clone(), feed: Some(store.feed.clone()), lease: LEASE };
    let tasks = executors::start(config, source, stopped.clone())?;
    let faces = sockets.serve(&services(mode, settings, &store, queue, &stopped), options)?;
    tokio::spawn(maintenance::run(store.maintenance, stopped));
    match mode {
        Mode::Dev { no_auth } => {
            let key = (!no_auth).then_some(DEV_KEY);
            terminal::print(&welcome::text(url, &addresses, key))?;
        }
        Mode::Serve => {
            tracing::info!(version = env!("CARGO_PKG_VERSION"), store = %url, "serving");
            for (face, address) in addresses {
                tracing::info!(face = face.as_str(), addr = %address, "listening");
            }
            tokio::spawn(tell_of_migrations(url.clone()));
        }
    }
    Ok(shutdown::supervise(faces, tasks, signals, stop).await)
}

/// How each of these faces treats its connections.
fn http_options(settings: &Settings, faces: Vec<Face>) -> impl Fn(Face) -> HttpOptions {
    let limit = open_files::raise_limit();
    if let Err(error) = &limit {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
    let (limit, pool_size) = (limit.ok(), settings.pool_size.0);
    move |face| {
        let default = HttpOptions::default();
        let Some(limit) = limit else { return default };
        let max_connections = open_files::connections(limit, pool_size, &faces, face);
        let face = face.as_str();
        tracing::debug!(open_files = limit, face, max_connections, "connections at most");
        HttpOptions { max_connections, ..default }
    }
}

fn services(
    mode: Mode,
    settings: &Settings,
    store: &Store,
    queue: Arc<dyn TaskQueue>,
    stopped: &watch::Receiver<bool>,
) -> Services {
    let keys = Keys::new(store.keys.clone(), Arc::new(SystemClock));
    let (tasks, log, feed) = (store.tasks.clone(), store.events.clone(), store.feed.clone());
    let events = Arc::new(Events::new(tasks.clone(), log, feed));
    Services {
        tasks: Arc::new(Tasks::new(tasks.clone(), store.sessions.clone())),
        events: events.clone(),
        reviews: Arc::new(Reviews::new(tasks.clone(), store.reviews.clone(), events)),
        sessions: Arc::new(Sessions::new(store.sessions.clone(), tasks)),
        workers: Arc::new(Workers::new(queue)),
        keys: Arc::new(match mode {
            Mode::Dev { .. } => keys.with_built_in(&KeySecret::new(DEV_KEY)),
            Mode::Serve => keys,
        }),
        maintenance: store.maintenance.clone(),
        version: env!("CARGO_PKG_VERSION"),
        research_access: settings.research_access,
        no_auth: mode == Mode::Dev { no_auth: true },
        cors_origins: settings.cors_allowed_origins.clone(),
        stopping: stopped.clone(),
    }
}

/// Says once, when the store can be asked, that it is not up to date. A server
/// does not migrate by itself: that is one deliberate step for all replicas.
async fn tell_of_migrations(url: DatabaseUrl) {
    let mut pause = Duration::from_secs(1);
    loop {
        let asked = url.clone();
        match tokio::task::spawn_blocking(move || migrations::pending(&asked)).await {
            Ok(Ok(pending)) if pending.is_empty() => return,
            Ok(Ok(pending)) => {
                let pending = pending.join(", ");
                tracing::warn!(pending, "the store is not up to date; run `taskgate migrate`");
                return;
            }
            Ok(Err(error)) => tracing::debug!(error = chain(&error), "cannot check migrations"),
            // The runtime is going away.
            Err(_) => return,
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(Duration::from_secs(30));
    }
}
