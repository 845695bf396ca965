//! Running a face.

use crate::{
    gateway,
    http::{auth, edge, health},
    openapi::openapi,
    rate_limit::RateLimiter,
    research::{self, ResearchAccess},
    worker,
};
use actix_web::{
    App, Error, HttpServer,
    body::BoxBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::{self, Bytes},
};
use std::{io, net::TcpListener, sync::Arc, time::Duration};
use taskgate_domain::{
    ports::Maintenance,
    usecase::{events::Events, keys::Keys, sessions::Sessions, tasks::Tasks, workers::Workers},
};
use tokio::sync::Semaphore;

/// One of the three APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Face {
    /// Agent tasks, for applications with an API key.
    Gateway,
    /// Research tasks, for project tools and pipelines.
    Research,
    /// Claims and reports, for worker processes.
    Worker,
}

impl Face {
    /// Every face.
    pub const ALL: [Self; 3] = [Self::Gateway, Self::Research, Self::Worker];

    /// The face's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Research => "research",
            Self::Worker => "worker",
        }
    }
}

/// What the faces do their work with.
#[derive(Clone)]
pub struct Services {
    /// Submitting and watching tasks.
    pub tasks: Arc<Tasks>,
    /// Following what happens to tasks.
    pub events: Arc<Events>,
    /// The conversations that agent tasks belong to.
    pub sessions: Arc<Sessions>,
    /// Running tasks.
    pub workers: Arc<Workers>,
    /// Who calls.
    pub keys: Arc<Keys>,
    /// The store's readiness.
    pub maintenance: Arc<dyn Maintenance>,
    /// The version of the program, shown by the health route.
    pub version: &'static str,
    /// Who may call the research face.
    pub research_access: ResearchAccess,
}

/// How a listener treats its connections. The default is for production.
#[derive(Debug, Clone, Copy)]
pub struct HttpOptions {
    /// Threads that serve requests; default: one for each CPU.
    pub workers: usize,
    /// Open connections at most; further ones wait in the listen queue. The
    /// default of 300 keeps three faces and a store below the common limit of
    /// 1024 open files.
    pub max_connections: usize,
    /// How long a request's header may take to arrive; default: 10 s.
    pub header_deadline: Duration,
    /// How long a request's body may take to arrive; default: 30 s.
    pub body_deadline: Duration,
    /// How long an idle connection stays open; default: 75 s, longer than
    /// reverse proxies keep theirs.
    pub keep_alive: Duration,
}

/// How many bytes of large bodies a face takes in at the same time. Decoded
/// and on their way into the store they are there three or four times.
pub(crate) const LARGE_BODIES: usize = 128 << 20;

pub(crate) const BODY_DEADLINE: Duration = Duration::from_secs(30);

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            max_connections: 300,
            header_deadline: Duration::from_secs(10),
            body_deadline: BODY_DEADLINE,
            keep_alive: Duration::from_secs(75),
        }
    }
}

/// What every handler of a face can reach.
pub(crate) struct State {
    pub(crate) face: Face,
    pub(crate) services: Services,
    pub(crate) limiter: RateLimiter,
    pub(crate) body_deadline: Duration,
    /// Room for large bodies, in bytes.
    pub(crate) large_bodies: Arc<Semaphore>,
    pub(crate) openapi: Bytes,
}

impl State {
    pub(crate) fn new(face: Face, services: Services, body_deadline: Duration) -> Self {
        let limiter = RateLimiter::default();
        let large_bodies = Arc::new(Semaphore::new(LARGE_BODIES));
        Self { face, services, limiter, body_deadline, large_bodies, openapi: openapi(face).into() }
    }
}

/// Serves a face on a listener until the server's handle stops it. Signals are
/// the caller's business.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(
    face: Face,
    listener: TcpListener,
    services: Services,
    options: &HttpOptions,
) -> io::Result<Server> {
    let state = web::Data::new(State::new(face, services, options.body_deadline));
    let workers = options.workers.max(1);
    let server = HttpServer::new(move || app(state.clone()))
        .workers(workers)
        // actix counts connections for each thread.
        .max_connections(options.max_connections.div_ceil(workers).max(1))
        .client_request_timeout(options.header_deadline)
        .client_disconnect_timeout(Duration::from_secs(5))
        .keep_alive(options.keep_alive)
        // A client that has closed its side is gone: without this, an idle
        // stream would never notice.
        .h1_allow_half_closed(false)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// The routes of a face, below the shared edge.
pub(crate) fn app(
    state: web::Data<State>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let routes = match state.face {
        Face::Gateway => gateway::routes,
        Face::Research => research::routes,
        Face::Worker => worker::routes,
    };
    App::new()
        .app_data(state)
        .configure(health::routes)
        .service(web::scope("/api/v1").wrap(from_fn(auth::authenticate)).configure(routes))
        .default_service(web::to(edge::unknown_route))
        .wrap(from_fn(edge::edge))
}

#[cfg(test)]
mod tests {
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
            "POST /api/v1/tasks HTTP/1.1\r\nHost: t\r\nX-API-Key: {KEY}\r\nContent-Length: {length}\r\n\r\n"
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
        assert!(
            answer.ends_with(r#"{"error":"Invalid request body: longer than 41943040 bytes"}"#)
        );
    }

    #[actix_web::test]
    async fn a_probe_may_ask_for_the_head_alone() {
        let request = "HEAD /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
        let answer = exchange(HttpOptions::default(), request.into()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[actix_web::test]
    async fn bytes_that_are_no_text_are_refused_wherever_they_stand() {
        for target in ["/api/v1/tasks?status=\u{ff}", "/api/v1/tasks/\u{ff}", "/\u{ff}"] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: t\r\nX-API-Key: {KEY}\r\n\r\n");
            // One byte for each character, so that this is not UTF-8.
            let bytes = request.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            let answer = exchange(HttpOptions::default(), bytes).await;
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{target}: {answer}");
        }
    }
}
