//! What a browser needs to use the gateway from a page of another origin.

use reqwest::Method;
use taskgate_tests::{DEV_KEY, Server, Socket, Store, eventually};

const PAGE: &str = "https://app.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_ask_before_it_sends() {
    let store = Store::sqlite();
    let server = Server::dev(&store);
    let address = server.gateway().address().to_owned();
    for path in ["/api/v1/tasks", "/nowhere"] {
        let line = format!("OPTIONS {path}");
        let headers = [
            "Origin: https://app.example.com",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: x-api-key,content-type",
        ];
        let answer = Socket::exchange(&address, line.as_bytes(), &headers, b"");
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{answer:?}");
        let head = answer.head.to_lowercase();
        assert!(head.contains("access-control-allow-origin: *\r\n"), "{head}");
        assert!(head.contains("x-api-key"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_refusals_and_their_headers() {
    let store = Store::sqlite();
    let server = Server::start(&store, &["dev", "--workers", "0", "--cors-allowed-origins", PAGE]);
    let anybody = server.gateway().without_key();
    let answer = anybody.send(Method::GET, "/api/v1/tasks", &[("Origin", PAGE)], None).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    assert_eq!(answer.header("vary"), "Origin");
    assert!(answer.header("access-control-expose-headers").contains("Retry-After"));
    let foreign = [("Origin", "https://evil.example")];
    let answer = server.gateway().send(Method::GET, "/api/v1/tasks", &foreign, None).await;
    assert_eq!(answer.status, 403, "everybody knows this key");
    assert!(answer.headers.get("access-control-allow-origin").is_none(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_a_query_is_never_logged() {
    let store = Store::sqlite();
    let server = Server::start(&store, &["dev", "--workers", "0", "--log-level", "trace"]);
    let anybody = server.gateway().without_key();
    for path in ["/api/v1/stream/sse", "/api/v1/stream/nowhere", "/api/v1/tasks", "/nowhere"] {
        for name in ["api_key", "token"] {
            for key in [DEV_KEY, "sk_live_notthekey"] {
                anybody.get(&format!("{path}?workflow_id=x&{name}={key}")).await;
            }
        }
    }
    let last = [("X-Request-ID", "the-last-one")];
    server.gateway().send(Method::GET, "/api/v1/tasks", &last, None).await.expect(200);
    let log = eventually("the log of all requests", async || {
        Some(server.log()).filter(|log| log.contains("the-last-one") && log.contains("answered"))
    })
    .await;
    assert!(log.contains("/api/v1/stream/nowhere"), "{log}");
    let greeting = "key       sk_test_123456 (every scope)";
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(DEV_KEY) || line.contains("sk_live_notthekey"))
        .filter(|line| !line.contains(greeting) && !line.starts_with("  curl "))
        .collect();
    assert!(told.is_empty(), "{told:?}");
}
