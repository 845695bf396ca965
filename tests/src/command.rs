//! Running the binary for one command.

use crate::{DEV_KEY, Server, Store};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a command did.
#[derive(Debug)]
pub struct CommandRun {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl CommandRun {
    /// What a command printed that must have succeeded.
    #[track_caller]
    pub fn output(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.stdout
    }
}

/// Runs `taskgate` with these arguments over this store, to its end.
pub fn taskgate(store: &Store, args: &[&str]) -> CommandRun {
    run(binary(store).args(args))
}

/// `taskgate tasks` with these arguments as a client of this server, under
/// [`DEV_KEY`].
pub fn tasks(store: &Store, server: &Server, args: &[&str]) -> Command {
    let mut command = binary(store);
    command
        .env("TASKGATE_URL", server.gateway().base())
        .env("TASKGATE_RESEARCH_URL", server.research().base())
        .env("TASKGATE_API_KEY", DEV_KEY)
        .arg("tasks")
        .args(args);
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> CommandRun {
    let output = command.output().expect("the command can be started");
    CommandRun {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Makes an API key with `taskgate keys create` and these arguments; its name
/// is `test` unless they say another.
pub fn create_key(store: &Store, args: &[&str]) -> String {
    let name: &[&str] = if args.contains(&"--name") { &[] } else { &["--name", "test"] };
    let run = taskgate(store, &[&["keys", "create"], name, args].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout.trim().to_owned()
}

/// Asks a process to end, as a service manager does.
pub fn terminate(process: u32) {
    assert!(signal("TERM", &process.to_string()), "process {process} is not there to be stopped");
}

/// Sends a signal to a process, or to a group after a minus; whether it is
/// there.
pub(crate) fn signal(name: &str, target: &str) -> bool {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -s {name} -- {target}")])
        .status()
        .expect("sh can be started");
    status.success()
}

/// The binary, over this store, in its directory, and without any setting of
/// the environment that the tests themselves run in.
pub(crate) fn binary(store: &Store) -> Command {
    let mut command = Command::new(path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TASKGATE_")) {
        command.env_remove(name);
    }
    command
        .env("TASKGATE_DATABASE_URL", store.url())
        .env("NO_COLOR", "1")
        .current_dir(store.directory())
        .stdin(Stdio::null());
    command
}

/// Where the binary is.
pub fn path() -> PathBuf {
    let named = std::env::var_os("TASKGATE_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| beside_the_tests("taskgate"));
    there(&path, "cargo build -p taskgate")
}

/// Where an example of a crate is.
pub(crate) fn example(name: &str) -> PathBuf {
    there(&beside_the_tests(&format!("examples/{name}")), &format!("cargo build --example {name}"))
}

fn there(path: &Path, build: &str) -> PathBuf {
    assert!(
        path.is_file(),
        "{} is not there: run scripts/test, which builds it, or {build}",
        path.display()
    );
    path.canonicalize().expect("a path")
}

/// A test executable lies in `target/<profile>/deps`, what it runs above it.
fn beside_the_tests(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors().nth(2).expect("a profile directory").join(name)
}
