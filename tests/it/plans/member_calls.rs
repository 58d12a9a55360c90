//! The methods of members but the search, called so that each runs all of its statements.

use vestibule::pb;

use super::subjects::Subjects;
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, with_key};
use crate::harness::members::{invitation, mask, member_update, new_member};

/// A member with all that is unique, and what it is called by.
fn whole_member(organization_id: &str, name: &str) -> pb::CreateMemberRequest {
    pb::CreateMemberRequest {
        external_id: Some(name.to_owned()),
        mfa_phone_number: Some("+15005550006".to_owned()),
        roles: vec!["stytch_admin".to_owned()],
        ..new_member(organization_id, "ada@acme.com")
    }
}

/// Calls a method of members, by the name of its service and its own; what it makes is called `name`.
pub(super) async fn call(clients: &Clients, subjects: &Subjects, method: &str, name: &str) {
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
        "MemberService/BatchCreateMembers" => create_members(clients, &organization_id, name).await,
        "MemberService/InviteMember" => invite_member(clients, &organization_id, name).await,
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
        update_mask: mask(&["roles", "external_id"]),
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

async fn create_members(clients: &Clients, organization_id: &str, name: &str) {
    let member = |number| pb::NewMember {
        email_address: format!("person-{number}@acme.com"),
        external_id: Some(format!("external-{number}")),
        mfa_phone_number: Some(format!("+1500555{number:04}")),
        ..pb::NewMember::default()
    };
    let request = || pb::BatchCreateMembersRequest {
        organization_id: organization_id.to_owned(),
        members: (100..170).map(member).collect(),
    };
    clients.batch_create_members(with_key(request(), name)).await.unwrap();
    clients.batch_create_members(request()).await.unwrap_err();
}

async fn invite_member(clients: &Clients, organization_id: &str, name: &str) {
    let request = || pb::InviteMemberRequest {
        invited_by_member_id: Some(name.to_owned()),
        ..invitation(organization_id, "grace@acme.com")
    };
    clients.invite_member(with_key(request(), name)).await.unwrap();
    clients.invite_member(request()).await.unwrap();
    clients.invite_member(invitation(organization_id, "ada@acme.com")).await.unwrap_err();
}
