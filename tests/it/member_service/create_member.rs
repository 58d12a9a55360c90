mod fields;
mod roles;
mod taken;

use serde_json::json;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::written::{Told, events, written};
use crate::harness::fixtures::{organization, with_key};
use crate::harness::json::object;
use crate::harness::members::new_member;
use crate::harness::refusal::refused;
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_address_is_enough_and_everything_else_has_its_default,
    every_field_is_kept_and_can_be_read,
    addresses_are_kept_in_their_one_spelling,
    a_null_in_metadata_is_left_out,
    email_invites_stop_nobody,
    an_organization_is_named_by_id_slug_or_external_id,
    an_organization_that_is_not_there_is_not_found,
    a_claimed_domain_is_for_its_organization,
    an_event_tells_of_the_creation,
    a_repeat_gets_the_first_answer_again,
);

type Request = pb::CreateMemberRequest;

/// Creates a member, and reads it back before it is believed.
async fn created(t: &Harness, request: Request) -> pb::Member {
    let clients = t.clients();
    let answer = clients.create_member(request).await.unwrap().into_inner();
    let member = answer.member.unwrap();
    assert_eq!(answer.member_id, member.member_id);
    let organization = clients.get(&member.organization_id).await.unwrap().into_inner().organization;
    assert_eq!(answer.organization, organization);
    let read = clients.member_by_id(&member.organization_id, &member.member_id).await.unwrap();
    assert_eq!(read, member);
    member
}

/// A role that a member holds because it was assigned, or is everybody's.
pub(super) fn assigned(role_id: &str) -> pb::MemberRole {
    let source =
        pb::MemberRoleSource { r#type: "direct_assignment".to_owned(), details: Some(object(json!({}))) };
    pb::MemberRole { role_id: role_id.to_owned(), sources: vec![source] }
}

/// A request with every field set to something other than its default.
pub(super) fn everything(organization_id: &str) -> Request {
    Request {
        organization_id: organization_id.to_owned(),
        email_address: "ada@acme.com".to_owned(),
        name: Some(" Ada Lovelace 🧮 ".to_owned()),
        trusted_metadata: Some(object(json!({"plan": "gold", "nested": {"list": [1, null, "two"]}}))),
        untrusted_metadata: Some(object(json!({"colour": "#0a0", "ratio": 0.1}))),
        create_member_as_pending: true,
        is_breakglass: true,
        mfa_phone_number: Some("+15005550006".to_owned()),
        mfa_enrolled: true,
        roles: vec!["stytch_admin".to_owned()],
        external_id: Some("HR|42.a_B-c".to_owned()),
    }
}

async fn an_address_is_enough_and_everything_else_has_its_default(t: Harness) {
    let organization = t.clients().organization("Acme").await;
    let member = created(&t, new_member(&organization.organization_id, "ada@acme.com")).await;
    assert!(member.member_id.starts_with("member-test-"), "{member:?}");
    assert!(!member.etag.is_empty());
    let expected = pb::Member {
        organization_id: organization.organization_id,
        member_id: member.member_id.clone(),
        email_address: "ada@acme.com".to_owned(),
        status: "active".to_owned(),
        roles: vec![assigned("stytch_member")],
        trusted_metadata: Some(object(json!({}))),
        untrusted_metadata: Some(object(json!({}))),
        created_at: Some(seconds(t.clock.now())),
        updated_at: Some(seconds(t.clock.now())),
        etag: member.etag.clone(),
        ..pb::Member::default()
    };
    assert_eq!(member, expected);
    assert_eq!(t.count("sessions").await, 0);
}

async fn every_field_is_kept_and_can_be_read(t: Harness) {
    let organization = t.clients().organization("Acme").await;
    let sent = everything(&organization.organization_id);
    let member = created(&t, sent.clone()).await;
    let expected = pb::Member {
        organization_id: organization.organization_id.clone(),
        member_id: member.member_id.clone(),
        email_address: sent.email_address.clone(),
        status: "pending".to_owned(),
        name: sent.name.clone().unwrap(),
        external_id: sent.external_id.clone(),
        email_address_verified: false,
        is_breakglass: true,
        is_admin: true,
        roles: vec![assigned("stytch_member"), assigned("stytch_admin")],
        mfa_enrolled: true,
        mfa_phone_number: sent.mfa_phone_number.clone().unwrap(),
        mfa_phone_number_verified: false,
        trusted_metadata: sent.trusted_metadata.clone(),
        untrusted_metadata: sent.untrusted_metadata.clone(),
        created_at: Some(seconds(t.clock.now())),
        updated_at: Some(seconds(t.clock.now())),
        etag: member.etag.clone(),
        ..pb::Member::default()
    };
    assert_eq!(member, expected);
    let other = Request {
        email_address: "bob@acme.com".to_owned(),
        mfa_phone_number: None,
        external_id: None,
        create_member_as_pending: false,
        ..sent
    };
    assert_eq!(created(&t, other).await.status, "active");
}

async fn addresses_are_kept_in_their_one_spelling(t: Harness) {
    let organization = t.clients().organization("Acme").await;
    for (sent, kept) in [
        ("Ada.LOVELACE@ACME.com.", "ada.lovelace@acme.com"),
        ("ada+Tag@acme.com", "ada+tag@acme.com"),
        ("ada@acme.com", "ada@acme.com"),
        ("ada@MÜNCHEN.de", "ada@xn--mnchen-3ya.de"),
        ("ada＠acme．org", "ada@acme.org"),
    ] {
        let member = created(&t, new_member(&organization.organization_id, sent)).await;
        assert_eq!(member.email_address, kept, "{sent}");
    }
    assert_eq!(t.count("members").await, 5);
}

async fn a_null_in_metadata_is_left_out(t: Harness) {
    let organization = t.clients().organization("Acme").await;
    let mut sent = json!({"gone": null, "kept": {"null": null}});
    for number in 0..19 {
        sent[format!("key {number}")] = json!(number);
    }
    let mut kept = sent.clone();
    kept.as_object_mut().unwrap().remove("gone");
    let request = Request {
        trusted_metadata: Some(object(sent.clone())),
        untrusted_metadata: Some(object(sent)),
        ..new_member(&organization.organization_id, "ada@acme.com")
    };
    let member = created(&t, request).await;
    assert_eq!(member.trusted_metadata, Some(object(kept.clone())));
    assert_eq!(member.untrusted_metadata, Some(object(kept)));
}

async fn email_invites_stop_nobody(t: Harness) {
    let none = pb::CreateOrganizationRequest {
        email_invites: Some(pb::EmailInvites::NotAllowed.into()),
        ..organization("Acme")
    };
    let few = pb::CreateOrganizationRequest {
        email_invites: Some(pb::EmailInvites::Restricted.into()),
        email_allowed_domains: vec!["acme.org".to_owned()],
        ..organization("Acme")
    };
    for request in [none, few] {
        let answer = t.clients().create(request).await.unwrap().into_inner();
        let id = answer.organization.unwrap().organization_id;
        assert_eq!(created(&t, new_member(&id, "ada@acme.com")).await.status, "active");
    }
}

async fn an_organization_is_named_by_id_slug_or_external_id(t: Harness) {
    let request = pb::CreateOrganizationRequest {
        organization_slug: Some("Acme-Corp".to_owned()),
        organization_external_id: Some("ERP|42".to_owned()),
        ..organization("Acme")
    };
    let organization = t.clients().create(request).await.unwrap().into_inner().organization.unwrap();
    let id = organization.organization_id;
    for (number, name) in [id.as_str(), "Acme-Corp", "acme-corp", "ERP|42"].into_iter().enumerate() {
        let member = created(&t, new_member(name, &format!("ada{number}@acme.com"))).await;
        assert_eq!(member.organization_id, id, "{name}");
    }
}

async fn an_organization_that_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let gone = clients.organization("Gone").await;
    let request = pb::DeleteOrganizationRequest {
        organization_id: gone.organization_id.clone(),
        ..pb::DeleteOrganizationRequest::default()
    };
    clients.delete_organization(request).await.unwrap();
    let before = written(&t).await;
    let unknown = "organization-test-01890a5d-ac96-774b-bcce-b302099a8057";
    for name in [gone.organization_id.as_str(), &gone.organization_slug, unknown, "nobody", "ERP|42"] {
        let answer = clients.create_member(with_key(new_member(name, "ada@acme.com"), "key")).await;
        let refusal = refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        assert_eq!(refusal.metadata["http_status"], "404");
        assert!(!refusal.message.contains(name), "{refusal:?}");
    }
    assert_eq!(written(&t).await, before);
}

