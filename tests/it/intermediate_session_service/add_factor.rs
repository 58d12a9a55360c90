use std::time::Duration;

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tokio::task::JoinSet;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::harness::fixtures::{creation, factor, magic_link, malformed_tokens, oauth};
use crate::harness::refusal::refused;
use crate::harness::supervised::Patience;
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_factor_is_added,
    adding_never_extends,
    a_factor_that_is_no_factor_is_refused,
    a_token_holds_sixteen,
    a_factor_about_somebody_else_is_refused,
    a_token_that_is_over_takes_no_factor,
);

const BAD_FACTOR: &str = "INVALID_AUTHENTICATION_FACTOR";

async fn a_factor_is_added(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![oauth("oauth_github", true)]).await;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert!(!before.email_address_verified);
    t.clock.advance(Duration::from_secs(61));
    // Second factors may stand alone here: the token has a first one.
    let totp = clients.add_factor(&token, factor("totp", "authenticator_app")).await.unwrap().into_inner();
    assert!(totp.request_id.starts_with("request-id-test-"), "{totp:?}");
    let about = pb::VouchedFactor { email_address: Some("ADA@acme.com".to_owned()), ..magic_link() };
    let added = clients.add_factor(&token, about).await.unwrap().into_inner().intermediate_session.unwrap();
    let verified = |factor, verifies_email_address| pb::VerifiedFactor {
        factor: Some(pb::VouchedFactor { email_address: Some("ada@acme.com".to_owned()), ..factor }),
        verified_at: Some(seconds(t.clock.now())),
        verifies_email_address,
        carried: false,
    };
    let mut expected = before.clone();
    expected.email_address_verified = true;
    expected.factors.push(verified(factor("totp", "authenticator_app"), false));
    expected.factors.push(verified(magic_link(), true));
    assert_eq!(added, expected);
    let after = clients.inspect(&token).await.unwrap().into_inner().intermediate_session;
    assert_eq!(after, Some(expected));
    assert!(clients.spend(creation(&token)).await.unwrap().into_inner().member_authenticated);
}

async fn adding_never_extends(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    t.clock.advance(Duration::from_mins(9));
    let added = clients.add_factor(&token, magic_link()).await.unwrap().into_inner();
    let ends = added.intermediate_session.unwrap().intermediate_session_token_expires_at;
    assert_eq!(ends, before.intermediate_session_token_expires_at);
    t.outlive(&token).await;
    let answer = clients.add_factor(&token, magic_link()).await;
    refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
}

async fn a_factor_that_is_no_factor_is_refused(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session;
    let request = pb::AddFactorRequest { intermediate_session_token: token.clone(), factor: None };
    let mut client = clients.intermediate_sessions.clone();
    let refusal = refused(client.add_factor(request).await, Code::InvalidArgument, BAD_FACTOR);
    assert_eq!(refusal.violations(), [("factor", BAD_FACTOR)]);
    let nameless = pb::VouchedFactor { provider_subject: None, ..oauth("oauth_slack", true) };
    let misplaced = pb::VouchedFactor { full_name: Some("Ada".to_owned()), ..magic_link() };
    let cases = [
        (factor("sso", "sso_saml"), "factor.type"),
        (factor("magic_link", "sms"), "factor.type"),
        (nameless, "factor.provider_subject"),
        (misplaced, "factor.full_name"),
    ];
    for (factor, field) in cases {
        let answer = clients.add_factor(&token, factor).await;
        let refusal = refused(answer, Code::InvalidArgument, BAD_FACTOR);
        assert_eq!(refusal.violations(), [(field, BAD_FACTOR)]);
    }
    let answer = clients.add_factor("no token", factor("sso", "sso_saml")).await;
    let refusal = refused(answer, Code::InvalidArgument, "INVALID_SESSION_TOKEN");
    let both = [("intermediate_session_token", "INVALID_SESSION_TOKEN"), ("factor.type", BAD_FACTOR)];
    assert_eq!(refusal.violations(), both);
    assert_eq!(clients.inspect(&token).await.unwrap().into_inner().intermediate_session, before);
}

