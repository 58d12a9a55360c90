mod check;
mod claims;
mod extension;
mod forged;
mod touched;

use std::time::Duration;

use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::common::{checked, entered, founder, is_gone, part, written};
use crate::harness::logins::{by_jwt, by_token};
use crate::harness::members::{member_update, organization_update};
use crate::harness::refusal::refused;
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_token_is_answered_to_the_last_field,
    a_jwt_is_answered_without_the_token,
    every_answer_has_a_fresh_jwt_of_the_same_session,
    an_expired_jwt_is_good_while_its_session_lives,
    a_session_ends_at_its_time,
    a_revoked_session_is_gone,
    a_deleted_members_sessions_stay_dead,
    a_deleted_organizations_sessions_are_gone,
    a_well_formed_token_that_is_nobodys_is_not_found,
    what_is_no_token_is_refused,
    exactly_one_of_token_and_jwt_is_sent,
    roles_are_those_of_the_member_now,
    a_changed_name_of_the_organization_shows_at_once,
);

type Request = pb::AuthenticateSessionRequest;

async fn a_token_is_answered_to_the_last_field(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_secs(10));
    let answer = t.clients().authenticate(by_token(&ada.token)).await.unwrap();
    let request_id = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let answer = answer.into_inner();
    let session = pb::MemberSession { last_accessed_at: Some(seconds(t.clock.now())), ..ada.session.clone() };
    let expected = pb::AuthenticateSessionResponse {
        request_id,
        member_session: Some(session),
        session_token: ada.token.clone(),
        session_jwt: answer.session_jwt.clone(),
        member: Some(ada.member.clone()),
        organization: Some(ada.organization.clone()),
        verdict: None,
    };
    assert_eq!(answer, expected);
    let read = t.clients().member_by_id(ada.organization_id(), ada.member_id()).await.unwrap();
    assert_eq!(answer.member, Some(read));
    let read = t.clients().get(ada.organization_id()).await.unwrap().into_inner();
    assert_eq!(answer.organization, read.organization);
}

async fn a_jwt_is_answered_without_the_token(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let by_its_token = t.clients().authenticate(by_token(&ada.token)).await.unwrap().into_inner();
    let answer = t.clients().authenticate(by_jwt(&ada.jwt)).await.unwrap().into_inner();
    let expected = pb::AuthenticateSessionResponse {
        request_id: answer.request_id.clone(),
        session_token: String::new(),
        session_jwt: answer.session_jwt.clone(),
        ..by_its_token.clone()
    };
    assert_eq!(answer, expected);
    assert_ne!(answer.request_id, by_its_token.request_id);
}

async fn every_answer_has_a_fresh_jwt_of_the_same_session(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let mut jwt = ada.jwt.clone();
    let first = part(&jwt, 1);
    for _ in 0..3 {
        t.clock.advance(Duration::from_secs(7));
        let answer = t.clients().authenticate(by_jwt(&jwt)).await.unwrap().into_inner();
        assert_ne!(answer.session_jwt, jwt);
        jwt = answer.session_jwt;
        let now = t.clock.now().unix_timestamp();
        let claims = part(&jwt, 1);
        for (claim, at) in [("iat", now), ("nbf", now), ("exp", now + 300)] {
            assert_eq!(claims[claim], at, "{claim}");
        }
        for claim in ["iss", "aud", "sub", "https://stytch.com/organization"] {
            assert_eq!(claims[claim], first[claim], "{claim}");
        }
        let mut session = claims["https://stytch.com/session"].clone();
        assert_eq!(session["id"], ada.session_id());
        assert_ne!(session["last_accessed_at"], first["https://stytch.com/session"]["last_accessed_at"]);
        session["last_accessed_at"] = first["https://stytch.com/session"]["last_accessed_at"].clone();
        assert_eq!(session, first["https://stytch.com/session"]);
    }
    assert_eq!(checked(&t, &ada.token).await.expires_at, ada.session.expires_at, "nobody extended it");
}

