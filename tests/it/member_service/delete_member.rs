mod last_admin;

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::create_member::everything;
use super::written::{Told, events, written};
use crate::harness::fixtures::{creation, with_key};
use crate::harness::json::object;
use crate::harness::members::{invitation, member_update, query};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_deleted_member_is_kept_with_what_it_was,
    sessions_end_with_the_member,
    an_external_id_names_the_member,
    addresses_external_id_and_phone_number_are_free,
    an_invitation_is_taken_back,
    a_second_delete_finds_nobody,
    the_etag_must_be_the_current_one,
    a_member_of_another_organization_is_not_found,
    what_can_name_nobody_is_refused,
    an_organization_that_is_not_there_is_not_found,
    a_repeat_gets_the_first_answer_again,
);

type Request = pb::DeleteMemberRequest;

const UNKNOWN: &str = "member-test-01890a5d-ac96-774b-bcce-b302099a8057";

/// A request to delete a member, and nothing else.
pub(super) fn deletion(organization_id: &str, member_id: &str) -> Request {
    Request {
        organization_id: organization_id.to_owned(),
        member_id: member_id.to_owned(),
        ..Request::default()
    }
}

/// The deleted members of an organization, as searches find them.
pub(super) async fn deleted(t: &Harness, organization_id: &str) -> Vec<pb::Member> {
    let request = pb::SearchMembersRequest {
        organization_ids: vec![organization_id.to_owned()],
        query: query(pb::SearchOperator::And, &[("statuses", json!(["deleted"]))]),
        ..pb::SearchMembersRequest::default()
    };
    t.clients().search_members(request).await.unwrap().into_inner().members
}

/// A member with everything, who is no admin.
async fn ada(t: &Harness, organization_id: &str) -> pb::Member {
    let request = pb::CreateMemberRequest { roles: vec![], ..everything(organization_id) };
    t.clients().create_member(request).await.unwrap().into_inner().member.unwrap()
}

async fn a_deleted_member_is_kept_with_what_it_was(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = ada(&t, &id).await;
    let other = clients.member(&id, "bob@acme.com").await;
    t.clock.advance(std::time::Duration::from_mins(1));
    let answer = clients.delete_member(deletion(&id, &member.member_id)).await.unwrap().into_inner();
    assert_eq!(answer.member_id, member.member_id);
    let refusal = clients.member_by_id(&id, &member.member_id).await.map(tonic::Response::new);
    refused(refusal, Code::NotFound, "MEMBER_NOT_FOUND");
    let found = deleted(&t, &id).await;
    assert_eq!(found.len(), 1);
    let expected = pb::Member {
        status: "deleted".to_owned(),
        updated_at: found[0].updated_at,
        etag: found[0].etag.clone(),
        ..member.clone()
    };
    assert_eq!(found[0], expected);
    let seconds = |time: Option<prost_types::Timestamp>| time.unwrap().seconds;
    assert_eq!(seconds(found[0].updated_at), seconds(member.updated_at) + 60);
    assert_ne!(found[0].etag, member.etag);
    assert_eq!(clients.member_by_id(&id, &other.member_id).await.unwrap(), other);
    let told = Told { member_id: member.member_id, request_id: answer.request_id, data: json!({}) };
    assert_eq!(events(&t, "member.deleted").await, [told]);
    assert_eq!(t.count("events").await, 4);
}

async fn sessions_end_with_the_member(t: Harness) {
    let clients = t.clients();
    let mut members = Vec::new();
    for address in ["ada@acme.com", "bob@other.com"] {
        let token = clients.token(address).await;
        let answer = clients.spend(creation(&token)).await.unwrap().into_inner();
        members.push(answer.member.unwrap());
    }
    assert_eq!(t.count("sessions").await, 2);
    let request = Request {
        allow_removing_last_admin: true,
        ..deletion(&members[0].organization_id, &members[0].member_id)
    };
    clients.delete_member(request).await.unwrap();
    assert_eq!(t.count("sessions").await, 1);
    let other = deletion(&members[1].organization_id, &members[1].member_id);
    refused(clients.delete_member(other).await, Code::FailedPrecondition, "LAST_ADMIN_REMOVAL");
    assert_eq!(t.count("sessions").await, 1);
}

async fn an_external_id_names_the_member(t: Harness) {
    let clients = t.clients();
    let organization = clients.organization("Acme").await;
    let id = organization.organization_id;
    let member = ada(&t, &id).await.member_id;
    let answer = clients.delete_member(deletion(&id, "hr|42.a_b-c")).await;
    refused(answer, Code::NotFound, "MEMBER_NOT_FOUND");
    let request = deletion(&organization.organization_slug, "HR|42.a_B-c");
    assert_eq!(clients.delete_member(request.clone()).await.unwrap().into_inner().member_id, member);
    refused(clients.delete_member(request).await, Code::NotFound, "MEMBER_NOT_FOUND");
    // The name is now that of somebody else, who is then the one it names.
    let second = ada(&t, &id).await.member_id;
    assert_ne!(second, member);
    let answer = clients.delete_member(deletion(&id, "HR|42.a_B-c")).await.unwrap();
    assert_eq!(answer.into_inner().member_id, second);
}

