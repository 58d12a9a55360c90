//! A server of its own for every test: its own database cloned from a template, its own keys in
//! Redis, a clock that the test sets, and the generated clients. `TEST_REPLICAS` makes it several replicas on the
//! same database and Redis, which the clients use by turns.

pub(crate) mod blockade;
pub(crate) mod callers;
pub(crate) mod certificates;
pub(crate) mod chaos;
pub(crate) mod clients;
pub(crate) mod clock;
pub(crate) mod collector;
pub(crate) mod database;
pub(crate) mod entry;
pub(crate) mod exposition;
pub(crate) mod fixtures;
pub(crate) mod issuer;
pub(crate) mod json;
pub(crate) mod jwks_server;
pub(crate) mod logins;
pub(crate) mod members;
pub(crate) mod postgres;
pub(crate) mod postgres_pair;
pub(crate) mod program;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod redis_cluster;
pub(crate) mod redis_replica;
pub(crate) mod redis_sentinel;
pub(crate) mod refusal;
pub(crate) mod replicas;
pub(crate) mod signing;
pub(crate) mod supervised;
pub(crate) mod told;
pub(crate) mod values;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::Parser as _;
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use vestibule::app::App;
use vestibule::app::shutdown::Shutdown;
use vestibule::clock::Clock;
use vestibule::config::{CommandLine, Config};
use vestibule::entropy::{Entropy, OsEntropy};
use vestibule::telemetry::metrics::Metrics;
use vestibule::telemetry::resource;

use chaos::ChaosProxy;
use clients::{Authorization, Clients};
use clock::ManualClock;
use postgres::{Durability, PostgresServer};
use redis::RedisServer;
use replicas::Replicas;
use told::Listener;

/// Runs a test, a function that takes a [`Harness`], on Postgres with Redis and on the embedded
/// default. `alone`: it is about one server, however many replicas others have.
macro_rules! on_both_backends {
    (alone: $($test:ident),* $(,)?) => {
        $crate::harness::on_both_backends!(@ $crate::harness::Setup::postgres().await.alone(); $($test),*);
    };
    ($($test:ident),* $(,)?) => {
        $crate::harness::on_both_backends!(@ $crate::harness::Setup::postgres().await; $($test),*);
    };
    (@ $setup:expr; $($test:ident),*) => {$(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$test($setup.start().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                super::$test($crate::harness::Harness::embedded().await).await;
            }
        }
    )*};
}
pub(crate) use on_both_backends;

/// Limits that no test meets unless it sets its own: the clock stands still, and buckets don't fill.
pub(crate) const NO_LIMITS: [&str; 6] =
    ["--caller-rate", "1000000", "--vouches-per-minute", "100000", "--failed-spends-per-minute", "100000"];

/// No server's address.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Counts the servers of this process, to tell their directories apart.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A running server and everything that a test does with it.
#[derive(Debug)]
pub(crate) struct Harness {
    /// The time, as the server sees it.
    pub(crate) clock: Arc<ManualClock>,
    /// The settings it runs with.
    pub(crate) config: Config,
    /// Where gRPC is served; by the first replica, if there are several.
    pub(crate) grpc: SocketAddr,
    /// Where HTTP is served; likewise.
    pub(crate) http: SocketAddr,
    /// Servers that no other test uses, with proxies before them.
    pub(crate) stage: Option<Stage>,
    channel: Replicas,
    ahead: Vec<time::Duration>,
    tls: Option<Arc<ClientConfig>>,
    shutdown: Shutdown,
    servers: JoinSet<Result<(), Box<dyn std::error::Error + Send + Sync>>>,
    entropy: Arc<dyn Entropy>,
    metrics: Vec<Arc<Metrics>>,
    told: Listener,
}

/// Servers that a test may kill, each behind a proxy that it may cut.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The database server.
    pub(crate) postgres: PostgresServer,
    /// The keeper.
    pub(crate) redis: RedisServer,
    /// Between the service and the database.
    pub(crate) postgres_proxy: ChaosProxy,
    /// Between the service and the keeper.
    pub(crate) redis_proxy: ChaosProxy,
    /// The name of the database.
    pub(crate) database: String,
}

