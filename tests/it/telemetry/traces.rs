//! Traces: W3C context in and out, and a span for every call, transaction and script.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use tonic::{Code, Request};
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::domain::permission::Permission::Admin;
use vestibule::pb;

use super::{telling, traced};
use crate::faults::until;
use crate::harness::callers::{by_subject, issuer_line};
use crate::harness::clients::{Authorization, Clients};
use crate::harness::collector::{Collector, ReceivedSpan};
use crate::harness::connect;
use crate::harness::fixtures::{creation, magic_link, organization};
use crate::harness::issuer::{Pair, jwks};
use crate::harness::jwks_server::JwksServer;
use crate::harness::logins::exchange;
use crate::harness::program::{Folder, Program};
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup};

/// The example of W3C Trace Context, section 3.2.2.3.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

const VOUCH: &str = "vestibule.v1.IntermediateSessionService/CreateIntermediateSession";
const SPEND: &str = "vestibule.v1.DiscoveryService/CreateOrganization";
const UPDATE: &str = "vestibule.v1.OrganizationService/UpdateOrganization";
const EXCHANGE: &str = "vestibule.v1.DiscoveryService/ExchangeIntermediateSession";
const GET: &str = "vestibule.v1.OrganizationService/GetOrganization";

/// The spans of these calls, once all have come, with those below them.
async fn calls(collector: &Collector, trace: &str, names: &[&str]) -> Vec<ReceivedSpan> {
    let mut spans = Vec::new();
    until(format!("the spans of {names:?}"), async || {
        spans = collector.trace(trace);
        names.iter().all(|name| spans.iter().any(|span| span.name == *name))
    })
    .await;
    spans
}

/// The only span of this name.
#[track_caller]
fn named<'a>(spans: &'a [ReceivedSpan], name: &str) -> &'a ReceivedSpan {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}

