//! The real binary as a running server.

use crate::{Api, DEV_KEY, Process, Store, command};
use std::{process::ExitStatus, time::Duration};

const FACES: [&str; 3] = ["gateway", "research", "worker"];

/// A server process with its three faces on free loopback ports. It is stopped
/// when dropped, and shows its log if the test is failing.
pub struct Server {
    process: Process,
    addresses: [String; 3],
}

impl Server {
    /// `taskgate dev` over this store: it accepts [`DEV_KEY`], and leaves the
    /// tasks to the test.
    pub fn dev(store: &Store) -> Self {
        Self::start(store, &["dev", "--workers", "0"])
    }

    /// `taskgate dev` over another URL of this store.
    pub fn dev_at(store: &Store, url: &str) -> Self {
        Self::start(store, &["dev", "--workers", "0", "--database-url", url])
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
        let mut process = Process::start(command);
        let addresses = process.logged("the addresses of all faces", |lines| {
            let found = FACES.map(|face| lines.iter().find_map(|line| address_in(line, face)));
            let [Some(gateway), Some(research), Some(worker)] = found else { return None };
            Some([gateway, research, worker])
        });
        Self { process, addresses }
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
        self.process.log()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the process at once, as a crash does.
    pub fn kill(self) {
        self.process.kill();
    }

    /// Asks the process to end and waits until it has.
    pub fn stop(self) -> ExitStatus {
        self.process.stop()
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.process.wait(limit)
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
