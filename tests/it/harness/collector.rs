//! An OpenTelemetry collector: a server of OTLP over gRPC that keeps what it gets, and fails as a test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, async_trait};

use super::certificates::Issued;
use super::chaos::ChaosProxy;
use super::told;

/// Names and values of attributes, as text.
pub(crate) type Attributes = BTreeMap<String, String>;

/// What the collector does with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes it.
    Take,
    /// It does not answer until its manner changes.
    Hold,
    /// It refuses it.
    Refuse(Code),
}

/// A collector behind a proxy, by which it can be silent or away. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    state: Arc<State>,
    /// Between whoever exports and the collector.
    pub(crate) proxy: ChaosProxy,
    scheme: &'static str,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    manner: watch::Sender<Manner>,
    /// The metadata without which it takes nothing.
    metadata: Vec<(&'static str, String)>,
    received: Mutex<Received>,
}

#[derive(Debug, Default)]
struct Received {
    /// How many exports came, of whatever kind, taken or not.
    exports: usize,
    spans: Vec<ReceivedSpan>,
    logs: Vec<ReceivedLog>,
    metrics: BTreeMap<(String, Attributes), f64>,
    /// All of it as it came, for searches.
    text: String,
}

/// A span.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedSpan {
    /// The ids in hexadecimal digits; the parent's is empty without one.
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) status: StatusCode,
    pub(crate) status_message: String,
    pub(crate) attributes: Attributes,
    pub(crate) events: usize,
    pub(crate) resource: Attributes,
}

/// A log record.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedLog {
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) body: String,
    pub(crate) severity: String,
    pub(crate) attributes: Attributes,
    pub(crate) resource: Attributes,
}

impl Collector {
    /// One in plain text that asks for nothing.
    pub(crate) async fn start() -> Self {
        Self::serve(None, Vec::new()).await
    }

    /// One with TLS that asks for this metadata.
    pub(crate) async fn guarded(issued: &Issued, metadata: Vec<(&'static str, String)>) -> Self {
        Self::serve(Some(issued), metadata).await
    }

    async fn serve(issued: Option<&Issued>, metadata: Vec<(&'static str, String)>) -> Self {
        let (manner, _) = watch::channel(Manner::Take);
        let state = Arc::new(State { manner, metadata, received: Mutex::default() });
        let mut server = Server::builder();
        if let Some(issued) = issued {
            let identity = Identity::from_pem(&issued.certificate, &issued.key);
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        }
        let taker = Taker(Arc::clone(&state));
        let server = server
            .add_service(TraceServiceServer::new(taker.clone()))
            .add_service(MetricsServiceServer::new(taker.clone()))
            .add_service(LogsServiceServer::new(taker));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap() });
        let scheme = if issued.is_some() { "https" } else { "http" };
        Self { state, proxy: ChaosProxy::start(address).await, scheme, _serving: serving }
    }

    /// Where it is.
    pub(crate) fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address())
    }

    fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Changes what it does.
    pub(crate) fn be(&self, manner: Manner) {
        self.state.manner.send_replace(manner);
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.state.received()
    }

    /// How many exports came, taken or not.
    pub(crate) fn exports(&self) -> usize {
        self.received().exports
    }

    /// The spans that it took.
    pub(crate) fn spans(&self) -> Vec<ReceivedSpan> {
        self.received().spans.clone()
    }

    /// Those of a trace.
    pub(crate) fn trace(&self, id: &str) -> Vec<ReceivedSpan> {
        self.spans().into_iter().filter(|span| span.trace == id).collect()
    }

    /// The log records that it took.
    pub(crate) fn logs(&self) -> Vec<ReceivedLog> {
        self.received().logs.clone()
    }

    /// The metrics, by name and attributes, as they were last told: of a histogram, how many measurements.
    pub(crate) fn metrics(&self) -> BTreeMap<(String, Attributes), f64> {
        self.received().metrics.clone()
    }

    /// Everything that it took, as text.
    pub(crate) fn text(&self) -> String {
        self.received().text.clone()
    }
}

