//! Postgres dies, hangs, or loses its answers.

use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use tonic::Code;
use vestibule::clock::{Clock as _, SystemClock};

use super::hold::{Hold, Moment, held};
use super::keeper::{claimed, end_lease};
use super::{
    Creation, LEASE, Running, counts, login, not_found, spend_in_the_end, stage, stage_mut, staged,
    unavailable, until, with_short_lease, works,
};
use crate::harness::Setup;
use crate::harness::database::rows;
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::refusal::{Refusal, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_is_cut_before_the_statement_arrives() {
    let t = with_short_lease().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let (sent, _) = stage(&t).postgres_proxy.bytes();
    stage(&t).postgres_proxy.stall();
    let call = Running::spend(&clients, creation(&token));
    until("the token to be claimed", async || claimed(&t).await).await;
    stage(&t).postgres_proxy.cut();
    unavailable(call.answer().await, LEASE);
    assert_eq!(counts(&t).await, [0, 0, 0, 0]);
    assert!(claimed(&t).await, "nobody knows that nothing was recorded: the token is not released");
    spend_in_the_end(&clients, &token).await;
    assert_eq!(counts(&t).await, [1, 1, 1, 1]);
    assert!(stage(&t).postgres_proxy.bytes().0 > sent);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_of_the_commit_is_lost() {
    let t = staged().await;
    let clients = t.clients();
    // The connections have prepared the statement: only its parameters travel from now on.
    works(&t).await;
    let token = clients.token("ada@acme.com").await;
    let request = || Creation { organization_slug: Some("lost-answer".to_owned()), ..creation(&token) };
    stage(&t).postgres_proxy.lose_next_answer_to(b"lost-answer");
    let lease = t.config.claim_lease;
    unavailable(clients.spend(with_key(request(), "key")).await, lease);
    stage(&t).postgres_proxy.answer_lost().await;
    until("the commit", async || counts(&t).await == [2, 2, 2, 2]).await;
    assert!(claimed(&t).await, "the token is not released");
    refused(clients.spend(request()).await, Code::Aborted, "INTERMEDIATE_SESSION_IN_USE");
    // With the key, even before the lease is over: the first answer.
    let first = login(clients.spend(with_key(request(), "key")).await);
    end_lease(&t).await;
    assert_eq!(login(clients.spend(with_key(request(), "key")).await), first);
    not_found(clients.spend(request()).await);
    assert_eq!(login(clients.spend(with_key(request(), "key")).await), first);
    assert_eq!(counts(&t).await, [2, 2, 2, 2]);
    assert_eq!(t.count("events").await, 6, "no second event");
    // The session token of the answer is that of the session that was recorded.
    let token_hash = vestibule::tokens::opaque::sha256(first.2.as_bytes());
    let connection = t.database().await;
    let found =
        rows(&connection, "SELECT 1 FROM sessions WHERE token_hash = $1", vec![token_hash.to_vec().into()])
            .await;
    assert_eq!(found.len(), 1);
    connection.close().await.unwrap();
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_of_an_unfinished_commit_is_lost() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let request = || Creation {
        organization_slug: Some("lost-answer".to_owned()),
        mfa_policy: Some(vestibule::pb::MfaPolicy::RequiredForAll.into()),
        ..creation(&token)
    };
    stage(&t).postgres_proxy.lose_next_answer_to(b"lost-answer");
    unavailable(clients.spend(with_key(request(), "key")).await, t.config.claim_lease);
    stage(&t).postgres_proxy.answer_lost().await;
    until("the commit", async || counts(&t).await == [1, 1, 0, 1]).await;
    let first = clients.spend(with_key(request(), "key")).await.unwrap().into_inner();
    assert_eq!(first.intermediate_session_token, token);
    end_lease(&t).await;
    let reason = "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION";
    refused(clients.spend(request()).await, Code::FailedPrecondition, reason);
    let again = clients.spend(with_key(request(), "key")).await.unwrap().into_inner();
    assert_eq!((again.organization, again.member), (first.organization, first.member));
    assert_eq!(counts(&t).await, [1, 1, 0, 1]);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed_while_it_records() {
    let mut t = with_short_lease().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let call = Running::spend(&clients, with_key(creation(&token), "key"));
    held(&t).await;
    stage_mut(&mut t).postgres.kill().await;
    hold.lost();
    unavailable(call.answer().await, LEASE);
    stage_mut(&mut t).postgres.start_again().await;
    assert_eq!(counts(&t).await, [0, 0, 0, 0]);
    spend_in_the_end(&clients, &token).await;
    assert_eq!(counts(&t).await, [1, 1, 1, 1]);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_restarted_while_it_records() {
    let mut t = with_short_lease().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let call = Running::spend(&clients, with_key(creation(&token), "key"));
    held(&t).await;
    stage_mut(&mut t).postgres.stop().await;
    hold.lost();
    unavailable(call.answer().await, Duration::ZERO);
    stage_mut(&mut t).postgres.start_again().await;
    spend_in_the_end(&clients, &token).await;
    assert_eq!(counts(&t).await, [1, 1, 1, 1]);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_killed_postgres() {
    let mut t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let first = login(clients.spend(with_key(creation(&token), "key")).await);
    stage_mut(&mut t).postgres.kill().await;
    stage_mut(&mut t).postgres.start_again().await;
    assert_eq!(counts(&t).await, [1, 1, 1, 1]);
    until("the service to find Postgres again", async || clients.get(&first.0).await.is_ok()).await;
    until("the first answer again", async || {
        let answer = clients.spend(with_key(creation(&token), "key")).await;
        if answer.as_ref().is_err_and(|status| status.code() == Code::Unavailable) {
            return false;
        }
        assert_eq!(login(answer), first);
        true
    })
    .await;
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_away() {
    let mut t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let connections = t.count("pg_stat_activity WHERE application_name = 'vestibule'").await;
    stage_mut(&mut t).postgres.kill().await;
    // Connections that died with it are found one by one, each by the call that takes it.
    for _ in 0..connections {
        unavailable_get(clients.get("acme").await);
    }
    unavailable(clients.spend(creation(&token)).await, Duration::ZERO);
    assert!(!claimed(&t).await, "nothing was begun: the token is free at once");
    stage_mut(&mut t).postgres.start_again().await;
    // Free at once: no lease has to end.
    login(clients.spend(creation(&token)).await);
    assert_eq!(counts(&t).await, [1, 1, 1, 1]);
    works(&t).await;
}

#[track_caller]
fn unavailable_get(answer: Result<tonic::Response<vestibule::pb::GetOrganizationResponse>, tonic::Status>) {
    let refusal = refused(answer, Code::Unavailable, "SERVER_UNAVAILABLE");
    assert!(refusal.retry_after.is_some(), "{refusal:?}");
    assert_eq!(refusal.message, "the service is not available at the moment", "nothing of the driver's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_held_for_longer_than_a_call_waits() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let connection = t.database().await;
    let transaction = sea_orm::TransactionTrait::begin(&connection).await.unwrap();
    let lock = "LOCK TABLE intermediate_session_receipts IN ACCESS EXCLUSIVE MODE";
    transaction.execute_unprepared(lock).await.unwrap();
    let refusal = refused(clients.spend(creation(&token)).await, Code::Aborted, "CONCURRENT_REQUEST");
    assert!(refusal.retry_after.is_some_and(|after| after > Duration::ZERO), "{refusal:?}");
    assert!(!claimed(&t).await, "the token is free at once");
    transaction.rollback().await.unwrap();
    connection.close().await.unwrap();
    login(clients.spend(creation(&token)).await);
    works(&t).await;
}

/// Postgres gives up before the service does, so that the outcome is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_takes_too_long() {
    let t = with_short_lease().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    unavailable(clients.spend(creation(&token)).await, Duration::ZERO);
    assert!(!claimed(&t).await, "the token is free at once");
    assert_eq!(counts(&t).await, [0, 0, 0, 0]);
    hold.release().await;
    login(clients.spend(creation(&token)).await);
    works(&t).await;
}

/// The bytes wait in the network for longer than the lease: a zombie writes when it likes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statement_arrives_after_the_lease() {
    let t = with_short_lease().await;
    let clients = t.clients();
    works(&t).await;
    let token = clients.token("ada@acme.com").await;
    stage(&t).postgres_proxy.stall();
    for key in ["one", "two"] {
        // A call that waited for a connection in vain knows that nothing was recorded.
        let call = Running::spend(&clients, with_key(creation(&token), key));
        unavailable(call.answer().await, Duration::ZERO);
        if claimed(&t).await {
            end_lease(&t).await;
        }
    }
    stage(&t).postgres_proxy.pass();
    until("one of both to have an answer", async || {
        for key in ["one", "two"] {
            match clients.spend(with_key(creation(&token), key)).await {
                Ok(_) => return true,
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => super::comes_again(&status),
            }
        }
        false
    })
    .await;
    assert_eq!(counts(&t).await, [2, 2, 2, 2]);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_is_taken() {
    let setup = Setup::stage().await.with(|config| config.database_max_connections = 1);
    let t = setup.start().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let call = Running::spend(&clients, creation(&token));
    held(&t).await;
    let time = SystemClock::new();
    let asked = time.monotonic();
    unavailable_get(clients.get("acme").await);
    let took = time.monotonic().saturating_sub(asked);
    assert!(took < Duration::from_secs(4), "waits for a connection, but not for ever: {took:?}");
    hold.release().await;
    login(call.answer().await);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_free_when_no_connection_was() {
    let setup = Setup::stage().await.with(|config| config.database_max_connections = 1);
    let t = setup.start().await;
    let clients = t.clients();
    let connection = t.database().await;
    clients.create(organization("Acme")).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    // The only connection waits for a lock of the test's.
    let transaction = sea_orm::TransactionTrait::begin(&connection).await.unwrap();
    transaction.execute_unprepared("LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let clients = clients.clone();
        others.spawn(async move { clients.get("acme").await.map(drop) });
    }
    super::hold::blocked(&t).await;
    let refusal = Refusal::of(&clients.spend(creation(&token)).await.unwrap_err());
    assert!(matches!(refusal.code, Code::Unavailable | Code::Aborted), "{refusal:?}");
    assert!(!claimed(&t).await, "the token is free at once");
    transaction.rollback().await.unwrap();
    connection.close().await.unwrap();
    others.join_all().await;
    login(clients.spend(creation(&token)).await);
    works(&t).await;
}
