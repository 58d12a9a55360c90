//! Inviting somebody who is known already.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::{Request, everything, invited};
use crate::harness::fixtures::with_key;
use crate::harness::json::object;
use crate::harness::members::{invitation, member_update, new_member};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};
use crate::member_service::create_member::{assigned, everything as everything_of_a_member};
use crate::member_service::written::{events, written};

on_both_backends!(
    what_nobody_sends_stays,
    what_is_sent_is_set_and_metadata_is_merged,
    merged_metadata_has_the_limits_of_all_metadata,
    a_pending_member_becomes_invited,
    an_active_member_is_not_invited,
    an_address_that_a_member_had_is_taken,
    the_address_of_a_deleted_member_is_free,
    somebody_who_is_invited_elsewhere_is_new_here,
    many_invitations_at_once_make_one_member,
);

async fn what_nobody_sends_stays(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let first = invited(&t, everything(&id)).await;
    t.clock.advance(Duration::from_mins(1));
    assert_eq!(invited(&t, invitation(&id, "ADA@acme.com")).await, first);
    let told = events(&t, "member.invited").await;
    assert_eq!(told.len(), 2);
    assert_eq!((told[1].member_id.as_str(), &told[1].data), (first.member_id.as_str(), &json!({})));
    assert_ne!(told[0].request_id, told[1].request_id);
    assert_eq!(t.count("members").await, 1);
}

async fn what_is_sent_is_set_and_metadata_is_merged(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let first = invited(&t, invitation(&id, "ada@acme.com")).await;
    t.clock.advance(Duration::from_mins(1));
    let second = Request {
        trusted_metadata: Some(object(json!({"a": {"b": 1}, "c": 2}))),
        untrusted_metadata: Some(object(json!({"x": 1}))),
        ..everything(&id)
    };
    let second = invited(&t, second).await;
    let expected = pb::Member {
        name: "Ada".to_owned(),
        is_admin: true,
        roles: vec![assigned("stytch_member"), assigned("stytch_admin")],
        trusted_metadata: Some(object(json!({"a": {"b": 1}, "c": 2}))),
        untrusted_metadata: Some(object(json!({"x": 1}))),
        updated_at: Some(seconds(t.clock.now())),
        etag: second.etag.clone(),
        ..first.clone()
    };
    assert_eq!(second, expected);
    assert_ne!(second.etag, first.etag);
    let third = Request {
        name: Some(String::new()),
        trusted_metadata: Some(object(json!({"a": {"d": 3}, "c": null, "e": 4}))),
        untrusted_metadata: Some(object(json!({}))),
        ..invitation(&id, "ada@acme.com")
    };
    let third = invited(&t, third).await;
    let expected = pb::Member {
        name: String::new(),
        trusted_metadata: Some(object(json!({"a": {"d": 3}, "e": 4}))),
        etag: third.etag.clone(),
        ..second
    };
    assert_eq!(third, expected);
}

async fn merged_metadata_has_the_limits_of_all_metadata(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let keys = |from: u32, to: u32| {
        let keys = (from..to).map(|number| (format!("key {number}"), json!(1))).collect();
        Some(object(serde_json::Value::Object(keys)))
    };
    let request = Request { trusted_metadata: keys(0, 20), ..invitation(&id, "ada@acme.com") };
    let first = invited(&t, request).await;
    let before = written(&t).await;
    let request = Request { trusted_metadata: keys(19, 21), ..invitation(&id, "ada@acme.com") };
    let answer = t.clients().invite_member(with_key(request, "key")).await;
    let refusal = refused(answer, Code::InvalidArgument, "METADATA_TOO_MANY_KEYS");
    assert_eq!(refusal.violations(), [("trusted_metadata", "METADATA_TOO_MANY_KEYS")]);
    assert_eq!(written(&t).await, before);
    assert_eq!(t.clients().member_by_id(&id, &first.member_id).await.unwrap(), first);
}

async fn a_pending_member_becomes_invited(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let pending = clients.create_member(everything_of_a_member(&id)).await.unwrap().into_inner();
    let pending = pending.member.unwrap();
    t.clock.advance(Duration::from_mins(1));
    let member = invited(&t, invitation(&id, "ada@acme.com")).await;
    let expected = pb::Member {
        status: "invited".to_owned(),
        updated_at: Some(seconds(t.clock.now())),
        etag: member.etag.clone(),
        ..pending.clone()
    };
    assert_eq!(member, expected);
    assert_ne!(member.etag, pending.etag);
    assert_eq!(t.count("events").await, 3);
}

