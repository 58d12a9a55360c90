//! What breaks while sessions are changed and switched from: all of the change, or nothing.

use std::time::Duration;

use vestibule::pb;

use super::{comes_again, stage, stage_mut, staged, unavailable, until, works};
use crate::harness::Harness;
use crate::harness::fixtures::with_key;
use crate::harness::json::object;
use crate::harness::logins::{by_token, switch};
use crate::harness::members::invitation;

/// Somebody who is logged in to one organization and invited to another.
async fn invited(t: &Harness) -> (String, String) {
    let clients = t.clients();
    let founded = clients.founded("ada@acme.com").await;
    let other = clients.organization("Other").await.organization_id;
    clients.invite_member(invitation(&other, "ada@acme.com")).await.unwrap();
    (founded.session_token, other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_of_the_commit_of_a_switch_is_lost() {
    let t = staged().await;
    let clients = t.clients();
    let (session, other) = invited(&t).await;
    let request = || with_key(switch(&session, &other), "key");
    stage(&t).postgres_proxy.lose_next_answer_to(b"COMMIT");
    unavailable(clients.switch(request()).await, Duration::ZERO);
    stage(&t).postgres_proxy.answer_lost().await;
    until("the commit", async || t.count("sessions").await == 2).await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        until("the repeat to be answered", async || match clients.switch(request()).await {
            Ok(answer) => {
                tokens.push(answer.into_inner().session_token);
                true
            }
            Err(status) => {
                comes_again(&status);
                false
            }
        })
        .await;
    }
    assert_eq!(tokens[0], tokens[1]);
    clients.authenticate(by_token(&tokens[0])).await.unwrap();
    assert_eq!(t.count("sessions").await, 2);
    assert_eq!(t.count("events WHERE type = 'session.created'").await, 2);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_is_cut_while_claims_are_merged() {
    let t = staged().await;
    let clients = t.clients();
    let session = clients.founded("ada@acme.com").await.session_token;
    let request = |key: &str| {
        let claims = object(serde_json::json!({ "plan": "merged-or-not" }));
        with_key(
            pb::AuthenticateSessionRequest {
                session_custom_claims: Some(claims),
                session_duration_minutes: Some(600),
                ..by_token(&session)
            },
            key,
        )
    };
    let as_it_is = async || {
        let answer = clients.authenticate(by_token(&session)).await.unwrap().into_inner();
        let session = answer.member_session.unwrap();
        (session.custom_claims.map_or(0, |claims| claims.fields.len()), session.expires_at)
    };
    let before = as_it_is().await;
    // It stands in the statement that changes the row.
    stage(&t).postgres_proxy.lose_next_answer_to(b"merged-or-not");
    unavailable(clients.authenticate(request("one")).await, Duration::ZERO);
    stage(&t).postgres_proxy.answer_lost().await;
    assert_eq!(as_it_is().await, before, "all of it or nothing");
    stage(&t).postgres_proxy.lose_next_answer_to(b"COMMIT");
    unavailable(clients.authenticate(request("two")).await, Duration::ZERO);
    stage(&t).postgres_proxy.answer_lost().await;
    until("the commit", async || as_it_is().await.0 == 1).await;
    let changed = as_it_is().await;
    assert_ne!(changed.1, before.1);
    clients.authenticate(request("two")).await.unwrap();
    assert_eq!(as_it_is().await, changed);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_survives_a_killed_postgres() {
    let mut t = staged().await;
    let clients = t.clients();
    let session = clients.founded("ada@acme.com").await.session_token;
    let revoke = pb::RevokeSessionRequest {
        session_token: Some(session.clone()),
        ..pb::RevokeSessionRequest::default()
    };
    clients.revoke_session(revoke).await.unwrap();
    stage_mut(&mut t).postgres.kill().await;
    stage_mut(&mut t).postgres.start_again().await;
    until("Postgres to be found again", async || {
        let status = clients.authenticate(by_token(&session)).await.unwrap_err();
        status.code() == tonic::Code::NotFound || {
            comes_again(&status);
            false
        }
    })
    .await;
    works(&t).await;
}
