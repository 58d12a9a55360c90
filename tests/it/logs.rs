//! What the real binary writes: one line for every call, the causes of its faults, and nothing that
//! is secret or about a person.

mod back_office;
mod callers;
mod logins;

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use secrecy::ExposeSecret as _;
use tonic::{Code, Request};
use vestibule::pb;

use crate::faults::until;
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::program::Program;
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, Setup};

/// The password that the database URL carries; the server asks for none.
const PASSWORD: &str = "hunter2-of-the-database";

/// Another process on the servers of the harness, that writes all it can.
async fn talkative(t: &Harness) -> Program {
    let mut database = url::Url::parse(t.config.database_url.as_ref().unwrap().expose_secret()).unwrap();
    database.set_password(Some(PASSWORD)).unwrap();
    let redis = t.config.redis_url.as_ref().unwrap().expose_secret();
    let data_dir = t.config.data_dir.display().to_string();
    let arguments = ["--database-url", database.as_str(), "--redis-url", redis, "--data-dir", &data_dir];
    Program::serve(&t.config.data_dir, &[&arguments[..], &["--log-filter", "trace"]].concat()).await
}

fn object(name: &str, value: &str) -> Struct {
    let value = Value { kind: Some(Kind::StringValue(value.to_owned())) };
    Struct { fields: [(name.to_owned(), value)].into() }
}

/// The lines that tell of a call's end.
fn answered(program: &Program) -> Vec<serde_json::Value> {
    program.log().into_iter().filter(|line| line["message"] == "answered").collect()
}

