//! Requests that break rules: each field, its reason, and that all are told at once.

use serde_json::json;
use tonic::Code;

use crate::harness::fixtures::{malformed_tokens, with_key};
use crate::harness::logins::exchange;
use crate::harness::refusal::refused;
use crate::harness::values::{number, object};
use crate::harness::{Harness, on_both_backends};

use super::written::written;
use super::{Request, entered};

on_both_backends!(
    every_field_has_its_rules,
    what_is_no_token_is_refused,
    every_violation_is_reported_at_once,
    what_is_at_the_limit_is_accepted,
);

/// A change that makes a request unacceptable, the field at fault, and the reason.
type Fault = (fn(&mut Request), &'static str, &'static str);

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn nested(levels: usize) -> prost_types::Struct {
    let mut value = json!("deep");
    for _ in 1..levels {
        value = json!({"a": value});
    }
    object(&json!({"a": value}))
}

fn claim(value: prost_types::Value) -> prost_types::Struct {
    prost_types::Struct { fields: [("a".to_owned(), value)].into() }
}

const FAULTS: &[Fault] = &[
    (|r| r.organization_id = String::new(), "organization_id", "INVALID_ORGANIZATION_ID"),
    (|r| r.organization_id = "a b".to_owned(), "organization_id", "INVALID_ORGANIZATION_ID"),
    (|r| r.organization_id = "/".to_owned(), "organization_id", "INVALID_ORGANIZATION_ID"),
    (|r| r.organization_id = "a".repeat(129), "organization_id", "INVALID_ORGANIZATION_ID"),
    (|r| r.organization_id = "acmé".to_owned(), "organization_id", "INVALID_ORGANIZATION_ID"),
    (
        |r| r.organization_id = format!("organization-live-{ID}"),
        "organization_id",
        "LIVE_ID_USED_IN_TEST_ENVIRONMENT",
    ),
    (
        |r| r.session_duration_minutes = Some(0),
        "session_duration_minutes",
        "INVALID_SESSION_DURATION_MINUTES",
    ),
    (
        |r| r.session_duration_minutes = Some(4),
        "session_duration_minutes",
        "INVALID_SESSION_DURATION_MINUTES",
    ),
    (
        |r| r.session_duration_minutes = Some(-5),
        "session_duration_minutes",
        "INVALID_SESSION_DURATION_MINUTES",
    ),
    (
        |r| r.session_duration_minutes = Some(527_041),
        "session_duration_minutes",
        "INVALID_SESSION_DURATION_MINUTES",
    ),
    (
        |r| r.session_duration_minutes = Some(i32::MIN),
        "session_duration_minutes",
        "INVALID_SESSION_DURATION_MINUTES",
    ),
    (
        |r| r.session_duration_minutes = Some(i32::MAX),
        "session_duration_minutes",
        "INVALID_SESSION_DURATION_MINUTES",
    ),
    (
        |r| r.session_custom_claims = Some(object(&json!({"https://stytch.com/a": 1}))),
        "session_custom_claims",
        "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS",
    ),
    (
        |r| r.session_custom_claims = Some(object(&json!({"a": "b".repeat(4096)}))),
        "session_custom_claims",
        "CUSTOM_CLAIMS_TOO_LARGE",
    ),
    (
        |r| r.session_custom_claims = Some(nested(31)),
        "session_custom_claims",
        "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON",
    ),
    (
        |r| r.session_custom_claims = Some(claim(number(f64::NAN))),
        "session_custom_claims",
        "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON",
    ),
    (
        |r| r.session_custom_claims = Some(claim(number(f64::NEG_INFINITY))),
        "session_custom_claims",
        "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON",
    ),
    (
        |r| r.session_custom_claims = Some(claim(prost_types::Value { kind: None })),
        "session_custom_claims",
        "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON",
    ),
    (|r| r.locale = Some(String::new()), "locale", "INVALID_LOCALE"),
    (|r| r.locale = Some("EN".to_owned()), "locale", "INVALID_LOCALE"),
    (|r| r.locale = Some("de".to_owned()), "locale", "INVALID_LOCALE"),
    (|r| r.telemetry_id = Some(String::new()), "telemetry_id", "INVALID_ARGUMENT"),
    (|r| r.telemetry_id = Some("a b".to_owned()), "telemetry_id", "INVALID_ARGUMENT"),
    (|r| r.telemetry_id = Some("ü".to_owned()), "telemetry_id", "INVALID_ARGUMENT"),
    (|r| r.telemetry_id = Some("\u{7f}".to_owned()), "telemetry_id", "INVALID_ARGUMENT"),
    (|r| r.telemetry_id = Some("a".repeat(256)), "telemetry_id", "INVALID_ARGUMENT"),
];

