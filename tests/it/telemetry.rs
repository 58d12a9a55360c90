//! What the program tells about itself: traces, metrics and logs to a collector, metrics to Prometheus, and whether
//! it is well to probes. Most tests look at the real binary, from outside.

mod leaks;
mod metrics;
mod outages;
mod probes;
mod settings;
mod traces;

use secrecy::ExposeSecret as _;
use tonic::Request;

use crate::harness::Harness;
use crate::harness::collector::Collector;
use crate::harness::program::Program;

/// Exports are made as soon as there is something.
const SOON: [(&str, &str); 3] = [
    ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "20"),
    ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=pod-7,team=identity"),
];

/// Another process on the servers of the harness, that tells the collector.
async fn telling(t: &Harness, collector: &Collector, more: &[&str]) -> Program {
    let endpoint = collector.endpoint();
    let own = ["--otlp-endpoint", &endpoint, "--otlp-metrics-interval", "1s"];
    beside(t, &[&own[..], more].concat(), &SOON).await
}

/// Another process on the servers of the harness.
async fn beside(t: &Harness, more: &[&str], environment: &[(&str, &str)]) -> Program {
    let database = t.config.database_url.as_ref().unwrap().expose_secret();
    let redis = t.config.redis_url.as_ref().unwrap().expose_secret();
    let data_dir = t.config.data_dir.display().to_string();
    let own = ["--database-url", database, "--redis-url", redis, "--data-dir", &data_dir];
    Program::serve_in(&t.config.data_dir, &[&own[..], more].concat(), environment).await
}

/// A request that belongs to a trace.
fn traced<T>(message: T, traceparent: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    request
}
