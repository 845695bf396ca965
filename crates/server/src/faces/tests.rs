use super::{Socket, Sockets, listen, refusal};
use async_trait::async_trait;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use taskgate_api::{CorsOrigins, Face, HttpOptions, ResearchAccess, Services};
use taskgate_domain::{
    error::StoreError,
    ports::{
        Maintenance, MockApiKeyRepository, MockEventFeed, MockEventLog, MockReviewRepository,
        MockSessionRepository, MockTaskQueue, MockTaskRepository, SystemClock,
    },
    queue::Reaped,
    task::work::Kind,
    usecase::{
        events::Events, keys::Keys, reviews::Reviews, sessions::Sessions, tasks::Tasks,
        workers::Workers,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, watch},
    time::timeout,
};

#[tokio::test]
async fn port_0_is_any_free_port() {
    let (_listener, address) = listen(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    assert_ne!(address.port(), 0);
}

#[tokio::test]
async fn a_port_in_use_is_refused_in_words() {
    let (_listener, taken) = listen(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let error = listen(&[taken]).unwrap_err();
    assert_eq!(
        refusal(Face::Worker, "localhost:1", &error).to_string(),
        "cannot listen on localhost:1 for the worker face: another program listens there"
    );
}

/// A store whose readiness probe waits to be let through.
#[derive(Default)]
struct Gate {
    reached: Notify,
    open: Notify,
}

#[async_trait]
impl Maintenance for Gate {
    async fn reap(&self, _: u16) -> Result<Reaped, StoreError> {
        Ok(Reaped::default())
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn unserved(&self) -> Result<Vec<Kind>, StoreError> {
        Ok(Vec::new())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reached.notify_one();
        self.open.notified().await;
        Ok(())
    }
}

fn services(gate: Arc<Gate>) -> Services {
    let keys = Keys::new(Arc::new(MockApiKeyRepository::new()), Arc::new(SystemClock));
    let tasks = Arc::new(MockTaskRepository::new());
    let sessions = Arc::new(MockSessionRepository::new());
    let (log, feed) = (Arc::new(MockEventLog::new()), Arc::new(MockEventFeed::new()));
    let events = Arc::new(Events::new(tasks.clone(), log, feed));
    let reviews = Arc::new(MockReviewRepository::new());
    Services {
        tasks: Arc::new(Tasks::new(tasks.clone(), sessions.clone())),
        events: events.clone(),
        reviews: Arc::new(Reviews::new(tasks.clone(), reviews, events)),
        sessions: Arc::new(Sessions::new(sessions, tasks)),
        workers: Arc::new(Workers::new(Arc::new(MockTaskQueue::new()))),
        keys: Arc::new(keys),
        maintenance: gate,
        version: "test",
        research_access: ResearchAccess::Loopback,
        no_auth: false,
        cors_origins: CorsOrigins::Any,
        stopping: watch::channel(false).1,
    }
}

async fn send(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_stop_lets_a_request_finish_and_does_not_wait_for_idle_connections() {
    let (listener, address) = listen(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let sockets = Sockets(vec![Socket { face: Face::Gateway, address, listener }]);
    let gate = Arc::new(Gate::default());
    let mut faces = sockets.serve(&services(gate.clone()), |_| HttpOptions::default()).unwrap();

    let mut idle = send(address, "/health").await;
    idle.read_u8().await.unwrap();
    let mut running = send(address, "/readiness").await;
    gate.reached.notified().await;

    let mut finish = Box::pin(faces.finish());
    let early = timeout(Duration::from_millis(100), &mut finish).await;
    assert!(early.is_err(), "the stop did not wait for the request");
    gate.open.notify_one();
    let mut answer = String::new();
    let read = running.read_to_string(&mut answer);
    let (finished, _) = tokio::join!(timeout(Duration::from_secs(8), finish), read);
    finished.expect("the idle connection holds the stop up");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(TcpStream::connect(address).await.is_err(), "connections are still accepted");
}
