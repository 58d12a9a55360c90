//! A deadline for everything that is sent to the collector, and what came of it. The library's own ends when the head of an answer has
//! come.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

/// How long the collector may take for one batch. Meanwhile others queue up, and then are dropped.
pub(super) const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why something could not be sent: the collector did not take it, or not in time.
const REJECTED: &str = "rejected";
const TIMEOUT: &str = "timeout";

/// An exporter that gives up. The threads that export are none of a runtime; `timer` is of one.
#[derive(Debug)]
pub(super) struct Deadline<E> {
    pub(super) exporter: E,
    pub(super) timer: Handle,
    /// Counts what was sent, or could not be.
    pub(super) exported: Option<Exported>,
}

/// Counts what was sent by exporters of one kind, as OpenTelemetry's conventions want it.
#[derive(Clone, Debug)]
pub(super) struct Exported {
    counter: Counter<u64>,
    component_type: &'static str,
}

impl Exported {
    /// From now on the counter is there.
    pub(super) fn from_zero(counter: Counter<u64>, component_type: &'static str) -> Self {
        let exported = Self { counter, component_type };
        for error_type in [None, Some(REJECTED), Some(TIMEOUT)] {
            exported.add(0, error_type);
        }
        exported
    }

    fn add(&self, items: u64, error_type: Option<&'static str>) {
        let mut attributes = vec![KeyValue::new("otel.component.type", self.component_type)];
        attributes.extend(error_type.map(|error_type| KeyValue::new("error.type", error_type)));
        self.counter.add(items, &attributes);
    }
}

impl<E> Deadline<E> {
    fn count(&self, items: usize, outcome: &OTelSdkResult) {
        let Some(exported) = &self.exported else {
            return;
        };
        let error_type = match outcome {
            Ok(()) => None,
            Err(OTelSdkError::Timeout(_)) => Some(TIMEOUT),
            Err(OTelSdkError::AlreadyShutdown | OTelSdkError::InternalFailure(_)) => Some(REJECTED),
        };
        exported.add(items as u64, error_type);
    }
}

async fn within(timer: &Handle, export: impl Future<Output = OTelSdkResult> + Send) -> OTelSdkResult {
    let late = {
        let _entered = timer.enter();
        tokio::time::sleep(EXPORT_TIMEOUT)
    };
    tokio::select! {
        // The timer's runtime may have ended.
        biased;
        outcome = export => outcome,
        () = late => Err(OTelSdkError::Timeout(EXPORT_TIMEOUT)),
    }
}

impl<E: SpanExporter> SpanExporter for Deadline<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let outcome = within(&self.timer, self.exporter.export(batch)).await;
        self.count(spans, &outcome);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Deadline<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records = batch.iter().count();
        let outcome = within(&self.timer, self.exporter.export(batch)).await;
        self.count(records, &outcome);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Deadline<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        within(&self.timer, self.exporter.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
