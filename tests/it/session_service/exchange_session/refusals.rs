//! Who does not get into another organization.

use std::time::Duration;

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::super::common::{ABSENT, Login, checked, entered_with, founder, written};
use super::{Request, inviting, switch, switched};
use crate::harness::fixtures::{factor, magic_link, oauth, organization, with_key};
use crate::harness::members::{member_update, organization_update};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::values::object;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_stranger_joins_neither_by_domain_nor_by_tenant,
    an_organization_that_is_not_there_is_not_found,
    a_claimed_domain_keeps_out_whoever_is_not_active,
    a_retired_address_opens_nothing,
    a_password_does_not_go_along,
    what_was_proved_about_an_old_address_does_not_go_along,
    an_account_does_not_prove_a_new_address,
    a_session_that_has_ended_goes_nowhere,
    exactly_one_of_token_and_jwt_is_sent,
    what_can_name_no_organization_is_refused,
);

const INSUFFICIENT: &str = "INSUFFICIENT_FACTORS_FOR_SESSION_EXCHANGE";

/// Asserts that the call is refused so, with and without a key, and that nothing is written.
async fn refuses(t: &Harness, request: Request, code: Code, reason: &str) -> Refusal {
    let before = written(t).await;
    let refusal = refused(t.clients().switch(request.clone()).await, code, reason);
    refused(t.clients().switch(with_key(request, "refused")).await, code, reason);
    assert_eq!(written(t).await, before, "{reason}");
    refusal
}

async fn a_stranger_joins_neither_by_domain_nor_by_tenant(t: Harness) {
    let boss = founder(&t, "boss@acme.com").await;
    let open = pb::UpdateOrganizationRequest {
        email_allowed_domains: vec!["acme.com".to_owned()],
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        allowed_oauth_tenants: Some(object(&json!({"slack": ["T1"]}))),
        oauth_tenant_jit_provisioning: Some(pb::OauthTenantJitProvisioning::Restricted.into()),
        ..organization_update(boss.organization_id())
    };
    t.clients().update_organization(open).await.unwrap();
    let home = founder(&t, "ada@acme.com").await;
    let slack =
        pb::VouchedFactor { provider_tenant_ids: vec!["T1".to_owned()], ..oauth("oauth_slack", false) };
    let both = vec![magic_link(), slack];
    let ada = entered_with(&t, home.organization_id(), "ada@acme.com", both.clone()).await;
    // The same as where nobody may join, and as of a member who was deleted.
    let closed = t.clients().organization("Closed").await;
    let former = inviting(&t, "ada@acme.com", organization("Former")).await;
    let entered = switched(&t, switch(&ada.token, &former.organization_id)).await;
    let delete = pb::DeleteMemberRequest {
        organization_id: former.organization_id.clone(),
        member_id: entered.member_id,
        ..pb::DeleteMemberRequest::default()
    };
    t.clients().delete_member(delete).await.unwrap();
    let mut told = Vec::new();
    for id in [boss.organization_id(), &closed.organization_id, &former.organization_id] {
        let mut refusal = refuses(&t, switch(&ada.token, id), Code::NotFound, "MEMBER_NOT_FOUND").await;
        refusal.metadata.remove("request_id");
        told.push((refusal.message, refusal.metadata, refusal.fields));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    // An intermediate session with the same factors does join.
    let token = t.clients().token_with("ada@acme.com", both).await;
    let joined = crate::harness::logins::exchange(&token, boss.organization_id());
    assert!(t.clients().exchange(joined).await.unwrap().into_inner().member_authenticated);
    switched(&t, switch(&ada.token, boss.organization_id())).await;
}

async fn an_organization_that_is_not_there_is_not_found(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let gone = founder(&t, "ada@acme.com").await;
    let organization_id = gone.organization_id().to_owned();
    let delete = pb::DeleteOrganizationRequest { organization_id, etag: None };
    t.clients().delete_organization(delete).await.unwrap();
    let absent = format!("organization-test-{ABSENT}");
    for name in [absent.as_str(), "nobody", "ERP|42", gone.organization_id()] {
        let refusal = refuses(&t, switch(&ada.token, name), Code::NotFound, "ORGANIZATION_NOT_FOUND").await;
        assert_eq!(refusal.fields, [], "{name}");
    }
}

async fn a_claimed_domain_keeps_out_whoever_is_not_active(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let active = founder(&t, "ada@acme.com").await;
    let invited = inviting(&t, "ada@acme.com", organization("Globex")).await;
    let claim = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    let owner = t.clients().create(claim).await.unwrap().into_inner().organization.unwrap();
    let reason = "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED";
    for id in [&invited.organization_id] {
        refuses(&t, switch(&ada.token, id), Code::FailedPrecondition, reason).await;
    }
    // Whoever is in stays in, and the owner keeps out nobody it has invited.
    switched(&t, switch(&ada.token, active.organization_id())).await;
    let invite = crate::harness::members::invitation(&owner.organization_id, "ada@acme.com");
    t.clients().invite_member(invite).await.unwrap();
    switched(&t, switch(&ada.token, &owner.organization_id)).await;
}

async fn a_retired_address_opens_nothing(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let moved = pb::UpdateMemberRequest {
        email_address: Some("countess@acme.com".to_owned()),
        ..member_update(there.organization_id(), there.member_id())
    };
    t.clients().update_member(moved).await.unwrap();
    let request = switch(&ada.token, there.organization_id());
    refuses(&t, request, Code::FailedPrecondition, "RETIRED_MEMBER_EMAIL").await;
}

async fn a_password_does_not_go_along(t: Harness) {
    let home = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let rounds = [
        vec![factor("password", "knowledge")],
        vec![factor("password", "knowledge"), factor("totp", "authenticator_app")],
        vec![pb::VouchedFactor { email_verified: Some(true), ..factor("password", "knowledge") }],
    ];
    for factors in rounds {
        let ada = entered_with(&t, home.organization_id(), "ada@acme.com", factors).await;
        let request = switch(&ada.token, there.organization_id());
        refuses(&t, request, Code::FailedPrecondition, INSUFFICIENT).await;
        // Where the person is no member, that is said first.
        let elsewhere = t.clients().organization("Elsewhere").await;
        let request = switch(&ada.token, &elsewhere.organization_id);
        refuses(&t, request, Code::NotFound, "MEMBER_NOT_FOUND").await;
    }
}

/// Somebody of the new address, in an organization that has nothing to do with who changed it.
async fn moved_to_the_address_of_somebody_else(
    t: &Harness,
    factors: Vec<pb::VouchedFactor>,
) -> (Login, Login) {
    let home = founder(t, "ada@acme.com").await;
    let victim = founder(t, "victim@globex.com").await;
    let ada = entered_with(t, home.organization_id(), "ada@acme.com", factors).await;
    let moved = pb::UpdateMemberRequest {
        email_address: Some("victim@globex.com".to_owned()),
        ..member_update(home.organization_id(), home.member_id())
    };
    t.clients().update_member(moved).await.unwrap();
    (ada, victim)
}

async fn what_was_proved_about_an_old_address_does_not_go_along(t: Harness) {
    let factors = vec![magic_link(), factor("email_otp", "email"), oauth("oauth_microsoft", true)];
    let (ada, victim) = moved_to_the_address_of_somebody_else(&t, factors).await;
    let request = switch(&ada.token, victim.organization_id());
    refuses(&t, request, Code::FailedPrecondition, INSUFFICIENT).await;
}

async fn an_account_does_not_prove_a_new_address(t: Harness) {
    let google =
        pb::VouchedFactor { hosted_domain: Some("acme.com".to_owned()), ..oauth("oauth_google", true) };
    let (ada, victim) =
        moved_to_the_address_of_somebody_else(&t, vec![google, oauth("oauth_github", true)]).await;
    let before = written(&t).await;
    let answer = t.clients().switch(switch(&ada.token, victim.organization_id())).await.unwrap().into_inner();
    assert!(!answer.member_authenticated && answer.primary_required.is_some(), "{answer:?}");
    assert_eq!((answer.session_token.as_str(), answer.session_jwt.as_str()), ("", ""));
    assert_eq!(written(&t).await, before);
    let kept = t.clients().inspect(&answer.intermediate_session_token).await.unwrap().into_inner();
    let kept = kept.intermediate_session.unwrap();
    assert!(!kept.email_address_verified, "{kept:?}");
    assert!(kept.factors.iter().all(|factor| !factor.verifies_email_address && factor.carried), "{kept:?}");
}

async fn a_session_that_has_ended_goes_nowhere(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_hours(1));
    let there = founder(&t, "ada@acme.com").await;
    let absent = "A".repeat(44);
    for request in [
        switch(&ada.token, there.organization_id()),
        super::by_its_jwt(&ada.jwt, there.organization_id()),
        switch(&absent, there.organization_id()),
        // Whether there is such an organization is not told.
        switch(&ada.token, "nobody"),
    ] {
        refuses(&t, request, Code::NotFound, "SESSION_NOT_FOUND").await;
    }
    checked(&t, &there.token).await;
}

