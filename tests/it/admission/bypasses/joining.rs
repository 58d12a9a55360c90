//! Joining an organization without its leave.

use vestibule::pb;

use super::super::answers::{Owed, enter, kept_out, log_in, members};
use super::super::factors::{VERIFYING, github, totp};
use super::super::settings::Settings;
use super::{acme, delete, listed, set, try_as_ada};
use crate::harness::fixtures::magic_link;
use crate::harness::members::{invitation, member_update, new_member};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    nobody_joins_by_domain_with_an_unverified_address,
    a_squatter_opens_no_domain,
    a_domain_that_is_removed_after_the_list_opens_nothing,
    a_tenant_that_is_removed_after_the_list_opens_nothing,
    an_organization_that_is_deleted_after_the_list_is_gone,
    a_deleted_admin_comes_back_as_nobody,
    a_retired_address_does_not_join,
);

async fn nobody_joins_by_domain_with_an_unverified_address(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings { mfa: true, ..Settings::joined_by("acme.com") }).await;
    let events = t.count("events").await;
    let (tried, token) = try_as_ada(&clients, vec![github("ada", &[]), totp()], &organization).await;
    let answer = tried.unwrap();
    assert_eq!((answer.owed, answer.member), (Owed::primary(&VERIFYING), None));
    let neither = try_as_ada(&clients, vec![github("ada", &[])], &organization).await.0.unwrap();
    assert_eq!((neither.owed.mfa, neither.owed.primary.is_some(), neither.member), (true, true, None));
    assert_eq!(members(&clients, &organization).await.len(), 1);
    assert_eq!(t.count("events").await, events);
    clients.add_factor(&token, magic_link()).await.unwrap();
    assert!(enter(&clients, &token, &organization).await.unwrap().owed.nothing());
}

/// A domain is an organization's by the proof of a member, not by its own word.
async fn a_squatter_opens_no_domain(t: Harness) {
    let clients = t.clients();
    let squatter = clients.organization("Acme Inc").await.organization_id;
    clients.member(&squatter, "mallory@acme.com").await;
    clients.invite_member(invitation(&squatter, "ceo@acme.com")).await.unwrap();
    // A proof that is over: one has left, another has an address elsewhere now.
    for address in ["left@acme.com", "moved@acme.com"] {
        clients.member(&squatter, address).await;
        log_in(&clients, address, vec![magic_link()], &squatter).await;
    }
    for member in members(&clients, &squatter).await {
        match member.email_address.as_str() {
            "left@acme.com" => delete(&clients, &squatter, &member.member_id).await,
            "moved@acme.com" => {
                let email_address = Some("moved@elsewhere.com".to_owned());
                let update =
                    pb::UpdateMemberRequest { email_address, ..member_update(&squatter, &member.member_id) };
                clients.update_member(update).await.unwrap();
            }
            _ => {}
        }
    }
    // A proof for another domain, and one whose domain only ends like it.
    for address in ["eve@elsewhere.com", "eve@notacme.com", "eve@mail.acme.com"] {
        clients.member(&squatter, address).await;
        log_in(&clients, address, vec![magic_link()], &squatter).await;
    }
    set(&clients, &squatter, &Settings::joined_by("acme.com")).await;

    let (tried, token) = try_as_ada(&clients, vec![magic_link()], &squatter).await;
    assert_eq!(tried.unwrap_err(), kept_out::<()>("INVALID_EMAIL_FOR_JIT_PROVISIONING").unwrap_err());
    assert_eq!(listed(&clients, &token).await, [""; 0]);
    log_in(&clients, "mallory@acme.com", vec![magic_link()], &squatter).await;
    assert_eq!(listed(&clients, &token).await, [squatter.as_str()]);
    assert!(enter(&clients, &token, &squatter).await.unwrap().owed.nothing());
}

async fn a_domain_that_is_removed_after_the_list_opens_nothing(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::joined_by("acme.com")).await;
    let token = clients.token("ada@acme.com").await;
    for (settings, reason) in [
        (Settings::joined_by("elsewhere.com"), "INVALID_EMAIL_FOR_JIT_PROVISIONING"),
        (Settings::default(), "EMAIL_JIT_PROVISIONING_NOT_ALLOWED"),
    ] {
        set(&clients, &organization, &Settings::joined_by("acme.com")).await;
        assert_eq!(listed(&clients, &token).await, [organization.as_str()]);
        set(&clients, &organization, &settings).await;
        let refused = enter(&clients, &token, &organization).await.unwrap_err();
        assert_eq!(refused, kept_out::<()>(reason).unwrap_err());
        assert_eq!(listed(&clients, &token).await, [""; 0]);
    }
    assert_eq!(members(&clients, &organization).await.len(), 1);
    set(&clients, &organization, &Settings::joined_by("acme.com")).await;
    assert!(enter(&clients, &token, &organization).await.unwrap().owed.nothing());
}