/// The attributes of a span, without those whose values no test knows.
fn attributes(span: &ReceivedSpan) -> BTreeMap<&str, &str> {
    let known = |name: &str| name != "request_id";
    let all = span.attributes.iter().filter(|(name, _)| known(name));
    all.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn vouch(address: &str) -> pb::CreateIntermediateSessionRequest {
    pb::CreateIntermediateSessionRequest { email_address: address.to_owned(), factors: vec![magic_link()] }
}

async fn vouched(clients: &Clients, address: &str) -> String {
    let mut client = clients.intermediate_sessions.clone();
    let answer = client.create_intermediate_session(traced(vouch(address), SAMPLED)).await;
    answer.unwrap().into_inner().intermediate_session_token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_leads_from_the_client_to_transactions_and_scripts() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &[]).await;
    let clients = program.clients().await;
    let token = vouched(&clients, "ada@acme.com").await;
    let created = clients.spend(traced(creation(&token), SAMPLED)).await.unwrap().into_inner();
    let id = created.organization.unwrap().organization_id;
    let update = pb::UpdateOrganizationRequest {
        organization_id: id.clone(),
        organization_name: Some("Acme two".to_owned()),
        ..pb::UpdateOrganizationRequest::default()
    };
    clients.organizations.clone().update_organization(traced(update, SAMPLED)).await.unwrap();
    let again = vouched(&clients, "ada@acme.com").await;
    clients.exchange(traced(exchange(&again, &id), SAMPLED)).await.unwrap();

    let spans = calls(&collector, TRACE, &[SPEND, UPDATE, EXCHANGE]).await;
    let resource = &spans[0].resource;
    for (name, value) in [
        ("service.name", "vestibule"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("deployment.environment.name", "test"),
        ("k8s.pod.name", "pod-7"),
        ("team", "identity"),
    ] {
        assert_eq!(resource.get(name).map(String::as_str), Some(value), "{resource:#?}");
    }
    assert_eq!(resource["service.instance.id"].len(), 36, "{resource:#?}");
    assert!(spans.iter().all(|span| span.resource == *resource));

    for name in [SPEND, UPDATE, EXCHANGE] {
        let call = named(&spans, name);
        assert_eq!((call.parent.as_str(), call.kind), (CLIENT, SpanKind::Server), "{call:#?}");
        assert_eq!(call.status, StatusCode::Unset, "{call:#?}");
        let expected = BTreeMap::from([
            ("rpc.system.name", "grpc"),
            ("rpc.method", name),
            ("rpc.response.status_code", "OK"),
            ("caller", "anonymous"),
        ]);
        assert_eq!(attributes(call), expected);
        let below: Vec<_> = spans.iter().filter(|span| span.parent == call.id).collect();
        assert!(!below.is_empty(), "{name} in {spans:#?}");
        for span in below {
            assert_eq!((span.kind, span.status), (SpanKind::Client, StatusCode::Unset), "{span:#?}");
            assert_eq!(span.events, 0, "{span:#?}");
            let mut expected = BTreeMap::from([("db.system.name", "postgresql")]);
            expected.insert("db.operation.name", &span.name);
            if span.attributes["db.system.name"] == "redis" {
                let script = span.name.strip_prefix("EVALSHA ").unwrap();
                let script = [("db.operation.name", "EVALSHA"), ("db.stored_procedure.name", script)];
                expected = [("db.system.name", "redis")].into_iter().chain(script).collect();
            }
            assert_eq!(attributes(span), expected);
        }
    }
    for (call, operations) in [
        (SPEND, &["EVALSHA claim", "discovery_create_organization", "EVALSHA finish"][..]),
        (UPDATE, &["organization_update"]),
        (EXCHANGE, &["EVALSHA claim", "intermediate_session_exchange", "EVALSHA finish"]),
    ] {
        let call = named(&spans, call);
        let below: Vec<_> = spans.iter().filter(|span| span.parent == call.id).collect();
        for operation in operations {
            assert!(below.iter().any(|span| span.name == *operation), "{operation} in {below:#?}");
        }
    }
    // Nothing else: every span is a call of the client, or below one.
    let ids: Vec<_> = spans.iter().map(|span| &span.id).collect();
    for span in &spans {
        assert!(span.parent == CLIENT || ids.contains(&&span.parent), "{span:#?} in {spans:#?}");
    }
}

/// The line of the log, and the record that was sent, about the end of a call with this id.
async fn told(program: &Program, request_id: &str) -> serde_json::Value {
    let mut line = None;
    until(format!("the line of the call {request_id}"), async || {
        let mut lines = program.log().into_iter();
        line = lines.find(|line| line["message"] == "answered" && line["span"]["request_id"] == request_id);
        line.is_some()
    })
    .await;
    line.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_of_the_log_belong_to_the_trace() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &[]).await;
    let clients = program.clients().await;
    let created = clients.create(traced(organization("Acme"), SAMPLED)).await.unwrap().into_inner();
    let line = told(&program, &created.request_id).await;
    assert_eq!(line["span"]["trace_id"], TRACE, "{line:#}");
    let name = "vestibule.v1.OrganizationService/CreateOrganization";
    let spans = calls(&collector, TRACE, &[name]).await;
    let call = named(&spans, name);
    let mut records = Vec::new();
    until("the record of the call", async || {
        records = collector.logs();
        records.retain(|log| log.trace == TRACE && log.body == "answered");
        !records.is_empty()
    })
    .await;
    assert_eq!((records.len(), &records[0].span), (1, &call.id), "{records:#?}");
    assert_eq!((&*records[0].severity, &*records[0].attributes["code"]), ("INFO", "OK"), "{records:#?}");
    assert_eq!(records[0].resource["service.name"], "vestibule");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_a_trace_begins_one() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &[]).await;
    let clients = program.clients().await;
    let mut traces = Vec::new();
    let malformed = [
        "",
        "x",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ];
    for traceparent in [None].into_iter().chain(malformed.map(Some)) {
        let mut request = Request::new(organization("Acme"));
        if let Some(traceparent) = traceparent {
            request = traced(organization("Acme"), traceparent);
        }
        let id = clients.create(request).await.unwrap().into_inner().request_id;
        let line = told(&program, &id).await;
        let trace = line["span"]["trace_id"].as_str().unwrap_or_default().to_owned();
        assert!(trace.len() == 32 && trace != TRACE && !traces.contains(&trace), "{traceparent:?}: {line:#}");
        let name = "vestibule.v1.OrganizationService/CreateOrganization";
        let spans = calls(&collector, &trace, &[name]).await;
        assert_eq!(named(&spans, name).parent, "", "{traceparent:?}: {spans:#?}");
        traces.push(trace);
    }
}

