//! `taskgate worker`

use crate::{
    cli::WorkerFlags,
    config::{Config, WORKERS},
    executors::{self, KINDS, Source},
    faces::Faces,
    failure::Failure,
    log,
    shutdown::{self, Signals},
};
use std::{process::ExitCode, sync::Arc, time::Duration};
use taskgate_worker::HttpQueue;
use tokio::sync::watch;

/// Runs tasks of a server until a signal ends it.
pub(crate) fn run(flags: &WorkerFlags) -> Result<ExitCode, Failure> {
    let config = Config::load_over(&[WORKERS], flags)?;
    let settings = &config.settings;
    if settings.workers.0 == 0 {
        return Err(Failure::new("--workers must be above 0, or there is nothing to do"));
    }
    if let Some(kind) = flags.kinds.iter().find(|kind| !KINDS.contains(kind)) {
        return Err(Failure::new(format!("--kinds {kind} is nothing that this program can do")));
    }
    log::start(settings.log_format, &settings.log_level)?;
    let runtime = executors::threads(&config)?;
    let code = runtime.block_on(work(&config, flags));
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn work(config: &Config, flags: &WorkerFlags) -> Result<ExitCode, Failure> {
    let signals = Signals::listen()?;
    let setting = |flag: &Option<String>, variable| {
        let variable = std::env::var(variable).ok().filter(|text| !text.is_empty());
        flag.clone().or(variable)
    };
    let url = setting(&flags.url, "TASKGATE_WORKER_URL");
    let url = url.as_deref().unwrap_or("http://127.0.0.1:8090");
    let key = setting(&flags.api_key, "TASKGATE_API_KEY");
    let queue = HttpQueue::new(url, key.as_deref())
        .map_err(|error| Failure::caused("cannot use the worker face", &error))?;
    // One that is not there yet may come; a worker need not be started after it.
    if let Some(why) = queue.denial().await {
        return Err(Failure::new(format!("cannot use the worker face: {why}")));
    }
    let source = Source {
        queue: Arc::new(queue),
        feed: None,
        lease: Duration::from_secs(flags.lease_seconds.into()),
    };
    let (stop, stopped) = watch::channel(false);
    let tasks = executors::start(config, source, stopped)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        slots = config.settings.workers.0,
        "working"
    );
    Ok(shutdown::supervise(Faces::default(), tasks, signals, stop).await)
}
