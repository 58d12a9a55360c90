//! Who may ask, and about what.

use std::time::Duration;

use tonic::Code;
use vestibule::pb;

use crate::harness::fixtures::{creation, malformed_tokens};
use crate::harness::logins::explanation;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

use super::explained;

on_both_backends!(
    exactly_one_credential_is_sent,
    what_is_malformed_is_refused,
    a_credential_that_is_worth_nothing_is_not_found,
    a_session_is_known_by_its_token_and_by_its_jwt,
);

type Request = pb::ExplainDiscoveryRequest;

/// A request by a session.
fn by_session(session_token: &str, organization: &str) -> Request {
    Request {
        session_token: Some(session_token.to_owned()),
        organization_id: organization.to_owned(),
        ..Request::default()
    }
}

/// A request by the JWT of a session.
fn by_jwt(session_jwt: &str, organization: &str) -> Request {
    Request {
        session_jwt: Some(session_jwt.to_owned()),
        organization_id: organization.to_owned(),
        ..Request::default()
    }
}

async fn exactly_one_credential_is_sent(t: Harness) {
    let clients = t.clients();
    let login = clients.founded("ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let none = Request { organization_id: "acme".to_owned(), ..Request::default() };
    let refusal = refused(clients.explain(none).await, Code::InvalidArgument, "NO_SESSION_ARGUMENTS");
    assert_eq!(refusal.violations(), [("intermediate_session_token", "NO_SESSION_ARGUMENTS")]);
    let texts = [token, login.session_token, login.session_jwt];
    let fields = ["intermediate_session_token", "session_token", "session_jwt"];
    for sent in [[true, true, false], [true, false, true], [false, true, true], [true, true, true]] {
        let text = |index: usize| sent[index].then(|| texts[index].clone());
        let request = Request {
            intermediate_session_token: text(0),
            session_token: text(1),
            session_jwt: text(2),
            organization_id: "acme".to_owned(),
        };
        let reason = "TOO_MANY_SESSION_ARGUMENTS";
        let refusal = refused(clients.explain(request).await, Code::InvalidArgument, reason);
        let expected: Vec<_> =
            fields.iter().zip(sent).filter(|(_, sent)| *sent).map(|(field, _)| (*field, reason)).collect();
        assert_eq!(refusal.violations(), expected);
    }
}

async fn what_is_malformed_is_refused(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let login = clients.founded("ada@acme.com").await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (name, reason) in [
        ("", "INVALID_ORGANIZATION_ID"),
        ("a b", "INVALID_ORGANIZATION_ID"),
        ("acmé", "INVALID_ORGANIZATION_ID"),
        ("/", "INVALID_ORGANIZATION_ID"),
        (&"a".repeat(129), "INVALID_ORGANIZATION_ID"),
        (&format!("organization-live-{id}"), "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ] {
        let refusal =
            refused(clients.explain(explanation(&token, name)).await, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("organization_id", reason)], "{name:?}");
    }
    let reason = "INVALID_SESSION_TOKEN";
    for text in malformed_tokens(&token) {
        let answer = clients.explain(explanation(&text, "acme")).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("intermediate_session_token", reason)], "{text:?}");
    }
    let refusal = refused(clients.explain(by_session(&token, "")).await, Code::InvalidArgument, reason);
    let expected = [("session_token", reason), ("organization_id", "INVALID_ORGANIZATION_ID")];
    assert_eq!(refusal.violations(), expected);
    let reason = "UNABLE_TO_PARSE_SESSION_JWT";
    for text in [String::new(), "a.b.c".to_owned(), format!("{}A", login.session_jwt)] {
        let refusal = refused(clients.explain(by_jwt(&text, "acme")).await, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("session_jwt", reason)], "{text:?}");
    }
}

async fn a_credential_that_is_worth_nothing_is_not_found(t: Harness) {
    let clients = t.clients();
    let unknown = format!("{}=", "A".repeat(43));
    let spent = clients.token("ada@acme.com").await;
    let login = clients.spend(creation(&spent)).await.unwrap().into_inner();
    let revoked = clients.token("ada@acme.com").await;
    clients.revoke(&revoked).await.unwrap();
    let expired = clients.token("ada@acme.com").await;
    t.outlive(&expired).await;
    for text in [unknown, spent, revoked, expired] {
        for name in ["acme", "nowhere"] {
            let answer = clients.explain(explanation(&text, name)).await;
            refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
        }
    }
    t.clock.advance(Duration::from_hours(1));
    for request in [by_session(&login.session_token, "acme"), by_jwt(&login.session_jwt, "acme")] {
        refused(clients.explain(request).await, Code::NotFound, "SESSION_NOT_FOUND");
    }
}

async fn a_session_is_known_by_its_token_and_by_its_jwt(t: Harness) {
    let clients = t.clients();
    let login = clients.founded("ada@acme.com").await;
    // The JWT's five minutes are over, the session's hour is not.
    t.clock.advance(Duration::from_mins(59));
    for (name, visible) in [("acme", true), ("nowhere", false)] {
        let by_token = explained(&clients, by_session(&login.session_token, name)).await;
        assert_eq!(by_token.visible, visible, "{name}");
        let by_jwt = explained(&clients, by_jwt(&login.session_jwt, name)).await;
        let expected = pb::ExplainDiscoveryResponse { request_id: by_jwt.request_id.clone(), ..by_token };
        assert_eq!(by_jwt, expected, "{name}");
    }
}
