//! What others have taken while a member was deleted.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use super::{delete, reactivated, reactivation, stays_deleted, verified};
use crate::harness::members::{invitation, member_update, new_member};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};
use crate::member_service::delete_member::deleted;
use crate::member_service::written::events;

on_both_backends!(
    the_address_is_that_of_another_member,
    the_address_is_one_that_another_member_had,
    the_external_id_and_the_phone_number_stay_with_others,
    another_deleted_member_takes_nothing,
    another_organization_takes_nothing,
    retired_addresses_come_back_unless_others_have_them,
    one_of_many_gets_the_address,
);

const TAKEN: &str = "REACTIVATION_EMAIL_BELONGS_TO_ANOTHER_MEMBER";

async fn organization(t: &Harness) -> String {
    t.clients().organization("Acme").await.organization_id
}

/// Gives a member another address, and keeps the old one as retired.
async fn moved(t: &Harness, member: &pb::Member, email_address: &str) -> pb::Member {
    let update = pb::UpdateMemberRequest {
        email_address: Some(email_address.to_owned()),
        ..member_update(&member.organization_id, &member.member_id)
    };
    t.clients().update_member(update).await.unwrap();
    t.execute("UPDATE member_email_addresses SET verified = true WHERE status = 'current'").await;
    t.clients().member_by_id(&member.organization_id, &member.member_id).await.unwrap()
}

async fn the_address_is_that_of_another_member(t: Harness) {
    let id = organization(&t).await;
    let member = verified(&t, new_member(&id, "ada@acme.com")).await;
    delete(&t, &member).await;
    // Even somebody who never logged in.
    let invited = t.clients().invite_member(invitation(&id, "Ada@acme.com")).await.unwrap().into_inner();
    stays_deleted(&t, &member, Code::FailedPrecondition, &[], TAKEN).await;
    delete(&t, &invited.member.unwrap()).await;
    let second = verified(&t, new_member(&id, "ada@acme.com")).await;
    stays_deleted(&t, &member, Code::FailedPrecondition, &[], TAKEN).await;
    delete(&t, &second).await;
    reactivated(&t, &member).await;
    stays_deleted(&t, &second, Code::FailedPrecondition, &[], TAKEN).await;
}

async fn the_address_is_one_that_another_member_had(t: Harness) {
    let id = organization(&t).await;
    let member = verified(&t, new_member(&id, "ada@acme.com")).await;
    delete(&t, &member).await;
    let second = verified(&t, new_member(&id, "ada@acme.com")).await;
    moved(&t, &second, "lovelace@acme.com").await;
    stays_deleted(&t, &member, Code::FailedPrecondition, &[], TAKEN).await;
}

/// A request with an address, and perhaps a phone number and an external id.
fn having(id: &str, address: &str, number: &str, external_id: &str) -> pb::CreateMemberRequest {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    pb::CreateMemberRequest {
        mfa_phone_number: some(number),
        external_id: some(external_id),
        ..new_member(id, address)
    }
}

async fn the_external_id_and_the_phone_number_stay_with_others(t: Harness) {
    let id = organization(&t).await;
    let member = verified(&t, having(&id, "ada@acme.com", "+15005550006", "HR-1a")).await;
    let update = pb::UpdateMemberRequest {
        default_mfa_method: Some("sms_otp".to_owned()),
        ..member_update(&id, &member.member_id)
    };
    t.clients().update_member(update).await.unwrap();
    delete(&t, &member).await;
    let bob = verified(&t, having(&id, "bob@acme.com", "", "hr-1A")).await;
    let found = reactivated(&t, &member).await;
    assert_eq!((found.external_id, &found.mfa_phone_number), (None, &member.mfa_phone_number));
    delete(&t, &member).await;
    verified(&t, having(&id, "eve@acme.com", "+15005550006", "")).await;
    let found = reactivated(&t, &member).await;
    assert_eq!((found.mfa_phone_number.as_str(), found.default_mfa_method.as_str()), ("", ""));
    let kept = t.clients().member_by_id(&id, &bob.member_id).await.unwrap();
    assert_eq!(kept.external_id.as_deref(), Some("hr-1A"));
    let told: Vec<_> = events(&t, "member.reactivated").await.into_iter().map(|told| told.data).collect();
    let fields = ["status", "mfa_phone_number", "default_mfa_method"];
    assert_eq!(
        told,
        [json!({"changed_fields": ["status", "external_id"]}), json!({"changed_fields": fields})]
    );
}

