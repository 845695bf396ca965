//! A store that belongs to one test.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

/// A SQLite file or a PostgreSQL database of one test's own, gone with it.
pub struct Store {
    directory: TempDir,
    postgres: Option<Postgres>,
}

struct Postgres {
    admin: String,
    name: String,
}

impl Store {
    /// A SQLite file that does not exist yet.
    pub fn sqlite() -> Self {
        Self { directory: temporary_directory(), postgres: None }
    }

    /// An empty database in the cluster that `TASKGATE_TEST_POSTGRES` names.
    pub fn postgres() -> Self {
        let admin = std::env::var("TASKGATE_TEST_POSTGRES").unwrap_or_else(|_| {
            panic!("TASKGATE_TEST_POSTGRES is not set: run scripts/test, which starts PostgreSQL")
        });
        Self::postgres_in(&admin)
    }

    /// An empty database in the cluster of this superuser's URL.
    pub fn postgres_in(admin: &str) -> Self {
        let (admin, name) = (admin.to_owned(), unique_name());
        psql(&admin, &format!("CREATE DATABASE {name}"));
        Self { directory: temporary_directory(), postgres: Some(Postgres { admin, name }) }
    }

    /// What `--database-url` takes.
    pub fn url(&self) -> String {
        match &self.postgres {
            None => format!("sqlite://{}", self.file().display()),
            Some(postgres) => with_database(&postgres.admin, &postgres.name),
        }
    }

    /// The store's URL with another host and port: through a proxy.
    pub fn url_through(&self, address: std::net::SocketAddr) -> String {
        let url = self.url();
        let (front, path) = url.rsplit_once('/').expect("a URL with a database");
        let (front, _) = front.rsplit_once(['@', '/']).expect("a URL with an authority");
        let separator = if url.contains('@') { '@' } else { '/' };
        format!("{front}{separator}{address}/{path}")
    }

    /// The address of the database server.
    pub fn address(&self) -> String {
        let url = self.url();
        let (front, _) = url.rsplit_once('/').expect("a URL with a database");
        let (_, address) = front.rsplit_once(['@', '/']).expect("a URL with an authority");
        address.to_owned()
    }

    /// The password in the store's URL; a word that no log has if there is none.
    pub fn password(&self) -> String {
        let url = self.url();
        let user = url.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
        let password = user.and_then(|(user, _)| user.split_once(':'));
        password.map_or("(no password)", |(_, password)| password).to_owned()
    }

    /// Lets the deadline of every live task have passed. No face can set one
    /// for an agent task.
    pub fn pass_deadlines(&self) {
        self.execute("UPDATE live_tasks SET deadline = updated_at");
    }

    /// Gives every live task a hundred attempts, which no face can for an agent
    /// task either.
    pub fn allow_many_attempts(&self) {
        self.execute("UPDATE live_tasks SET max_attempts = 100");
    }

    fn execute(&self, sql: &str) {
        match &self.postgres {
            Some(_) => psql(&self.url(), sql),
            // The server writes too, so wait for its lock.
            None => {
                run("sqlite3", &["-cmd", ".timeout 10000", &self.file().display().to_string(), sql])
            }
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("taskgate.db")
    }

    /// A directory for the test's files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(Postgres { admin, name }) = &self.postgres {
            let sql = format!("DROP DATABASE {name} WITH (FORCE)");
            // A failure must not hide the panic that may be under way.
            let _ = Command::new("psql").args([admin.as_str(), "-qc", &sql]).output();
        }
    }
}

fn temporary_directory() -> TempDir {
    TempDir::with_prefix("taskgate-test-").expect("a temporary directory")
}

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").subsec_nanos();
    format!("taskgate_e2e_{}_{nanos}_{number}", std::process::id())
}

fn with_database(admin: &str, name: &str) -> String {
    let (base, query) = admin.split_once('?').map_or((admin, None), |(b, q)| (b, Some(q)));
    let (_, authority) = base.split_once("://").expect("a postgres:// URL");
    let server = authority.split_once('/').map_or(authority, |(server, _)| server);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("postgres://{server}/{name}{query}")
}

fn psql(url: &str, sql: &str) {
    run("psql", &[url, "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]);
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: run scripts/test"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
