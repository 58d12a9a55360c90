//! The service on a database of its own, in this process.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser as _;
use sea_orm::{ConnectionTrait as _, Database};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;
use vestibule::app::App;
use vestibule::app::shutdown::Shutdown;
use vestibule::clock::SystemClock;
use vestibule::config::{CommandLine, SeedArgs};
use vestibule::entropy::OsEntropy;
use vestibule::pb;
use vestibule::pb::member_service_client::MemberServiceClient;
use vestibule::pb::organization_service_client::OrganizationServiceClient;
use vestibule::telemetry::metrics::Metrics;
use vestibule::telemetry::resource;

use crate::calls::PAGE;
use crate::postgres::PostgresServer;
use crate::redis::RedisServer;
use crate::samples::Samples;

/// A server with a seeded database.
pub(crate) struct Server {
    pub(crate) organizations: OrganizationServiceClient<tonic::transport::Channel>,
    pub(crate) members: MemberServiceClient<tonic::transport::Channel>,
    /// What calls are about.
    pub(crate) samples: Samples,
    /// Where a page far behind begins.
    pub(crate) cursor: String,
    data_dir: PathBuf,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Seeds a database of so many organizations with so many members each, and serves it.
    pub(crate) async fn start(
        postgres: &PostgresServer,
        redis: &RedisServer,
        name: &str,
        (organizations, members): (u64, u64),
        page: u64,
    ) -> Self {
        let admin = Database::connect(postgres.url("postgres")).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        let url = postgres.url(name);
        vestibule::app::migrate(&SecretString::from(url.clone())).await.unwrap();
        let data_dir = std::env::temp_dir().join(format!("vestibule-scale-{name}-{}", std::process::id()));
        let directory = data_dir.to_str().unwrap();
        let flags =
            ["vestibule", "--database-url", &url, "--redis-url", &redis.url(), "--data-dir", directory];
        let mut config = CommandLine::parse_from(flags).config;
        // What is measured is what the service can do, not what a caller may.
        (config.limits.caller_rate, config.limits.vouches_per_minute) = (1_000_000, 100_000);
        let seed = SeedArgs { organizations, members, random_seed: 0 };
        vestibule::app::seed::seed(&config, seed).await.unwrap();
        let database = Database::connect(&url).await.unwrap();
        let samples = Samples::take(&database, organizations).await;
        let metrics = Metrics::new(resource("test", String::new())).unwrap();
        let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(OsEntropy));
        let app = App::build(&config, clock, entropy, metrics).await.unwrap();
        let (grpc, http) = (listen().await, listen().await);
        let endpoint = Endpoint::from_shared(format!("http://{}", grpc.local_addr().unwrap())).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async { app.serve(grpc, http, Shutdown::default()).await.unwrap() });
        let channel = endpoint.connect().await.unwrap();
        let mut organizations = OrganizationServiceClient::new(channel.clone());
        samples.hide_needles(&mut organizations).await;
        // The new names stand in the index, and the statistics know them.
        database.execute_unprepared("VACUUM (ANALYZE) organizations").await.unwrap();
        let cursor = cursor(&mut organizations, (page - 1) * PAGE).await;
        let members = MemberServiceClient::new(channel);
        Self { organizations, members, samples, cursor, data_dir, _tasks: tasks }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.data_dir);
        assert!(removed.is_ok() || std::thread::panicking(), "{}: {removed:?}", self.data_dir.display());
    }
}

/// Walks from page to page, and tells where the page behind so many organizations begins.
async fn cursor(client: &mut OrganizationServiceClient<tonic::transport::Channel>, behind: u64) -> String {
    let (mut cursor, mut left) = (String::new(), behind);
    while left > 0 {
        let limit = left.min(PAGE);
        left -= limit;
        let limit = Some(u32::try_from(limit).unwrap());
        let request = pb::SearchOrganizationsRequest { cursor, limit, query: None };
        let found = client.search_organizations(request).await.unwrap().into_inner();
        cursor = found.results_metadata.unwrap().next_cursor;
        assert!(!cursor.is_empty(), "there is another page");
    }
    cursor
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}