async fn every_field_has_its_rules(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session;
    let wrote = written(&t).await;
    for (change, field, reason) in FAULTS {
        let mut request = exchange(&token, &acme);
        change(&mut request);
        let answer = clients.exchange(with_key(request.clone(), "key")).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [(*field, *reason)], "{request:?}");
    }
    assert_eq!(written(&t).await, wrote);
    assert_eq!(clients.inspect(&token).await.unwrap().into_inner().intermediate_session, before);
    assert!(clients.exchange(with_key(exchange(&token, &acme), "key")).await.is_ok());
}

async fn what_is_no_token_is_refused(t: Harness) {
    let clients = t.clients();
    let login = clients.founded("ada@acme.com").await;
    let acme = login.organization.unwrap().organization_id;
    let token = clients.token("ada@acme.com").await;
    let texts = malformed_tokens(&token).into_iter().chain([login.session_token, login.session_jwt]);
    for text in texts {
        let reason = "INVALID_SESSION_TOKEN";
        let answer = clients.exchange(exchange(&text, &acme)).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("intermediate_session_token", reason)], "{text:?}");
        assert!(text.len() < 40 || !refusal.message.contains(&text), "{refusal:?}");
    }
    assert!(entered(&clients, &token, &acme).await.member_authenticated);
}

async fn every_violation_is_reported_at_once(t: Harness) {
    let clients = t.clients();
    let request = Request {
        intermediate_session_token: "token".to_owned(),
        organization_id: String::new(),
        session_duration_minutes: Some(1),
        session_custom_claims: Some(object(&json!({"https://stytch.com/a": 1}))),
        locale: Some("xx".to_owned()),
        telemetry_id: Some(" ".to_owned()),
    };
    let refusal = refused(clients.exchange(request).await, Code::InvalidArgument, "INVALID_SESSION_TOKEN");
    let expected = [
        ("intermediate_session_token", "INVALID_SESSION_TOKEN"),
        ("organization_id", "INVALID_ORGANIZATION_ID"),
        ("session_duration_minutes", "INVALID_SESSION_DURATION_MINUTES"),
        ("session_custom_claims", "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS"),
        ("locale", "INVALID_LOCALE"),
        ("telemetry_id", "INVALID_ARGUMENT"),
    ];
    assert_eq!(refusal.violations(), expected);
}

async fn what_is_at_the_limit_is_accepted(t: Harness) {
    type Change = fn(&mut Request);
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    let accepted: [Change; 5] = [
        |r| r.session_custom_claims = Some(object(&json!({"a": "b".repeat(4096 - 8)}))),
        |r| r.session_custom_claims = Some(nested(30)),
        |r| r.session_custom_claims = Some(object(&json!({}))),
        |r| r.telemetry_id = Some("~".repeat(255)),
        |r| r.telemetry_id = Some("!".to_owned()),
    ];
    for (index, change) in accepted.into_iter().enumerate() {
        let token = clients.token("ada@acme.com").await;
        let mut request = exchange(&token, &acme);
        change(&mut request);
        assert!(clients.exchange(request).await.unwrap().into_inner().member_authenticated, "{index}");
    }
    let locales = [
        "en", "es", "pt-br", "fr", "it", "de-DE", "zh-Hans", "ca-ES", "ja", "ru", "nl", "pl", "tr", "fa",
        "vi", "cs",
    ];
    for locale in locales {
        let token = clients.token("ada@acme.com").await;
        let request = Request { locale: Some(locale.to_owned()), ..exchange(&token, &acme) };
        assert!(clients.exchange(request).await.is_ok(), "{locale}");
    }
}
