//! Claims that the deployment has signed by its key, and would never make.

use serde_json::{Value as Json, json};
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::super::super::common::{ABSENT, checked, entered, founder};
use super::{Forger, SESSION, refuses};
use crate::harness::logins::by_jwt;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_jwt_for_somebody_else_is_refused,
    a_jwt_from_somebody_else_is_refused,
    each_claim_has_to_be_there,
    each_claim_has_to_be_of_its_type,
    a_jwt_of_the_future_is_refused_but_for_a_minute,
    a_jwt_does_not_expire_before_it_was_issued,
    a_claim_that_stands_twice_is_refused,
    what_a_jwt_says_beside_the_session_is_not_believed,
    a_session_is_never_that_of_another_subject,
    a_session_that_never_was_is_not_found,
    a_payload_is_an_object_and_not_too_deep,
);

const AUDIENCE: &str = "JWT_INVALID_AUDIENCE";
const CLAIMS: &str = "JWT_INVALID_CLAIMS";
const ISSUER: &str = "JWT_INVALID_ISSUER";

/// RFC 8725, section 3.9.
async fn a_jwt_for_somebody_else_is_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let own = deployment.claims["aud"][0].as_str().unwrap().to_owned();
    let others = [
        json!("project-test-01890a5d-ac96-774b-bcce-b302099a8057"),
        json!(["project-test-01890a5d-ac96-774b-bcce-b302099a8057"]),
        json!([own, "somebody-else"]),
        json!(["somebody-else", own]),
        json!([own, own]),
        json!([]),
        json!(""),
        json!([""]),
        json!(own.replace("-test-", "-live-")),
        json!(own.to_uppercase()),
        json!(format!("{own} ")),
    ];
    for audience in others {
        let claims = deployment.claims_with("aud", audience);
        refuses(&t, &ada, &deployment.signed(&deployment.header(), &claims), AUDIENCE).await;
    }
    // As one text or as a list of one (RFC 7519, section 4.1.3) it is the same.
    let claims = deployment.claims_with("aud", own.into());
    let jwt = deployment.signed(&deployment.header(), &claims);
    assert!(t.clients().authenticate(by_jwt(&jwt)).await.is_ok());
}

/// RFC 8725, section 3.8.
async fn a_jwt_from_somebody_else_is_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let own = deployment.claims["iss"].as_str().unwrap().to_owned();
    let others = [
        "",
        "https://evil.example.com",
        &own.to_uppercase(),
        &format!("{own}/"),
        &format!(" {own}"),
        &own[1..],
    ];
    for issuer in others {
        let claims = deployment.claims_with("iss", issuer.into());
        refuses(&t, &ada, &deployment.signed(&deployment.header(), &claims), ISSUER).await;
    }
}

async fn each_claim_has_to_be_there(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    for name in ["iss", "aud", "sub", "iat", "nbf", "exp", SESSION] {
        let mut claims = deployment.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        refuses(&t, &ada, &deployment.signed(&deployment.header(), &claims), CLAIMS).await;
        let claims = deployment.claims_with(name, Json::Null);
        refuses(&t, &ada, &deployment.signed(&deployment.header(), &claims), CLAIMS).await;
    }
    // The organization is looked up, not believed.
    let mut claims = deployment.claims.clone();
    claims.as_object_mut().unwrap().remove("https://stytch.com/organization");
    let jwt = deployment.signed(&deployment.header(), &claims);
    assert!(t.clients().authenticate(by_jwt(&jwt)).await.is_ok());
}

async fn each_claim_has_to_be_of_its_type(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let own = |name: &str| deployment.claims[name].clone();
    let session = |id: Json| json!({"id": id});
    let other = ada.session_id().replace("-test-", "-live-");
    let mut cases = vec![
        ("iss", json!([own("iss")])),
        ("iss", json!(7)),
        ("aud", json!(7)),
        ("aud", json!([[own("aud")[0]]])),
        ("aud", json!({"0": own("aud")[0]})),
        ("sub", json!(7)),
        ("sub", json!([own("sub")])),
        ("sub", json!("")),
        ("sub", json!("ada@acme.com")),
        ("sub", json!(ada.session_id())),
        ("sub", json!(ada.member_id().replace("-test-", "-live-"))),
        (SESSION, json!(ada.session_id())),
        (SESSION, json!([ada.session_id()])),
        (SESSION, json!({})),
        (SESSION, session(Json::Null)),
        (SESSION, session(json!(7))),
        (SESSION, session(json!([ada.session_id()]))),
        (SESSION, session(json!(""))),
        (SESSION, session(json!(other))),
        (SESSION, session(json!(ada.member_id()))),
        (SESSION, session(json!(format!("{}' OR '1'='1", ada.session_id())))),
    ];
    for name in ["iat", "nbf", "exp"] {
        let seconds = own(name).as_i64().unwrap();
        for wrong in [json!(seconds.to_string()), json!(1e300), json!([seconds]), json!(true), json!({})] {
            cases.push((name, wrong));
        }
    }
    for (name, value) in cases {
        let claims = deployment.claims_with(name, value);
        refuses(&t, &ada, &deployment.signed(&deployment.header(), &claims), CLAIMS).await;
    }
}

