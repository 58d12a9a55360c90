//! What was bought, kept for good: Postgres, or the embedded SQLite. SQL lives here and nowhere else.
//!
//! Where the two engines differ: what they call differently is in `Engine`, how they are opened in
//! `connect` and filled in `seed`; the other places are few and counted by a test.

mod admins;
mod chain;
mod claims;
mod connect;
mod constraint;
mod discovery;
mod events;
mod hosts;
mod idempotency;
mod keys;
mod members;
mod migrations;
mod organizations;
mod parameters;
mod receipts;
mod record;
mod search;
mod seed;
mod sessions;
mod suspicion;
mod sweep;
mod transaction;
mod unique;

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::spans::{Operation, observed};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, QueryResult, RuntimeErr,
    Statement, TransactionTrait as _, Value,
};

pub use admins::Admins;
pub use claims::NamesTaken;
pub use connect::{ConnectError, connect_postgres, open_sqlite};
pub use constraint::{CONSTRAINTS, Constraint};
pub use discovery::{Candidate, Candidates, Way};
pub use hosts::HostsError;
pub use idempotency::{KeptAnswer, StoredAnswer};
pub use keys::SealedKey;
pub use migrations::{MigrateError, SchemaError, migrate_postgres};
pub use receipts::{Receipt, ReplayTarget};
pub use record::{Creation, DiscoveryCreation, Purchase};
pub use seed::{SeedError, seed_postgres};
pub use sessions::{FoundSession, SessionKey};
pub use transaction::{Lock, Transaction};
pub use unique::Unique;

use connect::Primary;
use sessions::Known;
use suspicion::Suspicion;

/// How long the database may take to say that it is there. Longer than a wait for a free connection.
const PING_TIMEOUT: Duration = Duration::from_millis(2_500);

/// How long the end waits for connections: nothing is lost with them.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Which database is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Postgres,
    Sqlite,
}

/// What the engines call differently.
impl Engine {
    fn statement(self, sql: &str, values: Vec<Value>) -> Statement {
        let backend = match self {
            Self::Postgres => DbBackend::Postgres,
            Self::Sqlite => DbBackend::Sqlite,
        };
        Statement::from_sql_and_values(backend, sql, values)
    }

    /// As OpenTelemetry's conventions name it.
    fn system(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Sqlite => "sqlite",
        }
    }

    /// Asks whether the server is one that is written to.
    fn takes_writes(self) -> &'static str {
        match self {
            Self::Postgres => hosts::TAKES_WRITES,
            Self::Sqlite => "SELECT TRUE AS writes",
        }
    }

    /// The order in which readers of events meet them, backwards.
    fn newest_event_first(self) -> &'static str {
        match self {
            Self::Postgres => "transaction_id DESC, position DESC",
            Self::Sqlite => "position DESC",
        }
    }

    /// The aggregate that gathers the ordered rows of a sub-query into a JSON array.
    fn json_array(self) -> &'static str {
        match self {
            Self::Postgres => "jsonb_agg",
            Self::Sqlite => "json_group_array",
        }
    }

    /// A table of the texts in a column that is a JSON array; its one column is `value`.
    fn json_elements(self, column: &str) -> String {
        match self {
            Self::Postgres => format!("jsonb_array_elements_text({column}) AS value"),
            Self::Sqlite => format!("json_each({column})"),
        }
    }

    /// An id as text.
    fn id_text(self, column: &str) -> String {
        match self {
            Self::Postgres => format!("{column}::text"),
            Self::Sqlite => format!("lower(hex({column}))"),
        }
    }

    /// The test for the role of an admin among the assigned ones, as the index has it.
    fn assigned_admin(self) -> &'static str {
        match self {
            Self::Postgres => r#"assigned_roles @> '["stytch_admin"]'"#,
            Self::Sqlite => {
                "EXISTS (SELECT 1 FROM json_each(assigned_roles) AS role WHERE role.value = 'stytch_admin')"
            }
        }
    }

    /// The test for a text within another, without regard to case; `pattern` is escaped with `\`.
    fn contains(self, column: &str, pattern: &str) -> String {
        match self {
            Self::Postgres => format!("{column} ILIKE {pattern}"),
            Self::Sqlite => format!("{column} LIKE {pattern} ESCAPE '\\'"),
        }
    }
}

/// The database. Cheap to clone; every call takes a connection of its own and gives it back.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    /// Where searches are run: connections of their own, so that slow ones never take those that logins
    /// need.
    searches: Pool,
    /// Where both go. `None`: to a file.
    primary: Option<Arc<Primary>>,
    /// What was read with sessions. `None`: the embedded default reads everything, which costs it little.
    known: Option<Arc<Known>>,
    engine: Engine,
    timeout: Duration,
    metrics: Arc<Metrics>,
}

