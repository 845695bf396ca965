//! A server that plays a script: one reply to each connection.

use super::client::Client;
use crate::cli::{ClientFace, ClientFlags};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A reply, in the pieces that are written one by one.
pub(super) struct Reply {
    head: String,
    pieces: Vec<Vec<u8>>,
}

impl Reply {
    /// A whole answer.
    pub(super) fn json(status: u16, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
        Self { head, pieces: vec![body.as_bytes().to_vec()] }
    }

    /// A stream that breaks off after this text, which comes in pieces of this
    /// size.
    pub(super) fn broken_stream(text: &str, size: usize) -> Self {
        let chunk =
            |piece: &[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        Self {
            head: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            pieces: text.as_bytes().chunks(size).map(chunk).collect(),
        }
    }

    /// A stream that ends in good order after this text.
    pub(super) fn stream(text: &str) -> Self {
        let mut reply = Self::broken_stream(text, 7);
        reply.pieces.push(b"0\r\n\r\n".to_vec());
        reply
    }

    /// The reply with another header.
    pub(super) fn with(mut self, header: &str) -> Self {
        self.head += &format!("{header}\r\n");
        self
    }
}

/// The server; it ends when dropped.
pub(super) struct Script {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Script {
    /// A server that gives these replies in turn, and refuses what comes after.
    pub(super) async fn play(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let server = tokio::spawn(async move {
            for reply in replies {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = head(&mut socket).await;
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                answer(&mut socket, reply).await;
            }
        });
        Self { address, requests, server }
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of the requests so far, in lower case.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A client of it, without a key.
    pub(super) fn client(&self, face: ClientFace) -> Client {
        self.client_of(face, None)
    }

    /// A client of it as a gateway, with this key.
    pub(super) fn client_with_key(&self, key: &str) -> Client {
        self.client_of(ClientFace::Gateway, Some(key.to_owned()))
    }

    fn client_of(&self, face: ClientFace, api_key: Option<String>) -> Client {
        let flags = ClientFlags { face, url: Some(self.url()), api_key, json: false };
        Client::new(&flags, &|_| None).unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn head(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0, "a whole request");
    }
    String::from_utf8(request).unwrap().to_lowercase()
}

async fn answer(socket: &mut TcpStream, reply: Reply) {
    socket.set_nodelay(true).unwrap();
    let head = format!("{}Connection: close\r\n\r\n", reply.head);
    socket.write_all(head.as_bytes()).await.unwrap();
    for piece in reply.pieces {
        // A client that has what it wants may leave.
        if socket.write_all(&piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
