//! Opening the database.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use sea_orm::{SqlxPostgresConnector, SqlxSqliteConnector};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection};

use super::sessions::Known;
use super::suspicion::Suspicion;
use super::{Engine, Error, MigrateError, Pool, SchemaError, Store, migrations};
use crate::telemetry::metrics::{Gauge, Metrics};

/// How long a connection may have been idle and still be used without asking whether it is alive.
const TRUSTED_IDLE: Duration = Duration::from_secs(10);

/// How long a connection that has been idle for longer has to answer.
const IDLE_PING_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a call waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a statement waits for a lock that another transaction holds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a statement of a search may take.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Searches get one connection in so many.
const SEARCH_SHARE: u32 = 4;

/// The names of the pools.
const CALLS: &str = "calls";
const SEARCHES: &str = "searches";

/// How long the server keeps the locks of a transaction whose client says nothing, or whose machine
/// is gone.
const ABANDONED_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one of Postgres.
    #[error("the database URL is not a valid postgres:// URL")]
    Url,
    /// The database does not answer, or refuses.
    #[error("the database could not be reached")]
    Unreachable(#[source] sqlx::Error),
    /// The schema does not fit this program.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The embedded database's schema could not be brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The database stopped answering.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Reads the URL and sets what every connection has in common.
pub(super) fn postgres_options(url: &SecretString) -> Result<PgConnectOptions, ConnectError> {
    // The driver takes any scheme for its own.
    let schemes = ["postgres://", "postgresql://"];
    if !schemes.iter().any(|scheme| url.expose_secret().starts_with(scheme)) {
        return Err(ConnectError::Url);
    }
    // The driver's own message can quote the URL, and with it the password.
    PgConnectOptions::from_str(url.expose_secret())
        .map(|options| options.application_name("vestibule"))
        .map_err(|_| ConnectError::Url)
}

/// Opens a pool of connections to Postgres, and refuses a schema older than the program needs.
///
/// `timeout` bounds every statement: the server gives up a second before the client does, so that an
/// unknown outcome stays rare.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect_postgres(
    url: &SecretString,
    max_connections: u32,
    timeout: Duration,
    metrics: Arc<Metrics>,
) -> Result<Store, ConnectError> {
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    let statement_timeout = timeout.saturating_sub(Duration::from_secs(1));
    let options = postgres_options(url)?.options([
        ("statement_timeout", milliseconds(statement_timeout)),
        ("lock_timeout", milliseconds(LOCK_TIMEOUT.min(statement_timeout / 2))),
        ("idle_in_transaction_session_timeout", milliseconds(ABANDONED_TIMEOUT)),
        ("tcp_user_timeout", milliseconds(ABANDONED_TIMEOUT)),
        // Every statement finds its rows by an index whatever the values are: planning once is enough.
        ("plan_cache_mode", "force_generic_plan".to_owned()),
    ]);
    let for_searches = (max_connections / SEARCH_SHARE).max(1);
    // What is looked for decides how: a plan for any pattern serves none. No compiling: it costs more than
    // what a page of rows takes.
    let searching = options.clone().options([
        ("statement_timeout", milliseconds(SEARCH_TIMEOUT.min(statement_timeout))),
        ("plan_cache_mode", "force_custom_plan".to_owned()),
        ("jit", "off".to_owned()),
    ]);
    // Few searches are put together alike, and what is kept of a long one is large.
    let searching = searching.statement_cache_capacity(0);
    let (pool, suspicion) = pool_options(max_connections.saturating_sub(for_searches).max(1), timeout);
    let pool = pool.connect_with(options).await.map_err(ConnectError::Unreachable)?;
    let (searches, suspicion_of_searches) = pool_options(for_searches, timeout);
    let searches = searches.connect_lazy_with(searching);
    watch(&metrics, [(CALLS, pool.clone()), (SEARCHES, searches.clone())]);
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(searches);
    let searches = Pool { name: SEARCHES, connection, suspicion: suspicion_of_searches };
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    let pool = Pool { name: CALLS, connection, suspicion };
    let known = Some(Arc::new(Known::nothing()));
    let store = Store { pool, searches, known, engine: Engine::Postgres, timeout, metrics };
    store.check_schema().await?;
    Ok(store)
}

/// Tells how many connections there are of each pool, and how many there may be.
fn watch<D: sqlx::Database>(metrics: &Metrics, pools: [(&'static str, sqlx::Pool<D>); 2]) {
    let labels = |pool| KeyValue::new("db.client.connection.pool.name", pool);
    let most = pools.each_ref().map(|(name, pool)| (*name, pool.options().get_max_connections()));
    for (name, _) in &pools {
        metrics.no_connection(name, 0);
    }
    metrics.observe(Gauge::PoolMax, move |gauge| {
        for (name, most) in most {
            gauge.observe(f64::from(most), &[labels(name)]);
        }
    });
    metrics.observe(Gauge::PoolConnections, move |gauge| {
        for (name, pool) in &pools {
            let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
            let used = pool.size().saturating_sub(idle);
            for (state, connections) in [("idle", idle), ("used", used)] {
                let state = KeyValue::new("db.client.connection.state", state);
                gauge.observe(f64::from(connections), &[labels(name), state]);
            }
        }
    });
}

/// What both pools have in common.
fn pool_options(connections: u32, timeout: Duration) -> (PgPoolOptions, Suspicion) {
    let suspicion = Suspicion::none(connections);
    let options = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire({
            let suspicion = suspicion.clone();
            move |connection, idle| {
                let trusted = idle.idle_for <= TRUSTED_IDLE && !suspicion.falls_on_next();
                Box::pin(async move { Ok(trusted || answers(connection, IDLE_PING_TIMEOUT).await) })
            }
        })
        .after_release({
            let suspicion = suspicion.clone();
            move |connection, _| {
                let suspected = suspicion.falls_on_next();
                // What was given up may still run until the server's own timeout.
                Box::pin(async move { Ok(!suspected || answers(connection, timeout).await) })
            }
        });
    (options, suspicion)
}

/// Whether the server answers on this connection in time.
async fn answers(connection: &mut PgConnection, within: Duration) -> bool {
    matches!(tokio::time::timeout(within, connection.ping()).await, Ok(Ok(())))
}

/// Opens the embedded database in a file, creating it or bringing its schema up to date.
///
/// # Errors
/// [`ConnectError`].
pub async fn open_sqlite(
    file: &Path,
    timeout: Duration,
    metrics: Arc<Metrics>,
) -> Result<Store, ConnectError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCK_TIMEOUT);
    // One connection that writes: SQLite has one writer at a time anyway, and turns are taken fairly in the
    // pool. One more for searches, which can't be stopped and would hold up every other call.
    let reading = options.clone().read_only(true);
    let one = || SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
    let sqlite =
        one().test_before_acquire(false).connect_with(options).await.map_err(ConnectError::Unreachable)?;
    migrations::migrate_sqlite(&sqlite).await?;
    let searches = one().test_before_acquire(false).connect_lazy_with(reading);
    watch(&metrics, [(CALLS, sqlite.clone()), (SEARCHES, searches.clone())]);
    let pool = |name, pool| Pool {
        name,
        connection: SqlxSqliteConnector::from_sqlx_sqlite_pool(pool),
        suspicion: Suspicion::none(1),
    };
    let (pool, searches) = (pool(CALLS, sqlite), pool(SEARCHES, searches));
    Ok(Store { pool, searches, known: None, engine: Engine::Sqlite, timeout, metrics })
}
