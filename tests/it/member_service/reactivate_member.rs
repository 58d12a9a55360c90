mod taken;

use std::time::Duration;

use serde_json::json;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::create_member::everything;
use super::delete_member::{deleted, deletion};
use super::written::{Told, events, written};
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::members::new_member;
use crate::harness::refusal::refused;
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_member_comes_back_as_it_was_and_active,
    sessions_do_not_come_back,
    a_member_comes_and_goes,
    an_address_must_have_been_verified,
    who_is_not_deleted_is_not_reactivated,
    an_external_id_names_no_deleted_member,
    a_member_of_another_organization_is_not_found,
    what_can_name_nobody_is_refused,
    an_organization_that_is_not_there_is_not_found,
    the_etag_must_be_the_current_one,
    a_domain_that_was_claimed_meanwhile_is_for_its_organization,
    a_repeat_gets_the_first_answer_again,
);

type Request = pb::ReactivateMemberRequest;

const UNKNOWN: &str = "member-test-01890a5d-ac96-774b-bcce-b302099a8057";

/// A request to reactivate a member, and nothing else.
fn reactivation(organization_id: &str, member_id: &str) -> Request {
    Request { organization_id: organization_id.to_owned(), member_id: member_id.to_owned(), etag: None }
}

/// Creates a member whose address is then verified, as a login would do it.
async fn verified(t: &Harness, request: pb::CreateMemberRequest) -> pb::Member {
    let clients = t.clients();
    let created = clients.create_member(request).await.unwrap().into_inner().member.unwrap();
    t.execute("UPDATE member_email_addresses SET verified = true WHERE status = 'current'").await;
    clients.member_by_id(&created.organization_id, &created.member_id).await.unwrap()
}

async fn delete(t: &Harness, member: &pb::Member) {
    let request = pb::DeleteMemberRequest {
        allow_removing_last_admin: true,
        ..deletion(&member.organization_id, &member.member_id)
    };
    t.clients().delete_member(request).await.unwrap();
}

/// Reactivates a member, and reads it back before it is believed.
async fn reactivated(t: &Harness, member: &pb::Member) -> pb::Member {
    let clients = t.clients();
    let request = reactivation(&member.organization_id, &member.member_id);
    let answer = clients.reactivate_member(request).await.unwrap().into_inner();
    let found = answer.member.unwrap();
    assert_eq!((&answer.member_id, &found.member_id), (&member.member_id, &member.member_id));
    let organization = clients.get(&member.organization_id).await.unwrap().into_inner().organization;
    assert_eq!(answer.organization, organization);
    assert_eq!(clients.member_by_id(&member.organization_id, &member.member_id).await.unwrap(), found);
    found
}

/// Asserts that a member can't be reactivated, and that nothing is written.
async fn stays_deleted(
    t: &Harness,
    member: &pb::Member,
    code: Code,
    expected: &[(&str, &str)],
    reason: &str,
) {
    let before = written(t).await;
    let request = reactivation(&member.organization_id, &member.member_id);
    let answer = t.clients().reactivate_member(with_key(request, "refused")).await;
    assert_eq!(refused(answer, code, reason).violations(), expected);
    assert_eq!(written(t).await, before);
}

