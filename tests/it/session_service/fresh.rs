//! What a session is answered with is what the database has, however often it was read before.

use serde_json::json;
use vestibule::pb;

use crate::harness::fixtures::magic_link;
use crate::harness::json::object;
use crate::harness::logins::{by_jwt, by_token, exchange};
use crate::harness::members::{member_update, organization_update};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    every_change_of_the_organization_shows_at_once,
    every_change_of_the_member_shows_at_once,
    a_row_that_says_nothing_of_its_change_shows_too,
    members_and_sessions_are_never_mistaken_for_each_other,
    what_is_long_is_answered_whole,
);

/// Asserts that both ways to check the session answer with the member and the organization as they are
/// read by themselves, three times.
async fn is_fresh(t: &Harness, login: &pb::DiscoveryServiceCreateOrganizationResponse) {
    let (member, organization) = (login.member.as_ref().unwrap(), login.organization.as_ref().unwrap());
    let organization_id = organization.organization_id.as_str();
    let clients = t.clients();
    let member = clients.member_by_id(organization_id, &member.member_id).await.unwrap();
    let request = pb::GetOrganizationRequest { organization_id: organization_id.to_owned() };
    let organization = clients.organizations.clone().get_organization(request).await.unwrap();
    let organization = organization.into_inner().organization.unwrap();
    for _ in 0..3 {
        for request in [by_token(&login.session_token), by_jwt(&login.session_jwt)] {
            let answer = clients.authenticate(request).await.unwrap().into_inner();
            assert_eq!(answer.member.as_ref(), Some(&member));
            assert_eq!(answer.organization.as_ref(), Some(&organization));
            let session = answer.member_session.unwrap();
            assert_eq!(session.organization_slug, organization.organization_slug);
            let roles: Vec<_> = member.roles.iter().map(|role| role.role_id.clone()).collect();
            assert_eq!(session.roles, roles);
        }
    }
}

async fn every_change_of_the_organization_shows_at_once(t: Harness) {
    let clients = t.clients();
    let ada = clients.founded("ada@acme.com").await;
    let organization = ada.organization.clone().unwrap().organization_id;
    is_fresh(&t, &ada).await;
    let of_organization = organization_update(&organization);
    let tenants = json!({"slack": ["T2", "T1"], "github": ["9"]});
    let changes = [
        pb::UpdateOrganizationRequest {
            organization_name: Some("Another".to_owned()),
            organization_slug: Some("another-slug".to_owned()),
            ..of_organization.clone()
        },
        pb::UpdateOrganizationRequest {
            email_allowed_domains: vec!["zeta.com".to_owned(), "acme.com".to_owned()],
            allowed_oauth_tenants: Some(object(tenants)),
            ..of_organization.clone()
        },
        pb::UpdateOrganizationRequest {
            claimed_email_domains: vec!["acme.com".to_owned()],
            trusted_metadata: Some(object(json!({"plan": {"seats": 3.5, "none": null}}))),
            ..of_organization.clone()
        },
        pb::UpdateOrganizationRequest {
            organization_external_id: Some("erp-7".to_owned()),
            organization_logo_url: Some("https://acme.com/logo.png".to_owned()),
            mfa_methods: Some(pb::MfaMethods::Restricted.into()),
            allowed_mfa_methods: vec!["totp".to_owned()],
            ..of_organization.clone()
        },
        pb::UpdateOrganizationRequest {
            rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
                domain: "acme.com".to_owned(),
                role_id: "stytch_admin".to_owned(),
            }],
            ..of_organization
        },
    ];
    for change in changes {
        clients.update_organization(change).await.unwrap();
        is_fresh(&t, &ada).await;
    }
}

