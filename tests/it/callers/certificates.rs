//! Callers who are known by their client certificates.

use std::sync::Arc;

use serde_json::{Value, json};
use tonic::Code;
use vestibule::domain::permission::Permission;

use super::{knock, unknown};
use crate::harness::callers::Key;
use crate::harness::certificates::{Authority, Issued, connect_tls};
use crate::harness::clients::{Authorization, Clients};
use crate::harness::fixtures::organization;
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup};

const URI: &str = "spiffe://cluster.local/ns/edge/sa/sign-in";

/// The line of a caller with such a name in the certificate.
fn named(caller: &str, permission: &str, name: &Value) -> String {
    json!({"caller": caller, "permissions": [permission], "certificate": name}).to_string()
}

/// A server with TLS that asks for certificates of the authority, and that these may call.
async fn served(authority: &Authority, lines: &[&str]) -> Harness {
    let mut setup = Setup::embedded().callers(lines);
    let folder = setup.config.data_dir.clone();
    let server = authority.server();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let transport = &mut setup.config.transport;
    transport.tls_certificate_file = file("tls.crt", &server.certificate);
    transport.tls_key_file = file("tls.key", &server.key);
    transport.tls_client_ca_file = file("ca.crt", &authority.certificate);
    setup.tls = Some(authority.trusted_by(None));
    setup.start().await
}

/// A client that shows a certificate, and perhaps a key or a JWT.
async fn showing(
    t: &Harness,
    authority: &Authority,
    certificate: &Issued,
    credential: Option<&str>,
) -> Clients {
    let channel = connect_tls(t.grpc, Arc::clone(&authority.trusted_by(Some(certificate)))).await.unwrap();
    Clients::new(channel, credential.map_or_else(Authorization::default, Authorization::bearer))
}

#[tokio::test]
async fn a_name_in_the_certificate_says_who_calls_and_what_they_may() {
    let authority = Authority::new("ca");
    let lines = [
        named("sign-in", "read", &json!({"uri": URI})),
        named("billing", "write", &json!({"dns": "billing.shop.svc"})),
    ];
    let t = served(&authority, &lines.each_ref().map(String::as_str)).await;
    let by_uri = showing(&t, &authority, &authority.client(&[], &[URI]), None).await;
    knock(&by_uri).await.unwrap();
    let refusal =
        refused(by_uri.create(organization("Acme")).await, Code::PermissionDenied, "CALLER_NOT_PERMITTED");
    assert_eq!(refusal.metadata["permissions"], "write");
    let several = authority.client(&["other.example", "Billing.Shop.svc"], &["https://other.example/"]);
    showing(&t, &authority, &several, None).await.create(organization("Acme")).await.unwrap();
}

#[tokio::test]
async fn names_of_nobody_or_of_two_callers_say_nothing() {
    let authority = Authority::new("ca");
    let lines = [
        named("sign-in", "read", &json!({"uri": URI})),
        named("billing", "read", &json!({"dns": "billing.shop.svc"})),
    ];
    let t = served(&authority, &lines.each_ref().map(String::as_str)).await;
    for certificate in [
        authority.client(&["billing.shop.svc"], &[URI]),
        authority
            .client(&["shop.svc", "x.billing.shop.svc", "*.shop.svc"], &["spiffe://cluster.local/ns/edge"]),
        authority.client(&[], &[]),
    ] {
        unknown(showing(&t, &authority, &certificate, None).await.get("nothing").await);
    }
    unknown(t.clients().get("nothing").await);
}

/// What is in the metadata goes before the certificate, and a wrong one is not mended by it.
#[tokio::test]
async fn a_key_beside_the_certificate_decides() {
    let authority = Authority::new("ca");
    let key = Key::new("billing", &[Permission::Read]);
    let lines = [named("sign-in", "write", &json!({"uri": URI})), key.line.clone()];
    let t = served(&authority, &lines.each_ref().map(String::as_str)).await;
    let certificate = authority.client(&[], &[URI]);
    let reader = showing(&t, &authority, &certificate, Some(&key.text)).await;
    knock(&reader).await.unwrap();
    refused(reader.create(organization("Acme")).await, Code::PermissionDenied, "CALLER_NOT_PERMITTED");
    let wrong = Key::new("billing", &[Permission::Read]).text;
    unknown(showing(&t, &authority, &certificate, Some(&wrong)).await.create(organization("Acme")).await);
    showing(&t, &authority, &certificate, None).await.create(organization("Acme")).await.unwrap();
}

/// A line that is taken away counts for connections that exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_away_is_refused_on_the_same_connection() {
    let authority = Authority::new("ca");
    let name = named("sign-in", "read", &json!({"uri": URI}));
    let other = Key::new("billing", &[Permission::Read]);
    let t = served(&authority, &[&name, &other.line]).await;
    let clients = showing(&t, &authority, &authority.client(&[], &[URI]), None).await;
    knock(&clients).await.unwrap();
    t.write_callers(&[&other.line]);
    crate::faults::until("the name to be unknown", async || knock(&clients).await.is_err()).await;
    unknown(clients.get("nothing").await);
}
