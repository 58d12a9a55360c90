//! Puts the parts together and runs them.

mod background;
pub mod callers;
mod data_dir;
pub mod files;
pub mod healthcheck;
pub mod keys;
mod readiness;
pub mod seed;
pub mod shutdown;

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic_health::server::HealthReporter;

use crate::api::{Api, Readiness};
use crate::callers::CallersError;
use crate::clock::Clock;
use crate::config::limits::LimitsConfig;
use crate::config::transport::TransportConfig;
use crate::config::{Backend, Config, ConfigError};
use crate::domain::ids::ProjectId;
use crate::domain::rbac::PolicyError;
use crate::entropy::Entropy;
use crate::kv::{self, Buckets, Keeper, ProcessKeeper, RedisKeeper};
use crate::service::limits::Limits;
use crate::service::sessions::Touched;
use crate::service::signing_keys::{KeyTools, Keys, LoadError};
use crate::service::{Parts, Service};
use crate::store::{self, Store};
use crate::telemetry::metrics::Metrics;
use crate::tokens::jwt::Issuer;
use crate::tokens::sealing::{SealingError, SealingKey};
use crate::transport::incoming::{Bounds, Incoming};
use crate::transport::tls::{Tls, TlsError};
use crate::transport::{HTTP1_PREFACE, HTTP2_PREFACE, http2};

use data_dir::{DataDir, DataDirError};
use files::Files;
use shutdown::Shutdown;

