//! The outermost layer: every call gets an id, a deadline, a span and one log line; every failure
//! gets details.

use std::collections::HashSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::Api;
use super::request::{REQUEST_ID, RequestId};
use super::status;
use crate::clock::Clock;
use crate::domain::ids::{Environment, REQUEST_ID_PREFIX};
use crate::entropy::Entropy;
use crate::pb::FILE_DESCRIPTOR_SET;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::spans::CallSpan;

/// The longest id that a caller may give a call.
const MAX_REQUEST_ID: usize = 128;

/// How long before the caller's deadline the server gives up, so that its answer still arrives.
const DEADLINE_MARGIN: Duration = Duration::from_millis(5);

/// Where health checks are: they come by the second and say nothing when all is well.
const HEALTH: &str = "grpc.health.v1.Health/";

/// The methods that exist. Any other is a stranger's text and is told nowhere.
static METHODS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let sets = [FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET];
    let files = sets.iter().filter_map(|set| FileDescriptorSet::decode(*set).ok()).flat_map(|set| set.file);
    let mut methods = HashSet::new();
    for file in files {
        for service in &file.service {
            for method in &service.method {
                methods.insert(format!("{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    for version in ["v1", "v1alpha"] {
        methods.insert(format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"));
    }
    methods
});

/// What stands for any other method (OpenTelemetry, semantic conventions for RPC).
const OTHER: &str = "_OTHER";

/// Wraps every call.
#[derive(Clone, Debug)]
pub(super) struct ObserveLayer {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Arc<Metrics>,
    environment: Environment,
    cut: CancellationToken,
    max_call_duration: Duration,
    max_header_bytes: u32,
    max_message_bytes: u32,
}

impl ObserveLayer {
    pub(super) fn new(api: &Api) -> Self {
        Self {
            clock: Arc::clone(&api.clock),
            entropy: Arc::clone(&api.entropy),
            metrics: Arc::clone(&api.metrics),
            environment: api.environment,
            cut: api.cut.clone(),
            max_call_duration: api.max_call_duration,
            max_header_bytes: api.max_header_bytes,
            max_message_bytes: api.max_message_bytes,
        }
    }

    /// The caller's id for the call when it is well formed, else a new one.
    fn request_id(&self, headers: &HeaderMap) -> String {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| {
            (1..=MAX_REQUEST_ID).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        });
        given.map_or_else(
            || {
                format!(
                    "{REQUEST_ID_PREFIX}-{}-{}",
                    self.environment.as_str(),
                    self.entropy.uuid(self.clock.now())
                )
            },
            str::to_owned,
        )
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { layer: self.clone(), inner }
    }
}

/// The service of [`ObserveLayer`].
#[derive(Clone, Debug)]
pub(super) struct Observe<S> {
    layer: ObserveLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Observe<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let request_id = self.layer.request_id(request.headers());
        let known = request.uri().path().strip_prefix('/').and_then(|method| METHODS.get(method));
        let method = known.map_or(OTHER, String::as_str);
        let call_span = call_span(&self.layer.metrics, method, &request_id, request.headers());
        // Of the highest level, so that whatever is logged has it.
        let span = tracing::error_span!(
            "rpc",
            rpc.system.name = "grpc",
            rpc.method = method,
            trace_id = call_span.trace_id().map(tracing::field::display),
            request_id,
            caller = Empty,
        );
        let deadline = deadline(request.headers(), self.layer.max_call_duration);
        let clock = Arc::clone(&self.layer.clock);
        let started = clock.monotonic();
        request.extensions_mut().insert(RequestId(request_id.clone()));
        let max_message = self.layer.max_message_bytes;
        // A call that is too large, has expired, or is none, does no work at all.
        let call = if header_bytes(request.headers()) > self.layer.max_header_bytes {
            Err(status::metadata_too_large(self.layer.max_header_bytes))
        } else if deadline.is_zero() {
            Err(status::deadline_exceeded())
        } else if !is_grpc(request.headers()) {
            Err(status::route_not_found())
        } else {
            Ok(self.inner.call(request))
        };
        let metrics = Arc::clone(&self.layer.metrics);
        let ending =
            Ending { method, metrics, clock, started, span: call_span.clone(), code: Code::Cancelled };
        let cut = self.layer.cut.clone();
        let work = async move {
            // The whole of it moves in, so that it is dropped with the call.
            let mut ending = ending;
            let response = match call {
                Ok(call) => tokio::select! {
                    answered = tokio::time::timeout(deadline, call) => {
                        answered.unwrap_or_else(|_| Ok(status::deadline_exceeded().into_http()))?
                    }
                    () = cut.cancelled() => status::cut().into_http(),
                },
                Err(refusal) => refusal.into_http(),
            };
            let (code, response) = complete(response, &request_id, max_message);
            ending.code = code;
            Ok(response)
        };
        Box::pin(call_span.around(work.instrument(span)))
    }
}

/// The span of a call. Health checks have none.
fn call_span(metrics: &Metrics, method: &'static str, request_id: &str, headers: &HeaderMap) -> CallSpan {
    if method.starts_with(HEALTH) {
        return CallSpan::none();
    }
    CallSpan::begin(metrics, method, request_id, headers)
}

/// The size of the metadata, as HTTP/2 counts it (RFC 9113, 6.5.2).
fn header_bytes(headers: &HeaderMap) -> u32 {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Whether the content type is gRPC's, with messages as protobuf (gRPC over HTTP/2, requests).
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim_end();
    matches!(media_type, "application/grpc" | "application/grpc+proto")
}

/// The shorter of the caller's deadline and the server's. Streams are bounded until their first
/// message.
fn deadline(headers: &HeaderMap, longest: Duration) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(timeout);
    asked.map_or(longest, |asked| asked.saturating_sub(DEADLINE_MARGIN).min(longest))
}

/// Reads `grpc-timeout` (gRPC over HTTP/2: at most eight digits and a unit).
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Gives the answer its id, and a failure its details.
fn complete(mut response: Response<Body>, request_id: &str, max_message: u32) -> (Code, Response<Body>) {
    let mut code = Code::Ok;
    if let Some(failure) =
        Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok)
    {
        let failure = status::with_request_id(&status::normalized(failure, max_message), request_id);
        code = failure.code();
        response = failure.into_http();
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    (code, response)
}

/// What is told of a call when it is over, answered or given up by its caller: its one log line, its metrics,
/// and the rest of its span.
struct Ending {
    method: &'static str,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    started: Duration,
    span: CallSpan,
    code: Code,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _within = self.span.enter();
        let code = code_name(self.code);
        let duration = self.clock.monotonic().saturating_sub(self.started);
        let failed = is_fault(self.code);
        self.metrics.call_ended(self.method, code, failed, duration);
        self.span.end(code, failed);
        let duration_ms = duration.as_secs_f64() * 1_000.0;
        if self.method.starts_with(HEALTH) {
            tracing::debug!(method = self.method, code, duration_ms, "answered");
        } else {
            tracing::info!(code, duration_ms, "answered");
        }
    }
}

/// Whether a server's span counts as failed (OpenTelemetry, semantic conventions for gRPC): what is the caller's
/// doing does not.
fn is_fault(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}

/// As the gRPC specification writes it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests;