async fn another_deleted_member_takes_nothing(t: Harness) {
    let id = organization(&t).await;
    let mut members = Vec::new();
    for _ in 0..3 {
        let member = verified(&t, having(&id, "ada@acme.com", "+15005550006", "HR-1")).await;
        delete(&t, &member).await;
        members.push(member);
    }
    reactivated(&t, &members[1]).await;
    assert_eq!(deleted(&t, &id).await.len(), 2);
}

async fn another_organization_takes_nothing(t: Harness) {
    let id = organization(&t).await;
    let member = verified(&t, having(&id, "ada@acme.com", "+15005550006", "HR-1")).await;
    delete(&t, &member).await;
    let other = t.clients().organization("Other").await.organization_id;
    verified(&t, having(&other, "ada@acme.com", "+15005550006", "HR-1")).await;
    reactivated(&t, &member).await;
}

async fn retired_addresses_come_back_unless_others_have_them(t: Harness) {
    let clients = t.clients();
    let id = organization(&t).await;
    let mut member = verified(&t, new_member(&id, "one@acme.com")).await;
    for address in ["two@acme.com", "three@acme.com", "four@acme.com"] {
        member = moved(&t, &member, address).await;
    }
    let retired = sorted(&member);
    assert_eq!(addresses(&retired), ["one@acme.com", "three@acme.com", "two@acme.com"]);
    delete(&t, &member).await;
    assert_eq!(sorted(&reactivated(&t, &member).await), retired);
    for address in ["one@acme.com", "three@acme.com"] {
        let answer = clients.create_member(new_member(&id, address)).await;
        refused(answer, Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL");
    }

    delete(&t, &member).await;
    let other = clients.member(&id, "one@acme.com").await;
    let second = clients.member(&id, "three@acme.com").await;
    moved(&t, &second, "five@acme.com").await;
    let found = reactivated(&t, &member).await;
    assert_eq!(found.retired_email_addresses, retired[2..]);
    assert_eq!(clients.member_by_id(&id, &other.member_id).await.unwrap().email_address, "one@acme.com");

    // What others took stays theirs, and what they give up does not come back.
    delete(&t, &other).await;
    delete(&t, &found).await;
    assert_eq!(addresses(&reactivated(&t, &member).await.retired_email_addresses), ["two@acme.com"]);
    clients.member(&id, "one@acme.com").await;
}

/// The retired addresses of a member, in the order of the alphabet.
fn sorted(member: &pb::Member) -> Vec<pb::RetiredEmailAddress> {
    let mut retired = member.retired_email_addresses.clone();
    retired.sort_by(|one, other| one.email_address.cmp(&other.email_address));
    retired
}

fn addresses(retired: &[pb::RetiredEmailAddress]) -> Vec<&str> {
    retired.iter().map(|retired| retired.email_address.as_str()).collect()
}

async fn one_of_many_gets_the_address(t: Harness) {
    let id = organization(&t).await;
    for number in 0..4 {
        let address = format!("ada{number}@acme.com");
        let member = verified(&t, new_member(&id, &address)).await;
        delete(&t, &member).await;
        let barrier = Arc::new(Barrier::new(8));
        let mut calls = JoinSet::new();
        for caller in 0..8 {
            let (clients, barrier) = (t.clients(), Arc::clone(&barrier));
            let create = new_member(&id, &address);
            let reactivate = reactivation(&id, &member.member_id);
            calls.spawn(async move {
                barrier.wait().await;
                if caller % 2 == 0 {
                    clients.create_member(create).await.map(|_| ())
                } else {
                    clients.reactivate_member(reactivate).await.map(|_| ())
                }
            });
        }
        let mut winners = 0;
        while let Some(answer) = calls.join_next().await {
            match answer.unwrap() {
                Ok(()) => winners += 1,
                Err(status) => {
                    let refusal = Refusal::of(&status);
                    let clean = [
                        (Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL"),
                        (Code::FailedPrecondition, TAKEN),
                        (Code::FailedPrecondition, "NO_DELETED_MEMBER_FOUND_FOR_REACTIVATION"),
                        (Code::Aborted, "CONCURRENT_REQUEST"),
                    ];
                    assert!(clean.contains(&(refusal.code, refusal.reason.as_str())), "{refusal:?}");
                }
            }
        }
        assert_eq!(winners, 1);
        assert_eq!(t.count("member_email_addresses WHERE live").await, number + 1);
    }
}
