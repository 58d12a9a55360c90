//! Every setting: flags and environment variables, one to one. What is large or secret comes from
//! files named by them.

pub mod limits;
pub mod telemetry;
pub mod transport;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::ids::Environment;
use crate::domain::jwt_algorithm::JwtAlgorithm;
use crate::domain::key_rotation::{MAX_PERIOD, MIN_LEAD, Rotation};
use crate::domain::permission::Permission;

use limits::LimitsConfig;
use telemetry::TelemetryConfig;
use transport::TransportConfig;

/// From a verified identity to a member session of one organization.
#[derive(Debug, Parser)]
#[command(version, about, disable_help_subcommand = true)]
pub struct CommandLine {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings.
    #[command(flatten)]
    pub config: Config,
}

/// What the program can do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Answer calls.
    Serve,
    /// Bring the schema of the Postgres database up to date, and exit.
    Migrate,
    /// Check the settings and the files they name, print them without secrets, and exit.
    CheckConfig,
    /// Ask the server at the listen address whether it serves; exit code 0 if it does.
    Healthcheck,
    /// Fill an empty database with made-up organizations and members, and exit.
    ///
    /// The same numbers give the same rows, ids included. Every 1000th organization has the word
    /// `Zyxwort` in its name and slug, for searches to find.
    Seed(SeedArgs),
    /// Show and change the keys that JWTs are signed with, and exit.
    ///
    /// Works on the database that the settings name, and needs no Redis. Give it the servers' settings.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make credentials of callers, and exit.
    #[command(subcommand)]
    Callers(CallersCommand),
}

/// What can be done about callers.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CallersCommand {
    /// Make an API key, and print it with its line for the callers file.
    ///
    /// The key is nowhere but in this output; the line has only its hash. A caller may have several keys, so
    /// that a new one is in use before the old one's line is taken away.
    New(NewCaller),
}

/// A caller who gets an API key.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct NewCaller {
    /// The caller's name: 1 to 128 ASCII letters, digits and `-_.:/`. Logs show it, and idempotency keys
    /// belong to it.
    pub name: String,

    /// What the key lets the caller do, separated by commas.
    #[arg(long, required = true, value_delimiter = ',', value_enum)]
    pub permissions: Vec<Permission>,

    /// How long the key is good for. For ever by default.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub expires_in: Option<Duration>,
}

/// What can be done about signing keys.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum KeysCommand {
    /// Print every key, where it is in its life, and when it signs.
    List,
    /// Have the next key sign as soon as it has been published for 15 minutes.
    Rotate,
    /// Make worthless what a key has signed, at once.
    ///
    /// If it is what JWTs are signed with, the next key signs at once. Where there is none, one is made that
    /// verifiers do not know yet: those that hold on to the keys they have read refuse its JWTs for up to 5
    /// minutes.
    Revoke {
        /// The `kid` of the key.
        kid: String,
    },
}

/// How much is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub struct SeedArgs {
    /// How many organizations. 1 to 10000000.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub organizations: u64,

    /// How many members each organization has. 0 to 1000000.
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub members: u64,

    /// Another number gives other names, ids and settings.
    #[arg(long, default_value_t = 0)]
    pub random_seed: u64,
}