async fn every_change_of_the_member_shows_at_once(t: Harness) {
    let clients = t.clients();
    let ada = clients.founded("ada@acme.com").await;
    let organization = ada.organization.clone().unwrap().organization_id;
    let member = ada.member.clone().unwrap().member_id;
    is_fresh(&t, &ada).await;
    let of_member = member_update(&organization, &member);
    let changes = [
        pb::UpdateMemberRequest { name: Some("Ada".to_owned()), ..of_member.clone() },
        pb::UpdateMemberRequest {
            external_id: Some("person-7".to_owned()),
            trusted_metadata: Some(object(json!({"list": [1, "two", false]}))),
            untrusted_metadata: Some(object(json!({"theme": "dark"}))),
            ..of_member.clone()
        },
        pb::UpdateMemberRequest {
            mfa_phone_number: Some("+15005550006".to_owned()),
            is_breakglass: Some(true),
            ..of_member.clone()
        },
        pb::UpdateMemberRequest {
            email_address: Some("ada@zeta.com".to_owned()),
            preserve_existing_sessions: true,
            ..of_member
        },
    ];
    for change in changes {
        clients.update_member(change).await.unwrap();
        is_fresh(&t, &ada).await;
    }
    let retired = clients.member_by_id(&organization, &member).await.unwrap().retired_email_addresses;
    let unlinking = pb::UnlinkRetiredMemberEmailRequest {
        organization_id: organization,
        member_id: member,
        email_id: Some(retired[0].email_id.clone()),
        ..pb::UnlinkRetiredMemberEmailRequest::default()
    };
    clients.unlink_retired_member_email(unlinking).await.unwrap();
    is_fresh(&t, &ada).await;
}

/// A copy that was restored, another version, a person with a database client.
async fn a_row_that_says_nothing_of_its_change_shows_too(t: Harness) {
    let ada = t.clients().founded("ada@acme.com").await;
    is_fresh(&t, &ada).await;
    for statement in [
        "UPDATE organizations SET name = 'Other'",
        "UPDATE members SET name = 'Other'",
        "UPDATE members SET name = 'Yet another', assigned_roles = '[\"stytch_admin\", \"editor\"]'",
    ] {
        t.execute(statement).await;
        is_fresh(&t, &ada).await;
    }
}

async fn members_and_sessions_are_never_mistaken_for_each_other(t: Harness) {
    let clients = t.clients();
    let ada = clients.founded("ada@acme.com").await;
    let eve = clients.founded("eve@other.com").await;
    for login in [&ada, &eve, &ada] {
        is_fresh(&t, login).await;
    }
    let home = ada.organization.clone().unwrap().organization_id;
    clients.member(&home, "bob@acme.com").await;
    let token = clients.token_with("bob@acme.com", vec![magic_link()]).await;
    let bob = clients.exchange(exchange(&token, &home)).await.unwrap().into_inner();
    let bob = pb::DiscoveryServiceCreateOrganizationResponse {
        session_token: bob.session_token,
        session_jwt: bob.session_jwt,
        member: bob.member,
        organization: bob.organization,
        ..pb::DiscoveryServiceCreateOrganizationResponse::default()
    };
    for login in [&bob, &ada, &eve, &bob] {
        is_fresh(&t, login).await;
    }
    // The organization that two of them share changes, and so does one of the two.
    let change = pb::UpdateOrganizationRequest {
        organization_name: Some("Shared".to_owned()),
        ..organization_update(&home)
    };
    clients.update_organization(change).await.unwrap();
    let change = pb::UpdateMemberRequest {
        name: Some("Bob".to_owned()),
        ..member_update(&home, &bob.member.clone().unwrap().member_id)
    };
    clients.update_member(change).await.unwrap();
    for login in [&ada, &eve, &bob] {
        is_fresh(&t, login).await;
    }
}

/// Longer than what is remembered.
async fn what_is_long_is_answered_whole(t: Harness) {
    let clients = t.clients();
    let ada = clients.founded("ada@acme.com").await;
    let home = ada.organization.clone().unwrap().organization_id;
    is_fresh(&t, &ada).await;
    let domains: Vec<_> = (0..100).map(|number| format!("{}-{number}.com", "long".repeat(14))).collect();
    let change =
        pb::UpdateOrganizationRequest { email_allowed_domains: domains, ..organization_update(&home) };
    clients.update_organization(change).await.unwrap();
    // And a second time, with the organization that is not remembered and the member that is.
    is_fresh(&t, &ada).await;
    t.execute("UPDATE organizations SET trusted_metadata = '{\"other\": true}'").await;
    is_fresh(&t, &ada).await;
}