/// Some connections, and what is suspected of them.
#[derive(Clone, Debug)]
struct Pool {
    /// As metrics name it.
    name: &'static str,
    connection: DatabaseConnection,
    suspicion: Suspicion,
}

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule was broken; nothing was written.
    #[error("a rule of the database was broken: {0:?}")]
    Violates(Constraint),
    /// Another transaction was in the way; nothing was written.
    #[error("another transaction is in the way")]
    Conflict(#[source] Source),
    /// The database could not be reached or did not start the work; nothing was written.
    #[error("the database is not available")]
    Unavailable(#[source] Source),
    /// The server is not the primary; nothing was written.
    #[error("the database takes no writes")]
    ReadOnly(#[source] Source),
    /// The statement took longer than the database lets it; nothing was written.
    #[error("a database statement took too long")]
    TooSlow(#[source] Source),
    /// The connection was lost, or time ran out, while the database worked: what was asked may have
    /// been written, or may still be.
    #[error("the outcome of a database statement is unknown")]
    UnknownOutcome(#[source] Source),
    /// A stored value is none that this program writes.
    #[error("a stored value of {0} can't be read")]
    Corrupt(&'static str),
    /// Anything else; nothing was written.
    #[error("the database refused a statement")]
    Database(#[source] Source),
}

/// What the driver said. For the log only.
pub type Source = Box<dyn StdError + Send + Sync>;

impl Store {
    /// Reads rows, by an operation of this name. Bounded by the store's timeout.
    async fn query(
        &self,
        name: &'static str,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Error> {
        let statement = self.engine.statement(sql, values);
        self.bounded(name, &self.pool, nothing_written, self.pool.connection.query_all_raw(statement)).await
    }

    /// Reads at most one row.
    async fn query_one(
        &self,
        name: &'static str,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Option<QueryResult>, Error> {
        Ok(self.query(name, sql, values).await?.into_iter().next())
    }

    /// Runs one writing statement and tells how many rows it touched.
    async fn execute(&self, name: &'static str, sql: &str, values: Vec<Value>) -> Result<u64, Error> {
        let statement = self.engine.statement(sql, values);
        let executed = self
            .bounded(name, &self.pool, |error| error, self.pool.connection.execute_raw(statement))
            .await?;
        Ok(executed.rows_affected())
    }

    /// Writes the chain whole or not at all. `Ok(false)`: its guard refused it.
    async fn insert(&self, name: &'static str, chain: chain::Chain) -> Result<bool, Error> {
        match self.engine {
            Engine::Postgres => {
                let expected = chain.last_rows();
                let (sql, values) = chain.postgres();
                Ok(self.execute(name, &sql, values).await? == expected)
            }
            Engine::Sqlite => {
                self.transaction(name, async |transaction| transaction.insert(chain).await).await
            }
        }
    }

    /// Runs the chain and takes it back, to learn which rule it would break.
    async fn rehearse(&self, name: &'static str, chain: chain::Chain) -> Result<(), Error> {
        let (sql, values) = chain.postgres();
        let rehearsal = async {
            let transaction = self.pool.connection.begin().await?;
            transaction.execute_raw(self.engine.statement(&sql, values)).await?;
            transaction.rollback().await
        };
        self.bounded(name, &self.pool, nothing_written, rehearsal).await
    }

    /// Does what `known` says with the errors: what they mean for this work.
    async fn bounded<T>(
        &self,
        name: &'static str,
        pool: &Pool,
        known: impl Fn(Error) -> Error,
        work: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, Error> {
        let bounded = async { self.bounded_unobserved(pool, work).await.map_err(known) };
        let outcome = observed(&self.metrics, self.operation(name), Error::kind, bounded).await;
        outcome.inspect_err(|error| self.note_unavailable(pool, error))
    }

    fn operation(&self, name: &'static str) -> Operation {
        Operation { system: self.engine.system(), name, procedure: None, span: name }
    }

    /// Counts the calls that found no connection free, and has it looked up where the primary is when there is none.
    fn note_unavailable(&self, pool: &Pool, error: &Error) {
        if let Error::Unavailable(source) = error {
            pool.suspicion.of_server();
            if let Some(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) = source.downcast_ref() {
                self.metrics.no_connection(pool.name, 1);
            }
        }
    }

    async fn bounded_unobserved<T>(
        &self,
        pool: &Pool,
        work: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, Error> {
        // Declared before its guard, so that the guard speaks before the connection goes back.
        let mut work = pin!(timeout(self.timeout, work));
        let guard = pool.suspicion.guard();
        let outcome = match (&mut work).await {
            Ok(result) => result.map_err(Error::from),
            Err(elapsed) => Err(Error::UnknownOutcome(Box::new(elapsed))),
        };
        if !outcome.as_ref().is_err_and(Error::casts_suspicion) {
            guard.disarm();
        }
        outcome
    }

    /// Asks the database for nothing, to learn whether it would take a write.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::ReadOnly`].
    pub async fn ping(&self) -> Result<(), Error> {
        let asking = self.query_one("ping", self.engine.takes_writes(), Vec::new());
        let row = match timeout(PING_TIMEOUT, asking).await {
            Ok(row) => row?,
            Err(elapsed) => return Err(Error::Unavailable(Box::new(elapsed))),
        };
        if row.map(|row| column(&row, "writes")).transpose()? == Some(true) {
            return Ok(());
        }
        self.searches.suspicion.of_all();
        self.pool.suspicion.of_all();
        Err(Error::ReadOnly("it is a standby, or set to take none".into()))
    }

    /// Gives every connection back. Nothing works afterwards.
    pub async fn close(self) {
        for pool in [self.searches, self.pool] {
            match timeout(CLOSE_TIMEOUT, pool.connection.close()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = chain(&error), "the database connections did not close");
                }
                Err(_) => tracing::warn!("the database did not answer when its connections were closed"),
            }
        }
    }
}

impl Error {
    /// Whether it says something about the other connections.
    fn casts_suspicion(&self) -> bool {
        matches!(self, Self::UnknownOutcome(_) | Self::ReadOnly(_))
    }

    /// What it is in a word, for spans and metrics. `None`: the database did as it was told, and a rule of
    /// its own refused the write.
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Violates(_) => None,
            Self::Conflict(_) => Some("conflict"),
            Self::TooSlow(_) => Some("timeout"),
            Self::Unavailable(source) | Self::UnknownOutcome(source) if source.is::<Elapsed>() => {
                Some("timeout")
            }
            Self::Unavailable(_) | Self::ReadOnly(_) => Some("unavailable"),
            Self::UnknownOutcome(_) => Some("unknown_outcome"),
            Self::Corrupt(_) => Some("corrupt"),
            Self::Database(_) => Some("refused"),
        }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(Box::new(error)),
            DbErr::Exec(RuntimeErr::SqlxError(driver)) | DbErr::Query(RuntimeErr::SqlxError(driver)) => {
                match &**driver {
                    sqlx::Error::Database(refusal) => {
                        from_refusal(&**refusal).unwrap_or(Self::Database(Box::new(error)))
                    }
                    sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Unavailable(Box::new(error)),
                    sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                        Self::Database(Box::new(error))
                    }
                    _ => Self::UnknownOutcome(Box::new(error)),
                }
            }
            _ => Self::Database(Box::new(error)),
        }
    }
}

/// What the database's own answer means. Codes: PostgreSQL, appendix A; SQLite, result codes.
fn from_refusal(refusal: &dyn sqlx::error::DatabaseError) -> Option<Error> {
    let constraint = match refusal.constraint() {
        Some(name) => Constraint::from_postgres(name),
        None => Constraint::from_sqlite(refusal.message()),
    };
    if let Some(constraint) = constraint {
        return Some(Error::Violates(constraint));
    }
    let source = || refusal.message().to_owned().into();
    match refusal.code().as_deref()? {
        // serialization failure, deadlock, lock not available; SQLITE_BUSY, SQLITE_LOCKED and kinds
        "40001" | "40P01" | "55P03" | "5" | "6" | "261" | "262" | "517" | "773" => {
            Some(Error::Conflict(source()))
        }
        // statement timeout
        "57014" => Some(Error::TooSlow(source())),
        // read-only: a standby after a failover
        "25006" => Some(Error::ReadOnly(source())),
        // starting up; too many connections; disk full, out of memory; SQLITE_FULL
        "57P03" | "53300" | "53100" | "53200" | "13" => Some(Error::Unavailable(source())),
        // terminated while it worked: a commit may have gone through just before
        "57P01" | "57P02" | "57P05" | "25P03" | "25P04" | "40003" => Some(Error::UnknownOutcome(source())),
        // connection exceptions, which poolers report for a server that they have lost; SQLITE_IOERR
        code if code.starts_with("08") || code == "10" => Some(Error::UnknownOutcome(source())),
        _ => None,
    }
}

/// Nothing is written by a read, so nothing about it is unknown.
fn nothing_written(error: Error) -> Error {
    match error {
        Error::UnknownOutcome(source) => Error::Unavailable(source),
        error => error,
    }
}

/// The columns of one table in a row that has those of several, told apart by a prefix.
#[derive(Clone, Copy)]
struct Columns<'a> {
    row: &'a QueryResult,
    prefix: &'static str,
}

impl<'a> Columns<'a> {
    fn of(row: &'a QueryResult, prefix: &'static str) -> Self {
        Self { row, prefix }
    }

    fn get<T: sea_orm::TryGetable>(self, name: &'static str) -> Result<T, Error> {
        self.row.try_get(self.prefix, name).map_err(|_| Error::Corrupt(name))
    }

    fn json<T: serde::de::DeserializeOwned>(self, name: &'static str) -> Result<T, Error> {
        serde_json::from_value(self.get(name)?).map_err(|_| Error::Corrupt(name))
    }
}

/// Reads a column.
fn column<T: sea_orm::TryGetable>(row: &QueryResult, name: &'static str) -> Result<T, Error> {
    row.try_get("", name).map_err(|_| Error::Corrupt(name))
}

/// Writes a column of JSON.
fn json_value<T: serde::Serialize>(value: &T) -> Value {
    // What is stored is made of strings, numbers, lists and objects with string keys: nothing that
    // JSON can't carry.
    serde_json::to_value(value).unwrap_or_default().into()
}
