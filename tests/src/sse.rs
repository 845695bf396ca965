//! Server-sent events, frame by frame.

use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// An open stream. Dropping it cuts the connection.
pub struct EventStream {
    socket: TcpStream,
    /// Bytes of the connection that were not looked at yet.
    raw: Vec<u8>,
    /// Text of the stream that makes no whole block yet.
    text: Vec<u8>,
    /// Bytes of the current chunk that are to come.
    chunk: usize,
    ended: bool,
}

/// What a stream brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Lines that begin with a colon.
    Comment(String),
    /// How long to wait before coming back, in milliseconds.
    Retry(u64),
    /// An event.
    Event(Frame),
    /// The end that the server gave the stream.
    End,
    /// The end of the connection in the middle of the stream.
    Cut,
}

/// An event as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// Where to resume behind it.
    pub id: String,
    /// Its name.
    pub event: String,
    /// Its data.
    pub data: String,
}

impl EventStream {
    /// Asks `HOST:PORT` for a stream.
    ///
    /// # Errors
    /// The whole answer, when it is none.
    pub async fn open(address: &str, path: &str, headers: &[(&str, &str)]) -> Result<Self, String> {
        let mut socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let (raw, text) = (Vec::new(), Vec::new());
        let mut stream = Self { socket, raw, text, chunk: 0, ended: false };
        let head = loop {
            if let Some(end) = find(&stream.raw, b"\r\n\r\n") {
                let head: Vec<u8> = stream.raw.drain(..end + 4).collect();
                break String::from_utf8_lossy(&head).into_owned();
            }
            if !stream.fill().await {
                return Err(String::from_utf8_lossy(&stream.raw).into_owned());
            }
        };
        if head.starts_with("HTTP/1.1 200 ") && head.to_lowercase().contains("text/event-stream") {
            return Ok(stream);
        }
        // The body of an error is short and comes with its head, or right after.
        let _ = timeout(Duration::from_millis(500), stream.fill()).await;
        Err(format!("{head}{}", String::from_utf8_lossy(&stream.raw)))
    }

    /// The next block.
    pub async fn next(&mut self) -> Block {
        loop {
            if let Some(end) = find(&self.text, b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                if let Some(block) = parse(&String::from_utf8_lossy(&block)) {
                    return block;
                }
                continue;
            }
            if self.ended {
                return Block::End;
            }
            if !self.unchunk() && !self.fill().await {
                return Block::Cut;
            }
        }
    }

    /// The next event; `None` when the stream has ended or was cut.
    pub async fn event(&mut self) -> Option<Frame> {
        loop {
            match self.next().await {
                Block::Event(frame) => return Some(frame),
                Block::End | Block::Cut => return None,
                Block::Comment(_) | Block::Retry(_) => {}
            }
        }
    }

    /// Moves what is there of a chunk; false when more must come first.
    fn unchunk(&mut self) -> bool {
        if self.chunk == 0 {
            let Some(end) = find(&self.raw, b"\r\n") else { return false };
            let line: Vec<u8> = self.raw.drain(..end + 2).collect();
            let size = String::from_utf8_lossy(&line);
            if size.trim().is_empty() {
                return true;
            }
            self.chunk = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
            self.ended = self.chunk == 0;
            return true;
        }
        let there = self.raw.len().min(self.chunk);
        self.text.extend(self.raw.drain(..there));
        self.chunk -= there;
        there > 0
    }

    async fn fill(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        match self.socket.read(&mut buffer).await {
            Ok(length) if length > 0 => {
                self.raw.extend_from_slice(&buffer[..length]);
                true
            }
            _ => false,
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn parse(block: &str) -> Option<Block> {
    let mut frame = Frame::default();
    let mut found = None;
    for line in block.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':')?;
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "" => found = Some(Block::Comment(value)),
            "retry" => found = Some(Block::Retry(value.parse().expect("milliseconds"))),
            "id" => frame.id = value,
            "event" => frame.event = value,
            "data" => frame.data = value,
            field => panic!("a field {field} in an event stream"),
        }
    }
    if frame == Frame::default() { found } else { Some(Block::Event(frame)) }
}
