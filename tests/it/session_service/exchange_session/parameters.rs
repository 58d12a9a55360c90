//! What the caller asks of the new session.

use serde_json::{Value as Json, json};
use tonic::Code;
use vestibule::pb;

use super::super::common::{checked, founder, minutes, part, written};
use super::{Request, switch, switched};
use crate::harness::logins::by_token;
use crate::harness::refusal::refused;
use crate::harness::values::{number, object};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    the_new_session_lasts_as_long_as_asked,
    the_new_session_has_the_claims_of_the_call_alone,
    claims_have_limits,
    a_language_is_one_of_the_known_ones,
    everything_that_is_wrong_is_told_in_order,
);

const DURATION: (&str, &str) = ("session_duration_minutes", "INVALID_SESSION_DURATION_MINUTES");

async fn refuses(t: &Harness, request: Request, expected: &[(&str, &str)]) {
    let before = written(t).await;
    let refusal = refused(t.clients().switch(request).await, Code::InvalidArgument, expected[0].1);
    assert_eq!(refusal.violations(), expected);
    assert_eq!(written(t).await, before);
}

async fn the_new_session_lasts_as_long_as_asked(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let lasting = |minutes: Option<i32>| Request {
        session_duration_minutes: minutes,
        ..switch(&ada.token, there.organization_id())
    };
    for (asked, expected) in [(None, 60), (Some(5), 5), (Some(90), 90), (Some(527_040), 527_040)] {
        let answer = switched(&t, lasting(asked)).await;
        assert_eq!(answer.member_session.unwrap().expires_at, Some(minutes(&t, expected)), "{asked:?}");
        let session = checked(&t, &answer.session_token).await;
        assert_eq!(session.expires_at, Some(minutes(&t, expected)), "{asked:?}");
    }
    for asked in [4, 0, -1, 527_041, i32::MIN, i32::MAX] {
        refuses(&t, lasting(Some(asked)), &[DURATION]).await;
    }
    assert_eq!(
        checked(&t, &ada.token).await.expires_at,
        ada.session.expires_at,
        "the old one is not extended"
    );
}

async fn the_new_session_has_the_claims_of_the_call_alone(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let old = object(&json!({"old": {"a": 1}, "plan": 1}));
    let claims =
        pb::AuthenticateSessionRequest { session_custom_claims: Some(old.clone()), ..by_token(&ada.token) };
    t.clients().authenticate(claims).await.unwrap();
    let cases: [(Option<Json>, Json); 4] = [
        (None, json!({})),
        (Some(json!({})), json!({})),
        (Some(json!({"plan": {"seats": 3, "none": null}, "gone": null})), json!({"plan": {"seats": 3}})),
        (Some(json!({"sub": "evil", "exp": 1, "mine": [null]})), json!({"mine": [null]})),
    ];
    for (sent, expected) in cases {
        let request = Request {
            session_custom_claims: sent.as_ref().map(object),
            ..switch(&ada.token, there.organization_id())
        };
        let answer = switched(&t, request).await;
        let none = expected.as_object().unwrap().is_empty();
        let claims = (!none).then(|| object(&expected));
        assert_eq!(answer.member_session.unwrap().custom_claims, claims, "{sent:?}");
        assert_eq!(checked(&t, &answer.session_token).await.custom_claims, claims, "{sent:?}");
        let signed = part(&answer.session_jwt, 1);
        assert_eq!(signed["sub"], there.member_id());
        for name in ["old", "plan", "mine", "gone"] {
            assert_eq!(signed.get(name), expected.get(name), "{sent:?}");
        }
    }
    assert_eq!(checked(&t, &ada.token).await.custom_claims, Some(old));
}

async fn claims_have_limits(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let with = |claims: prost_types::Struct| Request {
        session_custom_claims: Some(claims),
        ..switch(&ada.token, there.organization_id())
    };
    let all = object(&json!({"a": "x".repeat(4_088)}));
    let answer = switched(&t, with(all.clone())).await;
    assert_eq!(answer.member_session.unwrap().custom_claims, Some(all));
    let nested = |levels: usize| (1..levels).fold(json!({"a": 1}), |inner, _| json!({"a": inner}));
    switched(&t, with(object(&nested(30)))).await;
    let not_a_number = prost_types::Struct { fields: [("a".to_owned(), number(f64::NAN))].into() };
    let unrepresentable = "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON";
    for (claims, reason) in [
        (object(&json!({"a": "x".repeat(4_089)})), "CUSTOM_CLAIMS_TOO_LARGE"),
        (object(&json!({"https://stytch.com/session": {}})), "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS"),
        (object(&json!({"https://stytch.com/new": null})), "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS"),
        (object(&nested(31)), unrepresentable),
        (object(&json!({"a": "\0"})), unrepresentable),
        (not_a_number, unrepresentable),
    ] {
        refuses(&t, with(claims), &[("session_custom_claims", reason)]).await;
    }
}

async fn a_language_is_one_of_the_known_ones(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let speaking = |locale: &str| Request {
        locale: Some(locale.to_owned()),
        ..switch(&ada.token, there.organization_id())
    };
    for locale in ["en", "pt-br", "de-DE", "zh-Hans", "cs"] {
        switched(&t, speaking(locale)).await;
    }
    for locale in ["", "EN", "de", "en_US", "tlh"] {
        refuses(&t, speaking(locale), &[("locale", "INVALID_LOCALE")]).await;
    }
}

async fn everything_that_is_wrong_is_told_in_order(t: Harness) {
    let wrong = Request {
        session_duration_minutes: Some(1),
        session_custom_claims: Some(object(&json!({"https://stytch.com/": 1}))),
        locale: Some("tlh".to_owned()),
        ..switch("short", "acme corp")
    };
    let expected = [
        ("organization_id", "INVALID_ORGANIZATION_ID"),
        ("session_token", "INVALID_SESSION_TOKEN"),
        DURATION,
        ("session_custom_claims", "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS"),
        ("locale", "INVALID_LOCALE"),
    ];
    refuses(&t, wrong, &expected).await;
}