fn request_id<T>(request: &mut Request<T>, id: &str) {
    request.metadata_mut().insert("x-request-id", id.parse().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_and_nobody_is_logged() {
    let t = Harness::postgres().await;
    let mut program = talkative(&t).await;
    let clients = program.clients().await;
    let token = clients.token("ada.lovelace@secret-address.com").await;
    let full = pb::DiscoveryServiceCreateOrganizationRequest {
        organization_name: Some("the name of a secret company".to_owned()),
        session_custom_claims: Some(object("secret-claim-name", "secret-claim-value")),
        trusted_metadata: Some(object("secret-metadata-name", "secret-metadata-value")),
        telemetry_id: Some("secret-telemetry-id".to_owned()),
        ..creation(&token)
    };
    let created = clients.spend(with_key(full.clone(), "secret-idempotency-key")).await.unwrap().into_inner();
    clients.spend(with_key(full, "secret-idempotency-key")).await.unwrap();
    refused(clients.spend(creation(&token)).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    // Requests that are refused say what is wrong with them, to their callers alone.
    let bad = pb::CreateIntermediateSessionRequest {
        email_address: "secret-bad-address@@".to_owned(),
        factors: Vec::new(),
    };
    clients.intermediate_sessions.clone().create_intermediate_session(bad).await.unwrap_err();
    clients.inspect("secret-bad-token").await.unwrap_err();
    let twin = pb::CreateOrganizationRequest {
        organization_slug: created.organization.as_ref().map(|created| created.organization_slug.clone()),
        organization_external_id: Some("secret-external-id".to_owned()),
        ..organization("another secret company")
    };
    clients.create(twin).await.unwrap_err();
    let mut as_member = Request::new(organization("Acme"));
    as_member.metadata_mut().insert("x-stytch-member-session", "secret-member-session".parse().unwrap());
    as_member.metadata_mut().insert("authorization", "Bearer secret-authorization".parse().unwrap());
    request_id(&mut as_member, "not well formed: secret@request-id");
    clients.create(as_member).await.unwrap_err();
    clients.get("secret-organization-name").await.unwrap_err();

    let jwt = created.session_jwt;
    let mut secrets = vec![PASSWORD, &token, &created.session_token, &jwt];
    // Not in pieces either.
    secrets.extend(jwt.split('.'));
    secrets.extend(["lovelace", "secret"]);
    drop(clients);
    told_without(&mut program, &secrets).await;
}

/// Ends the server, and asserts that nothing of this is in what it has written.
async fn told_without(program: &mut Program, secrets: &[&str]) {
    program.signal("TERM").await;
    assert!(program.ended().await.success());
    let output = program.output().join("\n");
    assert!(output.contains("sqlx") && output.contains("\"TRACE\""), "all is told:\n{output}");
    for secret in secrets {
        let told: Vec<_> = output.lines().filter(|line| line.contains(secret)).take(3).collect();
        assert!(told.is_empty(), "{secret:?} is logged:\n{}", told.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_has_one_line() {
    let t = Harness::postgres().await;
    let program = talkative(&t).await;
    let clients = program.clients().await;
    let mut expected = Vec::new();
    let created = clients.create(organization("Acme")).await.unwrap().into_inner();
    expected.push((created.request_id, "vestibule.v1.OrganizationService/CreateOrganization", "OK"));
    let mut given = Request::new(organization("Acme two"));
    request_id(&mut given, "given-by.the:caller_1");
    clients.create(given).await.unwrap();
    let given = "given-by.the:caller_1".to_owned();
    expected.push((given, "vestibule.v1.OrganizationService/CreateOrganization", "OK"));
    let refusal = Refusal::of(&clients.get("nobody").await.unwrap_err());
    expected.push((refusal.request_id, "vestibule.v1.OrganizationService/GetOrganization", "NOT_FOUND"));
    let refusal = Refusal::of(&clients.spend(creation("short")).await.unwrap_err());
    let method = "vestibule.v1.DiscoveryService/CreateOrganization";
    expected.push((refusal.request_id, method, "INVALID_ARGUMENT"));
    let unknown = call_nothing(&program).await;
    expected.push((unknown.request_id, "_OTHER", "UNIMPLEMENTED"));
    // The line is written before the answer; that it is read here may take a moment longer.
    until("the lines", async || answered(&program).len() >= expected.len()).await;
    let lines = answered(&program);
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for ((id, method, code), line) in expected.iter().zip(&lines) {
        let span = &line["span"];
        assert_eq!(span["request_id"], id.as_str(), "{line:#}");
        assert_eq!(span["rpc.system.name"], "grpc", "{line:#}");
        assert_eq!(&span["rpc.method"], *method, "{line:#}");
        assert_eq!((&line["code"], &line["level"]), (&(*code).into(), &"INFO".into()), "{line:#}");
        let duration = line["duration_ms"].as_f64().unwrap();
        assert!((0.0..10_000.0).contains(&duration), "{line:#}");
    }
}

/// Calls a method that does not exist.
async fn call_nothing(program: &Program) -> Refusal {
    let channel = crate::harness::connect(program.grpc).await;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/nobody.Knows/This");
    let codec = tonic_prost::ProstCodec::<pb::GetJwksRequest, pb::GetJwksResponse>::default();
    let answer = client.unary(Request::new(pb::GetJwksRequest {}), path, codec).await;
    Refusal::of(&answer.unwrap_err())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_logged_once_with_their_cause() {
    let t = Setup::stage().await.start().await;
    let stage = t.stage.as_ref().unwrap();
    let program = talkative(&t).await;
    let clients = program.clients().await;
    let away = "something that the call needs is away";
    stage.postgres_proxy.refuse();
    let refusal = refused(clients.get("acme").await, Code::Unavailable, "SERVER_UNAVAILABLE");
    let lines = told(&program, &refusal, 2).await;
    assert_eq!(lines.len(), 2, "the fault and the answer: {lines:#?}");
    assert_eq!((&lines[0]["message"], &lines[0]["level"]), (&away.into(), &"WARN".into()));
    assert!(
        lines[0]["error"].as_str().unwrap().starts_with("the database is not available: "),
        "{:#}",
        lines[0]
    );
    stage.postgres_proxy.pass();

    stage.redis_proxy.refuse();
    let request = pb::CreateIntermediateSessionRequest {
        email_address: "ada@acme.com".to_owned(),
        factors: vec![crate::harness::fixtures::magic_link()],
    };
    let mut calling = clients.intermediate_sessions.clone();
    let refusal = Refusal::of(&calling.create_intermediate_session(request).await.unwrap_err());
    let lines = told(&program, &refusal, 3).await;
    assert_eq!(lines.len(), 3, "the limits, the fault and the answer: {lines:#?}");
    assert_eq!(lines[0]["message"], "Redis does not count rate limits: each replica does");
    let lines = &lines[1..];
    assert_eq!(lines[0]["message"], away);
    assert!(
        lines[0]["error"]
            .as_str()
            .unwrap()
            .starts_with("the keeper of intermediate sessions is not available: "),
        "{:#}",
        lines[0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warnings_name_their_call_when_nothing_else_is_logged() {
    let t = Setup::stage().await.start().await;
    let stage = t.stage.as_ref().unwrap();
    let database = t.config.database_url.as_ref().unwrap().expose_secret();
    let redis = t.config.redis_url.as_ref().unwrap().expose_secret();
    let data_dir = t.config.data_dir.display().to_string();
    // The line by which the harness knows the addresses has to be there.
    let filter = "warn,vestibule=info,vestibule::api=warn";
    let arguments = ["--database-url", database, "--redis-url", redis, "--data-dir", &data_dir];
    let program =
        Program::serve(&t.config.data_dir, &[&arguments[..], &["--log-filter", filter]].concat()).await;
    let clients = program.clients().await;
    stage.postgres_proxy.refuse();
    let refusal = refused(clients.get("acme").await, Code::Unavailable, "SERVER_UNAVAILABLE");
    let lines = told(&program, &refusal, 1).await;
    assert_eq!((lines.len(), &lines[0]["level"]), (1, &"WARN".into()), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_its_caller_gives_up_has_its_line() {
    let t = Harness::postgres().await;
    let program = talkative(&t).await;
    let clients = program.clients().await;
    let blockade = t.block_organizations().await;
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(async move {
        let mut request = Request::new(organization("Acme"));
        request_id(&mut request, "given-up");
        clients.create(request).await
    });
    t.blocked(1).await;
    calls.shutdown().await;
    let mut lines = Vec::new();
    until("the line of the call", async || {
        lines = answered(&program);
        lines.retain(|line| line["span"]["request_id"] == "given-up");
        !lines.is_empty()
    })
    .await;
    blockade.lift().await;
    assert_eq!((lines.len(), &lines[0]["code"]), (1, &"CANCELLED".into()), "{lines:#?}");
}

/// The service's own lines about a call, once there are so many.
async fn told(program: &Program, refusal: &Refusal, count: usize) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    until("the lines of a call", async || {
        lines = program.log();
        lines.retain(|line| {
            let own = line["target"].as_str().is_some_and(|target| target.starts_with("vestibule"));
            own && line["span"]["request_id"] == refusal.request_id.as_str()
        });
        lines.len() >= count
    })
    .await;
    lines
}
