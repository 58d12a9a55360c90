//! Each field, invalid by itself; lists are in `lists`.

use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};
use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::rows_written;
use crate::harness::fixtures::{organization, with_key};
use crate::harness::json::{field, kind, object};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_invalid_name_slug_or_external_id_is_refused,
    an_invalid_logo_or_metadata_is_refused,
    an_unknown_number_or_word_is_refused,
);

pub(super) type Request = pb::CreateOrganizationRequest;

/// A change that makes a good request bad, the path of the field at fault, and the reason.
pub(super) type Case = (fn(&mut Request), &'static str, &'static str);

pub(super) const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Asserts that each change has its one violation, and that nothing was written.
pub(super) async fn check(t: &Harness, cases: &[Case]) {
    for (number, (change, path, reason)) in cases.iter().enumerate() {
        let mut request = organization("Acme");
        change(&mut request);
        let what = format!("case {number}: {request:?}");
        let answer = t.clients().create(with_key(request, &format!("key-{number}"))).await;
        assert!(answer.is_err(), "{what}");
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [(*path, *reason)], "{what}");
        assert_eq!(refusal.metadata["http_status"], "400");
    }
    assert_eq!(rows_written(t).await, [0; 6]);
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn an_invalid_name_slug_or_external_id_is_refused(t: Harness) {
    const NAME: &str = "organization_name";
    const SLUG: &str = "organization_slug";
    const EXTERNAL_ID: &str = "organization_external_id";
    const BAD_NAME: &str = "INVALID_ORGANIZATION_NAME";
    const BAD_SLUG: &str = "INVALID_ORGANIZATION_SLUG";
    const BAD_EXTERNAL_ID: &str = "INVALID_ORGANIZATION_EXTERNAL_ID";
    check(
        &t,
        &[
            (|sent| sent.organization_name = None, NAME, "ORGANIZATION_NAME_MISSING"),
            (|sent| sent.organization_name = Some(String::new()), NAME, "ORGANIZATION_NAME_MISSING"),
            (|sent| sent.organization_name = Some("   ".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("\u{2003}\u{3000}".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("x".repeat(129)), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("é".repeat(129)), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Ac\0me".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Ac\nme".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Ac\u{7f}me".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Ac\u{85}me".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Acme\u{202e}evil".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("\u{200b}\u{3164} \u{feff}".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Acme\u{2066}evil".into()), NAME, BAD_NAME),
            (|sent| sent.organization_slug = Some(String::new()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a".repeat(129)), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a b".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a/b".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a|b".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("ab\n".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("äcme".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("-._~".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some(format!("organization-test-{ID}")), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some(format!("organization-live-{ID}")), SLUG, BAD_SLUG),
            (
                |sent| sent.organization_slug = Some(format!("Organization-TEST-{}", ID.to_uppercase())),
                SLUG,
                BAD_SLUG,
            ),
            (
                |sent| {
                    sent.organization_slug = Some(format!("organization-test-{}", ID.replace('-', "")));
                },
                SLUG,
                BAD_SLUG,
            ),
            (|sent| sent.organization_external_id = Some(String::new()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.organization_external_id = Some("a".repeat(129)), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.organization_external_id = Some("a~b".into()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.organization_external_id = Some("a b".into()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (
                |sent| sent.organization_external_id = Some(format!("organization-live-{ID}")),
                EXTERNAL_ID,
                BAD_EXTERNAL_ID,
            ),
        ],
    )
    .await;
}

/// So many objects inside each other, and in the innermost so many lists.
pub(super) fn nested(objects: usize, lists: usize) -> Struct {
    let lists = (0..lists).fold(json!(1), |inner, _| json!([inner]));
    object((0..objects).fold(lists, |inner, _| json!({"k": inner})))
}

async fn an_invalid_logo_or_metadata_is_refused(t: Harness) {
    const LOGO: &str = "organization_logo_url";
    const METADATA: &str = "trusted_metadata";
    const FORMAT: &str = "METADATA_INVALID_FORMAT";
    fn number(number: f64) -> Struct {
        field("key", kind(Kind::NumberValue(number)))
    }
    check(
        &t,
        &[
            (
                |sent| sent.organization_logo_url = Some(format!("https://acme.com/{}", "x".repeat(2032))),
                LOGO,
                "ORGANIZATION_LOGO_URL_TOO_LONG",
            ),
            (|sent| sent.organization_logo_url = Some("logo.png".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("//acme.com/logo".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("ftp://acme.com/logo".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("javascript:alert(1)".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("data:image/png;base64,".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("https://".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some(" https://acme.com".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("https://acme.com/\n".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("https://acme.com/a b".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("java\tscript:x".into()), LOGO, "INVALID_URL"),
            (
                |sent| {
                    let keys = (0..21).map(|number| (format!("key {number}"), json!(1))).collect();
                    sent.trusted_metadata = Some(object(serde_json::Value::Object(keys)));
                },
                METADATA,
                "METADATA_TOO_MANY_KEYS",
            ),
            // {"k":"..."} has eight bytes around the text.
            (
                |sent| sent.trusted_metadata = Some(object(json!({"k": "x".repeat(4089)}))),
                METADATA,
                "METADATA_TOO_LARGE",
            ),
            (
                |sent| sent.trusted_metadata = Some(object(json!({"k": "é".repeat(2045)}))),
                METADATA,
                "METADATA_TOO_LARGE",
            ),
            (|sent| sent.trusted_metadata = Some(nested(31, 0)), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(nested(1, 30)), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(number(f64::NAN)), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(number(f64::INFINITY)), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(number(f64::NEG_INFINITY)), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(object(json!({"key": "a\0b"}))), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(object(json!({"a\0b": 1}))), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(object(json!({"k": [{"a": ["\0"]}]}))), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(field("key", ProtoValue { kind: None })), METADATA, FORMAT),
        ],
    )
    .await;
}

async fn an_unknown_number_or_word_is_refused(t: Harness) {
    const ENTRY: &str = "INVALID_ORGANIZATION_AUTH_FACTOR_SETTING";
    const AUTH: &str = "INVALID_ORGANIZATION_ALLOWED_AUTH_METHODS";
    const MFA: &str = "INVALID_ORGANIZATION_ALLOWED_MFA_METHODS";
    const OTHER: &str = "INVALID_ARGUMENT";
    check(
        &t,
        &[
            (|sent| sent.sso_jit_provisioning = Some(4), "sso_jit_provisioning", ENTRY),
            (|sent| sent.email_jit_provisioning = Some(3), "email_jit_provisioning", ENTRY),
            (|sent| sent.email_invites = Some(-1), "email_invites", ENTRY),
            (|sent| sent.auth_methods = Some(3), "auth_methods", "INVALID_ORGANIZATION_AUTH_METHOD_SETTINGS"),
            (|sent| sent.mfa_policy = Some(3), "mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY"),
            (
                |sent| sent.mfa_methods = Some(i32::MAX),
                "mfa_methods",
                "INVALID_ORGANIZATION_MFA_FACTOR_SETTING",
            ),
            (|sent| sent.oauth_tenant_jit_provisioning = Some(3), "oauth_tenant_jit_provisioning", ENTRY),
            (
                |sent| sent.first_party_connected_apps_allowed_type = Some(4),
                "first_party_connected_apps_allowed_type",
                OTHER,
            ),
            (
                |sent| sent.third_party_connected_apps_allowed_type = Some(i32::MIN),
                "third_party_connected_apps_allowed_type",
                OTHER,
            ),
            (|sent| sent.allowed_auth_methods = texts(&["sso", "sms"]), "allowed_auth_methods[1]", AUTH),
            (|sent| sent.allowed_auth_methods = texts(&["SSO"]), "allowed_auth_methods[0]", AUTH),
            (|sent| sent.allowed_auth_methods = texts(&["sso", "sso"]), "allowed_auth_methods[1]", AUTH),
            (|sent| sent.allowed_mfa_methods = texts(&["webauthn"]), "allowed_mfa_methods[0]", MFA),
            (|sent| sent.allowed_mfa_methods = texts(&["totp", "totp"]), "allowed_mfa_methods[1]", MFA),
        ],
    )
    .await;
    for field in ["email_jit_provisioning", "oauth_tenant_jit_provisioning"] {
        let mut request = organization("Acme");
        match field {
            "email_jit_provisioning" => request.email_jit_provisioning = Some(9),
            _ => request.oauth_tenant_jit_provisioning = Some(9),
        }
        let refusal = refused(t.clients().create(request).await, Code::InvalidArgument, ENTRY);
        let published = format!("invalid_organization_auth_factor_setting_for_{field}");
        assert_eq!(refusal.metadata["error_type"], published);
    }
}
