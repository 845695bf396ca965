//! A client program that runs while its test goes on.

use crate::{ClientRun, Server, client};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
};

/// How long a line or the end may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program of `clients/`, read line by line. It and all that it has
/// started end when it is dropped.
pub struct LiveClient {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    program: String,
}

impl LiveClient {
    /// Starts a program against the server, its gateway at `HOST:PORT`: its
    /// own address, or that of a proxy.
    pub fn start(server: &Server, gateway: &str, program: &str, args: &[&str]) -> Self {
        let mut process = client::command(server, program)
            .args(args)
            .env("TASKGATE_URL", format!("http://{gateway}"))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} could not be started: {error}"));
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Self { process, lines, program: program.to_owned() }
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line())
            .await
            .unwrap_or_else(|_| panic!("{} prints no further line", self.program))
            .expect("UTF-8 on stdout");
        let Some(line) = line else {
            let errors = self.errors().await;
            panic!("{} has ended: {errors}", self.program);
        };
        line
    }

    /// What it still prints until it ends by itself, and how it ends.
    pub async fn finish(mut self) -> ClientRun {
        let rest = async {
            let mut stdout = String::new();
            while let Some(line) = self.lines.next_line().await.expect("UTF-8 on stdout") {
                stdout.push_str(&line);
                stdout.push('\n');
            }
            (stdout, self.process.wait().await.expect("a child process"))
        };
        let (stdout, status) = tokio::time::timeout(PATIENCE, rest)
            .await
            .unwrap_or_else(|_| panic!("{} did not end", self.program));
        let stderr = self.errors().await;
        ClientRun { code: status.code().unwrap_or(-1), stdout, stderr }
    }

    async fn errors(&mut self) -> String {
        let mut stderr = String::new();
        if let Some(mut pipe) = self.process.stderr.take() {
            let _ = pipe.read_to_string(&mut stderr).await;
        }
        stderr
    }
}

impl Drop for LiveClient {
    fn drop(&mut self) {
        // Gone once it has been waited for.
        if let Some(id) = self.process.id() {
            let _ = std::process::Command::new("kill")
                .args(["-KILL", "--", &format!("-{id}")])
                .stderr(std::process::Stdio::null())
                .status();
        }
    }
}
