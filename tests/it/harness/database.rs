//! Databases: the shared server, a template, one clone for each test; and looking into them.

use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, QueryResult, Statement, Value};
use secrecy::SecretString;
use tokio::sync::OnceCell;
use uuid::Uuid;
use vestibule::entropy::{Entropy, OsEntropy};

use super::Harness;
use super::postgres::{Durability, PostgresServer};
use super::redis::RedisServer;

/// What every database of a test is named after, with the second it was made in.
const PREFIX: &str = "vestibule_test_";

/// How long a database that a test has left behind on somebody else's server is kept, in seconds.
const LEFTOVER_AGE: u64 = 3_600;

static POSTGRES: OnceCell<Shared> = OnceCell::const_new();
static REDIS: OnceCell<(Option<RedisServer>, String)> = OnceCell::const_new();

/// The server that tests share, and the template on it.
#[derive(Debug)]
struct Shared {
    server: Option<PostgresServer>,
    given: Option<String>,
    template: String,
}

impl Shared {
    async fn start() -> Self {
        let given = std::env::var("TEST_DATABASE_URL").ok();
        let server = if given.is_none() { Some(PostgresServer::start(Durability::Off).await) } else { None };
        let template = format!("{PREFIX}{}_template_{}", now(), std::process::id());
        let shared = Self { server, given, template };
        if shared.given.is_some() {
            shared.sweep().await;
        }
        create_on(&shared.url("postgres"), &shared.template).await;
        vestibule::app::migrate(&SecretString::from(shared.url(&shared.template))).await.unwrap();
        shared
    }

    fn url(&self, database: &str) -> String {
        match (&self.server, &self.given) {
            (Some(server), _) => server.url(database),
            (None, given) => {
                let mut url = url::Url::parse(given.as_deref().unwrap_or_default())
                    .expect("TEST_DATABASE_URL is a URL");
                url.set_path(database);
                url.to_string()
            }
        }
    }

    /// Drops what earlier runs have left behind.
    async fn sweep(&self) {
        let connection = Database::connect(self.url("postgres")).await.unwrap();
        let names = rows(
            &connection,
            "SELECT datname FROM pg_database WHERE datname LIKE 'vestibule_test_%'",
            vec![],
        )
        .await;
        for row in names {
            let name: String = row.try_get("", "datname").unwrap();
            let made = name[PREFIX.len()..].split('_').next().and_then(|second| second.parse::<u64>().ok());
            if made.is_some_and(|made| made + LEFTOVER_AGE < now()) {
                connection.execute_unprepared(&format!("DROP DATABASE IF EXISTS \"{name}\"")).await.unwrap();
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the age of a database is real time")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Creates a database for one test, with the current schema, and tells its URL.
pub(crate) async fn create() -> String {
    let shared = POSTGRES.get_or_init(Shared::start).await;
    create_from(shared, &shared.template).await
}

/// Creates a database for one test with nothing in it, and tells its URL.
pub(crate) async fn create_empty() -> String {
    create_from(POSTGRES.get_or_init(Shared::start).await, "template0").await
}

async fn create_from(shared: &Shared, template: &str) -> String {
    let entropy: &dyn Entropy = &OsEntropy;
    let name = format!("{PREFIX}{}_{}", now(), Uuid::from_bytes(entropy.bytes()).simple());
    let connection = Database::connect(shared.url("postgres")).await.unwrap();
    connection
        .execute_unprepared(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\""))
        .await
        .unwrap();
    connection.close().await.unwrap();
    shared.url(&name)
}

/// Creates an empty database on a server.
pub(crate) async fn create_on(url: &str, name: &str) {
    let connection = Database::connect(url).await.unwrap();
    connection.execute_unprepared(&format!("CREATE DATABASE \"{name}\"")).await.unwrap();
    connection.close().await.unwrap();
}

/// The Redis that tests share.
pub(crate) async fn redis_url() -> String {
    let start = || async {
        if let Ok(url) = std::env::var("TEST_REDIS_URL") {
            return (None, url);
        }
        let server = RedisServer::start().await;
        let url = server.url();
        (Some(server), url)
    };
    REDIS.get_or_init(start).await.1.clone()
}

/// Runs a query past the service.
pub(crate) async fn rows(connection: &DatabaseConnection, sql: &str, values: Vec<Value>) -> Vec<QueryResult> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    connection.query_all_raw(statement).await.unwrap()
}

impl Harness {
    /// A connection to the database, past the service and any proxy.
    pub(crate) async fn database(&self) -> DatabaseConnection {
        Database::connect(self.database_url()).await.unwrap()
    }

    /// How many rows a table has, or those that a condition (`table WHERE ...`) leaves.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let connection = self.database().await;
        let rows = rows(&connection, &format!("SELECT count(*) AS n FROM {table}"), vec![]).await;
        connection.close().await.unwrap();
        rows[0].try_get("", "n").unwrap()
    }

    /// Changes the database past the service, for states that the API can't make.
    pub(crate) async fn execute(&self, sql: &str) {
        let connection = self.database().await;
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// How the database is asked.
    pub(crate) fn engine(&self) -> DbBackend {
        if self.on_servers() { DbBackend::Postgres } else { DbBackend::Sqlite }
    }
}
