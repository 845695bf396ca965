//! Bytes on a socket, for what no well-behaved client sends.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// A connection to a face.
pub struct Socket(TcpStream);

/// An answer, as far as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status code; 0 when the connection was closed without an answer.
    pub status: u16,
    /// All before the body.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Socket {
    /// Connects to `HOST:PORT`.
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the face accepts connections");
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).expect("a read timeout");
        stream.set_write_timeout(limit).expect("a write timeout");
        Self(stream)
    }

    /// Writes bytes; false when the server has closed the connection.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Waits for `100 Continue`, by which a server says that it has read a
    /// header with `Expect: 100-continue`.
    pub fn read_continue(&mut self) {
        let mut answer = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        self.0.read_exact(&mut answer).expect("an answer to the header");
        assert!(answer.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&answer));
    }

    /// Reads one answer, to the end of its body or of the connection.
    pub fn read_answer(&mut self) -> RawAnswer {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 16_384]);
        loop {
            let answer = RawAnswer::parse(&bytes);
            if answer.is_whole() {
                return answer;
            }
            // A reset ends the connection too: the server has hung up.
            match self.0.read(&mut buffer) {
                Ok(length) if length > 0 => bytes.extend_from_slice(&buffer[..length]),
                _ => return answer,
            }
        }
    }

    /// Reads until the server closes the connection.
    pub fn read_to_end(&mut self) {
        // A reset closes it too.
        let _ = self.0.read_to_end(&mut Vec::new());
    }

    /// Sends one request with `Connection: close` and reads the answer.
    pub fn exchange(
        address: &str,
        request_line: &[u8],
        headers: &[&str],
        body: &[u8],
    ) -> RawAnswer {
        let mut bytes =
            [request_line, b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"].concat();
        for header in headers {
            bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        let mut socket = Self::connect(address);
        socket.write(&bytes);
        socket.read_answer()
    }
}

impl RawAnswer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Whether the body is as long as it was announced to be.
    fn is_whole(&self) -> bool {
        let head = self.head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        length.and_then(|length| length.parse().ok()) == Some(self.body.len())
    }
}
