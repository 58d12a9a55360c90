//! Each field, invalid by itself, and all of them at once.

use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};
use serde_json::json;
use tonic::Code;

use super::{Request, created};
use crate::harness::fixtures::with_key;
use crate::harness::json::{field, kind, object};
use crate::harness::members::new_member;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};
use crate::member_service::written::written;

on_both_backends!(
    an_invalid_organization_address_or_name_is_refused,
    an_invalid_phone_number_or_external_id_is_refused,
    invalid_metadata_is_refused,
    what_is_just_acceptable_is_accepted,
    every_violation_is_told_at_once,
);

/// A change that makes a good request bad, the path of the field at fault, and the reason.
type Case = (fn(&mut Request), &'static str, &'static str);

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Asserts that each change has its one violation, and that nothing was written.
async fn check(t: &Harness, cases: &[Case]) {
    let organization = t.clients().organization("Acme").await;
    let before = written(t).await;
    for (number, (change, path, reason)) in cases.iter().enumerate() {
        let mut request = new_member(&organization.organization_id, "ada@acme.com");
        change(&mut request);
        let what = format!("case {number}: {request:?}");
        let answer = t.clients().create_member(with_key(request, &format!("key-{number}"))).await;
        assert!(answer.is_err(), "{what}");
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [(*path, *reason)], "{what}");
        assert_eq!(refusal.metadata["http_status"], "400");
    }
    assert_eq!(written(t).await, before);
}

async fn an_invalid_organization_address_or_name_is_refused(t: Harness) {
    const ORGANIZATION: &str = "organization_id";
    const BAD_ORGANIZATION: &str = "INVALID_ORGANIZATION_ID";
    const ADDRESS: &str = "email_address";
    const BAD_ADDRESS: &str = "INVALID_EMAIL";
    const NAME: &str = "name";
    const BAD_NAME: &str = "INVALID_ARGUMENT";
    check(
        &t,
        &[
            (|sent| sent.organization_id = String::new(), ORGANIZATION, BAD_ORGANIZATION),
            (|sent| sent.organization_id = "a b".into(), ORGANIZATION, BAD_ORGANIZATION),
            (|sent| sent.organization_id = "x".repeat(129), ORGANIZATION, BAD_ORGANIZATION),
            (
                |sent| sent.organization_id = format!("organization-live-{ID}"),
                ORGANIZATION,
                "LIVE_ID_USED_IN_TEST_ENVIRONMENT",
            ),
            (|sent| sent.email_address = String::new(), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = "ada".into(), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = "ada@".into(), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = "@acme.com".into(), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = "ada@bob@acme.com".into(), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = " ada@acme.com".into(), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = "ada@acme.com\n".into(), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = "ada\0@acme.com".into(), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = "\"ada\"@acme.com".into(), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = format!("{}@acme.com", "a".repeat(65)), ADDRESS, BAD_ADDRESS),
            (|sent| sent.email_address = format!("a@{}acme.com", "abc.".repeat(62)), ADDRESS, BAD_ADDRESS),
            (|sent| sent.name = Some("x".repeat(257)), NAME, BAD_NAME),
            (|sent| sent.name = Some("é".repeat(257)), NAME, BAD_NAME),
            (|sent| sent.name = Some("A\0da".into()), NAME, BAD_NAME),
            (|sent| sent.name = Some("A\nda".into()), NAME, BAD_NAME),
            (|sent| sent.name = Some("A\u{85}da".into()), NAME, BAD_NAME),
            (|sent| sent.name = Some("Ada\u{202e}evil".into()), NAME, BAD_NAME),
            (|sent| sent.name = Some("Ada\u{2066}evil".into()), NAME, BAD_NAME),
            (|sent| sent.name = Some("Ada\u{200f}".into()), NAME, BAD_NAME),
        ],
    )
    .await;
}

