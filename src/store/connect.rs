//! Opening the database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use sea_orm::{SqlxPostgresConnector, SqlxSqliteConnector};
use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::hosts::{Hosts, HostsError};
use super::sessions::Known;
use super::suspicion::Suspicion;
use super::{Engine, Error, MigrateError, Pool, SchemaError, Store, migrations};
use crate::telemetry::chain;
use crate::telemetry::metrics::{Gauge, Metrics};

/// How long a connection may have been idle and still be used without asking whether it is alive.
const TRUSTED_IDLE: Duration = Duration::from_secs(10);

/// How long a connection that has been idle for longer has to answer.
const IDLE_PING_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a connection that comes back under suspicion has to answer. It keeps others from its place meanwhile.
const RETURN_TIMEOUT: Duration = Duration::from_secs(1);

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

/// How often it is looked up which server is the primary, though nothing has broken.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The pause after a primary was found. More than one connection breaks when a server goes.
const SEEN_PAUSE: Duration = Duration::from_millis(500);

/// The pause after a connection to a server that is not the primary.
const REFUSED_PAUSE: Duration = Duration::from_millis(200);

/// The pause while there is no primary: it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No server of Postgres can be used.
    #[error(transparent)]
    Hosts(#[from] HostsError),
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

/// Opens a pool of connections to Postgres, and refuses a schema older than the program needs. Of several servers
/// it takes the primary; [`Store::follow_primary`] stays with it.
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
    let hosts = Hosts::parse(url)?;
    let settings = Settings { statement_timeout: timeout.saturating_sub(Duration::from_secs(1)) };
    let primary = hosts.primary().await?;
    let for_searches = (max_connections / SEARCH_SHARE).max(1);
    let for_calls = max_connections.saturating_sub(for_searches).max(1);
    let lost = Arc::new(Notify::new());
    let (pool, suspicion) = pool_options(for_calls, &hosts, &lost);
    let (searches, suspicion_of_searches) = pool_options(for_searches, &hosts, &lost);
    let pool =
        pool.connect_with(settings.of_calls(primary.clone())).await.map_err(ConnectError::Unreachable)?;
    let searches = searches.connect_lazy_with(settings.of_searches(primary));
    watch(&metrics, [(CALLS, pool.clone()), (SEARCHES, searches.clone())]);
    let pools = [pool.clone(), searches.clone()];
    let suspicions = [suspicion.clone(), suspicion_of_searches.clone()];
    let primary = Primary { hosts, settings, pools, suspicions, lost };
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(searches);
    let searches = Pool { name: SEARCHES, connection, suspicion: suspicion_of_searches };
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    let pool = Pool { name: CALLS, connection, suspicion };
    let known = Some(Arc::new(Known::nothing()));
    let primary = Some(Arc::new(primary));
    let store = Store { pool, searches, primary, known, engine: Engine::Postgres, timeout, metrics };
    store.check_schema().await?;
    Ok(store)
}

/// What connections are set to.
#[derive(Clone, Copy, Debug)]
struct Settings {
    statement_timeout: Duration,
}

impl Settings {
    fn of_calls(self, options: PgConnectOptions) -> PgConnectOptions {
        options.options([
            ("statement_timeout", milliseconds(self.statement_timeout)),
            ("lock_timeout", milliseconds(LOCK_TIMEOUT.min(self.statement_timeout / 2))),
            ("idle_in_transaction_session_timeout", milliseconds(ABANDONED_TIMEOUT)),
            ("tcp_user_timeout", milliseconds(ABANDONED_TIMEOUT)),
            // Every statement finds its rows by an index whatever the values are: planning once is enough.
            ("plan_cache_mode", "force_generic_plan".to_owned()),
        ])
    }

