//! Switching from a session as a way around what a login asks.

use vestibule::pb;

use super::super::answers::{Owed, enter, kept_out, log_in, members};
use super::super::factors::{VERIFYING, email_otp, github, totp};
use super::super::settings::Settings;
use super::{acme, go, listed, set};
use crate::harness::fixtures::magic_link;
use crate::harness::members::member_update;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_switch_owes_the_second_factor_of_its_target,
    a_switch_joins_nothing,
    the_token_of_an_unfinished_switch_joins_nothing_by_domain,
    a_switch_carries_no_proof_of_another_address,
    a_switch_owes_the_method_of_its_target,
);

async fn a_switch_owes_the_second_factor_of_its_target(t: Harness) {
    let clients = t.clients();
    let home = acme(&clients, &Settings::default()).await;
    let target = acme(&clients, &Settings::mfa()).await;
    for organization in [&home, &target] {
        clients.member(organization, "ada@acme.com").await;
    }
    let session = log_in(&clients, "ada@acme.com", vec![magic_link(), totp()], &home).await.session_token;
    let events = t.count("events").await;
    let sent_on = go(&clients, &session, &target).await.unwrap();
    assert_eq!(sent_on.owed, Owed::mfa());
    assert_eq!(enter(&clients, &sent_on.token, &target).await.unwrap().owed, Owed::mfa());
    assert_eq!(t.count("events").await, events);
    clients.add_factor(&sent_on.token, totp()).await.unwrap();
    assert!(enter(&clients, &sent_on.token, &target).await.unwrap().owed.nothing());
}

async fn a_switch_joins_nothing(t: Harness) {
    let clients = t.clients();
    let home = acme(&clients, &Settings::default()).await;
    clients.member(&home, "ada@acme.com").await;
    let by_domain = acme(&clients, &Settings::joined_by("acme.com")).await;
    let by_tenant = acme(&clients, &Settings { tenants: &["octo"], ..Settings::default() }).await;
    let factors = vec![magic_link(), github("ada", &["octo"])];
    let session = log_in(&clients, "ada@acme.com", factors, &home).await.session_token;
    for organization in [&by_domain, &by_tenant] {
        let refused = go(&clients, &session, organization).await.unwrap_err();
        assert_eq!(refused, kept_out::<()>("MEMBER_NOT_FOUND").unwrap_err());
        assert_eq!(members(&clients, organization).await.len(), 1);
    }
    let listing = pb::ListDiscoveredOrganizationsRequest {
        session_token: Some(session),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    };
    let listed = clients.discovered(listing).await.unwrap().into_inner().discovered_organizations;
    let listed: Vec<_> =
        listed.into_iter().map(|found| found.organization.unwrap().organization_id).collect();
    assert_eq!(listed, [home]);
}

/// The domain may have had another owner when the session began.
async fn the_token_of_an_unfinished_switch_joins_nothing_by_domain(t: Harness) {
    let clients = t.clients();
    let home = acme(&clients, &Settings::default()).await;
    let strict = acme(&clients, &Settings::mfa()).await;
    for organization in [&home, &strict] {
        clients.member(organization, "ada@acme.com").await;
    }
    let by_domain = acme(&clients, &Settings::joined_by("acme.com")).await;
    let session = log_in(&clients, "ada@acme.com", vec![magic_link()], &home).await.session_token;
    let token = go(&clients, &session, &strict).await.unwrap().token;
    let events = t.count("events").await;
    for _ in 0..2 {
        let answer = enter(&clients, &token, &by_domain).await.unwrap();
        assert_eq!((answer.owed, answer.member), (Owed::primary(&VERIFYING), None));
        // Nor does a second factor prove the address.
        clients.add_factor(&token, totp()).await.unwrap();
    }
    assert_eq!(members(&clients, &by_domain).await.len(), 1);
    assert_eq!(t.count("events").await, events);
    let mut known = listed(&clients, &token).await;
    known.sort();
    let mut expected = [home, strict, by_domain.clone()];
    expected.sort();
    assert_eq!(known, expected);
    clients.add_factor(&token, email_otp()).await.unwrap();
    assert!(enter(&clients, &token, &by_domain).await.unwrap().owed.nothing());
}

/// What a session proved was about the address of then.
async fn a_switch_carries_no_proof_of_another_address(t: Harness) {
    let clients = t.clients();
    let home = acme(&clients, &Settings::default()).await;
    let target = acme(&clients, &Settings::default()).await;
    let ada = clients.member(&home, "ada@acme.com").await;
    clients.member(&target, "grace@acme.com").await;
    clients.member(&target, "ada@acme.com").await;
    let factors = vec![magic_link(), github("ada", &[])];
    let session = log_in(&clients, "ada@acme.com", factors, &home).await.session_token;
    let email_address = Some("grace@acme.com".to_owned());
    let update = pb::UpdateMemberRequest { email_address, ..member_update(&home, &ada.member_id) };
    clients.update_member(update).await.unwrap();
    let grace = go(&clients, &session, &target).await.unwrap();
    assert_eq!(grace.member().email_address, "grace@acme.com");
    assert_eq!(grace.owed, Owed::primary(&VERIFYING));
    let inspected = clients.inspect(&grace.token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert!(!inspected.email_address_verified);
}

async fn a_switch_owes_the_method_of_its_target(t: Harness) {
    let clients = t.clients();
    let home = acme(&clients, &Settings::default()).await;
    let target = acme(&clients, &Settings::default()).await;
    for organization in [&home, &target] {
        clients.member(organization, "ada@acme.com").await;
    }
    let session = log_in(&clients, "ada@acme.com", vec![magic_link()], &home).await.session_token;
    set(&clients, &target, &Settings { methods: vec!["email_otp", "sso"], ..Settings::default() }).await;
    let sent_on = go(&clients, &session, &target).await.unwrap();
    assert_eq!(sent_on.owed, Owed::primary(&["email_otp", "sso"]));
    clients.add_factor(&sent_on.token, email_otp()).await.unwrap();
    assert!(enter(&clients, &sent_on.token, &target).await.unwrap().owed.nothing());
}
