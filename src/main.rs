//! The command line of Vestibule.

use std::error::Error as StdError;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use tokio_util::task::TaskTracker;
use vestibule::app::files::{self, Files};
use vestibule::app::healthcheck::healthcheck;
use vestibule::app::shutdown::Shutdown;
use vestibule::app::{self, App};
use vestibule::clock::SystemClock;
use vestibule::config::{CallersCommand, Command, CommandLine, Config, KeysCommand, SeedArgs};
use vestibule::entropy::OsEntropy;
use vestibule::telemetry::{self, chain};

/// Calls make many small allocations, on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome = Result<ExitCode, Box<dyn StdError + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let CommandLine { command, config } = CommandLine::parse();
    telemetry::start(config.log_format, &config.log_filter);
    let outcome = match command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&config).await,
        Command::Migrate => migrate(&config).await,
        Command::CheckConfig => check_config(&config),
        Command::Healthcheck => health(&config).await,
        Command::Seed(arguments) => seed(&config, arguments).await,
        Command::Keys(command) => keys(&config, &command).await,
        Command::Callers(command) => callers(&config, &command),
    };
    outcome.unwrap_or_else(|error| {
        tracing::error!(error = chain(&*error), "vestibule stops");
        ExitCode::FAILURE
    })
}

async fn serve(config: &Config) -> Outcome {
    // The library that TLS connections use; a second installation changes nothing.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a TLS library was chosen before");
    }
    let app = App::build(config, Arc::new(SystemClock::new()), Arc::new(OsEntropy)).await?;
    let grpc = app::listen(config.listen_address).await?;
    let http = app::listen(config.http_address).await?;
    let shutdown = Shutdown::default();
    let signals = TaskTracker::new();
    signals.spawn(shutdown.clone().catch_signals()?);
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
    Ok(ExitCode::SUCCESS)
}

async fn health(config: &Config) -> Outcome {
    Ok(if healthcheck(config).await? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
