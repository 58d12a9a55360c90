//! What is served over HTTP: the JWKS, for verifiers that speak no gRPC.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use crate::api::render;
use crate::service::Service;
use crate::telemetry::chain;
use crate::transport::incoming::Incoming;

/// How long a verifier may keep the keys: as long as a JWT lives.
const CACHE: &str = "public, max-age=300";

/// The most bytes of a request's head: what is asked for here takes a line.
const MAX_HEAD: usize = 16 * 1024;

/// Answers the requests of the connections until `shutdown` ends; then finishes those in flight.
/// `header_timeout`: how long the head of a request may take.
pub(super) async fn serve(
    mut incoming: Incoming,
    service: Service,
    header_timeout: Duration,
    shutdown: impl Future<Output = ()>,
) {
    let router = TowerToHyperService::new(router(service));
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_HEAD)
        // Verifiers ask every few minutes: no connection is worth keeping.
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

fn router(service: Service) -> Router {
    Router::new().route("/.well-known/jwks.json", get(jwks)).with_state(service)
}

async fn jwks(State(service): State<Service>) -> impl IntoResponse {
    let keys: Vec<_> = service.public_keys().iter().map(|key| jwk(&render::jwk(key))).collect();
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
