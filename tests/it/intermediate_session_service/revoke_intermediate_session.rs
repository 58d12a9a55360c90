use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, factor, magic_link, malformed_tokens, with_key};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_revoked_token_is_gone,
    a_bound_token_can_be_revoked,
    a_token_that_is_over_cannot_be_revoked,
    a_token_is_revoked_or_spent_and_never_both,
);

const GONE: &str = "INTERMEDIATE_SESSION_NOT_FOUND";

/// Every call finds nothing.
async fn is_gone(clients: &Clients, token: &str) {
    refused(clients.inspect(token).await, Code::NotFound, GONE);
    refused(clients.add_factor(token, magic_link()).await, Code::NotFound, GONE);
    refused(clients.spend(creation(token)).await, Code::NotFound, GONE);
    refused(clients.spend(with_key(creation(token), "key")).await, Code::NotFound, GONE);
    refused(clients.revoke(token).await, Code::NotFound, GONE);
}

async fn a_revoked_token_is_gone(t: Harness) {
    let clients = t.clients();
    let (token, other) = (clients.token("ada@acme.com").await, clients.token("ada@acme.com").await);
    let revoked = clients.revoke(&token).await.unwrap().into_inner();
    assert!(revoked.request_id.starts_with("request-id-test-"), "{revoked:?}");
    is_gone(&clients, &token).await;
    assert_eq!(t.count("organizations").await, 0);
    assert_eq!(t.count("events").await, 0);
    assert!(clients.spend(creation(&other)).await.is_ok());
}

async fn a_bound_token_can_be_revoked(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![factor("password", "knowledge")]).await;
    let request = || with_key(creation(&token), "first");
    assert!(!clients.spend(request()).await.unwrap().into_inner().member_authenticated);
    clients.revoke(&token).await.unwrap();
    is_gone(&clients, &token).await;
    // Not even a repeat of the call that bound it gives it back.
    refused(clients.spend(request()).await, Code::NotFound, GONE);
    assert_eq!(t.count("organizations").await, 1);
}

async fn a_token_that_is_over_cannot_be_revoked(t: Harness) {
    let clients = t.clients();
    let (spent, over) = (clients.token("ada@acme.com").await, clients.token("bob@acme.com").await);
    for text in malformed_tokens(&spent) {
        let refusal = refused(clients.revoke(&text).await, Code::InvalidArgument, "INVALID_SESSION_TOKEN");
        assert_eq!(refusal.violations(), [("intermediate_session_token", "INVALID_SESSION_TOKEN")]);
    }
    let created = clients.spend(with_key(creation(&spent), "key")).await.unwrap().into_inner();
    t.outlive(&over).await;
    for token in [&spent, &over, &format!("{}=", "A".repeat(43))] {
        refused(clients.revoke(token).await, Code::NotFound, GONE);
    }
    // What was bought stays bought.
    assert_eq!(t.count("sessions").await, 1);
    assert!(created.member_authenticated);
}

/// How a call ended in a race.
#[derive(Debug, PartialEq)]
enum End {
    Revoked,
    Spent,
    Lost,
}

fn end<T>(result: Result<T, Status>, success: End) -> End {
    let Err(status) = result else { return success };
    let refusal = Refusal::of(&status);
    let documented = [(Code::NotFound, GONE), (Code::Aborted, "INTERMEDIATE_SESSION_IN_USE")];
    assert!(documented.contains(&(refusal.code, refusal.reason.as_str())), "{refusal:?}");
    End::Lost
}

async fn a_token_is_revoked_or_spent_and_never_both(t: Harness) {
    let clients = t.clients();
    let mut spent = 0;
    for round in 0..6 {
        let token = clients.token("ada@acme.com").await;
        let mut calls = JoinSet::new();
        for number in 0..21 {
            let (clients, token) = (clients.clone(), token.clone());
            // The revocation comes at another place in every round.
            calls.spawn(async move {
                if number == round * 4 {
                    end(clients.revoke(&token).await, End::Revoked)
                } else {
                    end(clients.spend(creation(&token)).await, End::Spent)
                }
            });
        }
        let ends = calls.join_all().await;
        let winners: Vec<_> = ends.iter().filter(|end| **end != End::Lost).collect();
        assert_eq!(winners.len(), 1, "round {round}: {ends:?}");
        spent += i64::from(*winners[0] == End::Spent);
        assert_eq!(t.count("organizations").await, spent, "round {round}");
        assert_eq!(t.count("sessions").await, spent, "round {round}");
        is_gone(&clients, &token).await;
    }
}

/// An entry can come back that was lost when its token was revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_entry_that_was_revoked_stays_dead() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let copy = t.copy_entry(&token).await;
    let key = t.entry_key(&token).await;
    let _: () = ::redis::cmd("DEL").arg(key).query_async(&mut t.redis().await).await.unwrap();
    refused(clients.revoke(&token).await, Code::NotFound, GONE);
    t.restore_entry(&token, &copy).await;
    refused(clients.spend(creation(&token)).await, Code::NotFound, GONE);
    assert_eq!(t.count("organizations").await, 0);
}

/// A revoked entry that comes back from a stale copy of Redis stays dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_entry_that_comes_back_stays_dead() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let open = clients.token("ada@acme.com").await;
    let bound = clients.token_with("ada@acme.com", vec![factor("password", "knowledge")]).await;
    clients.spend(creation(&bound)).await.unwrap();
    for token in [open, bound] {
        let copy = t.copy_entry(&token).await;
        clients.revoke(&token).await.unwrap();
        t.restore_entry(&token, &copy).await;
        refused(clients.inspect(&token).await, Code::NotFound, GONE);
        t.restore_entry(&token, &copy).await;
        refused(clients.add_factor(&token, magic_link()).await, Code::NotFound, GONE);
        t.restore_entry(&token, &copy).await;
        refused(clients.spend(creation(&token)).await, Code::NotFound, GONE);
        t.restore_entry(&token, &copy).await;
        refused(clients.spend(with_key(creation(&token), "key")).await, Code::NotFound, GONE);
        t.restore_entry(&token, &copy).await;
        refused(clients.revoke(&token).await, Code::NotFound, GONE);
    }
    assert_eq!(t.count("organizations").await, 1);
}
