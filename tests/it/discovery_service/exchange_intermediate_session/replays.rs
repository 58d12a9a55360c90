//! A repeat with the same idempotency key gets the first answer again; any other call gets nothing.

use std::time::Duration;

use tonic::Code;

use crate::harness::fixtures::{creation, magic_link, with_key};
use crate::harness::logins::{by_token, exchange};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

use super::super::people::{password, totp};
use super::written::{claims, told, written};
use super::{Request, Response, entered};

on_both_backends!(
    a_repeat_gets_the_first_answer_with_a_fresh_jwt,
    an_unfinished_answer_is_repeated_until_another_key_goes_on,
    a_finished_creation_is_repeated,
    a_repeat_works_for_ten_minutes,
    a_key_is_bound_to_its_request,
    without_the_key_a_repeat_gets_nothing,
    a_repeat_names_what_is_gone,
    an_unfinished_answer_names_what_is_gone,
    a_repeat_survives_a_restart,
);

/// The answer without what differs in a repeat.
fn lasting(response: Response) -> Response {
    Response { request_id: String::new(), session_jwt: String::new(), ..response }
}

async fn a_repeat_gets_the_first_answer_with_a_fresh_jwt(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    let token = clients.token("ada@acme.com").await;
    let request = || with_key(exchange(&token, &acme), "key");
    let before = written(&t).await;
    let first = clients.exchange(request()).await.unwrap().into_inner();
    assert!(first.member_authenticated);
    let wrote = written(&t).await;
    let more: Vec<_> = wrote.iter().zip(&before).map(|(after, before)| after - before).collect();
    // A member of version 1 with an address, a session, a receipt, an answer; and the two events.
    assert_eq!(more, [0, 1, 1, 1, 1, 1, 1, 2]);
    for minute in 1..=3 {
        t.clock.advance(Duration::from_mins(1));
        let again = clients.exchange(request()).await.unwrap().into_inner();
        assert_ne!(again.request_id, first.request_id);
        assert_eq!(told(&t, &again.request_id).await, []);
        let (old, mut new) = (claims(&t, &first.session_jwt).await, claims(&t, &again.session_jwt).await);
        for name in ["iat", "nbf", "exp"] {
            assert_eq!(new[name].as_i64(), Some(old[name].as_i64().unwrap() + minute * 60), "{name}");
            new[name] = old[name].clone();
        }
        assert_eq!(new, old);
        assert_eq!(lasting(again), lasting(first.clone()));
    }
    assert_eq!(written(&t).await, wrote);
    let read = clients.authenticate(by_token(&first.session_token)).await.unwrap().into_inner();
    assert_eq!(read.member, first.member);
}

async fn an_unfinished_answer_is_repeated_until_another_key_goes_on(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    clients.ask_for_second_factors(&acme).await;
    for (factors, owed) in [(vec![password()], magic_link()), (vec![magic_link()], totp())] {
        let token = clients.token_with("ada@acme.com", factors).await;
        let request = |key: &str| with_key(exchange(&token, &acme), &format!("{key}-{token}"));
        let first = clients.exchange(request("first")).await.unwrap().into_inner();
        assert_eq!(first.intermediate_session_token, token);
        let wrote = written(&t).await;
        let again = clients.exchange(request("first")).await.unwrap().into_inner();
        assert_eq!(lasting(again), lasting(first.clone()));
        clients.add_factor(&token, owed).await.unwrap();
        clients.add_factor(&token, totp()).await.unwrap();
        t.clock.advance(Duration::from_mins(1));
        let again = clients.exchange(request("first")).await.unwrap().into_inner();
        assert_eq!(lasting(again), lasting(first.clone()));
        assert_eq!(written(&t).await, wrote);
        let complete = clients.exchange(request("second")).await.unwrap().into_inner();
        assert!(complete.member_authenticated);
        let again = clients.exchange(request("second")).await.unwrap().into_inner();
        assert_eq!(lasting(again), lasting(complete));
        // What the first answer handed back is spent.
        let answer = clients.exchange(request("first")).await;
        refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    }
}

async fn a_finished_creation_is_repeated(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![password()]).await;
    let created = clients.spend(with_key(creation(&token), "create")).await.unwrap().into_inner();
    let acme = created.organization.unwrap().organization_id;
    let request = |key| with_key(exchange(&token, &acme), key);
    let owing = clients.exchange(request("owing")).await.unwrap().into_inner();
    assert!(owing.primary_required.is_some());
    clients.add_factor(&token, magic_link()).await.unwrap();
    let again = clients.exchange(request("owing")).await.unwrap().into_inner();
    assert_eq!(lasting(again), lasting(owing));
    let first = clients.exchange(request("finish")).await.unwrap().into_inner();
    assert!(first.member_authenticated);
    let wrote = written(&t).await;
    let again = clients.exchange(request("finish")).await.unwrap().into_inner();
    assert_eq!(lasting(again), lasting(first));
    for key in ["owing", "another"] {
        let answer = clients.exchange(request(key)).await;
        refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    }
    let answer = clients.spend(with_key(creation(&token), "create")).await;
    refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    assert_eq!(written(&t).await, wrote);
}

