//! A TCP proxy that can break.

use socket2::{Domain, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Stands between a client and a server on loopback. It forwards until it is
/// told to refuse (closed port, open connections cut) or to freeze (open
/// connections and new ones stay open, no byte passes).
pub struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
    /// Bound and never listening, so that the port stays the proxy's own while
    /// it refuses.
    _port: Socket,
}

struct Line {
    target: Mutex<String>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Forwarding,
    Frozen,
    Refusing,
    Closed,
}

/// How often a waiting thread looks at the state.
const TICK: Duration = Duration::from_millis(20);

impl Proxy {
    /// A proxy on a free port for the server at `target`.
    pub fn to(target: &str) -> Self {
        let port = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        port.set_reuse_address(true).expect("a socket option");
        port.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        let address = port.local_addr().ok().and_then(|address| address.as_socket());
        let address = address.expect("an address");
        let listener = TcpListener::bind(address).expect("its own port");
        let line = Arc::new(Line {
            target: Mutex::new(target.to_owned()),
            state: Mutex::new(State::Forwarding),
            changed: Condvar::new(),
        });
        let shared = Arc::clone(&line);
        std::thread::spawn(move || shared.listen(listener, address));
        Self { address, line, _port: port }
    }

    /// Where the proxy listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection and refuses new ones, as a stopped server does.
    pub fn refuse(&self) {
        self.line.set(State::Refusing);
        // Only once the port is closed does a connection attempt fail.
        while TcpStream::connect(self.address).is_ok() {
            std::thread::sleep(TICK);
        }
    }

    /// Holds every byte back and closes nothing, as a hung server does.
    pub fn freeze(&self) {
        self.line.set(State::Frozen);
    }

    /// Cuts every connection; new ones pass at once.
    pub fn cut(&self) {
        self.refuse();
        self.restore();
    }

    /// Has new connections lead to the server at `target`.
    pub fn point_to(&self, target: &str) {
        *self.line.target.lock().unwrap_or_else(PoisonError::into_inner) = target.to_owned();
    }

    /// Lets everything pass again.
    pub fn restore(&self) {
        self.line.set(State::Forwarding);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.set(State::Closed);
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        let mut current = self.state();
        // A closed line stays closed.
        if *current != State::Closed {
            *current = state;
        }
        self.changed.notify_all();
    }

    /// Waits while the line is in `state`.
    fn wait_while(&self, state: State) -> State {
        let guard = self.changed.wait_while(self.state(), |now| *now == state);
        *guard.unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(self: Arc<Self>, first: TcpListener, address: SocketAddr) {
        let mut listener = Some(first);
        loop {
            let state = *self.state();
            match state {
                State::Closed => return,
                State::Refusing => {
                    listener = None;
                    self.wait_while(State::Refusing);
                }
                State::Forwarding | State::Frozen => {
                    let open = listener
                        .get_or_insert_with(|| TcpListener::bind(address).expect("its own port"));
                    self.accept(open);
                }
            }
        }
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        listener.set_nonblocking(true).expect("a socket option");
        match listener.accept() {
            Ok((client, _)) => {
                client.set_nonblocking(false).expect("a socket option");
                let line = Arc::clone(self);
                std::thread::spawn(move || line.carry(client));
            }
            Err(_) => std::thread::sleep(TICK),
        }
    }

    fn carry(self: Arc<Self>, client: TcpStream) {
        self.wait_while(State::Frozen);
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Ok(server) = TcpStream::connect(target) else { return };
        let back = (server.try_clone().expect("a handle"), client.try_clone().expect("a handle"));
        let line = Arc::clone(&self);
        std::thread::spawn(move || line.copy(back.0, back.1));
        self.copy(client, server);
    }

    /// Copies bytes one way until either end closes or the line is cut.
    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16_384];
        from.set_read_timeout(Some(TICK)).expect("a read timeout");
        to.set_nodelay(true).expect("a socket option");
        loop {
            let read = from.read(&mut buffer);
            match self.wait_while(State::Frozen) {
                State::Forwarding | State::Frozen => {}
                State::Refusing | State::Closed => break,
            }
            match read {
                Ok(0) => break,
                Ok(length) => {
                    if to.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
