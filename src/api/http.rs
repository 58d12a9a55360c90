//! What is served over HTTP: the JWKS, for verifiers that speak no gRPC; metrics, for Prometheus; and whether the
//! server is well, for probes that speak no gRPC either.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::Readiness;
use crate::api::render;
use crate::service::Service;
use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;
use crate::transport::incoming::Incoming;

/// How long a verifier may keep the keys: as long as a JWT lives.
const CACHE: &str = "public, max-age=300";

/// The format of metrics (Prometheus, text-based format).
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The most bytes of a request's head: what is asked for here takes a line.
const MAX_HEAD: usize = 16 * 1024;

/// What the pages are made of.
#[derive(Clone)]
pub(super) struct Pages {
    pub(super) service: Service,
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Arc<Readiness>,
    /// Held by whoever reads the metrics.
    pub(super) reading: Arc<Mutex<()>>,
}

/// Answers the requests of the connections until `shutdown` ends; then finishes those in flight.
/// `header_timeout`: how long the head of a request may take.
pub(super) async fn serve(
    mut incoming: Incoming,
    pages: Pages,
    header_timeout: Duration,
    shutdown: impl Future<Output = ()>,
) {
    let router = TowerToHyperService::new(router(pages));
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_HEAD)
        // Whoever asks here does so every few seconds or minutes: no connection is worth keeping.
        .keep_alive(false);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            connection = incoming.next() => {
                let connection = builder.serve_connection(TokioIo::new(connection), router.clone());
                connections.spawn(graceful.watch(connection.into_owned()));
            }
            Some(ended) = connections.join_next() => {
                if let Ok(Err(error)) = ended {
                    tracing::debug!(error = chain(&*error), "an HTTP connection failed");
                }
            }
            () = &mut shutdown => break,
        }
    }
    drop(incoming);
    graceful.shutdown().await;
}

fn router(pages: Pages) -> Router {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .with_state(pages)
}

/// One at a time, and not on the threads that calls are answered on: who asks without end keeps one core busy at
/// most.
async fn metrics(State(pages): State<Pages>) -> impl IntoResponse {
    let turn = Arc::clone(&pages.reading).lock_owned().await;
    let reading = tokio::task::spawn_blocking(move || {
        let text = pages.metrics.exposition();
        drop(turn);
        text
    });
    match reading.await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, EXPOSITION)], text).into_response(),
        Ok(Err(error)) => {
            tracing::error!(error = chain(&error), "the metrics can't be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn readiness(State(pages): State<Pages>) -> impl IntoResponse {
    let (ready, reasons) = pages.readiness.report();
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, reasons)
}

async fn jwks(State(pages): State<Pages>) -> impl IntoResponse {
    let keys: Vec<_> = pages.service.public_keys().iter().map(|key| jwk(&render::jwk(key))).collect();
    ([(CACHE_CONTROL, CACHE)], Json(json!({"keys": keys})))
}

/// The same key as JSON: without what an empty string stands for in the message, except the
/// certificate's members that strict RSA clients insist on.
fn jwk(key: &crate::pb::Jwk) -> Value {
    let crate::pb::Jwk { kty, r#use, key_ops, alg, kid, x5c, x5t_s256, n, e, crv, x, y } = key;
    let mut object = Map::new();
    object.insert("kty".into(), kty.as_str().into());
    object.insert("use".into(), r#use.as_str().into());
    object.insert("key_ops".into(), json!(key_ops));
    object.insert("alg".into(), alg.as_str().into());
    object.insert("kid".into(), kid.as_str().into());
    if kty == "RSA" {
        object.insert("x5c".into(), json!(x5c));
        object.insert("x5tS256".into(), x5t_s256.as_str().into());
    }
    for (name, value) in [("n", n), ("e", e), ("crv", crv), ("x", x), ("y", y)] {
        if !value.is_empty() {
            object.insert(name.into(), value.as_str().into());
        }
    }
    Value::Object(object)
}
