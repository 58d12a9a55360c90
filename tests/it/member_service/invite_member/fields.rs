//! Each field, invalid by itself, and what is just acceptable.

use prost_types::Struct;
use serde_json::json;
use tonic::Code;

use super::{Request, invited};
use crate::harness::fixtures::with_key;
use crate::harness::json::object;
use crate::harness::members::invitation;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};
use crate::member_service::written::{events, written};

on_both_backends!(
    an_invalid_field_is_refused,
    every_violation_is_told_at_once,
    every_language_is_known,
    what_is_just_acceptable_is_accepted,
);

/// A change that makes a good request bad, the path of the field at fault, and the reason.
type Case = (fn(&mut Request), &'static str, &'static str);

const URL: &str = "invite_redirect_url";
const BAD_URL: &str = "INVALID_URL";
const LOCALE: &str = "locale";
const BAD_LOCALE: &str = "INVALID_LOCALE";
const TEMPLATE: &str = "invite_template_id";
const OTHER: &str = "INVALID_ARGUMENT";

const CASES: &[Case] = &[
    (|sent| sent.organization_id = String::new(), "organization_id", "INVALID_ORGANIZATION_ID"),
    (
        |sent| sent.organization_id = "organization-live-01890a5d-ac96-774b-bcce-b302099a8057".into(),
        "organization_id",
        "LIVE_ID_USED_IN_TEST_ENVIRONMENT",
    ),
    (|sent| sent.email_address = String::new(), "email_address", "INVALID_EMAIL"),
    (|sent| sent.email_address = "ada".into(), "email_address", "INVALID_EMAIL"),
    (|sent| sent.name = Some("x".repeat(257)), "name", OTHER),
    (|sent| sent.name = Some("A\u{202e}da".into()), "name", OTHER),
    (|sent| sent.trusted_metadata = Some(large()), "trusted_metadata", "METADATA_TOO_LARGE"),
    (|sent| sent.trusted_metadata = Some(many()), "trusted_metadata", "METADATA_TOO_MANY_KEYS"),
    (|sent| sent.trusted_metadata = Some(nul()), "trusted_metadata", "METADATA_INVALID_FORMAT"),
    (|sent| sent.untrusted_metadata = Some(large()), "untrusted_metadata", "METADATA_TOO_LARGE"),
    (|sent| sent.untrusted_metadata = Some(many()), "untrusted_metadata", "METADATA_TOO_MANY_KEYS"),
    (|sent| sent.untrusted_metadata = Some(nul()), "untrusted_metadata", "METADATA_INVALID_FORMAT"),
    (|sent| sent.roles = vec!["editor".into()], "roles[0]", "INVALID_RBAC_ROLE_ID"),
    (|sent| sent.roles = vec!["stytch_member".into()], "roles[0]", "CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID"),
    (|sent| sent.roles = vec!["stytch_admin".into(); 2], "roles[1]", "INVALID_RBAC_ROLE_ASSIGNMENT"),
    (|sent| sent.roles = vec!["stytch_admin".into(); 101], "roles", "TOO_MANY_ROLES"),
    (|sent| sent.invited_by_member_id = Some("a b".into()), "invited_by_member_id", "INVALID_MEMBER_ID"),
    (|sent| sent.invite_redirect_url = Some("join".into()), URL, BAD_URL),
    (|sent| sent.invite_redirect_url = Some("//acme.com/join".into()), URL, BAD_URL),
    (|sent| sent.invite_redirect_url = Some("javascript:alert(1)".into()), URL, BAD_URL),
    (|sent| sent.invite_redirect_url = Some("app://acme.com".into()), URL, BAD_URL),
    (|sent| sent.invite_redirect_url = Some("https://".into()), URL, BAD_URL),
    (|sent| sent.invite_redirect_url = Some("https://acme.com/\n".into()), URL, BAD_URL),
    (
        |sent| sent.invite_redirect_url = Some(format!("https://acme.com/{}", "x".repeat(2_032))),
        URL,
        "INVALID_URL",
    ),
    (|sent| sent.locale = Some(String::new()), LOCALE, BAD_LOCALE),
    (|sent| sent.locale = Some("EN".into()), LOCALE, BAD_LOCALE),
    (|sent| sent.locale = Some("de".into()), LOCALE, BAD_LOCALE),
    (|sent| sent.locale = Some("en ".into()), LOCALE, BAD_LOCALE),
    (|sent| sent.invite_template_id = Some(String::new()), TEMPLATE, OTHER),
    (|sent| sent.invite_template_id = Some("x".repeat(256)), TEMPLATE, OTHER),
    (|sent| sent.invite_template_id = Some("a\nb".into()), TEMPLATE, OTHER),
];

