//! Changing the address, and what becomes of the old one.

use std::time::Duration;

use tonic::Code;
use vestibule::pb;

use super::{Update, acme, direct, refuses, state, texts, told, update, updated};
use crate::harness::fixtures::{creation, organization};
use crate::harness::members::new_member;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    the_old_address_is_retired_and_stays_reserved,
    an_unlinked_address_is_free_at_once,
    an_own_retired_address_is_taken_up_again,
    an_own_retired_address_is_taken_up_and_the_current_one_unlinked,
    retired_addresses_stay_in_their_order,
    a_new_address_is_not_verified,
    a_role_by_domain_ends_with_the_verified_address,
    a_member_has_a_hundred_retired_addresses_at_most,
    an_address_on_a_domain_that_another_organization_has_claimed_is_refused,
    the_addresses_of_other_organizations_are_free,
    a_deleted_members_address_is_free,
);

const TAKEN: &str = "DUPLICATE_MEMBER_EMAIL";

fn moved(member: &pb::Member, address: &str) -> Update {
    Update { email_address: Some(address.to_owned()), ..update(member) }
}

fn unlinked(member: &pb::Member, address: &str) -> Update {
    Update { unlink_email: true, ..moved(member, address) }
}

fn retired(member: &pb::Member) -> Vec<&str> {
    member.retired_email_addresses.iter().map(|retired| retired.email_address.as_str()).collect()
}

/// Asserts that no other member can have the address.
async fn is_reserved(t: &Harness, other: &pb::Member, address: &str) {
    refuses(t, moved(other, address), Code::AlreadyExists, TAKEN, &[("email_address", TAKEN)]).await;
    let before = state(t, &other.organization_id).await;
    let answer = t.clients().create_member(new_member(&other.organization_id, address)).await;
    let refusal = refused(answer, Code::AlreadyExists, TAKEN);
    assert_eq!(refusal.violations(), [("email_address", TAKEN)]);
    assert_eq!(state(t, &other.organization_id).await, before);
}

async fn the_old_address_is_retired_and_stays_reserved(t: Harness) {
    let (_, ada) = acme(&t).await;
    let grace = t.clients().member(&ada.organization_id, "grace@acme.com").await;
    is_reserved(&t, &grace, "ada@acme.com").await;
    let ada = updated(&t, moved(&ada, "countess@acme.com")).await;
    told(&t, &ada, &["email_address", "retired_email_addresses"]).await;
    assert_eq!((ada.email_address.as_str(), retired(&ada)), ("countess@acme.com", vec!["ada@acme.com"]));
    for address in ["ada@acme.com", "ADA@acme.com", "countess@acme.com"] {
        is_reserved(&t, &grace, address).await;
    }
    // A retired address names nobody.
    let request = pb::GetMemberRequest {
        organization_id: ada.organization_id.clone(),
        member_id: None,
        email_address: Some("ada@acme.com".to_owned()),
    };
    refused(t.clients().get_member(request).await, Code::NotFound, "MEMBER_NOT_FOUND");
}

async fn an_unlinked_address_is_free_at_once(t: Harness) {
    let (_, ada) = acme(&t).await;
    let ada = updated(&t, unlinked(&ada, "countess@acme.com")).await;
    told(&t, &ada, &["email_address"]).await;
    assert_eq!(retired(&ada), [""; 0]);
    let other = t.clients().member(&ada.organization_id, "ada@acme.com").await;
    is_reserved(&t, &ada, "ada@acme.com").await;
    // And it can be taken by an update.
    updated(&t, unlinked(&other, "other@acme.com")).await;
    updated(&t, moved(&ada, "ada@acme.com")).await;
}

async fn an_own_retired_address_is_taken_up_again(t: Harness) {
    let (_, ada) = acme(&t).await;
    let away = updated(&t, moved(&ada, "countess@acme.com")).await;
    let first = away.retired_email_addresses[0].email_id.clone();
    let back = updated(&t, moved(&ada, "ada@acme.com")).await;
    assert_eq!((back.email_address.as_str(), retired(&back)), ("ada@acme.com", vec!["countess@acme.com"]));
    assert!(!back.email_address_verified);
    let second = back.retired_email_addresses[0].email_id.clone();
    assert_ne!(second, first);
    let again = updated(&t, moved(&ada, "countess@acme.com")).await;
    assert_eq!(again.retired_email_addresses[0].email_id, first, "an address keeps its id");
    assert_eq!(retired(&again), ["ada@acme.com"]);
    let grace = t.clients().member(&ada.organization_id, "grace@acme.com").await;
    for address in ["ada@acme.com", "countess@acme.com"] {
        is_reserved(&t, &grace, address).await;
    }
}

