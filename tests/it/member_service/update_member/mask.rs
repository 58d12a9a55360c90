//! What `update_mask` makes count.

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::{NUMBER, Update, acme, direct, events, refuses, state, texts, update, updated};
use crate::harness::json::object;
use crate::harness::members::mask;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_empty_mask_is_none,
    only_what_is_named_is_changed,
    what_is_named_and_not_sent_becomes_empty,
    an_address_and_a_number_can_not_be_emptied,
    what_is_not_named_is_not_even_looked_at,
    without_a_mask_an_empty_list_of_roles_is_not_sent,
    an_unknown_name_is_refused,
);

/// A member of whom nothing is empty, and who is not the only admin.
async fn full(t: &Harness) -> pb::Member {
    let (organization, member) = acme(t).await;
    let other = t.clients().member(&organization.organization_id, "grace@acme.com").await;
    updated(t, Update { roles: texts(&["stytch_admin"]), ..update(&other) }).await;
    let request = Update {
        name: Some("Ada".to_owned()),
        trusted_metadata: Some(object(json!({"plan": "gold"}))),
        untrusted_metadata: Some(object(json!({"theme": "dark"}))),
        is_breakglass: Some(true),
        mfa_phone_number: Some(NUMBER.to_owned()),
        mfa_enrolled: Some(true),
        roles: texts(&["stytch_admin"]),
        default_mfa_method: Some("sms_otp".to_owned()),
        external_id: Some("ERP|1".to_owned()),
        ..update(&member)
    };
    updated(t, request).await
}

/// The names of all fields that an update can change.
const FIELDS: [&str; 10] = [
    "name",
    "trusted_metadata",
    "untrusted_metadata",
    "is_breakglass",
    "mfa_phone_number",
    "mfa_enrolled",
    "roles",
    "default_mfa_method",
    "email_address",
    "external_id",
];

async fn an_empty_mask_is_none(t: Harness) {
    let (_, member) = acme(&t).await;
    let named = Update { name: Some("Ada".to_owned()), update_mask: mask(&[]), ..update(&member) };
    assert_eq!(updated(&t, named).await.name, "Ada");
}

async fn only_what_is_named_is_changed(t: Harness) {
    let (_, member) = acme(&t).await;
    let everything = Update {
        name: Some("Ada".to_owned()),
        trusted_metadata: Some(object(json!({"plan": "gold"}))),
        untrusted_metadata: Some(object(json!({"theme": "dark"}))),
        is_breakglass: Some(true),
        mfa_phone_number: Some(NUMBER.to_owned()),
        mfa_enrolled: Some(true),
        roles: texts(&["stytch_admin"]),
        default_mfa_method: Some("sms_otp".to_owned()),
        email_address: Some("countess@acme.com".to_owned()),
        external_id: Some("ERP|1".to_owned()),
        ..update(&member)
    };
    for field in FIELDS {
        // Named twice is named.
        let request = Update { update_mask: mask(&[field, field]), ..everything.clone() };
        updated(&t, request).await;
        let (_, _, data) = events(&t).await.pop().unwrap();
        let changed = data["changed_fields"].as_array().unwrap().clone();
        let mut expected = vec![json!(field)];
        if field == "email_address" {
            expected.push(json!("retired_email_addresses"));
        }
        assert_eq!(changed, expected);
    }
    let before = state(&t, &member.organization_id).await;
    updated(&t, Update { update_mask: mask(&FIELDS), ..everything }).await;
    assert_eq!(state(&t, &member.organization_id).await, before, "nothing was left to change");
}