/// {"k":"..."} has eight bytes around the text.
fn large() -> Struct {
    object(json!({"k": "x".repeat(4_089)}))
}

fn many() -> Struct {
    let keys = (0..21).map(|number| (format!("key {number}"), json!(1))).collect();
    object(serde_json::Value::Object(keys))
}

fn nul() -> Struct {
    object(json!({"k": "\0"}))
}

async fn an_invalid_field_is_refused(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let before = written(&t).await;
    for (number, (change, path, reason)) in CASES.iter().enumerate() {
        let mut request = invitation(&id, "ada@acme.com");
        change(&mut request);
        let what = format!("case {number}: {request:?}");
        let answer = clients.invite_member(with_key(request, &format!("key-{number}"))).await;
        assert!(answer.is_err(), "{what}");
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [(*path, *reason)], "{what}");
        assert_eq!(refusal.metadata["http_status"], "400");
    }
    assert_eq!(written(&t).await, before);
}

async fn every_violation_is_told_at_once(t: Harness) {
    let request = Request {
        organization_id: String::new(),
        email_address: "ada".to_owned(),
        name: Some("\0".to_owned()),
        trusted_metadata: Some(nul()),
        untrusted_metadata: Some(nul()),
        roles: vec!["editor".to_owned()],
        invited_by_member_id: Some(String::new()),
        invite_redirect_url: Some("join".to_owned()),
        locale: Some("xx".to_owned()),
        invite_template_id: Some(String::new()),
    };
    let answer = t.clients().invite_member(request).await;
    let refusal = refused(answer, Code::InvalidArgument, "INVALID_ORGANIZATION_ID");
    let expected = [
        ("organization_id", "INVALID_ORGANIZATION_ID"),
        ("email_address", "INVALID_EMAIL"),
        ("name", OTHER),
        ("trusted_metadata", "METADATA_INVALID_FORMAT"),
        ("untrusted_metadata", "METADATA_INVALID_FORMAT"),
        ("roles[0]", "INVALID_RBAC_ROLE_ID"),
        ("invited_by_member_id", "INVALID_MEMBER_ID"),
        (URL, BAD_URL),
        (LOCALE, BAD_LOCALE),
        (TEMPLATE, OTHER),
    ];
    assert_eq!(refusal.violations(), expected);
}

async fn every_language_is_known(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let languages = [
        "en", "es", "pt-br", "fr", "it", "de-DE", "zh-Hans", "ca-ES", "ja", "ru", "nl", "pl", "tr", "fa",
        "vi", "cs",
    ];
    for locale in languages {
        let request = Request { locale: Some(locale.to_owned()), ..invitation(&id, "ada@acme.com") };
        invited(&t, request).await;
    }
    let told = events(&t, "member.invited").await;
    let told: Vec<_> = told.iter().map(|told| told.data["locale"].as_str().unwrap()).collect();
    assert_eq!(told, languages);
}

async fn what_is_just_acceptable_is_accepted(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let url = format!("http://acme.com/{}", "x".repeat(2_032));
    let template = "é".repeat(255);
    let request = Request {
        name: Some("é".repeat(256)),
        trusted_metadata: Some(object(json!({"k": "x".repeat(4_088)}))),
        invite_redirect_url: Some(url.clone()),
        invite_template_id: Some(template.clone()),
        ..invitation(&id, "ada@acme.com")
    };
    assert_eq!(invited(&t, request).await.name, "é".repeat(256));
    let told = events(&t, "member.invited").await;
    assert_eq!(told[0].data, json!({"invite_redirect_url": url, "invite_template_id": template}));
}
