//! The way to Redis, which comes back by itself. The driver has a manager of its own, which stays with a server that
//! has become a replica, or says nothing.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind,
    Value,
};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::RESPONSE_TIMEOUT;
use super::target::Target;

/// The pause between two renewals of the connection to a cluster.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);

/// How long opening a connection may take: Sentinels are asked first, or every node.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after a connection that could not be opened, and before the next to a server that turned out to be no
/// master.
const PAUSE: Duration = Duration::from_millis(100);

/// Cheap to clone; clones share the connection.
#[derive(Clone)]
pub(in crate::kv) struct Link(Arc<Inner>);

struct Inner {
    target: Arc<Target>,
    current: Mutex<Opening>,
    /// Whether a cluster is being connected to anew.
    renewing: AtomicBool,
    tasks: TaskTracker,
}

/// A connection, or what became of trying. Calls that come meanwhile wait for it together.
type Opening = Shared<BoxFuture<'static, RedisResult<Connection>>>;

/// What scripts and commands are sent over.
#[derive(Clone)]
pub(in crate::kv) enum Connection {
    /// To one server.
    Server(MultiplexedConnection),
    /// To the nodes of a cluster; the driver finds its way.
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
        let target = Arc::new(target);
        let opening = open(Arc::clone(&target), Duration::ZERO);
        opening.clone().await?;
        let (current, renewing) = (Mutex::new(opening), AtomicBool::new(false));
        Ok(Self(Arc::new(Inner { target, current, renewing, tasks: TaskTracker::new() })))
    }

    /// Does something over the connection. What it finds out about the server counts for those who come after it.
    pub(in crate::kv) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let opening = self.0.current().clone();
        let (outcome, pause) = match opening.clone().await {
            Ok(mut connection) => {
                let outcome = work(&mut connection).await;
                let pause = outcome.as_ref().err().and_then(elsewhere);
                (outcome, pause)
            }
            Err(error) => (Err(error), Some(Duration::ZERO)),
        };
        match (pause, &*self.0.target) {
            (None, _) => {}
            (Some(pause), Target::Server(_) | Target::Sentinels(_)) => self.replace(&opening, pause),
            (Some(_), Target::Cluster(_)) => self.renew(&opening),
        }
        outcome
    }

    /// The numbers of the keys that are written to learn whether there is a server that takes writes. A few, so that
    /// a cluster does not seem to be away while one of its masters is.
    pub(super) fn ping_keys(&self) -> Range<u8> {
        match &*self.0.target {
            Target::Server(_) | Target::Sentinels(_) => 0..1,
            Target::Cluster(_) => 0..8,
        }
    }

    /// Opens another connection in place of this one, unless somebody was quicker.
    fn replace(&self, failed: &Opening, pause: Duration) {
        let mut current = self.0.current();
        if current.ptr_eq(failed) {
            *current = open(Arc::clone(&self.0.target), pause);
            // Whoever waits for it may give up.
            self.0.tasks.spawn(current.clone());
        }
    }

    /// Connects to the cluster anew while the connection is in use: most of its nodes may be well. The driver gets
    /// over a node that is gone by itself, but not over one that hangs, or when all that it knows are gone.
    fn renew(&self, failed: &Opening) {
        let stale = self.0.current().ptr_eq(failed);
        if !stale || self.0.renewing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (this, failed) = (self.clone(), failed.clone());
        self.0.tasks.spawn(async move {
            let opening = open(Arc::clone(&this.0.target), Duration::ZERO);
            if opening.clone().await.is_ok() {
                let mut current = this.0.current();
                if current.ptr_eq(&failed) {
                    *current = opening;
                }
            }
            sleep(RENEWAL_PAUSE).await;
            this.0.renewing.store(false, Ordering::Relaxed);
        });
    }
}

impl Inner {
    fn current(&self) -> MutexGuard<'_, Opening> {
        // Nobody panics while holding the lock.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(target: Arc<Target>, pause: Duration) -> Opening {
    let opening = async move {
        sleep(pause).await;
        let opened = bounded(connect(&target)).await;
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

async fn connect(target: &Target) -> RedisResult<Connection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(RESPONSE_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    match target {
        Target::Server(client) => {
            client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Server)
        }
        Target::Sentinels(client) => {
            let mut client = client.lock().await;
            client.get_async_connection_with_config(&config).await.map(Connection::Server)
        }
        Target::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
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
            Self::Server(connection) => connection.req_packed_command(command),
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
            Self::Server(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
