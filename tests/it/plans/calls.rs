//! Every method of the API but the searches, called so that it runs all of its statements.

use serde_json::json;
use vestibule::pb;

use super::subjects::Subjects;
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, magic_link, organization, with_key};
use crate::harness::json::object;
use crate::harness::members::{invitation, member_update, new_member, organization_update};

/// Calls a method, by the name of its service and its own.
pub(super) async fn call(clients: &Clients, subjects: &Subjects, method: &str) {
    // What a call makes is named after it, so that no two meet.
    let name = method.replace('/', "-").to_ascii_lowercase();
    match method {
        "DiscoveryService/CreateOrganization" => discover(clients, subjects, &name).await,
        "IntermediateSessionService/CreateIntermediateSession" => drop(clients.token("a@acme.com").await),
        "IntermediateSessionService/AddFactor" => {
            let token = clients.token("ada@acme.com").await;
            clients.add_factor(&token, magic_link()).await.unwrap();
        }
        "IntermediateSessionService/GetIntermediateSession" => {
            let token = clients.token("ada@acme.com").await;
            clients.inspect(&token).await.unwrap();
            clients.inspect(&token.replace(&token[..4], "AAAA")).await.unwrap_err();
        }
        "IntermediateSessionService/RevokeIntermediateSession" => {
            let token = clients.token("ada@acme.com").await;
            clients.revoke(&token).await.unwrap();
            clients.revoke(&token).await.unwrap_err();
        }
        "SessionService/GetJwks" => {
            clients.sessions.clone().get_jwks(pb::GetJwksRequest {}).await.unwrap();
        }
        method if method.starts_with("OrganizationService/") => {
            call_of_organizations(clients, subjects, method, &name).await;
        }
        method => call_of_members(clients, subjects, method, &name).await,
    }
}

/// Everything that can become of a token.
async fn discover(clients: &Clients, subjects: &Subjects, name: &str) {
    let token = clients.token(&format!("ada@{name}.com")).await;
    let first = clients.spend(with_key(creation(&token), name)).await.unwrap().into_inner();
    let repeated = clients.spend(with_key(creation(&token), name)).await.unwrap().into_inner();
    assert_eq!(repeated.session_token, first.session_token);
    clients.spend(creation(&token)).await.unwrap_err();
    let token = clients.token(&format!("ada@{name}.com")).await;
    let taken = |slug: &str, external_id: Option<String>| pb::DiscoveryServiceCreateOrganizationRequest {
        organization_slug: Some(slug.to_owned()),
        organization_external_id: external_id,
        ..creation(&token)
    };
    let slug = &subjects.organization.organization_slug;
    clients.spend(with_key(taken(slug, Some(subjects.external_id())), "taken")).await.unwrap_err();
    let owed = pb::DiscoveryServiceCreateOrganizationRequest {
        mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
        ..creation(&token)
    };
    clients.spend(owed).await.unwrap();
    clients.inspect(&token).await.unwrap();
    let claimed = clients.token(&format!("ada@{}", subjects.claimed_domain())).await;
    clients.spend(creation(&claimed)).await.unwrap_err();
}

async fn call_of_organizations(clients: &Clients, subjects: &Subjects, method: &str, name: &str) {
    let seeded = &subjects.organization;
    let names = [&seeded.organization_id, &seeded.organization_slug, &subjects.external_id()];
    match method {
        "OrganizationService/CreateOrganization" => {
            let request = || pb::CreateOrganizationRequest {
                organization_external_id: Some(name.to_owned()),
                claimed_email_domains: vec![format!("{name}.com")],
                ..organization(name)
            };
            clients.create(with_key(request(), name)).await.unwrap();
            clients.create(with_key(request(), name)).await.unwrap();
            clients.create(request()).await.unwrap_err();
            let claimed = vec![subjects.claimed_domain()];
            let request =
                pb::CreateOrganizationRequest { claimed_email_domains: claimed, ..organization(name) };
            clients.create(request).await.unwrap_err();
        }
        "OrganizationService/GetOrganization" => {
            for name in names {
                clients.get(name).await.unwrap();
            }
            clients.get("nobody").await.unwrap_err();
        }
        "OrganizationService/UpdateOrganization" => update_organization(clients, subjects, name).await,
        "OrganizationService/DeleteOrganization" => {
            let id = clients.organization(name).await.organization_id;
            clients.member(&id, "ada@acme.com").await;
            let request = || pb::DeleteOrganizationRequest { organization_id: id.clone(), etag: None };
            clients.delete_organization(with_key(request(), name)).await.unwrap();
            clients.delete_organization(with_key(request(), name)).await.unwrap();
            clients.delete_organization(request()).await.unwrap_err();
        }
        "OrganizationService/GetOrganizationMetrics" => {
            for name in names {
                let request = pb::GetOrganizationMetricsRequest { organization_id: name.clone() };
                clients.get_organization_metrics(request).await.unwrap();
            }
        }
        "OrganizationService/DeleteOrganizationExternalId" => {
            let id = clients.organization(name).await.organization_id;
            let request = pb::UpdateOrganizationRequest {
                organization_external_id: Some(name.to_owned()),
                ..organization_update(&id)
            };
            clients.update_organization(request).await.unwrap();
            let request = pb::DeleteOrganizationExternalIdRequest { organization_id: id, etag: None };
            clients.delete_organization_external_id(with_key(request, name)).await.unwrap();
        }
        new => panic!("call {new} here"),
    }
}

