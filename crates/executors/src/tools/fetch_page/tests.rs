//! The guard against pages that lead inside, with a real server on loopback.
//! Here 127.0.0.1 plays the public internet, and 127.0.0.2 is private.

use super::{FetchPage, Guard, MOST_BYTES, Names};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const OUTSIDE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const INSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Resolves `outside.test` and `inside.test`, and `turning.test` to one at the
/// first time and to the other from then on.
#[derive(Default)]
struct TestNames(AtomicUsize);

#[async_trait::async_trait]
impl Names for TestNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let address = match name {
            "outside.test" => OUTSIDE,
            "inside.test" => INSIDE,
            "turning.test" if self.0.fetch_add(1, Ordering::SeqCst) == 0 => OUTSIDE,
            "turning.test" => INSIDE,
            _ => return Err(io::Error::other("there is no such name")),
        };
        Ok(vec![SocketAddr::new(address.into(), 0)])
    }
}

fn reader() -> FetchPage {
    let guard = Guard { allows: |address| address == IpAddr::V4(OUTSIDE) };
    FetchPage::guarded(guard, Arc::new(TestNames::default())).unwrap()
}

/// A server on both addresses that gives every request the same answer; its
/// port, and how many requests it has had on the private one.
async fn server(answer: impl Fn(u16) -> Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let (outside, inside) = loop {
        let outside = TcpListener::bind((OUTSIDE, 0)).await.unwrap();
        let port = outside.local_addr().unwrap().port();
        if let Ok(inside) = TcpListener::bind((INSIDE, port)).await {
            break (outside, inside);
        }
    };
    let port = outside.local_addr().unwrap().port();
    let answer = Arc::new(answer(port));
    let visits = Arc::new(AtomicUsize::new(0));
    tokio::spawn(serve(outside, answer.clone(), Arc::default()));
    tokio::spawn(serve(inside, answer, visits.clone()));
    (port, visits)
}

async fn serve(listener: TcpListener, answer: Arc<Vec<u8>>, visits: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        visits.fetch_add(1, Ordering::SeqCst);
        let answer = answer.clone();
        tokio::spawn(async move {
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            // A reader that has enough closes the connection.
            drop(stream.write_all(&answer).await);
        });
    }
}

fn answer(head: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").into()
}

fn redirect(to: &str) -> Vec<u8> {
    answer(&format!("302 Found\r\nLocation: {to}"), "")
}

#[tokio::test]
async fn a_page_is_a_source_with_its_address() {
    let html = "<title>Tea</title><p>Green tea.</p>";
    let (port, _) = server(|_| answer("200 OK\r\nContent-Type: text/html", html)).await;
    let url = format!("http://outside.test:{port}/tea");
    let (text, sources) = reader().read(&url).await;
    assert_eq!(text, "Green tea.");
    let [source] = sources.as_slice() else { panic!("{sources:?}") };
    assert_eq!((source.url.as_str(), source.title.as_str()), (url.as_str(), "Tea"));
    assert_eq!(source.publisher, "outside.test");
}

#[tokio::test]
async fn a_page_inside_is_not_read_whatever_its_address_looks_like() {
    let (port, visits) = server(|_| answer("200 OK\r\nContent-Type: text/plain", "secret")).await;
    for host in [
        "127.0.0.2",
        "127.2",
        "2130706434",
        "0x7f000002",
        "0177.0.0.2",
        "0x7f.0.0.0x2",
        "127.0.0.2.",
        "[::1]",
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "inside.test",
        "１２７.０.０.２",
        "127。0。0。2",
    ] {
        let (text, sources) = reader().read(&format!("http://{host}:{port}/")).await;
        assert_eq!(
            text, "the page cannot be read: it does not lie on the public internet",
            "{host}"
        );
        assert_eq!(sources, []);
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_redirect_leads_inside_by_no_way() {
    for host in ["127.0.0.2", "inside.test", "2130706434", "[::ffff:127.0.0.2]"] {
        let (port, visits) = server(|port| redirect(&format!("http://{host}:{port}/"))).await;
        let (text, _) = reader().read(&format!("http://127.0.0.1:{port}/")).await;
        assert_eq!(
            text, "the page cannot be read: it does not lie on the public internet",
            "{host}"
        );
        assert_eq!(visits.load(Ordering::SeqCst), 0, "{host}");
    }
}

#[tokio::test]
async fn a_name_that_turns_inside_is_not_followed() {
    let (port, visits) = server(|port| redirect(&format!("http://turning.test:{port}/"))).await;
    let (text, _) = reader().read(&format!("http://turning.test:{port}/")).await;
    assert_eq!(text, "the page cannot be read: it does not lie on the public internet");
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_no_readable_page_is_refused_by_a_sentence() {
    let refusal = async |url: String| reader().read(&url).await.0;
    let (circle, _) = server(|port| redirect(&format!("http://127.0.0.1:{port}/"))).await;
    let (file, _) = server(|_| redirect("file:///etc/passwd")).await;
    let (user, _) = server(|port| redirect(&format!("http://a:b@127.0.0.1:{port}/"))).await;
    let (image, _) = server(|_| answer("200 OK\r\nContent-Type: image/png", "x")).await;
    let (missing, _) = server(|_| answer("404 Not Found", "")).await;
    let (empty, _) = server(|_| answer("200 OK\r\nContent-Type: text/html", "<p> </p>")).await;
    let (unnamed, _) = server(|_| answer("200 OK", "PK\u{3}\u{4}\0\0")).await;
    let mut said = String::new();
    for url in [
        "no address".to_owned(),
        "ftp://127.0.0.1/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "http://me:secret@127.0.0.1/".to_owned(),
        format!("http://127.0.0.1/{}", "a".repeat(3000)),
        "http://unknown.test/".to_owned(),
        format!("http://127.0.0.1:{circle}/"),
        format!("http://127.0.0.1:{file}/"),
        format!("http://127.0.0.1:{user}/"),
        format!("http://127.0.0.1:{image}/"),
        format!("http://127.0.0.1:{missing}/"),
        format!("http://127.0.0.1:{empty}/"),
        format!("http://127.0.0.1:{unnamed}/"),
    ] {
        said.push_str(&refusal(url).await);
        said.push('\n');
    }
    insta::assert_snapshot!(said, @r#"
    the page cannot be read: relative URL without a base
    the page cannot be read: only http and https addresses are read
    the page cannot be read: only http and https addresses are read
    the page cannot be read: an address with a user name or password is not read
    the page cannot be read: its address is longer than 2048 bytes
    the page cannot be read: there is no such name
    the page cannot be read: it redirects too often
    the page cannot be read: it is answered with 302 Found
    the page cannot be read: an address with a user name or password is not read
    the page cannot be read: it is image/png, which is neither HTML, text nor JSON
    the page cannot be read: it is answered with 404 Not Found
    the page cannot be read: it has no text
    the page cannot be read: it does not say what it is, and is no text
    "#);
}

#[tokio::test]
async fn no_more_than_the_start_of_a_large_page_is_read() {
    let body = "a".repeat(3 * MOST_BYTES);
    let (port, _) = server(|_| answer("200 OK\r\nContent-Type: text/plain", &body)).await;
    let (text, sources) = reader().read(&format!("http://127.0.0.1:{port}/")).await;
    assert!(text.starts_with("aaa") && text.ends_with(" …"));
    assert_eq!(sources.len(), 1);
}