/// Asserts that of two calls of this request only the second, whose trace is recorded, was told of.
async fn untold(collector: &Collector, program: &Program, clients: &Clients, first: Option<&str>) {
    let mut request = Request::new(organization("Acme"));
    if let Some(traceparent) = first {
        request = traced(organization("Acme"), traceparent);
    }
    let id = clients.create(request).await.unwrap().into_inner().request_id;
    let line = told(program, &id).await;
    if first.is_some() {
        assert_eq!(line["span"]["trace_id"], TRACE, "{line:#}");
    }
    let other = "11111111111111111111111111111111";
    let traceparent = format!("00-{other}-00f067aa0ba902b7-01");
    clients.create(traced(organization("Acme two"), &traceparent)).await.unwrap();
    let name = "vestibule.v1.OrganizationService/CreateOrganization";
    calls(collector, other, &[name]).await;
    let spans = collector.spans();
    assert!(spans.iter().all(|span| span.trace == other), "{spans:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_may_decide_that_nothing_is_recorded() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &[]).await;
    untold(&collector, &program, &program.clients().await, Some(NOT_SAMPLED)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ratio_decides_where_the_caller_has_not() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &["--trace-sample-ratio", "0"]).await;
    untold(&collector, &program, &program.clients().await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_of_a_trace_harms_nothing_and_goes_nowhere() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &[]).await;
    let clients = program.clients().await;
    let long = format!("a={}", "x".repeat(4_000));
    let states = ["vendor=opaque,other=1", "", "not well formed at all=,=", &long];
    for (number, state) in states.into_iter().enumerate() {
        let trace = format!("{:032x}", number + 1);
        let mut request = traced(organization("Acme"), &format!("00-{trace}-00f067aa0ba902b7-01"));
        request.metadata_mut().insert("tracestate", state.parse().unwrap());
        clients.create(request).await.unwrap();
        let name = "vestibule.v1.OrganizationService/CreateOrganization";
        let spans = calls(&collector, &trace, &[name]).await;
        let call = named(&spans, name);
        assert_eq!(call.parent, CLIENT);
        assert!(spans.iter().all(|span| span.state.is_empty()), "{spans:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_errors_and_mistakes_are_not() {
    let t = Setup::stage().await.start().await;
    let stage = t.stage.as_ref().unwrap();
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &[]).await;
    let clients = program.clients().await;
    let get = |name: &str, trace: u8| {
        let request = pb::GetOrganizationRequest { organization_id: name.to_owned() };
        let request = traced(request, &format!("00-{trace:032x}-00f067aa0ba902b7-01"));
        let mut client = clients.organizations.clone();
        async move { client.get_organization(request).await }
    };
    refused(get("nobody", 1).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    let spans = calls(&collector, &format!("{:032x}", 1), &[GET, "organization_find"]).await;
    for span in &spans {
        assert_eq!(span.status, StatusCode::Unset, "{span:#?}");
        assert!(!span.attributes.contains_key("error.type"), "{span:#?}");
    }
    assert_eq!(named(&spans, GET).attributes["rpc.response.status_code"], "NOT_FOUND");
    stage.postgres_proxy.refuse();
    refused(get("acme", 2).await, Code::Unavailable, "SERVER_UNAVAILABLE");
    let spans = calls(&collector, &format!("{:032x}", 2), &[GET, "organization_find"]).await;
    let call = named(&spans, GET);
    assert_eq!(call.attributes["rpc.response.status_code"], "UNAVAILABLE");
    assert_eq!((call.status, &*call.attributes["error.type"]), (StatusCode::Error, "UNAVAILABLE"));
    let below = named(&spans, "organization_find");
    // The connection broke, or there was none.
    let kinds = ["unavailable", "unknown_outcome"];
    assert!(kinds.contains(&&*below.attributes["error.type"]), "{below:#?}");
    assert_eq!(below.status, StatusCode::Error);
    for span in &spans {
        assert_eq!(span.status_message, "", "{span:#?}");
    }
    stage.postgres_proxy.pass();
    stage.redis_proxy.refuse();
    let traceparent = format!("00-{:032x}-00f067aa0ba902b7-01", 3);
    let mut client = clients.intermediate_sessions.clone();
    let answer = client.create_intermediate_session(traced(vouch("ada@acme.com"), &traceparent)).await;
    refused(answer, Code::Unavailable, "SERVER_UNAVAILABLE");
    let spans = calls(&collector, &format!("{:032x}", 3), &[VOUCH, "EVALSHA insert"]).await;
    let script = spans.iter().find(|span| span.name == "EVALSHA insert").unwrap();
    assert_eq!((script.status, &*script.attributes["error.type"]), (StatusCode::Error, "unavailable"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_given_up_ends_its_spans() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &[]).await;
    let clients = program.clients().await;
    let blockade = t.block_organizations().await;
    let mut given_up = JoinSet::new();
    given_up.spawn(async move { clients.create(traced(organization("Acme"), SAMPLED)).await });
    t.blocked(1).await;
    given_up.shutdown().await;
    let name = "vestibule.v1.OrganizationService/CreateOrganization";
    let spans = calls(&collector, TRACE, &[name, "organization_create"]).await;
    blockade.lift().await;
    let call = named(&spans, name);
    assert_eq!(call.attributes["rpc.response.status_code"], "CANCELLED");
    assert_eq!(call.status, StatusCode::Unset, "{call:#?}");
    let below = named(&spans, "organization_create");
    assert_eq!((&below.parent, &*below.attributes["error.type"]), (&call.id, "cancelled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_and_unknown_methods_tell_nothing_of_strangers() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &[]).await;
    let clients = program.clients().await;
    for _ in 0..10 {
        let request = tonic_health::pb::HealthCheckRequest::default();
        clients.health.clone().check(traced(request, SAMPLED)).await.unwrap();
    }
    let raw = crate::harness::raw::RawClient::connect(program.grpc).await;
    let unknown = raw.call("/a.strangers.text/Method", &[("traceparent", SAMPLED)], vec![0; 5]).await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
    clients.create(traced(organization("Acme"), SAMPLED)).await.unwrap();
    let name = "vestibule.v1.OrganizationService/CreateOrganization";
    let spans = calls(&collector, TRACE, &[name, "_OTHER"]).await;
    let roots: Vec<_> = spans.iter().filter(|span| span.parent == CLIENT).map(|span| &span.name).collect();
    assert_eq!(roots.len(), 2, "{roots:?}");
    assert_eq!(named(&spans, "_OTHER").attributes["rpc.response.status_code"], "UNIMPLEMENTED");
    assert!(!collector.text().contains("a.strangers.text"), "{}", collector.text());
}

/// The JWKS of an issuer is asked for by the first call that needs it, as part of its trace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_goes_on_to_an_issuer() {
    const ISSUER: &str = "https://id.acme.com";
    let (old, new) = (Pair::es256("old"), Pair::es256("new"));
    let server = JwksServer::plain(jwks(&[&old])).await;
    let issuer = issuer_line(ISSUER, "vestibule", &json!({"jwks_url": server.url()}));
    let caller = by_subject("billing", &[Admin], ISSUER, "billing-service");
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let file = folder.file("callers", &[caller, issuer].join("\n"));
    let collector = Collector::start().await;
    let program = telling(&t, &collector, &["--callers-file", &file]).await;
    let now = SystemClock::new().now().unix_timestamp();
    let claims =
        json!({"iss": ISSUER, "sub": "billing-service", "aud": "vestibule", "iat": now, "exp": now + 300});
    let channel = connect(program.grpc).await;
    let signed = |pair: &Pair| Clients::new(channel.clone(), Authorization::bearer(&pair.sign(&claims)));
    signed(&old).create(organization("Acme")).await.unwrap();
    server.publish(jwks(&[&new]));
    // The issuer is not asked again at once.
    let clients = signed(&new);
    let create = async || clients.create(traced(organization("Acme"), SAMPLED)).await.is_ok();
    until("the key to be known", create).await;
    let asked = server.traceparents();
    let joined: Vec<_> = asked.iter().filter(|traceparent| traceparent.contains(TRACE)).collect();
    assert_eq!(joined.len(), 1, "{asked:?}");
    let mut spans = Vec::new();
    until("the call that asked, and the one that was answered", async || {
        spans = collector.trace(TRACE);
        let asked = |span: &ReceivedSpan| *joined[0] == format!("00-{TRACE}-{}-01", span.id);
        spans.iter().any(asked)
            && spans
                .iter()
                .any(|span| span.attributes.get("rpc.response.status_code").is_some_and(|code| code == "OK"))
    })
    .await;
    assert!(spans.iter().any(|span| span.attributes.get("caller").is_some_and(|name| name == "billing")));
}