async fn a_token_holds_sixteen(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    for count in 2..=16 {
        let added = clients.add_factor(&token, magic_link()).await.unwrap().into_inner();
        assert_eq!(added.intermediate_session.unwrap().factors.len(), count);
    }
    let refusal = refused(
        clients.add_factor(&token, factor("totp", "authenticator_app")).await,
        Code::InvalidArgument,
        BAD_FACTOR,
    );
    assert_eq!(refusal.violations(), [("factor", BAD_FACTOR)]);
    let session = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert_eq!(session.factors.len(), 16);
    assert!(clients.spend(creation(&token)).await.is_ok());
}

async fn a_factor_about_somebody_else_is_refused(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![oauth("oauth_github", false)]).await;
    let cases = [
        ("bob@acme.com", BAD_FACTOR),
        ("ada@acme.co", BAD_FACTOR),
        ("ada+1@acme.com", BAD_FACTOR),
        ("ada", "INVALID_EMAIL"),
        ("ada@аcme.com", "INVALID_EMAIL"),
    ];
    for (address, reason) in cases {
        let about = pb::VouchedFactor { email_address: Some(address.to_owned()), ..magic_link() };
        let refusal = refused(clients.add_factor(&token, about).await, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("factor.email_address", reason)], "{address}");
    }
    let session = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert_eq!((session.factors.len(), session.email_address_verified), (1, false));
}

async fn a_token_that_is_over_takes_no_factor(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    for text in malformed_tokens(&token) {
        let answer = clients.add_factor(&text, magic_link()).await;
        let refusal = refused(answer, Code::InvalidArgument, "INVALID_SESSION_TOKEN");
        assert_eq!(refusal.violations(), [("intermediate_session_token", "INVALID_SESSION_TOKEN")]);
    }
    assert!(clients.spend(creation(&token)).await.is_ok());
    let about = pb::VouchedFactor { email_address: Some("ada@acme.com".to_owned()), ..magic_link() };
    for token in [token, format!("{}=", "A".repeat(43))] {
        for factor in [magic_link(), about.clone()] {
            let answer = clients.add_factor(&token, factor).await;
            refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
        }
    }
}

/// While a call spends the token, held back by a lock of ours, nobody adds to what it has read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_being_spent_takes_no_factor() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let connection = t.database().await;
    let lock = connection.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut spending = JoinSet::new();
    spending.spawn({
        let (clients, token) = (clients.clone(), token.clone());
        async move { clients.spend(creation(&token)).await }
    });
    let mut patience = Patience::new();
    while !t.entry(&token).await.contains_key("claim") {
        patience.turn(|| "the claim").await;
    }
    let answer = clients.add_factor(&token, magic_link()).await;
    let refusal = refused(answer, Code::Aborted, "INTERMEDIATE_SESSION_IN_USE");
    let retry_after = refusal.retry_after.unwrap();
    assert!(!retry_after.is_zero() && retry_after <= t.config.claim_lease, "{retry_after:?}");
    let answer = clients.spend(creation(&token)).await;
    assert!(refused(answer, Code::Aborted, "INTERMEDIATE_SESSION_IN_USE").retry_after.is_some());
    // Looking never disturbs.
    let session = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert_eq!(session.factors.len(), 1);
    lock.commit().await.unwrap();
    let created = spending.join_next().await.unwrap().unwrap().unwrap().into_inner();
    assert_eq!(created.member_session.unwrap().authentication_factors.len(), 1);
}

/// What comes back from a stale copy of Redis after the token was spent, bound or revoked is judged
/// by the receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_comes_back_takes_no_factor() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let spent = clients.token("ada@acme.com").await;
    let copy = t.copy_entry(&spent).await;
    clients.spend(creation(&spent)).await.unwrap();
    t.restore_entry(&spent, &copy).await;
    let answer = clients.add_factor(&spent, magic_link()).await;
    refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");

    let bound = clients.token_with("ada@acme.com", vec![factor("password", "knowledge")]).await;
    let copy = t.copy_entry(&bound).await;
    let created = clients.spend(creation(&bound)).await.unwrap().into_inner();
    t.restore_entry(&bound, &copy).await;
    let added = clients.add_factor(&bound, magic_link()).await.unwrap().into_inner();
    let session = added.intermediate_session.unwrap();
    assert_eq!(session.member_id, Some(created.member_id));
    assert_eq!(
        session.organization_id,
        created.organization.map(|organization| organization.organization_id)
    );
}
