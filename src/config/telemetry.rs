//! The settings of logs, traces and metrics.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::ConfigError;

/// What is told, and to whom. Metrics are served to Prometheus in any case, at `/metrics` of the HTTP address.
#[derive(Clone, Debug, Args)]
pub struct TelemetryConfig {
    /// How log lines look.
    #[arg(long, global = true, env = "VESTIBULE_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged: a level, or directives like `info,vestibule=debug`.
    #[arg(long, global = true, env = "VESTIBULE_LOG_FILTER", default_value = "info")]
    pub log_filter: String,

    /// Where an OpenTelemetry collector takes OTLP over gRPC, as `http://host:4317` or, with TLS, `https://`.
    /// Traces, metrics and what is logged are sent there as well. What it does not take in time is dropped.
    #[arg(long, global = true, env = "VESTIBULE_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,

    /// The certificates, in PEM, that the collector's certificate leads to. Without it, the public ones.
    #[arg(long, global = true, env = "VESTIBULE_OTLP_CA_FILE")]
    pub otlp_ca_file: Option<PathBuf>,

    /// A file with the metadata that the collector wants to see, `name: value` on each line. Its values are
    /// secrets.
    #[arg(long, global = true, env = "VESTIBULE_OTLP_HEADERS_FILE")]
    pub otlp_headers_file: Option<PathBuf>,

    /// How often metrics are sent to the collector. 1s to 1h.
    #[arg(long, global = true, env = "VESTIBULE_OTLP_METRICS_INTERVAL", default_value = "1m", value_parser = interval)]
    pub otlp_metrics_interval: Duration,

    /// Which part of the calls is traced, 0 to 1. The decision of a caller that sends a `traceparent` goes
    /// first.
    #[arg(long, global = true, env = "VESTIBULE_TRACE_SAMPLE_RATIO", default_value_t = 1.0, value_parser = ratio)]
    pub trace_sample_ratio: f64,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl TelemetryConfig {
    /// The collector, if there is one that can be.
    #[must_use]
    pub fn collector(&self) -> Option<String> {
        self.otlp_endpoint.as_deref().and_then(endpoint)
    }

    /// Whether what the collector wants to see can be read on the way to it.
    #[must_use]
    pub fn headers_in_plain_text(&self) -> bool {
        let given = self.otlp_headers_file.as_ref().is_some_and(|path| !path.as_os_str().is_empty());
        given && self.collector().is_some_and(|endpoint| endpoint.starts_with("http:"))
    }

    /// Checks what no single setting can tell.
    ///
    /// # Errors
    /// [`ConfigError::LogFilter`], [`ConfigError::CollectorEndpoint`], [`ConfigError::CollectorCa`].
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if tracing_subscriber::EnvFilter::try_new(&self.log_filter).is_err() {
            return Err(ConfigError::LogFilter);
        }
        // Checked here, because the command line's own errors quote the value. An empty variable is how some
        // orchestrators say that there is none.
        if self.otlp_endpoint.as_deref().is_some_and(|text| !text.is_empty() && endpoint(text).is_none()) {
            return Err(ConfigError::CollectorEndpoint);
        }
        let plain = !self.collector().is_some_and(|endpoint| endpoint.starts_with("https:"));
        if plain && self.otlp_ca_file.as_ref().is_some_and(|path| !path.as_os_str().is_empty()) {
            return Err(ConfigError::CollectorCa);
        }
        Ok(())
    }

    /// The settings, each with its value.
    pub(super) fn describe(&self) -> [(&'static str, String); 7] {
        let Self {
            log_format,
            log_filter,
            otlp_endpoint,
            otlp_ca_file,
            otlp_headers_file,
            otlp_metrics_interval,
            trace_sample_ratio,
        } = self;
        [
            ("log-format", format!("{log_format:?}").to_lowercase()),
            ("log-filter", log_filter.clone()),
            ("otlp-endpoint", otlp_endpoint.clone().unwrap_or_default()),
            ("otlp-ca-file", super::path_text(otlp_ca_file.as_ref())),
            ("otlp-headers-file", super::path_text(otlp_headers_file.as_ref())),
            ("otlp-metrics-interval", humantime::format_duration(*otlp_metrics_interval).to_string()),
            ("trace-sample-ratio", trace_sample_ratio.to_string()),
        ]
    }
}

/// The scheme, the host and the port, if it is nothing else: it is printed and logged, and secrets have a file of
/// their own.
fn endpoint(text: &str) -> Option<String> {
    let endpoint = url::Url::parse(text).ok()?;
    let bare = endpoint.username().is_empty() && endpoint.password().is_none() && endpoint.path() == "/";
    let bare = bare && endpoint.query().is_none() && endpoint.fragment().is_none();
    let fit = ["http", "https"].contains(&endpoint.scheme()) && endpoint.has_host() && bare;
    fit.then(|| endpoint.as_str().trim_end_matches('/').to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&interval) {
        Ok(interval)
    } else {
        Err("not within 1s to 1h".to_owned())
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio: f64 = text.parse().map_err(|error: std::num::ParseFloatError| error.to_string())?;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("not within 0 to 1".to_owned()) }
}
