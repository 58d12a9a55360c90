//! Repeated calls, on OrganizationService.CreateOrganization: a repeat gets the first answer again.

use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::raw::{CREATE, RawClient, frame};
use crate::harness::refusal::refused;
use crate::harness::supervised::Patience;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_repeat_gets_the_first_answer_again,
    a_key_belongs_to_one_request,
    a_key_belongs_to_one_method,
    a_malformed_key_is_refused,
    a_failed_call_does_not_use_up_its_key,
    twins_get_one_organization_and_one_answer,
    a_repeat_is_answered_when_the_organization_is_gone,
    a_key_is_forgotten_after_a_day,
    calls_that_do_not_write_ignore_the_key,
);

const REUSED: &str = "IDEMPOTENCY_KEY_REUSED";

/// Asserts how many organizations, events and records there are.
async fn written(t: &Harness, organizations: i64, records: i64) {
    let counts =
        (t.count("organizations").await, t.count("events").await, t.count("idempotency_records").await);
    assert_eq!(counts, (organizations, organizations, records));
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    let request = crate::organization_service::everything();
    let first = t.clients().create(with_key(request.clone(), "key")).await.unwrap().into_inner();
    t.clock.advance(Duration::from_hours(23));
    let again = t.clients().create(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_eq!(again.organization, first.organization);
    assert_ne!(again.request_id, first.request_id);
    written(&t, 1, 1).await;
    // Without the key, or with another, it is another call.
    let slug = "ORGANIZATION_SLUG_ALREADY_USED";
    refused(t.clients().create(request.clone()).await, Code::AlreadyExists, slug);
    refused(t.clients().create(with_key(request, "Key")).await, Code::AlreadyExists, slug);
    written(&t, 1, 1).await;
}

async fn a_key_belongs_to_one_request(t: Harness) {
    t.clients().create(with_key(organization("Acme"), "key")).await.unwrap();
    let other = pb::CreateOrganizationRequest { mfa_policy: Some(1), ..organization("Acme") };
    for other in [organization("acme"), other] {
        let refusal =
            refused(t.clients().create(with_key(other, "key")).await, Code::InvalidArgument, REUSED);
        assert_eq!(refusal.violations(), [("idempotency-key", REUSED)]);
    }
    written(&t, 1, 1).await;
}

async fn a_key_belongs_to_one_method(t: Harness) {
    let clients = t.clients();
    clients.create(with_key(organization("Acme"), "first")).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    refused(clients.spend(with_key(creation(&token), "first")).await, Code::InvalidArgument, REUSED);
    // The token is as good as before.
    clients.spend(with_key(creation(&token), "second")).await.unwrap();
    refused(clients.create(with_key(organization("Acme"), "second")).await, Code::InvalidArgument, REUSED);
    assert_eq!(t.count("organizations").await, 2);
}

async fn a_malformed_key_is_refused(t: Harness) {
    let reason = "INVALID_IDEMPOTENCY_KEY";
    let raw = RawClient::connect(t.grpc).await;
    let message = frame(&prost::Message::encode_to_vec(&organization("Acme")));
    let too_long = "k".repeat(256);
    for key in ["", "a b", " ", "a\tb", "schlüssel", too_long.as_str()] {
        let answer = raw.call(CREATE, &[("idempotency-key", key)], message.clone()).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("idempotency-key", reason)], "{key:?}");
    }
    let mut twice = with_key(organization("Acme"), "key");
    twice.metadata_mut().append("idempotency-key", "key".parse().unwrap());
    refused(t.clients().create(twice).await, Code::InvalidArgument, reason);
    written(&t, 0, 0).await;
    for key in ["!", "~".repeat(255).as_str()] {
        t.clients().create(with_key(organization("Acme"), key)).await.unwrap();
    }
    written(&t, 2, 2).await;
}

async fn a_failed_call_does_not_use_up_its_key(t: Harness) {
    let clients = t.clients();
    clients.create(organization("Taken")).await.unwrap();
    let slugged = |slug: &str| pb::CreateOrganizationRequest {
        organization_slug: Some(slug.to_owned()),
        ..organization("Acme")
    };
    clients.create(with_key(slugged("taken"), "key")).await.unwrap_err();
    clients.create(with_key(organization(""), "key")).await.unwrap_err();
    written(&t, 1, 0).await;
    let corrected = clients.create(with_key(slugged("free"), "key")).await.unwrap().into_inner();
    assert_eq!(corrected.organization.unwrap().organization_slug, "free");
    written(&t, 2, 1).await;
}

async fn twins_get_one_organization_and_one_answer(mut t: Harness) {
    let mut clients = vec![t.clients()];
    if t.on_servers() {
        clients.push(t.replica().await);
    }
    let mut twins = JoinSet::new();
    for number in 0..12 {
        let clients = clients[number % clients.len()].clone();
        twins.spawn(async move { clients.create(with_key(organization("Acme"), "key")).await });
    }
    let answers = twins.join_all().await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().into_inner()).collect();
    assert!(answers.iter().all(|answer| answer.organization == answers[0].organization), "{answers:?}");
    written(&t, 1, 1).await;
}

