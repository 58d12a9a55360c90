//! W3C Trace Context: which trace a call belongs to, from its caller and on to others.
//!
//! Whoever can call can say which trace a call belongs to, and whether it is recorded, before anybody knows who
//! calls: that decides about traces, and about nothing else.

use http::{HeaderMap, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header with the ids of the trace and of the span, and whether the trace is recorded.
const TRACEPARENT: &str = "traceparent";

struct Received<'a>(&'a HeaderMap);

impl Extractor for Received<'_> {
    /// Without the `tracestate`: what it says is for others, is long, and would be in every span.
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key).filter(|_| key == TRACEPARENT)?;
        value.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

struct Sent<'a>(&'a mut HeaderMap);

impl Injector for Sent<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The other one is the `tracestate`, which is empty.
        if let (TRACEPARENT, Ok(value)) = (key, HeaderValue::from_str(&value)) {
            self.0.insert(TRACEPARENT, value);
        }
    }
}

/// Has the span, which nobody has entered yet, go on with the trace of the request's `traceparent`, and tells
/// the id of its trace. `None`: it belongs to none.
#[must_use]
pub fn join(span: &Span, headers: &HeaderMap) -> Option<TraceId> {
    let mut trace = TraceId::INVALID;
    if headers.contains_key(TRACEPARENT) {
        let remote = TraceContextPropagator::new().extract(&Received(headers));
        trace = remote.span().span_context().trace_id();
        if span.set_parent(remote).is_err() {
            // Nothing is traced here. The log lines tell all the same which trace they belong to.
            return Some(trace).filter(|trace| *trace != TraceId::INVALID);
        }
    }
    if trace == TraceId::INVALID {
        trace = span.context().span().span_context().trace_id();
    }
    Some(trace).filter(|trace| *trace != TraceId::INVALID)
}

/// Tells the receiver of a request which trace it belongs to.
pub fn pass_on(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut Sent(headers));
}
