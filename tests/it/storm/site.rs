//! Where a storm goes over: replicas of the real binary, each a process of its own, on one database and Redis.

use std::path::Path;

use sqlx::{Connection as _, PgConnection};

use crate::faults::until;
use crate::harness::NO_LIMITS;
use crate::harness::program::{Folder, Program};

/// The most connections to the database that one replica has.
const CONNECTIONS: i64 = 16;

/// A database and a Redis with what replicas share besides.
#[derive(Debug)]
pub(crate) struct Site {
    folder: Folder,
    database_url: String,
    redis_url: String,
    lease: &'static str,
}

impl Site {
    /// Replicas there will use these.
    pub(crate) fn new(database_url: &str, redis_url: &str) -> Self {
        Self {
            folder: Folder::new(),
            database_url: database_url.to_owned(),
            redis_url: redis_url.to_owned(),
            lease: "3s",
        }
    }

    /// With the lease that is the default. A login waits up to two seconds for a lock then; with the shortest lease,
    /// half a second.
    pub(crate) fn with_default_lease(self) -> Self {
        Self { lease: "6s", ..self }
    }

    /// Starts a replica, and waits until it serves. Its leases are the shortest: what a dead one held is free soon.
    pub(crate) async fn program(&self, arguments: &[&str]) -> Program {
        self.program_of(Path::new(env!("CARGO_BIN_EXE_vestibule")), arguments).await
    }

    /// The same, with the database named differently.
    pub(crate) async fn program_at(&self, database_url: &str) -> Program {
        self.start(Path::new(env!("CARGO_BIN_EXE_vestibule")), database_url, &[]).await
    }

    /// The same, of another binary.
    pub(crate) async fn program_of(&self, binary: &Path, arguments: &[&str]) -> Program {
        self.start(binary, &self.database_url, arguments).await
    }

    async fn start(&self, binary: &Path, database_url: &str, arguments: &[&str]) -> Program {
        let data_dir = self.folder.path().display().to_string();
        let connections = CONNECTIONS.to_string();
        let servers = ["--database-url", database_url, "--redis-url", &self.redis_url];
        let own = [
            "--data-dir",
            &data_dir,
            "--claim-lease",
            self.lease,
            "--database-max-connections",
            &connections,
        ];
        let arguments = [&servers[..], &own, &NO_LIMITS, arguments].concat();
        Program::serve_of(binary, self.folder.path(), &arguments, &[]).await
    }

    /// Where the database is.
    pub(crate) fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Waits until so many replicas have no more connections to the database than they may, and none of these is
    /// in the middle of something.
    pub(crate) async fn is_quiet(&self, replicas: i64) {
        quiet(&self.database_url, replicas * CONNECTIONS).await;
    }

    /// Waits until so many replicas have one connection each to a Redis that nobody else uses.
    pub(crate) async fn redis_is_quiet(&self, replicas: usize) {
        let one_each = async || redis_clients(&self.redis_url).await == replicas;
        until("one connection to Redis for each replica", one_each).await;
    }
}

/// How many clients a Redis has, besides the one that asks.
async fn redis_clients(url: &str) -> usize {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let list: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await.unwrap();
    list.lines().count() - 1
}

/// Waits until a database has at most so many connections of the service, all of them idle.
pub(crate) async fn quiet(database_url: &str, most: i64) {
    let sql = "SELECT count(*), count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity \
               WHERE application_name = 'vestibule' AND datname = current_database()";
    let mut connection = PgConnection::connect(database_url).await.unwrap();
    until(format!("at most {most} connections, all idle"), async || {
        let (open, busy): (i64, i64) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
        open <= most && busy == 0
    })
    .await;
    connection.close().await.unwrap();
}
