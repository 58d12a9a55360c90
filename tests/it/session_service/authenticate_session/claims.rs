//! Changing the claims of a session.

use serde_json::{Value as Json, json};
use tonic::Code;
use vestibule::pb;

use super::super::common::{Login, checked, founder, part, written};
use super::Request;
use crate::harness::fixtures::creation;
use crate::harness::logins::by_token;
use crate::harness::refusal::refused;
use crate::harness::values::{number, object, value};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    claims_merge_into_those_that_are_there,
    claims_stay_when_none_are_sent,
    names_of_the_service_are_ignored_or_refused,
    the_merged_claims_have_at_most_4_kib,
    claims_that_json_cannot_carry_are_refused,
    claims_nest_thirty_levels_deep,
    a_call_that_is_refused_for_the_claims_extends_nothing,
);

const LARGE: &str = "CUSTOM_CLAIMS_TOO_LARGE";
const NOT_JSON: &str = "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON";
const RESERVED: &str = "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS";

fn claiming(login: &Login, claims: &Json) -> Request {
    Request { session_custom_claims: Some(object(claims)), ..by_token(&login.token) }
}

/// Sends claims, and asserts that the session, its JWT and a second check have these afterwards.
async fn becomes(t: &Harness, login: &Login, sent: &Json, expected: &Json) {
    let answer = t.clients().authenticate(claiming(login, sent)).await.unwrap().into_inner();
    let session = answer.member_session.unwrap();
    let none = expected.as_object().unwrap().is_empty();
    assert_eq!(session.custom_claims, (!none).then(|| object(expected)), "{sent}");
    assert_eq!(own_claims(&answer.session_jwt), *expected, "{sent}");
    assert_eq!(checked(t, &login.token).await.custom_claims, session.custom_claims, "{sent}");
}

/// The claims of a JWT that are none of the service's.
fn own_claims(jwt: &str) -> Json {
    let mut claims = part(jwt, 1);
    let names = ["iss", "aud", "sub", "iat", "nbf", "exp"];
    let prefixed = ["https://stytch.com/session", "https://stytch.com/organization"];
    for name in names.into_iter().chain(prefixed) {
        assert!(claims.as_object_mut().unwrap().remove(name).is_some(), "{name}");
    }
    claims
}

/// Asserts that claims are refused so, and that nothing changes.
async fn refuses(t: &Harness, request: Request, reason: &str) {
    let before = written(t).await;
    let refusal = refused(t.clients().authenticate(request).await, Code::InvalidArgument, reason);
    assert_eq!(refusal.violations(), [("session_custom_claims", reason)]);
    assert_eq!(written(t).await, before);
}

async fn claims_merge_into_those_that_are_there(t: Harness) {
    let token = t.clients().token("ada@acme.com").await;
    let start = pb::DiscoveryServiceCreateOrganizationRequest {
        session_custom_claims: Some(object(
            &json!({"plan": {"seats": 3, "trial": {"days": 14}}, "list": [1, 2]}),
        )),
        ..creation(&token)
    };
    let founded = t.clients().spend(start).await.unwrap().into_inner();
    let ada = Login {
        organization: founded.organization.unwrap(),
        member: founded.member.unwrap(),
        session: founded.member_session.unwrap(),
        token: founded.session_token,
        jwt: founded.session_jwt,
    };
    let steps = [
        // Objects merge at every depth; lists are replaced.
        (
            json!({"plan": {"trial": {"ends": "soon"}, "name": "pro"}, "list": [3], "new": true}),
            json!({"plan": {"seats": 3, "trial": {"days": 14, "ends": "soon"}, "name": "pro"}, "list": [3],
                   "new": true}),
        ),
        // A null deletes, at every depth, and what is not there as well.
        (
            json!({"plan": {"trial": {"days": null}, "seats": null}, "new": null, "nothing": null}),
            json!({"plan": {"trial": {"ends": "soon"}, "name": "pro"}, "list": [3]}),
        ),
        // Another kind of value replaces; an object takes the place of what is none.
        (json!({"plan": 7, "list": {"a": {"b": null, "c": 1}}}), json!({"plan": 7, "list": {"a": {"c": 1}}})),
        // A null inside a list is a value like any other.
        (json!({"list": [null, {"a": null}]}), json!({"plan": 7, "list": [null, {"a": null}]})),
        (json!({}), json!({"plan": 7, "list": [null, {"a": null}]})),
        (json!({"plan": null, "list": null}), json!({})),
        (
            json!({"snow": "\u{2603} \"\\", "": 1.5, "max": 9_007_199_254_740_992_i64}),
            json!({"snow": "\u{2603} \"\\", "": 1.5, "max": 9_007_199_254_740_992_i64}),
        ),
    ];
    for (sent, expected) in steps {
        becomes(&t, &ada, &sent, &expected).await;
    }
}

