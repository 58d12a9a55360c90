//! The session that entering begins: its length, its claims, its roles, its JWT, and its end.

use std::time::Duration;

use serde_json::json;
use time::format_description::well_known::Rfc3339;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::faults::until;
use crate::harness::fixtures::{magic_link, organization};
use crate::harness::logins::{by_token, exchange};
use crate::harness::members::invitation;
use crate::harness::refusal::refused;
use crate::harness::values::object;
use crate::harness::{Harness, on_both_backends};

use super::super::people::{account, totp, with_tenants};
use super::written::claims;
use super::{Request, entered};

on_both_backends!(
    a_session_lasts_as_long_as_asked,
    claims_are_on_the_session_and_in_the_jwt,
    the_jwt_says_what_the_session_is,
    roles_by_domain_hold_in_the_session,
    roles_by_domain_hold_once_the_address_is_proved,
    what_is_asked_of_a_session_has_no_effect_before_the_last_factor,
    an_expired_session_is_swept_away,
);

async fn a_session_lasts_as_long_as_asked(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    for (minutes, lasts) in [(None, 60), (Some(5), 5), (Some(527_040), 527_040)] {
        let token = clients.token("ada@acme.com").await;
        let request = Request { session_duration_minutes: minutes, ..exchange(&token, &acme) };
        let answer = clients.exchange(request).await.unwrap().into_inner();
        let session = answer.member_session.unwrap();
        let (starts, ends) = (session.started_at.unwrap().seconds, session.expires_at.unwrap().seconds);
        assert_eq!(ends - starts, lasts * 60, "{minutes:?}");
        // The JWT lives five minutes, however long the session does.
        let jwt = claims(&t, &answer.session_jwt).await;
        assert_eq!(jwt["exp"].as_i64().unwrap() - jwt["iat"].as_i64().unwrap(), 300, "{minutes:?}");
    }
    let token = clients.token("ada@acme.com").await;
    let request = Request { session_duration_minutes: Some(5), ..exchange(&token, &acme) };
    let session_token = clients.exchange(request).await.unwrap().into_inner().session_token;
    t.clock.advance(Duration::from_secs(299));
    assert!(clients.authenticate(by_token(&session_token)).await.is_ok());
    t.clock.advance(Duration::from_secs(1));
    let answer = clients.authenticate(by_token(&session_token)).await;
    refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
}

async fn claims_are_on_the_session_and_in_the_jwt(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    let member = clients.member(&acme, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let sent = json!({
        "role": "owner", "share": 0.5, "gone": null, "deep": {"kept": {"number": 1, "gone": null}, "gone": null},
        "list": [1, "two", {"four": 4}], "iss": "evil", "sub": "evil", "aud": "evil", "exp": 1, "nbf": 1,
        "iat": 1, "jti": "evil",
    });
    let kept = json!({
        "role": "owner", "share": 0.5, "deep": {"kept": {"number": 1}}, "list": [1, "two", {"four": 4}],
    });
    let request = Request { session_custom_claims: Some(object(&sent)), ..exchange(&token, &acme) };
    let answer = clients.exchange(request).await.unwrap().into_inner();
    assert_eq!(answer.member_session.unwrap().custom_claims, Some(object(&kept)));
    let jwt = claims(&t, &answer.session_jwt).await;
    for (name, value) in kept.as_object().unwrap() {
        assert_eq!(jwt[name], *value, "{name}");
    }
    assert_eq!(jwt["sub"], json!(member.member_id));
    assert_eq!((jwt.get("gone"), jwt.get("jti")), (None, None));
    assert_eq!(jwt["iat"].as_i64(), Some(t.clock.now().unix_timestamp()));
    let read = clients.authenticate(by_token(&answer.session_token)).await.unwrap().into_inner();
    assert_eq!(read.member_session.unwrap().custom_claims, Some(object(&kept)));
}

async fn the_jwt_says_what_the_session_is(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to_slack("Acme", "T1").await;
    let token = clients.token_with("ada@acme.com", vec![account("slack", &["T1"]), totp()]).await;
    let answer = entered(&clients, &token, &acme.organization_id).await;
    let session = answer.member_session.unwrap();
    let slack = session.authentication_factors[0].slack_oauth_factor.clone().unwrap();
    let now = t.clock.now();
    let text = |time: time::OffsetDateTime| time.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    let factor = |kind: &str, method: &str, order: &str| {
        json!({
            "type": kind, "delivery_method": method, "sequence_order": order, "created_at": text(now),
            "updated_at": text(now), "last_authenticated_at": text(now),
        })
    };
    let mut first = factor("oauth", "oauth_slack", "PRIMARY");
    first["slack_oauth_factor"] =
        json!({"id": slack.id, "provider_subject": "subject-1", "provider_tenant_id": "T1"});
    let jwt = claims(&t, &answer.session_jwt).await;
    let project = jwt["aud"][0].as_str().unwrap();
    let expected = json!({
        "iss": format!("vestibule/{project}"),
        "aud": [project],
        "sub": answer.member_id,
        "iat": now.unix_timestamp(),
        "nbf": now.unix_timestamp(),
        "exp": now.unix_timestamp() + 300,
        "https://stytch.com/session": {
            "id": session.member_session_id,
            "started_at": text(now),
            "last_accessed_at": text(now),
            "expires_at": text(now + Duration::from_hours(1)),
            "attributes": {"user_agent": "", "ip_address": ""},
            "authentication_factors": [first, factor("totp", "authenticator_app", "SECONDARY")],
            "roles": ["stytch_member"],
        },
        "https://stytch.com/organization": {
            "organization_id": acme.organization_id, "slug": acme.organization_slug,
        },
    });
    assert_eq!(jwt, expected);
}

async fn roles_by_domain_hold_in_the_session(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "acme.com".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        email_invites: Some(pb::EmailInvites::AllAllowed.into()),
        ..organization("Acme")
    };
    let acme = clients.create(request).await.unwrap().into_inner().organization.unwrap().organization_id;
    for (address, admin) in [("ada@acme.com", true), ("bob@globex.com", false)] {
        let invited = clients.invite_member(invitation(&acme, address)).await.unwrap().into_inner();
        assert!(!invited.member.unwrap().is_admin, "{address}");
        let token = clients.token(address).await;
        let answer = entered(&clients, &token, &acme).await;
        let roles = answer.member_session.unwrap().roles;
        assert_eq!(roles.contains(&"stytch_admin".to_owned()), admin, "{address}");
        assert_eq!(answer.member.unwrap().is_admin, admin, "{address}");
        let jwt = claims(&t, &answer.session_jwt).await;
        assert_eq!(jwt["https://stytch.com/session"]["roles"], json!(roles), "{address}");
    }
}

