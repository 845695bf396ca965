//! `taskgate worker` on the command line.

use super::{ExecutorFlags, LogFlags, SettingFlags};
use clap::Args;
use std::path::PathBuf;
use taskgate_domain::task::work::Kind;

/// What a worker process does, and for whom.
#[derive(Debug, Args)]
pub(crate) struct WorkerFlags {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the worker face is [default: TASKGATE_WORKER_URL or
    /// http://127.0.0.1:8090]
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// An API key with the scope worker; others can see it here, so prefer the
    /// environment variable [default: TASKGATE_API_KEY]
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// What tasks to take [default: all that this program can do]
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    pub(crate) kinds: Vec<Kind>,
    /// How long a task stays this worker's without a sign of life from it, 5 to
    /// 3600
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u16).range(5..=3600)
    )]
    pub(crate) lease_seconds: u16,
    #[command(flatten)]
    executors: ExecutorFlags,
    #[command(flatten)]
    log: LogFlags,
}

impl SettingFlags for WorkerFlags {
    fn config(&self) -> Option<PathBuf> {
        self.config.clone()
    }

    fn given(&self) -> Vec<(&'static str, &str)> {
        self.executors.given().chain(self.log.given()).collect()
    }
}
