//! Answers that go on for long, and clients that do not wait for their end.

use crate::{
    server::{Face, HttpOptions, State, listen},
    testing::{KEY, Mocks},
};
use actix_web::{
    HttpResponse,
    dev::ServerHandle,
    rt::{spawn, task::JoinHandle, time::sleep},
    web::{self, Bytes, ServiceConfig},
};
use futures_util::{StreamExt, future, stream};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Far more than any of these tests needs, and far less than what it would take
/// if what it tests did not work.
const SOON: Duration = Duration::from_secs(8);

/// Says hello, and then nothing until the stop.
async fn quiet(state: web::Data<State>) -> HttpResponse {
    let mut stopping = state.services.stopping.clone();
    let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
    let hello = stream::once(future::ready(Ok::<_, io::Error>(Bytes::from_static(b"hello"))));
    HttpResponse::Ok().streaming(hello.chain(stream::pending()).take_until(Box::pin(stopped)))
}

/// Says more than any client wants to hear.
async fn flood() -> HttpResponse {
    let chunk = Bytes::from_static(&[b'.'; 1 << 16]);
    HttpResponse::Ok().streaming(stream::repeat(chunk).map(Ok::<_, io::Error>))
}

fn routes(config: &mut ServiceConfig) {
    config.route("/quiet", web::get().to(quiet)).route("/flood", web::get().to(flood));
}

/// A gateway with these routes.
struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    handle: ServerHandle,
    running: JoinHandle<io::Result<()>>,
}

impl Server {
    fn start(options: HttpOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let state = Mocks { stopping: Some(stopping), ..Mocks::default() }.state(Face::Gateway);
        let options = HttpOptions { workers: 1, ..options };
        let server = listen(state, routes, listener, &options).unwrap();
        let handle = server.handle();
        Self { address, stop, handle, running: spawn(server) }
    }

    /// Opens a stream, and reads the first bytes of its answer.
    async fn open(&self, path: &'static str) -> TcpStream {
        let address = self.address;
        let open = move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            let mut start = [0; 15];
            stream.read_exact(&mut start).unwrap();
            assert_eq!(&start, b"HTTP/1.1 200 OK");
            stream
        };
        web::block(open).await.unwrap()
    }

    /// Waits until so many quiet streams are open.
    async fn until_open(&self, streams: usize) {
        let start = Instant::now();
        // The server itself holds one more.
        while self.stop.receiver_count() != streams + 1 {
            assert!(start.elapsed() < SOON, "{} streams", self.stop.receiver_count() - 1);
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) {
        self.handle.stop(true).await;
        self.running.await.unwrap().unwrap();
    }
}

#[actix_web::test]
async fn a_stream_ends_when_its_client_leaves() {
    let server = Server::start(HttpOptions::default());
    let polite = server.open("/api/v1/quiet").await;
    let rude = server.open("/api/v1/quiet").await;
    server.until_open(2).await;
    polite.shutdown(Shutdown::Write).unwrap();
    server.until_open(1).await;
    // What it has not read makes the system reset the connection.
    drop(rude);
    server.until_open(0).await;
    server.end().await;
}

#[actix_web::test]
async fn a_stop_waits_for_no_stream() {
    let server = Server::start(HttpOptions::default());
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(server.open("/api/v1/quiet").await);
    }
    server.until_open(20).await;
    let start = Instant::now();
    server.stop.send_replace(true);
    server.end().await;
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    for mut stream in streams {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{rest}");
    }
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn a_client_that_takes_nothing_is_cut() {
    let options = HttpOptions {
        max_connections: 1,
        unread_deadline: Duration::from_secs(1),
        ..HttpOptions::default()
    };
    let server = Server::start(options);
    let _deaf = server.open("/api/v1/flood").await;
    // There is room for it only when the other connection is gone.
    let next = server.open("/health").await;
    drop(next);
    server.end().await;
}
