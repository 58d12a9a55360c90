//! Metrics: each of them, where something happens that it tells of; and the same to a collector. Each replica tells
//! its own.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use vestibule::domain::permission::Permission::Admin;
use vestibule::pb::{self, MfaPolicy};

use super::telling;
use crate::faults::hold::{Hold, Moment, held};
use crate::faults::{Running, until};
use crate::harness::callers::{Key, issuer_line};
use crate::harness::collector::{Attributes, Collector};
use crate::harness::exposition::Exposition;
use crate::harness::fixtures::{creation, organization};
use crate::harness::issuer::{Pair, jwks};
use crate::harness::logins::exchange;
use crate::harness::program::Folder;
use crate::harness::raw::RawClient;
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup, connect, on_both_backends};

on_both_backends!(alone: counters_begin_at_zero, calls_and_tokens_are_counted, keys_grow_old,);

const CREATE: &str = "vestibule.v1.DiscoveryService/CreateOrganization";

/// How many calls of a method were answered with a code.
fn calls(metrics: &Exposition, method: &str, code: &str) -> f64 {
    let mut labels =
        vec![("rpc_method", method), ("rpc_response_status_code", code), ("rpc_system_name", "grpc")];
    // The server's doing, by OpenTelemetry's conventions.
    if ["DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNIMPLEMENTED"].contains(&code) {
        labels.push(("error_type", code));
    }
    metrics.get("rpc_server_call_duration_seconds_count", &labels).unwrap_or(0.0)
}

#[track_caller]
fn counts(metrics: &Exposition, name: &str, label: &str, expected: &[(&str, f64)]) {
    for (value, expected) in expected {
        let found = metrics.value(name, &[(label, value)]);
        assert!((found - expected).abs() < 0.5, "{name} {value}: {found}, not {expected}");
    }
}

/// A count, or seconds.
#[track_caller]
fn same(found: f64, expected: f64) {
    assert!((found - expected).abs() < 0.5, "{found}, not {expected}");
}

