//! The program, each time in a process of its own, on the same stores.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, Database};
use secrecy::SecretString;
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

use crate::postgres::{Durability, PostgresServer};
use crate::redis::RedisServer;

/// Where everything is kept.
pub(crate) struct Stores {
    postgres: PostgresServer,
    redis: RedisServer,
    folder: PathBuf,
}

impl Stores {
    pub(crate) async fn start() -> Self {
        let postgres = PostgresServer::start(Durability::Default).await;
        let admin = Database::connect(postgres.url("postgres")).await.unwrap();
        admin.execute_unprepared("CREATE DATABASE bench").await.unwrap();
        vestibule::app::migrate(&SecretString::from(postgres.url("bench"))).await.unwrap();
        let folder = std::env::temp_dir().join(format!("vestibule-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { postgres, redis: RedisServer::start().await, folder }
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// A process that serves.
pub(crate) struct Server {
    /// Connections to the service; calls are spread over them.
    pub(crate) channels: Vec<Channel>,
    /// Nobody asks for it here.
    pub(crate) echo: Vec<Channel>,
    /// How long it took from the start of the process to the first connection.
    pub(crate) start: Duration,
    child: Child,
}

impl Server {
    /// With settings beside those of the stores. What it logs goes into a file.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) async fn start(stores: &Stores, settings: &[&str]) -> Self {
        let address = free_address();
        let log = stores.folder.join(format!("{}.log", address.port()));
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["serve", "--listen-address", &address.to_string(), "--http-address", "127.0.0.1:0"])
            .args(["--database-url", &stores.postgres.url("bench"), "--redis-url", &stores.redis.url()])
            .args(["--caller-rate", "1000000", "--vouches-per-minute", "100000", "--log-format", "json"])
            .args(["--database-max-connections", "30"])
            .args(settings)
            .current_dir(&stores.folder)
            .stderr(Stdio::from(File::create(log).unwrap()))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let first = connect(address).await;
        let start = begun.elapsed();
        let mut channels = vec![first];
        for _ in 1..4 {
            channels.push(connect(address).await);
        }
        Self { channels, echo: Vec::new(), start, child }
    }

    /// How much memory its process has, in MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

/// An address that nobody listens on at the moment.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    loop {
        match endpoint.connect().await {
            Ok(channel) => return channel,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}
