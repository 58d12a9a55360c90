//! Tokens at doors that are not theirs.

use tonic::Code;
use vestibule::pb;

use super::super::answers::{Owed, enter, kept_out, log_in, members, tried};
use super::super::factors::{VERIFYING, github, totp};
use super::super::settings::Settings;
use super::{acme, is_spent, listed, unfinished_creation};
use crate::harness::fixtures::{creation, magic_link};
use crate::harness::logins::{by_token, exchange, explanation, listing, switch};
use crate::harness::members::member_update;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_creation_that_owes_a_second_factor_is_finished_at_home_only,
    a_creation_that_owes_a_proof_is_finished_with_one_only,
    a_member_whose_address_changed_is_not_finished,
    a_member_who_was_deleted_is_not_finished,
    a_token_of_one_kind_is_none_of_the_other,
);

async fn a_creation_that_owes_a_second_factor_is_finished_at_home_only(t: Harness) {
    let clients = t.clients();
    let by_all = Settings { tenants: &["octo"], ..Settings::joined_by("acme.com") };
    let elsewhere = acme(&clients, &by_all).await;
    let of_ada = acme(&clients, &Settings::default()).await;
    clients.member(&of_ada, "ada@acme.com").await;
    let factors = vec![magic_link(), github("ada", &["octo"])];
    let (token, created) = unfinished_creation(&clients, factors).await;
    let home = created.organization_id;

    let other_door = || kept_out::<()>("INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION").unwrap_err();
    for with_second_factor in [false, true] {
        if with_second_factor {
            clients.add_factor(&token, totp()).await.unwrap();
        }
        let (organizations, events) = (t.count("organizations").await, t.count("events").await);
        assert_eq!(tried(clients.spend(creation(&token)).await).unwrap_err(), other_door());
        for organization in [&elsewhere, &of_ada] {
            assert_eq!(enter(&clients, &token, organization).await.unwrap_err(), other_door());
        }
        assert_eq!(listed(&clients, &token).await, [home.as_str()]);
        if !with_second_factor {
            assert_eq!(enter(&clients, &token, &home).await.unwrap().owed, Owed::mfa());
        }
        assert_eq!((t.count("organizations").await, t.count("events").await), (organizations, events));
    }
    let finished = enter(&clients, &token, &home).await.unwrap();
    assert_eq!((finished.owed.nothing(), finished.member_id), (true, created.member_id));
    for organization in [&home, &elsewhere, &of_ada] {
        is_spent(&clients, &token, organization).await;
    }
    let again = tried(clients.spend(creation(&token)).await).unwrap_err();
    assert_eq!(again, kept_out::<()>("INTERMEDIATE_SESSION_NOT_FOUND").unwrap_err());
}

async fn a_creation_that_owes_a_proof_is_finished_with_one_only(t: Harness) {
    let clients = t.clients();
    let (token, created) = unfinished_creation(&clients, vec![github("ada", &["octo"])]).await;
    let home = created.organization_id.clone();
    assert_eq!(created.member().status, "pending");
    // The creator's own account was registered by the creation, but on nobody's proof.
    clients.add_factor(&token, totp()).await.unwrap();
    assert_eq!(enter(&clients, &token, &home).await.unwrap().owed, Owed::primary(&VERIFYING));
    let (other, _) = super::try_as_ada(&clients, vec![github("ada", &["octo"]), totp()], &home).await;
    assert_eq!(other.unwrap().owed, Owed::primary(&VERIFYING));
    clients.add_factor(&token, magic_link()).await.unwrap();
    let finished = enter(&clients, &token, &home).await.unwrap();
    assert!(finished.owed.nothing() && finished.member().email_address_verified);
}

