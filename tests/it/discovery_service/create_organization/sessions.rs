//! What the caller asks of the session: its length, its claims, and the device it began on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::harness::database::rows;
use crate::harness::fixtures::creation;
use crate::harness::refusal::refused;
use crate::harness::values::{number, object};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_session_lasts_as_long_as_asked,
    claims_are_on_the_session_and_in_the_jwt,
    claims_have_limits,
    claims_that_json_cannot_carry_are_refused,
    claims_replace_no_claim_of_the_service,
    the_device_is_recorded_on_the_events,
);

async fn a_session_lasts_as_long_as_asked(t: Harness) {
    let clients = t.clients();
    let cases = [
        (None, Some(60)),
        (Some(5), Some(5)),
        (Some(527_040), Some(527_040)),
        (Some(4), None),
        (Some(527_041), None),
        (Some(0), None),
        (Some(-1), None),
        (Some(i32::MIN), None),
        (Some(i32::MAX), None),
    ];
    for (minutes, expected) in cases {
        let token = clients.token("ada@acme.com").await;
        let request = pb::DiscoveryServiceCreateOrganizationRequest {
            session_duration_minutes: minutes,
            ..creation(&token)
        };
        let answer = clients.spend(request).await;
        let Some(expected) = expected else {
            let reason = "INVALID_SESSION_DURATION_MINUTES";
            let refusal = refused(answer, Code::InvalidArgument, reason);
            assert_eq!(refusal.violations(), [("session_duration_minutes", reason)], "{minutes:?}");
            continue;
        };
        let created = answer.unwrap().into_inner();
        let session = created.member_session.unwrap();
        let (started, ends) = (session.started_at.unwrap().seconds, session.expires_at.unwrap().seconds);
        assert_eq!(ends - started, expected * 60, "{minutes:?}");
        // The JWT lives five minutes, however long the session does.
        let jwt = payload(&created.session_jwt);
        assert_eq!(jwt["exp"].as_i64().unwrap() - jwt["iat"].as_i64().unwrap(), 300, "{minutes:?}");
    }
}

fn payload(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn with_claims(
    t: &Harness,
    claims: prost_types::Struct,
) -> Result<(prost_types::Struct, Value), String> {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        session_custom_claims: Some(claims),
        ..creation(&token)
    };
    match clients.spend(request).await {
        Ok(created) => {
            let created = created.into_inner();
            let claims = created.member_session.unwrap().custom_claims.unwrap_or_default();
            Ok((claims, payload(&created.session_jwt)))
        }
        Err(status) => {
            let refusal = crate::harness::refusal::Refusal::of(&status);
            assert_eq!(refusal.code, Code::InvalidArgument, "{refusal:?}");
            assert_eq!(refusal.violations(), [("session_custom_claims", refusal.reason.as_str())]);
            Err(refusal.reason)
        }
    }
}

async fn claims_are_on_the_session_and_in_the_jwt(t: Harness) {
    let sent = json!({
        "role": "owner", "level": 3, "share": 0.5, "beta": false, "gone": null,
        "deep": {"kept": {"number": 1, "gone": null}, "gone": null, "empty": {}},
        "list": [1, "two", [3], {"four": 4}],
        "iss": "evil", "sub": "evil", "aud": "evil", "exp": 1, "nbf": 1, "iat": 1, "jti": "evil",
        "https://stytch.com": "not the reserved prefix", "Iss": "another name",
    });
    let expected = json!({
        "role": "owner", "level": 3, "share": 0.5, "beta": false,
        "deep": {"kept": {"number": 1}, "empty": {}},
        "list": [1, "two", [3], {"four": 4}],
        "https://stytch.com": "not the reserved prefix", "Iss": "another name",
    });
    let (claims, jwt) = with_claims(&t, object(&sent)).await.unwrap();
    assert_eq!(claims, object(&expected));
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(jwt[name], *value, "{name}");
    }
    assert_eq!(jwt.get("gone"), None);
    let stored = rows(&t.database().await, "SELECT custom_claims FROM sessions", vec![]).await;
    assert_eq!(stored[0].try_get::<Value>("", "custom_claims").unwrap(), expected);
}

