//! What no well-behaved client sends, as bytes on a socket, to every face.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use taskgate_tests::{Api, DEV_KEY, RawAnswer, Server, Socket, Store};

taskgate_tests::on_both_stores!(
    bad_bytes_in_a_target_are_refused,
    bad_bodies_are_refused,
    a_body_over_the_limit_is_refused_unread,
    unknown_routes_and_methods_are_refused,
    broken_http_does_not_stop_the_server,
    a_refused_request_frees_its_connection,
    a_body_that_drips_is_cut_off,
    a_large_body_within_the_limit_is_stored,
);

/// The faces by name, with a route that takes a body.
fn faces(server: &Server) -> [(&'static str, Api, &'static str); 3] {
    [
        ("gateway", server.gateway(), "/api/v1/tasks"),
        ("research", server.research(), "/api/v1/tasks"),
        ("worker", server.worker(), "/api/v1/worker/claim"),
    ]
}

fn send(api: &Api, request: &[u8], body: Option<&[u8]>) -> RawAnswer {
    let key = format!("X-API-Key: {DEV_KEY}");
    let mut headers = vec![key];
    if let Some(body) = body {
        headers.push("Content-Type: application/json".to_owned());
        headers.push(format!("Content-Length: {}", body.len()));
    }
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    Socket::exchange(api.address(), request, &headers, body.unwrap_or_default())
}

/// Checks that a refusal has one of these statuses, speaks the face's shape
/// and tells nothing of the inside.
#[track_caller]
fn refused(face: &str, answer: &RawAnswer, statuses: &[u16], what: &str) {
    assert!(statuses.contains(&answer.status), "{face}, {what}: {answer:?}");
    let body: Value = serde_json::from_str(&answer.body)
        .unwrap_or_else(|error| panic!("{face}, {what}: {error}: {answer:?}"));
    let sentence = if face == "research" {
        assert_eq!(body["code"], answer.status, "{what}");
        assert_eq!(body.get("data"), Some(&Value::Null), "{what}");
        &body["message"]
    } else {
        &body["error"]
    };
    assert!(sentence.as_str().is_some_and(|text| text.len() > 5), "{face}, {what}: {body}");
    let told = answer.body.to_lowercase();
    for inside in ["panick", "diesel", "sqlite", "postgres", "actix", "serde", "src/", "select "] {
        assert!(!told.contains(inside), "{face}, {what}: {answer:?}");
    }
}

/// Checks that no task came of it all and that the server is well.
async fn nothing_happened(server: &Server) {
    let list = server.gateway().get("/api/v1/tasks").await.expect(200);
    assert_eq!(list["total_count"], 0);
    assert_eq!(server.research().get("/api/v1/tasks").await.header("X-Total-Count"), "0");
    server.gateway().get("/readiness").await.expect(200);
    assert!(!server.log().contains("panick"), "{}", server.log());
}

