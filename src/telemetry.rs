//! What the program tells about itself: log lines, traces and metrics. None of them carries a token, a secret or
//! an address.
//!
//! Log lines go to standard error. With a collector, everything goes there too, from threads of its own and
//! through queues that are bounded: whatever the collector does, no call waits for it, and what does not fit
//! is dropped.

mod deadline;
pub mod metrics;
mod otlp;
pub mod spans;
mod subscriber;
pub mod trace_context;

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::oneshot;

use crate::config::telemetry::TelemetryConfig;
use metrics::Metrics;
use otlp::Collector;

/// Why telemetry can't be sent as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
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
    /// The certificates of the collector's authority.
    #[error("the file of --otlp-ca-file has no certificate that could be used: {0}")]
    Authorities(PathBuf),
    /// A line of the headers file. It is not quoted: it may be a secret.
    #[error("line {line} of the file of --otlp-headers-file is not `name: value`, or not fit for gRPC")]
    Header {
        /// The number of the line, from 1.
        line: usize,
    },
    /// The collector's address or certificates.
    #[error("the collector can't be used")]
    Collector(#[from] tonic::transport::Error),
    /// The library refuses.
    #[error("telemetry can't be set up")]
    Setup(#[source] Box<dyn StdError + Send + Sync>),
}

/// Who tells, in the words of OpenTelemetry's resource conventions. `OTEL_RESOURCE_ATTRIBUTES`
/// goes first.
#[must_use]
pub fn resource(environment: &'static str, instance_id: String) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance_id),
            KeyValue::new("deployment.environment.name", environment),
        ])
        .with_service_name("vestibule")
        .with_detector(Box::new(opentelemetry_sdk::resource::TelemetryResourceDetector))
        .with_detector(Box::new(opentelemetry_sdk::resource::EnvResourceDetector::new()))
        .build()
}

/// Reads the files that the settings name.
///
/// # Errors
/// [`TelemetryError`].
pub fn check(config: &TelemetryConfig) -> Result<(), TelemetryError> {
    Collector::open(config).map(drop)
}

/// What tells. When it is dropped without [`Telemetry::stop`], what is still queued for the collector is lost.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Arc<Metrics>,
    sending: Option<Sending>,
}

/// What is sent to a collector beside the metrics.
#[derive(Debug)]
struct Sending {
    collector: Collector,
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
}

impl Telemetry {
    /// Writes log lines from now on, and nothing else.
    #[must_use]
    pub fn logs(config: &TelemetryConfig) -> Self {
        subscriber::start(config, None);
        Self { metrics: Metrics::unread(), sending: None }
    }

    /// Tells everything from now on, as the settings say.
    ///
    /// # Errors
    /// [`TelemetryError`]. Log lines are written all the same.
    pub fn start(config: &TelemetryConfig, resource: &Resource) -> Result<Self, TelemetryError> {
        let started = Self::prepare(config, resource);
        let sending = started.as_ref().ok().and_then(|telemetry| telemetry.sending.as_ref());
        subscriber::start(config, sending.map(|sending| &sending.logs));
        if sending.is_some() && config.headers_in_plain_text() {
            tracing::warn!(
                "what the collector wants to see is sent in plain text, and can be read on the way"
            );
        }
        started
    }

    fn prepare(config: &TelemetryConfig, resource: &Resource) -> Result<Self, TelemetryError> {
        let Some(collector) = Collector::open(config)? else {
            return Ok(Self { metrics: Metrics::new(resource.clone())?, sending: None });
        };
        let sender = collector.metrics(config.otlp_metrics_interval)?;
        let mut metrics = Metrics::sent(resource.clone(), Some(sender))?;
        metrics.count_senders();
        let traces = collector.traces(resource.clone(), config.trace_sample_ratio, &metrics)?;
        metrics.trace_with(&traces);
        let logs = collector.logs(resource.clone(), &metrics)?;
        Ok(Self { metrics: Arc::new(metrics), sending: Some(Sending { collector, traces, logs }) })
    }

    /// The metrics of this program.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Sends what is left, for so long at most.
    pub async fn stop(self, within: Duration) {
        let Self { metrics, sending } = self;
        let Some(Sending { collector, traces, logs }) = sending else {
            // Otherwise the library says that it does so itself.
            if let Err(error) = metrics.shutdown(within) {
                tracing::debug!(error = chain(&error), "the metrics did not end");
            }
            return;
        };
        let flushed = async {
            tokio::join!(
                flush("metrics", move || metrics.shutdown(within)),
                flush("traces", move || traces.shutdown_with_timeout(within)),
                flush("logs", move || logs.shutdown_with_timeout(within)),
            )
        };
        if tokio::time::timeout(within, flushed).await.is_err() {
            tracing::warn!("the collector did not take what was left in time");
            // Threads that the end does not wait for still use its timers.
            std::mem::forget(collector);
        }
    }
}

/// Waits for the thread of a provider. Not on a thread of the runtime, whose end would wait for it.
async fn flush(what: &'static str, shutdown: impl FnOnce() -> OTelSdkResult + Send + 'static) {
    let (done, outcome) = oneshot::channel();
    #[expect(clippy::disallowed_methods, reason = "nobody waits for it longer than for the answer")]
    std::thread::spawn(move || {
        // Nobody listens any more when it took too long.
        drop(done.send(shutdown()));
    });
    if let Ok(Err(error)) = outcome.await {
        tracing::warn!(what, error = chain(&error), "the collector did not take what was left");
    }
}

/// An error with everything that caused it, outermost first.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Transparent errors say what their cause says.
        if !text.ends_with(&words) {
            text = text + ": " + &words;
        }
        cause = error.source();
    }
    text
}