/// The settings. Durations are written like `500ms`, `4s`, `1m`.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where gRPC is served. Only loopback addresses are accepted without a callers file.
    #[arg(long, global = true, env = "VESTIBULE_LISTEN_ADDRESS", default_value = "127.0.0.1:50051")]
    pub listen_address: SocketAddr,

    /// Where HTTP is served: the JWKS, metrics, and whether the server is well. Only loopback addresses are
    /// accepted without a callers file.
    #[arg(long, global = true, env = "VESTIBULE_HTTP_ADDRESS", default_value = "127.0.0.1:9464")]
    pub http_address: SocketAddr,

    /// The file that says who may call, and how they prove it. Read again every 2 seconds. Without it calls
    /// need no credential.
    #[arg(long, global = true, env = "VESTIBULE_CALLERS_FILE")]
    pub callers_file: Option<PathBuf>,

    /// What the deployment is for. Part of every id. `live` refuses the embedded default.
    #[arg(long, global = true, env = "VESTIBULE_ENVIRONMENT", value_enum, default_value = "test")]
    pub environment: Environment,

    /// The Postgres database, as `postgres://user:password@host:port/name`. Of several servers
    /// (`host:port,host:port`) the one that takes writes is used, whichever it is. Given together with the Redis
    /// URL, or not at all.
    #[arg(long, global = true, env = "VESTIBULE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,

    /// The most connections to Postgres. 1 to 1000. A quarter of them, at least one, is for
    /// searches alone, so that slow ones never take the connections that logins need.
    #[arg(long, global = true, env = "VESTIBULE_DATABASE_MAX_CONNECTIONS", default_value_t = 32,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_max_connections: u32,

    /// The Redis, as `redis://` or, with TLS, `rediss://user:password@host:port/number`. With Sentinels:
    /// `redis-sentinel://user:password@sentinel:port,sentinel:port/number?master=name`. A cluster:
    /// `redis-cluster://user:password@node:port,node:port`.
    #[arg(long, global = true, env = "VESTIBULE_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<SecretString>,

    /// Where the embedded default keeps its database and its sealing key.
    #[arg(long, global = true, env = "VESTIBULE_DATA_DIR", default_value = "vestibule-data")]
    pub data_dir: PathBuf,

    /// The file with the key that seals the signing keys: 32 bytes in base64. Required with `live`;
    /// with `test`, one is made in the data directory. Replicas share it; changing it makes the
    /// signing keys unreadable.
    #[arg(long, global = true, env = "VESTIBULE_SEALING_KEY_FILE")]
    pub sealing_key_file: Option<PathBuf>,

    /// How JWTs are signed.
    #[arg(long, global = true, env = "VESTIBULE_JWT_ALGORITHM", value_enum, default_value = "ES256")]
    pub jwt_algorithm: JwtAlgorithm,

    /// How long a key signs JWTs before the next one does. At least twice the overlap, at most 10 years.
    #[arg(long, global = true, env = "VESTIBULE_JWT_KEY_PERIOD", default_value = "180days", value_parser = jwt_key_period)]
    pub jwt_key_period: Duration,

    /// How long a key is published before it signs, and how long after the end of its signing. At least
    /// 15m.
    #[arg(long, global = true, env = "VESTIBULE_JWT_KEY_OVERLAP", default_value = "30days", value_parser = jwt_key_overlap)]
    pub jwt_key_overlap: Duration,

    /// The `iss` claim of JWTs. By default `vestibule/` and the project id.
    #[arg(long, global = true, env = "VESTIBULE_JWT_ISSUER")]
    pub jwt_issuer: Option<String>,

    /// Whether people may create organizations with an intermediate session token.
    #[arg(long, global = true, env = "VESTIBULE_DISCOVERY_ORGANIZATION_CREATION", default_value_t = true,
          action = clap::ArgAction::Set)]
    pub discovery_organization_creation: bool,

    /// A file with the names of common e-mail providers, one a line without top-level domain, in
    /// place of the built-in list. Their domains can't be allowed or claimed.
    #[arg(long, global = true, env = "VESTIBULE_COMMON_EMAIL_DOMAINS_FILE")]
    pub common_email_domains_file: Option<PathBuf>,

    /// A file with the roles and resources beyond the default ones, as JSON. Other roles can't be
    /// assigned.
    #[arg(long, global = true, env = "VESTIBULE_RBAC_POLICY_FILE")]
    pub rbac_policy_file: Option<PathBuf>,

    /// How long a call that spends a token holds it. If its process dies, the token is free again
    /// after that. Everything that is recorded is recorded a second before. 3s to 60s.
    #[arg(long, global = true, env = "VESTIBULE_CLAIM_LEASE", default_value = "6s", value_parser = claim_lease)]
    pub claim_lease: Duration,

    /// The longest that a call may take, whatever deadline its caller sends. At least 100ms.
    #[arg(long, global = true, env = "VESTIBULE_MAX_CALL_DURATION", default_value = "30s",
          value_parser = max_call_duration)]
    pub max_call_duration: Duration,

    /// How many calls are worked on at once. Others are sent away with UNAVAILABLE and a time to come again. A
    /// quarter, at least one, is for searches alone, and one caller of the callers file gets half at most. At
    /// what two cores can do, 256 calls are some 100 ms of work. 4 to 65535.
    #[arg(long, global = true, env = "VESTIBULE_MAX_CALLS_IN_FLIGHT", default_value_t = 256,
          value_parser = clap::value_parser!(u16).range(4..))]
    pub max_calls_in_flight: u16,

    /// How long the server goes on answering after the first SIGTERM while it reports `NOT_SERVING`,
    /// so that load balancers notice.
    #[arg(long, global = true, env = "VESTIBULE_LAME_DUCK", default_value = "0s", value_parser = humantime::parse_duration)]
    pub lame_duck: Duration,

    /// How long calls in flight may take to end after that, before the server exits all the same.
    #[arg(long, global = true, env = "VESTIBULE_DRAIN_TIMEOUT", default_value = "20s", value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,

    /// Rate limits.
    #[command(flatten)]
    pub limits: LimitsConfig,

    /// Logs, traces and metrics.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,

    /// Connections.
    #[command(flatten)]
    pub transport: TransportConfig,
}