async fn bad_bytes_in_a_target_are_refused(store: Store) {
    let server = Server::dev(&store);
    for query in ["status=%FF", "status=%00", "status=RUN%00NING", "limit=%zz", "status=%", "%ff=1"]
    {
        for (face, api, path) in &faces(&server)[..2] {
            let answer = send(api, format!("GET {path}?{query}").as_bytes(), None);
            refused(face, &answer, &[400], query);
        }
    }
    for id in [
        "%00",
        "%FF",
        "task_%00",
        "%2e%2e%2f",
        "a%20b",
        "0",
        "-1",
        "1.5",
        "99999999999999999999",
        "%27%3B--",
    ] {
        for (face, api, path) in &faces(&server)[..2] {
            for (method, suffix) in [("GET", ""), ("POST", "/cancel")] {
                let answer = send(api, format!("{method} {path}/{id}{suffix}").as_bytes(), None);
                refused(face, &answer, &[400, 404], &format!("{method} {id}{suffix}"));
            }
        }
        let report = format!("POST /api/v1/worker/tasks/{id}/complete");
        let answer = send(&server.worker(), report.as_bytes(), Some(br#"{"attempt":1}"#));
        refused("worker", &answer, &[400, 404], &report);
    }
    nothing_happened(&server).await;
}

async fn bad_bodies_are_refused(store: Store) {
    let server = Server::dev(&store);
    let deep =
        ["{\"query\":\"q\",\"context\":{\"a\":", &"[".repeat(500), &"]".repeat(500), "}}"].concat();
    let very_deep = "[".repeat(200_000);
    let bodies: [(&str, &[u8]); 16] = [
        ("nothing", b""),
        ("spaces", b"   "),
        ("no JSON", b"query=hello"),
        ("cut off", br#"{"query":"hello""#),
        ("an array", br#"["query"]"#),
        ("a text", br#""query""#),
        ("null", b"null"),
        ("two values", br#"{"query":"a"} {"query":"b"}"#),
        ("invalid UTF-8", b"{\"query\":\"\xff\xfe\"}"),
        ("a lone surrogate", br#"{"query":"\ud800"}"#),
        ("a raw NUL", b"{\"query\":\"a\0b\"}"),
        ("a byte order mark", b"\xef\xbb\xbf{\"query\":\"a\"}"),
        ("too deep", deep.as_bytes()),
        ("far too deep", very_deep.as_bytes()),
        ("not a number", br#"{"query":NaN}"#),
        ("no members", b"{}"),
    ];
    for (what, body) in bodies {
        for (face, api, path) in &faces(&server) {
            let answer = send(api, format!("POST {path}").as_bytes(), Some(body));
            refused(face, &answer, &[400], what);
        }
    }
    let members: [&[u8]; 14] = [
        br#"{"query":"a\u0000b"}"#,
        br#"{"query":""}"#,
        br#"{"query":7}"#,
        br#"{"query":null}"#,
        br#"{"query":["a"]}"#,
        br#"{"query":"q","context":[]}"#,
        br#"{"query":"q","context":"{}"}"#,
        br#"{"query":"q","mode":"warp"}"#,
        br#"{"query":"q","mode":1}"#,
        br#"{"query":"q","session_id":"a\nb"}"#,
        br#"{"query":"q","session_id":"a\u0000b"}"#,
        br#"{"query":"q","session_id":5}"#,
        br#"{"query":"q","max_iterations":51}"#,
        br#"{"query":"q","query":"p"}"#,
    ];
    for body in members {
        let answer = send(&server.gateway(), b"POST /api/v1/tasks", Some(body));
        refused("gateway", &answer, &[400], &String::from_utf8_lossy(body));
    }
    for (member, value) in [
        ("worker_id", json!("")),
        ("worker_id", json!("a\u{0}")),
        ("kinds", json!([])),
        ("kinds", json!(["Agent"])),
        ("kinds", json!("agent")),
        ("max", json!(0)),
        ("max", json!(501)),
        ("max", json!(1.5)),
        ("lease_seconds", json!(4)),
        ("lease_seconds", json!(3601)),
        ("wait_seconds", json!(31)),
        ("wait_seconds", json!(-1)),
    ] {
        let mut claim = json!({ "worker_id": "w", "kinds": ["agent"], "max": 1,
                                "lease_seconds": 5, "wait_seconds": 0 });
        claim[member] = value;
        let body = claim.to_string();
        let answer = send(&server.worker(), b"POST /api/v1/worker/claim", Some(body.as_bytes()));
        refused("worker", &answer, &[400], &body);
    }
    nothing_happened(&server).await;
}

async fn a_body_over_the_limit_is_refused_unread(store: Store) {
    let server = Server::dev(&store);
    let mebibyte = 1 << 20;
    for ((face, api, path), limit, status) in faces(&server)
        .into_iter()
        .zip([40 * mebibyte, mebibyte, mebibyte])
        .zip([400, 413, 413])
        .map(|((face, limit), status)| (face, limit, status))
    {
        let key = format!("X-API-Key: {DEV_KEY}");
        let kind = "Content-Type: application/json";
        // Announced: the answer comes before the body does.
        let length = format!("Content-Length: {}", limit + 1);
        let request = format!("POST {path}");
        let answer =
            Socket::exchange(api.address(), request.as_bytes(), &[&key, kind, &length], b"{");
        refused(face, &answer, &[status], "announced");

        // Not announced: the answer comes once the limit is passed.
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{key}\r\n{kind}\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        );
        let mut socket = Socket::connect(api.address());
        assert!(socket.write(head.as_bytes()));
        let chunk =
            [format!("{:x}\r\n", 65_536).into_bytes(), vec![b' '; 65_536], b"\r\n".to_vec()];
        let chunk = chunk.concat();
        let mut written = 0;
        while written <= limit + mebibyte && socket.write(&chunk) {
            written += 65_536;
        }
        let answer = socket.read_answer();
        // A server that hangs up on a flood may also lose its answer to a reset.
        if answer.status != 0 {
            refused(face, &answer, &[status], "chunked");
        }
        assert!(answer.status != 0 || written <= limit + mebibyte, "{face} read on");
    }
    nothing_happened(&server).await;
}

async fn unknown_routes_and_methods_are_refused(store: Store) {
    let server = Server::dev(&store);
    for (face, api, path) in &faces(&server) {
        for target in [
            "/",
            "/api/v1",
            "/api/v1/nothing",
            "/api/v2/tasks",
            "/api/v1/tasks/1/2/3",
            "//",
            "/..%2f..%2fetc/passwd",
        ] {
            let answer = send(api, format!("GET {target}").as_bytes(), None);
            refused(face, &answer, &[404], target);
        }
        for method in ["DELETE", "PUT", "PATCH", "BREW"] {
            let answer = send(api, format!("{method} {path}").as_bytes(), None);
            refused(face, &answer, &[405], method);
            assert!(answer.head.to_lowercase().contains("\r\nallow: "), "{answer:?}");
        }
        let answer = send(api, b"POST /health", Some(b"{}"));
        refused(face, &answer, &[405], "POST /health");
    }
    nothing_happened(&server).await;
}

async fn broken_http_does_not_stop_the_server(store: Store) {
    let server = Server::dev(&store);
    for (_, api, _) in &faces(&server) {
        for bytes in [
            &b"\0\0\0\0\r\n\r\n"[..],
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST /api/v1/tasks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ] {
            let mut socket = Socket::connect(api.address());
            socket.write(bytes);
            // The connection is dropped half-way, whatever the answer.
        }
        let many = "X-Header: value\r\n".repeat(5_000);
        let mut socket = Socket::connect(api.address());
        socket.write(format!("GET /health HTTP/1.1\r\n{many}Connection: close\r\n\r\n").as_bytes());
        let answer = socket.read_answer();
        assert!(answer.status == 0 || (400..500).contains(&answer.status), "{answer:?}");
        api.get("/health").await.expect(200);
    }
    nothing_happened(&server).await;
}

async fn a_refused_request_frees_its_connection(store: Store) {
    let server = Server::dev(&store);
    // Nobody who shows no key may hold a connection by a body that never ends.
    let framings =
        ["Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"];
    let start = Instant::now();
    let sockets = framings.map(|framing| {
        let mut socket = Socket::connect(server.gateway().address());
        let head = "POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\n";
        assert!(socket.write(format!("{head}{framing}").as_bytes()));
        socket
    });
    for (mut socket, framing) in sockets.into_iter().zip(framings) {
        assert_eq!(socket.read_answer().status, 401);
        socket.read_to_end();
        assert!(start.elapsed() < Duration::from_secs(20), "{framing}: {:?}", start.elapsed());
    }
    // A connection whose body was read to its end is used again.
    let mut socket = Socket::connect(server.gateway().address());
    let request = format!(
        "POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {DEV_KEY}\r\n\
         Transfer-Encoding: chunked\r\n\r\nd\r\n{{\"query\":\"q\"}}\r\n0\r\n\r\n"
    );
    for _ in 0..2 {
        assert!(socket.write(request.as_bytes()));
        assert_eq!(socket.read_answer().status, 200);
    }
}

async fn a_body_that_drips_is_cut_off(store: Store) {
    let server = Server::dev(&store);
    let head = format!(
        "POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {DEV_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    );
    let mut socket = Socket::connect(server.gateway().address());
    let start = Instant::now();
    assert!(socket.write(head.as_bytes()));
    while start.elapsed() < Duration::from_secs(29) && socket.write(b" ") {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let answer =
        tokio::task::spawn_blocking(move || socket.read_answer()).await.expect("an answer");
    assert!(start.elapsed() < Duration::from_secs(45), "{:?}", start.elapsed());
    refused("gateway", &answer, &[408], "a body that drips");
    nothing_happened(&server).await;
}

async fn a_large_body_within_the_limit_is_stored(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    let context = json!({ "attachments": [{ "data": "x".repeat(8 << 20) }] });
    let body = json!({ "query": "look at this", "context": context });
    let id = gateway.submit(&body).await;
    assert_eq!(gateway.task(&id).await["context"], context);
    let list = gateway.get("/api/v1/tasks").await;
    assert!(list.text.len() < 1_000, "a list never carries what may be large");
}