async fn an_expired_jwt_is_good_while_its_session_lives(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_mins(59));
    let expired = part(&ada.jwt, 1)["exp"].as_i64().unwrap();
    assert!(expired < t.clock.now().unix_timestamp());
    let answer = t.clients().authenticate(by_jwt(&ada.jwt)).await.unwrap().into_inner();
    assert!(part(&answer.session_jwt, 1)["exp"].as_i64().unwrap() > t.clock.now().unix_timestamp());
    t.clock.advance(Duration::from_mins(1));
    is_gone(&t, &ada).await;
    // The one that was signed a minute ago lives by its own account, and its session does not.
    let answer = t.clients().authenticate(by_jwt(&answer.session_jwt)).await;
    refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
}

async fn a_session_ends_at_its_time(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_hours(1) - Duration::from_millis(1));
    checked(&t, &ada.token).await;
    let before = written(&t).await;
    t.clock.advance(Duration::from_millis(1));
    is_gone(&t, &ada).await;
    // Nor is it brought back.
    let late = Request { session_duration_minutes: Some(5), ..by_token(&ada.token) };
    refused(t.clients().authenticate(late).await, Code::NotFound, "SESSION_NOT_FOUND");
    assert_eq!(written(&t).await, before);
}

async fn a_revoked_session_is_gone(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let other = entered(&t, ada.organization_id(), "ada@acme.com").await;
    let revoke = pb::RevokeSessionRequest {
        member_session_id: Some(ada.session_id().to_owned()),
        ..pb::RevokeSessionRequest::default()
    };
    t.clients().revoke_session(revoke).await.unwrap();
    is_gone(&t, &ada).await;
    assert_eq!(checked(&t, &other.token).await.member_session_id, other.session_id());
}

async fn a_deleted_members_sessions_stay_dead(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clients().member(ada.organization_id(), "bob@acme.com").await;
    let bob = entered(&t, ada.organization_id(), "bob@acme.com").await;
    let delete = pb::DeleteMemberRequest {
        organization_id: bob.organization_id().to_owned(),
        member_id: bob.member_id().to_owned(),
        ..pb::DeleteMemberRequest::default()
    };
    t.clients().delete_member(delete).await.unwrap();
    is_gone(&t, &bob).await;
    checked(&t, &ada.token).await;
    let reactivate = pb::ReactivateMemberRequest {
        organization_id: bob.organization_id().to_owned(),
        member_id: bob.member_id().to_owned(),
        ..pb::ReactivateMemberRequest::default()
    };
    t.clients().reactivate_member(reactivate).await.unwrap();
    is_gone(&t, &bob).await;
    let again = entered(&t, ada.organization_id(), "bob@acme.com").await;
    assert_eq!(again.member_id(), bob.member_id());
    assert_eq!(checked(&t, &again.token).await.member_session_id, again.session_id());
    is_gone(&t, &bob).await;
}

async fn a_deleted_organizations_sessions_are_gone(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let eve = founder(&t, "eve@globex.com").await;
    let organization_id = ada.organization_id().to_owned();
    let delete = pb::DeleteOrganizationRequest { organization_id, etag: None };
    t.clients().delete_organization(delete).await.unwrap();
    is_gone(&t, &ada).await;
    checked(&t, &eve.token).await;
}

async fn a_well_formed_token_that_is_nobodys_is_not_found(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let turned = |from: char, to: char| if ada.token.starts_with(from) { to } else { from };
    let near = format!("{}{}", turned('A', 'B'), &ada.token[1..]);
    for token in ["A".repeat(44), "-_".repeat(22), ada.token.chars().rev().collect(), near] {
        let answer = t.clients().authenticate(by_token(&token)).await;
        refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
    }
}

