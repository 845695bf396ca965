//! A database for each test.

use async_trait::async_trait;
use diesel::{Connection, PgConnection, RunQueryDsl, connection::SimpleConnection, sql_query};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, OnceLock, PoisonError},
};
use taskgate_domain::testkit::{Ports, StoreFactory};
use taskgate_infra::{DatabaseUrl, Store, StoreOptions, migrations};
use uuid::Uuid;

/// Databases with every table, each dropped with this.
#[derive(Default)]
pub(crate) struct Databases(Mutex<Vec<Database>>);

#[async_trait]
impl StoreFactory for Databases {
    async fn fresh(&self) -> Ports {
        let database = Database::migrated();
        let ports = database.ports();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(database);
        ports
    }
}

/// A database that is dropped with this value.
pub(crate) struct Database {
    name: String,
}

impl Database {
    /// A database without tables.
    pub(crate) fn empty() -> Self {
        Self::copied_from("template1")
    }

    /// A database with every table.
    pub(crate) fn migrated() -> Self {
        static TEMPLATE: OnceLock<String> = OnceLock::new();
        Self::copied_from(TEMPLATE.get_or_init(template))
    }

    fn copied_from(template: &str) -> Self {
        let name = format!("taskgate_test_{}", Uuid::new_v4().simple());
        execute(&server(), &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self { name }
    }

    pub(crate) fn url(&self) -> DatabaseUrl {
        address(&self.name).parse().unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        Store::connect(&StoreOptions { url: self.url(), pool_size: 8 }).unwrap()
    }

    pub(crate) fn ports(&self) -> Ports {
        let Store { tasks, queue, reviews, events, feed, sessions, keys, maintenance } =
            self.store();
        Ports { tasks, queue, reviews, events, feed, sessions, keys, maintenance }
    }

    /// A connection beside the store's own.
    pub(crate) fn connection(&self) -> PgConnection {
        connect(&address(&self.name))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        execute(&server(), &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// A database with every table, to be copied: much faster than running the
/// migrations again. It stays for the next run with the same migrations.
fn template() -> String {
    let mut hash = DefaultHasher::new();
    include_str!("../../../../migrations/postgres/2026-11-21-000000_accounts/up.sql")
        .hash(&mut hash);
    include_str!("../../../../migrations/postgres/2026-11-21-000001_tasks/up.sql").hash(&mut hash);
    let name = format!("taskgate_template_{:016x}", hash.finish());
    let mut server = connect(&server());
    // Of several test processes one makes it.
    server.batch_execute("SELECT pg_advisory_lock(1)").unwrap();
    let made = sql_query(format!("SELECT FROM pg_database WHERE datname = '{name}'"));
    if made.execute(&mut server).unwrap() == 0 {
        server.batch_execute(&format!("CREATE DATABASE {name}_new")).unwrap();
        migrations::apply(&address(&format!("{name}_new")).parse().unwrap()).unwrap();
        // Only a complete one gets the name.
        server.batch_execute(&format!("ALTER DATABASE {name}_new RENAME TO {name}")).unwrap();
    }
    name
}

fn execute(address: &str, statement: &str) {
    connect(address).batch_execute(statement).unwrap();
}

fn connect(address: &str) -> PgConnection {
    PgConnection::establish(address).unwrap()
}

fn server() -> String {
    std::env::var("TASKGATE_TEST_POSTGRES")
        .expect("TASKGATE_TEST_POSTGRES is not set: run scripts/test, which starts a PostgreSQL")
}

/// The URL of another database of the test server.
fn address(name: &str) -> String {
    let server = server();
    let (base, parameters) = server.split_once('?').map_or((&*server, ""), |(b, p)| (b, p));
    let authority: Vec<&str> = base.splitn(4, '/').take(3).collect();
    format!("{}/{name}?{parameters}", authority.join("/"))
}
