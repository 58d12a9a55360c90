//! A repeat with the same idempotency key gets the first answer again; any other call gets nothing.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tonic::Code;
use vestibule::pb;

use crate::harness::fixtures::{creation, factor, organization, with_key};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_repeat_gets_the_first_answer_with_a_fresh_jwt,
    a_repeat_of_an_unfinished_login_gets_the_token_again,
    a_repeat_works_for_ten_minutes,
    a_key_is_bound_to_its_request,
    another_key_gets_nothing,
    a_repeat_names_what_is_gone,
    a_repeat_survives_a_restart,
);

type Response = pb::DiscoveryServiceCreateOrganizationResponse;

fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// How many rows there are of everything that a call writes.
async fn written(t: &Harness) -> [i64; 6] {
    [
        t.count("organizations").await,
        t.count("members").await,
        t.count("sessions").await,
        t.count("intermediate_session_receipts").await,
        t.count("idempotency_records").await,
        t.count("events").await,
    ]
}

/// The answer without what differs in a repeat.
fn lasting(response: Response) -> Response {
    Response { request_id: String::new(), session_jwt: String::new(), ..response }
}

async fn a_repeat_gets_the_first_answer_with_a_fresh_jwt(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let request = || {
        let named = pb::DiscoveryServiceCreateOrganizationRequest {
            organization_slug: Some("Acme".to_owned()),
            session_duration_minutes: Some(30),
            session_custom_claims: Some(crate::harness::values::object(&serde_json::json!({"a": [1]}))),
            ..creation(&token)
        };
        with_key(named, "key")
    };
    let first = clients.spend(request()).await.unwrap().into_inner();
    assert!(first.member_authenticated);
    let wrote = written(&t).await;
    assert_eq!(wrote, [1, 1, 1, 1, 1, 3]);
    let mut ids = vec![first.request_id.clone()];
    for minute in 1..=3 {
        t.clock.advance(Duration::from_mins(1));
        let again = clients.spend(request()).await.unwrap().into_inner();
        assert!(!ids.contains(&again.request_id), "{ids:?} has {}", again.request_id);
        ids.push(again.request_id.clone());
        let (old, mut new) = (claims(&first.session_jwt), claims(&again.session_jwt));
        for name in ["iat", "nbf", "exp"] {
            let moved = old[name].as_i64().unwrap() + minute * 60;
            assert_eq!(new[name].as_i64(), Some(moved), "{name}");
            new[name] = old[name].clone();
        }
        assert_eq!(new, old);
        assert_eq!(lasting(again), lasting(first.clone()));
    }
    assert_eq!(written(&t).await, wrote);
}