/// What a test changes about the server before it starts.
pub(crate) struct Setup {
    /// The settings.
    pub(crate) config: Config,
    /// The source of randomness.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The time.
    pub(crate) clock: Arc<ManualClock>,
    /// With what clients connect; plain text without.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// How far the clock of each replica is ahead of the test's.
    ahead: Vec<time::Duration>,
    stage: Option<Stage>,
}

impl Setup {
    fn new(flags: &[&str]) -> Self {
        let flags = [&["vestibule"], &NO_LIMITS[..], flags].concat();
        let mut config = CommandLine::parse_from(flags).config;
        // Races begin more calls at once than a server works on by default.
        config.max_calls_in_flight = u16::MAX;
        Self {
            config,
            entropy: Arc::new(OsEntropy),
            clock: Arc::new(ManualClock::starting_now()),
            tls: None,
            ahead: vec![time::Duration::ZERO],
            stage: None,
        }
    }

    /// A server, or as many replicas as `TEST_REPLICAS` says, on the shared Postgres and Redis, with a database of
    /// its own.
    pub(crate) async fn postgres() -> Self {
        let database_url = database::create().await;
        let redis_url = database::redis_url().await;
        let mut setup = Self::new(&["--database-url", &database_url, "--redis-url", &redis_url]);
        setup.config.data_dir = data_dir();
        setup.replicas(replicas::number())
    }

    /// A server on the embedded default, in a directory of its own.
    pub(crate) fn embedded() -> Self {
        let mut setup = Self::new(&[]);
        setup.config.data_dir = data_dir();
        setup
    }

    /// A server on a Postgres (that keeps what it promised when it is killed) and a Redis that no
    /// other test uses, each behind a proxy.
    pub(crate) async fn stage() -> Self {
        let postgres = PostgresServer::start(Durability::Default).await;
        let redis = RedisServer::start().await;
        let database = "vestibule".to_owned();
        database::create_on(&postgres.url("postgres"), &database).await;
        vestibule::app::migrate(&SecretString::from(postgres.url(&database))).await.unwrap();
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let postgres_proxy = ChaosProxy::start(address(postgres.port())).await;
        let redis_proxy = ChaosProxy::start(address(redis.port())).await;
        let database_url =
            format!("postgres://postgres@{}/{database}?sslmode=disable", postgres_proxy.address());
        let redis_url = format!("redis://{}", redis_proxy.address());
        let mut setup = Self::new(&["--database-url", &database_url, "--redis-url", &redis_url]);
        setup.config.data_dir = data_dir();
        setup.stage = Some(Stage { postgres, redis, postgres_proxy, redis_proxy, database });
        setup
    }

    /// Changes the settings.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// So many replicas, whatever `TEST_REPLICAS` says.
    pub(crate) fn replicas(self, number: usize) -> Self {
        self.apart(&vec![time::Duration::ZERO; number])
    }

    /// One server: for tests of what each replica does or tells for itself.
    pub(crate) fn alone(self) -> Self {
        self.replicas(1)
    }

    /// Replicas whose clocks are so far ahead of the test's.
    pub(crate) fn apart(mut self, ahead: &[time::Duration]) -> Self {
        ahead.clone_into(&mut self.ahead);
        self
    }

    /// Starts the server.
    pub(crate) async fn start(self) -> Harness {
        let told = told::listen();
        let Self { config, entropy, clock, tls, ahead, stage } = self;
        let mut harness = Harness {
            clock,
            config,
            grpc: NOWHERE,
            http: NOWHERE,
            stage,
            channel: Replicas::new([]),
            ahead,
            tls,
            shutdown: Shutdown::default(),
            servers: JoinSet::new(),
            entropy,
            metrics: Vec::new(),
            told,
        };
        harness.start_all().await;
        harness
    }
}

impl Harness {
    /// A server, or as many replicas as `TEST_REPLICAS` says, on the shared Postgres and Redis, with a database of
    /// its own.
    pub(crate) async fn postgres() -> Self {
        Setup::postgres().await.start().await
    }

    /// A server on the embedded default, in a directory of its own.
    pub(crate) async fn embedded() -> Self {
        Setup::embedded().start().await
    }

