//! The commands of the binary.

use serde_json::{Value, json};
use taskgate_tests::{CommandRun, Server, Store, create_key, eventually, taskgate};

taskgate_tests::on_both_stores!(
    a_new_key_is_alone_on_stdout_and_works,
    keys_are_listed_without_their_secrets,
    a_revoked_key_is_of_no_more_use,
    wrong_key_options_are_refused_in_words,
    migrations_are_checked_then_applied_once,
    serve_has_no_built_in_key,
);

fn succeeds(run: CommandRun) -> CommandRun {
    assert_eq!(run.code, 0, "{run:?}");
    run
}

/// Checks that a command refuses with one line that says this.
#[track_caller]
fn refuses(run: &CommandRun, saying: &[&str]) {
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(run.stdout, "", "{run:?}");
    for word in saying {
        assert!(run.stderr.contains(word), "{word} is not in {run:?}");
    }
    assert!(!run.stderr.contains("panicked"), "{run:?}");
}

async fn a_new_key_is_alone_on_stdout_and_works(store: Store) {
    succeeds(taskgate(&store, &["migrate"]));
    let server = Server::start(&store, &["serve"]);
    let run = succeeds(taskgate(&store, &["keys", "create", "--name", "ci", "--user", "ann"]));
    let key = run.stdout.strip_suffix('\n').expect("one line");
    assert!(key.starts_with("sk_live_") && key.len() == 44, "{run:?}");
    assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{run:?}");
    assert!(!run.stderr.contains(key), "{run:?}");
    let gateway = server.gateway().with_key(key);
    gateway.ask("hello").await;
    assert_eq!(gateway.get("/api/v1/tasks").await.expect(200)["total_count"], 1);
    assert!(!server.log().contains(key), "a key is never logged");
}

async fn keys_are_listed_without_their_secrets(store: Store) {
    succeeds(taskgate(&store, &["migrate"]));
    let options = [
        "--user",
        "ann",
        "--tenant",
        "acme",
        "--scope",
        "research,worker",
        "--project",
        "7",
        "--expires",
        "2099-01-01T00:00:00Z",
    ];
    let key = create_key(&store, &options);
    let other = create_key(&store, &["--name", "second"]);
    let list = succeeds(taskgate(&store, &["keys", "list"])).stdout;
    assert!(!list.contains(&key) && !list.contains(&other), "{list}");
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    for word in ["test", "acme", "ann", "research,worker", "7", "2099-01-01", &key[..12]] {
        assert!(lines[1].contains(word), "{word} is not in {list}");
    }
    assert!(lines[2].contains("second") && lines[2].contains("gateway"), "{list}");
}

async fn a_revoked_key_is_of_no_more_use(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway().with_key(&create_key(&store, &[]));
    gateway.get("/api/v1/tasks").await.expect(200);
    let list = succeeds(taskgate(&store, &["keys", "list"])).stdout;
    let id = list.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("an id");
    succeeds(taskgate(&store, &["keys", "revoke", id]));
    eventually("the end of the key", async || {
        (gateway.get("/api/v1/tasks").await.status == 401).then_some(())
    })
    .await;
    refuses(&taskgate(&store, &["keys", "revoke", id]), &[id]);
    let unknown = "00000000-0000-4000-8000-000000000000";
    refuses(&taskgate(&store, &["keys", "revoke", unknown]), &[unknown]);
    let list = succeeds(taskgate(&store, &["keys", "list"])).stdout;
    assert!(list.lines().nth(1).is_some_and(|line| line.contains("revoked")), "{list}");
}

async fn wrong_key_options_are_refused_in_words(store: Store) {
    succeeds(taskgate(&store, &["migrate"]));
    for (options, saying) in [
        (vec!["--name", ""], "name"),
        (vec!["--name", "a\nb"], "name"),
        (vec!["--name", "n", "--scope", "root"], "scope"),
        (vec!["--name", "n", "--project", "0"], "project"),
        (vec!["--name", "n", "--expires", "soon"], "expires"),
        (vec!["--name", "n", "--user", ""], "user"),
    ] {
        let run = taskgate(&store, &[&["keys", "create"], options.as_slice()].concat());
        refuses(&run, &[saying]);
    }
    assert_eq!(succeeds(taskgate(&store, &["keys", "list"])).stdout.lines().count(), 1);
}

async fn migrations_are_checked_then_applied_once(store: Store) {
    let before = taskgate(&store, &["migrate", "--check"]);
    assert_eq!(before.code, 1, "{before:?}");
    refuses(&taskgate(&store, &["keys", "list"]), &["taskgate migrate"]);
    let applied = succeeds(taskgate(&store, &["migrate"])).stdout;
    assert!(!applied.is_empty());
    assert_eq!(applied, before.stdout);
    assert_eq!(succeeds(taskgate(&store, &["migrate", "--check"])).stdout, "");
    assert_eq!(succeeds(taskgate(&store, &["migrate"])).stdout, "");
}

