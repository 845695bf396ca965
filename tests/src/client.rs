//! Client programs of `clients/` against a running server.

use crate::{CommandRun, DEV_KEY, Live, Server, command};
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// Runs a client program (a path below `clients/`) with these arguments
/// against the server, for at most a minute.
pub async fn run_client(server: &Server, program: &str, args: &[&str]) -> CommandRun {
    Live::client(server, server.gateway().address(), program, args).finish().await
}

/// Runs the SDK's own command, `shannon`, with these arguments against the
/// server, for at most a minute.
pub async fn run_shannon(server: &Server, args: &[&str]) -> CommandRun {
    let python = PathBuf::from(needed("TASKGATE_TEST_PYTHON"));
    let mut command = Command::new(python.with_file_name("shannon"));
    quiet(&mut command)
        .env("SHANNON_BASE_URL", server.gateway().base())
        .env("SHANNON_API_KEY", DEV_KEY)
        .args(args);
    Live::start(command).finish().await
}

/// Runs the SDK's own command for each line of arguments, all in one process,
/// which takes far less time. Returns a line for each with its exit code and
/// what it printed.
pub async fn run_shannon_each(server: &Server, lines: &[&str]) -> String {
    run_client(server, "python/sdk_commands.py", lines).await.output().to_owned()
}

/// A worker process, ended when dropped.
pub struct ScriptedWorker {
    _process: Live,
}

impl ScriptedWorker {
    /// `clients/python/worker.py`, which runs every kind of task.
    pub fn of(server: &Server) -> Self {
        Self { _process: Live::start(client(server, "python/worker.py")) }
    }

    /// `count_words`, the example of `crates/worker`.
    pub fn counting_words(server: &Server) -> Self {
        let mut command = Command::new(command::example("count_words"));
        reaching(server, &mut command);
        Self { _process: Live::start(command) }
    }
}

pub(crate) fn client(server: &Server, program: &str) -> Command {
    let path = clients().join(program);
    let mut command = match program.rsplit_once('.').map(|(_, extension)| extension) {
        Some("py") => Command::new(needed("TASKGATE_TEST_PYTHON")),
        Some("js") => Command::new("node"),
        Some("go") => {
            let mut go = Command::new("go");
            go.arg("run");
            go
        }
        _ => Command::new("bash"),
    };
    if program.ends_with(".js") {
        command.env("NODE_PATH", needed("TASKGATE_TEST_NODE_MODULES"));
    }
    reaching(server, command.arg(path));
    quiet(&mut command);
    command
}

/// Tells a program where the server is.
fn reaching(server: &Server, command: &mut Command) {
    command
        .env("TASKGATE_URL", server.gateway().base())
        .env("TASKGATE_RESEARCH_URL", server.research().base())
        .env("TASKGATE_WORKER_URL", server.worker().base())
        .env("TASKGATE_API_KEY", DEV_KEY);
}

/// Without a terminal; Python leaves nothing behind and holds no line back.
fn quiet(command: &mut Command) -> &mut Command {
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1")
        // A directory without certificates: httpx would load those of the whole
        // web for each client, which takes longer than to talk over loopback.
        .env("SSL_CERT_DIR", clients())
        .env_remove("SSL_CERT_FILE")
        .stdin(Stdio::null())
}

/// Python with a program of `clients/python/`, without a server.
pub(crate) fn python(program: &str) -> Command {
    let mut command = Command::new(needed("TASKGATE_TEST_PYTHON"));
    quiet(&mut command).arg(clients().join("python").join(program));
    command
}

fn clients() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients")
}

fn needed(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run scripts/test, which provides it"))
}
