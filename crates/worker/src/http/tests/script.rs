//! A server that plays a script: one answer to each connection.

use crate::HttpQueue;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// An answer as it goes over the wire.
pub(super) fn answer(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The server; it ends when dropped.
pub(super) struct Script {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Script {
    /// A server that gives these answers in turn, and refuses what comes after.
    pub(super) async fn play(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let server = tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read(&mut socket).await;
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, requests, server }
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The queue there.
    pub(super) fn queue(&self) -> HttpQueue {
        HttpQueue::new(&self.url(), Some("sk_test_1")).unwrap()
    }

    /// The requests so far: method, path, what is not the same for each client,
    /// and body.
    pub(super) fn requests(&self) -> String {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).join("\n\n")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn read(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_lowercase().starts_with(name));
                line.map(|line| line.to_lowercase())
            };
            let length = header("content-length: ")
                .map_or(0, |line| line["content-length: ".len()..].parse::<usize>().unwrap());
            if body.len() >= length {
                let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
                let shown = ["x-api-key: ", "content-type: "].into_iter().filter_map(header);
                let mut parts = vec![line.to_owned()];
                parts.extend(shown);
                parts.extend((length > 0).then(|| body.to_owned()));
                return parts.join("\n");
            }
        }
        assert_ne!(socket.read_buf(&mut bytes).await.unwrap(), 0, "a whole request");
    }
}