/// How long the answers may take that tell calls in flight that the server ends. Of a connection that just breaks,
/// many clients' libraries do not say that another server should be asked.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Why the program does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings don't go together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A file that a setting names.
    #[error("the file of --{setting} can't be read: {path}")]
    File {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The sealing key.
    #[error("the sealing key is not usable")]
    SealingKey(#[from] SealingError),
    /// The policy file.
    #[error("the file of --rbac-policy-file is not usable: {path}")]
    RbacPolicy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PolicyError,
    },
    /// The callers file.
    #[error("who may call is not known")]
    Callers(#[from] CallersError),
    /// The files of TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database.
    #[error("the database is not usable")]
    Store(#[from] store::ConnectError),
    /// Redis.
    #[error("Redis is not usable")]
    Keeper(#[from] kv::ConnectError),
    /// The signing keys.
    #[error("the signing keys are not usable")]
    Keys(#[from] LoadError),
    /// An address.
    #[error("{address} can't be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
}

/// The program, ready to serve.
#[derive(Debug)]
pub struct App {
    api: Api,
    store: Store,
    keeper: Arc<dyn Keeper>,
    clock: Arc<dyn Clock>,
    /// Calls that go on without their callers.
    tasks: TaskTracker,
    /// Held as long as the program runs, so that no second one uses the directory.
    data_dir: Option<DataDir>,
    tls: Option<Arc<Tls>>,
    transport: TransportConfig,
    lame_duck: Duration,
    drain_timeout: Duration,
}

impl App {
    /// Opens everything that the settings name.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn build(
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let backend = config.backend()?;
        let tasks = TaskTracker::new();
        let Files { sealing_key: named, common_domains, rbac } = Files::read(config)?;
        let callers = Arc::new(callers::open(config, Arc::clone(&clock), tasks.clone())?);
        callers.watch(&metrics);
        let tls = files::tls(config, Arc::clone(&clock))?.map(Arc::new);
        let embedded = matches!(backend, Backend::Embedded);
        let data_dir = (embedded || config.sealing_key_file.is_none())
            .then(|| DataDir::open(&config.data_dir, embedded))
            .transpose()?;
        let sealing_key = sealing_key(named, data_dir.as_ref(), &*entropy)?;
        let store = open_store(config, &backend, data_dir.as_ref(), &metrics).await?;
        let (project, keys) = Keys::agree(KeyTools {
            store: store.clone(),
            sealing_key: sealing_key.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            environment: config.environment,
            rotation: config.key_rotation()?,
        })
        .await?;
        let (keeper, buckets) = keeper(&backend, project, &clock, &config.limits, &metrics).await?;
        let (calls, vouches) = (config.limits.calls(), config.limits.vouches());
        let limits = Arc::new(Limits::new(Arc::clone(&clock), Arc::clone(&metrics), buckets, calls, vouches));
        let issuer = config
            .jwt_issuer
            .clone()
            .unwrap_or_else(|| format!("vestibule/{}", project.text(config.environment)));
        let service = Service::new(Parts {
            store: store.clone(),
            keeper: Arc::clone(&keeper),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            sealing_key,
            keys,
            issuer: Issuer { issuer, project, environment: config.environment },
            common_domains: Arc::clone(&common_domains),
            rbac: Arc::clone(&rbac),
            touched: Touched::since(clock.now()),
            limits: Arc::clone(&limits),
            metrics: Arc::clone(&metrics),
            tasks: tasks.clone(),
            claim_lease: config.claim_lease,
            discovery_organization_creation: config.discovery_organization_creation,
        });
        let api = Api {
            service,
            callers,
            limits,
            environment: config.environment,
            common_domains,
            rbac,
            clock: Arc::clone(&clock),
            entropy,
            metrics,
            max_call_duration: config.max_call_duration,
            cut: CancellationToken::new(),
            max_calls_in_flight: usize::from(config.max_calls_in_flight),
            max_header_bytes: config.transport.max_header_bytes,
            max_message_bytes: config.transport.max_message_bytes,
        };
        let transport = config.transport.clone();
        let Config { lame_duck, drain_timeout, .. } = *config;
        Ok(Self { api, store, keeper, clock, tasks, data_dir, tls, transport, lame_duck, drain_timeout })
    }

    /// What answers gRPC calls.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// What was bought.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Serves until the shutdown begins, then drains: reports `NOT_SERVING`, lets load balancers
    /// notice, takes no more connections, ends calls in flight, and gives everything back.
    ///
    /// # Errors
    /// When a listener fails, or calls in flight did not end in time.
    pub async fn serve(
        self,
        grpc: TcpListener,
        http: TcpListener,
        shutdown: Shutdown,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let Self { api, store, keeper, clock, tasks, data_dir, tls, transport, lame_duck, drain_timeout } =
            self;
        if tls.is_none() && !grpc.local_addr()?.ip().is_loopback() {
            tracing::warn!("gRPC is served to other machines in plain text: tokens can be read on the way");
        }
        let (reporter, health) = tonic_health::server::health_reporter();
        let ready = Readiness::unknown(&api.metrics);
        readiness::live(&reporter).await;
        readiness::check(&reporter, &ready, &store, &*keeper).await;
        let stop_listening = CancellationToken::new();
        let cut = api.cut.clone();
        let calls_ended = CancellationToken::new();
        let background = TaskTracker::new();
        let watched = (reporter.clone(), Arc::clone(&ready), store.clone(), keeper);
        background.spawn(readiness::watch(watched, shutdown.soft.clone()));
        // Calls that are answered to the last rely on these to the last.
        let following = store.clone();
        let following = async move { following.follow_primary().await };
        background.spawn(calls_ended.clone().run_until_cancelled_owned(following));
        background.spawn(callers::reload(Arc::clone(&api.callers), calls_ended.clone()));
        background.spawn(callers::refresh_issuers(Arc::clone(&api.callers), calls_ended.clone()));
        background.spawn(background::refresh_keys(api.service.clone(), calls_ended.clone()));
        background.spawn(background::watch_outbox(store.clone(), &api.metrics, calls_ended.clone()));
        background.spawn(background::sweep(store.clone(), clock, calls_ended.clone()));
        background.spawn(background::write_touched(api.service.clone(), calls_ended.clone()));
        background.spawn(lame_duck_passes(reporter, lame_duck, shutdown.clone(), stop_listening.clone()));
        if let Some(tls) = &tls {
            background.spawn(Arc::clone(tls).watch(stop_listening.clone()));
        }
        background.close();
        let builder = http2::server(&transport);
        let bounds = bounds(&transport, api.max_call_duration);
        let grpc = Incoming::new(grpc, bounds, tls, Arc::clone(&api.metrics));
        let bounds = Bounds { port: "http", preface: HTTP1_PREFACE, ..bounds };
        let http = Incoming::new(http, bounds, None, Arc::clone(&api.metrics));
        let work = async {
            let served = tokio::try_join!(
                api.clone().serve_grpc(builder, grpc, health, stop_listening.clone().cancelled_owned()),
                async {
                    let header_timeout = transport.handshake_timeout;
                    api.clone().serve_http(http, ready, header_timeout, stop_listening.cancelled()).await;
                    Ok(())
                },
            );
            shutdown.soft.cancel();
            tasks.close();
            tasks.wait().await;
            calls_ended.cancel();
            background.wait().await;
            background::write_touched_last(&api.service).await;
            store.close().await;
            served.map(drop)
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = late(&stop_listening, drain_timeout, &shutdown.hard, &cut) => Ok(()),
        };
        let outcome =
            if cut.is_cancelled() { Err("calls in flight did not end in time".into()) } else { outcome };
        shutdown.hard.cancel();
        drop(data_dir);
        outcome
    }
}

/// Listens.
///
/// # Errors
/// [`StartError::Listen`].
pub async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

/// Brings the schema of the Postgres database up to date and tells its version.
///
/// # Errors
/// [`store::MigrateError`].
pub async fn migrate(database_url: &SecretString) -> Result<i64, store::MigrateError> {
    store::migrate_postgres(database_url).await
}

async fn open_store(
    config: &Config,
    backend: &Backend,
    data_dir: Option<&DataDir>,
    metrics: &Arc<Metrics>,
) -> Result<Store, StartError> {
    // The last second of the lease is for what comes after the database has answered.
    let timeout = config.claim_lease.saturating_sub(Duration::from_secs(1));
    let (connections, metrics) = (config.database_max_connections, Arc::clone(metrics));
    Ok(match (backend, data_dir) {
        (Backend::Servers { database_url, .. }, _) => {
            store::connect_postgres(database_url, connections, timeout, metrics).await?
        }
        (Backend::Embedded, Some(data_dir)) => {
            store::open_sqlite(&data_dir.database(), timeout, metrics).await?
        }
        (Backend::Embedded, None) => return Err(ConfigError::OneUrl.into()),
    })
}

/// What bounds the connections of the gRPC port.
fn bounds(config: &TransportConfig, max_call_duration: Duration) -> Bounds {
    Bounds {
        port: "grpc",
        max_connections: usize::try_from(config.max_connections).unwrap_or(usize::MAX),
        preface: HTTP2_PREFACE,
        handshake_timeout: config.handshake_timeout,
        write_timeout: config.write_timeout,
        life: http2::life(config, max_call_duration),
    }
}

async fn lame_duck_passes(
    reporter: HealthReporter,
    lame_duck: Duration,
    shutdown: Shutdown,
    stop_listening: CancellationToken,
) {
    shutdown.soft.cancelled().await;
    tokio::select! {
        () = tokio::time::sleep(lame_duck) => {}
        () = shutdown.hard.cancelled() => {}
    }
    readiness::dismiss_watchers(reporter).await;
    stop_listening.cancel();
}

/// Waits until the drain has lasted too long, or the end is wanted at once; then tells calls in flight, and lets the
/// answers go out.
async fn late(
    stop_listening: &CancellationToken,
    drain_timeout: Duration,
    hard: &CancellationToken,
    cut: &CancellationToken,
) {
    stop_listening.cancelled().await;
    tokio::select! {
        () = tokio::time::sleep(drain_timeout) => {}
        () = hard.cancelled() => {}
    }
    cut.cancel();
    tokio::time::sleep(LAST_WORDS).await;
}

/// What keeps intermediate sessions and token buckets.
async fn keeper(
    backend: &Backend,
    project: ProjectId,
    clock: &Arc<dyn Clock>,
    limits: &LimitsConfig,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<dyn Keeper>, Buckets), kv::ConnectError> {
    let (clock, failed_spends) = (Arc::clone(clock), limits.failed_spends());
    Ok(match backend {
        Backend::Servers { redis_url, .. } => {
            let keeper = RedisKeeper::connect(redis_url, project, failed_spends, Arc::clone(metrics)).await?;
            let buckets = Buckets::beside(&keeper, clock);
            (Arc::new(keeper), buckets)
        }
        Backend::Embedded => {
            let buckets = Buckets::in_process(Arc::clone(&clock));
            (Arc::new(ProcessKeeper::new(clock, failed_spends)), buckets)
        }
    })
}

fn sealing_key(
    named: Option<SealingKey>,
    data_dir: Option<&DataDir>,
    entropy: &dyn Entropy,
) -> Result<SealingKey, StartError> {
    match (named, data_dir) {
        (Some(sealing_key), _) => Ok(sealing_key),
        (None, Some(data_dir)) => Ok(data_dir.sealing_key(entropy)?),
        (None, None) => Err(ConfigError::SealingKeyMissing.into()),
    }
}
