//! Running a face.

use crate::{
    gateway,
    http::{auth, cors::CorsOrigins, edge, health},
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
    rt::net::TcpStream,
    web::{self, Bytes, ServiceConfig},
};
use std::{any::Any, io, net::TcpListener, sync::Arc, time::Duration};
use taskgate_domain::{
    ports::Maintenance,
    usecase::{
        events::Events, keys::Keys, reviews::Reviews, sessions::Sessions, tasks::Tasks,
        workers::Workers,
    },
};
use tokio::sync::{Semaphore, watch};

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
    /// The reviews of tasks' plans.
    pub reviews: Arc<Reviews>,
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
    /// Whether no face asks for a key: whoever is on this machine may do
    /// everything, as the default user, and web pages of others are kept out.
    pub no_auth: bool,
    /// Whose web pages may read the gateway's answers.
    pub cors_origins: CorsOrigins,
    /// Becomes true when the program stops: answers that would go on for long
    /// end then. A server that is stopped afterwards waits for none of them.
    pub stopping: watch::Receiver<bool>,
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
    /// How long a client may take nothing of what it is sent, because it does
    /// not read or is no longer there, before its connection is cut; default:
    /// 30 s. The system keeps this time, on Linux alone.
    pub unread_deadline: Duration,
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
            unread_deadline: Duration::from_secs(30),
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
/// the caller's business, and so is to say first in [`Services::stopping`] that
/// a stop is near.
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
    listen(state, routes(face), listener, options)
}

fn listen(
    state: web::Data<State>,
    routes: Routes,
    listener: TcpListener,
    options: &HttpOptions,
) -> io::Result<Server> {
    let workers = options.workers.max(1);
    let unread_deadline = options.unread_deadline;
    let server = HttpServer::new(move || app_with(state.clone(), routes))
        .workers(workers)
        // actix counts connections for each thread.
        .max_connections(options.max_connections.div_ceil(workers).max(1))
        .client_request_timeout(options.header_deadline)
        .client_disconnect_timeout(Duration::from_secs(5))
        .keep_alive(options.keep_alive)
        // A client that has closed its side is gone: without this, an idle
        // stream would never notice.
        .h1_allow_half_closed(false)
        // Otherwise a small frame of a stream waits until the client has
        // acknowledged the one before, which takes up to 40 ms.
        .tcp_nodelay(true)
        .on_connect(move |connection, _| cut_when_unread(connection, unread_deadline))
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Has the system cut a connection whose client takes nothing for so long. A
/// stream to such a client waits for room, and would not notice by itself.
#[cfg(target_os = "linux")]
fn cut_when_unread(connection: &dyn Any, deadline: Duration) {
    let Some(connection) = connection.downcast_ref::<TcpStream>() else { return };
    let cut = socket2::SockRef::from(connection).set_tcp_user_timeout(Some(deadline));
    if let Err(error) = cut {
        tracing::debug!(%error, "cannot bound the time that a client may take nothing");
    }
}

#[cfg(not(target_os = "linux"))]
fn cut_when_unread(_: &dyn Any, _: Duration) {}

/// What adds a face's routes.
type Routes = fn(&mut ServiceConfig);

const fn routes(face: Face) -> Routes {
    match face {
        Face::Gateway => gateway::routes,
        Face::Research => research::routes,
        Face::Worker => worker::routes,
    }
}

/// A face, with all its routes.
#[cfg(test)]
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
    let routes = routes(state.face);
    app_with(state, routes)
}

/// These routes of a face, below the shared edge.
fn app_with(
    state: web::Data<State>,
    routes: Routes,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(state)
        .configure(health::routes)
        .service(web::scope("/api/v1").wrap(from_fn(auth::authenticate)).configure(routes))
        .default_service(web::to(edge::unknown_route))
        .wrap(from_fn(edge::edge))
}

#[cfg(test)]
mod tests;