async fn exactly_one_of_token_and_jwt_is_sent(t: Harness) {
    const NONE: &str = "NO_SESSION_ARGUMENTS";
    const SEVERAL: &str = "TOO_MANY_SESSION_ARGUMENTS";
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let both = Request { session_jwt: Some(ada.jwt.clone()), ..switch(&ada.token, there.organization_id()) };
    let none = Request { session_token: None, session_jwt: None, ..both.clone() };
    let refusal = refuses(&t, none, Code::InvalidArgument, NONE).await;
    assert_eq!(refusal.violations(), [("session_token", NONE)]);
    let refusal = refuses(&t, both, Code::InvalidArgument, SEVERAL).await;
    assert_eq!(refusal.violations(), [("session_token", SEVERAL), ("session_jwt", SEVERAL)]);
    for text in ["", "short", &ada.jwt, &"A".repeat(45)] {
        let request = switch(text, there.organization_id());
        let refusal = refuses(&t, request, Code::InvalidArgument, "INVALID_SESSION_TOKEN").await;
        assert_eq!(refusal.violations(), [("session_token", "INVALID_SESSION_TOKEN")]);
    }
}

async fn what_can_name_no_organization_is_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let live = ada.organization_id().replace("-test-", "-live-");
    let upper = ada.organization_id().to_uppercase();
    for (name, reason) in [
        ("", "INVALID_ORGANIZATION_ID"),
        ("acme corp", "INVALID_ORGANIZATION_ID"),
        ("a\0b", "INVALID_ORGANIZATION_ID"),
        (&upper, "INVALID_ORGANIZATION_ID"),
        (&live, "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ] {
        let refusal = refuses(&t, switch(&ada.token, name), Code::InvalidArgument, reason).await;
        assert_eq!(refusal.violations(), [("organization_id", reason)], "{name:?}");
    }
}