async fn serve_has_no_built_in_key(store: Store) {
    let server = Server::serve(&store, &[]);
    assert_eq!(server.gateway().get("/api/v1/tasks").await.status, 401);
    assert_eq!(server.worker().post("/api/v1/worker/claim", &json!({})).await.status, 401);
    // The research face needs no key on loopback, but a wrong one is wrong.
    assert_eq!(server.research().get("/api/v1/tasks").await.status, 200);
}

#[test]
fn an_open_research_face_stays_on_loopback() {
    let store = Store::sqlite();
    succeeds(taskgate(&store, &["migrate"]));
    for command in ["serve", "dev"] {
        let run = taskgate(&store, &[command, "--research-addr", "0.0.0.0:0"]);
        refuses(&run, &["0.0.0.0:0", "research"]);
    }
    let run = taskgate(&store, &["serve", "--research-addr", "0.0.0.0:0"]);
    refuses(&run, &["--research-access keys"]);
}

#[test]
fn the_description_of_a_face_names_every_route() {
    let store = Store::sqlite();
    for (face, routes) in [
        (
            "gateway",
            &[
                ("/api/v1/tasks", "get"),
                ("/api/v1/tasks", "post"),
                ("/api/v1/tasks/{id}", "get"),
                ("/api/v1/tasks/{id}/cancel", "post"),
                ("/health", "get"),
                ("/readiness", "get"),
            ][..],
        ),
        (
            "research",
            &[
                ("/api/v1/tasks", "get"),
                ("/api/v1/tasks", "post"),
                ("/api/v1/tasks/{id}", "get"),
                ("/api/v1/tasks/{id}/cancel", "post"),
            ],
        ),
        (
            "worker",
            &[
                ("/api/v1/worker/claim", "post"),
                ("/api/v1/worker/tasks/{id}/heartbeat", "post"),
                ("/api/v1/worker/tasks/{id}/events", "post"),
                ("/api/v1/worker/tasks/{id}/complete", "post"),
                ("/api/v1/worker/tasks/{id}/fail", "post"),
                ("/api/v1/worker/finish", "post"),
            ],
        ),
    ] {
        let text = succeeds(taskgate(&store, &["openapi", face])).stdout;
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")), "{face}");
        for (path, method) in routes {
            let operation = &document["paths"][path][method];
            assert!(operation["responses"].is_object(), "{face}: {method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_face_serves_its_own_description() {
    let store = Store::sqlite();
    let server = Server::dev(&store);
    for (name, face) in [
        ("gateway", server.gateway()),
        ("research", server.research()),
        ("worker", server.worker()),
    ] {
        let printed = succeeds(taskgate(&store, &["openapi", name])).stdout;
        let printed: Value = serde_json::from_str(&printed).expect("JSON");
        assert_eq!(face.without_key().get("/openapi.json").await.expect(200), printed);
        let health = face.without_key().get("/health").await.expect(200);
        assert_eq!(health["status"], "healthy");
        assert_eq!(face.without_key().get("/readiness").await.expect(200)["status"], "ready");
    }
}

#[test]
fn the_settings_are_shown_with_secrets_masked() {
    let store = Store::sqlite();
    let file = store.directory().join("taskgate.toml");
    std::fs::write(&file, "pool_size = 7\nlog_format = \"json\"\n").expect("a file");
    let run = succeeds(taskgate(
        &store,
        &[
            "config",
            "--config",
            file.to_str().expect("a path"),
            "--log-format",
            "text",
            "--database-url",
            "postgres://ann:hunter2@db.example/tasks",
        ],
    ));
    assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"), "{run:?}");
    for shown in ["db.example", "pool_size = 7", "log_format = \"text\"", "--log-format"] {
        assert!(run.stdout.contains(shown), "{shown} is not in {run:?}");
    }
    let run = taskgate(&store, &["config", "--database-url", "postgres://ann:hunter2@:x/y"]);
    assert!(!run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"), "{run:?}");
    refuses(&taskgate(&store, &["config", "--pool-size", "0"]), &["--pool-size"]);
}

#[test]
fn a_password_is_not_shown_when_the_database_refuses() {
    let store = Store::sqlite();
    for command in [&["migrate"][..], &["keys", "list"]] {
        let url = "postgres://ann:hunter2@127.0.0.1:1/tasks";
        let run = taskgate(&store, &[command, &["--database-url", url]].concat());
        refuses(&run, &["taskgate: "]);
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
    }
}
