//! What becomes of calls, and what is done in a database: a span and a measurement for each operation.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::Status;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::metrics::Metrics;

/// The name of the spans of operations, whatever OpenTelemetry calls each.
pub(super) const DATABASE: &str = "db";

/// An operation, in the words of OpenTelemetry's conventions for databases.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Which database: `db.system.name`.
    pub system: &'static str,
    /// What is done: `db.operation.name`.
    pub name: &'static str,
    /// The script that is run: `db.stored_procedure.name`.
    pub procedure: Option<&'static str>,
    /// The name of its spans.
    pub span: &'static str,
}

/// Does the work of an operation. `error_type` says in a word how it failed; `None`: it did not, the database
/// did as it was told. Work that is given up counts as `cancelled`.
///
/// # Errors
/// Those of the work.
pub async fn observed<T, E>(
    metrics: &Arc<Metrics>,
    operation: Operation,
    error_type: impl Fn(&E) -> Option<&'static str>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = span(operation);
    let mut measured =
        Measured { metrics, operation, span: span.clone(), started: now(), error_type: Some("cancelled") };
    // Boxed: what a driver does is a large future, which would be in every future around it several times over.
    let outcome = Box::pin(work.instrument(span)).await;
    measured.error_type = outcome.as_ref().err().and_then(error_type);
    outcome
}

/// The span of an operation that is part of a call. What goes on in the background has none: it would be
/// thousands of traces that nobody looks for.
fn span(Operation { system, name, procedure, span }: Operation) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::debug_span!(
        DATABASE,
        otel.name = span,
        otel.kind = "client",
        db.system.name = system,
        db.operation.name = name,
        db.stored_procedure.name = procedure,
    )
}

/// Tells the span of a call how it ended. Log lines say it by themselves.
pub fn answered(span: &Span, code: &'static str, failed: bool) {
    span.set_attribute("rpc.response.status_code", code);
    if failed {
        fail(span, code);
    }
}

fn fail(span: &Span, error_type: &'static str) {
    span.set_attribute("error.type", error_type);
    span.set_status(Status::error(""));
}

struct Measured<'a> {
    metrics: &'a Metrics,
    operation: Operation,
    span: Span,
    started: Instant,
    error_type: Option<&'static str>,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let duration = now().duration_since(self.started);
        self.metrics.operation_ended(self.operation, self.error_type, duration);
        if let Some(error_type) = self.error_type {
            fail(&self.span, error_type);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the time that really passes")]
fn now() -> Instant {
    Instant::now()
}