async fn update_organization(clients: &Clients, subjects: &Subjects, name: &str) {
    let id = clients.organization(name).await.organization_id;
    let domain = format!("{name}.com");
    clients.member(&id, &format!("ada@{domain}")).await;
    let assignment =
        pb::EmailImplicitRoleAssignment { domain: domain.clone(), role_id: "stytch_admin".to_owned() };
    let request = pb::UpdateOrganizationRequest {
        organization_slug: Some(format!("{name}-2")),
        organization_external_id: Some(format!("{name}-3")),
        email_allowed_domains: vec![domain.clone(), "globex.com".to_owned()],
        claimed_email_domains: vec![domain],
        allowed_oauth_tenants: Some(object(json!({"github": ["acme", "globex"], "slack": ["T1"]}))),
        rbac_email_implicit_role_assignments: vec![assignment],
        ..organization_update(&id)
    };
    clients.update_organization(with_key(request.clone(), name)).await.unwrap();
    clients.update_organization(with_key(request, name)).await.unwrap();
    let seeded = &subjects.organization;
    for request in [
        pb::UpdateOrganizationRequest {
            organization_slug: Some(seeded.organization_slug.clone()),
            organization_external_id: Some(subjects.external_id()),
            ..organization_update(&id)
        },
        pb::UpdateOrganizationRequest {
            claimed_email_domains: vec![subjects.claimed_domain()],
            ..organization_update(&id)
        },
    ] {
        clients.update_organization(request).await.unwrap_err();
    }
    // Whether that takes the last admin's role away has to be found out.
    let request = pb::UpdateOrganizationRequest {
        update_mask: crate::harness::members::mask(&[
            "rbac_email_implicit_role_assignments",
            "organization_external_id",
            "email_allowed_domains",
        ]),
        ..organization_update(&id)
    };
    clients.update_organization(request).await.unwrap();
}

/// A member with all that is unique, and what it is called by.
fn whole_member(organization_id: &str, name: &str) -> pb::CreateMemberRequest {
    pb::CreateMemberRequest {
        external_id: Some(name.to_owned()),
        mfa_phone_number: Some("+15005550006".to_owned()),
        roles: vec!["stytch_admin".to_owned()],
        ..new_member(organization_id, "ada@acme.com")
    }
}