    /// What is looked for decides how: a plan for any pattern serves none. No compiling: it costs more than what a
    /// page of rows takes.
    fn of_searches(self, options: PgConnectOptions) -> PgConnectOptions {
        let options = self.of_calls(options).options([
            ("statement_timeout", milliseconds(SEARCH_TIMEOUT.min(self.statement_timeout))),
            ("plan_cache_mode", "force_custom_plan".to_owned()),
            ("jit", "off".to_owned()),
        ]);
        // Few searches are put together alike, and what is kept of a long one is large.
        options.statement_cache_capacity(0)
    }
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Which server the connections go to.
#[derive(Debug)]
pub(super) struct Primary {
    hosts: Hosts,
    settings: Settings,
    /// Those of calls and those of searches.
    pools: [PgPool; 2],
    suspicions: [Suspicion; 2],
    /// Told when a connection breaks, or none is to be had.
    lost: Arc<Notify>,
}

impl Primary {
    /// Looks for the primary whenever connections break, and now and then, for ever: one that was left behind by a
    /// promotion may go on as if nothing had happened.
    async fn follow(&self) {
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            match self.hosts.look().await {
                Ok(primary) => {
                    (pause, told) = (FIRST_PAUSE, false);
                    self.go_to(primary);
                    // A connection that was in use when the primary moved may still be at the one before.
                    self.suspicions.iter().for_each(Suspicion::of_connections);
                    sleep(SEEN_PAUSE).await;
                    // Whether it was told so or not.
                    drop(timeout(LOOK_INTERVAL, self.lost.notified()).await);
                }
                Err(error) => {
                    if !told {
                        tracing::warn!(
                            error = chain(&error),
                            "the database has no primary; looking until it has one"
                        );
                        told = true;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Connections to the one before end under suspicion.
    fn go_to(&self, primary: PgConnectOptions) {
        let [calls, searches] = &self.pools;
        let (host, port) = (primary.get_host(), primary.get_port());
        let current = calls.connect_options();
        if (host, port) == (current.get_host(), current.get_port()) {
            return;
        }
        tracing::warn!(
            server.address = host,
            server.port = port,
            "another server is the primary of the database"
        );
        calls.set_connect_options(self.settings.of_calls(primary.clone()));
        searches.set_connect_options(self.settings.of_searches(primary));
    }
}

impl Store {
    /// Stays with the primary when it moves to another server. Ends at once where there is one server only.
    pub async fn follow_primary(&self) {
        if let Some(primary) = self.primary.as_ref().filter(|primary| primary.hosts.are_several()) {
            primary.follow().await;
        }
    }
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
fn pool_options(connections: u32, hosts: &Hosts, lost: &Arc<Notify>) -> (PgPoolOptions, Suspicion) {
    let suspicion = Suspicion::none(connections, Arc::clone(lost));
    let options = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_connect({
            let hosts = hosts.clone();
            move |connection, _| {
                let hosts = hosts.clone();
                Box::pin(async move {
                    if hosts.primary_answers(connection).await? {
                        return Ok(());
                    }
                    // The pool tries again at once.
                    sleep(REFUSED_PAUSE).await;
                    Err(sqlx::Error::Configuration("not the primary".into()))
                })
            }
        })
        .before_acquire({
            let (suspicion, hosts) = (suspicion.clone(), hosts.clone());
            move |connection, idle| {
                let trusted = idle.idle_for <= TRUSTED_IDLE && !suspicion.falls_on_next();
                let hosts = hosts.clone();
                Box::pin(async move { Ok(trusted || usable(&hosts, connection, IDLE_PING_TIMEOUT).await) })
            }
        })
        .after_release({
            let (suspicion, hosts) = (suspicion.clone(), hosts.clone());
            move |connection, _| {
                let suspected = suspicion.falls_on_next();
                let hosts = hosts.clone();
                // What was given up may still run on the server, until its own timeout.
                Box::pin(async move { Ok(!suspected || usable(&hosts, connection, RETURN_TIMEOUT).await) })
            }
        });
    (options, suspicion)
}

/// Whether the primary answers on this connection in time.
async fn usable(hosts: &Hosts, connection: &mut PgConnection, within: Duration) -> bool {
    matches!(timeout(within, hosts.primary_answers(connection)).await, Ok(Ok(true)))
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
        suspicion: Suspicion::none(1, Arc::default()),
    };
    let (pool, searches) = (pool(CALLS, sqlite), pool(SEARCHES, searches));
    Ok(Store { pool, searches, primary: None, known: None, engine: Engine::Sqlite, timeout, metrics })
}
