//! What every method finds something to do with.

use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::creation;
use crate::harness::logins::exchange;
use crate::harness::members::{invitation, member_update, new_member, organization_update};

/// An organization with an external id, and those in it. No two stands have an external id in common.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) organization_id: String,
    /// A member with an external id, a phone number and a retired address, who is logged in.
    pub(crate) member: pb::Member,
    /// The session of the member.
    pub(crate) session: pb::MemberSession,
    /// Its token.
    pub(crate) session_token: String,
    /// A token of the member's that nothing was done with.
    pub(crate) member_token: String,
    /// Another organization, which the member is invited to.
    pub(crate) invited_to: String,
    /// A deleted member whose address was verified.
    pub(crate) deleted_member_id: String,
    /// A token, of somebody who is no member of anything, that nothing was done with.
    pub(crate) token: String,
}

impl Stand {
    pub(crate) async fn new(clients: &Clients) -> Self {
        let token = clients.token("ada@acme.com").await;
        let created = clients.spend(creation(&token)).await.unwrap().into_inner();
        let founder = created.member.unwrap();
        let organization_id = founder.organization_id;
        let uuid = &organization_id["organization-test-".len()..];
        let naming = pb::UpdateOrganizationRequest {
            organization_external_id: Some(format!("own-{uuid}")),
            ..organization_update(&organization_id)
        };
        clients.update_organization(naming).await.unwrap();
        let going = pb::DeleteMemberRequest {
            organization_id: organization_id.clone(),
            member_id: founder.member_id.clone(),
            etag: None,
            allow_removing_last_admin: true,
        };
        clients.delete_member(going).await.unwrap();
        let grace = pb::CreateMemberRequest {
            external_id: Some(format!("grace-{uuid}")),
            mfa_phone_number: Some("+15005550006".to_owned()),
            ..new_member(&organization_id, "grace@old.example.com")
        };
        let member_id = clients.create_member(grace).await.unwrap().into_inner().member_id;
        let moving = pb::UpdateMemberRequest {
            email_address: Some("grace@acme.com".to_owned()),
            ..member_update(&organization_id, &member_id)
        };
        clients.update_member(moving).await.unwrap();
        let token = clients.token("grace@acme.com").await;
        let entered = clients.exchange(exchange(&token, &organization_id)).await.unwrap().into_inner();
        let invited_to = clients.organization("Globex").await.organization_id;
        clients.invite_member(invitation(&invited_to, "grace@acme.com")).await.unwrap();
        Self {
            organization_id,
            member: entered.member.unwrap(),
            session: entered.member_session.unwrap(),
            session_token: entered.session_token,
            member_token: clients.token("grace@acme.com").await,
            invited_to,
            deleted_member_id: founder.member_id,
            token: clients.token("edsger@acme.com").await,
        }
    }
}
