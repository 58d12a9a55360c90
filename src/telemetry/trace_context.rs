//! W3C Trace Context: which trace a call belongs to, from its caller and on to others.
//!
//! Whoever can call can say which trace a call belongs to, and whether it is recorded, before anybody knows who
//! calls: that decides about traces, and about nothing else.

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;

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

/// The trace of the request, if it says so and says it well; else none.
pub(super) fn received(headers: &HeaderMap) -> Context {
    if headers.contains_key(TRACEPARENT) {
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Received(headers))
    } else {
        Context::new()
    }
}

/// Tells the receiver of a request which trace it belongs to.
pub fn pass_on(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject(&mut Sent(headers));
}