/// Why settings don't go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// One URL without the other.
    #[error("--database-url and --redis-url go together: give both, or neither for the embedded default")]
    OneUrl,
    /// The embedded default in production.
    #[error("--environment live needs --database-url and --redis-url: the embedded default is for tests")]
    EmbeddedLive,
    /// No sealing key in production.
    #[error("--environment live needs --sealing-key-file")]
    SealingKeyMissing,
    /// An address that others can reach.
    #[error("--{0} must be a loopback address, or --callers-file must say who may call")]
    NotLoopback(&'static str),
    /// Keys that would hardly ever be alone.
    #[error("--jwt-key-period must be at least twice --jwt-key-overlap")]
    KeyPeriod,
    /// A log filter that can't be read.
    #[error("--log-filter is neither a level nor a list of directives")]
    LogFilter,
    /// The address of the collector. It is not quoted: there may be a password in it.
    #[error("--otlp-endpoint is not http://host:port or https://host:port")]
    CollectorEndpoint,
    /// A CA for a collector that there is none of, or that is reached without TLS.
    #[error("--otlp-ca-file needs an --otlp-endpoint with https://")]
    CollectorCa,
    /// One file of TLS without the other.
    #[error("--tls-certificate-file and --tls-key-file go together: give both, or neither for plain text")]
    TlsPair,
    /// Clients' certificates without TLS.
    #[error("--tls-client-ca-file needs --tls-certificate-file and --tls-key-file")]
    ClientCaAlone,
}

/// What stands behind the service.
#[derive(Clone, Debug)]
pub enum Backend {
    /// Postgres and Redis.
    Servers {
        /// The database.
        database_url: SecretString,
        /// The keeper of intermediate sessions.
        redis_url: SecretString,
    },
    /// SQLite in the data directory, intermediate sessions in the process.
    Embedded,
}

