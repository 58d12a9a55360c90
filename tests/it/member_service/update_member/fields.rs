//! Each field, invalid by itself, and what becomes of metadata.

use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};
use serde_json::{Value, json};
use tonic::Code;
use vestibule::pb;

use super::{ID, Update, acme, refuses, texts, update, updated};
use crate::harness::json::{field, kind, object};
use crate::harness::members::{mask, member_update};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_invalid_name_of_the_member_is_refused,
    each_invalid_field_is_refused,
    every_violation_is_told_in_the_order_of_the_fields,
    metadata_is_merged_at_the_top_level,
    metadata_is_judged_after_it_was_merged,
);

async fn an_invalid_name_of_the_member_is_refused(t: Harness) {
    let (organization, member) = acme(&t).await;
    let cases = [
        ("", "INVALID_MEMBER_ID"),
        ("a b", "INVALID_MEMBER_ID"),
        ("ada@acme.com", "INVALID_MEMBER_ID"),
        ("a\0b", "INVALID_MEMBER_ID"),
        (&"a".repeat(129), "INVALID_MEMBER_ID"),
        (&member.member_id.to_uppercase(), "INVALID_MEMBER_ID"),
        (&format!("member-live-{ID}"), "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ];
    for (member_id, reason) in cases {
        let request =
            Update { name: Some("Eve".into()), ..member_update(&organization.organization_id, member_id) };
        refuses(&t, request, Code::InvalidArgument, reason, &[("member_id", reason)]).await;
    }
    let cases = [
        ("", "INVALID_ORGANIZATION_ID"),
        ("a b", "INVALID_ORGANIZATION_ID"),
        (&format!("organization-live-{ID}"), "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ];
    for (organization_id, reason) in cases {
        let answer = t.clients().update_member(member_update(organization_id, &member.member_id)).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("organization_id", reason)]);
    }
}

async fn each_invalid_field_is_refused(t: Harness) {
    const FORMAT: &str = "METADATA_INVALID_FORMAT";
    const OTHER: &str = "INVALID_ARGUMENT";
    const PHONE: &str = "INVALID_PHONE_NUMBER";
    const OWN_ID: &str = "INVALID_MEMBER_EXTERNAL_ID";
    const METHOD: &str = "INVALID_MFA_DEFAULT_METHOD";
    const ADDRESS: &str = "INVALID_EMAIL";
    const ROLE: &str = "INVALID_RBAC_ROLE_ID";
    fn number(number: f64) -> Struct {
        field("key", kind(Kind::NumberValue(number)))
    }
    type Case = (fn(&mut Update), &'static str, &'static str);
    let cases: [Case; 40] = [
        (|sent| sent.name = Some("é".repeat(257)), "name", OTHER),
        (|sent| sent.name = Some("A\0da".into()), "name", OTHER),
        (|sent| sent.name = Some("A\nda".into()), "name", OTHER),
        (|sent| sent.name = Some("Ada\u{202e}evil".into()), "name", OTHER),
        (|sent| sent.name = Some("Ada\u{2066}evil".into()), "name", OTHER),
        (|sent| sent.trusted_metadata = Some(number(f64::NAN)), "trusted_metadata", FORMAT),
        (|sent| sent.untrusted_metadata = Some(number(f64::INFINITY)), "untrusted_metadata", FORMAT),
        (|sent| sent.trusted_metadata = Some(object(json!({"k": "a\0b"}))), "trusted_metadata", FORMAT),
        (
            |sent| sent.untrusted_metadata = Some(field("k", ProtoValue { kind: None })),
            "untrusted_metadata",
            FORMAT,
        ),
        (|sent| sent.mfa_phone_number = Some(String::new()), "mfa_phone_number", PHONE),
        (|sent| sent.mfa_phone_number = Some("15005550006".into()), "mfa_phone_number", PHONE),
        (|sent| sent.mfa_phone_number = Some("+1 500 555 0006".into()), "mfa_phone_number", PHONE),
        (|sent| sent.mfa_phone_number = Some("+123456".into()), "mfa_phone_number", PHONE),
        (|sent| sent.mfa_phone_number = Some("+1234567890123456".into()), "mfa_phone_number", PHONE),
        (|sent| sent.mfa_phone_number = Some("+05005550006".into()), "mfa_phone_number", PHONE),
        (|sent| sent.roles = vec!["stytch_admin".into(); 101], "roles", "TOO_MANY_ROLES"),
        (|sent| sent.roles = texts(&["editor"]), "roles[0]", ROLE),
        (|sent| sent.roles = texts(&["stytch_admin", ""]), "roles[1]", ROLE),
        (|sent| sent.roles = texts(&["stytch_member"]), "roles[0]", "CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID"),
        (
            |sent| sent.roles = texts(&["stytch_admin", "stytch_admin"]),
            "roles[1]",
            "INVALID_RBAC_ROLE_ASSIGNMENT",
        ),
        (|sent| sent.default_mfa_method = Some("SMS_OTP".into()), "default_mfa_method", METHOD),
        (|sent| sent.default_mfa_method = Some("webauthn".into()), "default_mfa_method", METHOD),
        (|sent| sent.default_mfa_method = Some(" ".into()), "default_mfa_method", METHOD),
        (|sent| sent.email_address = Some(String::new()), "email_address", ADDRESS),
        (|sent| sent.email_address = Some("ada".into()), "email_address", ADDRESS),
        (|sent| sent.email_address = Some("ada@acme@com".into()), "email_address", ADDRESS),
        (|sent| sent.email_address = Some(" ada@acme.com".into()), "email_address", ADDRESS),
        (|sent| sent.email_address = Some(format!("{}@acme.com", "a".repeat(65))), "email_address", ADDRESS),
        (|sent| sent.email_address = Some("\"ada\"@acme.com".into()), "email_address", ADDRESS),
        (|sent| sent.unlink_email = true, "unlink_email", OTHER),
        (|sent| sent.external_id = Some(String::new()), "external_id", OWN_ID),
        (|sent| sent.external_id = Some("a".repeat(129)), "external_id", OWN_ID),
        (|sent| sent.external_id = Some("a b".into()), "external_id", OWN_ID),
        (|sent| sent.external_id = Some("a~b".into()), "external_id", OWN_ID),
        (|sent| sent.external_id = Some("é".into()), "external_id", OWN_ID),
        (|sent| sent.external_id = Some(format!("member-test-{ID}")), "external_id", OWN_ID),
        (|sent| sent.external_id = Some(format!("member-live-{ID}")), "external_id", OWN_ID),
        (|sent| sent.update_mask = mask(&["nobody"]), "update_mask.paths[0]", OTHER),
        (|sent| sent.update_mask = mask(&["name", ""]), "update_mask.paths[1]", OTHER),
        (|sent| sent.update_mask = mask(&["*"]), "update_mask.paths[0]", OTHER),
    ];
    let (_, member) = acme(&t).await;
    for (change, path, reason) in cases {
        // Beside something that would change the member.
        let mut request = Update { is_breakglass: Some(true), ..update(&member) };
        change(&mut request);
        refuses(&t, request, Code::InvalidArgument, reason, &[(path, reason)]).await;
    }
}

async fn every_violation_is_told_in_the_order_of_the_fields(t: Harness) {
    let (organization, _) = acme(&t).await;
    let request = Update {
        update_mask: None,
        name: Some("\n".into()),
        trusted_metadata: Some(object(json!({"k": "\0"}))),
        mfa_phone_number: Some("1".into()),
        roles: texts(&["nothing", "stytch_member"]),
        default_mfa_method: Some("pigeon".into()),
        email_address: Some("ada".into()),
        external_id: Some(" ".into()),
        ..member_update(&organization.organization_id, "a b")
    };
    let expected = [
        ("member_id", "INVALID_MEMBER_ID"),
        ("name", "INVALID_ARGUMENT"),
        ("trusted_metadata", "METADATA_INVALID_FORMAT"),
        ("mfa_phone_number", "INVALID_PHONE_NUMBER"),
        ("roles[0]", "INVALID_RBAC_ROLE_ID"),
        ("roles[1]", "CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID"),
        ("default_mfa_method", "INVALID_MFA_DEFAULT_METHOD"),
        ("email_address", "INVALID_EMAIL"),
        ("external_id", "INVALID_MEMBER_EXTERNAL_ID"),
    ];
    refuses(&t, request, Code::InvalidArgument, "INVALID_MEMBER_ID", &expected).await;
}

/// Keys `from..to`, each with its number.
fn keys(from: usize, to: usize, value: impl Fn(usize) -> Value) -> Value {
    Value::Object((from..to).map(|number| (format!("key {number}"), value(number))).collect())
}

async fn metadata_is_merged_at_the_top_level(t: Harness) {
    type Field = (fn(&mut Update, Struct), fn(pb::Member) -> Struct);
    let fields: [Field; 2] = [
        (|sent, object| sent.trusted_metadata = Some(object), |member| member.trusted_metadata.unwrap()),
        (|sent, object| sent.untrusted_metadata = Some(object), |member| member.untrusted_metadata.unwrap()),
    ];
    let steps = [
        (json!({"a": 1, "b": {"x": 1, "y": 2}}), json!({"a": 1, "b": {"x": 1, "y": 2}})),
        (json!({}), json!({"a": 1, "b": {"x": 1, "y": 2}})),
        // Set whole, and a null deeper down is a value.
        (json!({"b": {"z": null}, "c": [null]}), json!({"a": 1, "b": {"z": null}, "c": [null]})),
        (json!({"a": null, "never": null}), json!({"b": {"z": null}, "c": [null]})),
        (json!({"A": "ä", "b": null, "c": null}), json!({"A": "ä"})),
        (json!({"A": null}), json!({})),
    ];
    let (_, member) = acme(&t).await;
    for (send, read) in fields {
        for (sent, expected) in &steps {
            let mut request = update(&member);
            send(&mut request, object(sent.clone()));
            assert_eq!(read(updated(&t, request).await), object(expected.clone()), "{sent}");
        }
    }
    // The two don't touch each other.
    let one = Update { trusted_metadata: Some(object(json!({"k": 1}))), ..update(&member) };
    updated(&t, one).await;
    let other = Update { untrusted_metadata: Some(object(json!({"k": null, "l": 2}))), ..update(&member) };
    let member = updated(&t, other).await;
    assert_eq!(member.trusted_metadata, Some(object(json!({"k": 1}))));
    assert_eq!(member.untrusted_metadata, Some(object(json!({"l": 2}))));
}

async fn metadata_is_judged_after_it_was_merged(t: Harness) {
    const KEYS: &str = "METADATA_TOO_MANY_KEYS";
    const LARGE: &str = "METADATA_TOO_LARGE";
    let (_, member) = acme(&t).await;
    let sending = |trusted: Value| Update { trusted_metadata: Some(object(trusted)), ..update(&member) };
    updated(&t, sending(keys(0, 20, |number| json!(number)))).await;
    let too_many: [Value; 2] = [json!({"one": "more"}), json!({"one": "more", "never": null})];
    for sent in too_many {
        let fields = [("trusted_metadata", KEYS)];
        refuses(&t, sending(sent), Code::InvalidArgument, KEYS, &fields).await;
    }
    // More than 20 keys are sent, and 20 remain.
    let mut sent = keys(0, 20, |_| Value::Null);
    sent.as_object_mut().unwrap().extend(keys(20, 40, |_| json!(1)).as_object().unwrap().clone());
    let after = updated(&t, sending(sent)).await;
    assert_eq!(after.trusted_metadata, Some(object(keys(20, 40, |_| json!(1)))));
    updated(&t, sending(keys(20, 40, |_| Value::Null))).await;
    // {"k":"..."} has eight bytes around the text, and ,"l":1 takes six more.
    updated(&t, sending(json!({"k": "x".repeat(4082)}))).await;
    updated(&t, sending(json!({"l": 1}))).await;
    let fields = [("trusted_metadata", LARGE)];
    refuses(&t, sending(json!({"l": 11})), Code::InvalidArgument, LARGE, &fields).await;
    refuses(&t, sending(json!({"k": "x".repeat(4083)})), Code::InvalidArgument, LARGE, &fields).await;
    let both =
        Update { untrusted_metadata: Some(object(keys(0, 21, |_| json!(1)))), ..sending(json!({"m": 1})) };
    let fields = [("trusted_metadata", LARGE), ("untrusted_metadata", KEYS)];
    refuses(&t, both, Code::InvalidArgument, LARGE, &fields).await;
    updated(&t, sending(json!({"k": null, "l": "x".repeat(4088)}))).await;
}
