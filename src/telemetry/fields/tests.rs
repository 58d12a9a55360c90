use std::io;
use std::sync::{Arc, Mutex};

use tracing::field::Empty;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A line within a span that says more and more.
fn say() {
    let span = tracing::info_span!(
        "rpc",
        otel.name = "hidden",
        method = "Get",
        times = 2,
        ok = true,
        caller = Empty,
        otel.kind = Empty
    );
    let empty = tracing::info_span!("empty", otel.name = "hidden", caller = Empty);
    for span in [span, empty] {
        span.record("otel.kind", "hidden");
        span.record("caller", "ada");
        span.in_scope(|| tracing::info!("said"));
    }
}

#[test]
fn an_object_has_what_is_added_and_nothing_hidden() {
    let written = Written::default();
    let lines = fmt::layer().with_writer(written.clone()).json().flatten_event(true);
    let lines = lines.with_span_list(false).fmt_fields(ObjectFields::default());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), say);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let spans: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["span"].clone())
        .collect();
    assert_eq!(
        spans,
        [
            serde_json::json!({"name": "rpc", "method": "Get", "times": 2, "ok": true, "caller": "ada"}),
            serde_json::json!({"name": "empty", "caller": "ada"}),
        ]
    );
}

#[test]
fn a_line_for_people_has_nothing_hidden() {
    let written = Written::default();
    let lines = fmt::layer().with_writer(written.clone()).with_ansi(false).without_time();
    let lines = lines.fmt_fields(TextFields::default());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), say);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("hidden"), "{text}");
    assert!(text.contains(r#"rpc{method="Get" times=2 ok=true caller="ada"}"#), "{text}");
}
