//! The real binary as a running server.

use crate::{Api, DEV_KEY, Store, command, terminate};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const FACES: [&str; 3] = ["gateway", "research", "worker"];

/// A server process with its three faces on free loopback ports. It is stopped
/// when dropped, and shows its log if the test is failing.
pub struct Server {
    child: Child,
    log: Arc<Log>,
    addresses: [String; 3],
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Server {
    /// `taskgate dev` over this store: it accepts [`DEV_KEY`].
    pub fn dev(store: &Store) -> Self {
        Self::start(store, &["dev"])
    }

    /// `taskgate dev` over another URL of this store.
    pub fn dev_at(store: &Store, url: &str) -> Self {
        Self::start(store, &["dev", "--database-url", url])
    }

    /// `taskgate serve` with migrations applied before.
    pub fn serve(store: &Store, args: &[&str]) -> Self {
        let migrated = command::taskgate(store, &["migrate"]);
        assert_eq!(migrated.code, 0, "{}", migrated.stderr);
        let mut all = vec!["serve"];
        all.extend(args);
        Self::start(store, &all)
    }

    /// Any server command; returns once all faces listen.
    pub fn start(store: &Store, args: &[&str]) -> Self {
        let mut command = command::binary(store);
        command.args(args);
        for face in FACES {
            command.args([format!("--{face}-addr"), "127.0.0.1:0".to_owned()]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("taskgate can be started");
        let log = Arc::new(Log::default());
        log.follow(child.stdout.take().expect("a pipe"));
        log.follow(child.stderr.take().expect("a pipe"));
        let addresses = log.addresses(&mut child);
        Self { child, log, addresses }
    }

    /// The gateway, under [`DEV_KEY`].
    pub fn gateway(&self) -> Api {
        self.face(0, Some(DEV_KEY))
    }

    /// The research face, without a key.
    pub fn research(&self) -> Api {
        self.face(1, None)
    }

    /// The worker face, under [`DEV_KEY`].
    pub fn worker(&self) -> Api {
        self.face(2, Some(DEV_KEY))
    }

    /// Where the gateway listens, as `HOST:PORT`.
    pub fn gateway_address(&self) -> String {
        self.addresses[0].clone()
    }

    fn face(&self, face: usize, key: Option<&str>) -> Api {
        Api::new(format!("http://{}", self.addresses[face]), key)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().join("\n")
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
        self.wait(Duration::from_secs(40)).expect("the server stops when asked to")
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

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            terminate(self.id());
            if self.wait(Duration::from_secs(10)).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        if std::thread::panicking() {
            println!("--- log of the server ---\n{}\n---", self.log());
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

    /// Waits until the log tells where each face listens.
    fn addresses(&self, child: &mut Child) -> [String; 3] {
        let start = Instant::now();
        let mut lines = self.lock();
        loop {
            let found = FACES.map(|face| lines.iter().find_map(|line| address_in(line, face)));
            if let [Some(gateway), Some(research), Some(worker)] = found {
                return [gateway, research, worker];
            }
            let ended = child.try_wait().expect("a child process");
            assert!(
                ended.is_none() && start.elapsed() < Duration::from_secs(30),
                "the server did not start ({ended:?}):\n{}",
                lines.join("\n")
            );
            lines = self
                .grown
                .wait_timeout(lines, Duration::from_millis(50))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// The loopback address in a line that names the face.
fn address_in(line: &str, face: &str) -> Option<String> {
    const HOST: &str = "127.0.0.1:";
    if !line.split(|c: char| !c.is_alphanumeric()).any(|word| word == face) {
        return None;
    }
    let start = line.find(HOST)?;
    let port: String =
        line[start + HOST.len()..].chars().take_while(char::is_ascii_digit).collect();
    (port.parse::<u16>().ok()? > 0).then(|| format!("{HOST}{port}"))
}
