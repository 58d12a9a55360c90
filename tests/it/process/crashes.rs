//! The process is killed in the middle of spending a token.

use tokio::task::JoinSet;
use tonic::Code;

use super::beside;
use crate::faults::hold::{Hold, Moment, held};
use crate::faults::until;
use crate::harness::Harness;
use crate::harness::fixtures::{creation, with_key};
use crate::harness::refusal::{Refusal, refused};

/// S4: a holder that dies half-way blocks the token for seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_dies_between_claim_and_record() {
    let t = Harness::postgres().await;
    let mut first = beside(&t, &[]).await;
    let clients = first.clients().await;
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let request = with_key(creation(&token), "key");
    let mut calls = JoinSet::new();
    calls.spawn(async move { clients.spend(request).await });
    let backend = held(&t).await;
    first.kill().await;
    assert!(calls.join_next().await.unwrap().unwrap().is_err(), "the connection is gone");
    // Postgres notices that its client is gone when it next writes to it: what runs would go on, and
    // commit.
    t.execute(&format!("SELECT pg_terminate_backend({backend})")).await;
    hold.release().await;

    let second = beside(&t, &[]).await;
    let clients = second.clients().await;
    until("the lease to end", async || match clients.spend(creation(&token)).await {
        Ok(_) => true,
        Err(status) => {
            let refusal = Refusal::of(&status);
            assert_eq!(refusal.reason, "INTERMEDIATE_SESSION_IN_USE", "{refusal:?}");
            assert!(refusal.retry_after.is_some_and(|after| after.as_secs() <= 3), "{refusal:?}");
            false
        }
    })
    .await;
    assert_eq!(t.count("organizations").await, 1);
    assert_eq!(t.count("sessions").await, 1);
    refused(clients.spend(creation(&token)).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_dies_between_commit_and_finish() {
    let t = Harness::postgres().await;
    let mut first = beside(&t, &[]).await;
    let clients = first.clients().await;
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let request = with_key(creation(&token), "key");
    let mut calls = JoinSet::new();
    calls.spawn(async move { clients.spend(request).await });
    held(&t).await;
    // Stopped, the process can't finish; killed, it never will.
    first.signal("STOP").await;
    hold.release().await;
    until("the commit", async || t.count("organizations").await == 1).await;
    first.kill().await;
    assert!(calls.join_next().await.unwrap().unwrap().is_err());

    let second = beside(&t, &[]).await;
    let clients = second.clients().await;
    // The repeat gets its answer before the lease is over, and after.
    let answer = async || {
        let created = clients.spend(with_key(creation(&token), "key")).await.unwrap().into_inner();
        (created.organization.unwrap().organization_id, created.member_id, created.session_token)
    };
    let bought = answer().await;
    until("the lease to end", async || {
        let refusal = Refusal::of(&clients.spend(creation(&token)).await.unwrap_err());
        match refusal.reason.as_str() {
            "INTERMEDIATE_SESSION_IN_USE" => false,
            "INTERMEDIATE_SESSION_NOT_FOUND" => true,
            _ => panic!("{refusal:?}"),
        }
    })
    .await;
    assert_eq!(answer().await, bought);
    for (table, rows) in [("organizations", 1), ("members", 1), ("sessions", 1), ("events", 3)] {
        assert_eq!(t.count(table).await, rows, "{table}");
    }
}