async fn an_active_member_is_not_invited(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    t.clients().member(&id, "ada@acme.com").await;
    let before = written(&t).await;
    for request in [invitation(&id, "Ada@acme.com"), everything(&id)] {
        let answer = t.clients().invite_member(with_key(request, "key")).await;
        let refusal = refused(answer, Code::AlreadyExists, "USER_ALREADY_INVITED");
        assert_eq!(refusal.violations(), [("email_address", "USER_ALREADY_INVITED")]);
    }
    assert_eq!(written(&t).await, before);
}

async fn an_address_that_a_member_had_is_taken(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    for (address, is_pending) in [("ada@acme.com", false), ("bob@acme.com", true)] {
        let request =
            pb::CreateMemberRequest { create_member_as_pending: is_pending, ..new_member(&id, address) };
        let member = clients.create_member(request).await.unwrap().into_inner().member_id;
        let update = pb::UpdateMemberRequest {
            email_address: Some(format!("new-{address}")),
            ..member_update(&id, &member)
        };
        clients.update_member(update).await.unwrap();
        let before = written(&t).await;
        let answer = clients.invite_member(with_key(invitation(&id, address), "key")).await;
        let refusal = refused(answer, Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL");
        assert_eq!(refusal.violations(), [("email_address", "DUPLICATE_MEMBER_EMAIL")]);
        assert_eq!(written(&t).await, before);
    }
    invited(&t, invitation(&id, "new-bob@acme.com")).await;
}

async fn the_address_of_a_deleted_member_is_free(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let first = invited(&t, Request { roles: vec![], ..everything(&id) }).await;
    let request = pb::DeleteMemberRequest {
        organization_id: id.clone(),
        member_id: first.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(request).await.unwrap();
    let second = invited(&t, invitation(&id, "ada@acme.com")).await;
    assert_ne!(second.member_id, first.member_id);
    assert_eq!((second.name.as_str(), second.trusted_metadata), ("", Some(object(json!({})))));
    assert_eq!(t.count("members").await, 2);
}

async fn somebody_who_is_invited_elsewhere_is_new_here(t: Harness) {
    let clients = t.clients();
    let other = clients.organization("Other").await.organization_id;
    let elsewhere = clients.member(&other, "ada@acme.com").await;
    let id = clients.organization("Acme").await.organization_id;
    assert_ne!(invited(&t, invitation(&id, "ada@acme.com")).await.member_id, elsewhere.member_id);
}

async fn many_invitations_at_once_make_one_member(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let barrier = Arc::new(Barrier::new(20));
    let mut calls = JoinSet::new();
    for number in 0..20 {
        let (clients, barrier) = (t.clients(), Arc::clone(&barrier));
        let metadata = json!({(format!("key {number}")): 1});
        let request = Request { trusted_metadata: Some(object(metadata)), ..invitation(&id, "ada@acme.com") };
        calls.spawn(async move {
            barrier.wait().await;
            (number, clients.invite_member(request).await)
        });
    }
    let (mut ids, mut keys) = (std::collections::HashSet::new(), serde_json::Map::new());
    while let Some(call) = calls.join_next().await {
        match call.unwrap() {
            (number, Ok(answer)) => {
                ids.insert(answer.into_inner().member_id);
                keys.insert(format!("key {number}"), json!(1));
            }
            (_, Err(status)) => {
                let refusal = Refusal::of(&status);
                let clean = (Code::Aborted, "CONCURRENT_REQUEST");
                assert_eq!((refusal.code, refusal.reason.as_str()), clean, "{refusal:?}");
            }
        }
    }
    assert_eq!((ids.len(), t.count("members").await), (1, 1));
    assert_eq!(t.count("member_email_addresses").await, 1);
    let told = events(&t, "member.invited").await;
    assert_eq!(told.len(), keys.len());
    assert!(told.iter().all(|told| ids.contains(&told.member_id)), "{told:?}");
    // None of those that succeeded has been overwritten by another.
    let member = t.clients().member_by_id(&id, ids.iter().next().unwrap()).await.unwrap();
    assert_eq!(member.trusted_metadata, Some(object(serde_json::Value::Object(keys))));
}