async fn a_member_comes_back_as_it_was_and_active(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = verified(&t, everything(&id)).await;
    assert_eq!((member.status.as_str(), member.is_admin), ("pending", true));
    delete(&t, &member).await;
    t.clock.advance(Duration::from_mins(1));
    let request = reactivation(&id, &member.member_id);
    let answer = clients.reactivate_member(request).await.unwrap().into_inner();
    let found = clients.member_by_id(&id, &member.member_id).await.unwrap();
    assert_eq!(answer.member.as_ref(), Some(&found));
    let expected = pb::Member {
        status: "active".to_owned(),
        updated_at: Some(seconds(t.clock.now())),
        etag: found.etag.clone(),
        ..member.clone()
    };
    assert_eq!(found, expected);
    assert_ne!(found.etag, member.etag);
    let by_external_id = clients.member_by_id(&id, "HR|42.a_B-c").await.unwrap();
    assert_eq!(by_external_id, found);
    assert_eq!(deleted(&t, &id).await, []);
    let data = json!({"changed_fields": ["status"]});
    let told = Told { member_id: member.member_id, request_id: answer.request_id, data };
    assert_eq!(events(&t, "member.reactivated").await, [told]);
    let again = pb::CreateMemberRequest { roles: vec![], ..everything(&id) };
    let taken = refused(clients.create_member(again).await, Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL");
    assert_eq!(taken.fields.len(), 3);
}

async fn sessions_do_not_come_back(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let member = clients.spend(creation(&token)).await.unwrap().into_inner().member.unwrap();
    assert_eq!(t.count("sessions").await, 1);
    delete(&t, &member).await;
    let found = reactivated(&t, &member).await;
    assert_eq!((found.status.as_str(), found.email_address_verified), ("active", true));
    assert!(found.is_admin);
    assert_eq!(t.count("sessions").await, 0);
}

async fn a_member_comes_and_goes(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let member = verified(&t, new_member(&id, "ada@acme.com")).await;
    let mut etags = std::collections::HashSet::from([member.etag.clone()]);
    for _ in 0..3 {
        delete(&t, &member).await;
        etags.insert(deleted(&t, &id).await[0].etag.clone());
        etags.insert(reactivated(&t, &member).await.etag);
    }
    assert_eq!(etags.len(), 7);
    assert_eq!((t.count("members").await, t.count("member_email_addresses").await), (1, 1));
}

async fn an_address_must_have_been_verified(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = clients.member(&id, "ada@acme.com").await;
    delete(&t, &member).await;
    stays_deleted(&t, &member, Code::FailedPrecondition, &[], "EMAIL_UNVERIFIED_FOR_REACTIVATION").await;
    assert_eq!(deleted(&t, &id).await.len(), 1);
}

async fn who_is_not_deleted_is_not_reactivated(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let active = verified(&t, new_member(&id, "ada@acme.com")).await;
    let pending = pb::CreateMemberRequest {
        create_member_as_pending: true,
        external_id: Some("HR-1".to_owned()),
        ..new_member(&id, "bob@acme.com")
    };
    let pending = clients.create_member(pending).await.unwrap().into_inner().member.unwrap();
    let by_external_id = pb::Member { member_id: "HR-1".to_owned(), ..pending.clone() };
    for member in [active, pending, by_external_id] {
        let reason = "NO_DELETED_MEMBER_FOUND_FOR_REACTIVATION";
        stays_deleted(&t, &member, Code::FailedPrecondition, &[], reason).await;
    }
}

async fn an_external_id_names_no_deleted_member(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let request =
        pb::CreateMemberRequest { external_id: Some("HR-1".to_owned()), ..new_member(&id, "ada@acme.com") };
    let member = verified(&t, request).await;
    delete(&t, &member).await;
    let by_external_id = pb::Member { member_id: "HR-1".to_owned(), ..member.clone() };
    stays_deleted(&t, &by_external_id, Code::NotFound, &[], "MEMBER_NOT_FOUND").await;
    assert_eq!(reactivated(&t, &member).await.external_id.as_deref(), Some("HR-1"));
}

async fn a_member_of_another_organization_is_not_found(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let other = clients.organization("Other").await.organization_id;
    let stranger = verified(&t, new_member(&other, "ada@acme.com")).await;
    delete(&t, &stranger).await;
    for name in [stranger.member_id.as_str(), UNKNOWN, "nobody"] {
        let member =
            pb::Member { organization_id: id.clone(), member_id: name.to_owned(), ..stranger.clone() };
        stays_deleted(&t, &member, Code::NotFound, &[], "MEMBER_NOT_FOUND").await;
    }
    reactivated(&t, &stranger).await;
}

async fn what_can_name_nobody_is_refused(t: Harness) {
    let live = UNKNOWN.replace("test", "live");
    for (organization_id, member_id, path, reason) in [
        ("", UNKNOWN, "organization_id", "INVALID_ORGANIZATION_ID"),
        ("acme", "", "member_id", "INVALID_MEMBER_ID"),
        ("acme", "ada@acme.com", "member_id", "INVALID_MEMBER_ID"),
        ("acme", &live, "member_id", "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ] {
        let member = pb::Member {
            organization_id: organization_id.to_owned(),
            member_id: member_id.to_owned(),
            ..pb::Member::default()
        };
        stays_deleted(&t, &member, Code::InvalidArgument, &[(path, reason)], reason).await;
    }
}

async fn an_organization_that_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let gone = clients.organization("Gone").await;
    let member = verified(&t, new_member(&gone.organization_id, "ada@acme.com")).await;
    delete(&t, &member).await;
    let request = pb::DeleteOrganizationRequest {
        organization_id: gone.organization_id.clone(),
        ..pb::DeleteOrganizationRequest::default()
    };
    clients.delete_organization(request).await.unwrap();
    for name in [gone.organization_id, gone.organization_slug, "nobody".to_owned()] {
        let member = pb::Member { organization_id: name, ..member.clone() };
        stays_deleted(&t, &member, Code::NotFound, &[], "ORGANIZATION_NOT_FOUND").await;
    }
}

async fn the_etag_must_be_the_current_one(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = verified(&t, new_member(&id, "ada@acme.com")).await;
    delete(&t, &member).await;
    let before = written(&t).await;
    for stale in [member.etag.as_str(), "", "nonsense"] {
        let request = Request { etag: Some(stale.to_owned()), ..reactivation(&id, &member.member_id) };
        let answer = clients.reactivate_member(with_key(request, "key")).await;
        refused(answer, Code::Aborted, "ETAG_MISMATCH");
    }
    assert_eq!(written(&t).await, before);
    let etag = Some(deleted(&t, &id).await[0].etag.clone());
    let request = Request { etag, ..reactivation(&id, &member.member_id) };
    let answer = clients.reactivate_member(request).await.unwrap().into_inner();
    assert_eq!(answer.member.unwrap().status, "active");
}

async fn a_domain_that_was_claimed_meanwhile_is_for_its_organization(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = verified(&t, new_member(&id, "ada@acme.com")).await;
    delete(&t, &member).await;
    let owner = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    let owner = clients.create(owner).await.unwrap().into_inner().organization.unwrap().organization_id;
    let reason = "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED";
    stays_deleted(&t, &member, Code::FailedPrecondition, &[("member_id", reason)], reason).await;
    let own = verified(&t, new_member(&owner, "ada@acme.com")).await;
    delete(&t, &own).await;
    reactivated(&t, &own).await;
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = verified(&t, everything(&id)).await;
    delete(&t, &member).await;
    let request = reactivation(&id, &member.member_id);
    let first = clients.reactivate_member(with_key(request.clone(), "key")).await.unwrap().into_inner();
    delete(&t, &member).await;
    let before = written(&t).await;
    let again = clients.reactivate_member(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_ne!(again.request_id, first.request_id);
    assert_eq!(pb::ReactivateMemberResponse { request_id: first.request_id.clone(), ..again }, first);
    let other = Request { etag: Some(member.etag.clone()), ..request };
    let answer = clients.reactivate_member(with_key(other, "key")).await;
    refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(written(&t).await, before);
    assert_eq!(deleted(&t, &id).await.len(), 1);
}
