//! The schema's history, embedded in the program. Forward only; each step is safe while the version
//! before it still runs.

use std::sync::LazyLock;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqlitePool};

use super::hosts::{Hosts, HostsError};
use super::{Error, Store, column};
use crate::telemetry::chain;

static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = lenient(sqlx::migrate!("migrations/postgres"));
    migrator.set_locking(false);
    migrator
});
static SQLITE: LazyLock<Migrator> = LazyLock::new(|| lenient(sqlx::migrate!("migrations/sqlite")));

/// The advisory lock that migrators take turns by: "vestibul" in ASCII.
const LOCK: i64 = 0x7665_7374_6962_756c;

/// How often a migrator that waits for its turn asks again. Waiting inside the database would hold a
/// snapshot, which an index that is being built concurrently waits for in its turn: for ever.
const TURN: Duration = Duration::from_millis(200);

/// How often a step is tried that another transaction is in the way of, and the pause between: a minute and a half
/// together.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_secs(3);

/// A lock that was not to be had in time, a deadlock. PostgreSQL, appendix A.
const IN_THE_WAY: [&str; 2] = ["55P03", "40P01"];

/// How the server finds out that nobody is at the other end, within half a minute.
const KEEPALIVE: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "20000"),
];

/// What is left of an index whose concurrent building failed, and would pass for the index itself.
const BROKEN_INDEXES: &str = "SELECT class.relname::text, format('DROP INDEX CONCURRENTLY %s', index.indexrelid::regclass) \
     FROM pg_index AS index JOIN pg_class AS class ON class.oid = index.indexrelid \
     WHERE NOT index.indisvalid AND class.relnamespace = to_regnamespace(current_schema())";

/// Steps that a newer version has applied are no reason to stop: rolling back a deployment runs the
/// older version's migrations again.
fn lenient(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

/// Why the schema was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No server of Postgres can be used.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// The database does not answer any more, or refuses.
    #[error("the database could not be reached")]
    Unreachable(#[source] sqlx::Error),
    /// A step failed; it was rolled back and can be run again.
    #[error("a migration failed")]
    Step(#[source] sqlx::migrate::MigrateError),
}

/// Why this program can't run on the schema it found.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Nobody ran the migrations that this program needs.
    #[error(
        "the database schema is at version {found}, this program needs {needed}: run `vestibule migrate`"
    )]
    TooOld {
        /// The newest step that was applied; 0: none.
        found: i64,
        /// The newest step that this program has.
        needed: i64,
    },
}

/// Brings the schema of a Postgres database up to date and tells its version. Two at once take turns.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate_postgres(url: &SecretString) -> Result<i64, MigrateError> {
    // Of a migrator whose machine is gone the server lets the lock go.
    let options = Hosts::parse(url)?.primary().await?.options(KEEPALIVE);
    let mut connection = PgConnection::connect_with(&options).await.map_err(MigrateError::Unreachable)?;
    let mut told = false;
    while !take_turn(&mut connection).await.map_err(MigrateError::Unreachable)? {
        if !told {
            tracing::info!("another migrator is at work; waiting for it");
            told = true;
        }
        tokio::time::sleep(TURN).await;
    }
    run(&mut connection).await?;
    // The lock ends with the connection.
    connection.close().await.map_err(MigrateError::Unreachable)?;
    Ok(newest(&POSTGRES))
}

/// Runs the steps that are missing. A step waits for its locks for moments only, since everybody else waits behind
/// it: a long transaction in its way makes it fail, and it is tried again.
async fn run(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let mut tries = TRIES;
    loop {
        let outcome = try_to_run(connection).await;
        tries -= 1;
        match outcome {
            Err(error) if tries > 0 && is_in_the_way(&error) => {
                tracing::warn!(error = chain(&error), "another transaction is in the way; trying again");
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            outcome => return outcome.map_err(MigrateError::Step),
        }
    }
}

async fn try_to_run(connection: &mut PgConnection) -> Result<(), sqlx::migrate::MigrateError> {
    // The first step sets it for the session, and an index waits for as long as it takes.
    connection.execute("RESET lock_timeout").await?;
    drop_broken_indexes(connection).await?;
    POSTGRES.run(connection).await
}

fn is_in_the_way(error: &sqlx::migrate::MigrateError) -> bool {
    use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
    let (Execute(error) | ExecuteMigration(error, _)) = error else { return false };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| IN_THE_WAY.contains(&&*code))
}

async fn take_turn(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(connection).await
}

async fn drop_broken_indexes(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let broken: Vec<(String, String)> = sqlx::query_as(BROKEN_INDEXES).fetch_all(&mut *connection).await?;
    // Somebody may be building an index of their own just now.
    let ours = |name: &str| POSTGRES.iter().any(|migration| migration.sql.as_str().contains(name));
    for (_, drop) in broken.into_iter().filter(|(name, _)| ours(name)) {
        connection.execute(AssertSqlSafe(drop)).await?;
    }
    Ok(())
}

pub(super) async fn migrate_sqlite(pool: &SqlitePool) -> Result<(), MigrateError> {
    SQLITE.run(pool).await.map_err(MigrateError::Step)
}

fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}

impl Store {
    /// Refuses a schema older than this program needs. A newer one is fine: every step is safe while
    /// the version before it runs.
    pub(super) async fn check_schema(&self) -> Result<(), super::ConnectError> {
        let needed = newest(&POSTGRES);
        let found = self.schema_version().await?;
        if found < needed { Err(SchemaError::TooOld { found, needed }.into()) } else { Ok(()) }
    }

    async fn schema_version(&self) -> Result<i64, Error> {
        let exists = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS migrated";
        let migrated = match self.query_one("schema_version", exists, Vec::new()).await? {
            Some(row) => column::<bool>(&row, "migrated")?,
            None => false,
        };
        if !migrated {
            return Ok(0);
        }
        let newest = "SELECT coalesce(max(version), 0) AS version FROM _sqlx_migrations WHERE success";
        match self.query_one("schema_version", newest, Vec::new()).await? {
            Some(row) => column(&row, "version"),
            None => Ok(0),
        }
    }
}