async fn a_tenant_that_is_removed_after_the_list_opens_nothing(t: Harness) {
    let clients = t.clients();
    let by_tenant = Settings { tenants: &["octo"], ..Settings::default() };
    let organization = acme(&clients, &by_tenant).await;
    let token = clients.token_with("ada@acme.com", vec![github("ada", &["octo"])]).await;
    for (settings, reason) in [
        (Settings { tenants: &["cat"], ..Settings::default() }, "INVALID_OAUTH_TENANT_FOR_JIT_PROVISIONING"),
        (Settings::default(), "OAUTH_TENANT_JIT_PROVISIONING_NOT_ALLOWED"),
    ] {
        set(&clients, &organization, &by_tenant).await;
        assert_eq!(listed(&clients, &token).await, [organization.as_str()]);
        set(&clients, &organization, &settings).await;
        let refused = enter(&clients, &token, &organization).await.unwrap_err();
        assert_eq!(refused, kept_out::<()>(reason).unwrap_err());
        assert_eq!(listed(&clients, &token).await, [""; 0]);
    }
    assert_eq!(members(&clients, &organization).await.len(), 1);
}

async fn an_organization_that_is_deleted_after_the_list_is_gone(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::joined_by("acme.com")).await;
    let of_ada = clients.organization("Ada's").await.organization_id;
    clients.member(&of_ada, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    assert_eq!(listed(&clients, &token).await, [of_ada.clone(), organization.clone()]);
    for organization in [&organization, &of_ada] {
        let request = pb::DeleteOrganizationRequest { organization_id: organization.clone(), etag: None };
        clients.delete_organization(request).await.unwrap();
        let refused = enter(&clients, &token, organization).await.unwrap_err();
        assert_eq!(refused, kept_out::<()>("ORGANIZATION_NOT_FOUND").unwrap_err());
    }
    assert_eq!(listed(&clients, &token).await, [""; 0]);
    assert!(super::tried(clients.spend(Settings::default().creation(&token)).await).unwrap().owed.nothing());
}

async fn a_deleted_admin_comes_back_as_nobody(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::joined_by("acme.com")).await;
    let admin = pb::CreateMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        is_breakglass: true,
        ..new_member(&organization, "ada@acme.com")
    };
    let admin = clients.create_member(admin).await.unwrap().into_inner().member.unwrap();
    let was = log_in(&clients, "ada@acme.com", vec![magic_link(), github("ada", &[])], &organization).await;
    assert!(was.member().is_admin && was.member().oauth_registrations.len() == 1);
    clients.member(&organization, "grace@acme.com").await;
    let request = pb::DeleteMemberRequest {
        organization_id: organization.clone(),
        member_id: admin.member_id.clone(),
        allow_removing_last_admin: true,
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(request).await.unwrap();

    // The account that was theirs proves nothing about who joins now.
    let (by_account, _) = try_as_ada(&clients, vec![github("ada", &[])], &organization).await;
    let by_account = by_account.unwrap();
    assert_eq!((by_account.owed, by_account.member), (Owed::primary(&VERIFYING), None));
    let back = log_in(&clients, "ada@acme.com", vec![magic_link()], &organization).await;
    let member = clients.member_by_id(&organization, &back.member_id).await.unwrap();
    assert_eq!(back.member(), &member);
    assert_eq!(member.member_id, admin.member_id);
    let roles: Vec<_> = member.roles.iter().map(|role| role.role_id.as_str()).collect();
    assert_eq!((roles, member.is_admin, member.is_breakglass), (vec!["stytch_member"], false, false));
    assert_eq!(member.oauth_registrations, Vec::<pb::OauthRegistration>::new());
    let (by_account, _) = try_as_ada(&clients, vec![github("ada", &[])], &organization).await;
    assert_eq!(by_account.unwrap().owed, Owed::primary(&VERIFYING));
    // The session from before the deletion has not come back either.
    let old = clients.authenticate(crate::harness::logins::by_token(&was.session_token)).await;
    crate::harness::refusal::refused(old, tonic::Code::NotFound, "SESSION_NOT_FOUND");
}

async fn a_retired_address_does_not_join(t: Harness) {
    let clients = t.clients();
    let organization =
        acme(&clients, &Settings { tenants: &["octo"], ..Settings::joined_by("acme.com") }).await;
    let member = clients.member(&organization, "ada@acme.com").await;
    let email_address = Some("grace@acme.com".to_owned());
    let update = pb::UpdateMemberRequest { email_address, ..member_update(&organization, &member.member_id) };
    clients.update_member(update).await.unwrap();
    let (tried, token) =
        try_as_ada(&clients, vec![magic_link(), github("ada", &["octo"])], &organization).await;
    assert_eq!(tried.unwrap_err(), kept_out::<()>("RETIRED_MEMBER_EMAIL").unwrap_err());
    assert_eq!(listed(&clients, &token).await, [""; 0]);
}
