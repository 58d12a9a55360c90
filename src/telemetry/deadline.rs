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

/// An exporter that gives up. The threads that export are none of a runtime; `timer` is of one.
#[derive(Debug)]
pub(super) struct Deadline<E> {
    pub(super) exporter: E,
    pub(super) timer: Handle,
    /// Counts what was sent, or could not be.
    pub(super) exported: Option<Counter<u64>>,
}

impl<E> Deadline<E> {
    fn count(&self, items: usize, outcome: &OTelSdkResult) {
        let Some(exported) = &self.exported else {
            return;
        };
        let error_type = match outcome {
            Ok(()) => None,
            Err(OTelSdkError::Timeout(_)) => Some("timeout"),
            Err(OTelSdkError::AlreadyShutdown) => Some("already_shutdown"),
            Err(OTelSdkError::InternalFailure(_)) => Some("rejected"),
        };
        let attributes: Vec<_> =
            error_type.map(|error| KeyValue::new("error.type", error)).into_iter().collect();
        exported.add(items as u64, &attributes);
    }
}

async fn within(timer: &Handle, export: impl Future<Output = OTelSdkResult> + Send) -> OTelSdkResult {
    let late = {
        let _entered = timer.enter();
        tokio::time::sleep(EXPORT_TIMEOUT)
    };
    tokio::select! {
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
