//! Client programs of `clients/` against a running server.

use crate::{DEV_KEY, Server};
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::process::{Child, Command};

/// What a client program did.
#[derive(Debug)]
pub struct ClientRun {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl ClientRun {
    /// The output of a client that must have succeeded.
    #[track_caller]
    pub fn output(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.stdout
    }
}

/// Runs a client program (a path below `clients/`) with these arguments
/// against the server, for at most a minute.
pub async fn run_client(server: &Server, program: &str, args: &[&str]) -> ClientRun {
    finish(command(server, program).args(args), program).await
}

async fn finish(command: &mut Command, program: &str) -> ClientRun {
    let output = tokio::time::timeout(Duration::from_secs(60), piped(command).output())
        .await
        .unwrap_or_else(|_| panic!("{program} did not end"))
        .unwrap_or_else(|error| panic!("{program} could not be started: {error}"));
    ClientRun {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the SDK's own command, `shannon`, with these arguments against the
/// server, for at most a minute.
pub async fn run_shannon(server: &Server, args: &[&str]) -> ClientRun {
    let python = PathBuf::from(needed("TASKGATE_TEST_PYTHON"));
    let mut command = Command::new(python.with_file_name("shannon"));
    command.env("SHANNON_BASE_URL", server.gateway().base()).env("SHANNON_API_KEY", DEV_KEY);
    finish(command.args(args), "shannon").await
}

/// `clients/python/worker.py` as a process of its own, ended when dropped.
pub struct ScriptedWorker {
    _process: Child,
}

impl ScriptedWorker {
    /// A worker that runs every kind of task.
    pub fn of(server: &Server) -> Self {
        let process = command(server, "python/worker.py").spawn().expect("Python can be started");
        Self { _process: process }
    }
}

pub(crate) fn command(server: &Server, program: &str) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients").join(program);
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
    command
        .arg(path)
        .env("TASKGATE_URL", server.gateway().base())
        .env("TASKGATE_RESEARCH_URL", server.research().base())
        .env("TASKGATE_WORKER_URL", server.worker().base())
        .env("TASKGATE_API_KEY", DEV_KEY);
    piped(&mut command);
    command
}

/// Without a terminal, all output kept, ended when dropped.
fn piped(command: &mut Command) -> &mut Command {
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
}

fn needed(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run scripts/test, which provides it"))
}
