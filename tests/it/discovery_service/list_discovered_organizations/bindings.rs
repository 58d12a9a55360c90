//! Tokens that are bound to a login, and those on the way to an organization.

use tonic::Code;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, magic_link};
use crate::harness::logins::{listing, switch};
use crate::harness::members::invitation;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

use super::super::people::{account, password, totp};

on_both_backends!(
    a_bound_token_shows_its_organization_and_no_other,
    a_bound_token_shows_nothing_once_its_organization_is_gone,
    a_bound_token_shows_nothing_once_its_member_is_gone,
    a_token_on_the_way_tells_where_to,
);

/// A token bound by an organization that asks for a second factor.
async fn bound(clients: &Clients) -> (String, pb::DiscoveryServiceCreateOrganizationResponse) {
    let token = clients.token_with("ada@acme.com", vec![magic_link(), account("slack", &["T1"])]).await;
    let mut request = creation(&token);
    request.organization_name = Some("Bound".to_owned());
    request.set_mfa_policy(pb::MfaPolicy::RequiredForAll);
    let created = clients.spend(request).await.unwrap().into_inner();
    assert_eq!(created.intermediate_session_token, token);
    (token, created)
}

async fn a_bound_token_shows_its_organization_and_no_other(t: Harness) {
    let clients = t.clients();
    clients.founded("ada@acme.com").await;
    clients.open_to("Joinable", "acme.com").await;
    clients.open_to_slack("By tenant", "T1").await;
    let invited = clients.organization("Invited").await;
    clients.invite_member(invitation(&invited.organization_id, "ada@acme.com")).await.unwrap();
    let (token, created) = bound(&clients).await;
    let organization_id = created.organization.unwrap().organization_id;
    let open = clients.token("ada@acme.com").await;
    assert_eq!(super::names(&clients, listing(&open)).await, ["acme", "Bound", "Invited", "Joinable"]);

    let found = super::found(&clients, &organization_id, "active_member", Some(&created.member_id)).await;
    let owing = pb::DiscoveredOrganization {
        member_authenticated: false,
        mfa_required: created.mfa_required,
        ..found.clone()
    };
    let answer = clients.discovered(listing(&token)).await.unwrap().into_inner();
    assert_eq!(answer.discovered_organizations, [owing]);
    assert_eq!(answer.organization_id_hint, Some(organization_id.clone()));
    assert_eq!(answer.email_address, "ada@acme.com");
    assert!(!answer.truncated);
    clients.add_factor(&token, totp()).await.unwrap();
    let answer = clients.discovered(listing(&token)).await.unwrap().into_inner();
    assert_eq!(answer.discovered_organizations, [found]);
    assert_eq!(answer.organization_id_hint, Some(organization_id));
}

async fn a_bound_token_shows_nothing_once_its_organization_is_gone(t: Harness) {
    let clients = t.clients();
    clients.founded("ada@acme.com").await;
    let (token, created) = bound(&clients).await;
    clients.dissolve(&created.organization.unwrap().organization_id).await;
    assert_eq!(super::names(&clients, listing(&token)).await, [""; 0]);
}

async fn a_bound_token_shows_nothing_once_its_member_is_gone(t: Harness) {
    let clients = t.clients();
    clients.founded("ada@acme.com").await;
    let (token, created) = bound(&clients).await;
    let organization_id = created.organization.unwrap().organization_id;
    clients.expel(&organization_id, &created.member_id).await;
    assert_eq!(super::names(&clients, listing(&token)).await, [""; 0]);
    // Nor does another member with the address stand in.
    clients.invite_member(invitation(&organization_id, "ada@acme.com")).await.unwrap();
    assert_eq!(super::names(&clients, listing(&token)).await, [""; 0]);
}

async fn a_token_on_the_way_tells_where_to(t: Harness) {
    let clients = t.clients();
    let from = clients.founded("ada@acme.com").await;
    let strict = clients.organization("Strict").await;
    clients.invite_member(invitation(&strict.organization_id, "ada@acme.com")).await.unwrap();
    clients.ask_for_second_factors(&strict.organization_id).await;
    let switched = clients.switch(switch(&from.session_token, &strict.organization_id)).await;
    let switched = switched.unwrap().into_inner();
    let token = switched.intermediate_session_token;
    let answer = clients.discovered(listing(&token)).await.unwrap().into_inner();
    assert_eq!(answer.organization_id_hint, Some(strict.organization_id.clone()));
    // It binds nothing.
    assert_eq!(super::names(&clients, listing(&token)).await, ["acme", "Strict"]);
    // What came along proves no domain: that it could be joined is told, and what it takes.
    clients.open_to("Joinable", "acme.com").await;
    let found = super::listed(&clients, listing(&token)).await.remove(2);
    assert_eq!(found.organization.unwrap().organization_name, "Joinable");
    assert!(found.primary_required.is_some() && !found.member_authenticated);
    // An organization that is gone is hinted at no longer than the token lives.
    clients.revoke(&token).await.unwrap();
    refused(clients.discovered(listing(&token)).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    let open = clients.token_with("ada@acme.com", vec![password()]).await;
    let answer = clients.discovered(listing(&open)).await.unwrap().into_inner();
    assert_eq!(answer.organization_id_hint, None);
}
