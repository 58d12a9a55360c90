//! Going on after a factor was owed: an authenticator adds it, and the same token finishes.

use tonic::Code;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::database::rows;
use crate::harness::fixtures::{creation, factor, magic_link, organization};
use crate::harness::logins::exchange;
use crate::harness::members::{invitation, member_update};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

use super::super::people::{password, totp};
use super::entered;

on_both_backends!(
    a_creation_is_finished_with_a_second_factor,
    a_creation_is_finished_with_a_first_factor,
    an_entrance_is_finished_with_a_second_factor,
    an_entrance_is_finished_with_a_first_factor,
    an_open_token_goes_on_to_another_organization,
    a_bound_token_that_still_owes_stays_bound,
    a_bound_token_finishes_nowhere_else,
    a_bound_token_finishes_what_is_there,
);

/// The receipts: organization, member and session of each, and whether a nonce is there.
async fn receipts(t: &Harness) -> Vec<(bool, bool, bool, bool)> {
    let connection = t.database().await;
    let sql = "SELECT organization_id IS NOT NULL AS organization, member_id IS NOT NULL AS member, \
               session_id IS NOT NULL AS session, session_token_nonce IS NOT NULL AS nonce \
               FROM intermediate_session_receipts ORDER BY created_at";
    let found = rows(&connection, sql, vec![]).await;
    connection.close().await.unwrap();
    let column = |row: &sea_orm::QueryResult, name: &str| row.try_get::<bool>("", name).unwrap();
    let receipt = |row: &sea_orm::QueryResult| {
        (column(row, "organization"), column(row, "member"), column(row, "session"), column(row, "nonce"))
    };
    found.iter().map(receipt).collect()
}

/// A token that an organization has bound which asks for a second factor.
async fn bound(
    clients: &Clients,
    factors: Vec<pb::VouchedFactor>,
) -> (String, pb::DiscoveryServiceCreateOrganizationResponse) {
    let token = clients.token_with("ada@acme.com", factors).await;
    let mut request = creation(&token);
    request.set_mfa_policy(pb::MfaPolicy::RequiredForAll);
    let created = clients.spend(request).await.unwrap().into_inner();
    assert_eq!(created.intermediate_session_token, token);
    (token, created)
}

fn methods(answer: &super::Response) -> Vec<&str> {
    let factors = &answer.member_session.as_ref().unwrap().authentication_factors;
    factors.iter().map(|factor| factor.delivery_method.as_str()).collect()
}

async fn spent(clients: &Clients, token: &str, organization_id: &str) {
    let reason = "INTERMEDIATE_SESSION_NOT_FOUND";
    refused(clients.inspect(token).await, Code::NotFound, reason);
    refused(clients.exchange(exchange(token, organization_id)).await, Code::NotFound, reason);
    refused(clients.add_factor(token, totp()).await, Code::NotFound, reason);
}

async fn a_creation_is_finished_with_a_second_factor(t: Harness) {
    let clients = t.clients();
    let (token, created) = bound(&clients, vec![magic_link()]).await;
    assert_eq!(receipts(&t).await, [(true, true, false, false)]);
    let acme = created.organization.unwrap();
    clients.add_factor(&token, totp()).await.unwrap();
    let answer = entered(&clients, &token, &acme.organization_slug).await;
    assert!(answer.member_authenticated);
    assert_eq!(answer.member_id, created.member_id);
    // Verified since the creation: the login changes nothing about the member.
    assert_eq!(answer.member, created.member);
    assert_eq!(answer.organization, Some(acme.clone()));
    assert_eq!(methods(&answer), ["email", "authenticator_app"]);
    let factors = answer.member_session.as_ref().unwrap().authentication_factors.iter();
    let orders: Vec<_> = factors.map(|factor| factor.sequence_order.as_str()).collect();
    assert_eq!(orders, ["PRIMARY", "SECONDARY"]);
    assert_eq!(answer.member_session.unwrap().roles, ["stytch_member", "stytch_admin"]);
    assert_eq!(answer.intermediate_session_token, "");
    assert_eq!(receipts(&t).await, [(true, true, true, true)]);
    spent(&clients, &token, &acme.organization_id).await;
    refused(clients.spend(creation(&token)).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    assert_eq!((t.count("organizations").await, t.count("sessions").await), (1, 1));
}

async fn a_creation_is_finished_with_a_first_factor(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![password()]).await;
    let created = clients.spend(creation(&token)).await.unwrap().into_inner();
    assert_eq!(created.member.as_ref().unwrap().status, "pending");
    let acme = created.organization.unwrap().organization_id;
    clients.add_factor(&token, magic_link()).await.unwrap();
    let answer = entered(&clients, &token, &acme).await;
    assert!(answer.member_authenticated);
    assert_eq!(methods(&answer), ["knowledge", "email"]);
    let member = clients.member_by_id(&acme, &created.member_id).await.unwrap();
    assert_eq!((member.status.as_str(), member.email_address_verified), ("active", true));
    assert_eq!(answer.member, Some(member));
    spent(&clients, &token, &acme).await;
}

async fn an_entrance_is_finished_with_a_second_factor(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    clients.ask_for_second_factors(&acme).await;
    let token = clients.token("ada@acme.com").await;
    let owing = entered(&clients, &token, &acme).await;
    assert!(owing.mfa_required.is_some() && owing.primary_required.is_none());
    assert_eq!(owing.member.unwrap().status, "pending");
    clients.add_factor(&token, totp()).await.unwrap();
    let answer = entered(&clients, &token, &acme).await;
    assert!(answer.member_authenticated);
    assert_eq!(answer.member_id, owing.member_id);
    assert_eq!(answer.member.as_ref().unwrap().status, "active");
    assert_eq!(methods(&answer), ["email", "authenticator_app"]);
    spent(&clients, &token, &acme).await;
}

