//! A whole life: vouched for, listed, entered, checked, switched, revoked.

use tonic::Code;
use vestibule::pb;

use crate::harness::fixtures::organization;
use crate::harness::logins::{by_jwt, by_token, exchange, explanation, listing, switch};
use crate::harness::members::invitation;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(from_a_factor_to_the_end_of_the_session);

async fn from_a_factor_to_the_end_of_the_session(t: Harness) {
    let clients = t.clients();
    let founded = clients.founded("ada@acme.com").await;
    let acme = founded.organization.unwrap();
    let globex = clients.create(organization("Globex")).await.unwrap().into_inner().organization.unwrap();
    clients.invite_member(invitation(&globex.organization_id, "ada@acme.com")).await.unwrap();

    let token = clients.token("ada@acme.com").await;
    let listed = clients.discovered(listing(&token)).await.unwrap().into_inner();
    let types: Vec<_> = listed
        .discovered_organizations
        .iter()
        .map(|found| (found.membership.as_ref().unwrap().r#type.as_str(), found.member_authenticated))
        .collect();
    assert_eq!(types, [("active_member", true), ("invited_member", true)]);

    let explained =
        clients.explain(explanation(&token, &globex.organization_slug)).await.unwrap().into_inner();
    assert!(explained.visible);

    let entered = clients.exchange(exchange(&token, &globex.organization_id)).await.unwrap().into_inner();
    assert!(entered.member_authenticated);
    assert_eq!(entered.member.as_ref().unwrap().status, "active");
    let spent = clients.exchange(exchange(&token, &acme.organization_id)).await;
    refused(spent, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");

    let authenticated = clients.authenticate(by_token(&entered.session_token)).await.unwrap().into_inner();
    assert_eq!(authenticated.member, entered.member);
    let authenticated = clients.authenticate(by_jwt(&authenticated.session_jwt)).await.unwrap().into_inner();
    assert_eq!(authenticated.organization, entered.organization);

    let switched =
        clients.switch(switch(&entered.session_token, &acme.organization_id)).await.unwrap().into_inner();
    assert!(switched.member_authenticated);
    let sessions =
        clients.sessions_of(&acme.organization_id, &switched.member_id).await.unwrap().into_inner();
    assert_eq!(sessions.member_sessions.len(), 2);

    let revoke = pb::RevokeSessionRequest {
        session_jwt: Some(switched.session_jwt.clone()),
        ..pb::RevokeSessionRequest::default()
    };
    clients.revoke_session(revoke).await.unwrap();
    let gone = clients.authenticate(by_jwt(&switched.session_jwt)).await;
    refused(gone, Code::NotFound, "SESSION_NOT_FOUND");
}