async fn a_repeat_of_an_unfinished_login_gets_the_token_again(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![factor("password", "knowledge")]).await;
    let mut request = creation(&token);
    request.set_mfa_policy(pb::MfaPolicy::RequiredForAll);
    let first = clients.spend(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_eq!(first.intermediate_session_token, token);
    assert!(first.mfa_required.is_some() && first.primary_required.is_some(), "{first:?}");
    let wrote = written(&t).await;
    assert_eq!(wrote, [1, 1, 0, 1, 1, 2]);
    t.clock.advance(Duration::from_mins(9));
    let again = clients.spend(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_eq!(lasting(again), lasting(first));
    // Without the key, or with another, it is an attempt to create a second organization.
    for repeat in [tonic::Request::new(request.clone()), with_key(request, "other")] {
        refused(
            clients.spend(repeat).await,
            Code::FailedPrecondition,
            "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION",
        );
    }
    assert_eq!(written(&t).await, wrote);
}

async fn a_repeat_works_for_ten_minutes(t: Harness) {
    let clients = t.clients();
    let finished = clients.token("ada@acme.com").await;
    let unfinished = clients.token_with("ada@acme.com", vec![factor("password", "knowledge")]).await;
    for (token, key) in [(&finished, "finished"), (&unfinished, "unfinished")] {
        assert!(clients.spend(with_key(creation(token), key)).await.is_ok());
    }
    // By Redis' clock, which began before the test's, the token ends a little earlier.
    t.clock.advance(Duration::from_secs(590));
    for (token, key) in [(&finished, "finished"), (&unfinished, "unfinished")] {
        assert!(clients.spend(with_key(creation(token), key)).await.is_ok(), "{key}");
    }
    t.clock.advance(Duration::from_mins(1));
    for (token, key) in [(&finished, "finished"), (&unfinished, "unfinished")] {
        let answer = clients.spend(with_key(creation(token), key)).await;
        refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    }
}

async fn a_key_is_bound_to_its_request(t: Harness) {
    let clients = t.clients();
    let (token, other) = (clients.token("ada@acme.com").await, clients.token("ada@acme.com").await);
    let before = clients.inspect(&other).await.unwrap().into_inner().intermediate_session;
    let first = clients.spend(with_key(creation(&token), "key")).await.unwrap().into_inner();
    let renamed = pb::DiscoveryServiceCreateOrganizationRequest {
        organization_name: Some("Acme".to_owned()),
        ..creation(&token)
    };
    for request in [creation(&other), renamed] {
        let answer = clients.spend(with_key(request, "key")).await;
        let refusal = refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(refusal.violations(), [("idempotency-key", "IDEMPOTENCY_KEY_REUSED")]);
    }
    // Nor is it the key of another method.
    let answer = clients.create(with_key(organization("Acme"), "key")).await;
    refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(clients.inspect(&other).await.unwrap().into_inner().intermediate_session, before);
    let second = clients.spend(with_key(creation(&other), "other")).await.unwrap().into_inner();
    assert_ne!(second.member_id, first.member_id);
    assert_ne!(second.session_token, first.session_token);
}

async fn another_key_gets_nothing(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let first = clients.spend(with_key(creation(&token), "key")).await.unwrap().into_inner();
    for request in [with_key(creation(&token), "other"), tonic::Request::new(creation(&token))] {
        refused(clients.spend(request).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    }
    let again = clients.spend(with_key(creation(&token), "key")).await.unwrap().into_inner();
    assert_eq!(lasting(again), lasting(first));
    assert_eq!(written(&t).await, [1, 1, 1, 1, 1, 3]);
}

async fn a_repeat_names_what_is_gone(t: Harness) {
    let clients = t.clients();
    let cases = [
        (&["DELETE FROM sessions"][..], 0, "SESSION_NOT_FOUND"),
        // The session's five minutes are over, the token's ten are not.
        (&[], 6, "SESSION_NOT_FOUND"),
        (&["UPDATE members SET status = 'deleted'"], 0, "MEMBER_NOT_FOUND"),
        (&["DELETE FROM members"], 0, "MEMBER_NOT_FOUND"),
        (&["DELETE FROM organizations"], 0, "ORGANIZATION_NOT_FOUND"),
    ];
    for (index, (statements, minutes, reason)) in cases.into_iter().enumerate() {
        let token = clients.token("ada@acme.com").await;
        let request = || {
            let short = pb::DiscoveryServiceCreateOrganizationRequest {
                session_duration_minutes: Some(5),
                ..creation(&token)
            };
            with_key(short, &format!("key-{index}"))
        };
        assert!(clients.spend(request()).await.is_ok());
        for statement in statements {
            t.execute(statement).await;
        }
        t.clock.advance(Duration::from_mins(minutes));
        let events = t.count("events").await;
        refused(clients.spend(request()).await, Code::NotFound, reason);
        assert_eq!(t.count("events").await, events, "{reason}");
    }
}

async fn a_repeat_survives_a_restart(mut t: Harness) {
    let token = t.clients().token("ada@acme.com").await;
    let first = t.clients().spend(with_key(creation(&token), "key")).await.unwrap().into_inner();
    t.restart().await;
    let again = t.clients().spend(with_key(creation(&token), "key")).await.unwrap().into_inner();
    assert_eq!(lasting(again), lasting(first));
    let answer = t.clients().spend(creation(&token)).await;
    refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
}

/// The entry comes back from a copy, as after a failover, and meanwhile somebody has claimed the
/// person's domain: what was answered stays answered, and nothing more is bought.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_outlives_a_failover_and_a_claimed_domain() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let (spent, bound) = (
        clients.token("ada@acme.com").await,
        clients.token_with("ada@acme.com", vec![factor("password", "knowledge")]).await,
    );
    for (token, reason, code) in [
        (spent, "INTERMEDIATE_SESSION_NOT_FOUND", Code::NotFound),
        (bound, "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION", Code::FailedPrecondition),
    ] {
        t.execute("DELETE FROM organization_domains").await;
        let copy = t.copy_entry(&token).await;
        let first = clients.spend(with_key(creation(&token), reason)).await.unwrap().into_inner();
        let claim = pb::CreateOrganizationRequest {
            claimed_email_domains: vec!["acme.com".to_owned()],
            ..organization("Owner")
        };
        clients.create(claim).await.unwrap();
        let wrote = written(&t).await;
        for round in 0..2 {
            t.restore_entry(&token, &copy).await;
            let again = clients.spend(with_key(creation(&token), reason)).await.unwrap().into_inner();
            assert_eq!(lasting(again), lasting(first.clone()), "round {round}");
            t.restore_entry(&token, &copy).await;
            refused(clients.spend(creation(&token)).await, code, reason);
            t.restore_entry(&token, &copy).await;
            refused(clients.spend(with_key(creation(&token), "other")).await, code, reason);
        }
        assert_eq!(written(&t).await, wrote);
    }
}
