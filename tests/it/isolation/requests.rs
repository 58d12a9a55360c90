//! A request of each method that names something by its id or asks about a login, as its bytes; nothing is
//! wrong with it.

use prost::Message as _;
use vestibule::pb;

use crate::coverage::stand::Stand;
use crate::harness::logins::{by_token, exchange, explanation, listing, switch};
use crate::harness::members::{invitation, member_update, new_member, organization_update};

/// A request about this organization and its member.
#[expect(clippy::too_many_lines, reason = "an arm for each method")]
pub(crate) fn valid(method: &str, stand: &Stand) -> Vec<u8> {
    let organization_id = stand.organization_id.clone();
    let member_id = stand.member.member_id.clone();
    match method {
        "OrganizationService/GetOrganization" => {
            pb::GetOrganizationRequest { organization_id }.encode_to_vec()
        }
        "OrganizationService/UpdateOrganization" => pb::UpdateOrganizationRequest {
            organization_name: Some("Initech".to_owned()),
            ..organization_update(&organization_id)
        }
        .encode_to_vec(),
        "OrganizationService/DeleteOrganization" => {
            pb::DeleteOrganizationRequest { organization_id, etag: None }.encode_to_vec()
        }
        "OrganizationService/GetOrganizationMetrics" => {
            pb::GetOrganizationMetricsRequest { organization_id }.encode_to_vec()
        }
        "OrganizationService/DeleteOrganizationExternalId" => {
            pb::DeleteOrganizationExternalIdRequest { organization_id, etag: None }.encode_to_vec()
        }
        "MemberService/CreateMember" => new_member(&organization_id, "alan@acme.com").encode_to_vec(),
        "MemberService/BatchCreateMembers" => {
            let member =
                pb::NewMember { email_address: "alan@acme.com".to_owned(), ..pb::NewMember::default() };
            pb::BatchCreateMembersRequest { organization_id, members: vec![member] }.encode_to_vec()
        }
        "MemberService/InviteMember" => invitation(&organization_id, "alan@acme.com").encode_to_vec(),
        "MemberService/GetMember" => {
            pb::GetMemberRequest { organization_id, member_id: Some(member_id), email_address: None }
                .encode_to_vec()
        }
        "MemberService/UpdateMember" => pb::UpdateMemberRequest {
            name: Some("Grace".to_owned()),
            ..member_update(&organization_id, &member_id)
        }
        .encode_to_vec(),
        "MemberService/UnlinkRetiredMemberEmail" => pb::UnlinkRetiredMemberEmailRequest {
            organization_id,
            member_id,
            email_id: Some(stand.member.retired_email_addresses[0].email_id.clone()),
            ..pb::UnlinkRetiredMemberEmailRequest::default()
        }
        .encode_to_vec(),
        "MemberService/DeleteMember" => {
            pb::DeleteMemberRequest { organization_id, member_id, ..pb::DeleteMemberRequest::default() }
                .encode_to_vec()
        }
        "MemberService/ReactivateMember" => {
            let member_id = stand.deleted_member_id.clone();
            pb::ReactivateMemberRequest { organization_id, member_id, etag: None }.encode_to_vec()
        }
        "MemberService/SearchMembers" => pb::SearchMembersRequest {
            organization_ids: vec![organization_id],
            ..pb::SearchMembersRequest::default()
        }
        .encode_to_vec(),
        "MemberService/DeleteMemberExternalId" => {
            pb::DeleteMemberExternalIdRequest { organization_id, member_id, etag: None }.encode_to_vec()
        }
        "MemberService/DeleteMemberMfaPhoneNumber" => {
            pb::DeleteMemberMfaPhoneNumberRequest { organization_id, member_id, etag: None }.encode_to_vec()
        }
        "DiscoveryService/ExchangeIntermediateSession" => {
            exchange(&stand.member_token, &organization_id).encode_to_vec()
        }
        "DiscoveryService/ListDiscoveredOrganizations" => listing(&stand.member_token).encode_to_vec(),
        // Somebody whom none of these organizations would show itself to.
        "DiscoveryService/ExplainDiscovery" => explanation(&stand.token, &organization_id).encode_to_vec(),
        "SessionService/AuthenticateSession" => {
            let check = pb::AuthorizationCheck {
                organization_id,
                resource_id: "stytch.self".to_owned(),
                action: "update.info.name".to_owned(),
            };
            pb::AuthenticateSessionRequest {
                authorization_check: Some(check),
                ..by_token(&stand.session_token)
            }
            .encode_to_vec()
        }
        "SessionService/GetSessions" => pb::GetSessionsRequest { organization_id, member_id }.encode_to_vec(),
        // Takes one field: the one that is asked about.
        "SessionService/RevokeSession" => vec![],
        "SessionService/ExchangeSession" => switch(&stand.session_token, &organization_id).encode_to_vec(),
        new => panic!("make a request of {new} here"),
    }
}