async fn an_invalid_phone_number_or_external_id_is_refused(t: Harness) {
    const NUMBER: &str = "mfa_phone_number";
    const BAD_NUMBER: &str = "INVALID_PHONE_NUMBER";
    const EXTERNAL_ID: &str = "external_id";
    const BAD_EXTERNAL_ID: &str = "INVALID_MEMBER_EXTERNAL_ID";
    check(
        &t,
        &[
            (|sent| sent.mfa_phone_number = Some(String::new()), NUMBER, BAD_NUMBER),
            (|sent| sent.mfa_phone_number = Some("+".into()), NUMBER, BAD_NUMBER),
            (|sent| sent.mfa_phone_number = Some("15005550006".into()), NUMBER, BAD_NUMBER),
            (|sent| sent.mfa_phone_number = Some("+1 500 555 0006".into()), NUMBER, BAD_NUMBER),
            (|sent| sent.mfa_phone_number = Some("+123456".into()), NUMBER, BAD_NUMBER),
            (|sent| sent.mfa_phone_number = Some("+1234567890123456".into()), NUMBER, BAD_NUMBER),
            (|sent| sent.mfa_phone_number = Some("+05005550006".into()), NUMBER, BAD_NUMBER),
            (|sent| sent.mfa_phone_number = Some("+١٢٣٤٥٦٧".into()), NUMBER, BAD_NUMBER),
            (|sent| sent.external_id = Some(String::new()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.external_id = Some("a".repeat(129)), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.external_id = Some("a~b".into()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.external_id = Some("a b".into()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.external_id = Some("ä".into()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.external_id = Some("a\n".into()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.external_id = Some(format!("member-test-{ID}")), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (
                |sent| sent.external_id = Some(format!("Member-LIVE-{}", ID.to_uppercase())),
                EXTERNAL_ID,
                BAD_EXTERNAL_ID,
            ),
        ],
    )
    .await;
}

/// So many objects inside each other.
fn nested(objects: usize) -> Struct {
    object((0..objects).fold(json!(1), |inner, _| json!({"k": inner})))
}

/// An object of so many keys.
fn keys(count: usize) -> Struct {
    let keys = (0..count).map(|number| (format!("key {number}"), json!(1))).collect();
    object(serde_json::Value::Object(keys))
}

async fn invalid_metadata_is_refused(t: Harness) {
    const TRUSTED: &str = "trusted_metadata";
    const UNTRUSTED: &str = "untrusted_metadata";
    const MANY: &str = "METADATA_TOO_MANY_KEYS";
    const LARGE: &str = "METADATA_TOO_LARGE";
    const FORMAT: &str = "METADATA_INVALID_FORMAT";
    // {"k":"..."} has eight bytes around the text.
    fn large() -> Struct {
        object(json!({"k": "x".repeat(4089)}))
    }
    fn not_a_number() -> Struct {
        field("key", kind(Kind::NumberValue(f64::NAN)))
    }
    fn no_kind() -> Struct {
        field("key", ProtoValue { kind: None })
    }
    check(
        &t,
        &[
            (|sent| sent.trusted_metadata = Some(keys(21)), TRUSTED, MANY),
            (|sent| sent.trusted_metadata = Some(large()), TRUSTED, LARGE),
            (|sent| sent.trusted_metadata = Some(nested(31)), TRUSTED, FORMAT),
            (|sent| sent.trusted_metadata = Some(not_a_number()), TRUSTED, FORMAT),
            (|sent| sent.trusted_metadata = Some(no_kind()), TRUSTED, FORMAT),
            (|sent| sent.trusted_metadata = Some(object(json!({"k": "\0"}))), TRUSTED, FORMAT),
            (|sent| sent.untrusted_metadata = Some(keys(21)), UNTRUSTED, MANY),
            (|sent| sent.untrusted_metadata = Some(large()), UNTRUSTED, LARGE),
            (|sent| sent.untrusted_metadata = Some(nested(31)), UNTRUSTED, FORMAT),
            (|sent| sent.untrusted_metadata = Some(not_a_number()), UNTRUSTED, FORMAT),
            (|sent| sent.untrusted_metadata = Some(no_kind()), UNTRUSTED, FORMAT),
            (|sent| sent.untrusted_metadata = Some(object(json!({"\0": 1}))), UNTRUSTED, FORMAT),
        ],
    )
    .await;
}

async fn what_is_just_acceptable_is_accepted(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let local = "a".repeat(64);
    // 64 octets and the at sign, 46 labels of three letters with their dots, and "a.com": 254.
    let address = format!("{local}@{}a.com", "abc.".repeat(46));
    assert_eq!(address.len(), 254);
    let large = object(json!({"k": "x".repeat(4088)}));
    let request = Request {
        email_address: address.clone(),
        name: Some("é".repeat(256)),
        trusted_metadata: Some(large.clone()),
        untrusted_metadata: Some(nested(30)),
        mfa_phone_number: Some("+1234567".to_owned()),
        external_id: Some("a".repeat(128)),
        ..new_member(&id, "")
    };
    let member = created(&t, request.clone()).await;
    assert_eq!(member.email_address, address);
    assert_eq!(member.name, request.name.unwrap());
    assert_eq!(member.trusted_metadata, Some(large));
    assert_eq!(member.untrusted_metadata, Some(nested(30)));
    let request = Request {
        name: Some(String::new()),
        untrusted_metadata: Some(keys(20)),
        mfa_phone_number: Some("+123456789012345".to_owned()),
        external_id: Some(format!("organization-test-{ID}")),
        ..new_member(&id, "a@b.co")
    };
    let member = created(&t, request.clone()).await;
    assert_eq!((member.name, member.external_id), (String::new(), request.external_id));
    assert_eq!(member.mfa_phone_number, "+123456789012345");
}

async fn every_violation_is_told_at_once(t: Harness) {
    let before = written(&t).await;
    let request = Request {
        organization_id: String::new(),
        email_address: "ada".to_owned(),
        name: Some("\0".to_owned()),
        trusted_metadata: Some(keys(21)),
        untrusted_metadata: Some(nested(31)),
        mfa_phone_number: Some("1".to_owned()),
        roles: vec!["stytch_member".to_owned(), "editor".to_owned()],
        external_id: Some(" ".to_owned()),
        ..Request::default()
    };
    let answer = t.clients().create_member(with_key(request, "key")).await;
    let refusal = refused(answer, Code::InvalidArgument, "INVALID_ORGANIZATION_ID");
    let expected = [
        ("organization_id", "INVALID_ORGANIZATION_ID"),
        ("email_address", "INVALID_EMAIL"),
        ("name", "INVALID_ARGUMENT"),
        ("trusted_metadata", "METADATA_TOO_MANY_KEYS"),
        ("untrusted_metadata", "METADATA_INVALID_FORMAT"),
        ("mfa_phone_number", "INVALID_PHONE_NUMBER"),
        ("roles[0]", "CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID"),
        ("roles[1]", "INVALID_RBAC_ROLE_ID"),
        ("external_id", "INVALID_MEMBER_EXTERNAL_ID"),
    ];
    assert_eq!(refusal.violations(), expected);
    assert_eq!(written(&t).await, before);
}
