//! Each method that writes, called with a key.

use vestibule::pb;

use super::Stand;
use crate::harness::Harness;
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::logins::{by_token, exchange, switch};
use crate::harness::members::{invitation, member_update, new_member, organization_update};

/// What an answer says, but for what differs from call to call: its id.
macro_rules! told {
    ($answer:expr) => {{
        let mut answer = $answer.await.unwrap().into_inner();
        assert!(!std::mem::take(&mut answer.request_id).is_empty());
        format!("{answer:?}")
    }};
}

/// The same of an answer with a JWT, which is signed anew.
macro_rules! signed {
    ($answer:expr) => {{
        let mut answer = $answer.await.unwrap().into_inner();
        assert!(!std::mem::take(&mut answer.request_id).is_empty());
        assert!(!std::mem::take(&mut answer.session_jwt).is_empty());
        format!("{answer:?}")
    }};
}

/// Calls a method, and tells what it answers.
#[expect(clippy::too_many_lines, reason = "an arm for each method")]
pub(super) async fn call(t: &Harness, method: &str, stand: &Stand, key: &str) -> String {
    let clients = t.clients();
    let organization_id = stand.organization_id.clone();
    let member_id = stand.member.member_id.clone();
    match method {
        "OrganizationService/CreateOrganization" => {
            told!(clients.create(with_key(organization("Globex"), key)))
        }
        "OrganizationService/UpdateOrganization" => {
            let request = pb::UpdateOrganizationRequest {
                organization_name: Some("Initech".to_owned()),
                ..organization_update(&organization_id)
            };
            told!(clients.update_organization(with_key(request, key)))
        }
        "OrganizationService/DeleteOrganization" => {
            let request = pb::DeleteOrganizationRequest { organization_id, etag: None };
            told!(clients.delete_organization(with_key(request, key)))
        }
        "OrganizationService/DeleteOrganizationExternalId" => {
            let request = pb::DeleteOrganizationExternalIdRequest { organization_id, etag: None };
            told!(clients.delete_organization_external_id(with_key(request, key)))
        }
        "DiscoveryService/CreateOrganization" => {
            signed!(clients.spend(with_key(creation(&stand.token), key)))
        }
        "DiscoveryService/ExchangeIntermediateSession" => {
            let request = exchange(&stand.member_token, &stand.invited_to);
            signed!(clients.exchange(with_key(request, key)))
        }
        "SessionService/AuthenticateSession" => {
            let request = pb::AuthenticateSessionRequest {
                session_duration_minutes: Some(90),
                ..by_token(&stand.session_token)
            };
            signed!(clients.authenticate(with_key(request, key)))
        }
        "SessionService/RevokeSession" => {
            let request = pb::RevokeSessionRequest {
                session_token: Some(stand.session_token.clone()),
                ..pb::RevokeSessionRequest::default()
            };
            told!(clients.revoke_session(with_key(request, key)))
        }
        "SessionService/ExchangeSession" => {
            let request = switch(&stand.session_token, &stand.invited_to);
            signed!(clients.switch(with_key(request, key)))
        }
        "MemberService/CreateMember" => {
            told!(clients.create_member(with_key(new_member(&organization_id, "alan@acme.com"), key)))
        }
        "MemberService/BatchCreateMembers" => {
            let members = ["alan@acme.com", "kurt@acme.com"].map(|address| pb::NewMember {
                email_address: address.to_owned(),
                ..pb::NewMember::default()
            });
            let request = pb::BatchCreateMembersRequest { organization_id, members: members.to_vec() };
            told!(clients.batch_create_members(with_key(request, key)))
        }
        "MemberService/InviteMember" => {
            told!(clients.invite_member(with_key(invitation(&organization_id, "alan@acme.com"), key)))
        }
        "MemberService/UpdateMember" => {
            let request = pb::UpdateMemberRequest {
                name: Some("Grace".to_owned()),
                ..member_update(&organization_id, &member_id)
            };
            told!(clients.update_member(with_key(request, key)))
        }
        "MemberService/UnlinkRetiredMemberEmail" => {
            let request = pb::UnlinkRetiredMemberEmailRequest {
                organization_id,
                member_id,
                email_address: Some("grace@old.example.com".to_owned()),
                ..pb::UnlinkRetiredMemberEmailRequest::default()
            };
            told!(clients.unlink_retired_member_email(with_key(request, key)))
        }
        "MemberService/DeleteMember" => {
            let request =
                pb::DeleteMemberRequest { organization_id, member_id, ..pb::DeleteMemberRequest::default() };
            told!(clients.delete_member(with_key(request, key)))
        }
        "MemberService/ReactivateMember" => {
            let member_id = stand.deleted_member_id.clone();
            let request = pb::ReactivateMemberRequest { organization_id, member_id, etag: None };
            told!(clients.reactivate_member(with_key(request, key)))
        }
        "MemberService/DeleteMemberExternalId" => {
            let request = pb::DeleteMemberExternalIdRequest { organization_id, member_id, etag: None };
            told!(clients.delete_member_external_id(with_key(request, key)))
        }
        "MemberService/DeleteMemberMfaPhoneNumber" => {
            let request = pb::DeleteMemberMfaPhoneNumberRequest { organization_id, member_id, etag: None };
            told!(clients.delete_member_mfa_phone_number(with_key(request, key)))
        }
        new => panic!("call {new} here"),
    }
}
