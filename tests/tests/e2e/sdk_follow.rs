//! The Python SDK follows tasks while they run, over lines that break.

use serde_json::json;
use taskgate_tests::{Claimed, Live, Proxy, Server, Store, Worker};

taskgate_tests::on_both_stores!(
    the_sdk_sees_every_event_once_over_a_line_that_breaks,
    the_sdk_sees_every_event_once_over_restarts_of_the_server,
    a_websocket_shows_events_as_they_happen_and_closes,
    a_websocket_is_resumed_elsewhere_when_its_server_stops,
);

/// Clients of the SDK that follow one task.
struct Followers(Vec<Live>);

impl Followers {
    /// Both of the SDK's clients.
    fn of(server: &Server, gateway: &str, transport: &str, task: &str) -> Self {
        let follow = |twin: &&str| Self::one(server, gateway, &[twin, transport, task]);
        Self(["sync", "async"].iter().map(follow).collect())
    }

    fn one(server: &Server, gateway: &str, args: &[&str]) -> Live {
        Live::client(server, gateway, "python/sdk_follow.py", args)
    }

    /// All print these lines next.
    async fn see(&mut self, lines: &[&str]) {
        for follower in &mut self.0 {
            for line in lines {
                assert_eq!(follower.line().await, *line);
            }
        }
    }

    /// All print these lines, and end.
    async fn end_with(mut self, lines: &[&str]) {
        self.see(lines).await;
        for follower in self.0 {
            assert_eq!(follower.finish().await.output(), "");
        }
    }
}

/// Says something, as an event of the task.
async fn say(worker: &Worker, task: &Claimed, message: &str) {
    let event = json!({ "type": "AGENT_THINKING", "agent_id": "scripted", "message": message });
    worker.record(task, json!([event])).await.expect(200);
}

async fn the_sdk_sees_every_event_once_over_a_line_that_breaks(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let proxy = Proxy::to(gateway.address());
    let id = gateway.ask("capital?").await;
    let mut followers = Followers::of(&server, &proxy.address().to_string(), "sse", &id);
    followers.see(&["1 DATA_PROCESSING"]).await;
    let task = worker.claim_one("agent").await;
    say(&worker, &task, "where").await;
    followers.see(&["2 WORKFLOW_STARTED", "3 AGENT_THINKING where"]).await;

    proxy.refuse();
    say(&worker, &task, "while").await;
    say(&worker, &task, "away").await;
    proxy.restore();
    followers.see(&["4 AGENT_THINKING while", "5 AGENT_THINKING away"]).await;
    proxy.cut();
    worker.complete(&task, json!({ "result": "Paris" })).await.expect(200);
    let end = ["6 thread.message.completed Paris", "7 WORKFLOW_COMPLETED", "done [DONE]"];
    followers.end_with(&end).await;
}

async fn the_sdk_sees_every_event_once_over_restarts_of_the_server(store: Store) {
    let first = Server::dev(&store);
    let proxy = Proxy::to(first.gateway().address());
    let id = first.gateway().ask("capital?").await;
    let mut followers = Followers::of(&first, &proxy.address().to_string(), "sse", &id);
    let task = Worker::of(&first).claim_one("agent").await;
    followers.see(&["1 DATA_PROCESSING", "2 WORKFLOW_STARTED"]).await;

    assert!(first.stop().success());
    let second = Server::dev(&store);
    say(&Worker::of(&second), &task, "stopped").await;
    proxy.point_to(second.gateway().address());
    followers.see(&["3 AGENT_THINKING stopped"]).await;

    second.kill();
    let third = Server::dev(&store);
    let worker = Worker::of(&third);
    say(&worker, &task, "killed").await;
    proxy.point_to(third.gateway().address());
    followers.see(&["4 AGENT_THINKING killed"]).await;
    worker.fail(&task, "no map", false).await.expect(200);
    followers
        .end_with(&["5 ERROR_OCCURRED no map", "6 WORKFLOW_FAILED no map", "done [DONE]"])
        .await;
}

async fn a_websocket_shows_events_as_they_happen_and_closes(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let id = gateway.ask("capital?").await;
    let mut followers = Followers::of(&server, gateway.address(), "ws", &id);
    followers.see(&["1 DATA_PROCESSING"]).await;
    let task = worker.claim_one("agent").await;
    say(&worker, &task, "where").await;
    followers.see(&["2 WORKFLOW_STARTED", "3 AGENT_THINKING where"]).await;
    worker.complete(&task, json!({ "result": "Paris" })).await.expect(200);
    followers.end_with(&["4 LLM_OUTPUT Paris", "5 WORKFLOW_COMPLETED", "6 STREAM_END"]).await;
}

async fn a_websocket_is_resumed_elsewhere_when_its_server_stops(store: Store) {
    let (first, second) = (Server::dev(&store), Server::dev(&store));
    let proxy = Proxy::to(first.gateway().address());
    let id = first.gateway().ask("capital?").await;
    let mut followers = Followers::of(&first, &proxy.address().to_string(), "ws", &id);
    followers.see(&["1 DATA_PROCESSING"]).await;
    let worker = Worker::of(&second);
    let task = worker.claim_one("agent").await;
    followers.see(&["2 WORKFLOW_STARTED"]).await;
    proxy.point_to(second.gateway().address());
    assert!(first.stop().success());
    followers
        .see(&["cut: received 1012 (service restart); then sent 1012 (service restart)"])
        .await;
    worker.complete(&task, json!({ "result": "Paris" })).await.expect(200);
    followers.end_with(&["3 LLM_OUTPUT Paris", "4 WORKFLOW_COMPLETED", "5 STREAM_END"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_follows_from_either_of_two_servers() {
    let store = Store::postgres();
    let (first, second) = (Server::dev(&store), Server::dev(&store));
    let id = first.gateway().ask("capital?").await;
    let follow = |(server, twin, transport): (&Server, &str, &str)| {
        Followers::one(server, server.gateway().address(), &[twin, transport, &id])
    };
    let mut streams =
        Followers([(&first, "sync", "sse"), (&second, "async", "sse")].map(follow).into());
    let mut sockets =
        Followers([(&first, "async", "ws"), (&second, "sync", "ws")].map(follow).into());
    let worker = Worker::of(&second);
    let task = worker.claim_one("agent").await;
    say(&worker, &task, "where").await;
    let begin = ["1 DATA_PROCESSING", "2 WORKFLOW_STARTED", "3 AGENT_THINKING where"];
    streams.see(&begin).await;
    sockets.see(&begin).await;
    worker.complete(&task, json!({ "result": "Paris" })).await.expect(200);
    let end = ["4 thread.message.completed Paris", "5 WORKFLOW_COMPLETED", "done [DONE]"];
    streams.end_with(&end).await;
    sockets.end_with(&["4 LLM_OUTPUT Paris", "5 WORKFLOW_COMPLETED", "6 STREAM_END"]).await;
}
