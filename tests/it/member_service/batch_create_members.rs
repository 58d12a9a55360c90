//! Many members in one call: all of them or none.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use super::create_member::{assigned, everything};
use super::written::{Told, events, written};
use crate::harness::fixtures::{organization, with_key};
use crate::harness::json::object;
use crate::harness::members::{member_update, new_member};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    one_member_is_enough,
    every_field_is_kept,
    a_thousand_members_come_in_the_order_of_the_request,
    a_batch_has_one_to_a_thousand_members,
    each_violation_names_its_member,
    nothing_is_in_one_request_twice,
    all_that_others_have_is_told,
    more_violations_than_an_answer_has_room_for_are_counted,
    one_bad_member_of_a_thousand_stops_all,
    a_claimed_domain_stops_all,
    an_organization_that_is_not_there_is_not_found,
    a_repeat_gets_the_first_answer_again,
    one_of_several_batches_gets_the_addresses,
);

/// A member to create of which nothing but the address is said.
fn person(email_address: impl Into<String>) -> pb::NewMember {
    pb::NewMember { email_address: email_address.into(), ..pb::NewMember::default() }
}

fn batch(organization_id: &str, members: Vec<pb::NewMember>) -> pb::BatchCreateMembersRequest {
    pb::BatchCreateMembersRequest { organization_id: organization_id.to_owned(), members }
}

/// So many members, in an order that is not that of their addresses.
fn people(count: usize) -> Vec<pb::NewMember> {
    (0..count).map(|number| person(format!("member-{}-{number}@acme.com", number % 7))).collect()
}

/// Creates members, and reads some of them back before they are believed.
async fn created(t: &Harness, request: pb::BatchCreateMembersRequest) -> Vec<pb::Member> {
    let clients = t.clients();
    let answer = clients.batch_create_members(request).await.unwrap().into_inner();
    let id = answer.organization.as_ref().unwrap().organization_id.clone();
    assert_eq!(answer.organization, clients.get(&id).await.unwrap().into_inner().organization);
    for member in answer.members.iter().step_by(100) {
        assert_eq!(clients.member_by_id(&id, &member.member_id).await.unwrap(), *member);
    }
    answer.members
}

/// Asserts that a batch is refused with its first violation, that these are all of them, and that nothing
/// was written.
async fn is_refused(
    t: &Harness,
    request: pb::BatchCreateMembersRequest,
    code: Code,
    expected: &[(&str, &str)],
) -> Refusal {
    let before = written(t).await;
    let answer = t.clients().batch_create_members(with_key(request, "refused")).await;
    let refusal = refused(answer, code, expected[0].1);
    assert_eq!(refusal.violations(), expected);
    assert_eq!(written(t).await, before);
    refusal
}

async fn one_member_is_enough(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let members = created(&t, batch(&id, vec![person("Ada@acme.com")])).await;
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].email_address.as_str(), members[0].status.as_str()), ("ada@acme.com", "active"));
    assert_eq!(members[0].roles, [assigned("stytch_member")]);
}

async fn every_field_is_kept(t: Harness) {
    let clients = t.clients();
    let one = clients.organization("One").await.organization_id;
    let sent = everything(&one);
    let expected = clients.create_member(sent.clone()).await.unwrap().into_inner().member.unwrap();
    let other = clients.organization("Other").await.organization_id;
    let member = pb::NewMember {
        email_address: sent.email_address,
        name: sent.name,
        trusted_metadata: sent.trusted_metadata,
        untrusted_metadata: sent.untrusted_metadata,
        create_member_as_pending: sent.create_member_as_pending,
        is_breakglass: sent.is_breakglass,
        mfa_phone_number: sent.mfa_phone_number,
        mfa_enrolled: sent.mfa_enrolled,
        roles: sent.roles,
        external_id: sent.external_id,
    };
    let members = created(&t, batch(&other, vec![member, person("bob@acme.com")])).await;
    let expected = pb::Member {
        organization_id: other,
        member_id: members[0].member_id.clone(),
        etag: members[0].etag.clone(),
        ..expected
    };
    assert_eq!(members[0], expected);
    assert_eq!((members[1].status.as_str(), members[1].is_admin), ("active", false));
}

async fn a_thousand_members_come_in_the_order_of_the_request(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let request = batch(&id, people(1_000));
    let answer = clients.batch_create_members(request.clone()).await.unwrap().into_inner();
    let addresses = |members: Vec<pb::NewMember>| -> Vec<String> {
        members.into_iter().map(|member| member.email_address).collect()
    };
    let created: Vec<_> = answer.members.iter().map(|member| member.email_address.clone()).collect();
    assert_eq!(created, addresses(request.members));
    assert_eq!(t.count("members").await, 1_000);
    let told = answer.members.into_iter().map(|member| Told {
        member_id: member.member_id,
        request_id: answer.request_id.clone(),
        data: json!({}),
    });
    assert_eq!(events(&t, "member.created").await, told.collect::<Vec<_>>());
    assert_eq!(t.count("events").await, 1_001);
}