impl Config {
    /// Checks what no single setting can tell, and says what stands behind the service.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn backend(&self) -> Result<Backend, ConfigError> {
        for (name, address) in [("listen-address", self.listen_address), ("http-address", self.http_address)]
        {
            if self.callers_file.is_none() && !address.ip().is_loopback() {
                return Err(ConfigError::NotLoopback(name));
            }
        }
        self.telemetry.check()?;
        // An empty variable is how some orchestrators say that there is none.
        let given = |url: &Option<SecretString>| url.clone().filter(|url| !url.expose_secret().is_empty());
        self.key_rotation()?;
        self.transport.tls()?;
        let backend = match (given(&self.database_url), given(&self.redis_url)) {
            (Some(database_url), Some(redis_url)) => Backend::Servers { database_url, redis_url },
            (None, None) if self.environment == Environment::Live => {
                return Err(ConfigError::EmbeddedLive);
            }
            (None, None) => Backend::Embedded,
            _ => return Err(ConfigError::OneUrl),
        };
        if self.environment == Environment::Live && self.sealing_key_file.is_none() {
            return Err(ConfigError::SealingKeyMissing);
        }
        Ok(backend)
    }

    /// How signing keys are rotated.
    ///
    /// # Errors
    /// [`ConfigError::KeyPeriod`].
    pub fn key_rotation(&self) -> Result<Rotation, ConfigError> {
        let (period, overlap) = (self.jwt_key_period, self.jwt_key_overlap);
        if period < overlap.saturating_mul(2) {
            return Err(ConfigError::KeyPeriod);
        }
        Ok(Rotation { algorithm: self.jwt_algorithm, period, overlap })
    }

    /// The settings as `name = value` lines, without secrets.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self {
            listen_address,
            http_address,
            callers_file,
            environment,
            database_url,
            database_max_connections,
            redis_url,
            data_dir,
            sealing_key_file,
            jwt_algorithm,
            jwt_key_period,
            jwt_key_overlap,
            jwt_issuer,
            discovery_organization_creation,
            common_email_domains_file,
            rbac_policy_file,
            claim_lease,
            max_call_duration,
            max_calls_in_flight,
            lame_duck,
            drain_timeout,
            limits,
            telemetry,
            transport,
        } = self;
        let secret = |url: &Option<SecretString>| match url {
            Some(url) if !url.expose_secret().is_empty() => "<redacted>",
            _ => "",
        };
        let path = |path: &Option<PathBuf>| path_text(path.as_ref());
        let duration = |duration: &Duration| humantime::format_duration(*duration).to_string();
        let lines = [
            ("listen-address", listen_address.to_string()),
            ("http-address", http_address.to_string()),
            ("callers-file", path(callers_file)),
            ("environment", environment.as_str().to_owned()),
            ("database-url", secret(database_url).to_owned()),
            ("database-max-connections", database_max_connections.to_string()),
            ("redis-url", secret(redis_url).to_owned()),
            ("data-dir", data_dir.display().to_string()),
            ("sealing-key-file", path(sealing_key_file)),
            ("jwt-algorithm", jwt_algorithm.as_str().to_owned()),
            ("jwt-key-period", days(*jwt_key_period)),
            ("jwt-key-overlap", days(*jwt_key_overlap)),
            ("jwt-issuer", jwt_issuer.clone().unwrap_or_default()),
            ("discovery-organization-creation", discovery_organization_creation.to_string()),
            ("common-email-domains-file", path(common_email_domains_file)),
            ("rbac-policy-file", path(rbac_policy_file)),
            ("claim-lease", duration(claim_lease)),
            ("max-call-duration", duration(max_call_duration)),
            ("max-calls-in-flight", max_calls_in_flight.to_string()),
            ("lame-duck", duration(lame_duck)),
            ("drain-timeout", duration(drain_timeout)),
        ];
        lines
            .iter()
            .chain(&limits.describe())
            .chain(&telemetry.describe())
            .chain(&transport.describe())
            .fold(String::new(), |text, (name, value)| text + name + " = " + value + "\n")
    }
}

/// A file that may not be there.
fn path_text(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

fn max_call_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration >= Duration::from_millis(100) { Ok(duration) } else { Err("shorter than 100ms".to_owned()) }
}

/// Whole days as days: the library's months are 30.44 of them.
fn days(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration == Duration::from_hours(24 * (seconds / 86_400)) {
        format!("{}days", seconds / 86_400)
    } else {
        humantime::format_duration(duration).to_string()
    }
}

fn jwt_key_period(text: &str) -> Result<Duration, String> {
    let period = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if period <= MAX_PERIOD { Ok(period) } else { Err("longer than 10 years".to_owned()) }
}

/// Shorter, and verifiers would meet keys that they have not read yet.
fn jwt_key_overlap(text: &str) -> Result<Duration, String> {
    let overlap = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if overlap >= MIN_LEAD { Ok(overlap) } else { Err("shorter than 15m".to_owned()) }
}

/// Shorter, and there is no time to record anything; longer, and a crash locks people out for long.
fn claim_lease(text: &str) -> Result<Duration, String> {
    let lease = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(3)..=Duration::from_mins(1)).contains(&lease) {
        Ok(lease)
    } else {
        Err("not within 3s to 60s".to_owned())
    }
}