async fn a_repeat_works_for_ten_minutes(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let request = || with_key(exchange(&token, &acme), "key");
    assert!(clients.exchange(request()).await.is_ok());
    // By Redis' clock, which began before the test's, the token ends a little earlier.
    t.clock.advance(Duration::from_secs(590));
    assert!(clients.exchange(request()).await.is_ok());
    t.clock.advance(Duration::from_mins(1));
    refused(clients.exchange(request()).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
}

async fn a_key_is_bound_to_its_request(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    let (token, other) = (clients.token("ada@acme.com").await, clients.token("ada@acme.com").await);
    let before = clients.inspect(&other).await.unwrap().into_inner().intermediate_session;
    assert!(clients.exchange(with_key(exchange(&token, &acme), "key")).await.is_ok());
    let wrote = written(&t).await;
    let longer = Request { session_duration_minutes: Some(61), ..exchange(&token, &acme) };
    for request in [exchange(&other, &acme), exchange(&other, "acme"), longer] {
        let answer = clients.exchange(with_key(request, "key")).await;
        let refusal = refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(refusal.violations(), [("idempotency-key", "IDEMPOTENCY_KEY_REUSED")]);
    }
    // Nor is it the key of another method.
    let answer = clients.spend(with_key(creation(&other), "key")).await;
    refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(written(&t).await, wrote);
    assert_eq!(clients.inspect(&other).await.unwrap().into_inner().intermediate_session, before);
    assert!(entered(&clients, &other, &acme).await.member_authenticated);
}

async fn without_the_key_a_repeat_gets_nothing(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let first = clients.exchange(with_key(exchange(&token, &acme), "key")).await.unwrap().into_inner();
    let wrote = written(&t).await;
    let others = [tonic::Request::new(exchange(&token, &acme)), with_key(exchange(&token, &acme), "other")];
    for request in others {
        refused(clients.exchange(request).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    }
    let again = clients.exchange(with_key(exchange(&token, &acme), "key")).await.unwrap().into_inner();
    assert_eq!(lasting(again), lasting(first));
    assert_eq!(written(&t).await, wrote);
}

async fn a_repeat_names_what_is_gone(t: Harness) {
    let clients = t.clients();
    let cases = [
        ("revoked", "SESSION_NOT_FOUND"),
        ("expired", "SESSION_NOT_FOUND"),
        ("expelled", "MEMBER_NOT_FOUND"),
        ("dissolved", "ORGANIZATION_NOT_FOUND"),
    ];
    for (case, reason) in cases {
        let acme = clients.organization("Acme").await.organization_id;
        let member = clients.member(&acme, "ada@acme.com").await.member_id;
        let token = clients.token("ada@acme.com").await;
        let request = || {
            let short = Request { session_duration_minutes: Some(5), ..exchange(&token, &acme) };
            with_key(short, case)
        };
        let first = clients.exchange(request()).await.unwrap().into_inner();
        match case {
            "revoked" => {
                let revocation = vestibule::pb::RevokeSessionRequest {
                    session_token: Some(first.session_token),
                    ..vestibule::pb::RevokeSessionRequest::default()
                };
                clients.revoke_session(revocation).await.unwrap();
            }
            "expelled" => clients.expel(&acme, &member).await,
            "dissolved" => clients.dissolve(&acme).await,
            _ => t.clock.advance(Duration::from_mins(6)),
        }
        let wrote = written(&t).await;
        refused(clients.exchange(request()).await, Code::NotFound, reason);
        assert_eq!(written(&t).await, wrote);
    }
}

async fn an_unfinished_answer_names_what_is_gone(t: Harness) {
    let clients = t.clients();
    for reason in ["MEMBER_NOT_FOUND", "ORGANIZATION_NOT_FOUND"] {
        let acme = clients.organization("Acme").await.organization_id;
        let member = clients.member(&acme, "ada@acme.com").await.member_id;
        clients.ask_for_second_factors(&acme).await;
        let token = clients.token("ada@acme.com").await;
        let request = || with_key(exchange(&token, &acme), reason);
        let owing = clients.exchange(request()).await.unwrap().into_inner();
        assert!(owing.mfa_required.is_some());
        if reason == "MEMBER_NOT_FOUND" {
            clients.expel(&acme, &member).await;
        } else {
            clients.dissolve(&acme).await;
        }
        refused(clients.exchange(request()).await, Code::NotFound, reason);
        assert!(clients.inspect(&token).await.is_ok());
    }
}

async fn a_repeat_survives_a_restart(mut t: Harness) {
    let acme = t.clients().organization("Acme").await.organization_id;
    t.clients().member(&acme, "ada@acme.com").await;
    let token = t.clients().token("ada@acme.com").await;
    let request = || with_key(exchange(&token, &acme), "key");
    let first = t.clients().exchange(request()).await.unwrap().into_inner();
    t.restart().await;
    let again = t.clients().exchange(request()).await.unwrap().into_inner();
    assert_eq!(lasting(again), lasting(first));
    let answer = t.clients().exchange(exchange(&token, &acme)).await;
    refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
}