async fn a_batch_has_one_to_a_thousand_members(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    for count in [0, 1_001] {
        let expected = [("members", "INVALID_ARGUMENT")];
        is_refused(&t, batch(&id, people(count)), Code::InvalidArgument, &expected).await;
    }
}

async fn each_violation_names_its_member(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let bad = pb::NewMember {
        name: Some("\n".to_owned()),
        trusted_metadata: Some(object(json!({"k": "x".repeat(4_089)}))),
        untrusted_metadata: Some(object(json!({"k": "\0"}))),
        mfa_phone_number: Some("1".to_owned()),
        roles: vec!["stytch_admin".to_owned(), "editor".to_owned()],
        external_id: Some(" ".to_owned()),
        ..person("bob")
    };
    let many = pb::NewMember { roles: vec!["stytch_admin".to_owned(); 101], ..person("dan@acme.com") };
    let members = vec![person("ada@acme.com"), bad, person("eve@acme.com"), many];
    let expected = [
        ("members[1].email_address", "INVALID_EMAIL"),
        ("members[1].name", "INVALID_ARGUMENT"),
        ("members[1].trusted_metadata", "METADATA_TOO_LARGE"),
        ("members[1].untrusted_metadata", "METADATA_INVALID_FORMAT"),
        ("members[1].mfa_phone_number", "INVALID_PHONE_NUMBER"),
        ("members[1].roles[1]", "INVALID_RBAC_ROLE_ID"),
        ("members[1].external_id", "INVALID_MEMBER_EXTERNAL_ID"),
        ("members[3].roles", "TOO_MANY_ROLES"),
    ];
    is_refused(&t, batch(&id, members.clone()), Code::InvalidArgument, &expected).await;
    let expected = [[("organization_id", "INVALID_ORGANIZATION_ID")].as_slice(), &expected].concat();
    is_refused(&t, batch("a b", members), Code::InvalidArgument, &expected).await;
}

/// A member with everything that only one can have.
fn unique(email_address: &str, number: &str, external_id: &str) -> pb::NewMember {
    pb::NewMember {
        mfa_phone_number: Some(number.to_owned()),
        external_id: Some(external_id.to_owned()),
        ..person(email_address)
    }
}

async fn nothing_is_in_one_request_twice(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    // What others have is not looked at in a request that can't be right.
    clients.member(&id, "ada@acme.com").await;
    let members = vec![
        unique("ada@acme.com", "+15005550001", "hr-1"),
        unique("bob@acme.com", "+15005550002", "hr-2"),
        unique("ADA@acme.com.", "+15005550003", "hr-3"),
        unique("eve@acme.com", "+15005550002", "HR-1"),
        unique("Ada@acme.com", "+15005550001", "hr-4"),
    ];
    let expected = [
        ("members[2].email_address", "DUPLICATE_MEMBER_EMAIL"),
        ("members[3].mfa_phone_number", "DUPLICATE_MEMBER_PHONE_NUMBER"),
        ("members[3].external_id", "DUPLICATE_MEMBER_EXTERNAL_ID"),
        ("members[4].email_address", "DUPLICATE_MEMBER_EMAIL"),
        ("members[4].mfa_phone_number", "DUPLICATE_MEMBER_PHONE_NUMBER"),
    ];
    is_refused(&t, batch(&id, members), Code::InvalidArgument, &expected).await;
}

async fn all_that_others_have_is_told(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    created(&t, batch(&id, vec![unique("ada@acme.com", "+15005550001", "hr-1")])).await;
    let moved = created(&t, batch(&id, vec![unique("bob@acme.com", "+15005550002", "hr-2")])).await;
    let update = pb::UpdateMemberRequest {
        email_address: Some("robert@acme.com".to_owned()),
        ..member_update(&id, &moved[0].member_id)
    };
    clients.update_member(update).await.unwrap();
    let members = vec![
        person("free@acme.com"),
        unique("Ada@acme.com", "+15005550003", "hr-3"),
        unique("bob@acme.com", "+15005550001", "HR-2"),
        person("robert@acme.com"),
    ];
    let expected = [
        ("members[1].email_address", "DUPLICATE_MEMBER_EMAIL"),
        ("members[2].email_address", "DUPLICATE_MEMBER_EMAIL"),
        ("members[2].mfa_phone_number", "DUPLICATE_MEMBER_PHONE_NUMBER"),
        ("members[2].external_id", "DUPLICATE_MEMBER_EXTERNAL_ID"),
        ("members[3].email_address", "DUPLICATE_MEMBER_EMAIL"),
    ];
    is_refused(&t, batch(&id, members), Code::AlreadyExists, &expected).await;
    let one = batch(&id, vec![person("robert@acme.com")]);
    is_refused(&t, one, Code::AlreadyExists, &[("members[0].email_address", "DUPLICATE_MEMBER_EMAIL")]).await;
    let elsewhere = clients.organization("Other").await.organization_id;
    created(&t, batch(&elsewhere, vec![unique("ada@acme.com", "+15005550001", "hr-1")])).await;
}

