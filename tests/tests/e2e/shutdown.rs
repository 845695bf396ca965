//! Stopping without losing what runs.

use serde_json::json;
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};
use taskgate_tests::{DEV_KEY, ModelServer, Server, Socket, Store, Worker, eventually, terminate};

taskgate_tests::on_both_stores!(
    an_idle_server_stops_at_once,
    a_long_poll_is_answered_before_the_end,
    a_request_that_runs_is_finished,
    a_task_that_the_server_does_is_finished,
);

async fn an_idle_server_stops_at_once(store: Store) {
    let server = Server::dev(&store);
    server.gateway().ask("hello").await;
    let start = Instant::now();
    let status = server.stop();
    assert!(status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

async fn a_long_poll_is_answered_before_the_end(store: Store) {
    let server = Server::dev(&store);
    let worker = Worker::of(&server);
    let poll = tokio::spawn({
        let worker = worker.clone();
        async move { worker.claim(&["agent"], 1, 30).await }
    });
    // A poll that began later has waited its second by now.
    assert!(worker.claim(&["ocr"], 1, 1).await.is_empty());
    assert!(!poll.is_finished());
    let start = Instant::now();
    let status = server.stop();
    assert!(status.success(), "{status}");
    assert!(poll.await.expect("an answer").is_empty());
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

async fn a_request_that_runs_is_finished(store: Store) {
    let mut server = Server::dev(&store);
    let body = json!({ "query": "finish me" }).to_string();
    let (front, back) = body.split_at(5);
    let head = format!(
        "POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {DEV_KEY}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let address = server.gateway().address().to_owned();
    let mut socket = Socket::connect(&address);
    assert!(socket.write(head.as_bytes()));
    // A connection of which nothing has been read yet may be closed by a stop.
    socket.read_continue();
    assert!(socket.write(front.as_bytes()));
    terminate(server.id());
    eventually("the listener to close", async || TcpStream::connect(&address).err()).await;
    assert!(socket.write(back.as_bytes()));
    let answer = socket.read_answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    let ended = server.wait(Duration::from_secs(15)).expect("the server ends");
    assert!(ended.success(), "{ended}");
    let server = Server::dev(&store);
    assert_eq!(server.gateway().get("/api/v1/tasks").await.expect(200)["total_count"], 1);
}

async fn a_task_that_the_server_does_is_finished(store: Store) {
    let model = ModelServer::start();
    let url = model.url();
    // It takes half a second for each word.
    let args =
        ["dev", "--workers", "1", "--model-base-url", &url, "--model-medium", "fault:slower"];
    let server = Server::start(&store, &args);
    let id = server.gateway().ask("Are you there?").await;
    eventually("an answer", async || (model.running().await > 0).then_some(())).await;
    let status = server.stop();
    assert!(status.success(), "{status}");
    let task = Server::dev(&store).gateway().task(&id).await;
    assert_eq!(task["status"], "TASK_STATUS_COMPLETED");
    assert_eq!(
        (&task["result"], &task["attempts"]),
        (&json!("You asked: Are you there?"), &json!(1))
    );
}