async fn an_own_retired_address_is_taken_up_and_the_current_one_unlinked(t: Harness) {
    let (_, ada) = acme(&t).await;
    updated(&t, moved(&ada, "countess@acme.com")).await;
    let back = updated(&t, unlinked(&ada, "ada@acme.com")).await;
    assert_eq!((back.email_address.as_str(), retired(&back)), ("ada@acme.com", vec![]));
    t.clients().member(&ada.organization_id, "countess@acme.com").await;
}

async fn retired_addresses_stay_in_their_order(t: Harness) {
    let (_, ada) = acme(&t).await;
    let addresses = ["b@acme.com", "a@acme.com", "d@acme.com", "c@acme.com"];
    for address in addresses {
        t.clock.advance(Duration::from_secs(1));
        updated(&t, moved(&ada, address)).await;
    }
    let member = t.clients().member_by_id(&ada.organization_id, &ada.member_id).await.unwrap();
    assert_eq!(retired(&member), ["ada@acme.com", "b@acme.com", "a@acme.com", "d@acme.com"]);
    let ids = |member: &pb::Member| -> Vec<(String, String)> {
        let retired = member.retired_email_addresses.iter().cloned();
        retired.map(|retired| (retired.email_address, retired.email_id)).collect()
    };
    // Taken up from the middle: the others stay as they are, in every answer.
    let after = updated(&t, moved(&ada, "b@acme.com")).await;
    let kept: Vec<_> = ids(&after).into_iter().filter(|(address, _)| address != "c@acme.com").collect();
    let expected: Vec<_> = ids(&member).into_iter().filter(|(address, _)| address != "b@acme.com").collect();
    assert_eq!(kept, expected);
    let after = updated(&t, unlinked(&ada, "a@acme.com")).await;
    assert_eq!(retired(&after), ["ada@acme.com", "d@acme.com", "c@acme.com"]);
    // What was taken up and retired again stands where it stood.
    updated(&t, moved(&ada, "ada@acme.com")).await;
    let after = updated(&t, moved(&ada, "e@acme.com")).await;
    assert_eq!(retired(&after), ["ada@acme.com", "a@acme.com", "d@acme.com", "c@acme.com"]);
}

async fn a_new_address_is_not_verified(t: Harness) {
    let token = t.clients().token("ada@acme.com").await;
    let ada = t.clients().spend(creation(&token)).await.unwrap().into_inner().member.unwrap();
    assert!(ada.email_address_verified);
    let away = updated(&t, moved(&ada, "countess@acme.com")).await;
    assert!(!away.email_address_verified);
    // Not even the one that was verified once.
    let back = updated(&t, moved(&ada, "ada@acme.com")).await;
    assert!(!back.email_address_verified);
    assert_eq!(retired(&back), ["countess@acme.com"]);
    assert!(back.is_admin, "the assigned roles stay");
}

async fn a_role_by_domain_ends_with_the_verified_address(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "acme.com".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        ..organization("Acme")
    };
    let acme = clients.create(request).await.unwrap().into_inner().organization.unwrap();
    let ada = clients.member(&acme.organization_id, "ada@acme.com").await;
    assert!(!ada.is_admin, "the address is not verified");
    let grace = clients.member(&acme.organization_id, "grace@acme.com").await;
    t.execute("UPDATE member_email_addresses SET verified = true").await;
    let ada = clients.member_by_id(&acme.organization_id, &ada.member_id).await.unwrap();
    assert!(ada.is_admin && ada.roles.len() == 2, "{ada:?}");
    // Even within the domain: it has to be verified again.
    let after = updated(&t, moved(&ada, "countess@acme.com")).await;
    assert!(!after.is_admin);
    assert_eq!(after.roles, direct(&[]));
    // Grace is the last one now.
    let request = moved(&grace, "hopper@acme.com");
    refuses(&t, request.clone(), Code::FailedPrecondition, "LAST_ADMIN_REMOVAL", &[]).await;
    let assigned = Update { roles: texts(&["stytch_admin"]), ..request };
    let after = updated(&t, assigned).await;
    assert!(after.is_admin);
    assert_eq!(after.roles, direct(&["stytch_admin"]));
}