async fn call_of_members(clients: &Clients, subjects: &Subjects, method: &str, name: &str) {
    let organization_id = clients.organization(name).await.organization_id;
    let id = || organization_id.clone();
    if method == "MemberService/CreateMember" {
        let request = || whole_member(&organization_id, name);
        clients.create_member(with_key(request(), name)).await.unwrap();
        clients.create_member(with_key(request(), name)).await.unwrap();
        clients.create_member(request()).await.unwrap_err();
        let claimed = format!("ada@{}", subjects.claimed_domain());
        clients.create_member(new_member(&organization_id, &claimed)).await.unwrap_err();
        return;
    }
    let member = clients.create_member(whole_member(&organization_id, name)).await.unwrap().into_inner();
    let member_id = member.member_id;
    match method {
        "MemberService/BatchCreateMembers" => {
            let member = |number| pb::NewMember {
                email_address: format!("person-{number}@acme.com"),
                external_id: Some(format!("external-{number}")),
                mfa_phone_number: Some(format!("+1500555{number:04}")),
                ..pb::NewMember::default()
            };
            let request = || pb::BatchCreateMembersRequest {
                organization_id: id(),
                members: (100..170).map(member).collect(),
            };
            clients.batch_create_members(with_key(request(), name)).await.unwrap();
            clients.batch_create_members(request()).await.unwrap_err();
        }
        "MemberService/InviteMember" => {
            let request = || pb::InviteMemberRequest {
                invited_by_member_id: Some(name.to_owned()),
                ..invitation(&organization_id, "grace@acme.com")
            };
            clients.invite_member(with_key(request(), name)).await.unwrap();
            clients.invite_member(request()).await.unwrap();
            clients.invite_member(invitation(&organization_id, "ada@acme.com")).await.unwrap_err();
        }
        "MemberService/GetMember" => {
            for (member_id, email_address) in [
                (Some(member_id), None),
                (Some(name.to_owned()), None),
                (None, Some("ada@acme.com".to_owned())),
            ] {
                let request = pb::GetMemberRequest { organization_id: id(), member_id, email_address };
                clients.get_member(request).await.unwrap();
            }
        }
        "MemberService/UpdateMember" => update_member(clients, &organization_id, &member_id, name).await,
        "MemberService/UnlinkRetiredMemberEmail" => {
            let request = pb::UpdateMemberRequest {
                email_address: Some("ada@globex.com".to_owned()),
                ..member_update(&organization_id, name)
            };
            clients.update_member(request).await.unwrap();
            let request = pb::UnlinkRetiredMemberEmailRequest {
                organization_id: id(),
                member_id,
                etag: None,
                email_id: None,
                email_address: Some("ada@acme.com".to_owned()),
            };
            clients.unlink_retired_member_email(with_key(request, name)).await.unwrap();
        }
        "MemberService/DeleteMember" => delete_member(clients, &organization_id, &member_id, name).await,
        "MemberService/ReactivateMember" => reactivate_member(clients, name).await,
        "MemberService/DeleteMemberExternalId" => {
            let request = pb::DeleteMemberExternalIdRequest { organization_id: id(), member_id, etag: None };
            clients.delete_member_external_id(with_key(request, name)).await.unwrap();
        }
        "MemberService/DeleteMemberMfaPhoneNumber" => {
            let request =
                pb::DeleteMemberMfaPhoneNumberRequest { organization_id: id(), member_id, etag: None };
            clients.delete_member_mfa_phone_number(with_key(request, name)).await.unwrap();
        }
        new => panic!("call {new} here"),
    }
}

async fn update_member(clients: &Clients, organization_id: &str, member_id: &str, name: &str) {
    let other = clients.member(organization_id, "grace@acme.com").await;
    // By id and by external id; the address is retired, and taken up again.
    for (member, address) in [(member_id, "ada@globex.com"), (name, "ada@acme.com")] {
        let request = pb::UpdateMemberRequest {
            email_address: Some(address.to_owned()),
            ..member_update(organization_id, member)
        };
        clients.update_member(with_key(request.clone(), address)).await.unwrap();
        clients.update_member(with_key(request, address)).await.unwrap();
    }
    let request = pb::UpdateMemberRequest {
        external_id: Some(name.to_owned()),
        mfa_phone_number: Some("+15005550006".to_owned()),
        email_address: Some("ada@acme.com".to_owned()),
        ..member_update(organization_id, &other.member_id)
    };
    clients.update_member(request).await.unwrap_err();
    let request = pb::UpdateMemberRequest {
        update_mask: crate::harness::members::mask(&["roles", "external_id"]),
        ..member_update(organization_id, member_id)
    };
    clients.update_member(request.clone()).await.unwrap_err();
    clients
        .update_member(pb::UpdateMemberRequest { allow_removing_last_admin: true, ..request })
        .await
        .unwrap();
}

async fn delete_member(clients: &Clients, organization_id: &str, member_id: &str, name: &str) {
    let request = pb::DeleteMemberRequest {
        organization_id: organization_id.to_owned(),
        member_id: member_id.to_owned(),
        etag: None,
        allow_removing_last_admin: false,
    };
    clients.delete_member(request.clone()).await.unwrap_err();
    let request = pb::DeleteMemberRequest { allow_removing_last_admin: true, ..request };
    clients.delete_member(with_key(request.clone(), name)).await.unwrap();
    clients.delete_member(with_key(request, name)).await.unwrap();
}

/// Only a person with a verified address can come back: one who has logged in.
async fn reactivate_member(clients: &Clients, name: &str) {
    let token = clients.token(&format!("ada@{name}.com")).await;
    let created = clients.spend(creation(&token)).await.unwrap().into_inner();
    let organization_id = created.organization.unwrap().organization_id;
    let member_id = created.member_id;
    let request = pb::UpdateMemberRequest {
        external_id: Some(name.to_owned()),
        mfa_phone_number: Some("+15005550006".to_owned()),
        ..member_update(&organization_id, &member_id)
    };
    clients.update_member(request).await.unwrap();
    delete_member(clients, &organization_id, &member_id, "delete").await;
    let request = || pb::ReactivateMemberRequest {
        organization_id: organization_id.clone(),
        member_id: member_id.clone(),
        etag: None,
    };
    clients.reactivate_member(with_key(request(), name)).await.unwrap();
    clients.reactivate_member(request()).await.unwrap_err();
}