async fn a_repeat_is_answered_when_the_organization_is_gone(t: Harness) {
    let call = || with_key(organization("Acme"), "key");
    let first = t.clients().create(call()).await.unwrap().into_inner().organization;
    t.execute("DELETE FROM organizations").await;
    assert_eq!(t.clients().create(call()).await.unwrap().into_inner().organization, first);
    assert_eq!(t.count("organizations").await, 0);
}

async fn a_key_is_forgotten_after_a_day(mut t: Harness) {
    let create = async |t: &Harness, key: &str| {
        let answer = t.clients().create(with_key(organization("Acme"), key)).await.unwrap();
        answer.into_inner().organization.unwrap().organization_id
    };
    let old = create(&t, "old").await;
    t.clock.advance(Duration::from_secs(10));
    let fresh = create(&t, "fresh").await;
    // One is five seconds too old now, and the other five seconds short of it.
    t.clock.advance(Duration::from_secs(24 * 3_600 - 5));
    t.restart().await;
    let mut patience = Patience::new();
    while t.count("idempotency_records").await > 1 {
        patience.turn(|| "the old record to be swept").await;
    }
    assert_eq!(create(&t, "fresh").await, fresh);
    assert_ne!(create(&t, "old").await, old);
}

async fn calls_that_do_not_write_ignore_the_key(t: Harness) {
    let clients = t.clients();
    let acme = clients.create(with_key(organization("Acme"), "key")).await.unwrap().into_inner();
    let id = acme.organization.unwrap().organization_id;
    let request = with_key(pb::GetOrganizationRequest { organization_id: id }, "key");
    clients.organizations.clone().get_organization(request).await.unwrap();
    let vouch = || pb::CreateIntermediateSessionRequest {
        email_address: "ada@acme.com".to_owned(),
        factors: vec![crate::harness::fixtures::magic_link()],
    };
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let mut client = clients.intermediate_sessions.clone();
        let answer = client.create_intermediate_session(with_key(vouch(), "key")).await.unwrap();
        tokens.push(answer.into_inner().intermediate_session_token);
    }
    assert_ne!(tokens[0], tokens[1]);
    written(&t, 1, 1).await;
}

/// What a transaction of the test writes so that a creation of the slug `acme` runs into it.
fn slug_in_the_way() -> [String; 2] {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    [
        format!(
            "INSERT INTO organizations SELECT (jsonb_populate_record(organizations, \
             '{{\"id\": \"{id}\", \"slug\": \"blockade\"}}')).* FROM organizations LIMIT 1"
        ),
        format!("INSERT INTO organization_names (name, organization_id) VALUES ('acme', '{id}')"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_waits_for_the_first_call_and_replays_its_answer() {
    let t = Harness::postgres().await;
    t.clients().create(organization("Other")).await.unwrap();
    let blockade = t.block_by(&slug_in_the_way()).await;
    let mut twins = JoinSet::new();
    for waiting in 1..=2 {
        let clients = t.clients();
        twins.spawn(async move { clients.create(with_key(organization("Acme"), "key")).await });
        t.blocked(waiting).await;
    }
    blockade.lift().await;
    let answers = twins.join_all().await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().into_inner()).collect();
    assert_eq!(answers[0].organization, answers[1].organization);
    assert_ne!(answers[0].request_id, answers[1].request_id);
    written(&t, 2, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_does_not_wait_longer_than_the_lock_timeout() {
    let t = Harness::postgres().await;
    let record = "INSERT INTO idempotency_records (caller, key_hash, method, request_hash, answer, created_at) \
                  VALUES ('anonymous', sha256('key'), '', '', 'null', now())";
    let blockade = t.block_by(&[record.to_owned()]).await;
    let answer = t.clients().create(with_key(organization("Acme"), "key")).await;
    let refusal = refused(answer, Code::Aborted, "CONCURRENT_REQUEST");
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(1)));
    blockade.lift().await;
    written(&t, 0, 0).await;
    t.clients().create(with_key(organization("Acme"), "key")).await.unwrap();
    written(&t, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_takes_over_when_the_first_call_fails() {
    let t = Harness::postgres().await;
    let record = "INSERT INTO idempotency_records (caller, key_hash, method, request_hash, answer, created_at) \
                  VALUES ('anonymous', sha256('key'), '', '', 'null', now())";
    let blockade = t.block_by(&[record.to_owned()]).await;
    let clients = t.clients();
    let mut twin = JoinSet::new();
    twin.spawn(async move { clients.create(with_key(organization("Acme"), "key")).await });
    t.blocked(1).await;
    blockade.lift().await;
    twin.join_all().await.pop().unwrap().unwrap();
    written(&t, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_survives_its_server() {
    let mut t = Harness::postgres().await;
    let call = || with_key(organization("Acme"), "key");
    let first = t.clients().create(call()).await.unwrap().into_inner().organization;
    t.restart().await;
    assert_eq!(t.clients().create(call()).await.unwrap().into_inner().organization, first);
    let replica = t.replica().await;
    assert_eq!(replica.create(call()).await.unwrap().into_inner().organization, first);
}