async fn a_claimed_domain_is_for_its_organization(t: Harness) {
    let clients = t.clients();
    let owner = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned(), "bücher.de".to_owned()],
        ..organization("Owner")
    };
    let owner = clients.create(owner).await.unwrap().into_inner().organization.unwrap().organization_id;
    let other = clients.organization("Other").await.organization_id;
    let before = written(&t).await;
    for address in ["ada@acme.com", "ada+x@ACME.COM.", "ada@BÜCHER.de", "ada@xn--bcher-kva.de"] {
        let answer = clients.create_member(new_member(&other, address)).await;
        refused(answer, Code::FailedPrecondition, "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED");
    }
    assert_eq!(written(&t).await, before);
    created(&t, new_member(&owner, "ada@acme.com")).await;
    created(&t, new_member(&owner, "ada@elsewhere.com")).await;
    created(&t, new_member(&other, "ada@mail.acme.com")).await;
    created(&t, new_member(&other, "ada@notacme.com")).await;
    let request =
        pb::DeleteOrganizationRequest { organization_id: owner, ..pb::DeleteOrganizationRequest::default() };
    clients.delete_organization(request).await.unwrap();
    created(&t, new_member(&other, "ada@acme.com")).await;
}

async fn an_event_tells_of_the_creation(t: Harness) {
    let organization = t.clients().organization("Acme").await;
    let request = everything(&organization.organization_id);
    let answer = t.clients().create_member(request).await.unwrap().into_inner();
    let told = Told { member_id: answer.member_id, request_id: answer.request_id, data: json!({}) };
    assert_eq!(events(&t, "member.created").await, [told]);
    assert_eq!(t.count("events").await, 2);
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    let clients = t.clients();
    let organization = clients.organization("Acme").await;
    let request = everything(&organization.organization_id);
    let first = clients.create_member(with_key(request.clone(), "key")).await.unwrap().into_inner();
    let delete = pb::DeleteMemberRequest {
        organization_id: organization.organization_id.clone(),
        member_id: first.member_id.clone(),
        allow_removing_last_admin: true,
        etag: None,
    };
    clients.delete_member(delete).await.unwrap();
    let before = written(&t).await;
    let again = clients.create_member(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_ne!(again.request_id, first.request_id);
    assert_eq!(pb::CreateMemberResponse { request_id: first.request_id.clone(), ..again }, first);
    let other = Request { mfa_enrolled: false, ..request };
    let answer = clients.create_member(with_key(other, "key")).await;
    refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(written(&t).await, before);
}
