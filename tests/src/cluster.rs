//! A PostgreSQL cluster that one test may stop.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
};

/// A throw-away cluster of a test's own, by `scripts/with-postgres`.
pub struct Cluster {
    script: Child,
    /// The script's command reads from here; the end of it is the cluster's.
    keep: Option<ChildStdin>,
    url: String,
    pg_ctl: String,
    data: PathBuf,
}

impl Cluster {
    /// A new cluster, running.
    pub fn start() -> Self {
        const TELL: &str = "echo \"$TASKGATE_TEST_POSTGRES\"; command -v pg_ctl; \
                            psql \"$TASKGATE_TEST_POSTGRES\" -qAtc 'SHOW data_directory'; exec cat";
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut script = Command::new(root.join("../scripts/with-postgres"))
            .args(["sh", "-c", TELL])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/with-postgres can be started");
        let keep = script.stdin.take();
        let told = BufReader::new(script.stdout.take().expect("a pipe"));
        let mut lines = told.lines().map(|line| line.expect("UTF-8"));
        let mut next = || lines.next().expect("scripts/with-postgres starts a cluster");
        let (url, pg_ctl, data) = (next(), next(), PathBuf::from(next()));
        Self { script, keep, url, pg_ctl, data }
    }

    /// A superuser's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the cluster as a power failure does, and starts it again.
    pub fn crash_and_restart(&self) {
        let owner = std::fs::metadata(&self.data).expect("a data directory").uid().to_string();
        let log = self.data.with_file_name("log-of-restart");
        let mut command = Command::new("setpriv");
        // PostgreSQL refuses to run as root.
        if owner != std::fs::metadata("/proc/self").expect("a process").uid().to_string() {
            command.args(["--reuid", &owner, "--clear-groups"]);
        }
        let status = command
            .arg("--")
            .args([&self.pg_ctl, "-D"])
            .arg(&self.data)
            .args(["-m", "immediate", "-w", "-s", "-l"])
            .arg(log)
            .arg("restart")
            .current_dir(self.data.parent().expect("a directory"))
            .status()
            .expect("setpriv can be started");
        assert!(status.success(), "pg_ctl restart: {status}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keep.take());
        let _ = self.script.wait();
    }
}
