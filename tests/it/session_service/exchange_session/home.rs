//! Going from a session to its own organization: everything goes along.

use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use super::super::common::{entered_with, founder};
use super::{switch, switched};
use crate::harness::fixtures::{factor, magic_link, oauth, with_key};
use crate::harness::members::{member_update, organization_update};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    every_factor_stays_in_its_organization,
    a_second_factor_is_not_asked_for_again,
    a_name_that_became_somebody_elses_is_not_home,
);

/// The delivery methods of a session's factors.
fn methods(session: &pb::MemberSession) -> Vec<&str> {
    session.authentication_factors.iter().map(|factor| factor.delivery_method.as_str()).collect()
}

async fn every_factor_stays_in_its_organization(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let sms = pb::VouchedFactor { phone_number: Some("+14155550123".to_owned()), ..factor("otp", "sms") };
    let rounds = [
        vec![factor("password", "knowledge")],
        vec![magic_link(), factor("password", "knowledge"), sms, factor("totp", "authenticator_app")],
        vec![magic_link(), oauth("oauth_microsoft", false), oauth("oauth_github", false)],
    ];
    for factors in rounds {
        let from = entered_with(&t, ada.organization_id(), "ada@acme.com", factors).await;
        let answer = switched(&t, switch(&from.token, ada.organization_id())).await;
        let session = answer.member_session.unwrap();
        assert_ne!(session.member_session_id, from.session_id());
        assert_eq!(methods(&session), methods(&from.session));
        assert_eq!(answer.member, Some(from.member));
        for (new, old) in session.authentication_factors.iter().zip(&from.session.authentication_factors) {
            assert_eq!(new.last_authenticated_at, old.last_authenticated_at);
            assert_eq!(
                (&new.email_factor, &new.github_oauth_factor),
                (&old.email_factor, &old.github_oauth_factor)
            );
            let number = |factor: &pb::AuthenticationFactor| {
                factor.phone_number_factor.as_ref().map(|phone| phone.phone_number.clone())
            };
            assert_eq!(number(new), number(old));
        }
    }
}

async fn a_second_factor_is_not_asked_for_again(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let factors = vec![magic_link(), factor("totp", "authenticator_app")];
    let strong = entered_with(&t, ada.organization_id(), "ada@acme.com", factors).await;
    let stricter = pb::UpdateOrganizationRequest {
        mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
        ..organization_update(ada.organization_id())
    };
    t.clients().update_organization(stricter).await.unwrap();
    switched(&t, switch(&strong.token, ada.organization_id())).await;
    // The one without is asked, though it goes nowhere.
    let answer = t.clients().switch(switch(&ada.token, ada.organization_id())).await.unwrap().into_inner();
    assert!(!answer.member_authenticated && answer.mfa_required.is_some(), "{answer:?}");
}

/// Which organization is one's own is a matter of ids: a slug can be given away.
async fn a_name_that_became_somebody_elses_is_not_home(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let password = vec![factor("password", "knowledge")];
    let from = entered_with(&t, ada.organization_id(), "ada@acme.com", password).await;
    let slug = ada.organization.organization_slug.clone();
    let named = |id: &str, slug: &str| pb::UpdateOrganizationRequest {
        organization_slug: Some(slug.to_owned()),
        ..organization_update(id)
    };
    t.clients().update_organization(named(ada.organization_id(), "old-name")).await.unwrap();
    t.clients().update_organization(named(there.organization_id(), &slug)).await.unwrap();
    let answer = t.clients().switch(switch(&from.token, &slug)).await;
    refused(answer, Code::FailedPrecondition, "INSUFFICIENT_FACTORS_FOR_SESSION_EXCHANGE");
    switched(&t, switch(&from.token, "old-name")).await;
    // Nor does an address that has changed keep what was proved about the old one.
    let moved = pb::UpdateMemberRequest {
        email_address: Some("countess@acme.com".to_owned()),
        ..member_update(ada.organization_id(), ada.member_id())
    };
    t.clients().update_member(moved).await.unwrap();
    let answer = t.clients().switch(switch(&ada.token, ada.organization_id())).await;
    refused(answer, Code::FailedPrecondition, "INSUFFICIENT_FACTORS_FOR_SESSION_EXCHANGE");
}

/// Between the moment that the session is read and the moment that the organization is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_becomes_somebody_elses_meanwhile_is_not_home() {
    let t = Harness::postgres().await;
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let password = vec![factor("password", "knowledge")];
    let from = entered_with(&t, ada.organization_id(), "ada@acme.com", password).await;
    let slug = ada.organization.organization_slug.clone();
    // The call waits for what may be its twin.
    let record = "INSERT INTO idempotency_records (caller, key_hash, method, request_hash, answer, created_at) \
                  VALUES ('anonymous', sha256('key'), '', '', 'null', now())";
    let blockade = t.block_by(&[record.to_owned()]).await;
    let (clients, request) = (t.clients(), with_key(switch(&from.token, &slug), "key"));
    let mut calls = JoinSet::new();
    calls.spawn(async move { clients.switch(request).await });
    t.blocked(1).await;
    for (id, slug) in [(ada.organization_id(), "old-name"), (there.organization_id(), &slug)] {
        let named = pb::UpdateOrganizationRequest {
            organization_slug: Some(slug.to_owned()),
            ..organization_update(id)
        };
        t.clients().update_organization(named).await.unwrap();
    }
    blockade.lift().await;
    let answer = calls.join_next().await.unwrap().unwrap();
    refused(answer, Code::Aborted, "CONCURRENT_REQUEST");
    let listed = t.clients().sessions_of(there.organization_id(), there.member_id()).await.unwrap();
    let listed = listed.into_inner().member_sessions;
    let ids: Vec<_> = listed.iter().map(|session| session.member_session_id.as_str()).collect();
    assert_eq!(ids, [there.session_id()]);
    let answer = t.clients().switch(with_key(switch(&from.token, &slug), "key")).await;
    refused(answer, Code::FailedPrecondition, "INSUFFICIENT_FACTORS_FOR_SESSION_EXCHANGE");
}
