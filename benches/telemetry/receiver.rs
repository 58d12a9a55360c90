//! A receiver of OTLP that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use http::Request;
use prost::bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::server::{Grpc, UnaryService};
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic_prost::ProstCodec;

/// As much of an `ExportTraceServiceRequest` as it takes to count spans, whose bytes are left alone.
#[derive(Clone, PartialEq, prost::Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resource>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Resource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Scope {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    spans: Vec<Bytes>,
}

/// Every answer of OTLP may be empty.
#[derive(Clone, PartialEq, prost::Message)]
struct Taken {}

#[derive(Clone, Debug, Default)]
struct Count(Arc<AtomicU64>);

impl UnaryService<Export> for Count {
    type Response = Taken;
    type Future = std::future::Ready<Result<tonic::Response<Taken>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Export>) -> Self::Future {
        let scopes = request.get_ref().resources.iter().flat_map(|resource| &resource.scopes);
        let spans: usize = scopes.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(spans as u64, Ordering::Relaxed);
        std::future::ready(Ok(tonic::Response::new(Taken {})))
    }
}

/// Takes everything.
pub(crate) struct Receiver {
    spans: Count,
    port: u16,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let spans = Count::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut router = Router::new();
        // Only traces are counted: log records look alike.
        for (signal, count) in
            [("trace", spans.clone()), ("metrics", Count::default()), ("logs", Count::default())]
        {
            let service = signal[..1].to_uppercase() + &signal[1..] + "Service";
            let path = format!("/opentelemetry.proto.collector.{signal}.v1.{service}/Export");
            let export = move |request: Request<axum::body::Body>| {
                let count = count.clone();
                async move {
                    let codec = ProstCodec::<Taken, Export>::default();
                    Grpc::new(codec).unary(count, request.map(Body::new)).await.map(axum::body::Body::new)
                }
            };
            router = router.route(&path, post(export));
        }
        let server = tonic::transport::Server::builder().add_routes(Routes::from(router));
        let mut tasks = JoinSet::new();
        tasks.spawn(async { server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap() });
        Self { spans, port, _tasks: tasks }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn spans(&self) -> u64 {
        self.spans.0.load(Ordering::Relaxed)
    }

    /// Waits until nothing has come for longer than a batch waits to be full, which is 5 s.
    pub(crate) async fn settled(&self) {
        let mut quiet = 0;
        let mut before = self.spans();
        while quiet < 30 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = self.spans();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
    }
}
