//! Who may ask: exactly one credential, of the right shape, that is still worth something.

use std::time::Duration;

use tonic::Code;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, malformed_tokens};
use crate::harness::logins::{exchange, listing};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    exactly_one_credential_is_sent,
    what_is_no_token_is_refused,
    a_token_that_is_worth_nothing_is_not_found,
    a_session_that_has_ended_is_not_found,
    a_session_is_known_by_its_token_and_by_its_jwt,
);

type Request = pb::ListDiscoveredOrganizationsRequest;

fn by_session(session_token: &str) -> Request {
    Request { session_token: Some(session_token.to_owned()), ..Request::default() }
}

fn by_jwt(session_jwt: &str) -> Request {
    Request { session_jwt: Some(session_jwt.to_owned()), ..Request::default() }
}

async fn refusal(clients: &Clients, request: Request, code: Code, reason: &str) -> Refusal {
    refused(clients.discovered(request).await, code, reason)
}

async fn exactly_one_credential_is_sent(t: Harness) {
    let clients = t.clients();
    let login = clients.founded("ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let none = refusal(&clients, Request::default(), Code::InvalidArgument, "NO_SESSION_ARGUMENTS").await;
    assert_eq!(none.violations(), [("intermediate_session_token", "NO_SESSION_ARGUMENTS")]);
    let fields = ["intermediate_session_token", "session_token", "session_jwt"];
    // What is sent is counted, not whether there is something in it.
    for texts in [[token.as_str(), &login.session_token, &login.session_jwt], ["", "", ""]] {
        for sent in [[true, true, false], [true, false, true], [false, true, true], [true, true, true]] {
            let text = |index: usize| sent[index].then(|| texts[index].to_owned());
            let request =
                Request { intermediate_session_token: text(0), session_token: text(1), session_jwt: text(2) };
            let reason = "TOO_MANY_SESSION_ARGUMENTS";
            let several = refusal(&clients, request, Code::InvalidArgument, reason).await;
            let expected: Vec<_> = fields
                .iter()
                .zip(sent)
                .filter(|(_, sent)| *sent)
                .map(|(field, _)| (*field, reason))
                .collect();
            assert_eq!(several.violations(), expected);
        }
    }
}

async fn what_is_no_token_is_refused(t: Harness) {
    let clients = t.clients();
    let login = clients.founded("ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let reason = "INVALID_SESSION_TOKEN";
    for text in malformed_tokens(&token).into_iter().chain([login.session_token.clone()]) {
        let answer = refusal(&clients, listing(&text), Code::InvalidArgument, reason).await;
        assert_eq!(answer.violations(), [("intermediate_session_token", reason)], "{text:?}");
    }
    let session = login.session_token.as_str();
    let malformed =
        [String::new(), "token".to_owned(), session[1..].to_owned(), format!("{session}A"), token];
    for text in malformed {
        let answer = refusal(&clients, by_session(&text), Code::InvalidArgument, reason).await;
        assert_eq!(answer.violations(), [("session_token", reason)], "{text:?}");
    }
    let jwt = login.session_jwt.as_str();
    let (head, signature) = jwt.rsplit_once('.').unwrap();
    let malformed = [
        String::new(),
        "a.b.c".to_owned(),
        head.to_owned(),
        format!("{head}."),
        format!("{head}.{}", "A".repeat(signature.len())),
        format!("{jwt}.{signature}"),
        login.session_token.clone(),
        "A".repeat(32 * 1024 + 1),
    ];
    let reason = "UNABLE_TO_PARSE_SESSION_JWT";
    for text in malformed {
        let answer = refusal(&clients, by_jwt(&text), Code::InvalidArgument, reason).await;
        assert_eq!(answer.violations(), [("session_jwt", reason)], "{text:?}");
    }
    assert_eq!(super::names(&clients, by_jwt(jwt)).await, ["acme"]);
}

async fn a_token_that_is_worth_nothing_is_not_found(t: Harness) {
    let clients = t.clients();
    let unknown = format!("{}=", "A".repeat(43));
    let spent = clients.token("ada@acme.com").await;
    let created = clients.spend(creation(&spent)).await.unwrap().into_inner();
    let exchanged = clients.token("ada@acme.com").await;
    let organization_id = created.organization.unwrap().organization_id;
    clients.exchange(exchange(&exchanged, &organization_id)).await.unwrap();
    let revoked = clients.token("ada@acme.com").await;
    clients.revoke(&revoked).await.unwrap();
    let expired = clients.token("ada@acme.com").await;
    t.outlive(&expired).await;
    for text in [unknown, spent, exchanged, revoked, expired] {
        refusal(&clients, listing(&text), Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND").await;
    }
}

async fn a_session_that_has_ended_is_not_found(t: Harness) {
    let clients = t.clients();
    let revoked = clients.founded("ada@acme.com").await;
    let revocation = pb::RevokeSessionRequest {
        session_token: Some(revoked.session_token.clone()),
        ..pb::RevokeSessionRequest::default()
    };
    clients.revoke_session(revocation).await.unwrap();
    let orphan = clients.founded("bob@acme.com").await;
    clients.expel(&orphan.organization.as_ref().unwrap().organization_id, &orphan.member_id).await;
    let stranded = clients.founded("eve@acme.com").await;
    clients.dissolve(&stranded.organization.as_ref().unwrap().organization_id).await;
    let expired = clients.founded("joe@acme.com").await;
    t.clock.advance(Duration::from_hours(1));
    for login in [revoked, orphan, stranded, expired] {
        for request in [by_session(&login.session_token), by_jwt(&login.session_jwt)] {
            refusal(&clients, request, Code::NotFound, "SESSION_NOT_FOUND").await;
        }
    }
    let unknown = format!("{}A", "A".repeat(43));
    refusal(&clients, by_session(&unknown), Code::NotFound, "SESSION_NOT_FOUND").await;
}

async fn a_session_is_known_by_its_token_and_by_its_jwt(t: Harness) {
    let clients = t.clients();
    let login = clients.founded("ada@acme.com").await;
    let answers = async || {
        let mut answers = Vec::new();
        for request in [by_session(&login.session_token), by_jwt(&login.session_jwt)] {
            let mut answer = clients.discovered(request).await.unwrap().into_inner();
            answer.request_id.clear();
            answers.push(answer);
        }
        answers
    };
    let [by_token, by_jwt]: [_; 2] = answers().await.try_into().unwrap();
    assert_eq!(by_token, by_jwt);
    assert_eq!(by_token.email_address, "ada@acme.com");
    assert_eq!(by_token.organization_id_hint, None);
    let home = login.organization.as_ref().unwrap();
    let expected =
        super::found(&clients, &home.organization_id, "active_member", Some(&login.member_id)).await;
    assert_eq!(by_token.discovered_organizations, [expected]);
    // The JWT's five minutes are over, the session's hour is not.
    t.clock.advance(Duration::from_mins(59));
    assert_eq!(answers().await, [by_token, by_jwt]);
}
