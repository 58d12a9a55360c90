//! OTLP over gRPC to a collector.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{self, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::{self, BatchSpanProcessor, Sampler, SdkTracerProvider};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::runtime::{self, Handle, Runtime};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::TelemetryError;
use super::deadline::{Deadline, EXPORT_TIMEOUT, Exported};
use super::metrics::Metrics;
use crate::config::telemetry::TelemetryConfig;

/// How long it may take to connect to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a silent connection is asked whether the collector is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How many spans, and how many log records, wait for the collector; more are dropped. Two seconds of what two cores
/// make, and some 16 MiB.
const QUEUE: usize = 16 * 1024;

/// How many are sent at once: about 1 MiB, of the 4 MiB that receivers take.
const BATCH: usize = 2 * 1024;

/// What sends metrics.
pub(super) type MetricsSender = PeriodicReader<Deadline<MetricExporter>>;

/// A collector. Connected when something is sent, again and again.
#[derive(Debug)]
pub(super) struct Collector {
    /// What is sent is written by a thread of its own: calls and the collector don't wait for each other.
    sender: Handle,
    runtime: Option<Runtime>,
    channel: Channel,
    metadata: MetadataMap,
}

impl Collector {
    /// The collector of the settings, if there is one.
    pub(super) fn open(config: &TelemetryConfig) -> Result<Option<Self>, TelemetryError> {
        let Some(endpoint) = config.collector() else {
            return Ok(None);
        };
        let mut channel = Endpoint::from_shared(endpoint.clone())?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(EXPORT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(EXPORT_TIMEOUT)
            .keep_alive_while_idle(true)
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))?;
        if endpoint.starts_with("https:") {
            let tls = match read("otlp-ca-file", config.otlp_ca_file.as_ref())? {
                // tonic takes a file without certificates, and then trusts nobody.
                Some(pem) if CertificateDer::from_pem_slice(pem.as_bytes()).is_err() => {
                    let path = config.otlp_ca_file.clone().unwrap_or_default();
                    return Err(TelemetryError::Authorities(path));
                }
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new().with_webpki_roots(),
            };
            channel = channel.tls_config(tls)?;
        }
        let headers = read("otlp-headers-file", config.otlp_headers_file.as_ref())?;
        let metadata = metadata(headers.as_deref().unwrap_or_default())?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .enable_all()
            .build()
            .map_err(|error| TelemetryError::Setup(Box::new(error)))?;
        let entered = runtime.enter();
        let channel = channel.connect_lazy();
        drop(entered);
        Ok(Some(Self { sender: runtime.handle().clone(), runtime: Some(runtime), channel, metadata }))
    }

    /// Sends spans. `ratio` is the part of the calls that is traced, unless their callers have decided.
    pub(super) fn traces(
        &self,
        resource: Resource,
        ratio: f64,
        metrics: &Metrics,
    ) -> Result<SdkTracerProvider, TelemetryError> {
        let exporter = self.sent_by(SpanExporter::builder().with_tonic()).build().map_err(setup)?;
        let config = trace::BatchConfigBuilder::default();
        let config = config.with_max_queue_size(QUEUE).with_max_export_batch_size(BATCH).build();
        let exporter = self.bounded(exporter, Some(metrics.spans_exported()));
        let sender = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        Ok(SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
            .with_span_processor(sender)
            .build())
    }

    /// Sends what is logged.
    pub(super) fn logs(
        &self,
        resource: Resource,
        metrics: &Metrics,
    ) -> Result<SdkLoggerProvider, TelemetryError> {
        let exporter = self.sent_by(LogExporter::builder().with_tonic()).build().map_err(setup)?;
        let config = logs::BatchConfigBuilder::default();
        let config = config.with_max_queue_size(QUEUE).with_max_export_batch_size(BATCH).build();
        let exporter = self.bounded(exporter, Some(metrics.logs_exported()));
        let sender = BatchLogProcessor::builder(exporter).with_batch_config(config).build();
        Ok(SdkLoggerProvider::builder().with_resource(resource).with_log_processor(sender).build())
    }

    /// Sends metrics, in this interval.
    pub(super) fn metrics(&self, interval: Duration) -> Result<MetricsSender, TelemetryError> {
        let exporter = self.sent_by(MetricExporter::builder().with_tonic()).build().map_err(setup)?;
        Ok(PeriodicReader::builder(self.bounded(exporter, None)).with_interval(interval).build())
    }

    fn bounded<E>(&self, exporter: E, count: Option<Exported>) -> Deadline<E> {
        Deadline { exporter, timer: self.sender.clone(), exported: count }
    }

    /// All share one connection.
    fn sent_by<B: WithTonicConfig + WithExportConfig>(&self, builder: B) -> B {
        builder
            .with_channel(self.channel.clone())
            .with_metadata(self.metadata.clone())
            .with_timeout(EXPORT_TIMEOUT)
    }
}

impl Drop for Collector {
    /// Ends what is still being sent, without waiting for it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn setup(error: ExporterBuildError) -> TelemetryError {
    TelemetryError::Setup(Box::new(error))
}

/// The file of a setting, if it names one.
fn read(setting: &'static str, path: Option<&PathBuf>) -> Result<Option<String>, TelemetryError> {
    // An empty variable is how some orchestrators say that there is none.
    let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(None);
    };
    fs::read_to_string(path).map(Some).map_err(|source| TelemetryError::File {
        setting,
        path: path.clone(),
        source,
    })
}

/// Reads `name: value` lines.
fn metadata(text: &str) -> Result<MetadataMap, TelemetryError> {
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let header = line.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().to_ascii_lowercase().as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        let (name, value) = header.ok_or(TelemetryError::Header { line: index + 1 })?;
        headers.append(name, value);
    }
    Ok(MetadataMap::from_headers(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_lines_of_names_and_values() {
        let read = metadata("Authorization: Bearer a:b\n\n  x-tenant :7\n").unwrap();
        assert_eq!(read.get("authorization").unwrap().to_str().unwrap(), "Bearer a:b");
        assert_eq!((read.get("x-tenant").unwrap().to_str().unwrap(), read.len()), ("7", 2));
        assert!(!format!("{read:?}").contains("a:b"), "{read:?}");
        for bad in ["secret", "\nna me: secret", "name: sec\u{1}ret"] {
            let error = metadata(bad).unwrap_err().to_string();
            assert!(!error.contains("ret"), "{error}");
        }
    }
}
