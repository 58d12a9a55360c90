//! Sessions are changed, switched and ended by many callers at once.

use serde_json::json;
use tonic::{Code, Request};
use vestibule::pb;

use super::changes::{CONCURRENT, ROUNDS, ended};
use super::together;
use crate::faults::Running;
use crate::faults::hold::{Hold, Moment, blocked, held};
use crate::harness::fixtures::with_key;
use crate::harness::json::object;
use crate::harness::logins::{by_jwt, by_token, exchange, switch};
use crate::harness::members::invitation;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    claims_of_many_callers_are_all_there,
    an_extension_revives_nothing,
    two_switches_make_two_sessions,
    every_switch_with_one_key_gets_one_session,
    a_session_is_switched_from_or_ended,
    all_sessions_of_a_member_end_while_it_switches,
    all_sessions_of_a_member_end_while_it_logs_in,
    a_session_is_switched_from_and_its_members_are_deleted,
);

/// How many callers change one session.
const CALLERS: usize = 60;

const NO_SESSION: (Code, &str) = (Code::NotFound, "SESSION_NOT_FOUND");

fn ending_all(member_id: &str) -> pb::RevokeSessionRequest {
    pb::RevokeSessionRequest { member_id: Some(member_id.to_owned()), ..pb::RevokeSessionRequest::default() }
}

fn ending(session_token: &str) -> pb::RevokeSessionRequest {
    pb::RevokeSessionRequest {
        session_token: Some(session_token.to_owned()),
        ..pb::RevokeSessionRequest::default()
    }
}

async fn claims_of_many_callers_are_all_there(t: Harness) {
    let clients = t.clients();
    let founded = clients.founded("ada@acme.com").await;
    let calls = (0..CALLERS).map(|number| {
        let clients = clients.clone();
        let own =
            if number % 2 == 0 { by_token(&founded.session_token) } else { by_jwt(&founded.session_jwt) };
        let claims = json!({ format!("claim-{number}"): number, "shared": { format!("{number}"): true } });
        let request = pb::AuthenticateSessionRequest { session_custom_claims: Some(object(claims)), ..own };
        async move { clients.authenticate(request).await }
    });
    let mut merged = 0;
    let mut answered = Vec::new();
    for (number, answer) in together(calls).await.into_iter().enumerate() {
        if ended(answer, &[CONCURRENT]).is_some() {
            merged += 1;
            answered.push(number);
        }
    }
    assert!(merged > 0);
    let seen = clients.authenticate(by_token(&founded.session_token)).await.unwrap().into_inner();
    let claims = seen.member_session.unwrap().custom_claims.unwrap().fields;
    assert_eq!(claims.len(), merged + 1, "no claim that was answered is lost, and no other is there");
    for number in answered {
        assert!(claims.contains_key(&format!("claim-{number}")), "{number}");
    }
    let Some(prost_types::value::Kind::StructValue(shared)) = &claims["shared"].kind else {
        panic!("{claims:?}");
    };
    assert_eq!(shared.fields.len(), merged);
}

async fn an_extension_revives_nothing(t: Harness) {
    let clients = t.clients();
    for round in 0..ROUNDS * 2 {
        let founded = clients.founded(&format!("ada-{round}@acme.com")).await;
        let extension = pb::AuthenticateSessionRequest {
            session_duration_minutes: Some(600),
            ..by_token(&founded.session_token)
        };
        let revocation = match round % 3 {
            0 => ending(&founded.session_token),
            1 => ending_all(&founded.member_id),
            _ => pb::RevokeSessionRequest {
                session_jwt: Some(founded.session_jwt.clone()),
                ..pb::RevokeSessionRequest::default()
            },
        };
        let (one, revoked, two) = tokio::join!(
            clients.authenticate(extension.clone()),
            clients.revoke_session(revocation),
            clients.authenticate(with_key(extension.clone(), &format!("key-{round}"))),
        );
        revoked.unwrap();
        ended(one, &[CONCURRENT, NO_SESSION]);
        ended(two, &[CONCURRENT, NO_SESSION]);
        for request in [
            Request::new(by_token(&founded.session_token)),
            Request::new(by_jwt(&founded.session_jwt)),
            Request::new(extension.clone()),
            with_key(extension, &format!("key-{round}")),
        ] {
            refused(clients.authenticate(request).await, NO_SESSION.0, NO_SESSION.1);
        }
        assert_eq!(t.count("sessions").await, 0);
    }
}