async fn a_member_has_a_hundred_retired_addresses_at_most(t: Harness) {
    let (_, ada) = acme(&t).await;
    for number in 0..100 {
        updated(&t, moved(&ada, &format!("ada{number}@acme.com"))).await;
    }
    let fields = [("email_address", "INVALID_ARGUMENT")];
    let one_more = moved(&ada, "countess@acme.com");
    refuses(&t, one_more, Code::InvalidArgument, "INVALID_ARGUMENT", &fields).await;
    assert_eq!(updated(&t, unlinked(&ada, "countess@acme.com")).await.retired_email_addresses.len(), 100);
}

async fn an_address_on_a_domain_that_another_organization_has_claimed_is_refused(t: Harness) {
    const CLAIMED: &str = "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED";
    let clients = t.clients();
    let (acme, ada) = acme(&t).await;
    let claiming = |name: &str, domain: &str| pb::CreateOrganizationRequest {
        claimed_email_domains: vec![domain.to_owned()],
        ..organization(name)
    };
    clients.create(claiming("Globex", "globex.com")).await.unwrap();
    refuses(
        &t,
        moved(&ada, "ada@globex.com"),
        Code::FailedPrecondition,
        CLAIMED,
        &[("email_address", CLAIMED)],
    )
    .await;
    refuses(
        &t,
        unlinked(&ada, "ada@GLOBEX.com"),
        Code::FailedPrecondition,
        CLAIMED,
        &[("email_address", CLAIMED)],
    )
    .await;
    updated(&t, moved(&ada, "ada@mail.globex.com")).await;
    // An own retired address is on a claimed domain now.
    clients.create(claiming("Initech", "acme.com")).await.unwrap();
    refuses(
        &t,
        moved(&ada, "ada@acme.com"),
        Code::FailedPrecondition,
        CLAIMED,
        &[("email_address", CLAIMED)],
    )
    .await;
    // Who is there already can stay, and change.
    let before = clients.member(&acme.organization_id, "grace@hooli.com").await;
    clients.create(claiming("Hooli", "hooli.com")).await.unwrap();
    let same = Update { name: Some("Grace".to_owned()), ..moved(&before, "grace@hooli.com") };
    assert_eq!(updated(&t, same).await.name, "Grace");
    // The claim of one's own organization is none of another.
    let request = pb::UpdateOrganizationRequest {
        claimed_email_domains: vec!["pied.com".to_owned()],
        ..crate::harness::members::organization_update(&acme.organization_id)
    };
    clients.update_organization(request).await.unwrap();
    updated(&t, moved(&before, "grace@pied.com")).await;
}

async fn the_addresses_of_other_organizations_are_free(t: Harness) {
    let (_, ada) = acme(&t).await;
    let other = t.clients().organization("Globex").await;
    t.clients().member(&other.organization_id, "eve@globex.com").await;
    let ada = updated(&t, moved(&ada, "eve@globex.com")).await;
    t.clients().member(&other.organization_id, "ada@acme.com").await;
    assert_eq!(retired(&ada), ["ada@acme.com"]);
}

async fn a_deleted_members_address_is_free(t: Harness) {
    let (_, ada) = acme(&t).await;
    let grace = t.clients().member(&ada.organization_id, "grace@acme.com").await;
    updated(&t, moved(&grace, "hopper@acme.com")).await;
    let request = pb::DeleteMemberRequest {
        organization_id: grace.organization_id.clone(),
        member_id: grace.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    t.clients().delete_member(request).await.unwrap();
    updated(&t, moved(&ada, "hopper@acme.com")).await;
    let ada = updated(&t, moved(&ada, "grace@acme.com")).await;
    assert_eq!(ada.email_address, "grace@acme.com");
}