async fn a_member_whose_address_changed_is_not_finished(t: Harness) {
    let clients = t.clients();
    let (token, created) = unfinished_creation(&clients, vec![magic_link()]).await;
    clients.add_factor(&token, totp()).await.unwrap();
    let email_address = Some("grace@acme.com".to_owned());
    let update = pb::UpdateMemberRequest {
        email_address,
        ..member_update(&created.organization_id, &created.member_id)
    };
    let moved = clients.update_member(update).await.unwrap().into_inner().member.unwrap();
    let refused = enter(&clients, &token, &created.organization_id).await.unwrap_err();
    assert_eq!(refused, kept_out::<()>("MEMBER_NOT_FOUND").unwrap_err());
    assert_eq!(members(&clients, &created.organization_id).await, [moved]);
    assert_eq!(listed(&clients, &token).await, [""; 0]);
    assert_eq!(t.count("sessions").await, 0);
}

async fn a_member_who_was_deleted_is_not_finished(t: Harness) {
    let clients = t.clients();
    let (token, created) = unfinished_creation(&clients, vec![magic_link()]).await;
    clients.add_factor(&token, totp()).await.unwrap();
    let request = pb::DeleteMemberRequest {
        organization_id: created.organization_id.clone(),
        member_id: created.member_id.clone(),
        allow_removing_last_admin: true,
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(request).await.unwrap();
    // Another member with the address is another member.
    clients.member(&created.organization_id, "ada@acme.com").await;
    let refused = enter(&clients, &token, &created.organization_id).await.unwrap_err();
    assert_eq!(refused, kept_out::<()>("MEMBER_NOT_FOUND").unwrap_err());
    assert_eq!(listed(&clients, &token).await, [""; 0]);
    assert_eq!(t.count("sessions").await, 0);
}

async fn a_token_of_one_kind_is_none_of_the_other(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::joined_by("acme.com")).await;
    let session = log_in(&clients, "ada@acme.com", vec![magic_link()], &organization).await.session_token;
    let token = clients.token("grace@acme.com").await;
    let events = t.count("events").await;
    let bad = |refusal: tonic::Status| {
        let refusal = crate::harness::refusal::Refusal::of(&refusal);
        (refusal.code, refusal.reason)
    };
    let expected = (Code::InvalidArgument, "INVALID_SESSION_TOKEN".to_owned());
    // A session token where an intermediate one is due.
    assert_eq!(bad(clients.exchange(exchange(&session, &organization)).await.unwrap_err()), expected);
    assert_eq!(bad(clients.spend(creation(&session)).await.unwrap_err()), expected);
    assert_eq!(bad(clients.discovered(listing(&session)).await.unwrap_err()), expected);
    assert_eq!(bad(clients.explain(explanation(&session, &organization)).await.unwrap_err()), expected);
    assert_eq!(bad(clients.inspect(&session).await.unwrap_err()), expected);
    assert_eq!(bad(clients.add_factor(&session, totp()).await.unwrap_err()), expected);
    assert_eq!(bad(clients.revoke(&session).await.unwrap_err()), expected);
    // And the reverse.
    assert_eq!(bad(clients.authenticate(by_token(&token)).await.unwrap_err()), expected);
    assert_eq!(bad(clients.switch(switch(&token, &organization)).await.unwrap_err()), expected);
    let listing = pb::ListDiscoveredOrganizationsRequest {
        session_token: Some(token.clone()),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    };
    assert_eq!(bad(clients.discovered(listing).await.unwrap_err()), expected);
    let revocation = pb::RevokeSessionRequest {
        session_token: Some(token.clone()),
        ..pb::RevokeSessionRequest::default()
    };
    assert_eq!(bad(clients.revoke_session(revocation).await.unwrap_err()), expected);
    // Of the same shape, but of the other kind: the bytes of one spelt as the other is.
    let as_session = token.replace('=', "A");
    refused(clients.authenticate(by_token(&as_session)).await, Code::NotFound, "SESSION_NOT_FOUND");
    refused(clients.switch(switch(&as_session, &organization)).await, Code::NotFound, "SESSION_NOT_FOUND");
    assert_eq!(t.count("events").await, events);
    clients.authenticate(by_token(&session)).await.unwrap();
    assert!(enter(&clients, &token, &organization).await.unwrap().owed.nothing());
}