async fn roles_by_domain_hold_once_the_address_is_proved(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "acme.com".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        ..with_tenants("Acme", json!({"slack": ["T1"]}))
    };
    let acme = clients.create(request).await.unwrap().into_inner().organization.unwrap().organization_id;
    let slack = account("slack", &["T1"]);
    for (factors, expected) in [
        (vec![slack.clone()], &["stytch_member"][..]),
        (vec![slack.clone(), magic_link()], &["stytch_member", "stytch_admin"]),
        (vec![slack], &["stytch_member", "stytch_admin"]),
    ] {
        let token = clients.token_with("ada@acme.com", factors).await;
        let answer = entered(&clients, &token, &acme).await;
        assert_eq!(answer.member_session.unwrap().roles, expected);
        assert_eq!(answer.member.unwrap().is_admin, expected.len() == 2);
    }
}

async fn what_is_asked_of_a_session_has_no_effect_before_the_last_factor(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    clients.ask_for_second_factors(&acme).await;
    let token = clients.token_with("ada@acme.com", vec![magic_link()]).await;
    let request = Request {
        session_duration_minutes: Some(5),
        session_custom_claims: Some(object(&json!({"a": 1}))),
        ..exchange(&token, &acme)
    };
    assert!(!clients.exchange(request).await.unwrap().into_inner().member_authenticated);
    clients.add_factor(&token, totp()).await.unwrap();
    let session = entered(&clients, &token, &acme).await.member_session.unwrap();
    assert_eq!(session.custom_claims, None);
    assert_eq!(session.expires_at.unwrap().seconds - session.started_at.unwrap().seconds, 3_600);
}

async fn an_expired_session_is_swept_away(mut t: Harness) {
    let acme = t.clients().organization("Acme").await.organization_id;
    t.clients().member(&acme, "ada@acme.com").await;
    for minutes in [5, 527_040] {
        let token = t.clients().token("ada@acme.com").await;
        let request = Request { session_duration_minutes: Some(minutes), ..exchange(&token, &acme) };
        t.clients().exchange(request).await.unwrap();
    }
    assert_eq!(t.count("sessions").await, 2);
    // Expired sessions are kept for a day, so that a repeated call can be answered in words.
    t.clock.advance(Duration::from_hours(25));
    t.restart().await;
    until("the sweep", async || t.count("sessions").await == 1).await;
    until("the sweep", async || t.count("intermediate_session_receipts").await == 0).await;
    assert_eq!(t.count("members").await, 1);
}