async fn what_is_no_token_is_refused(t: Harness) {
    const REASON: &str = "INVALID_SESSION_TOKEN";
    let ada = founder(&t, "ada@acme.com").await;
    let intermediate = t.clients().token("ada@acme.com").await;
    let token = &ada.token;
    let malformed = [
        String::new(),
        " ".to_owned(),
        "token".to_owned(),
        token[1..].to_owned(),
        token[..40].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        format!("{token}AAAA"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{}\0", &token[..43]),
        format!("{}\u{ff21}", &token[..41]),
        format!("+/{}", &token[2..]),
        format!("Bearer {token}"),
        "=".repeat(44),
        "A".repeat(1_000_000),
        intermediate,
        ada.session_id().to_owned(),
        ada.jwt.clone(),
    ];
    for text in malformed {
        let answer = t.clients().authenticate(by_token(&text)).await;
        let refusal = refused(answer, Code::InvalidArgument, REASON);
        assert_eq!(refusal.violations(), [("session_token", REASON)]);
        assert!(text.len() < 10 || !refusal.message.contains(&text), "{refusal:?}");
    }
}

async fn exactly_one_of_token_and_jwt_is_sent(t: Harness) {
    const NONE: &str = "NO_SESSION_ARGUMENTS";
    const SEVERAL: &str = "TOO_MANY_SESSION_ARGUMENTS";
    let ada = founder(&t, "ada@acme.com").await;
    let none = refused(t.clients().authenticate(Request::default()).await, Code::InvalidArgument, NONE);
    assert_eq!(none.violations(), [("session_token", NONE)]);
    for (token, jwt) in [(ada.token.as_str(), ada.jwt.as_str()), ("", ""), (&ada.token, "")] {
        let both = Request { session_jwt: Some(jwt.to_owned()), ..by_token(token) };
        let both = refused(t.clients().authenticate(both).await, Code::InvalidArgument, SEVERAL);
        assert_eq!(both.violations(), [("session_token", SEVERAL), ("session_jwt", SEVERAL)]);
    }
}

/// The roles that a check tells: on the session, and in its JWT.
async fn roles(t: &Harness, token: &str) -> Vec<String> {
    let answer = t.clients().authenticate(by_token(token)).await.unwrap().into_inner();
    let session = answer.member_session.unwrap();
    let signed = part(&answer.session_jwt, 1)["https://stytch.com/session"]["roles"].clone();
    assert_eq!(serde_json::from_value::<Vec<String>>(signed).unwrap(), session.roles);
    let of_member: Vec<_> = answer.member.unwrap().roles.into_iter().map(|role| role.role_id).collect();
    assert_eq!(of_member, session.roles);
    session.roles
}

async fn roles_are_those_of_the_member_now(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clients().member(ada.organization_id(), "bob@acme.com").await;
    let bob = entered(&t, ada.organization_id(), "bob@acme.com").await;
    assert_eq!(roles(&t, &bob.token).await, ["stytch_member"]);
    let change = |roles: &[&str]| pb::UpdateMemberRequest {
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        update_mask: crate::harness::members::mask(&["roles"]),
        ..member_update(bob.organization_id(), bob.member_id())
    };
    t.clients().update_member(change(&["stytch_admin"])).await.unwrap();
    assert_eq!(roles(&t, &bob.token).await, ["stytch_member", "stytch_admin"]);
    t.clients().update_member(change(&[])).await.unwrap();
    assert_eq!(roles(&t, &bob.token).await, ["stytch_member"]);
    // And those that come with the domain of the address.
    let by_domain = pb::UpdateOrganizationRequest {
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "acme.com".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        ..organization_update(ada.organization_id())
    };
    t.clients().update_organization(by_domain).await.unwrap();
    assert_eq!(roles(&t, &bob.token).await, ["stytch_member", "stytch_admin"]);
}

async fn a_changed_name_of_the_organization_shows_at_once(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let renamed = pb::UpdateOrganizationRequest {
        organization_name: Some("Analytical Engines".to_owned()),
        organization_slug: Some("engines".to_owned()),
        ..organization_update(ada.organization_id())
    };
    let renamed = t.clients().update_organization(renamed).await.unwrap().into_inner().organization.unwrap();
    for request in [by_token(&ada.token), by_jwt(&ada.jwt)] {
        let answer = t.clients().authenticate(request).await.unwrap().into_inner();
        assert_eq!(answer.organization.as_ref(), Some(&renamed));
        assert_eq!(answer.member_session.unwrap().organization_slug, "engines");
        let signed = &part(&answer.session_jwt, 1)["https://stytch.com/organization"];
        assert_eq!(signed["slug"], "engines");
        assert_eq!(signed["organization_id"], ada.organization_id());
    }
}
