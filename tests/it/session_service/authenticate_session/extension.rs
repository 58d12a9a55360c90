//! Moving the end of a session, and what a repeated call does to it.

use std::time::Duration;

use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::super::common::{checked, event_count, founder, minutes, part, written};
use super::Request;
use crate::harness::fixtures::with_key;
use crate::harness::logins::{by_jwt, by_token};
use crate::harness::refusal::refused;
use crate::harness::values::{object, seconds};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_session_is_extended_only_when_asked,
    the_new_end_counts_from_now,
    durations_have_limits,
    an_extended_session_lives_on,
    a_jwt_extends_as_well,
    a_repeat_gets_the_first_answer_and_moves_nothing,
    a_key_is_bound_to_its_request,
    a_repeat_for_a_session_that_has_ended_is_not_found,
    a_call_that_changes_nothing_keeps_no_key,
    a_refused_call_does_not_use_up_its_key,
);

const REASON: &str = "INVALID_SESSION_DURATION_MINUTES";

fn lasting(token: &str, minutes: i32) -> Request {
    Request { session_duration_minutes: Some(minutes), ..by_token(token) }
}

async fn a_session_is_extended_only_when_asked(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let claims =
        Request { session_custom_claims: Some(object(&serde_json::json!({"a": 1}))), ..by_token(&ada.token) };
    for request in [by_token(&ada.token), by_jwt(&ada.jwt), claims] {
        t.clock.advance(Duration::from_mins(10));
        let answer = t.clients().authenticate(request).await.unwrap().into_inner();
        assert_eq!(answer.member_session.unwrap().expires_at, ada.session.expires_at);
    }
}

async fn the_new_end_counts_from_now(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let events = event_count(&t).await;
    // Longer, shorter, and as long as it can be.
    for length in [120, 5, 60, 527_040, 5] {
        t.clock.advance(Duration::from_mins(1));
        let answer = t.clients().authenticate(lasting(&ada.token, length)).await.unwrap().into_inner();
        let now = seconds(t.clock.now());
        let end = minutes(&t, length.into());
        let session =
            pb::MemberSession { last_accessed_at: Some(now), expires_at: Some(end), ..ada.session.clone() };
        assert_eq!(answer.member_session.as_ref(), Some(&session), "{length}");
        assert_eq!(answer.session_token, ada.token);
        let claims = part(&answer.session_jwt, 1);
        assert_eq!(claims["exp"], now.seconds + 300, "the JWT does not live longer");
        let signed = time::OffsetDateTime::parse(
            claims["https://stytch.com/session"]["expires_at"].as_str().unwrap(),
            &time::format_description::well_known::Rfc3339,
        );
        assert_eq!(signed.unwrap().unix_timestamp(), end.seconds, "{length}");
        assert_eq!(checked(&t, &ada.token).await, session, "{length}");
        let listed = t.clients().sessions_of(ada.organization_id(), ada.member_id()).await.unwrap();
        assert_eq!(listed.into_inner().member_sessions, [session], "{length}");
    }
    assert_eq!(event_count(&t).await, events, "using a session is no event");
}

async fn durations_have_limits(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let before = written(&t).await;
    for length in [4, 0, -1, -60, 527_041, i32::MIN, i32::MAX] {
        let answer = t.clients().authenticate(lasting(&ada.token, length)).await;
        let refusal = refused(answer, Code::InvalidArgument, REASON);
        assert_eq!(refusal.violations(), [("session_duration_minutes", REASON)], "{length}");
    }
    assert_eq!(written(&t).await, before);
    // Everything that is wrong is told, in the order of the fields.
    let wrong = Request { session_token: Some("short".to_owned()), ..lasting(&ada.token, 4) };
    let refusal =
        refused(t.clients().authenticate(wrong).await, Code::InvalidArgument, "INVALID_SESSION_TOKEN");
    let expected = [("session_token", "INVALID_SESSION_TOKEN"), ("session_duration_minutes", REASON)];
    assert_eq!(refusal.violations(), expected);
}

async fn an_extended_session_lives_on(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clients().authenticate(lasting(&ada.token, 61)).await.unwrap();
    t.clock.advance(Duration::from_hours(1));
    checked(&t, &ada.token).await;
    t.clients().authenticate(lasting(&ada.token, 5)).await.unwrap();
    t.clock.advance(Duration::from_mins(5));
    refused(t.clients().authenticate(by_token(&ada.token)).await, Code::NotFound, "SESSION_NOT_FOUND");
}