impl State {
    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct Taker(Arc<State>);

impl Taker {
    /// Does as the collector is told, and keeps the request if it is to.
    async fn take<T: std::fmt::Debug>(
        &self,
        request: Request<T>,
        keep: impl FnOnce(&mut Received, T) + Send,
    ) -> Result<(), Status> {
        self.0.received().exports += 1;
        for (name, value) in &self.0.metadata {
            if request.metadata().get(*name).is_none_or(|given| given != value) {
                return Err(Status::unauthenticated("the metadata is missing"));
            }
        }
        let mut manner = self.0.manner.subscribe();
        let held = manner.wait_for(|manner| *manner != Manner::Hold).await.map(|manner| *manner);
        if let Ok(Manner::Refuse(code)) = held {
            return Err(Status::new(code, "the collector refuses"));
        }
        let text = format!("{:?}", request.get_ref());
        told::hear(&text);
        let mut received = self.0.received();
        received.text += &text;
        keep(&mut received, request.into_inner());
        Ok(())
    }
}

#[async_trait]
impl TraceService for Taker {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let keep = |received: &mut Received, request: ExportTraceServiceRequest| {
            for part in request.resource_spans {
                let resource = resource(part.resource);
                let spans = part.scope_spans.into_iter().flat_map(|scope| scope.spans);
                received.spans.extend(spans.map(|span| read_span(span, &resource)));
            }
        };
        self.take(request, keep).await?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[async_trait]
impl LogsService for Taker {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let keep = |received: &mut Received, request: ExportLogsServiceRequest| {
            for part in request.resource_logs {
                let resource = resource(part.resource);
                let logs = part.scope_logs.into_iter().flat_map(|scope| scope.log_records);
                received.logs.extend(logs.map(|log| read_log(log, &resource)));
            }
        };
        self.take(request, keep).await?;
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[async_trait]
impl MetricsService for Taker {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let keep = |received: &mut Received, request: ExportMetricsServiceRequest| {
            let parts = request.resource_metrics.into_iter().flat_map(|part| part.scope_metrics);
            for metric in parts.flat_map(|scope| scope.metrics) {
                received.metrics.extend(read_metric(metric));
            }
        };
        self.take(request, keep).await?;
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn read_span(span: Span, resource: &Attributes) -> ReceivedSpan {
    let (kind, status) = (span.kind(), span.status.clone().unwrap_or_default());
    ReceivedSpan {
        trace: hexadecimal(&span.trace_id),
        id: hexadecimal(&span.span_id),
        parent: hexadecimal(&span.parent_span_id),
        state: span.trace_state,
        name: span.name,
        kind,
        status: status.code(),
        status_message: status.message,
        attributes: attributes(span.attributes),
        events: span.events.len(),
        resource: resource.clone(),
    }
}

fn read_log(log: LogRecord, resource: &Attributes) -> ReceivedLog {
    ReceivedLog {
        trace: hexadecimal(&log.trace_id),
        span: hexadecimal(&log.span_id),
        body: log.body.map(text).unwrap_or_default(),
        severity: log.severity_text,
        attributes: attributes(log.attributes),
        resource: resource.clone(),
    }
}

fn read_metric(metric: Metric) -> Vec<((String, Attributes), f64)> {
    let name = metric.name;
    let number = |value: Option<Number>| match value {
        Some(Number::AsDouble(value)) => value,
        #[expect(clippy::cast_precision_loss, reason = "tests count less")]
        Some(Number::AsInt(value)) => value as f64,
        None => panic!("{name} has no value"),
    };
    let points: Vec<_> = match metric.data {
        Some(Data::Gauge(gauge)) => {
            gauge.data_points.into_iter().map(|point| (point.attributes, number(point.value))).collect()
        }
        Some(Data::Sum(sum)) => {
            sum.data_points.into_iter().map(|point| (point.attributes, number(point.value))).collect()
        }
        #[expect(clippy::cast_precision_loss, reason = "tests count less")]
        Some(Data::Histogram(histogram)) => {
            histogram.data_points.into_iter().map(|point| (point.attributes, point.count as f64)).collect()
        }
        other => panic!("{name} is none of the kinds that are used: {other:?}"),
    };
    points.into_iter().map(|(point, value)| ((name.clone(), attributes(point)), value)).collect()
}

fn resource(resource: Option<Resource>) -> Attributes {
    attributes(resource.unwrap_or_default().attributes)
}

fn attributes(given: Vec<KeyValue>) -> Attributes {
    given.into_iter().map(|given| (given.key, given.value.map(text).unwrap_or_default())).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        other => format!("{other:?}"),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