async fn counters_begin_at_zero(t: Harness) {
    let metrics = Exposition::of(t.http).await;
    for (name, label, values) in [
        ("vestibule_calls_shed_total", "reason", &["calls", "searches", "memory"][..]),
        ("vestibule_calls_limited_total", "limit", &["calls", "vouches", "failed_spends"]),
        (
            "vestibule_tokens_total",
            "transition",
            &["created", "claimed", "released", "failed", "bound", "spent", "unknown", "revoked"],
        ),
        ("vestibule_tokens_races_lost_total", "decided_by", &["claim", "receipt"]),
        (
            "vestibule_authentication_failures_total",
            "problem",
            &["missing", "malformed", "unknown_key", "unknown_issuer", "signature", "audience", "expired"],
        ),
    ] {
        let expected: Vec<_> = values.iter().map(|value| (*value, 0.0)).collect();
        counts(&metrics, name, label, &expected);
    }
    counts(&metrics, "vestibule_connections", "port", &[("grpc", 1.0), ("http", 1.0)]);
    assert!(metrics.value("vestibule_connections_max", &[("port", "grpc")]) > 1.0);
    assert!(metrics.value("vestibule_calls_max", &[]) > 1.0);
    assert!(metrics.value("vestibule_calls_active", &[]) < 0.5);
    assert!(metrics.value("vestibule_callers_file_valid", &[]) > 0.5);
    for pool in ["calls", "searches"] {
        let name = ("db_client_connection_pool_name", pool);
        assert!(metrics.value("db_client_connection_max", &[name]) > 0.5);
        for state in ["idle", "used"] {
            metrics.value("db_client_connection_count", &[name, ("db_client_connection_state", state)]);
        }
    }
    let told = metrics.of_name("target_info");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0["service_name"], "vestibule");
    assert_eq!(told[0].0["service_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told[0].0["deployment_environment_name"], "test");
    assert!(metrics.0.keys().all(|(_, labels)| labels.keys().all(|label| !label.starts_with("otel_scope"))));
}

async fn calls_and_tokens_are_counted(mut t: Harness) {
    let clients = t.clients();
    clients.founded("ada@acme.com").await;
    clients.revoke(&clients.token("ada@acme.com").await).await.unwrap();
    let wrong = clients.exchange(exchange(&clients.token("ada@acme.com").await, "nothing")).await;
    refused(wrong, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    let bound = pb::DiscoveryServiceCreateOrganizationRequest {
        mfa_policy: Some(MfaPolicy::RequiredForAll.into()),
        ..creation(&clients.token("grace@navy.example").await)
    };
    clients.spend(bound).await.unwrap();
    let raw = RawClient::connect(t.grpc).await;
    for path in ["/a.strangers/Text", "/vestibule.v1.DiscoveryService/Nothing", "/"] {
        raw.call(path, &[], vec![0; 5]).await.unwrap_err();
    }
    let metrics = Exposition::of(t.http).await;
    let transitions = [
        ("created", 4.0),
        ("claimed", 3.0),
        ("released", 0.0),
        ("failed", 1.0),
        ("bound", 1.0),
        ("spent", 1.0),
        ("revoked", 1.0),
    ];
    counts(&metrics, "vestibule_tokens_total", "transition", &transitions);
    let exchange = "vestibule.v1.DiscoveryService/ExchangeIntermediateSession";
    same(calls(&metrics, CREATE, "OK"), 2.0);
    same(calls(&metrics, exchange, "NOT_FOUND"), 1.0);
    same(calls(&metrics, "_OTHER", "UNIMPLEMENTED"), 3.0);
    assert!(metrics.0.keys().all(|(_, labels)| labels.values().all(|value| !value.contains("strangers"))));
    let (system, operations) = if t.on_servers() { ("postgresql", 3.0) } else { ("sqlite", 0.0) };
    let labels = [("db_operation_name", "discovery_create_organization"), ("db_system_name", system)];
    same(metrics.value("db_client_operation_duration_seconds_count", &labels), 2.0);
    if t.on_servers() {
        let script = [
            ("db_operation_name", "EVALSHA"),
            ("db_stored_procedure_name", "claim"),
            ("db_system_name", "redis"),
        ];
        same(metrics.value("db_client_operation_duration_seconds_count", &script), operations);
    }
    let names = ["le", "rpc_method", "rpc_response_status_code", "rpc_system_name"];
    let buckets = metrics.of_name("rpc_server_call_duration_seconds_bucket");
    for (labels, _) in &buckets {
        assert!(labels.keys().filter(|name| *name != "error_type").eq(names), "{labels:#?}");
    }
    // The outbox is looked at when the server starts.
    drop((clients, raw));
    t.restart().await;
    until("the position of the outbox", async || {
        Exposition::of(t.http)
            .await
            .get("vestibule_event_position", &[])
            .is_some_and(|position| position > 0.5)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_nobody_and_calls_that_come_too_often() {
    let key = Key::new("ada", &[Admin]);
    let setup = Setup::embedded().callers(&[&key.line]).with(|config| {
        config.limits.caller_rate = 40;
        config.limits.vouches_per_minute = 3;
    });
    let t = setup.start().await;
    for (credential, problem) in
        [("nothing-that-is-a-credential", "malformed"), (&*Key::new("ada", &[]).text, "unknown_key")]
    {
        let answer = t.clients_with(credential).get("x").await;
        assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated);
        let metrics = Exposition::of(t.http).await;
        counts(&metrics, "vestibule_authentication_failures_total", "problem", &[(problem, 1.0)]);
    }
    let missing = t.clients().get("x").await;
    assert_eq!(missing.unwrap_err().code(), Code::Unauthenticated);
    counts(
        &Exposition::of(t.http).await,
        "vestibule_authentication_failures_total",
        "problem",
        &[("missing", 1.0), ("malformed", 1.0), ("unknown_key", 1.0), ("expired", 0.0)],
    );
    let (clients, mut limited) = (t.clients_with(&key.text), 0.0);
    let request = pb::CreateIntermediateSessionRequest {
        email_address: "ada@acme.com".to_owned(),
        factors: vec![crate::harness::fixtures::magic_link()],
    };
    for _ in 0..5 {
        let answer = clients.intermediate_sessions.clone().create_intermediate_session(request.clone()).await;
        limited += f64::from(u8::from(answer.is_err()));
    }
    assert!(limited > 0.5);
    counts(&Exposition::of(t.http).await, "vestibule_calls_limited_total", "limit", &[("vouches", limited)]);
    let mut limited = 0.0;
    for _ in 0..100 {
        let code = clients.get("nobody").await.unwrap_err().code();
        limited += f64::from(u8::from(code == Code::ResourceExhausted));
    }
    assert!(limited > 0.5);
    counts(&Exposition::of(t.http).await, "vestibule_calls_limited_total", "limit", &[("calls", limited)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_fail_too_often() {
    let setup = Setup::postgres().await.alone();
    let t = setup.with(|config| config.limits.failed_spends_per_minute = 5).start().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let (mut failed, mut limited) = (0.0, 0.0);
    for _ in 0..20 {
        match clients.exchange(exchange(&token, "nothing")).await.unwrap_err().code() {
            Code::NotFound => failed += 1.0,
            code => {
                assert_eq!(code, Code::ResourceExhausted);
                limited += 1.0;
            }
        }
    }
    assert!(failed > 0.5 && limited > 0.5);
    let metrics = Exposition::of(t.http).await;
    counts(&metrics, "vestibule_calls_limited_total", "limit", &[("failed_spends", limited)]);
    counts(&metrics, "vestibule_tokens_total", "transition", &[("failed", failed), ("claimed", failed)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_that_are_lost() {
    let t = Setup::postgres().await.alone().start().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let copy = t.copy_entry(&token).await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let (calling, request) = (clients.clone(), creation(&token));
    let first = Running::call(async move { calling.spend(request).await });
    held(&t).await;
    for _ in 0..3 {
        clients.spend(creation(&token)).await.unwrap_err();
    }
    hold.release().await;
    first.answer().await.unwrap();
    let name = "vestibule_tokens_races_lost_total";
    counts(&Exposition::of(t.http).await, name, "decided_by", &[("claim", 3.0), ("receipt", 0.0)]);
    // As after a failover of Redis to a replica that was behind.
    t.restore_entry(&token, &copy).await;
    refused(clients.spend(creation(&token)).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    let metrics = Exposition::of(t.http).await;
    counts(&metrics, name, "decided_by", &[("claim", 3.0), ("receipt", 1.0)]);
    counts(&metrics, "vestibule_tokens_total", "transition", &[("claimed", 2.0), ("spent", 1.0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_sent_away() {
    let t = Setup::postgres().await.alone().with(|config| config.max_calls_in_flight = 2).start().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let (calling, request) = (clients.clone(), creation(&token));
    let first = Running::call(async move { calling.spend(request).await });
    held(&t).await;
    for _ in 0..5 {
        assert_eq!(clients.create(organization("Acme")).await.unwrap_err().code(), Code::Unavailable);
    }
    let metrics = Exposition::of(t.http).await;
    counts(&metrics, "vestibule_calls_shed_total", "reason", &[("calls", 5.0), ("searches", 0.0)]);
    same(metrics.value("vestibule_calls_active", &[]), 1.0);
    same(metrics.value("vestibule_calls_max", &[]), 2.0);
    let used = [("db_client_connection_pool_name", "calls"), ("db_client_connection_state", "used")];
    assert!(metrics.value("db_client_connection_count", &used) > 0.5);
    hold.release().await;
    first.answer().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_given_back_and_pools_without_connections() {
    let t = Setup::stage().await.with(|config| config.database_max_connections = 2).start().await;
    let (clients, stage) = (t.clients(), t.stage.as_ref().unwrap());
    let token = clients.token("ada@acme.com").await;
    stage.postgres_proxy.refuse();
    until("a token to be given back", async || {
        clients.spend(creation(&token)).await.unwrap_err();
        let metrics = Exposition::of(t.http).await;
        metrics.value("vestibule_tokens_total", &[("transition", "released")]) > 0.5
    })
    .await;
    let failed = Exposition::of(t.http).await;
    let failed = failed.of_name("db_client_operation_duration_seconds_count");
    let errors: Vec<_> = failed.iter().filter_map(|(labels, _)| labels.get("error_type")).collect();
    assert!(errors.iter().any(|error| *error == "unavailable"), "{errors:?}");
    stage.postgres_proxy.stall();
    until("no connection to be free in time", async || {
        clients.get("nobody").await.unwrap_err();
        let metrics = Exposition::of(t.http).await;
        let pool = [("db_client_connection_pool_name", "calls")];
        metrics.get("db_client_connection_timeouts_total", &pool).is_some_and(|count| count > 0.5)
    })
    .await;
    stage.postgres_proxy.pass();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_limit() {
    let t = Setup::embedded().with(|config| config.transport.max_connections = 2).start().await;
    let clients = t.clients();
    clients.get("nobody").await.unwrap_err();
    let (mut strangers, preface) = (Vec::new(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    for _ in 0..3 {
        let mut stream = TcpStream::connect(t.grpc).await.unwrap();
        stream.write_all(preface).await.unwrap();
        strangers.push(stream);
    }
    let told = async |name: &str| {
        let metrics = Exposition::of(t.http).await;
        metrics.get(name, &[("port", "grpc")]).unwrap_or(0.0)
    };
    until("strangers to give way", async || told("vestibule_connections_evicted_total").await > 1.5).await;
    // Whoever calls stays: then there is no place for another.
    let mut second = organizations(&t).await;
    let request = pb::GetOrganizationRequest { organization_id: "nobody".to_owned() };
    second.get_organization(request).await.unwrap_err();
    until("a stranger to be refused", async || {
        drop(TcpStream::connect(t.grpc).await);
        told("vestibule_connections_refused_total").await > 0.5
    })
    .await;
    same(told("vestibule_connections").await, 2.0);
    clients.health.clone().check(HealthCheckRequest::default()).await.unwrap();
}

async fn organizations(
    t: &Harness,
) -> pb::organization_service_client::OrganizationServiceClient<tonic::transport::Channel> {
    pb::organization_service_client::OrganizationServiceClient::new(connect(t.grpc).await)
}

async fn keys_grow_old(t: Harness) {
    let names = ["vestibule_signing_key_age_seconds", "vestibule_signing_key_remaining_seconds"];
    let before = Exposition::of(t.http).await;
    t.clock.advance(Duration::from_secs(100));
    let after = Exposition::of(t.http).await;
    for (name, change) in names.into_iter().zip([100.0, -100.0]) {
        same(after.value(name, &[]) - before.value(name, &[]), change);
    }
    assert!(before.value(names[1], &[]) > 0.0);
    let age = after.value("vestibule_signing_keys_read_age_seconds", &[]);
    assert!((0.0..=101.0).contains(&age), "{age}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_file_that_is_broken_and_keys_of_issuers() {
    let (folder, pair) = (Folder::new(), Pair::es256("one"));
    let keys = serde_json::json!({"jwks_file": folder.file("jwks", &jwks(&[&pair]))});
    let issuer = issuer_line("https://id.acme.com", "vestibule", &keys);
    let key = Key::new("ada", &[Admin]);
    let t = Setup::embedded().callers(&[&key.line, &issuer]).start().await;
    let metrics = Exposition::of(t.http).await;
    let age = metrics.value("vestibule_issuer_keys_age_seconds", &[("issuer", "https://id.acme.com")]);
    assert!((0.0..1.0).contains(&age), "the clock stands still: {age}");
    let told = async || Exposition::of(t.http).await.value("vestibule_callers_file_valid", &[]) > 0.5;
    assert!(told().await);
    t.write_callers(&["nothing that is a line"]);
    until("the file to be called broken", async || !told().await).await;
    t.write_callers(&[&key.line]);
    until("the file to be called good", told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_told_the_same() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &[]).await;
    let clients = program.clients().await;
    clients.founded("ada@acme.com").await;
    clients.get("nobody").await.unwrap_err();
    let method = |name: &str| ("rpc.method".to_owned(), name.to_owned());
    until("the last call to be told", async || {
        let get = method("vestibule.v1.OrganizationService/GetOrganization");
        collector.metrics().keys().any(|(_, labels)| labels.get(&get.0) == Some(&get.1))
    })
    .await;
    let served = Exposition::of(program.http).await;
    let mut compared = 0;
    for ((name, labels), value) in collector.metrics() {
        let labels: Attributes =
            labels.into_iter().map(|(name, value)| (name.replace('.', "_"), value)).collect();
        let name = name.replace('.', "_");
        let names =
            [format!("{name}_total"), format!("{name}_seconds_count"), format!("{name}_seconds"), name];
        let found = names.iter().find_map(|name| served.0.get(&(name.clone(), labels.clone())));
        let found = *found.unwrap_or_else(|| panic!("{names:?} {labels:?} is not served"));
        // What changes meanwhile: connections, ages, and what goes on in the background.
        if names[3].starts_with("vestibule_tokens")
            || names[3].starts_with("rpc_")
            || names[0].contains("_calls_")
        {
            assert!((found - value).abs() < 0.5, "{names:?} {labels:?}: {found}, {value}");
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared}");
}
