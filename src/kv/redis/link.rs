//! The way to Redis, which comes back by itself.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult,
    ServerErrorKind, Value,
};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::target::Target;
use super::{RESPONSE_TIMEOUT, tcp_settings};

/// How long opening a connection may take: Sentinels are asked first.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after a connection that could not be opened, and before the next to a server that turned out to be no
/// master.
const PAUSE: Duration = Duration::from_millis(100);

/// Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(in crate::kv) struct Link(Arc<Kind>);

enum Kind {
    /// To one master. The driver's own manager stays with a server that has become a replica, or says nothing.
    Master(Master),
    /// To the nodes of a cluster; the driver finds its way.
    Cluster(ClusterConnection),
}

struct Master {
    source: Arc<Source>,
    current: Mutex<Opening>,
    tasks: TaskTracker,
}

/// Whom the master is known from.
enum Source {
    Server(Client),
    Sentinels(tokio::sync::Mutex<SentinelClient>),
}

/// A connection, or what became of trying. Calls that come meanwhile wait for it together.
type Opening = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

/// What scripts and commands are sent over.
pub(in crate::kv) enum Connection {
    Master(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// Connects, and fails when there is nobody to connect to.
    pub(super) async fn open(target: Target) -> RedisResult<Self> {
        let source = match target {
            Target::Server(client) => Source::Server(client),
            Target::Sentinels(client) => Source::Sentinels(client.into()),
            Target::Cluster(nodes) => {
                let client = ClusterClientBuilder::new(nodes)
                    .connection_timeout(RESPONSE_TIMEOUT)
                    .response_timeout(RESPONSE_TIMEOUT)
                    .tcp_settings(tcp_settings())
                    .build()?;
                let connection = bounded(client.get_async_connection()).await?;
                return Ok(Self(Arc::new(Kind::Cluster(connection))));
            }
        };
        let source = Arc::new(source);
        let opening = open(Arc::clone(&source), Duration::ZERO);
        opening.clone().await?;
        let master = Master { source, current: Mutex::new(opening), tasks: TaskTracker::new() };
        Ok(Self(Arc::new(Kind::Master(master))))
    }

    /// Does something over the connection. What it finds out about the server counts for those who come after it.
    pub(in crate::kv) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        match &*self.0 {
            Kind::Cluster(connection) => work(&mut Connection::Cluster(connection.clone())).await,
            Kind::Master(master) => {
                let opening = master.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let (outcome, pause) = match opening.clone().await {
                    Ok(connection) => {
                        let outcome = work(&mut Connection::Master(connection)).await;
                        let pause = outcome.as_ref().err().and_then(elsewhere);
                        (outcome, pause)
                    }
                    Err(error) => (Err(error), Some(Duration::ZERO)),
                };
                if let Some(pause) = pause {
                    master.open_again(&opening, pause);
                }
                outcome
            }
        }
    }
}

impl Master {
    /// Opens another connection in place of this one, unless somebody was quicker.
    fn open_again(&self, failed: &Opening, pause: Duration) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.ptr_eq(failed) {
            *current = open(Arc::clone(&self.source), pause);
            // Whoever waits for it may give up.
            self.tasks.spawn(current.clone());
        }
    }
}

fn open(source: Arc<Source>, pause: Duration) -> Opening {
    let opening = async move {
        sleep(pause).await;
        let opened = bounded(source.connect()).await;
        if opened.is_err() {
            sleep(PAUSE).await;
        }
        opened
    };
    opening.boxed().shared()
}

/// The driver's own deadlines are one for each step.
async fn bounded<T>(connecting: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(OPEN_TIMEOUT, connecting).await.unwrap_or_else(|elapsed| {
        let elapsed = std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed);
        Err(RedisError::from(elapsed))
    })
}

impl Source {
    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(RESPONSE_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        match self {
            Self::Server(client) => client.get_multiplexed_async_connection_with_config(&config).await,
            Self::Sentinels(client) => client.lock().await.get_async_connection_with_config(&config).await,
        }
    }
}

/// Whether the error says that the master may be somewhere else, and how long to wait before looking.
fn elsewhere(error: &RedisError) -> Option<Duration> {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => Some(PAUSE),
        // A connection that is slow to answer is given up as well: the server may hang for ever.
        ErrorKind::Io => Some(Duration::ZERO),
        _ => error.is_unrecoverable_error().then_some(PAUSE),
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Master(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Master(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Master(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
