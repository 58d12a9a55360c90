//! Calls that outlive their lease or their callers.

use std::time::Duration;

use tonic::Code;
use vestibule::pb;

use super::hold::{Hold, Moment, blocked, held};
use super::keeper::{claimed, end_lease, entries};
use super::{Creation, Running, counts, login, not_found, staged, unavailable, until, works};
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::refusal::refused;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_ends_and_the_first_call_commits() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let first = Running::spend(&clients, creation(&token));
    held(&t).await;
    end_lease(&t).await;
    let second = Running::spend(&clients, creation(&token));
    blocked(&t).await;
    hold.release().await;
    login(first.answer().await);
    not_found(second.answer().await);
    assert_eq!((counts(&t).await, entries(&t).await), ([1, 1, 1, 1], 0));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_ends_and_the_first_call_is_rolled_back() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let first = Running::spend(&clients, creation(&token));
    let backend = held(&t).await;
    end_lease(&t).await;
    let second = Running::spend(&clients, creation(&token));
    blocked(&t).await;
    t.execute(&format!("SELECT pg_terminate_backend({backend})")).await;
    unavailable(first.answer().await, t.config.claim_lease);
    hold.release().await;
    login(second.answer().await);
    not_found(clients.spend(creation(&token)).await);
    assert_eq!((counts(&t).await, entries(&t).await), ([1, 1, 1, 1], 0));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_ends_and_a_repeat_waits_for_the_first_answer() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let first = Running::spend(&clients, with_key(creation(&token), "key"));
    held(&t).await;
    end_lease(&t).await;
    let second = Running::spend(&clients, with_key(creation(&token), "key"));
    blocked(&t).await;
    hold.release().await;
    assert_eq!(login(first.answer().await), login(second.answer().await));
    assert_eq!((counts(&t).await, entries(&t).await), ([1, 1, 1, 1], 0));
    works(&t).await;
}

/// The lease still holds: the repeat finds the token claimed, and waits for the record of its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_waits_for_the_first_answer() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let first = Running::spend(&clients, with_key(creation(&token), "key"));
    held(&t).await;
    let second = Running::spend(&clients, with_key(creation(&token), "key"));
    blocked(&t).await;
    hold.release().await;
    assert_eq!(login(first.answer().await), login(second.answer().await));
    assert_eq!((counts(&t).await, entries(&t).await), ([1, 1, 1, 1], 0));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_never_gets_the_answer() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let first = Running::spend(&clients, with_key(creation(&token), "one"));
    held(&t).await;
    let second = clients.spend(with_key(creation(&token), "two")).await;
    refused(second, Code::Aborted, "INTERMEDIATE_SESSION_IN_USE");
    hold.release().await;
    login(first.answer().await);
    not_found(clients.spend(with_key(creation(&token), "two")).await);
    assert_eq!(counts(&t).await, [1, 1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_when_its_caller_leaves() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let call = Running::spend(&clients, with_key(creation(&token), "key"));
    held(&t).await;
    drop(call);
    hold.release().await;
    until("the call to record", async || counts(&t).await == [1, 1, 1, 1]).await;
    until("the call to finish", async || entries(&t).await == 0).await;
    let first = login(clients.spend(with_key(creation(&token), "key")).await);
    assert_eq!(login(clients.spend(with_key(creation(&token), "key")).await), first);
    not_found(clients.spend(creation(&token)).await);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_after_its_deadline() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let mut request = with_key(creation(&token), "key");
    request.metadata_mut().insert("grpc-timeout", "400m".parse().unwrap());
    let call = Running::spend(&clients, request);
    held(&t).await;
    // The client watches the clock too: whoever is first says so.
    let code = call.answer().await.unwrap_err().code();
    assert!(matches!(code, Code::DeadlineExceeded | Code::Cancelled), "{code:?}");
    hold.release().await;
    until("the call to finish", async || entries(&t).await == 0).await;
    login(clients.spend(with_key(creation(&token), "key")).await);
    assert_eq!(counts(&t).await, [1, 1, 1, 1]);
    works(&t).await;
}

/// A call that fails without its caller gives the token back too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_when_its_caller_has_left_gives_the_token_back() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    clients.create(organization("Acme")).await.unwrap();
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let request = Creation { organization_slug: Some("acme".to_owned()), ..creation(&token) };
    let call = Running::spend(&clients, request);
    held(&t).await;
    drop(call);
    hold.release().await;
    until("the token to be free", async || !claimed(&t).await).await;
    login(clients.spend(creation(&token)).await);
    assert_eq!(counts(&t).await, [2, 1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_comes_second_is_told_so() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let call = Running::spend(&clients, creation(&token));
    held(&t).await;
    let request = pb::RevokeIntermediateSessionRequest { intermediate_session_token: token.clone() };
    let mut revoking = clients.intermediate_sessions.clone();
    let mut revocation = tokio::task::JoinSet::new();
    revocation.spawn(async move { revoking.revoke_intermediate_session(request).await });
    blocked(&t).await;
    hold.release().await;
    login(call.answer().await);
    let revoked = revocation.join_next().await.unwrap().unwrap();
    refused(revoked, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    assert_eq!((counts(&t).await, entries(&t).await), ([1, 1, 1, 1], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_comes_first_wins() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let call = Running::spend(&clients, creation(&token));
    held(&t).await;
    let request = pb::RevokeIntermediateSessionRequest { intermediate_session_token: token.clone() };
    clients.intermediate_sessions.clone().revoke_intermediate_session(request).await.unwrap();
    hold.release().await;
    not_found(call.answer().await);
    assert_eq!((counts(&t).await, entries(&t).await), ([0, 0, 0, 1], 0));
}

/// The first answer stays the answer only as long as what it speaks of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_not_kept_beyond_the_ten_minutes() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    login(clients.spend(with_key(creation(&token), "key")).await);
    t.clock.advance(Duration::from_secs(599));
    login(clients.spend(with_key(creation(&token), "key")).await);
    t.clock.advance(Duration::from_secs(2));
    not_found(clients.spend(with_key(creation(&token), "key")).await);
}
