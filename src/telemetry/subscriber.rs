//! Where spans and events of the code go.

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::{OpenTelemetryTracingBridge, TracingSpanAttributes};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use super::fields::{ObjectFields, TextFields};
use super::spans;
use crate::config::telemetry::{LogFormat, TelemetryConfig};

/// Who works when something is sent to the collector: what they log is not sent to it, or it would never end.
const SENDERS: [&str; 6] = ["h2", "hyper", "hyper_util", "opentelemetry", "tonic", "tower"];

/// What log records tell of the call that they belong to.
const OF_CALLS: [&str; 3] = ["rpc.method", "request_id", "caller"];

/// What is logged. The spans of databases are not: a line tells of its call, and they would come in between.
fn lines_of_calls<S>(config: &TelemetryConfig) -> impl Filter<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let logged = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    logged.and(filter_fn(|metadata| !(metadata.is_span() && metadata.name() == spans::DATABASE)))
}

/// Sends events to standard error and to `logs`, and spans to `traces`, from now on. The filter was checked with
/// the configuration.
pub(super) fn start(
    config: &TelemetryConfig,
    traces: Option<&SdkTracerProvider>,
    logs: Option<&SdkLoggerProvider>,
) {
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match config.log_format {
        LogFormat::Text => lines.fmt_fields(TextFields::default()).boxed(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            lines.fmt_fields(ObjectFields::default()).boxed()
        }
    };
    let traces = traces.map(|traces| {
        // What the conventions ask for is in the spans; the rest would only cost.
        let layer = tracing_opentelemetry::layer()
            .with_tracer(traces.tracer("vestibule"))
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        // What is logged goes there on its own, with the ids of the span it belongs to.
        let own = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("vestibule"));
        layer.with_filter(own.with_max_level_hint(LevelFilter::DEBUG))
    });
    let logs = logs.map(|logs| {
        let quiet = Targets::new()
            .with_default(LevelFilter::TRACE)
            .with_targets(SENDERS.map(|sender| (sender, LevelFilter::OFF)));
        let bridge = OpenTelemetryTracingBridge::builder(logs)
            .with_tracing_span_attributes(TracingSpanAttributes::allowlist(OF_CALLS))
            .build();
        bridge.with_filter(lines_of_calls(config).and(quiet))
    });
    let started = tracing_subscriber::registry()
        .with(lines.with_filter(lines_of_calls(config)))
        .with(traces)
        .with(logs)
        .try_init();
    // A second start (tests in one process) keeps the first subscriber.
    if let Err(error) = started {
        tracing::debug!(%error, "logs go where they went before");
    }
}
