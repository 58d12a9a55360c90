//! Metrics: read by Prometheus, and sent to the collector if there is one.
//!
//! Names, units and labels follow OpenTelemetry's conventions where these have something; docs/metrics.md has
//! them all. Labels have few values, none of which a stranger can choose.

mod names;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use prometheus::{Registry, TextEncoder};

pub use names::{Decider, Gauge, Limit, Shed, Transition};

use super::deadline::Exported;
use super::otlp::MetricsSender;
use super::spans::Operation;
use super::{TelemetryError, chain};

/// The limits of the buckets of durations, in seconds: a call takes about a millisecond when all is well, and is
/// given up after 30 s.
const BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Everything that is counted and measured.
#[derive(Debug)]
pub struct Metrics {
    provider: SdkMeterProvider,
    registry: Registry,
    meter: Meter,
    /// Makes the spans of what is measured, if they go anywhere.
    tracer: Option<SdkTracer>,
    call_duration: Histogram<f64>,
    calls_shed: Counter<u64>,
    calls_limited: Counter<u64>,
    authentication_failures: Counter<u64>,
    tokens: Counter<u64>,
    races_lost: Counter<u64>,
    operation_duration: Histogram<f64>,
    connection_timeouts: Counter<u64>,
    connections_evicted: Counter<u64>,
    connections_refused: Counter<u64>,
}

impl Metrics {
    /// Metrics that Prometheus reads.
    ///
    /// # Errors
    /// [`TelemetryError::Setup`].
    pub fn new(resource: Resource) -> Result<Arc<Self>, TelemetryError> {
        Ok(Arc::new(Self::sent(resource, None)?))
    }

    /// Metrics that Prometheus reads, of what has spans, too.
    ///
    /// # Errors
    /// [`TelemetryError::Setup`].
    pub fn traced(resource: Resource, traces: &SdkTracerProvider) -> Result<Arc<Self>, TelemetryError> {
        let mut metrics = Self::sent(resource, None)?;
        metrics.trace_with(traces);
        Ok(Arc::new(metrics))
    }

    /// Has what is measured make spans.
    pub(super) fn trace_with(&mut self, traces: &SdkTracerProvider) {
        self.tracer = Some(traces.tracer("vestibule"));
    }

    pub(super) fn tracer(&self) -> Option<&SdkTracer> {
        self.tracer.as_ref()
    }