async fn a_jwt_extends_as_well(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_mins(20));
    let request = Request { session_duration_minutes: Some(90), ..by_jwt(&ada.jwt) };
    let answer = t.clients().authenticate(request).await.unwrap().into_inner();
    assert_eq!(answer.session_token, "");
    assert_eq!(answer.member_session.unwrap().expires_at, Some(minutes(&t, 90)));
    assert_eq!(checked(&t, &ada.token).await.expires_at, Some(minutes(&t, 90)));
}

async fn a_repeat_gets_the_first_answer_and_moves_nothing(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let by_its_jwt = Request { session_duration_minutes: Some(80), ..by_jwt(&ada.jwt) };
    for (request, key) in [(lasting(&ada.token, 90), "token"), (by_its_jwt, "jwt")] {
        let call = || with_key(request.clone(), key);
        let first = t.clients().authenticate(call()).await.unwrap().into_inner();
        let wrote = written(&t).await;
        t.clock.advance(Duration::from_mins(7));
        let again = t.clients().authenticate(call()).await.unwrap().into_inner();
        assert_eq!(part(&again.session_jwt, 1)["iat"], t.clock.now().unix_timestamp(), "the JWT is fresh");
        assert_ne!(again.request_id, first.request_id);
        // It is used again, and nothing else about it has changed.
        let mut session = first.member_session.unwrap();
        session.last_accessed_at = Some(seconds(t.clock.now()));
        let expected = pb::AuthenticateSessionResponse {
            request_id: again.request_id.clone(),
            session_jwt: again.session_jwt.clone(),
            member_session: Some(session),
            ..first
        };
        assert_eq!(again, expected);
        assert_eq!(written(&t).await, wrote);
    }
}

async fn a_key_is_bound_to_its_request(t: Harness) {
    const REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
    let ada = founder(&t, "ada@acme.com").await;
    let other = founder(&t, "ada@acme.com").await;
    t.clients().authenticate(with_key(lasting(&ada.token, 90), "key")).await.unwrap();
    let wrote = written(&t).await;
    for request in [lasting(&ada.token, 91), lasting(&other.token, 90)] {
        let answer = t.clients().authenticate(with_key(request, "key")).await;
        let refusal = refused(answer, Code::InvalidArgument, REUSED);
        assert_eq!(refusal.violations(), [("idempotency-key", REUSED)]);
    }
    assert_eq!(written(&t).await, wrote);
}

async fn a_repeat_for_a_session_that_has_ended_is_not_found(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let call = || with_key(lasting(&ada.token, 5), "key");
    t.clients().authenticate(call()).await.unwrap();
    t.clients().authenticate(call()).await.unwrap();
    t.clock.advance(Duration::from_mins(5));
    refused(t.clients().authenticate(call()).await, Code::NotFound, "SESSION_NOT_FOUND");

    let bob = founder(&t, "bob@acme.com").await;
    let call = || with_key(lasting(&bob.token, 90), "another-key");
    t.clients().authenticate(call()).await.unwrap();
    let revoke = pb::RevokeSessionRequest {
        session_token: Some(bob.token.clone()),
        ..pb::RevokeSessionRequest::default()
    };
    t.clients().revoke_session(revoke).await.unwrap();
    let wrote = written(&t).await;
    refused(t.clients().authenticate(call()).await, Code::NotFound, "SESSION_NOT_FOUND");
    assert_eq!(written(&t).await, wrote);
}

async fn a_call_that_changes_nothing_keeps_no_key(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let before = written(&t).await;
    let first = t.clients().authenticate(with_key(by_token(&ada.token), "key")).await.unwrap();
    t.clock.advance(Duration::from_secs(1));
    let again = t.clients().authenticate(with_key(by_token(&ada.token), "key")).await.unwrap();
    assert_ne!(first.into_inner().member_session, again.into_inner().member_session);
    assert_eq!(written(&t).await, before);
    // So the key is free for a call that does.
    t.clients().authenticate(with_key(lasting(&ada.token, 90), "key")).await.unwrap();
}

async fn a_refused_call_does_not_use_up_its_key(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let before = written(&t).await;
    let nobodys = lasting(&"A".repeat(44), 90);
    refused(t.clients().authenticate(with_key(nobodys, "key")).await, Code::NotFound, "SESSION_NOT_FOUND");
    assert_eq!(written(&t).await, before);
    let answer = t.clients().authenticate(with_key(lasting(&ada.token, 90), "key")).await.unwrap();
    assert_eq!(answer.into_inner().member_session.unwrap().expires_at, Some(minutes(&t, 90)));
}
