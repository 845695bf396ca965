//! How streams end on a real connection.

use super::{ID, queued, task, work};
use crate::{
    server::{Face, HttpOptions, Services, serve},
    testing::{Chapter, KEY, Story},
};
use actix_web::{rt::spawn, web};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};
use taskgate_domain::{
    control::Control, event::NewEvent, task::status::LiveStatus, task::work::Mode,
};
use tokio::sync::watch;

/// Far more than any of these tests needs.
const SOON: Duration = Duration::from_secs(20);

/// Sends a request to a gateway, and reads until the connection ends.
fn talk(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn exchange(services: Services, request: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let options = HttpOptions { workers: 1, ..HttpOptions::default() };
    let server = serve(Face::Gateway, listener, services, &options).unwrap();
    let handle = server.handle();
    let running = spawn(server);
    let answer = web::block(move || talk(address, &request)).await.unwrap();
    handle.stop(true).await;
    running.await.unwrap().unwrap();
    answer
}

fn request(path: &str, headers: &str) -> String {
    format!(
        "GET /api/v1/stream/{path}?workflow_id={ID} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n{headers}\r\n"
    )
}

fn story(future: Vec<Chapter>) -> Story {
    let task = task(work("q", Mode::Simple, "{}"), queued());
    Story::new(task, vec![NewEvent::SUBMITTED], future)
}

#[actix_web::test]
async fn a_stop_breaks_a_stream_off_behind_its_last_frame() {
    let (stop, stopping) = watch::channel(false);
    let act = Box::new(move || {
        stop.send_replace(true);
    });
    let mut mocks = story(vec![Chapter::Do(act)]).mocks();
    mocks.stopping = Some(stopping);
    let answer = exchange(mocks.services(), request("sse", "")).await;
    assert!(answer.contains("transfer-encoding: chunked\r\n"), "{answer}");
    assert!(answer.contains("event: DATA_PROCESSING\n"), "{answer}");
    assert!(answer.ends_with("\r\nretry: 1000\n\n\r\n"), "{answer}");
}

#[actix_web::test]
async fn a_stream_that_is_done_is_whole() {
    let cancelled = NewEvent::controlled(Control::Cancel, LiveStatus::Queued, None);
    let story = story(vec![Chapter::Events(Duration::ZERO, cancelled)]);
    let answer = exchange(story.mocks().services(), request("sse", "Connection: close\r\n")).await;
    assert!(answer.ends_with("event: done\ndata: [DONE]\n\n\r\n0\r\n\r\n"), "{answer}");
}
