use std::time::Duration;

use tonic::Code;
use vestibule::pb;

use super::update_member::{ID, acme, now, state, told, update, updated};
use crate::harness::fixtures::with_key;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    the_external_id_is_taken_away_and_free,
    without_one_it_succeeds_and_changes_nothing,
    only_the_current_etag_is_accepted,
    a_member_who_is_not_there_is_not_found,
    an_invalid_name_is_refused,
    a_repeat_gets_the_first_answer_again,
);

type Delete = pb::DeleteMemberExternalIdRequest;

fn of(member: &pb::Member) -> Delete {
    Delete {
        organization_id: member.organization_id.clone(),
        member_id: member.member_id.clone(),
        etag: None,
    }
}

/// A member with an external id, made some time ago.
async fn known(t: &Harness) -> pb::Member {
    let (_, member) = acme(t).await;
    let request = pb::UpdateMemberRequest { external_id: Some("Person|1".to_owned()), ..update(&member) };
    let member = updated(t, request).await;
    t.clock.advance(Duration::from_mins(1));
    member
}

/// Asserts that the request is refused like this, and changes nothing.
async fn refuses(t: &Harness, request: Delete, code: Code, reason: &str, fields: &[(&str, &str)]) {
    let before = state(t, "acme").await;
    let what = format!("{request:?}");
    let answer = t.clients().delete_member_external_id(with_key(request, "refused")).await;
    assert!(answer.is_err(), "{what}");
    assert_eq!(refused(answer, code, reason).violations(), fields, "{what}");
    assert_eq!(state(t, "acme").await, before, "{what}");
}

async fn the_external_id_is_taken_away_and_free(t: Harness) {
    let clients = t.clients();
    let before = known(&t).await;
    let events = t.count("events").await;
    // By the external id itself.
    let request = Delete { member_id: "Person|1".to_owned(), ..of(&before) };
    let answer = clients.delete_member_external_id(request.clone()).await.unwrap().into_inner();
    let member = answer.member.unwrap();
    let expected = pb::Member {
        external_id: None,
        updated_at: Some(now(&t)),
        etag: member.etag.clone(),
        ..before.clone()
    };
    assert_eq!(member, expected);
    assert_ne!(member.etag, before.etag);
    assert_eq!(answer.member_id, member.member_id);
    assert!(!answer.request_id.is_empty());
    let read = clients.get(&member.organization_id).await.unwrap().into_inner().organization;
    assert_eq!(answer.organization, read);
    let read = clients.member_by_id(&member.organization_id, &member.member_id).await.unwrap();
    assert_eq!(read, member);
    told(&t, &member, &["external_id"]).await;
    assert_eq!(t.count("events").await, events + 1);
    refuses(&t, request, Code::NotFound, "MEMBER_NOT_FOUND", &[]).await;
    let other = clients.member(&member.organization_id, "grace@acme.com").await;
    let request = pb::UpdateMemberRequest { external_id: Some("person|1".to_owned()), ..update(&other) };
    updated(&t, request).await;
}

async fn without_one_it_succeeds_and_changes_nothing(t: Harness) {
    let (_, member) = acme(&t).await;
    let before = state(&t, "acme").await;
    let answer = t.clients().delete_member_external_id(of(&member)).await.unwrap().into_inner();
    assert_eq!(answer.member.unwrap(), member);
    assert_eq!(state(&t, "acme").await, before);
}

async fn only_the_current_etag_is_accepted(t: Harness) {
    let member = known(&t).await;
    let with = |etag: &str| Delete { etag: Some(etag.to_owned()), ..of(&member) };
    for etag in ["", "x"] {
        refuses(&t, with(etag), Code::Aborted, "ETAG_MISMATCH", &[]).await;
    }
    t.clients().delete_member_external_id(with(&member.etag)).await.unwrap();
    refuses(&t, with(&member.etag), Code::Aborted, "ETAG_MISMATCH", &[]).await;
}

async fn a_member_who_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let member = known(&t).await;
    let globex = clients.organization("Globex").await;
    let elsewhere = Delete { organization_id: globex.organization_id, ..of(&member) };
    let random = Delete { member_id: format!("member-test-{ID}"), ..of(&member) };
    let nobody = Delete { member_id: "nobody".to_owned(), ..of(&member) };
    for request in [elsewhere, random, nobody] {
        refuses(&t, request, Code::NotFound, "MEMBER_NOT_FOUND", &[]).await;
    }
    let nowhere = Delete { organization_id: "nowhere".to_owned(), ..of(&member) };
    refuses(&t, nowhere, Code::NotFound, "ORGANIZATION_NOT_FOUND", &[]).await;
    let request = pb::DeleteMemberRequest {
        organization_id: member.organization_id.clone(),
        member_id: member.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(request).await.unwrap();
    refuses(&t, of(&member), Code::NotFound, "MEMBER_NOT_FOUND", &[]).await;
}

async fn an_invalid_name_is_refused(t: Harness) {
    const LIVE: &str = "LIVE_ID_USED_IN_TEST_ENVIRONMENT";
    let member = known(&t).await;
    let cases = [
        (String::new(), "INVALID_MEMBER_ID"),
        ("a b".to_owned(), "INVALID_MEMBER_ID"),
        (format!("member-live-{ID}"), LIVE),
    ];
    for (member_id, reason) in cases {
        let request = Delete { member_id, ..of(&member) };
        refuses(&t, request, Code::InvalidArgument, reason, &[("member_id", reason)]).await;
    }
    let cases = [(String::new(), "INVALID_ORGANIZATION_ID"), (format!("organization-live-{ID}"), LIVE)];
    for (organization_id, reason) in cases {
        let request = Delete { organization_id, ..of(&member) };
        refuses(&t, request, Code::InvalidArgument, reason, &[("organization_id", reason)]).await;
    }
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    let clients = t.clients();
    let member = known(&t).await;
    let first = clients.delete_member_external_id(with_key(of(&member), "key")).await.unwrap().into_inner();
    let again = pb::UpdateMemberRequest { external_id: Some("Person|1".to_owned()), ..update(&member) };
    updated(&t, again).await;
    let before = state(&t, "acme").await;
    let repeat = clients.delete_member_external_id(with_key(of(&member), "key")).await.unwrap().into_inner();
    assert_eq!((repeat.member, repeat.organization), (first.member, first.organization));
    let other = Delete { etag: Some(String::new()), ..of(&member) };
    let answer = clients.delete_member_external_id(with_key(other, "key")).await;
    refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(state(&t, "acme").await, before);
}
