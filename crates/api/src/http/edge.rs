//! The outermost layer: it names each request, and writes errors in the shape
//! of the face.

use crate::{
    http::{
        cors::{self, Cors},
        error::ApiError,
        trace::{self, Trace},
        unread::Unread,
    },
    rate_limit::Quota,
    server::{Face, State},
};
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse, Route,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header::HeaderName},
    middleware::Next,
    web,
};
use std::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Runs a request under a span with its id, method and path (never the query,
/// which may hold a key), and finishes the answer.
pub(crate) async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let unread = Unread::of(&mut request);
    let state = request.app_data::<web::Data<State>>();
    let face = state.map_or(Face::Gateway, |state| state.face);
    let fresh = Uuid::new_v4();
    let headers = request.headers();
    let id = headers.get(REQUEST_ID).filter(|id| trace::is_loggable(id)).cloned();
    let id = id.unwrap_or_else(|| trace::header(&fresh.to_string()));
    let gateway = state
        .filter(|_| face == Face::Gateway)
        .map(|state| (Trace::of(headers, fresh), Cors::of(&state.services, headers)));
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        trace = gateway.as_ref().map(|(trace, _)| trace.id()),
        face = face.as_str(),
        method = %request.method(),
        path = request.path(),
    );
    let answer = async move {
        let start = Instant::now();
        let mut response = match &gateway {
            Some(_) if request.method() == Method::OPTIONS => {
                request.into_response(cors::preflight())
            }
            _ => write_error(face, next.call(request).await?),
        };
        let quota = response.request().extensions().get::<Quota>().copied();
        if let Some(quota) = quota {
            quota.write(response.headers_mut());
        }
        if let Some((trace, cors)) = gateway {
            trace.write(response.headers_mut());
            cors.write(response.headers_mut());
        }
        response.headers_mut().insert(REQUEST_ID, id);
        tracing::debug!(
            status = response.status().as_u16(),
            micros = start.elapsed().as_micros(),
            "answered"
        );
        Ok(match unread {
            Some(unread) => unread.until_written(response),
            None => response,
        })
    };
    answer.instrument(span).await
}

fn write_error<B: MessageBody + 'static>(
    face: Face,
    response: ServiceResponse<B>,
) -> ServiceResponse<BoxBody> {
    let written = match response.response().error() {
        None => return response.map_into_boxed_body(),
        Some(error) => error.as_error::<ApiError>().map(|error| error.respond(face)),
    };
    match written {
        Some(written) => response.into_response(written),
        None => response.map_into_boxed_body(),
    }
}

/// The answer to a path that no route has.
pub(crate) async fn unknown_route() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound("Not found"))
}

/// The answer of a route to every method but these, written as in `Allow`.
pub(crate) fn only(methods: &'static str) -> Route {
    web::to(move || async move { Err::<HttpResponse, _>(ApiError::MethodNotAllowed(methods)) })
}

/// A request's path parameter; empty when the route has none of that name.
pub(crate) fn path_parameter<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    request.match_info().get(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::{
        gateway::tests::{ID, queued, task, work},
        server::{Face, app},
        testing::{Chapter, KEY, Mocks, Story, stream, with_key},
    };
    use actix_web::test::{TestRequest, call_service, init_service};
    use std::{
        io,
        sync::{Arc, Mutex},
    };
    use taskgate_domain::{error::StoreError, task::work::Mode};

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        /// Takes what this thread logs until the guard is dropped.
        fn listen(&self) -> tracing::subscriber::DefaultGuard {
            let log = self.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(move || log.clone())
                .finish();
            tracing::subscriber::set_default(subscriber)
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[actix_web::test]
    async fn a_failure_is_logged_once_under_the_id_of_its_request() {
        let mut mocks = Mocks::default();
        let cause = || io::Error::other("no such table");
        mocks.tasks.expect_list().returning(move |_| Err(StoreError::failed(cause())));
        let service = init_service(app(mocks.state(Face::Gateway))).await;
        let request = TestRequest::get()
            .uri("/api/v1/tasks?session_id=&status=RUNNING")
            .insert_header(("X-Request-ID", "req-1"));
        let log = Log::default();
        let guard = log.listen();
        call_service(&service, with_key(request).to_request()).await;
        drop(guard);
        let text = log.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("no such table")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        for part in [
            "ERROR",
            r#"id="req-1""#,
            r#"trace="req-1""#,
            "Failed to list tasks",
            "path=\"/api/v1/tasks\"",
        ] {
            assert!(lines[0].contains(part), "{part}: {text}");
        }
        assert!(!text.contains(KEY) && !text.contains("RUNNING"), "{text}");
    }

    #[actix_web::test]
    async fn a_stream_that_breaks_off_is_logged_once_under_the_id_of_its_request() {
        let task = task(work("q", Mode::Simple, "{}"), queued());
        let future = vec![Chapter::Error(StoreError::failed(io::Error::other("no such table")))];
        let state = Story::new(task, Vec::new(), future).mocks().state(Face::Gateway);
        let request = TestRequest::get()
            .uri(&format!("/api/v1/stream/sse?workflow_id={ID}"))
            .insert_header(("X-Request-ID", "req-1"));
        let log = Log::default();
        let guard = log.listen();
        assert!(stream(&state, with_key(request)).await.ends_with("(breaks off)"));
        drop(guard);
        let text = log.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("no such table")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        for part in ["ERROR", r#"id="req-1""#, "Failed to stream events"] {
            assert!(lines[0].contains(part), "{part}: {text}");
        }
    }

    #[actix_web::test]
    async fn a_request_id_is_echoed_when_it_can_be_logged() {
        let service = init_service(app(Mocks::default().state(Face::Gateway))).await;
        let id = async |given: &str| {
            let request = TestRequest::get().uri("/health").insert_header(("X-Request-ID", given));
            let response = call_service(&service, request.to_request()).await;
            response.headers().get("X-Request-ID").unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(id("req-1.a:B_2").await, "req-1.a:B_2");
        let long = "a".repeat(129);
        for given in ["", "a b", "a\tb", "<script>", &long] {
            assert_eq!(id(given).await.len(), 36, "{given}");
        }
    }
}
