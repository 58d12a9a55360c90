//! A repeat with the same idempotency key gets the same session again.

use std::time::Duration;

use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::super::common::{checked, founder, part, written};
use super::{Request, Switched, by_its_jwt, inviting, switch, switched};
use crate::harness::fixtures::{organization, with_key};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_repeat_gets_the_session_again_with_a_fresh_jwt,
    a_repeat_of_an_acceptance_is_answered_as_before,
    without_a_key_there_is_a_second_session,
    a_key_is_bound_to_its_request,
    a_repeat_needs_both_sessions,
    a_repeat_survives_a_restart,
);

/// The answer without what differs in a repeat.
fn lasting(answer: Switched) -> Switched {
    Switched { request_id: String::new(), session_jwt: String::new(), ..answer }
}

async fn keyed(t: &Harness, request: &Request, key: &str) -> Switched {
    t.clients().switch(with_key(request.clone(), key)).await.unwrap().into_inner()
}

fn revocation(token: &str) -> pb::RevokeSessionRequest {
    pb::RevokeSessionRequest { session_token: Some(token.to_owned()), ..pb::RevokeSessionRequest::default() }
}

async fn a_repeat_gets_the_session_again_with_a_fresh_jwt(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let by_jwt = by_its_jwt(&ada.jwt, there.organization_id());
    for (request, key) in [(switch(&ada.token, there.organization_id()), "token"), (by_jwt, "jwt")] {
        let first = keyed(&t, &request, key).await;
        let wrote = written(&t).await;
        t.clock.advance(Duration::from_mins(6));
        let again = keyed(&t, &request, key).await;
        assert_eq!(part(&again.session_jwt, 1)["iat"], t.clock.now().unix_timestamp());
        assert_ne!(again.request_id, first.request_id);
        assert_eq!(lasting(again.clone()), lasting(first));
        assert_eq!(written(&t).await, wrote);
        let session = checked(&t, &again.session_token).await;
        assert_eq!(session.member_session_id, again.member_session.unwrap().member_session_id);
    }
}

async fn a_repeat_of_an_acceptance_is_answered_as_before(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let globex = inviting(&t, "ada@acme.com", organization("Globex")).await;
    let request = switch(&ada.token, &globex.organization_id);
    let first = keyed(&t, &request, "key").await;
    assert_eq!(first.member.as_ref().unwrap().status, "active");
    let wrote = written(&t).await;
    assert_eq!(lasting(keyed(&t, &request, "key").await), lasting(first));
    assert_eq!(written(&t).await, wrote);
}

async fn without_a_key_there_is_a_second_session(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let request = switch(&ada.token, there.organization_id());
    let keyed_one = keyed(&t, &request, "one").await;
    let others = [
        switched(&t, request.clone()).await,
        switched(&t, request.clone()).await,
        keyed(&t, &request, "two").await,
    ];
    let mut tokens: Vec<_> = others.iter().map(|answer| answer.session_token.clone()).collect();
    tokens.push(keyed_one.session_token);
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4);
    assert_eq!(t.count("sessions").await, 6);
}

async fn a_key_is_bound_to_its_request(t: Harness) {
    const REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let request = switch(&ada.token, there.organization_id());
    keyed(&t, &request, "key").await;
    let wrote = written(&t).await;
    let others = [
        by_its_jwt(&ada.jwt, there.organization_id()),
        switch(&there.token, there.organization_id()),
        switch(&ada.token, ada.organization_id()),
        switch(&ada.token, &there.organization.organization_slug),
        Request { session_duration_minutes: Some(60), ..request },
    ];
    for other in others {
        let refusal =
            refused(t.clients().switch(with_key(other, "key")).await, Code::InvalidArgument, REUSED);
        assert_eq!(refusal.violations(), [("idempotency-key", REUSED)]);
    }
    assert_eq!(written(&t).await, wrote);
}

/// What was answered is answered again to whoever still holds the old session, while the new one lives.
async fn a_repeat_needs_both_sessions(t: Harness) {
    let gone = |answer| refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
    let there = founder(&t, "ada@acme.com").await;
    let mut requests = Vec::new();
    for ends in ["old", "new"] {
        let ada = founder(&t, "ada@acme.com").await;
        for request in
            [switch(&ada.token, there.organization_id()), by_its_jwt(&ada.jwt, there.organization_id())]
        {
            let key = format!("{ends}-{}", request.session_token.is_some());
            let first = keyed(&t, &request, &key).await;
            if ends == "new" {
                t.clients().revoke_session(revocation(&first.session_token)).await.unwrap();
            }
            requests.push((request, key));
        }
        if ends == "old" {
            t.clients().revoke_session(revocation(&ada.token)).await.unwrap();
        }
    }
    let wrote = written(&t).await;
    for (request, key) in requests {
        gone(t.clients().switch(with_key(request, &key)).await);
    }
    assert_eq!(written(&t).await, wrote);

    // The old one ends by itself, and the new one by itself.
    for (minutes, of_new) in [(60, 90), (5, 5)] {
        let ada = founder(&t, "ada@acme.com").await;
        let request =
            Request { session_duration_minutes: Some(of_new), ..switch(&ada.token, there.organization_id()) };
        let there = founder(&t, "ada@acme.com").await;
        let request = Request { organization_id: there.organization_id().to_owned(), ..request };
        let key = format!("after-{minutes}");
        keyed(&t, &request, &key).await;
        t.clock.advance(Duration::from_mins(minutes));
        gone(t.clients().switch(with_key(request, &key)).await);
    }
}

async fn a_repeat_survives_a_restart(mut t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let request = switch(&ada.token, there.organization_id());
    let first = keyed(&t, &request, "key").await;
    t.restart().await;
    let again = keyed(&t, &request, "key").await;
    assert_eq!(lasting(again), lasting(first));
}
