//! Service account tokens of Kubernetes: a workload calls with the token that is mounted into it, and its
//! cluster's keys are at a URL that wants a token as well.

use serde_json::{Value, json};
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::domain::permission::Permission::{Discover, Verify, Vouch};

use crate::harness::callers::{by_subject, issuer_line};
use crate::harness::fixtures::creation;
use crate::harness::issuer::{Pair, jwks};
use crate::harness::jwks_server::JwksServer;
use crate::harness::logins::by_token;
use crate::harness::program::Folder;
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup};

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

/// The claims of a projected token, as the API server writes them.
fn projected(t: &Harness, account: &str) -> Value {
    let now = t.clock.now().unix_timestamp();
    json!({
        "aud": ["vestibule"],
        "exp": now + 3_607,
        "iat": now,
        "iss": CLUSTER,
        "jti": "7c4d9f0e-53a5-4d3d-9f0b-0f2b4b7a7a61",
        "kubernetes.io": {
            "namespace": "login",
            "node": {"name": "node-1", "uid": "2d1f5e0c-95a0-4a0b-b9d5-8f7d1f0e8a11"},
            "pod": {"name": "authenticator-5d9c", "uid": "5e8f1c8b-17ab-4a5d-8f0e-6b5a9a1d2c33"},
            "serviceaccount": {"name": account, "uid": "9b1e7d52-4c0f-4a57-9e0b-1f2f3a4b5c66"},
            "warnafter": now + 3_000,
        },
        "nbf": now,
        "sub": format!("system:serviceaccount:login:{account}"),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_does_the_main_job() {
    let (folder, pair) = (Folder::new(), Pair::rs256("M2Ql0oJvHbPqv3wZ0Yw5bq"));
    let server = JwksServer::tls(jwks(&[&pair])).await;
    server.ask_for("token-of-vestibule");
    // Kubernetes ends the file without a newline, editors with one.
    let token = folder.file("token", "token-of-vestibule\n");
    let keys = json!({
        "jwks_url": server.url(),
        "ca_file": folder.file("ca.crt", server.certificate()),
        "bearer_token_file": token,
    });
    let caller = by_subject(
        "login/authenticator",
        &[Vouch, Discover, Verify],
        CLUSTER,
        "system:serviceaccount:login:authenticator",
    );
    let issuer = issuer_line(CLUSTER, "vestibule", &keys);
    let t = Setup::embedded().callers(&[&issuer, &caller]).start().await;
    let clients = t.clients_with(&pair.sign(&projected(&t, "authenticator")));
    let token = clients.token("ada@acme.com").await;
    let created = clients.spend(creation(&token)).await.unwrap().into_inner();
    clients.authenticate(by_token(&created.session_token)).await.unwrap();
    refused(clients.get("acme").await, Code::PermissionDenied, "CALLER_NOT_PERMITTED");
    for account in ["default", "authenticator2", ""] {
        let other = t.clients_with(&pair.sign(&projected(&t, account)));
        super::unknown(other.inspect(&token).await);
    }
    assert_eq!(server.asked(), 1);
}

/// A server that can't be trusted, or that does not trust.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_can_not_be_read_are_nobodys() {
    let (folder, pair) = (Folder::new(), Pair::es256("one"));
    let (server, other) = (JwksServer::tls(jwks(&[&pair])).await, JwksServer::tls(jwks(&[&pair])).await);
    server.ask_for("right");
    let right = folder.file("right", "right");
    let ca = folder.file("ca.crt", server.certificate());
    let caller = by_subject("ada", &[Verify], CLUSTER, "system:serviceaccount:login:ada");
    let url = server.url();
    for (reason, keys) in [
        ("no authority", json!({"jwks_url": url, "bearer_token_file": right})),
        (
            "another authority",
            json!({"jwks_url": url, "bearer_token_file": right,
            "ca_file": folder.file("other.crt", other.certificate())}),
        ),
        ("no certificate", json!({"jwks_url": url, "bearer_token_file": right, "ca_file": right})),
        ("no file", json!({"jwks_url": url, "bearer_token_file": right, "ca_file": "/nowhere"})),
        (
            "another name",
            json!({"jwks_url": url.replace("127.0.0.1", "localhost"),
            "bearer_token_file": right, "ca_file": ca}),
        ),
        ("no token", json!({"jwks_url": url, "ca_file": ca})),
        (
            "another token",
            json!({"jwks_url": url, "ca_file": ca, "bearer_token_file": folder.file("wrong", "wrong")}),
        ),
        (
            "no header",
            json!({"jwks_url": url, "ca_file": ca, "bearer_token_file": folder.file("bad", "a\nb")}),
        ),
        ("not there", json!({"jwks_url": format!("{url}/else"), "ca_file": ca, "bearer_token_file": right})),
    ] {
        let t =
            Setup::embedded().callers(&[&issuer_line(CLUSTER, "vestibule", &keys), &caller]).start().await;
        let clients = t.clients_with(&pair.sign(&projected(&t, "ada")));
        let answer = clients.authenticate(by_token("?")).await;
        let status = answer.as_ref().err().map(ToString::to_string);
        assert_eq!(answer.unwrap_err().code(), Code::Unavailable, "{reason}: {status:?}");
    }
}