async fn more_violations_than_an_answer_has_room_for_are_counted(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let members = people(1_000);
    created(&t, batch(&id, members.clone())).await;
    let before = written(&t).await;
    let twice: Vec<_> = (0..1_000).map(|_| person("ada@acme.com")).collect();
    for (request, count, start, code) in [
        (batch(&id, members), 1_000, 0, Code::AlreadyExists),
        (batch(&id, twice), 999, 1, Code::InvalidArgument),
    ] {
        let answer = clients.batch_create_members(request).await;
        let refusal = refused(answer, code, "DUPLICATE_MEMBER_EMAIL");
        let told = refusal.fields.len();
        assert!((10..count).contains(&told), "{told}");
        let fields: Vec<_> =
            (start..start + told).map(|number| format!("members[{number}].email_address")).collect();
        assert_eq!(refusal.fields.iter().map(|(field, _)| field.clone()).collect::<Vec<_>>(), fields);
        assert!(refusal.message.contains(&format!("{count} rules")), "{}", refusal.message);
        assert!(!refusal.message.contains('@'), "{}", refusal.message);
    }
    assert_eq!(written(&t).await, before);
}

async fn one_bad_member_of_a_thousand_stops_all(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    clients.member(&id, "ada@acme.com").await;
    let mut members = people(1_000);
    members[777] = person("ada");
    let expected = [("members[777].email_address", "INVALID_EMAIL")];
    is_refused(&t, batch(&id, members.clone()), Code::InvalidArgument, &expected).await;
    members[777] = person("ada@acme.com");
    let expected = [("members[777].email_address", "DUPLICATE_MEMBER_EMAIL")];
    is_refused(&t, batch(&id, members.clone()), Code::AlreadyExists, &expected).await;
    members[777] = people(778).remove(777);
    assert_eq!(created(&t, batch(&id, members)).await.len(), 1_000);
}

async fn a_claimed_domain_stops_all(t: Harness) {
    let clients = t.clients();
    let owner = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    let owner = clients.create(owner).await.unwrap().into_inner().organization.unwrap().organization_id;
    let other = clients.organization("Other").await.organization_id;
    let members = vec![person("ada@other.com"), person("ada@acme.com"), person("bob@other.com")];
    let before = written(&t).await;
    let answer = clients.batch_create_members(with_key(batch(&other, members.clone()), "key")).await;
    refused(answer, Code::FailedPrecondition, "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED");
    assert_eq!(written(&t).await, before);
    assert_eq!(created(&t, batch(&owner, members)).await.len(), 3);
}

async fn an_organization_that_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let gone = clients.organization("Gone").await.organization_id;
    let request = pb::DeleteOrganizationRequest {
        organization_id: gone.clone(),
        ..pb::DeleteOrganizationRequest::default()
    };
    clients.delete_organization(request).await.unwrap();
    let before = written(&t).await;
    for name in [gone.as_str(), "organization-test-01890a5d-ac96-774b-bcce-b302099a8057", "nobody"] {
        let answer = clients.batch_create_members(with_key(batch(name, people(2)), "key")).await;
        refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
    let live = batch("organization-live-01890a5d-ac96-774b-bcce-b302099a8057", people(2));
    let expected = [("organization_id", "LIVE_ID_USED_IN_TEST_ENVIRONMENT")];
    is_refused(&t, live, Code::InvalidArgument, &expected).await;
    assert_eq!(written(&t).await, before);
    let acme = clients.organization("Acme").await;
    created(&t, batch(&acme.organization_slug, people(2))).await;
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let request = batch(&id, people(1_000));
    let first = clients.batch_create_members(with_key(request.clone(), "key")).await.unwrap().into_inner();
    let before = written(&t).await;
    let again = clients.batch_create_members(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_eq!(again.members.len(), 1_000);
    assert_ne!(again.request_id, first.request_id);
    assert_eq!(pb::BatchCreateMembersResponse { request_id: first.request_id.clone(), ..again }, first);
    let mut other = request;
    other.members.swap(0, 1);
    let answer = clients.batch_create_members(with_key(other, "key")).await;
    refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    let single = clients.create_member(with_key(new_member(&id, "ada@acme.com"), "key")).await;
    refused(single, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(written(&t).await, before);
}

async fn one_of_several_batches_gets_the_addresses(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let barrier = Arc::new(Barrier::new(6));
    let mut calls = JoinSet::new();
    for number in 0..6 {
        let (clients, barrier) = (t.clients(), Arc::clone(&barrier));
        // In opposite orders, so that each may wait for the other.
        let mut members = people(200);
        if number % 2 == 0 {
            members.reverse();
        }
        let request = batch(&id, members);
        calls.spawn(async move {
            barrier.wait().await;
            clients.batch_create_members(request).await
        });
    }
    let mut winners = 0;
    while let Some(answer) = calls.join_next().await {
        match answer.unwrap() {
            Ok(_) => winners += 1,
            Err(status) => {
                let refusal = Refusal::of(&status);
                let clean =
                    [(Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL"), (Code::Aborted, "CONCURRENT_REQUEST")];
                assert!(clean.contains(&(refusal.code, refusal.reason.as_str())), "{refusal:?}");
            }
        }
    }
    assert_eq!((winners, t.count("members").await), (1, 200));
    assert_eq!(events(&t, "member.created").await.len(), 200);
}
