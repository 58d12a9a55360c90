//! What was shown to one organization, or by somebody else before, and is not worth the same elsewhere.

use vestibule::pb;

use super::super::answers::{Owed, enter, kept_out, log_in};
use super::super::factors::{VERIFYING, github, totp};
use super::super::settings::Settings;
use super::{acme, go, set, try_as_ada};
use crate::harness::fixtures::{creation, factor, magic_link, with_key};
use crate::harness::logins::{by_token, exchange, explanation};
use crate::harness::members::{mask, member_update};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_second_factor_of_one_organization_opens_no_other,
    what_stays_at_home_does_not_leave_with_the_token_of_an_unfinished_switch,
    a_second_factor_alone_is_no_session,
    a_session_lists_nothing_of_an_address_that_nobody_proved,
    a_creator_proves_nothing_by_a_tenant_of_their_own_choice,
    a_code_to_a_phone_that_is_not_named_counts_for_no_member_with_a_number,
    a_repeat_brings_back_no_role,
    the_token_of_an_unfinished_switch_ends_with_its_session,
    the_token_of_an_unfinished_switch_expires_with_its_session,
);

async fn a_second_factor_of_one_organization_opens_no_other(t: Harness) {
    let clients = t.clients();
    let (here, there) = (acme(&clients, &Settings::mfa()).await, acme(&clients, &Settings::mfa()).await);
    for organization in [&here, &there] {
        clients.member(organization, "ada@acme.com").await;
    }
    let scoped = pb::VouchedFactor { organization_id: Some(here.clone()), ..totp() };
    let (tried, token) = try_as_ada(&clients, vec![magic_link(), scoped.clone()], &there).await;
    assert_eq!(tried.unwrap().owed, Owed::mfa());
    // Nor does it let its holder create one without.
    let creator = clients.token_with("ada@acme.com", vec![magic_link(), scoped]).await;
    let created = clients.spend(Settings::mfa().creation(&creator)).await.unwrap().into_inner();
    assert!(created.mfa_required.is_some() && !created.member_authenticated);
    let told = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert_eq!(told.factors[1].factor.as_ref().unwrap().organization_id.as_deref(), Some(here.as_str()));
    assert!(enter(&clients, &token, &here).await.unwrap().owed.nothing());
}

async fn what_stays_at_home_does_not_leave_with_the_token_of_an_unfinished_switch(t: Harness) {
    let clients = t.clients();
    let home = acme(&clients, &Settings::default()).await;
    let other = acme(&clients, &Settings::mfa()).await;
    for organization in [&home, &other] {
        clients.member(organization, "ada@acme.com").await;
    }
    let session = log_in(&clients, "ada@acme.com", vec![magic_link(), totp()], &home).await.session_token;
    set(&clients, &home, &Settings { methods: vec!["sso"], ..Settings::default() }).await;
    let unfinished = go(&clients, &session, &home).await.unwrap();
    assert_eq!(unfinished.owed, Owed::primary(&["sso"]));
    let token = unfinished.token;
    let told = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    let types: Vec<_> =
        told.factors.iter().map(|known| known.factor.as_ref().unwrap().r#type.as_str()).collect();
    assert_eq!(types, ["magic_link"]);
    assert_eq!(enter(&clients, &token, &other).await.unwrap().owed, Owed::mfa());
}

async fn a_second_factor_alone_is_no_session(t: Harness) {
    let clients = t.clients();
    let home = acme(&clients, &Settings::default()).await;
    let member = clients.member(&home, "ada@acme.com").await;
    let session = log_in(&clients, "ada@acme.com", vec![magic_link(), totp()], &home).await.session_token;
    let moved = pb::UpdateMemberRequest {
        email_address: Some("lovelace@acme.com".to_owned()),
        ..member_update(&home, &member.member_id)
    };
    clients.update_member(moved).await.unwrap();
    assert_eq!(
        go(&clients, &session, &home).await.unwrap_err(),
        kept_out::<()>("INSUFFICIENT_FACTORS_FOR_SESSION_EXCHANGE").unwrap_err()
    );
    let request = pb::ListDiscoveredOrganizationsRequest {
        session_token: Some(session),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    };
    let listed = clients.discovered(request).await.unwrap().into_inner().discovered_organizations;
    assert!(listed.iter().all(|found| !found.member_authenticated && found.primary_required.is_some()));
}

async fn a_session_lists_nothing_of_an_address_that_nobody_proved(t: Harness) {
    let clients = t.clients();
    let own = clients.founded("mallory@evil.com").await;
    let (home, member) = (own.organization.unwrap().organization_id, own.member.unwrap().member_id);
    let victim = acme(&clients, &Settings::default()).await;
    clients.member(&victim, "ada@acme.com").await;
    let moved = pb::UpdateMemberRequest {
        email_address: Some("ada@acme.com".to_owned()),
        ..member_update(&home, &member)
    };
    clients.update_member(moved).await.unwrap();
    let request = pb::ListDiscoveredOrganizationsRequest {
        session_token: Some(own.session_token.clone()),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    };
    let listed = clients.discovered(request).await.unwrap().into_inner().discovered_organizations;
    let ids: Vec<_> = listed.into_iter().map(|found| found.organization.unwrap().organization_id).collect();
    assert_eq!(ids, [home]);
    let request = pb::ExplainDiscoveryRequest {
        intermediate_session_token: None,
        session_token: Some(own.session_token),
        ..explanation("", &victim)
    };
    assert!(!clients.explain(request).await.unwrap().into_inner().visible);
}

async fn a_creator_proves_nothing_by_a_tenant_of_their_own_choice(t: Harness) {
    let clients = t.clients();
    let factors = vec![github("mallory", &["octo"])];
    let token = clients.token_with("ceo@acme.com", factors.clone()).await;
    let own_tenant = Settings { tenants: &["octo"], ..Settings::default() };
    let created = clients.spend(own_tenant.creation(&token)).await.unwrap().into_inner();
    let organization = created.organization.unwrap().organization_id;
    let again = clients.token_with("ceo@acme.com", factors).await;
    for token in [token, again] {
        assert_eq!(enter(&clients, &token, &organization).await.unwrap().owed, Owed::primary(&VERIFYING));
    }
    assert_eq!(t.count("sessions").await, 0);
}

async fn a_code_to_a_phone_that_is_not_named_counts_for_no_member_with_a_number(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::mfa()).await;
    let member = clients.member(&organization, "ada@acme.com").await;
    let unnamed = vec![magic_link(), factor("otp", "sms")];
    let numbered = pb::UpdateMemberRequest {
        mfa_phone_number: Some("+12025550123".to_owned()),
        ..member_update(&organization, &member.member_id)
    };
    clients.update_member(numbered).await.unwrap();
    let (tried, _) = try_as_ada(&clients, unnamed.clone(), &organization).await;
    assert_eq!(tried.unwrap().owed, Owed::mfa());
    let named = pb::VouchedFactor { phone_number: Some("+12025550123".to_owned()), ..unnamed[1].clone() };
    let (tried, _) = try_as_ada(&clients, vec![magic_link(), named], &organization).await;
    assert!(tried.unwrap().owed.nothing());
}