    /// Metrics that Prometheus reads, and that `sender`, if there is one, sends to a collector.
    pub(super) fn sent(resource: Resource, sender: Option<MetricsSender>) -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(|error| TelemetryError::Setup(Box::new(error)))?;
        let mut provider = SdkMeterProvider::builder().with_resource(resource).with_reader(exporter);
        if let Some(sender) = sender {
            provider = provider.with_reader(sender);
        }
        Ok(Self::of(provider.build(), registry))
    }

    /// Metrics that nobody reads, for programs that end soon.
    #[must_use]
    pub fn unread() -> Arc<Self> {
        let provider = SdkMeterProvider::builder().build();
        // From the beginning: what is measured afterwards is forgotten at once.
        if let Err(error) = provider.shutdown() {
            tracing::debug!(error = chain(&error), "metrics that nobody reads go on");
        }
        Arc::new(Self::of(provider, Registry::new()))
    }

    fn of(provider: SdkMeterProvider, registry: Registry) -> Self {
        let meter = provider.meter("vestibule");
        let counter = |name, unit, description| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        let histogram = |name, description| {
            let histogram = meter.f64_histogram(name).with_description(description);
            histogram.with_unit("s").with_boundaries(BUCKETS.to_vec()).build()
        };
        let metrics = Self {
            call_duration: histogram("rpc.server.call.duration", "How long calls took"),
            calls_shed: counter(
                "vestibule.calls.shed",
                "{call}",
                "Calls that were sent away because of too many others",
            ),
            calls_limited: counter(
                "vestibule.calls.limited",
                "{call}",
                "Calls that were refused by a rate limit",
            ),
            authentication_failures: counter(
                "vestibule.authentication.failures",
                "{call}",
                "Calls whose caller is not known",
            ),
            tokens: counter("vestibule.tokens", "{token}", "What became of intermediate session tokens"),
            races_lost: counter(
                "vestibule.tokens.races_lost",
                "{call}",
                "Calls that another with the same token was before",
            ),
            operation_duration: histogram(
                "db.client.operation.duration",
                "How long transactions, statements and scripts took",
            ),
            connection_timeouts: counter(
                "db.client.connection.timeouts",
                "{timeout}",
                "Times that no connection to the database was free",
            ),
            connections_evicted: counter(
                "vestibule.connections.evicted",
                "{connection}",
                "Connections that gave way to newer ones before they had authenticated",
            ),
            connections_refused: counter(
                "vestibule.connections.refused",
                "{connection}",
                "Connections that were refused because all others had authenticated",
            ),
            provider,
            registry,
            meter,
            tracer: None,
        };
        metrics.begin_at_zero();
        metrics
    }

    /// A counter that is not there yet and one that is zero look alike only to those who know.
    fn begin_at_zero(&self) {
        for reason in Shed::ALL {
            self.calls_shed.add(0, &[KeyValue::new("reason", reason.as_str())]);
        }
        for limit in Limit::ALL {
            self.calls_limited.add(0, &[KeyValue::new("limit", limit.as_str())]);
        }
        for transition in Transition::ALL {
            self.tokens.add(0, &[KeyValue::new("transition", transition.as_str())]);
        }
        for decider in Decider::ALL {
            self.races_lost.add(0, &[KeyValue::new("decided_by", decider.as_str())]);
        }
    }

    /// The metrics as Prometheus reads them (text format 0.0.4).
    ///
    /// # Errors
    /// When a metric can't be written in this format.
    pub fn exposition(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Has a gauge told by `observe` whenever it is read. It must not hold what holds these metrics.
    pub fn observe(&self, gauge: Gauge, observe: impl Fn(&dyn AsyncInstrument<f64>) + Send + Sync + 'static) {
        let (name, unit, description) = gauge.describe();
        // By the conventions, what adds up over servers is a sum that goes up and down.
        if matches!(gauge, Gauge::PoolConnections | Gauge::PoolMax) {
            let sum = self.meter.f64_observable_up_down_counter(name);
            sum.with_unit(unit).with_description(description).with_callback(observe).build();
        } else {
            let gauge = self.meter.f64_observable_gauge(name);
            gauge.with_unit(unit).with_description(description).with_callback(observe).build();
        }
    }

    /// A call was answered or given up. `method` is one of those that exist.
    /// `failed`: by the server's doing.
    pub fn call_ended(&self, method: &'static str, code: &'static str, failed: bool, duration: Duration) {
        let attributes = [
            KeyValue::new("rpc.method", method),
            KeyValue::new("rpc.response.status_code", code),
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("error.type", code),
        ];
        let attributes = if failed { &attributes[..] } else { &attributes[..3] };
        self.call_duration.record(duration.as_secs_f64(), attributes);
    }

    /// A call was sent away.
    pub fn call_shed(&self, reason: Shed) {
        self.calls_shed.add(1, &[KeyValue::new("reason", reason.as_str())]);
    }

    /// A call met a rate limit.
    pub fn call_limited(&self, limit: Limit) {
        self.calls_limited.add(1, &[KeyValue::new("limit", limit.as_str())]);
    }

    /// So many calls had no caller that is known. None: the counter is there from now on.
    pub fn not_authenticated(&self, problem: &'static str, calls: u64) {
        self.authentication_failures.add(calls, &[KeyValue::new("problem", problem)]);
    }

    /// Something became of an intermediate session token.
    pub fn token(&self, transition: Transition) {
        self.tokens.add(1, &[KeyValue::new("transition", transition.as_str())]);
    }

    /// A call came too late: another had the token.
    pub fn race_lost(&self, decider: Decider) {
        self.races_lost.add(1, &[KeyValue::new("decided_by", decider.as_str())]);
    }

    /// So many times no connection of this pool was free in time. None: the counter is there from now on.
    pub fn no_connection(&self, pool: &'static str, times: u64) {
        self.connection_timeouts.add(times, &[KeyValue::new("db.client.connection.pool.name", pool)]);
    }

    /// So many connections to this port gave way to others. None: the counter is there from now on.
    pub fn connections_evicted(&self, port: &'static str, connections: u64) {
        self.connections_evicted.add(connections, &[KeyValue::new("port", port)]);
    }

    /// So many connections to this port found no place. None: the counter is there from now on.
    pub fn connections_refused(&self, port: &'static str, connections: u64) {
        self.connections_refused.add(connections, &[KeyValue::new("port", port)]);
    }

    pub(super) fn operation_ended(
        &self,
        operation: Operation,
        error_type: Option<&'static str>,
        duration: Duration,
    ) {
        let mut attributes = Vec::with_capacity(4);
        attributes.push(KeyValue::new("db.system.name", operation.system));
        attributes.push(KeyValue::new("db.operation.name", operation.name));
        attributes.extend(operation.procedure.map(|name| KeyValue::new("db.stored_procedure.name", name)));
        attributes.extend(error_type.map(|error_type| KeyValue::new("error.type", error_type)));
        self.operation_duration.record(duration.as_secs_f64(), &attributes);
    }

    /// Has the senders of spans and log records, which are made afterwards, count what they send and drop.
    pub(super) fn count_senders(&self) {
        opentelemetry::global::set_meter_provider(self.provider.clone());
    }

    /// Counts spans that were sent to the collector; with an `error.type`, those that could not be.
    pub(super) fn spans_exported(&self) -> Exported {
        let counter = self.meter.u64_counter("otel.sdk.exporter.span.exported").with_unit("{span}");
        let counter = counter.with_description("Spans that were sent, or could not be").build();
        Exported::from_zero(counter, "otlp_grpc_span_exporter")
    }

    /// The same for log records.
    pub(super) fn logs_exported(&self) -> Exported {
        let counter = self.meter.u64_counter("otel.sdk.exporter.log.exported").with_unit("{log_record}");
        let counter = counter.with_description("Log records that were sent, or could not be").build();
        Exported::from_zero(counter, "otlp_grpc_log_exporter")
    }

    pub(super) fn shutdown(&self, timeout: Duration) -> OTelSdkResult {
        self.provider.shutdown_with_timeout(timeout)
    }
}
