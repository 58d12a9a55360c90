//! The life of signing keys, as verifiers see it: they hold on to what they have read for five minutes,
//! and never meet a key that is not in it.

mod algorithm;
mod rotation;

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use vestibule::pb;

use crate::faults::until;
use crate::harness::clients::Clients;
use crate::harness::fixtures::creation;
use crate::harness::replicas;

/// How long a verifier holds on to the keys, and how long a JWT lives.
const CACHED: Duration = Duration::from_mins(5);

/// How long a key is published before it signs, at least.
const LEAD: Duration = Duration::from_mins(15);

const SECOND: Duration = Duration::from_secs(1);

fn just_before(moment: Duration) -> Duration {
    moment.saturating_sub(SECOND)
}

/// What a server publishes.
pub(crate) async fn jwks(clients: &Clients) -> Vec<pb::Jwk> {
    clients.sessions.clone().get_jwks(pb::GetJwksRequest {}).await.unwrap().into_inner().keys
}

/// The ids of what a server publishes, that of the key that signs at the head.
pub(crate) async fn kids(clients: &Clients) -> Vec<String> {
    jwks(clients).await.into_iter().map(|key| key.kid).collect()
}

/// Waits until a server publishes so many keys, and tells their ids.
pub(crate) async fn published(clients: &Clients, number: usize) -> Vec<String> {
    publishing(clients, |kids| kids.len() == number).await
}

/// Waits until the ids of what a server publishes, or every replica that the clients use by turns, are as wanted.
pub(crate) async fn publishing(
    clients: &Clients,
    wanted: impl Fn(&[String]) -> bool + Send + Sync,
) -> Vec<String> {
    let mut in_a_row = 0;
    until("the keys that are wanted", async || {
        in_a_row = if wanted(&kids(clients).await) { in_a_row + 1 } else { 0 };
        in_a_row >= replicas::number()
    })
    .await;
    kids(clients).await
}

/// Logs somebody in whom no other call of the test logs in, and tells the JWT.
pub(crate) async fn jwt(clients: &Clients, name: &str) -> String {
    let token = clients.token(&format!("ada@{name}.example.com")).await;
    clients.spend(creation(&token)).await.unwrap().into_inner().session_jwt
}

/// The key that a JWT says it was signed with.
pub(crate) fn kid(jwt: &str) -> String {
    decode_header(jwt).unwrap().kid.unwrap()
}

/// Whether a verifier with these keys takes the JWT for one of the deployment. The time is the test's
/// and no matter of this.
pub(crate) fn verifies(keys: &[pb::Jwk], jwt: &str) -> bool {
    let Some(key) = keys.iter().find(|key| key.kid == kid(jwt)) else {
        return false;
    };
    let (algorithm, key) = match key.alg.as_str() {
        "ES256" => (Algorithm::ES256, DecodingKey::from_ec_components(&key.x, &key.y).unwrap()),
        "RS256" => (Algorithm::RS256, DecodingKey::from_rsa_components(&key.n, &key.e).unwrap()),
        other => panic!("{other}"),
    };
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    decode::<Value>(jwt, &key, &validation).is_ok()
}