async fn what_is_named_and_not_sent_becomes_empty(t: Harness) {
    type Change = fn(&mut pb::Member);
    let cases: [(&str, Change); 8] = [
        ("name", |member| member.name.clear()),
        ("default_mfa_method", |member| member.default_mfa_method.clear()),
        ("external_id", |member| member.external_id = None),
        ("is_breakglass", |member| member.is_breakglass = false),
        ("mfa_enrolled", |member| member.mfa_enrolled = false),
        ("roles", |member| {
            member.roles = direct(&[]);
            member.is_admin = false;
        }),
        // To be merged with nothing.
        ("trusted_metadata", |_| {}),
        ("untrusted_metadata", |_| {}),
    ];
    let mut member = full(&t).await;
    for (field, expected) in cases {
        let after = updated(&t, Update { update_mask: mask(&[field]), ..update(&member) }).await;
        expected(&mut member);
        member.etag.clone_from(&after.etag);
        assert_eq!(after, member, "{field}");
        let before = state(&t, &member.organization_id).await;
        updated(&t, Update { update_mask: mask(&[field]), ..update(&member) }).await;
        assert_eq!(state(&t, &member.organization_id).await, before, "{field} is empty already");
    }
    // An empty text does the same without a mask, where it can.
    let request = Update {
        name: Some("Ada".to_owned()),
        default_mfa_method: Some("sms_otp".to_owned()),
        ..update(&member)
    };
    updated(&t, request).await;
    let request =
        Update { name: Some(String::new()), default_mfa_method: Some(String::new()), ..update(&member) };
    let after = updated(&t, request).await;
    assert_eq!((after.name.as_str(), after.default_mfa_method.as_str()), ("", ""));
}

async fn an_address_and_a_number_can_not_be_emptied(t: Harness) {
    let member = full(&t).await;
    let cases = [("email_address", "INVALID_EMAIL"), ("mfa_phone_number", "INVALID_PHONE_NUMBER")];
    for (field, reason) in cases {
        let request =
            Update { update_mask: mask(&["name", field]), name: Some("Eve".to_owned()), ..update(&member) };
        refuses(&t, request, Code::InvalidArgument, reason, &[(field, reason)]).await;
    }
    let request = Update { update_mask: mask(&FIELDS), ..update(&member) };
    let expected = [("mfa_phone_number", "INVALID_PHONE_NUMBER"), ("email_address", "INVALID_EMAIL")];
    refuses(&t, request, Code::InvalidArgument, "INVALID_PHONE_NUMBER", &expected).await;
}

async fn what_is_not_named_is_not_even_looked_at(t: Harness) {
    let member = full(&t).await;
    let request = Update {
        update_mask: mask(&["name"]),
        name: Some("Countess".to_owned()),
        trusted_metadata: Some(object(json!({"k": "\0"}))),
        mfa_phone_number: Some("nonsense".to_owned()),
        roles: texts(&["nonsense"]),
        default_mfa_method: Some("nonsense".to_owned()),
        email_address: Some("nonsense".to_owned()),
        external_id: Some(" ".to_owned()),
        ..update(&member)
    };
    let after = updated(&t, request.clone()).await;
    assert_eq!(after, pb::Member { name: "Countess".to_owned(), etag: after.etag.clone(), ..member.clone() });
    // An address that is not named is not sent, so there is nothing to unlink for.
    let request = Update { unlink_email: true, ..request };
    let expected = [("unlink_email", "INVALID_ARGUMENT")];
    refuses(&t, request, Code::InvalidArgument, "INVALID_ARGUMENT", &expected).await;
}

async fn without_a_mask_an_empty_list_of_roles_is_not_sent(t: Harness) {
    let member = full(&t).await;
    let after = updated(&t, Update { roles: vec![], ..update(&member) }).await;
    assert_eq!(after, member);
}

async fn an_unknown_name_is_refused(t: Harness) {
    let member = full(&t).await;
    let unknown = [
        "Name",
        "name ",
        "names",
        "member.name",
        "trusted_metadata.plan",
        "trustedMetadata",
        "status",
        "email_address_verified",
        // Fields of the request that say how to update, not what.
        "organization_id",
        "member_id",
        "update_mask",
        "etag",
        "allow_removing_last_admin",
        "preserve_existing_sessions",
        "unlink_email",
    ];
    for path in unknown {
        let request =
            Update { update_mask: mask(&["name", path]), name: Some("Eve".to_owned()), ..update(&member) };
        let expected = [("update_mask.paths[1]", "INVALID_ARGUMENT")];
        refuses(&t, request, Code::InvalidArgument, "INVALID_ARGUMENT", &expected).await;
    }
}
