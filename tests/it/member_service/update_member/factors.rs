//! The phone number, the default method, and the external id.

use tonic::Code;
use vestibule::pb;

use super::{NUMBER, Update, acme, refuses, state, told, update, updated};
use crate::harness::members::{member_update, new_member};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_second_number_is_refused,
    the_number_of_another_member_is_refused,
    a_number_that_stays_stays_verified,
    a_default_method_needs_its_factor,
    the_external_id_of_another_member_is_refused,
    everything_that_is_taken_is_told_at_once,
);

const SECOND: &str = "DUPLICATE_MEMBER_PHONE_NUMBER_FOR_MEMBER";
const NUMBER_TAKEN: &str = "DUPLICATE_MEMBER_PHONE_NUMBER";
const ID_TAKEN: &str = "DUPLICATE_MEMBER_EXTERNAL_ID";

fn called(member: &pb::Member, number: &str) -> Update {
    Update { mfa_phone_number: Some(number.to_owned()), ..update(member) }
}

fn asking(member: &pb::Member, method: &str) -> Update {
    Update { default_mfa_method: Some(method.to_owned()), ..update(member) }
}

fn known_as(member: &pb::Member, external_id: &str) -> Update {
    Update { external_id: Some(external_id.to_owned()), ..update(member) }
}

async fn a_second_number_is_refused(t: Harness) {
    let (_, ada) = acme(&t).await;
    let ada = updated(&t, called(&ada, NUMBER)).await;
    assert_eq!((ada.mfa_phone_number.as_str(), ada.mfa_phone_number_verified), (NUMBER, false));
    assert!(!ada.mfa_enrolled);
    let fields = [("mfa_phone_number", SECOND)];
    let other = Update { name: Some("Eve".to_owned()), ..called(&ada, "+15005550007") };
    refuses(&t, other, Code::AlreadyExists, SECOND, &fields).await;
    let before = state(&t, &ada.organization_id).await;
    assert_eq!(updated(&t, called(&ada, NUMBER)).await, ada);
    assert_eq!(state(&t, &ada.organization_id).await, before);
}

async fn the_number_of_another_member_is_refused(t: Harness) {
    let (organization, ada) = acme(&t).await;
    let grace = t.clients().member(&organization.organization_id, "grace@acme.com").await;
    updated(&t, called(&ada, NUMBER)).await;
    let fields = [("mfa_phone_number", NUMBER_TAKEN)];
    refuses(&t, called(&grace, NUMBER), Code::AlreadyExists, NUMBER_TAKEN, &fields).await;
    // In another organization it is free.
    let globex = t.clients().organization("Globex").await;
    let eve = t.clients().member(&globex.organization_id, "eve@globex.com").await;
    updated(&t, called(&eve, NUMBER)).await;
    let request = pb::DeleteMemberRequest {
        organization_id: ada.organization_id.clone(),
        member_id: ada.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    t.clients().delete_member(request).await.unwrap();
    updated(&t, called(&grace, NUMBER)).await;
}

async fn a_number_that_stays_stays_verified(t: Harness) {
    let (_, ada) = acme(&t).await;
    updated(&t, called(&ada, NUMBER)).await;
    t.execute("UPDATE members SET mfa_phone_number_verified = true").await;
    let request = Update { name: Some("Ada".to_owned()), ..called(&ada, NUMBER) };
    let ada = updated(&t, request).await;
    assert!(ada.mfa_phone_number_verified);
    told(&t, &ada, &["name"]).await;
}

async fn a_default_method_needs_its_factor(t: Harness) {
    const MISSING: &str = "DEFAULT_MFA_MEMBER_MISSING_FACTOR";
    let (_, ada) = acme(&t).await;
    for method in ["sms_otp", "totp"] {
        let request = Update { name: Some("Eve".to_owned()), ..asking(&ada, method) };
        refuses(&t, request, Code::FailedPrecondition, MISSING, &[]).await;
    }
    // Together with the number it is asked for over.
    let both = Update { mfa_phone_number: Some(NUMBER.to_owned()), ..asking(&ada, "sms_otp") };
    let ada = updated(&t, both).await;
    assert_eq!(ada.default_mfa_method, "sms_otp");
    told(&t, &ada, &["mfa_phone_number", "default_mfa_method"]).await;
    refuses(&t, asking(&ada, "totp"), Code::FailedPrecondition, MISSING, &[]).await;
    let ada = updated(&t, asking(&ada, "")).await;
    assert_eq!(ada.default_mfa_method, "");
    told(&t, &ada, &["default_mfa_method"]).await;
    assert_eq!(updated(&t, asking(&ada, "")).await, ada);
}

async fn the_external_id_of_another_member_is_refused(t: Harness) {
    let clients = t.clients();
    let (organization, ada) = acme(&t).await;
    let grace = clients.member(&organization.organization_id, "grace@acme.com").await;
    updated(&t, known_as(&ada, "Person|1")).await;
    let fields = [("external_id", ID_TAKEN)];
    for taken in ["Person|1", "person|1", "PERSON|1"] {
        refuses(&t, known_as(&grace, taken), Code::AlreadyExists, ID_TAKEN, &fields).await;
    }
    // Its owner may spell it otherwise, and the old one is free at once.
    let ada = updated(&t, known_as(&ada, "PERSON|1")).await;
    assert_eq!(ada.external_id.as_deref(), Some("PERSON|1"));
    updated(&t, known_as(&ada, "Person|2")).await;
    updated(&t, known_as(&grace, "Person|1")).await;
    // In another organization it is free anyway.
    let globex = clients.organization("Globex").await;
    let eve = clients.member(&globex.organization_id, "eve@globex.com").await;
    updated(&t, known_as(&eve, "Person|1")).await;
    // Whoever had it is found by the new one alone.
    let found = updated(&t, member_update(&organization.organization_id, "Person|1")).await;
    assert_eq!(found.member_id, grace.member_id);
}

async fn everything_that_is_taken_is_told_at_once(t: Harness) {
    let (organization, ada) = acme(&t).await;
    let create = |address: &str, number: Option<&str>, external_id: Option<&str>| pb::CreateMemberRequest {
        mfa_phone_number: number.map(str::to_owned),
        external_id: external_id.map(str::to_owned),
        ..new_member(&organization.organization_id, address)
    };
    for request in [
        create("grace@acme.com", None, None),
        create("joan@acme.com", Some(NUMBER), None),
        create("mary@acme.com", None, Some("Person|1")),
    ] {
        t.clients().create_member(request).await.unwrap();
    }
    let request = Update {
        email_address: Some("grace@acme.com".to_owned()),
        mfa_phone_number: Some(NUMBER.to_owned()),
        external_id: Some("person|1".to_owned()),
        ..update(&ada)
    };
    let fields = [
        ("email_address", "DUPLICATE_MEMBER_EMAIL"),
        ("mfa_phone_number", NUMBER_TAKEN),
        ("external_id", ID_TAKEN),
    ];
    refuses(&t, request, Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL", &fields).await;
}
