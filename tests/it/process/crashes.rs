//! The process is killed in the middle of spending a token.

use tokio::task::JoinSet;
use tonic::{Code, Request, Status};
use vestibule::pb;

use super::beside;
use crate::faults::exchanges::{Way, and_one, traces};
use crate::faults::hold::{Hold, Moment, held};
use crate::faults::{Running, until};
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, with_key};
use crate::harness::logins::by_token;
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

/// A holder that dies half-way has bought nothing, and blocks the token for seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_dies_between_claim_and_commit_of_an_exchange() {
    let t = Harness::postgres().await;
    for way in Way::BOTH {
        let mut first = beside(&t, &[]).await;
        let clients = first.clients().await;
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let hold = Hold::at(&t, Moment::BeforeCommit).await;
        let call = exchanging(&clients, entrance.keyed_by(0));
        let backend = held(&t).await;
        first.kill().await;
        assert!(call.answer().await.is_err(), "the connection is gone");
        t.execute(&format!("SELECT pg_terminate_backend({backend})")).await;
        hold.release().await;

        let second = beside(&t, &[]).await;
        let clients = second.clients().await;
        until("the lease to end", async || match clients.exchange(entrance.request()).await {
            Ok(answer) => answer.into_inner().member_authenticated,
            Err(status) => {
                let refusal = Refusal::of(&status);
                assert_eq!(refusal.reason, "INTERMEDIATE_SESSION_IN_USE", "{refusal:?}");
                assert!(refusal.retry_after.is_some_and(|after| after.as_secs() <= 3), "{refusal:?}");
                false
            }
        })
        .await;
        assert_eq!(traces(&t).await, and_one(before), "{way:?}");
        let again = clients.exchange(entrance.request()).await;
        refused(again, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
        t.execute("DELETE FROM idempotency_records").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_dies_between_commit_and_finish_of_an_exchange() {
    let t = Harness::postgres().await;
    for (number, way) in Way::BOTH.into_iter().enumerate() {
        let mut first = beside(&t, &[]).await;
        let clients = first.clients().await;
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let hold = Hold::at(&t, Moment::InCommit).await;
        let call = exchanging(&clients, entrance.keyed_by(number));
        held(&t).await;
        // Stopped, the process can't finish; killed, it never will.
        first.signal("STOP").await;
        hold.release().await;
        until("the commit", async || traces(&t).await == and_one(before)).await;
        first.kill().await;
        assert!(call.answer().await.is_err());

        let second = beside(&t, &[]).await;
        let clients = second.clients().await;
        // The repeat gets its answer before the lease is over, and after.
        let answer = async || {
            let entered = clients.exchange(entrance.keyed_by(number)).await.unwrap().into_inner();
            assert!(entered.member_authenticated);
            entered.session_token
        };
        let bought = answer().await;
        until("the lease to end", async || {
            let refusal = Refusal::of(&clients.exchange(entrance.request()).await.unwrap_err());
            match refusal.reason.as_str() {
                "INTERMEDIATE_SESSION_IN_USE" => false,
                "INTERMEDIATE_SESSION_NOT_FOUND" => true,
                _ => panic!("{refusal:?}"),
            }
        })
        .await;
        assert_eq!(answer().await, bought);
        clients.authenticate(by_token(&bought)).await.unwrap();
        assert_eq!(traces(&t).await, and_one(before), "{way:?}");
    }
}

/// The call, beside what the test does.
fn exchanging(
    clients: &Clients,
    request: Request<pb::ExchangeIntermediateSessionRequest>,
) -> Running<Result<(), Status>> {
    let clients = clients.clone();
    Running::call(async move { clients.exchange(request).await.map(drop) })
}
