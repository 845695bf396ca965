//! Faces over real sockets.

mod streams;

use super::{Face, HttpOptions, serve};
use crate::testing::{KEY, Mocks};
use actix_web::web;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// Sends these bytes to a gateway over a real connection, and reads until
/// the end of the JSON object that is the answer, or to the end.
async fn exchange(options: HttpOptions, bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let options = HttpOptions { workers: 1, ..options };
    let server = serve(Face::Gateway, listener, Mocks::default().services(), &options).unwrap();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let answer = web::block(move || talk(address, &bytes)).await.unwrap();
    handle.stop(true).await;
    running.await.unwrap().unwrap();
    answer
}

fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The gateway may hang up before it has heard everything.
    drop(stream.write_all(bytes));
    let (mut answer, mut buffer) = (String::new(), [0; 1024]);
    while !answer.ends_with('}') {
        let length = stream.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        answer.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    answer
}

fn submit(length: usize) -> String {
    format!(
        "POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let options =
        HttpOptions { body_deadline: Duration::from_millis(50), ..HttpOptions::default() };
    let answer = exchange(options, format!("{}{{", submit(100)).into()).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"error":"The request body took too long to arrive"}"#));
}

#[actix_web::test]
async fn a_client_that_sends_too_much_still_reads_why() {
    let length = (40 << 20) + 1;
    let mut request = submit(length).into_bytes();
    request.resize(request.len() + length, b' ');
    let answer = exchange(HttpOptions::default(), request).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"error":"Invalid request body: longer than 41943040 bytes"}"#));
}

#[actix_web::test]
async fn a_probe_may_ask_for_the_head_alone() {
    let request = "HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(HttpOptions::default(), request.into()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[actix_web::test]
async fn bytes_that_are_no_text_are_refused_wherever_they_stand() {
    for target in ["/api/v1/tasks?status=\u{ff}", "/api/v1/tasks/\u{ff}", "/\u{ff}"] {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\r\n");
        // One byte for each character, so that this is not UTF-8.
        let bytes = request.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let answer = exchange(HttpOptions::default(), bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{target}: {answer}");
    }
}
