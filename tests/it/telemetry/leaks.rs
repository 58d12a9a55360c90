//! The suite looks for secrets in everything that is told ([`crate::harness::told`]): here it is shown to find them.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::harness::Harness;
use crate::harness::callers::Key;
use crate::harness::told::{Told, subscriber, traces_to};
use vestibule::domain::permission::Permission::Admin;

/// Whether anything is found in what this tells, for somebody who knows this.
fn found(known: &[&str], tell: impl FnOnce(&Arc<Told>)) -> bool {
    let told = Arc::new(Told::default());
    let listener = told.listen();
    let all = Targets::new().with_default(LevelFilter::TRACE);
    tracing::subscriber::with_default(subscriber(&told, all), || tell(&told));
    // It is known to have been a secret only afterwards.
    for known in known {
        told.remember(known.as_bytes());
    }
    !listener.faults().is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_found_wherever_they_are_told() {
    let t = Harness::embedded().await;
    let clients = t.clients();
    let created = clients.founded("ada@acme.com").await;
    let key = Key::new("ada", &[Admin]).text;
    let (token, jwt) = (created.session_token.as_str(), created.session_jwt.as_str());
    let signature = jwt.rsplit('.').next().unwrap();
    let id = created.organization.unwrap().organization_id;
    for (secret, known) in [
        // By their looks.
        ("ada@acme.com", ""),
        ("postgres://vestibule:secret@db/vestibule", ""),
        ("-----BEGIN PRIVATE KEY-----", ""),
        (token, ""),
        (jwt, ""),
        (&key, ""),
        // Because they are known, in parts too.
        (&token[..32], token),
        (&token[7..40], token),
        (signature, jwt),
        (key.split('.').nth(1).unwrap(), &key),
    ] {
        let found = |tell: &dyn Fn(&Arc<Told>)| found(&[known], tell);
        assert!(found(&|_| tracing::info!(secret, "a line")), "{secret}");
        assert!(found(&|_| tracing::debug!("a line of {secret}")), "{secret}");
        assert!(found(&|_| drop(tracing::debug_span!("db", statement = secret))), "{secret}");
        let late = |_: &_| {
            let span = tracing::info_span!("rpc", caller = tracing::field::Empty);
            span.record("caller", secret);
        };
        assert!(found(&late), "{secret}");
        assert!(found(&|told| told.hear(&metric(secret))), "{secret}");
        let span = |told: &_| {
            let tracer = traces_to(told).tracer("test");
            tracer.start("a span").set_attribute(KeyValue::new("caller", secret.to_owned()));
        };
        assert!(found(&span), "{secret}");
    }
    for harmless in ["an @ alone", "organization_create", "4bf92f3577b34da6a3ce929d0e0e4736", &id] {
        assert!(!found(&[&id, token, jwt], |_| tracing::info!(harmless, "a line")), "{harmless}");
    }
}

/// A metric with this label, as Prometheus reads it.
fn metric(label: &str) -> String {
    let registry = prometheus::Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().unwrap();
    let provider = opentelemetry_sdk::metrics::SdkMeterProvider::builder().with_reader(exporter).build();
    let counter = provider.meter("test").u64_counter("test").build();
    counter.add(1, &[KeyValue::new("label", label.to_owned())]);
    prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
}
