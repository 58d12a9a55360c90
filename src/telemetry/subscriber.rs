//! Where log lines go.

use std::io::IsTerminal as _;

use opentelemetry_appender_tracing::layer::{OpenTelemetryTracingBridge, TracingSpanAttributes};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::config::telemetry::{LogFormat, TelemetryConfig};

/// Who works when something is sent to the collector: what they log is not sent to it, or it would never end.
const SENDERS: [&str; 6] = ["h2", "hyper", "hyper_util", "opentelemetry", "tonic", "tower"];

/// The pool of connections to the database, whose errors are those of the calls that it fails.
const POOL: &str = "sqlx_core::pool::inner=off";

/// What log records tell of the call that they belong to.
const OF_CALLS: [&str; 3] = ["rpc.method", "request_id", "caller"];

/// Sends what is logged to standard error, and to `logs`, from now on. The filter was checked with
/// the configuration.
pub(super) fn start(config: &TelemetryConfig, logs: Option<&SdkLoggerProvider>) {
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
    };
    let logs = logs.map(|logs| {
        let quiet = Targets::new()
            .with_default(LevelFilter::TRACE)
            .with_targets(SENDERS.map(|sender| (sender, LevelFilter::OFF)));
        let bridge = OpenTelemetryTracingBridge::builder(logs)
            .with_tracing_span_attributes(TracingSpanAttributes::allowlist(OF_CALLS))
            .build();
        bridge.with_filter(quiet)
    });
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // It says with every attempt, many times a second, that a server is not the primary.
    let filter = POOL.parse().into_iter().fold(filter, EnvFilter::add_directive);
    let started = tracing_subscriber::registry().with(filter).with(lines).with(logs).try_init();
    // A second start (tests in one process) keeps the first subscriber.
    if let Err(error) = started {
        tracing::debug!(%error, "logs go where they went before");
    }
}
