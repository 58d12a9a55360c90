//! The command line of Vestibule.

use std::error::Error as StdError;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use opentelemetry_sdk::Resource;
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;
use vestibule::app::files::{self, Files};
use vestibule::app::healthcheck::healthcheck;
use vestibule::app::shutdown::Shutdown;
use vestibule::app::{self, App};
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::config::{CallersCommand, Command, CommandLine, Config, KeysCommand, SeedArgs};
use vestibule::entropy::{Entropy, OsEntropy};
use vestibule::telemetry::metrics::Metrics;
use vestibule::telemetry::{self, Telemetry, chain};

/// Calls make many small allocations, on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the collector may take for what is left when the program ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The same when something went wrong, or the end is wanted at once.
const FAILURE_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

type Outcome = Result<ExitCode, Box<dyn StdError + Send + Sync>>;

fn main() -> ExitCode {
    #[expect(clippy::expect_used, reason = "nothing can be done, or logged, without threads")]
    let runtime = Runtime::new().expect("threads for the program");
    let code = runtime.block_on(vestibule());
    // What hangs, a file system perhaps, does not hold up the end.
    runtime.shutdown_background();
    code
}

async fn vestibule() -> ExitCode {
    let CommandLine { command, config } = CommandLine::parse();
    let command = command.unwrap_or(Command::Serve);
    // The library that TLS connections use; a second installation changes nothing.
    let chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let telemetry = match command {
        Command::Serve => Telemetry::start(&config.telemetry, &resource(&config)),
        _ => Ok(Telemetry::logs(&config.telemetry)),
    };
    if chosen.is_err() {
        tracing::debug!("a TLS library was chosen before");
    }
    let (telemetry, outcome) = match telemetry {
        Ok(telemetry) => {
            let outcome = run(command, &config, telemetry.metrics()).await;
            (Some(telemetry), outcome)
        }
        Err(error) => (None, Err(error.into())),
    };
    let flush = if outcome.is_ok() { FLUSH_TIMEOUT } else { FAILURE_FLUSH_TIMEOUT };
    let code = outcome.unwrap_or_else(|error| {
        tracing::error!(error = chain(&*error), "vestibule stops");
        ExitCode::FAILURE
    });
    if let Some(telemetry) = telemetry {
        telemetry.stop(flush).await;
    }
    code
}

async fn run(command: Command, config: &Config, metrics: Arc<Metrics>) -> Outcome {
    match command {
        Command::Serve => serve(config, metrics).await,
        Command::Migrate => migrate(config).await,
        Command::CheckConfig => check_config(config),
        Command::Healthcheck => health(config).await,
        Command::Seed(arguments) => seed(config, arguments).await,
        Command::Keys(command) => keys(config, &command).await,
        Command::Callers(command) => callers(config, &command),
    }
}

/// Who tells, to the receivers of telemetry.
fn resource(config: &Config) -> Resource {
    let entropy: &dyn Entropy = &OsEntropy;
    let instance_id = entropy.uuid(SystemClock::new().now()).to_string();
    telemetry::resource(config.environment.as_str(), instance_id)
}

async fn serve(config: &Config, metrics: Arc<Metrics>) -> Outcome {
    let shutdown = Shutdown::default();
    let signals = TaskTracker::new();
    // Before anything that takes time: the first process of a container does not see signals that nobody catches.
    signals.spawn(shutdown.clone().catch_signals()?);
    let app = tokio::select! {
        app = App::build(config, Arc::new(SystemClock::new()), Arc::new(OsEntropy), metrics) => app?,
        () = shutdown.soft.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let grpc = app::listen(config.listen_address).await?;
    let http = app::listen(config.http_address).await?;
    tracing::info!(grpc = %grpc.local_addr()?, http = %http.local_addr()?, "serving");
    app.serve(grpc, http, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

async fn migrate(config: &Config) -> Outcome {
    let url = config
        .database_url
        .as_ref()
        .ok_or("migrate needs --database-url; the embedded default migrates itself")?;
    let version = app::migrate(url).await?;
    tracing::info!(version, "the schema is up to date");
    Ok(ExitCode::SUCCESS)
}

async fn seed(config: &Config, arguments: SeedArgs) -> Outcome {
    app::seed::seed(config, arguments).await?;
    Ok(ExitCode::SUCCESS)
}

async fn keys(config: &Config, command: &KeysCommand) -> Outcome {
    let told = app::keys::run(config, command).await?;
    std::io::stdout().write_all(told.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn callers(config: &Config, command: &CallersCommand) -> Outcome {
    let CallersCommand::New(caller) = command;
    let told = app::callers::new(config, caller, &SystemClock::new(), &OsEntropy)?;
    std::io::stdout().write_all(told.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn check_config(config: &Config) -> Outcome {
    config.backend()?;
    std::io::stdout().write_all(config.describe().as_bytes())?;
    Files::read(config)?;
    app::callers::open(config, Arc::new(SystemClock::new()), TaskTracker::new())?;
    files::tls(config, Arc::new(SystemClock::new()))?;
    telemetry::check(&config.telemetry)?;
    Ok(ExitCode::SUCCESS)
}

async fn health(config: &Config) -> Outcome {
    Ok(if healthcheck(config).await? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