/// The clocks of replicas differ by less than a minute.
async fn a_jwt_of_the_future_is_refused_but_for_a_minute(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let now = t.clock.now().unix_timestamp();
    for name in ["iat", "nbf"] {
        for (ahead, accepted) in [(0, true), (1, true), (60, true), (61, false), (86_400, false)] {
            let mut claims = deployment.claims_with(name, (now + ahead).into());
            claims["exp"] = (now + ahead + 300).into();
            let jwt = deployment.signed(&deployment.header(), &claims);
            if accepted {
                assert!(t.clients().authenticate(by_jwt(&jwt)).await.is_ok(), "{name} {ahead}");
            } else {
                refuses(&t, &ada, &jwt, CLAIMS).await;
            }
        }
        let claims = deployment.claims_with(name, i64::MAX.into());
        refuses(&t, &ada, &deployment.signed(&deployment.header(), &claims), CLAIMS).await;
    }
}

async fn a_jwt_does_not_expire_before_it_was_issued(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let issued = deployment.claims["iat"].as_i64().unwrap();
    for expires in [issued - 1, 0, -1, i64::MIN] {
        let claims = deployment.claims_with("exp", expires.into());
        refuses(&t, &ada, &deployment.signed(&deployment.header(), &claims), CLAIMS).await;
    }
}

/// RFC 7519, section 4: readers that take the first and readers that take the last would not agree.
async fn a_claim_that_stands_twice_is_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let eve = founder(&t, "eve@globex.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let text = deployment.claims.to_string();
    let stranger = json!({"id": eve.session_id()}).to_string();
    for (name, value) in
        [("sub", json!(eve.member_id()).to_string()), (SESSION, stranger), ("exp", "9".repeat(12))]
    {
        let before = format!("{{\"{name}\":{value},{}", &text[1..]);
        let after = format!("{},\"{name}\":{value}}}", &text[..text.len() - 1]);
        for text in [before, after] {
            let jwt = deployment.signed_text(&deployment.header().to_string(), &text);
            refuses(&t, &ada, &jwt, CLAIMS).await;
        }
    }
}

/// Who the member is, and what they may do, is read from the database.
async fn what_a_jwt_says_beside_the_session_is_not_believed(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clients().member(ada.organization_id(), "bob@acme.com").await;
    let bob = entered(&t, ada.organization_id(), "bob@acme.com").await;
    let deployment = Forger::with_the_key(&t, &bob.jwt).await;
    let mut claims = deployment.claims.clone();
    claims[SESSION]["roles"] = json!(["stytch_member", "stytch_admin"]);
    claims[SESSION]["expires_at"] = "2999-01-01T00:00:00Z".into();
    claims["https://stytch.com/organization"] = json!({"organization_id": "another", "slug": "another"});
    claims["plan"] = "enterprise".into();
    let jwt = deployment.signed(&deployment.header(), &claims);
    let answer = t.clients().authenticate(by_jwt(&jwt)).await.unwrap().into_inner();
    let by_its_token = checked(&t, &bob.token).await;
    assert_eq!(answer.member_session, Some(by_its_token));
    assert_eq!(answer.member_session.unwrap().roles, ["stytch_member"]);
    let request = pb::AuthenticateSessionRequest {
        authorization_check: Some(pb::AuthorizationCheck {
            organization_id: bob.organization_id().to_owned(),
            resource_id: "stytch.organization".to_owned(),
            action: "delete".to_owned(),
        }),
        ..by_jwt(&jwt)
    };
    let answer = t.clients().authenticate(request).await;
    refused(answer, Code::PermissionDenied, "SESSION_AUTHORIZATION_ERROR");
}

/// Whoever the JWT names, the session stays that of its own member.
async fn a_session_is_never_that_of_another_subject(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clients().member(ada.organization_id(), "bob@acme.com").await;
    let bob = entered(&t, ada.organization_id(), "bob@acme.com").await;
    let deployment = Forger::with_the_key(&t, &bob.jwt).await;
    let jwt = deployment.signed(&deployment.header(), &deployment.claims_with("sub", ada.member_id().into()));
    let answer = t.clients().authenticate(by_jwt(&jwt)).await;
    let answer = answer.map(|answer| answer.into_inner().member.unwrap().member_id);
    assert!(answer.as_ref().map_or(true, |member_id| member_id == bob.member_id()), "{answer:?}");
}

async fn a_session_that_never_was_is_not_found(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let claims = deployment.claims_with(SESSION, json!({"id": format!("session-test-{ABSENT}")}));
    let jwt = deployment.signed(&deployment.header(), &claims);
    refused(t.clients().authenticate(by_jwt(&jwt)).await, Code::NotFound, "SESSION_NOT_FOUND");
}

async fn a_payload_is_an_object_and_not_too_deep(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let own = deployment.claims.to_string();
    let header = deployment.header().to_string();
    let list = Json::Array(deployment.claims.as_object().unwrap().values().cloned().collect()).to_string();
    let deep =
        format!("{{\"{SESSION}\":{}{}}}", "{\"id\":".repeat(2_000), format_args!("1{}", "}".repeat(2_000)));
    for payload in
        ["", "{", "null", "7", "[]", "\"claims\"", &list, &format!("[{own}]"), &deep, &own[..own.len() - 1]]
    {
        refuses(&t, &ada, &deployment.signed_text(&header, payload), CLAIMS).await;
    }
}