async fn claims_have_limits(t: Harness) {
    let filled = |bytes: usize| object(&json!({"a": "é".repeat((bytes - 8) / 2) + &"a".repeat(bytes % 2)}));
    assert!(with_claims(&t, filled(4096)).await.is_ok());
    assert_eq!(with_claims(&t, filled(4097)).await.unwrap_err(), "CUSTOM_CLAIMS_TOO_LARGE");
    for name in ["https://stytch.com/", "https://stytch.com/session", "https://stytch.com/x"] {
        let reason = with_claims(&t, object(&json!({name: {}}))).await.unwrap_err();
        assert_eq!(reason, "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS", "{name}");
    }
    // What is ignored or left out takes no room.
    let sent = json!({"jti": "j".repeat(5000), "a": 1});
    let (claims, _) = with_claims(&t, object(&sent)).await.unwrap();
    assert_eq!(claims, object(&json!({"a": 1})));
}

async fn claims_that_json_cannot_carry_are_refused(t: Harness) {
    let nothing = prost_types::Value { kind: None };
    let text = |text: &str| crate::harness::values::value(&json!(text));
    let cases = [
        ("a", number(f64::NAN)),
        ("a", number(f64::INFINITY)),
        ("a", number(f64::NEG_INFINITY)),
        ("a", nothing),
        ("a", text("nul\0")),
        ("nul\0", text("a")),
    ];
    for (key, value) in cases {
        let mut inner = object(&json!({}));
        inner.fields.insert(key.to_owned(), value);
        let mut outer = object(&json!({}));
        let kind = prost_types::value::Kind::StructValue(inner.clone());
        outer.fields.insert("outer".to_owned(), prost_types::Value { kind: Some(kind) });
        for claims in [inner, outer] {
            let reason = with_claims(&t, claims.clone()).await.unwrap_err();
            assert_eq!(reason, "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON", "{claims:?}");
        }
    }
    assert_eq!(t.count("organizations").await, 0);
}

async fn claims_replace_no_claim_of_the_service(t: Harness) {
    let evil = json!({"iss": "evil", "sub": "evil", "aud": ["evil"], "exp": 4e9, "nbf": 1, "iat": 1});
    let (claims, jwt) = with_claims(&t, object(&evil)).await.unwrap();
    assert_eq!(claims, object(&json!({})));
    let now = t.clock.now().unix_timestamp();
    assert_eq!((jwt["iat"].as_i64(), jwt["nbf"].as_i64()), (Some(now), Some(now)));
    assert_eq!(jwt["exp"].as_i64(), Some(now + 300));
    assert!(jwt["sub"].as_str().unwrap().starts_with("member-test-"), "{jwt}");
    let project = jwt["aud"][0].as_str().unwrap();
    assert_eq!(jwt["aud"], json!([project]));
    assert_eq!(jwt["iss"], json!(format!("vestibule/{project}")));
}

async fn the_device_is_recorded_on_the_events(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let longest = "~".repeat(255);
    for (telemetry_id, accepted) in
        [("a b", false), ("ü", false), ("\u{7f}", false), (&format!("{longest}~"), false), (&longest, true)]
    {
        let request = pb::DiscoveryServiceCreateOrganizationRequest {
            telemetry_id: Some(telemetry_id.to_owned()),
            ..creation(&token)
        };
        let answer = clients.spend(request).await;
        if accepted {
            assert!(answer.unwrap().into_inner().member_authenticated);
        } else {
            let refusal = refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT");
            assert_eq!(refusal.violations(), [("telemetry_id", "INVALID_ARGUMENT")]);
        }
    }
    let events = rows(&t.database().await, "SELECT data FROM events", vec![]).await;
    let data: Vec<Value> = events.iter().map(|row| row.try_get("", "data").unwrap()).collect();
    assert_eq!(data, vec![json!({"telemetry_id": longest}); 3]);
}