/// Somebody who is logged in to one organization and invited to another: the session token, and the other.
async fn invited(t: &Harness, address: &str) -> (pb::DiscoveryServiceCreateOrganizationResponse, String) {
    let clients = t.clients();
    let founded = clients.founded(address).await;
    let other = clients.organization("Other").await.organization_id;
    clients.invite_member(invitation(&other, address)).await.unwrap();
    (founded, other)
}

async fn two_switches_make_two_sessions(t: Harness) {
    let clients = t.clients();
    for round in 0..ROUNDS {
        let (founded, other) = invited(&t, &format!("ada-{round}@acme.com")).await;
        let sessions = t.count("sessions").await;
        let calls = (0..4).map(|_| {
            let (clients, request) = (clients.clone(), switch(&founded.session_token, &other));
            async move { clients.switch(request).await }
        });
        let switched: Vec<_> =
            together(calls).await.into_iter().filter_map(|answer| ended(answer, &[CONCURRENT])).collect();
        assert!(!switched.is_empty());
        for one in &switched {
            assert_eq!(one.member_id, switched[0].member_id);
            clients.authenticate(by_token(&one.session_token)).await.unwrap();
        }
        let tokens: std::collections::HashSet<_> = switched.iter().map(|one| &one.session_token).collect();
        assert_eq!(tokens.len(), switched.len());
        assert_eq!(t.count("sessions").await, sessions + i64::try_from(switched.len()).unwrap());
        clients.authenticate(by_token(&founded.session_token)).await.unwrap();
    }
    let changed = "events WHERE type = 'member.updated'";
    assert_eq!(t.count(changed).await, i64::try_from(ROUNDS).unwrap(), "each became active once");
}

async fn every_switch_with_one_key_gets_one_session(t: Harness) {
    let clients = t.clients();
    let (founded, other) = invited(&t, "ada@acme.com").await;
    let calls = (0..20).map(|_| {
        let (clients, request) = (clients.clone(), switch(&founded.session_token, &other));
        async move { clients.switch(with_key(request, "key")).await }
    });
    let tokens: std::collections::HashSet<_> = together(calls)
        .await
        .into_iter()
        .filter_map(|answer| ended(answer, &[CONCURRENT]).map(|switched| switched.session_token))
        .collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(t.count("sessions").await, 2);
}

async fn a_session_is_switched_from_or_ended(t: Harness) {
    let clients = t.clients();
    for round in 0..ROUNDS {
        let (founded, other) = invited(&t, &format!("ada-{round}@acme.com")).await;
        let sessions = t.count("sessions").await;
        let (switched, revoked) = tokio::join!(
            clients.switch(switch(&founded.session_token, &other)),
            clients.revoke_session(ending(&founded.session_token)),
        );
        revoked.unwrap();
        let switched = ended(switched, &[CONCURRENT, NO_SESSION]);
        if let Some(switched) = &switched {
            clients.authenticate(by_token(&switched.session_token)).await.unwrap();
        }
        assert_eq!(t.count("sessions").await, sessions - 1 + i64::from(switched.is_some()));
        let again = clients.switch(switch(&founded.session_token, &other)).await;
        refused(again, NO_SESSION.0, NO_SESSION.1);
    }
}

async fn all_sessions_of_a_member_end_while_it_switches(t: Harness) {
    let clients = t.clients();
    for round in 0..ROUNDS {
        let founded = clients.founded(&format!("ada-{round}@acme.com")).await;
        let own = founded.organization.unwrap().organization_id;
        let (one, revoked, two) = tokio::join!(
            clients.switch(switch(&founded.session_token, &own)),
            clients.revoke_session(ending_all(&founded.member_id)),
            clients.switch(switch(&founded.session_token, &own)),
        );
        revoked.unwrap();
        for switched in [one, two] {
            if let Some(switched) = ended(switched, &[CONCURRENT, NO_SESSION]) {
                let session = clients.authenticate(by_token(&switched.session_token)).await;
                refused(session, NO_SESSION.0, NO_SESSION.1);
            }
        }
        assert_eq!(t.count("sessions").await, 0, "no session comes of one that has ended");
    }
}

