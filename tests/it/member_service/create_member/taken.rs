//! What only one member of an organization can have.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use super::{Request, created};
use crate::harness::fixtures::with_key;
use crate::harness::members::{invitation, member_update, new_member};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};
use crate::member_service::written::written;

on_both_backends!(
    an_address_that_a_member_has_is_taken,
    an_address_that_a_member_had_is_taken,
    external_ids_and_phone_numbers_are_taken,
    all_that_is_taken_is_told_at_once,
    another_organization_may_have_the_same,
    a_deletion_frees_everything,
    one_of_many_gets_the_address,
);

/// Asserts that something is taken, that it is told which, and that nothing was written.
async fn is_taken(t: &Harness, request: Request, expected: &[(&str, &str)]) {
    let before = written(t).await;
    let answer = t.clients().create_member(with_key(request, "taken")).await;
    let refusal = refused(answer, Code::AlreadyExists, expected[0].1);
    assert_eq!(refusal.violations(), expected);
    assert_eq!(refusal.metadata["http_status"], "400");
    assert_eq!(written(t).await, before);
}

const ADDRESS: (&str, &str) = ("email_address", "DUPLICATE_MEMBER_EMAIL");
const NUMBER: (&str, &str) = ("mfa_phone_number", "DUPLICATE_MEMBER_PHONE_NUMBER");
const EXTERNAL_ID: (&str, &str) = ("external_id", "DUPLICATE_MEMBER_EXTERNAL_ID");

async fn an_address_that_a_member_has_is_taken(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    created(&t, new_member(&id, "ada@acme.com")).await;
    let pending = Request { create_member_as_pending: true, ..new_member(&id, "bob@bücher.de") };
    created(&t, pending).await;
    clients.invite_member(invitation(&id, "eve@acme.com")).await.unwrap();
    for address in ["ada@acme.com", "ADA@Acme.com.", "bob@xn--bcher-kva.de", "bob@BÜCHER.de", "eve@acme.com"]
    {
        is_taken(&t, new_member(&id, address), &[ADDRESS]).await;
    }
    created(&t, new_member(&id, "ada+tag@acme.com")).await;
}

async fn an_address_that_a_member_had_is_taken(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let member = created(&t, new_member(&id, "ada@acme.com")).await;
    let update = pb::UpdateMemberRequest {
        email_address: Some("lovelace@acme.com".to_owned()),
        ..member_update(&id, &member.member_id)
    };
    t.clients().update_member(update).await.unwrap();
    is_taken(&t, new_member(&id, "Ada@acme.com"), &[ADDRESS]).await;
    is_taken(&t, new_member(&id, "lovelace@acme.com"), &[ADDRESS]).await;
}

/// A request with an address, and perhaps a phone number and an external id.
fn having(id: &str, address: &str, number: Option<&str>, external_id: Option<&str>) -> Request {
    Request {
        mfa_phone_number: number.map(str::to_owned),
        external_id: external_id.map(str::to_owned),
        ..new_member(id, address)
    }
}

async fn external_ids_and_phone_numbers_are_taken(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    created(&t, having(&id, "ada@acme.com", Some("+15005550006"), Some("HR-1a"))).await;
    for external_id in ["HR-1a", "hr-1A"] {
        is_taken(&t, having(&id, "bob@acme.com", None, Some(external_id)), &[EXTERNAL_ID]).await;
    }
    is_taken(&t, having(&id, "bob@acme.com", Some("+15005550006"), None), &[NUMBER]).await;
    created(&t, having(&id, "bob@acme.com", Some("+15005550007"), Some("HR-1ab"))).await;
}

async fn all_that_is_taken_is_told_at_once(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    created(&t, having(&id, "ada@acme.com", None, None)).await;
    created(&t, having(&id, "bob@acme.com", Some("+15005550006"), None)).await;
    created(&t, having(&id, "eve@acme.com", None, Some("HR-1"))).await;
    let all = [ADDRESS, NUMBER, EXTERNAL_ID];
    is_taken(&t, having(&id, "Ada@acme.com", Some("+15005550006"), Some("hr-1")), &all).await;
    let two = [NUMBER, EXTERNAL_ID];
    is_taken(&t, having(&id, "dan@acme.com", Some("+15005550006"), Some("hr-1")), &two).await;
}

async fn another_organization_may_have_the_same(t: Harness) {
    let mut members = Vec::new();
    for name in ["Acme", "Other"] {
        let id = t.clients().organization(name).await.organization_id;
        members.push(created(&t, having(&id, "ada@acme.com", Some("+15005550006"), Some("HR-1"))).await);
    }
    assert_ne!(members[0].member_id, members[1].member_id);
}

async fn a_deletion_frees_everything(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..3 {
        let member = created(&t, having(&id, "ada@acme.com", Some("+15005550006"), Some("HR-1"))).await;
        let update = pb::UpdateMemberRequest {
            email_address: Some("lovelace@acme.com".to_owned()),
            ..member_update(&id, &member.member_id)
        };
        t.clients().update_member(update).await.unwrap();
        let request = pb::DeleteMemberRequest {
            organization_id: id.clone(),
            member_id: member.member_id.clone(),
            ..pb::DeleteMemberRequest::default()
        };
        t.clients().delete_member(request).await.unwrap();
        ids.insert(member.member_id);
    }
    created(&t, new_member(&id, "ada@acme.com")).await;
    created(&t, new_member(&id, "lovelace@acme.com")).await;
    assert_eq!(ids.len(), 3);
}

async fn one_of_many_gets_the_address(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let barrier = Arc::new(Barrier::new(20));
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (clients, barrier) = (t.clients(), Arc::clone(&barrier));
        let request = new_member(&id, "ada@acme.com");
        calls.spawn(async move {
            barrier.wait().await;
            clients.create_member(request).await
        });
    }
    let mut winners = 0;
    while let Some(answer) = calls.join_next().await {
        match answer.unwrap() {
            Ok(_) => winners += 1,
            Err(status) => {
                let refusal = Refusal::of(&status);
                let clean = [(Code::AlreadyExists, ADDRESS.1), (Code::Aborted, "CONCURRENT_REQUEST")];
                assert!(clean.contains(&(refusal.code, refusal.reason.as_str())), "{refusal:?}");
            }
        }
    }
    assert_eq!((winners, t.count("members").await, t.count("events").await), (1, 1, 2));
}
