//! Web pages that have a browser send requests.

use crate::{
    research::ResearchAccess,
    server::{Face, State},
    testing::{Mocks, send},
};
use actix_web::{test::TestRequest, web};
use insta::assert_snapshot;

fn face(access: ResearchAccess) -> web::Data<State> {
    Mocks { research_access: Some(access), ..Mocks::default() }.state(Face::Research)
}

/// A request as a page sends it without being asked; it is refused as empty
/// when nothing else is wrong.
fn from(origin: &str, host: &str) -> TestRequest {
    TestRequest::post()
        .uri("/api/v1/tasks")
        .insert_header(("Content-Type", "text/plain"))
        .insert_header(("Origin", origin))
        .insert_header(("Host", host))
}

async fn status(access: ResearchAccess, request: TestRequest) -> u16 {
    send(&face(access), request).await[..3].parse().unwrap()
}

#[actix_web::test]
async fn a_foreign_page_cannot_write() {
    let request = from("https://evil.example", "127.0.0.1:8000");
    assert_snapshot!(send(&face(ResearchAccess::Loopback), request).await, @r#"
    403 Forbidden
    content-type: application/json
    x-request-id: *

    {"code":403,"message":"Without an API key, web pages of another origin are kept out","data":null}
    "#);
    for origin in ["null", "", "https://localhost.evil.example", "http://10.0.0.1:8000"] {
        let request = from(origin, "127.0.0.1:8000");
        assert_eq!(status(ResearchAccess::Loopback, request).await, 403, "{origin}");
    }
}

#[actix_web::test]
async fn a_name_that_points_here_does_not_open_the_face() {
    let rebound =
        || TestRequest::get().uri("/api/v1/tasks").insert_header(("Host", "evil.example"));
    assert_snapshot!(send(&face(ResearchAccess::Loopback), rebound()).await, @r#"
    403 Forbidden
    content-type: application/json
    x-request-id: *

    {"code":403,"message":"Without an API key, call this face as localhost or by its loopback address","data":null}
    "#);
}

#[actix_web::test]
async fn pages_and_programs_of_this_machine_pass() {
    for (origin, host) in [
        ("http://localhost:3000", "localhost:8000"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
    ] {
        assert_eq!(status(ResearchAccess::Loopback, from(origin, host)).await, 400, "{origin}");
    }
}

#[actix_web::test]
async fn in_a_trusted_network_a_page_must_be_of_the_same_host() {
    let access = ResearchAccess::TrustedNetwork;
    assert_eq!(status(access, from("http://Tasks.lab:8000", "tasks.lab:8000")).await, 400);
    for origin in ["http://evil.example", "http://tasks.lab", "http://localhost:8000", "null"] {
        assert_eq!(status(access, from(origin, "tasks.lab:8000")).await, 403, "{origin}");
    }
    let program = TestRequest::post().uri("/api/v1/tasks").insert_header(("Host", "tasks.lab"));
    assert_eq!(status(access, program).await, 400);
}