async fn a_repeat_brings_back_no_role(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let entered = clients.spend(with_key(creation(&token), "create")).await.unwrap().into_inner();
    let (organization, member) =
        (entered.organization.clone().unwrap().organization_id, entered.member_id.clone());
    let admin = |session: &Option<pb::MemberSession>| {
        session.as_ref().unwrap().roles.iter().any(|role| role == "stytch_admin")
    };
    assert!(admin(&entered.member_session));
    let extending = pb::AuthenticateSessionRequest {
        session_duration_minutes: Some(90),
        authorization_check: Some(pb::AuthorizationCheck {
            organization_id: organization.clone(),
            resource_id: "stytch.organization".to_owned(),
            action: "delete".to_owned(),
        }),
        ..by_token(&entered.session_token)
    };
    let call = || with_key(extending.clone(), "extend");
    clients.authenticate(call()).await.unwrap();
    let demoted = pb::UpdateMemberRequest {
        update_mask: mask(&["roles"]),
        allow_removing_last_admin: true,
        ..member_update(&organization, &member)
    };
    clients.update_member(demoted).await.unwrap();
    let refusal = clients.authenticate(call()).await;
    refused(refusal, tonic::Code::PermissionDenied, "SESSION_AUTHORIZATION_ERROR");
    let again = clients.spend(with_key(creation(&token), "create")).await.unwrap().into_inner();
    assert_eq!(again.session_token, entered.session_token);
    assert!(!admin(&again.member_session));
}

async fn the_token_of_an_unfinished_switch_ends_with_its_session(t: Harness) {
    let clients = t.clients();
    let home = acme(&clients, &Settings::default()).await;
    let other = acme(&clients, &Settings::mfa()).await;
    let member = clients.member(&home, "ada@acme.com").await.member_id;
    clients.member(&other, "ada@acme.com").await;
    let session = log_in(&clients, "ada@acme.com", vec![magic_link()], &home).await.session_token;
    let [kept, listed, created] = [(); 3].map(|()| go(&clients, &session, &other));
    let (kept, listed, created) =
        (kept.await.unwrap().token, listed.await.unwrap().token, created.await.unwrap().token);
    let revoke = pb::RevokeSessionRequest { member_id: Some(member), ..pb::RevokeSessionRequest::default() };
    clients.revoke_session(revoke).await.unwrap();
    let gone = kept_out::<()>("INTERMEDIATE_SESSION_NOT_FOUND").unwrap_err().1;
    assert_eq!(enter(&clients, &kept, &home).await.unwrap_err(), (tonic::Code::NotFound, gone.clone()));
    refused(clients.inspect(&listed).await, tonic::Code::NotFound, &gone);
    refused(clients.spend(creation(&created)).await, tonic::Code::NotFound, &gone);
}

async fn the_token_of_an_unfinished_switch_expires_with_its_session(t: Harness) {
    let clients = t.clients();
    let home = acme(&clients, &Settings::default()).await;
    let other = acme(&clients, &Settings::mfa()).await;
    for organization in [&home, &other] {
        clients.member(organization, "ada@acme.com").await;
    }
    let token = clients.token("ada@acme.com").await;
    let brief = pb::ExchangeIntermediateSessionRequest {
        session_duration_minutes: Some(5),
        ..exchange(&token, &home)
    };
    let session = clients.exchange(brief).await.unwrap().into_inner().session_token;
    let entering = go(&clients, &session, &other).await.unwrap().token;
    let created = go(&clients, &session, &other).await.unwrap().token;
    clients.inspect(&entering).await.unwrap();
    t.clock.advance(std::time::Duration::from_mins(5));
    let gone = kept_out::<()>("INTERMEDIATE_SESSION_NOT_FOUND").unwrap_err();
    assert_eq!(enter(&clients, &entering, &home).await.unwrap_err(), gone);
    refused(clients.inspect(&entering).await, gone.0, &gone.1);
    refused(clients.spend(creation(&created)).await, gone.0, &gone.1);
}
