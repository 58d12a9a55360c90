//! The service on a database of its own, in this process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser as _;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use vestibule::app::App;
use vestibule::app::shutdown::Shutdown;
use vestibule::clock::SystemClock;
use vestibule::config::{CommandLine, Config, SeedArgs};
use vestibule::entropy::OsEntropy;
use vestibule::pb::discovery_service_client::DiscoveryServiceClient;
use vestibule::pb::intermediate_session_service_client::IntermediateSessionServiceClient;
use vestibule::pb::session_service_client::SessionServiceClient;
use vestibule::telemetry::metrics::Metrics;
use vestibule::telemetry::resource;

use crate::postgres::PostgresServer;
use crate::redis::RedisServer;

/// How many connections calls are spread over.
const CHANNELS: usize = 4;

/// The most bytes of an answer: one that lists a thousand organizations is large.
const LARGEST: usize = 64 * 1024 * 1024;

/// A running service with its database.
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) database: DatabaseConnection,
    channels: Channels,
    data_dir: PathBuf,
    _tasks: JoinSet<()>,
}

/// Connections, taken in turn.
pub(crate) struct Channels {
    channels: Vec<Channel>,
    next: AtomicUsize,
}

impl Server {
    /// Serves a new database, with so many made-up organizations of so many members in it.
    pub(crate) async fn start(
        postgres: &PostgresServer,
        redis: &RedisServer,
        name: &str,
        seeded: Option<(u64, u64)>,
    ) -> Self {
        let admin = Database::connect(postgres.url("postgres")).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        let url = postgres.url(name);
        vestibule::app::migrate(&SecretString::from(url.clone())).await.unwrap();
        let data_dir = std::env::temp_dir().join(format!("vestibule-sessions-{name}-{}", std::process::id()));
        let directory = data_dir.to_str().unwrap();
        let flags =
            ["vestibule", "--database-url", &url, "--redis-url", &redis.url(), "--data-dir", directory];
        let mut config = CommandLine::parse_from(flags).config;
        // What is measured is what the service can do, not what a caller may.
        (config.limits.caller_rate, config.limits.vouches_per_minute) = (1_000_000, 100_000);
        if let Some((organizations, members)) = seeded {
            let seed = SeedArgs { organizations, members, random_seed: 0 };
            vestibule::app::seed::seed(&config, seed).await.unwrap();
        }
        let metrics = Metrics::new(resource("test", String::new())).unwrap();
        let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(OsEntropy));
        let app = App::build(&config, clock, entropy, metrics).await.unwrap();
        let (grpc, http) = (listen().await, listen().await);
        let channels = Channels::to(grpc.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async { app.serve(grpc, http, Shutdown::default()).await.unwrap() });
        let database = Database::connect(&url).await.unwrap();
        Self { config, database, channels, data_dir, _tasks: tasks }
    }

    /// The next connection's client of each service.
    pub(crate) fn sessions(&self) -> SessionServiceClient<Channel> {
        self.channels.sessions()
    }

    pub(crate) fn discovery(&self) -> DiscoveryServiceClient<Channel> {
        DiscoveryServiceClient::new(self.channels.next()).max_decoding_message_size(LARGEST)
    }

    pub(crate) fn intermediate_sessions(&self) -> IntermediateSessionServiceClient<Channel> {
        IntermediateSessionServiceClient::new(self.channels.next())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.data_dir);
        assert!(removed.is_ok() || std::thread::panicking(), "{}: {removed:?}", self.data_dir.display());
    }
}

impl Channels {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let mut channels = Vec::new();
        for _ in 0..CHANNELS {
            channels.push(endpoint.connect_lazy());
        }
        Self { channels, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> Channel {
        self.channels[self.next.fetch_add(1, Ordering::Relaxed) % CHANNELS].clone()
    }

    pub(crate) fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.next())
    }
}

pub(crate) async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}