async fn addresses_external_id_and_phone_number_are_free(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let first = ada(&t, &id).await.member_id;
    let update = pb::UpdateMemberRequest {
        email_address: Some("lovelace@acme.com".to_owned()),
        ..member_update(&id, &first)
    };
    clients.update_member(update).await.unwrap();
    clients.delete_member(deletion(&id, &first)).await.unwrap();
    let second = ada(&t, &id).await;
    let third = clients.member(&id, "lovelace@acme.com").await;
    assert!(second.member_id != first && third.member_id != first);
    assert_eq!(deleted(&t, &id).await[0].email_address, "lovelace@acme.com");
}

async fn an_invitation_is_taken_back(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let invited = clients.invite_member(invitation(&id, "ada@acme.com")).await.unwrap().into_inner();
    clients.delete_member(deletion(&id, &invited.member_id)).await.unwrap();
    let found = deleted(&t, &id).await;
    assert_eq!((found.len(), &found[0].member_id), (1, &invited.member_id));
    let again = clients.invite_member(invitation(&id, "ada@acme.com")).await.unwrap().into_inner();
    assert_ne!(again.member_id, invited.member_id);
}

async fn a_second_delete_finds_nobody(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = ada(&t, &id).await;
    clients.delete_member(deletion(&id, &member.member_id)).await.unwrap();
    let before = written(&t).await;
    let etag = deleted(&t, &id).await[0].etag.clone();
    for etag in [None, Some(etag)] {
        let request = Request { etag, ..deletion(&id, &member.member_id) };
        let answer = clients.delete_member(with_key(request, "key")).await;
        refused(answer, Code::NotFound, "MEMBER_NOT_FOUND");
    }
    assert_eq!(written(&t).await, before);
}

async fn the_etag_must_be_the_current_one(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = ada(&t, &id).await;
    let update = pb::UpdateMemberRequest {
        untrusted_metadata: Some(object(json!({"colour": "red"}))),
        ..member_update(&id, &member.member_id)
    };
    let current = clients.update_member(update).await.unwrap().into_inner().member.unwrap().etag;
    let before = written(&t).await;
    for stale in [member.etag.as_str(), "", "nonsense"] {
        let request = Request { etag: Some(stale.to_owned()), ..deletion(&id, &member.member_id) };
        let answer = clients.delete_member(with_key(request, "key")).await;
        refused(answer, Code::Aborted, "ETAG_MISMATCH");
    }
    assert_eq!(written(&t).await, before);
    let request = Request { etag: Some(current), ..deletion(&id, &member.member_id) };
    clients.delete_member(request).await.unwrap();
}

async fn a_member_of_another_organization_is_not_found(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let other = clients.organization("Other").await.organization_id;
    let stranger = ada(&t, &other).await.member_id;
    let before = written(&t).await;
    for name in [stranger.as_str(), "HR|42.a_B-c", UNKNOWN, "nobody"] {
        let answer = clients.delete_member(with_key(deletion(&id, name), "key")).await;
        refused(answer, Code::NotFound, "MEMBER_NOT_FOUND");
    }
    assert_eq!(written(&t).await, before);
    clients.member_by_id(&other, &stranger).await.unwrap();
}

async fn what_can_name_nobody_is_refused(t: Harness) {
    let before = written(&t).await;
    let live = UNKNOWN.replace("test", "live");
    for (request, path, reason) in [
        (deletion("", UNKNOWN), "organization_id", "INVALID_ORGANIZATION_ID"),
        (deletion("acme", ""), "member_id", "INVALID_MEMBER_ID"),
        (deletion("acme", "ada@acme.com"), "member_id", "INVALID_MEMBER_ID"),
        (deletion("acme", &live), "member_id", "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ] {
        let answer = t.clients().delete_member(with_key(request, "key")).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [(path, reason)]);
    }
    assert_eq!(written(&t).await, before);
}

async fn an_organization_that_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let gone = clients.organization("Gone").await.organization_id;
    let member = ada(&t, &gone).await.member_id;
    let request = pb::DeleteOrganizationRequest {
        organization_id: gone.clone(),
        ..pb::DeleteOrganizationRequest::default()
    };
    clients.delete_organization(request).await.unwrap();
    let before = written(&t).await;
    for name in [gone.as_str(), "gone", "nobody"] {
        let answer = clients.delete_member(with_key(deletion(name, &member), "key")).await;
        refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
    assert_eq!(written(&t).await, before);
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = ada(&t, &id).await;
    let request = Request { etag: Some(member.etag.clone()), ..deletion(&id, &member.member_id) };
    clients.delete_member(with_key(request.clone(), "key")).await.unwrap();
    let before = written(&t).await;
    let again = clients.delete_member(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_eq!(again.member_id, member.member_id);
    let other = Request { allow_removing_last_admin: true, ..request };
    let answer = clients.delete_member(with_key(other, "key")).await;
    refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(written(&t).await, before);
}