async fn an_entrance_is_finished_with_a_first_factor(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    let token = clients.token_with("ada@acme.com", vec![password()]).await;
    let owing = entered(&clients, &token, &acme).await;
    assert!(owing.primary_required.is_some() && owing.member.is_none());
    clients.add_factor(&token, factor("email_otp", "email")).await.unwrap();
    let answer = entered(&clients, &token, &acme).await;
    assert!(answer.member_authenticated);
    let member = answer.member.clone().unwrap();
    assert_eq!((member.status.as_str(), member.email_address_verified), ("active", true));
    assert_eq!(methods(&answer), ["knowledge", "email"]);
    spent(&clients, &token, &acme).await;
}

async fn an_open_token_goes_on_to_another_organization(t: Harness) {
    let clients = t.clients();
    let strict = clients.organization("Strict").await.organization_id;
    clients.member(&strict, "ada@acme.com").await;
    clients.ask_for_second_factors(&strict).await;
    let other = clients.organization("Other").await.organization_id;
    clients.member(&other, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    assert!(entered(&clients, &token, &strict).await.mfa_required.is_some());
    let answer = entered(&clients, &token, &other).await;
    assert!(answer.member_authenticated);
    assert_eq!(answer.organization.unwrap().organization_id, other);
    spent(&clients, &token, &strict).await;
}

async fn a_bound_token_that_still_owes_stays_bound(t: Harness) {
    let clients = t.clients();
    let (token, created) = bound(&clients, vec![password()]).await;
    let acme = created.organization.clone().unwrap().organization_id;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    let events = t.count("events").await;
    let answer = entered(&clients, &token, &acme).await;
    let expected = super::Response {
        request_id: answer.request_id.clone(),
        member_id: created.member_id.clone(),
        member: created.member.clone(),
        organization: created.organization,
        intermediate_session_token: token.clone(),
        intermediate_session_token_expires_at: before.intermediate_session_token_expires_at,
        mfa_required: created.mfa_required,
        primary_required: created.primary_required,
        ..super::Response::default()
    };
    assert_eq!(answer, expected);
    let after = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert_eq!(after, before);
    assert_eq!(after.member_id, Some(created.member_id));
    clients.add_factor(&token, magic_link()).await.unwrap();
    let answer = entered(&clients, &token, &acme).await;
    assert!(answer.primary_required.is_none() && answer.mfa_required.is_some());
    assert_eq!((t.count("events").await, t.count("sessions").await), (events, 0));
    assert_eq!(receipts(&t).await, [(true, true, false, false)]);
    clients.add_factor(&token, totp()).await.unwrap();
    assert!(entered(&clients, &token, &acme).await.member_authenticated);
}

async fn a_bound_token_finishes_nowhere_else(t: Harness) {
    let clients = t.clients();
    let (token, created) = bound(&clients, vec![magic_link()]).await;
    let member = clients.organization("Member").await.organization_id;
    clients.member(&member, "ada@acme.com").await;
    let invited = clients.organization("Invited").await.organization_id;
    clients.invite_member(invitation(&invited, "ada@acme.com")).await.unwrap();
    let joinable = clients.open_to("Joinable", "acme.com").await.organization_id;
    let foreign = clients.organization("Foreign").await.organization_id;
    clients.add_factor(&token, totp()).await.unwrap();
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session;
    let wrote = super::written::written(&t).await;
    for organization_id in [&member, &invited, &joinable, &foreign] {
        let answer = clients.exchange(exchange(&token, organization_id)).await;
        let reason = "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION";
        refused(answer, Code::FailedPrecondition, reason);
    }
    let answer = clients.exchange(exchange(&token, "nowhere")).await;
    refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    assert_eq!(super::written::written(&t).await, wrote);
    assert_eq!(clients.inspect(&token).await.unwrap().into_inner().intermediate_session, before);
    let home = created.organization.unwrap().organization_id;
    assert!(entered(&clients, &token, &home).await.member_authenticated);
}

async fn a_bound_token_finishes_what_is_there(t: Harness) {
    let clients = t.clients();
    // A claim that another organization has made since ends no login.
    let (token, created) = bound(&clients, vec![magic_link()]).await;
    let claim = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    let owner = clients.create(claim).await.unwrap().into_inner().organization.unwrap();
    clients.add_factor(&token, totp()).await.unwrap();
    let acme = created.organization.unwrap().organization_id;
    assert!(entered(&clients, &token, &acme).await.member_authenticated);
    clients.dissolve(&owner.organization_id).await;
    let (token, created) = bound(&clients, vec![magic_link()]).await;
    let acme = created.organization.unwrap().organization_id;
    clients.add_factor(&token, totp()).await.unwrap();
    // What was verified is about the address that the member had then.
    let renamed = |address: &str| pb::UpdateMemberRequest {
        email_address: Some(address.to_owned()),
        ..member_update(&acme, &created.member_id)
    };
    clients.update_member(renamed("lovelace@acme.com")).await.unwrap();
    refused(clients.exchange(exchange(&token, &acme)).await, Code::NotFound, "MEMBER_NOT_FOUND");
    clients.update_member(renamed("ada@acme.com")).await.unwrap();
    clients.expel(&acme, &created.member_id).await;
    refused(clients.exchange(exchange(&token, &acme)).await, Code::NotFound, "MEMBER_NOT_FOUND");
    clients.dissolve(&acme).await;
    refused(clients.exchange(exchange(&token, &acme)).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    assert_eq!(t.count("sessions").await, 1);
}
