//! What becomes of calls, and what is done in a database: a span for each of them, and for what is done in a database
//! a measurement.
//!
//! Spans are made with OpenTelemetry's own interface, and not of those that log lines have: at thousands of
//! calls a second, a bridge between the two takes twice as long as both.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _,
};
use opentelemetry::{Context, ContextGuard, KeyValue};
use opentelemetry_sdk::trace::Span;
use tracing::Instrument as _;

use super::metrics::Metrics;
use super::trace_context;

/// The span of a call, and the trace that the call belongs to even if nothing is traced here.
#[derive(Clone, Debug)]
pub struct CallSpan(Context);

impl CallSpan {
    /// Begins the span of a call of this method. It goes on with the trace of its `traceparent`, if it has one.
    #[must_use]
    pub fn begin(metrics: &Metrics, method: &'static str, request_id: &str, headers: &HeaderMap) -> Self {
        let parent = trace_context::received(headers);
        let Some(tracer) = metrics.tracer() else {
            return Self(parent);
        };
        let attributes = vec![
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method),
            KeyValue::new("request_id", request_id.to_owned()),
        ];
        let builder = SpanBuilder::from_name(method).with_kind(SpanKind::Server).with_attributes(attributes);
        Self(parent.with_span(tracer.build_with_context(builder, &parent)))
    }

    /// A call that belongs to no trace.
    #[must_use]
    pub fn none() -> Self {
        Self(Context::new())
    }

    /// The id of the trace, if the call belongs to one.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        Some(self.0.span().span_context().trace_id()).filter(|trace| *trace != TraceId::INVALID)
    }

    /// Does the work as part of the call: what is done in databases then has its spans below this one.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        work.with_context(self.0.clone())
    }

    /// Until the guard is dropped, what is logged on this thread belongs to the trace of the call: for what is told
    /// when the work of a call is given up.
    #[must_use]
    pub fn enter(&self) -> ContextGuard {
        self.0.clone().attach()
    }

    /// The call was answered with this code, or given up; `failed`: by the server's doing.
    pub fn end(&self, code: &'static str, failed: bool) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("rpc.response.status_code", code));
        if failed {
            span.set_attribute(KeyValue::new("error.type", code));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Tells the call that goes on who its caller is.
pub fn called_by(caller: &str) {
    tracing::Span::current().record("caller", caller);
    Context::map_current(|context| {
        let span = context.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new("caller", caller.to_owned()));
        }
    });
}

/// What goes on in a task of its own stays part of the call that began it.
pub fn continued<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    work.in_current_span().with_current_context()
}

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
    let span = span(metrics, operation);
    let mut measured = Measured { metrics, operation, span, started: now(), error_type: Some("cancelled") };
    // Boxed: what a driver does is a large future, which would be in every future around it several times over.
    let outcome = Box::pin(work).await;
    measured.error_type = outcome.as_ref().err().and_then(error_type);
    outcome
}

/// The span of an operation that is part of a call. What goes on in the background has none: it would be
/// thousands of traces that nobody looks for.
fn span(metrics: &Metrics, Operation { system, name, procedure, span }: Operation) -> Option<Span> {
    let tracer = metrics.tracer()?;
    Context::map_current(|call| {
        // Also when the call was answered, and goes on with what it has begun.
        if !call.span().span_context().is_sampled() {
            return None;
        }
        let mut attributes = Vec::with_capacity(4);
        attributes.push(KeyValue::new("db.system.name", system));
        attributes.push(KeyValue::new("db.operation.name", name));
        attributes.extend(procedure.map(|name| KeyValue::new("db.stored_procedure.name", name)));
        let builder = SpanBuilder::from_name(span).with_kind(SpanKind::Client).with_attributes(attributes);
        Some(tracer.build_with_context(builder, call))
    })
}

struct Measured<'a> {
    metrics: &'a Metrics,
    operation: Operation,
    span: Option<Span>,
    started: Instant,
    error_type: Option<&'static str>,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let duration = now().duration_since(self.started);
        self.metrics.operation_ended(self.operation, self.error_type, duration);
        let Some(span) = &mut self.span else {
            return;
        };
        if let Some(error_type) = self.error_type {
            span.set_attribute(KeyValue::new("error.type", error_type));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the time that really passes")]
fn now() -> Instant {
    Instant::now()
}
