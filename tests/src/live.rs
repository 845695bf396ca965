//! A program that runs while its test goes on.

use crate::{CommandRun, Server, client, command};
use std::{
    process::{Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, ChildStderr, ChildStdout},
    time::timeout,
};

/// How long a line or the end may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program, read line by line. It and all that it has started end
/// when it is dropped.
pub struct Live {
    process: Child,
    output: BufReader<ChildStdout>,
    errors: ChildStderr,
}

impl Live {
    /// Starts a command.
    pub fn start(command: Command) -> Self {
        let mut process = tokio::process::Command::from(command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("the command can be started");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let errors = process.stderr.take().expect("a pipe");
        Self { process, output, errors }
    }

    /// Starts a program of `clients/` against the server, its gateway at
    /// `HOST:PORT`: its own address, or that of a proxy.
    pub fn client(server: &Server, gateway: &str, program: &str, args: &[&str]) -> Self {
        let mut command = client::client(server, program);
        command.args(args).env("TASKGATE_URL", format!("http://{gateway}"));
        Self::start(command)
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.output.read_line(&mut line)).await;
        let length = read.expect("it prints a further line").expect("UTF-8 on stdout");
        assert!(length > 0, "it has ended: {}", rest(&mut self.errors).await);
        line.trim_end_matches('\n').to_owned()
    }

    /// What it still prints until it ends by itself, and how it ends.
    pub async fn finish(mut self) -> CommandRun {
        let Self { process, output, errors } = &mut self;
        let end = async {
            let (stdout, stderr) = tokio::join!(rest(output), rest(errors));
            let code = process.wait().await.expect("a child process").code().unwrap_or(-1);
            CommandRun { code, stdout, stderr }
        };
        timeout(PATIENCE, end).await.expect("it ends")
    }

    /// Interrupts it, as a terminal does.
    pub fn interrupt(&self) {
        assert!(command::signal("INT", &self.id().to_string()), "it has ended");
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }
}

async fn rest(pipe: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    pipe.read_to_end(&mut text).await.expect("a pipe");
    String::from_utf8_lossy(&text).into_owned()
}

impl Drop for Live {
    fn drop(&mut self) {
        // Gone once it has been waited for.
        if let Some(id) = self.process.id() {
            let _ = command::signal("KILL", &format!("-{id}"));
        }
    }
}