    /// Starts another replica of the service on the same database and Redis, and talks to it alone.
    pub(crate) async fn replica(&mut self) -> Clients {
        let (grpc, _) = self.start_another(time::Duration::ZERO).await;
        Clients::new(connect_as(grpc, self.tls.as_ref()).await, Authorization::default())
    }

    /// The generated clients.
    pub(crate) fn clients(&self) -> Clients {
        Clients::new(self.channel.clone(), Authorization::default())
    }

    /// The generated clients of each replica.
    pub(crate) fn each(&self) -> Vec<Clients> {
        self.channel.each().map(|channel| Clients::new(channel, Authorization::default())).collect()
    }

    /// The connections that the clients share.
    pub(crate) fn channel(&self) -> Replicas {
        self.channel.clone()
    }

    /// Whether the server runs on Postgres and Redis.
    pub(crate) fn on_servers(&self) -> bool {
        self.config.database_url.is_some()
    }

    /// The URL of the database, past any proxy.
    pub(crate) fn database_url(&self) -> String {
        match (&self.stage, &self.config.database_url) {
            (Some(stage), _) => stage.postgres.url(&stage.database),
            (None, Some(url)) => url.expose_secret().to_owned(),
            (None, None) => format!("sqlite://{}", self.config.data_dir.join("vestibule.sqlite").display()),
        }
    }

    /// Stops the server the soft way and starts it again on the same data. Panics if it does not
    /// stop cleanly.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.shutdown = Shutdown::default();
        self.start_all().await;
    }

    async fn start_all(&mut self) {
        let mut channels = Vec::new();
        for ahead in self.ahead.clone() {
            let (grpc, http) = self.start_another(ahead).await;
            if channels.is_empty() {
                (self.grpc, self.http) = (grpc, http);
            }
            channels.push(connect_as(grpc, self.tls.as_ref()).await);
        }
        self.channel = Replicas::new(channels);
    }

    async fn start_another(&mut self, ahead: time::Duration) -> (SocketAddr, SocketAddr) {
        let Self { config, clock, entropy, shutdown, servers, .. } = self;
        let clock = Arc::new(clock.ahead(ahead));
        // One that has ended ends no other.
        let shutdown = Shutdown { soft: shutdown.soft.child_token(), hard: shutdown.hard.child_token() };
        let (grpc, http, metrics) = start_replica(config, clock, entropy, shutdown, servers).await;
        self.metrics.push(metrics);
        (grpc, http)
    }

    /// Stops the server the soft way. Panics if it does not stop cleanly.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.soft.cancel();
        while let Some(ended) = self.servers.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    /// Tells the server to stop and does not wait.
    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.soft.cancel();
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.shutdown.soft.cancel();
        self.shutdown.hard.cancel();
        if let Err(error) = std::fs::remove_dir_all(&self.config.data_dir) {
            assert!(error.kind() == std::io::ErrorKind::NotFound, "{error}");
        }
        for metrics in &self.metrics {
            told::hear(&metrics.exposition().unwrap());
        }
        self.told.check();
    }
}

async fn start_replica(
    config: &Config,
    clock: Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    shutdown: Shutdown,
    servers: &mut JoinSet<Result<(), Box<dyn std::error::Error + Send + Sync>>>,
) -> (SocketAddr, SocketAddr, Arc<Metrics>) {
    let metrics = Metrics::traced(resource("test", String::new()), &told::traces()).unwrap();
    // Boxed: tests hold this in futures that are large enough without it.
    let app = Box::pin(App::build(config, clock, Arc::clone(entropy), Arc::clone(&metrics)))
        .await
        .expect("the server starts");
    let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = (grpc.local_addr().unwrap(), http.local_addr().unwrap(), metrics);
    servers.spawn(app.serve(grpc, http, shutdown));
    addresses
}

async fn connect_as(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Channel {
    match tls {
        None => connect(address).await,
        Some(tls) => certificates::connect_tls(address, Arc::clone(tls)).await.unwrap(),
    }
}

/// A connection to a server, once it accepts one.
pub(crate) async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect_timeout(Duration::from_secs(10)).connect().await.unwrap()
}

fn data_dir() -> PathBuf {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("vestibule-test-{}-{number}", std::process::id()))
}