async fn claims_stay_when_none_are_sent(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    becomes(&t, &ada, &json!({"a": 1}), &json!({"a": 1})).await;
    let longer = Request { session_duration_minutes: Some(90), ..by_token(&ada.token) };
    let answer = t.clients().authenticate(longer).await.unwrap().into_inner();
    assert_eq!(answer.member_session.unwrap().custom_claims, Some(object(&json!({"a": 1}))));
    let answer = t.clients().authenticate(by_token(&ada.token)).await.unwrap().into_inner();
    assert_eq!(own_claims(&answer.session_jwt), json!({"a": 1}));
}

async fn names_of_the_service_are_ignored_or_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let registered = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
    let mut sent: Json = registered.map(|name| (name, json!("evil"))).into_iter().collect();
    sent["Sub"] = "mine".into();
    sent["nested"] = json!({"sub": "mine"});
    becomes(&t, &ada, &sent, &json!({"Sub": "mine", "nested": {"sub": "mine"}})).await;
    for name in ["https://stytch.com/session", "https://stytch.com/", "https://stytch.com/anything"] {
        refuses(&t, claiming(&ada, &json!({name: {"id": "evil"}, "a": 1})), RESERVED).await;
        // Nor can it be deleted.
        refuses(&t, claiming(&ada, &json!({name: null})), RESERVED).await;
    }
    let near =
        json!({"https://stytch.com": 1, "HTTPS://STYTCH.COM/": 2, "nested": {"https://stytch.com/": 3}});
    let answer = t.clients().authenticate(claiming(&ada, &near)).await.unwrap().into_inner();
    assert_eq!(answer.member_session.unwrap().custom_claims.unwrap().fields.len(), 4);
}

async fn the_merged_claims_have_at_most_4_kib(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    // `{"a":""}` are eight bytes.
    refuses(&t, claiming(&ada, &json!({"a": "x".repeat(4_089)})), LARGE).await;
    let all = json!({"a": "x".repeat(4_088)});
    becomes(&t, &ada, &all, &all).await;
    refuses(&t, claiming(&ada, &json!({"b": 1})), LARGE).await;
    // Names that are ignored take no room, and what is deleted makes some.
    becomes(&t, &ada, &json!({"sub": "x".repeat(5_000)}), &all).await;
    let half = json!({"a": null, "b": "x".repeat(4_000)});
    becomes(&t, &ada, &half, &json!({"b": "x".repeat(4_000)})).await;
    // Bytes count, not characters.
    refuses(&t, claiming(&ada, &json!({"b": "\u{2603}".repeat(1_400)})), LARGE).await;
}

async fn claims_that_json_cannot_carry_are_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let with = |key: &str, value: prost_types::Value| Request {
        session_custom_claims: Some(prost_types::Struct { fields: [(key.to_owned(), value)].into() }),
        ..by_token(&ada.token)
    };
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(number) {
        refuses(&t, with("a", number), NOT_JSON).await;
    }
    refuses(&t, with("a", prost_types::Value { kind: None }), NOT_JSON).await;
    refuses(&t, with("a", value(&json!("a\0b"))), NOT_JSON).await;
    refuses(&t, with("a\0b", value(&json!(1))), NOT_JSON).await;
    refuses(&t, with("a", value(&json!([{"b": "\0"}]))), NOT_JSON).await;
}

async fn claims_nest_thirty_levels_deep(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let nested = |levels: usize| (1..levels).fold(json!({"a": 1}), |inner, _| json!({"a": inner}));
    becomes(&t, &ada, &nested(30), &nested(30)).await;
    refuses(&t, claiming(&ada, &nested(31)), NOT_JSON).await;
    let lists = (1..30).fold(json!(1), |inner, _| json!([inner]));
    becomes(&t, &ada, &json!({"a": lists}), &json!({"a": lists})).await;
    refuses(&t, claiming(&ada, &json!({"a": [lists]})), NOT_JSON).await;
}

async fn a_call_that_is_refused_for_the_claims_extends_nothing(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    becomes(&t, &ada, &json!({"a": "x".repeat(4_000)}), &json!({"a": "x".repeat(4_000)})).await;
    // Each is small enough; together they are not, which is known only once the session is read.
    let request =
        Request { session_duration_minutes: Some(90), ..claiming(&ada, &json!({"b": "x".repeat(100)})) };
    refuses(&t, request.clone(), LARGE).await;
    let keyed = crate::harness::fixtures::with_key(request, "key");
    refused(t.clients().authenticate(keyed).await, Code::InvalidArgument, LARGE);
    assert_eq!(checked(&t, &ada.token).await.expires_at, ada.session.expires_at);
    assert_eq!(t.count("idempotency_records").await, 0);
}
