//! What the program tells about itself: log lines, traces and metrics. None of them carries a token, a secret or
//! an address.
//!
//! Log lines go to standard error. With a collector, everything goes there too, from threads of its own and
//! through queues that are bounded: whatever the collector does, no call waits for it, and what does not fit
//! is dropped.

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
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::config::telemetry::TelemetryConfig;
use metrics::Metrics;
use otlp::Collector;

/// How long the collector may take for what is left when the program ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

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

/// Who tells, in the words of OpenTelemetry's resource conventions. `OTEL_RESOURCE_ATTRIBUTES` adds to it.
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
    traces: Option<SdkTracerProvider>,
    logs: Option<SdkLoggerProvider>,
}

impl Telemetry {
    /// Writes log lines from now on, and nothing else.
    #[must_use]
    pub fn logs(config: &TelemetryConfig) -> Self {
        subscriber::start(config, None, None);
        Self { metrics: Metrics::unread(), traces: None, logs: None }
    }

    /// Tells everything from now on, as the settings say. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`TelemetryError`]. Log lines are written all the same.
    pub fn start(config: &TelemetryConfig, resource: &Resource) -> Result<Self, TelemetryError> {
        let prepared = Collector::open(config).and_then(|collector| {
            let interval = config.otlp_metrics_interval;
            let sender = collector.as_ref().map(|collector| collector.metrics(interval)).transpose()?;
            let metrics = Metrics::new(resource.clone(), sender)?;
            let Some(collector) = collector else {
                return Ok((metrics, None, None));
            };
            let traces = collector.traces(resource.clone(), config.trace_sample_ratio)?;
            let logs = collector.logs(resource.clone())?;
            Ok((metrics, Some(traces), Some(logs)))
        });
        match prepared {
            Ok((metrics, traces, logs)) => {
                subscriber::start(config, traces.as_ref(), logs.as_ref());
                Ok(Self { metrics, traces, logs })
            }
            Err(error) => {
                subscriber::start(config, None, None);
                Err(error)
            }
        }
    }

    /// The metrics of this program.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Sends what is left, for five seconds at most.
    pub async fn stop(self) {
        let Self { metrics, traces, logs } = self;
        // The providers wait for their threads.
        let flushing = tokio::task::spawn_blocking(move || {
            let traces = traces.map_or(Ok(()), |traces| traces.shutdown_with_timeout(FLUSH_TIMEOUT));
            let outcomes = [("metrics", metrics.shutdown(FLUSH_TIMEOUT)), ("traces", traces)];
            for (what, outcome) in outcomes {
                if let Err(error) = outcome {
                    tracing::warn!(what, error = chain(&error), "the collector did not take what was left");
                }
            }
            // Last, for what was logged just now.
            logs.map(|logs| logs.shutdown_with_timeout(FLUSH_TIMEOUT))
        });
        match tokio::time::timeout(FLUSH_TIMEOUT, flushing).await {
            Ok(Ok(None | Some(Ok(())))) => {}
            Ok(Ok(Some(Err(error)))) => {
                tracing::warn!(error = chain(&error), "the collector did not take the last log lines");
            }
            Ok(Err(error)) => tracing::error!(error = chain(&error), "telemetry did not end well"),
            Err(_) => tracing::warn!("the collector did not take what was left in time"),
        }
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
