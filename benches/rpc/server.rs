//! The service on servers of its own, in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser as _;
use sea_orm::{ConnectionTrait as _, Database};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use vestibule::app::App;
use vestibule::app::shutdown::Shutdown;
use vestibule::clock::SystemClock;
use vestibule::config::CommandLine;
use vestibule::entropy::OsEntropy;
use vestibule::telemetry::metrics::Metrics;
use vestibule::telemetry::resource;

use crate::load::Call;
use crate::postgres::{Durability, PostgresServer};
use crate::redis::RedisServer;

/// What every statement of a create begins with in the server's log.
const LOGGED: &str = "WITH ";

/// Everything that is measured.
pub(crate) struct Server {
    pub(crate) postgres: PostgresServer,
    _redis: RedisServer,
    /// Connections to the service; calls are spread over them.
    pub(crate) channels: Vec<Channel>,
    /// Connections to the bare echo.
    pub(crate) echo: Vec<Channel>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// With settings beside those of the servers.
    pub(crate) async fn with(settings: &[&str]) -> Self {
        let postgres = PostgresServer::start(Durability::Default).await;
        let redis = RedisServer::start().await;
        let admin = Database::connect(postgres.url("postgres")).await.unwrap();
        admin.execute_unprepared("CREATE DATABASE bench").await.unwrap();
        let url = postgres.url("bench");
        vestibule::app::migrate(&SecretString::from(url.clone())).await.unwrap();
        let directory = std::env::temp_dir().join(format!("vestibule-bench-{}", std::process::id()));
        let directory = directory.to_str().unwrap();
        let flags =
            ["vestibule", "--database-url", &url, "--redis-url", &redis.url(), "--data-dir", directory];
        let mut config = CommandLine::parse_from([&flags[..], settings].concat()).config;
        // What is measured is what the service can do, not what a caller may.
        (config.limits.caller_rate, config.limits.vouches_per_minute) = (1_000_000, 100_000);
        let metrics = Metrics::new(resource("test", String::new())).unwrap();
        let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(OsEntropy));
        let app = App::build(&config, clock, entropy, metrics).await.unwrap();
        let mut tasks = JoinSet::new();
        let (grpc, http) = (listen().await, listen().await);
        let address = grpc.local_addr().unwrap();
        tasks.spawn(async { app.serve(grpc, http, Shutdown::default()).await.unwrap() });
        let listener = listen().await;
        let echo_address = listener.local_addr().unwrap();
        let (_, health) = tonic_health::server::health_reporter();
        let echo = tonic::transport::Server::builder().add_service(health);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        tasks.spawn(async { echo.serve_with_incoming(incoming).await.unwrap() });
        Self {
            postgres,
            _redis: redis,
            channels: connect(address).await,
            echo: connect(echo_address).await,
            _tasks: tasks,
        }
    }

    /// The statement that a call sends and its parameters, as the database server logs them.
    pub(crate) async fn statement_of(&self, call: Call) -> (String, String) {
        let admin = Database::connect(self.postgres.url("postgres")).await.unwrap();
        for setting in ["log_statement = 'all'", "log_parameter_max_length = -1"] {
            admin.execute_unprepared(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
        }
        admin.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
        let found = loop {
            self.load(call, 1, 1).await;
            let log = self.postgres.log();
            let lines: Vec<&str> = log.lines().collect();
            let found = lines.windows(2).rev().find_map(|pair| {
                let (_, statement) = pair[0].split_once(": ").filter(|(head, _)| head.contains("LOG"))?;
                let (_, statement) = statement.split_once(LOGGED)?;
                let (_, parameters) = pair[1].split_once("parameters: ")?;
                Some((format!("{LOGGED}{statement}"), parameters.to_owned()))
            });
            if let Some(found) = found {
                break found;
            }
        };
        admin.execute_unprepared("ALTER SYSTEM RESET ALL").await.unwrap();
        admin.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
        found
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn connect(address: SocketAddr) -> Vec<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut channels = Vec::new();
    for _ in 0..4 {
        channels.push(endpoint.connect().await.unwrap());
    }
    channels
}
