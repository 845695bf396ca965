//! The real binary as a running process.

use crate::{DEV_KEY, Store, command, terminate};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A process and what it prints. It is stopped when dropped, and shows what it
/// has printed if the test is failing.
pub struct Process {
    child: Child,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Process {
    /// `taskgate worker` for the worker face at this URL, under [`DEV_KEY`].
    pub fn worker(store: &Store, url: &str, args: &[&str]) -> Self {
        let mut command = command::binary(store);
        command.env("TASKGATE_API_KEY", DEV_KEY).args(["worker", "--url", url]).args(args);
        Self::start(command)
    }

    /// Starts a command.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("taskgate can be started");
        let log = Arc::new(Log::default());
        log.follow(child.stdout.take().expect("a pipe"));
        log.follow(child.stderr.take().expect("a pipe"));
        Self { child, log }
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        self.log.lock().join("\n")
    }

    /// Waits until it has printed a line that contains this.
    pub fn says(&mut self, text: &str) {
        self.logged(text, |lines| lines.iter().any(|line| line.contains(text)).then_some(()));
    }

    /// Waits until `read` finds `what` it looks for among the lines.
    pub(crate) fn logged<T>(&mut self, what: &str, read: impl Fn(&[String]) -> Option<T>) -> T {
        let start = Instant::now();
        let mut lines = self.log.lock();
        loop {
            if let Some(found) = read(&lines) {
                return found;
            }
            let ended = self.child.try_wait().expect("a child process");
            assert!(
                ended.is_none() && start.elapsed() < Duration::from_secs(30),
                "it does not tell {what} ({ended:?}):\n{}",
                lines.join("\n")
            );
            lines = self
                .log
                .grown
                .wait_timeout(lines, Duration::from_millis(50))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once, as a crash does.
    pub fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process has ended");
    }

    /// Asks the process to end and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        terminate(self.id());
        self.wait(Duration::from_secs(40)).expect("the process stops when asked to")
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.child.try_wait().expect("a child process") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            terminate(self.id());
            if self.wait(Duration::from_secs(10)).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        if std::thread::panicking() {
            println!("--- log of process {} ---\n{}\n---", self.id(), self.log());
        }
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(self: &Arc<Self>, pipe: impl Read + Send + 'static) {
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                log.lock().push(line);
                log.grown.notify_all();
            }
        });
    }
}
