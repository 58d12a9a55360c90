//! Refusals to create, invite, read, change, delete and reactivate members.

use tonic::Status;
use vestibule::pb::{self, EmailInvites};

use crate::harness::Harness;
use crate::harness::fixtures::creation;
use crate::harness::members::{invitation, member_update, new_member, organization_update};

/// A member in an organization of its own.
async fn ada(t: &Harness) -> pb::Member {
    let organization = t.clients().organization("Acme").await;
    t.clients().member(&organization.organization_id, "ada@acme.com").await
}

/// An admin with a verified address, the only member of an organization.
async fn founder(t: &Harness) -> pb::Member {
    let token = t.clients().token("ada@acme.com").await;
    t.clients().spend(creation(&token)).await.unwrap().into_inner().member.unwrap()
}

/// An id that no member has.
pub(super) fn member_id(environment: &str) -> String {
    format!("member-{environment}-01890a5d-ac96-774b-bcce-b302099a8057")
}

/// Fails to create a second member with what the first has: one after the other, and both at once.
async fn twice(t: &Harness, first: pb::NewMember, second: pb::NewMember) -> [Status; 2] {
    let organization_id = t.clients().organization("Acme").await.organization_id;
    let batch = |members: Vec<pb::NewMember>| pb::BatchCreateMembersRequest {
        organization_id: organization_id.clone(),
        members,
    };
    t.clients().batch_create_members(batch(vec![first.clone()])).await.unwrap();
    let taken = pb::CreateMemberRequest {
        external_id: second.external_id.clone(),
        mfa_phone_number: second.mfa_phone_number.clone(),
        ..new_member(&organization_id, &second.email_address)
    };
    let taken = t.clients().create_member(taken).await.unwrap_err();
    [taken, t.clients().batch_create_members(batch(vec![first, second])).await.unwrap_err()]
}

pub(super) async fn an_address_twice(t: &Harness) -> [Status; 2] {
    twice(t, named("ada"), named("ada")).await
}

pub(super) async fn an_external_id_twice(t: &Harness) -> [Status; 2] {
    let with = |name| pb::NewMember { external_id: Some("own-id".to_owned()), ..named(name) };
    twice(t, with("ada"), with("grace")).await
}

pub(super) async fn a_number_twice(t: &Harness) -> [Status; 2] {
    let with = |name| pb::NewMember { mfa_phone_number: Some("+15005550006".to_owned()), ..named(name) };
    twice(t, with("ada"), with("grace")).await
}

fn named(name: &str) -> pb::NewMember {
    pb::NewMember { email_address: format!("{name}@acme.com"), ..pb::NewMember::default() }
}

/// Fails to read a member.
pub(super) async fn getting(t: &Harness, change: impl FnOnce(&mut pb::GetMemberRequest)) -> Status {
    let organization_id = t.clients().organization("Acme").await.organization_id;
    let mut request = pb::GetMemberRequest { organization_id, ..pb::GetMemberRequest::default() };
    change(&mut request);
    t.clients().get_member(request).await.unwrap_err()
}

/// Fails to change a member.
pub(super) async fn updating(t: &Harness, change: impl FnOnce(&mut pb::UpdateMemberRequest)) -> Status {
    let ada = ada(t).await;
    let mut request = member_update(&ada.organization_id, &ada.member_id);
    change(&mut request);
    t.clients().update_member(request).await.unwrap_err()
}

pub(super) async fn a_second_number(t: &Harness) -> Status {
    let ada = ada(t).await;
    let with = |number: &str| pb::UpdateMemberRequest {
        mfa_phone_number: Some(number.to_owned()),
        ..member_update(&ada.organization_id, &ada.member_id)
    };
    t.clients().update_member(with("+15005550006")).await.unwrap();
    t.clients().update_member(with("+15005550007")).await.unwrap_err()
}

fn deletion(member: &pb::Member) -> pb::DeleteMemberRequest {
    pb::DeleteMemberRequest {
        organization_id: member.organization_id.clone(),
        member_id: member.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    }
}

pub(super) async fn the_last_admin_goes(t: &Harness) -> Status {
    let ada = founder(t).await;
    t.clients().delete_member(deletion(&ada)).await.unwrap_err()
}

async fn reactivating(t: &Harness, member: &pb::Member) -> Status {
    let request = pb::ReactivateMemberRequest {
        organization_id: member.organization_id.clone(),
        member_id: member.member_id.clone(),
        etag: None,
    };
    t.clients().reactivate_member(request).await.unwrap_err()
}

pub(super) async fn reactivating_one_who_is_there(t: &Harness) -> Status {
    reactivating(t, &ada(t).await).await
}

/// The deleted member never proved the address.
pub(super) async fn reactivating_a_stranger(t: &Harness) -> Status {
    let ada = ada(t).await;
    t.clients().delete_member(deletion(&ada)).await.unwrap();
    reactivating(t, &ada).await
}

/// Another member has taken the address meanwhile.
pub(super) async fn reactivating_too_late(t: &Harness) -> Status {
    let ada = founder(t).await;
    let anyway = pb::DeleteMemberRequest { allow_removing_last_admin: true, ..deletion(&ada) };
    t.clients().delete_member(anyway).await.unwrap();
    t.clients().member(&ada.organization_id, &ada.email_address).await;
    reactivating(t, &ada).await
}

/// Fails to forget an address.
pub(super) async fn unlinking(t: &Harness, email_address: Option<&str>) -> Status {
    let ada = ada(t).await;
    let request = pb::UnlinkRetiredMemberEmailRequest {
        organization_id: ada.organization_id,
        member_id: ada.member_id,
        email_address: email_address.map(str::to_owned),
        ..pb::UnlinkRetiredMemberEmailRequest::default()
    };
    t.clients().unlink_retired_member_email(request).await.unwrap_err()
}

pub(super) async fn inviting_a_member(t: &Harness) -> Status {
    let ada = ada(t).await;
    t.clients().invite_member(invitation(&ada.organization_id, &ada.email_address)).await.unwrap_err()
}

/// Fails to invite somebody from elsewhere.
pub(super) async fn inviting_by(t: &Harness, email_invites: EmailInvites) -> Status {
    let organization_id = t.clients().organization("Acme").await.organization_id;
    let policy = pb::UpdateOrganizationRequest {
        email_invites: Some(email_invites.into()),
        email_allowed_domains: vec!["acme.com".to_owned()],
        ..organization_update(&organization_id)
    };
    t.clients().update_organization(policy).await.unwrap();
    t.clients().invite_member(invitation(&organization_id, "ada@elsewhere.com")).await.unwrap_err()
}

pub(super) async fn inviting_in(t: &Harness, locale: &str) -> Status {
    let organization_id = t.clients().organization("Acme").await.organization_id;
    let request = pb::InviteMemberRequest {
        locale: Some(locale.to_owned()),
        ..invitation(&organization_id, "ada@acme.com")
    };
    t.clients().invite_member(request).await.unwrap_err()
}

pub(super) async fn deleting_no_number(t: &Harness) -> Status {
    let ada = ada(t).await;
    let request = pb::DeleteMemberMfaPhoneNumberRequest {
        organization_id: ada.organization_id,
        member_id: ada.member_id,
        etag: None,
    };
    t.clients().delete_member_mfa_phone_number(request).await.unwrap_err()
}
