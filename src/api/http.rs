//! What is served over HTTP: the JWKS, for verifiers that speak no gRPC.

use axum::Router;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::api::render;
use crate::service::Service;

/// How long a verifier may keep the keys: as long as a JWT lives.
const CACHE: &str = "public, max-age=300";

pub(super) fn router(service: Service) -> Router {
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