async fn all_sessions_of_a_member_end_while_it_logs_in(t: Harness) {
    let clients = t.clients();
    let founded = clients.founded("ada@acme.com").await;
    let own = founded.organization.unwrap().organization_id;
    for _ in 0..ROUNDS {
        let mut tokens = Vec::new();
        for _ in 0..4 {
            tokens.push(clients.token("ada@acme.com").await);
        }
        let (revoked, entered) = tokio::join!(
            clients.revoke_session(ending_all(&founded.member_id)),
            together(tokens.into_iter().map(|token| {
                let (clients, request) = (clients.clone(), exchange(&token, &own));
                async move { clients.exchange(request).await }
            })),
        );
        revoked.unwrap();
        let mut alive = 0;
        for entered in entered.into_iter().filter_map(|answer| ended(answer, &[CONCURRENT])) {
            // Ended with the others, or begun afterwards.
            let session = clients.authenticate(by_token(&entered.session_token)).await;
            alive += usize::from(ended(session, &[NO_SESSION]).is_some());
        }
        let listed = clients.sessions_of(&own, &founded.member_id).await.unwrap().into_inner();
        assert_eq!(listed.member_sessions.len(), alive);
        clients.revoke_session(ending_all(&founded.member_id)).await.unwrap();
        assert_eq!(t.count("sessions").await, 0);
    }
}

/// Neither the member whose session it is, nor the one that it is switched to, has a session afterwards.
async fn a_session_is_switched_from_and_its_members_are_deleted(t: Harness) {
    let clients = t.clients();
    for round in 0..ROUNDS {
        let (founded, other) = invited(&t, &format!("ada-{round}@acme.com")).await;
        let sessions = t.count("sessions").await;
        let own = founded.organization.unwrap().organization_id;
        let first = clients.switch(switch(&founded.session_token, &other)).await.unwrap().into_inner();
        let deletes_home = round % 2 == 0;
        let deletion = pb::DeleteMemberRequest {
            organization_id: if deletes_home { own } else { other.clone() },
            member_id: if deletes_home { founded.member_id } else { first.member_id.clone() },
            allow_removing_last_admin: true,
            ..pb::DeleteMemberRequest::default()
        };
        let (switched, deleted) = tokio::join!(
            clients.switch(switch(&founded.session_token, &other)),
            clients.delete_member(deletion),
        );
        deleted.unwrap();
        let gone = if deletes_home { NO_SESSION } else { (Code::NotFound, "MEMBER_NOT_FOUND") };
        let switched = ended(switched, &[CONCURRENT, gone]);
        let again = clients.switch(switch(&founded.session_token, &other)).await;
        refused(again, gone.0, gone.1);
        let mut alive = 0;
        for token in [Some(first.session_token), switched.map(|switched| switched.session_token)] {
            let Some(token) = token else { continue };
            let session = clients.authenticate(by_token(&token)).await;
            if deletes_home {
                session.unwrap();
                alive += 1;
            } else {
                refused(session, NO_SESSION.0, NO_SESSION.1);
            }
        }
        assert_eq!(t.count("sessions").await, sessions - i64::from(deletes_home) + alive);
    }
}

/// A login that has begun when the sessions of its member end is ended with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_all_sessions_waits_for_the_login() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let founded = clients.founded("ada@acme.com").await;
    let own = founded.organization.unwrap().organization_id;
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let login = Running::call({
        let (clients, request) = (clients.clone(), exchange(&token, &own));
        async move { clients.exchange(request).await }
    });
    held(&t).await;
    let revocation = Running::call({
        let (clients, request) = (clients.clone(), ending_all(&founded.member_id));
        async move { clients.revoke_session(request).await }
    });
    blocked(&t).await;
    hold.release().await;
    let entered = login.answer().await.unwrap().into_inner();
    revocation.answer().await.unwrap();
    let session = clients.authenticate(by_token(&entered.session_token)).await;
    refused(session, NO_SESSION.0, NO_SESSION.1);
    assert_eq!(t.count("sessions").await, 0);
}

/// A session that ends while it is switched from leaves none behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_of_a_session_that_has_ended() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let (founded, other) = invited(&t, "ada@acme.com").await;
    let own = founded.organization.unwrap().organization_id;
    for organization in [&other, &own] {
        let login = clients.token("ada@acme.com").await;
        let session = clients.exchange(exchange(&login, &own)).await.unwrap().into_inner();
        let sessions = t.count("sessions").await;
        // The switch has read its session, and waits for the member whom it is to become.
        let blockade = t.block_by(&["SELECT id FROM members FOR UPDATE".to_owned()]).await;
        let switching = Running::call({
            let (clients, request) = (clients.clone(), switch(&session.session_token, organization));
            async move { clients.switch(request).await }
        });
        t.blocked(1).await;
        clients.revoke_session(ending(&session.session_token)).await.unwrap();
        blockade.lift().await;
        refused(switching.answer().await, NO_SESSION.0, NO_SESSION.1);
        assert_eq!(t.count("sessions").await, sessions - 1);
    }
}
