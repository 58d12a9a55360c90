//! Redis dies, forgets, remembers too much, or loses its answers.

use std::time::Duration;

use redis::FromRedisValue;
use tonic::Code;
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::pb;

use super::hold::{Hold, Moment, held};
use super::{
    Creation, Running, comes_again, counts, login, not_found, spend_in_the_end, stage, stage_mut, staged,
    unavailable, until, with_short_lease, works,
};
use crate::harness::Harness;
use crate::harness::fixtures::{creation, factor, magic_link, organization, with_key};
use crate::harness::refusal::refused;

/// Asks Redis past the service and its proxy.
pub(super) async fn ask<T: FromRedisValue>(t: &Harness, words: &[&[u8]]) -> T {
    let client = redis::Client::open(stage(t).redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command.query_async(&mut connection).await.unwrap()
}

/// The keys of all entries: Redis holds buckets besides.
async fn keys(t: &Harness) -> Vec<Vec<u8>> {
    ask(t, &[b"KEYS", b"vestibule:*:intermediate-session:*"]).await
}

/// The key of the only entry there is.
pub(super) async fn entry(t: &Harness) -> Vec<u8> {
    let keys = keys(t).await;
    assert_eq!(keys.len(), 1);
    keys.into_iter().next().unwrap()
}

/// Lets the lease of the only entry end now.
pub(super) async fn end_lease(t: &Harness) {
    let added: i64 = ask(t, &[b"HSET", &entry(t).await, b"claim_until", b"0"]).await;
    assert_eq!(added, 0, "there was a claim");
}

/// Whether anybody has claimed the only entry.
pub(super) async fn claimed(t: &Harness) -> bool {
    ask(t, &[b"HEXISTS", &entry(t).await, b"claim"]).await
}

/// How many entries there are.
pub(super) async fn entries(t: &Harness) -> usize {
    keys(t).await.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_away_before_the_claim() {
    let mut t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let acme = clients.create(organization("Acme")).await.unwrap().into_inner().organization.unwrap();
    stage_mut(&mut t).redis.kill().await;
    let time = SystemClock::new();
    for _ in 0..3 {
        let asked = time.monotonic();
        unavailable(clients.spend(creation(&token)).await, Duration::ZERO);
        let took = time.monotonic().saturating_sub(asked);
        assert!(took < Duration::from_secs(3), "the call fails fast: {took:?}");
    }
    // What needs no Redis goes on.
    clients.get(&acme.organization_id).await.unwrap();
    clients.sessions.clone().get_jwks(pb::GetJwksRequest {}).await.unwrap();
    assert_eq!(counts(&t).await, [1, 0, 0, 0]);
    stage_mut(&mut t).redis.start_again().await;
    // What Redis lost is lost cleanly, and it works again by itself.
    until("Redis to be found again", async || match clients.spend(creation(&token)).await {
        Err(status) if status.code() == Code::NotFound => true,
        other => {
            comes_again(&other.unwrap_err());
            false
        }
    })
    .await;
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_silent_at_the_claim() {
    let t = with_short_lease().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    stage(&t).redis_proxy.stall();
    let time = SystemClock::new();
    let asked = time.monotonic();
    unavailable(clients.spend(creation(&token)).await, Duration::ZERO);
    let took = time.monotonic().saturating_sub(asked);
    assert!(took < Duration::from_secs(3), "the call fails fast: {took:?}");
    stage(&t).redis_proxy.pass();
    spend_in_the_end(&clients, &token).await;
    assert_eq!(counts(&t).await, [1, 1, 1, 1]);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_dies_between_claim_and_record() {
    let mut t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let call = Running::spend(&clients, with_key(creation(&token), "key"));
    held(&t).await;
    stage_mut(&mut t).redis.kill().await;
    hold.release().await;
    let first = login(call.answer().await);
    stage_mut(&mut t).redis.start_again().await;
    until("Redis to be found again", async || match clients.spend(creation(&token)).await {
        Err(status) if status.code() == Code::NotFound => true,
        other => {
            comes_again(&other.unwrap_err());
            false
        }
    })
    .await;
    assert_eq!(login(clients.spend(with_key(creation(&token), "key")).await), first);
    assert_eq!(counts(&t).await, [1, 1, 1, 1]);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_emptied_between_claim_and_record() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let call = Running::spend(&clients, with_key(creation(&token), "key"));
    held(&t).await;
    let _: String = ask(&t, &[b"FLUSHALL"]).await;
    // A second call while the first one runs finds nothing to spend.
    not_found(clients.spend(creation(&token)).await);
    hold.release().await;
    let first = login(call.answer().await);
    not_found(clients.spend(creation(&token)).await);
    assert_eq!(login(clients.spend(with_key(creation(&token), "key")).await), first);
    assert_eq!((counts(&t).await, entries(&t).await), ([1, 1, 1, 1], 0));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_the_claim_is_lost() {
    let t = staged().await;
    let clients = t.clients();
    // Redis knows the script from now on: the next answer is the claim's own.
    works(&t).await;
    let token = clients.token("ada@acme.com").await;
    stage(&t).redis_proxy.lose_next_answer_to(b"\r\nopen\r\n");
    login(clients.spend(creation(&token)).await);
    stage(&t).redis_proxy.answer_lost().await;
    not_found(clients.spend(creation(&token)).await);
    assert_eq!((counts(&t).await, entries(&t).await), ([2, 2, 2, 2], 0));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_forgets_the_scripts() {
    let t = staged().await;
    works(&t).await;
    let _: String = ask(&t, &[b"SCRIPT", b"FLUSH"]).await;
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_the_finish_is_lost() {
    let t = staged().await;
    let clients = t.clients();
    works(&t).await;
    let token = clients.token("ada@acme.com").await;
    stage(&t).redis_proxy.lose_next_answer_to(b"\r\nspend\r\n");
    login(clients.spend(creation(&token)).await);
    stage(&t).redis_proxy.answer_lost().await;
    not_found(clients.spend(creation(&token)).await);
    assert_eq!((counts(&t).await, entries(&t).await), ([2, 2, 2, 2], 0));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_finish_never_arrives() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let call = Running::spend(&clients, with_key(creation(&token), "key"));
    held(&t).await;
    stage(&t).redis_proxy.refuse();
    hold.release().await;
    let first = login(call.answer().await);
    stage(&t).redis_proxy.pass();
    // The claim stands. A repeat is answered all the same, and another call once the lease is over.
    until("Redis to be found again", async || {
        let answer = clients.spend(with_key(creation(&token), "key")).await;
        if answer.as_ref().is_err_and(|status| status.code() == Code::Unavailable) {
            return false;
        }
        assert_eq!(login(answer), first);
        true
    })
    .await;
    refused(clients.spend(creation(&token)).await, Code::Aborted, "INTERMEDIATE_SESSION_IN_USE");
    end_lease(&t).await;
    not_found(clients.spend(creation(&token)).await);
    assert_eq!((counts(&t).await, entries(&t).await), ([1, 1, 1, 1], 0));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_comes_back_after_it_was_spent() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let key = entry(&t).await;
    let copy: Vec<u8> = ask(&t, &[b"DUMP", &key]).await;
    let first = login(clients.spend(with_key(creation(&token), "key")).await);
    assert_eq!(entries(&t).await, 0);

    let _: String = ask(&t, &[b"RESTORE", &key, b"0", &copy]).await;
    let refusal = clients.inspect(&token).await;
    refused(refusal, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    not_found(clients.spend(creation(&token)).await);
    assert_eq!(entries(&t).await, 0, "the entry is removed again");

    let _: String = ask(&t, &[b"RESTORE", &key, b"0", &copy]).await;
    assert_eq!(login(clients.spend(with_key(creation(&token), "key")).await), first);
    assert_eq!(entries(&t).await, 0, "the entry is removed again");

    let _: String = ask(&t, &[b"RESTORE", &key, b"0", &copy]).await;
    not_found(clients.spend(with_key(creation(&token), "another-key")).await);
    assert_eq!((counts(&t).await, entries(&t).await), ([1, 1, 1, 1], 0));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_comes_back_after_it_was_bound() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let key = entry(&t).await;
    let copy: Vec<u8> = ask(&t, &[b"DUMP", &key]).await;
    let request = Creation { mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()), ..creation(&token) };
    let bound = clients.spend(request).await.unwrap().into_inner();
    let organization_id = bound.organization.unwrap().organization_id;

    let _: String = ask(&t, &[b"RESTORE", &key, b"0", &copy, b"REPLACE"]).await;
    let seen = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert_eq!(seen.organization_id.as_ref(), Some(&organization_id), "the receipt is the truth");
    let reason = "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION";
    refused(clients.spend(creation(&token)).await, Code::FailedPrecondition, reason);
    let known: bool = ask(&t, &[b"HEXISTS", &key, b"organization_id"]).await;
    assert!(known && !claimed(&t).await, "the entry is set to match");
    refused(clients.spend(creation(&token)).await, Code::FailedPrecondition, reason);
    assert_eq!(counts(&t).await, [1, 1, 0, 1]);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_comes_back_after_it_was_revoked() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let key = entry(&t).await;
    let copy: Vec<u8> = ask(&t, &[b"DUMP", &key]).await;
    let revoke = || pb::RevokeIntermediateSessionRequest { intermediate_session_token: token.clone() };
    clients.intermediate_sessions.clone().revoke_intermediate_session(revoke()).await.unwrap();
    let _: String = ask(&t, &[b"RESTORE", &key, b"0", &copy]).await;
    refused(clients.inspect(&token).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    not_found(clients.spend(creation(&token)).await);
    assert_eq!((counts(&t).await, entries(&t).await), ([0, 0, 0, 1], 0));
    let _: String = ask(&t, &[b"RESTORE", &key, b"0", &copy]).await;
    let again = clients.intermediate_sessions.clone().revoke_intermediate_session(revoke()).await;
    refused(again, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    assert_eq!(entries(&t).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aged_entry_is_refused_though_it_is_still_there() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let key = entry(&t).await;
    let kept: i64 = ask(&t, &[b"PERSIST", &key]).await;
    assert_eq!(kept, 1, "an entry has an expiry");
    let now: (u64, u64) = ask(&t, &[b"TIME"]).await;
    let now = (now.0 * 1_000 + now.1 / 1_000).to_string();
    let _: i64 = ask(&t, &[b"HSET", &key, b"expires_at", now.as_bytes()]).await;
    not_found(clients.spend(creation(&token)).await);
    refused(clients.inspect(&token).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    let request = pb::AddFactorRequest {
        intermediate_session_token: token.clone(),
        factor: Some(factor("totp", "authenticator_app")),
    };
    let added = clients.intermediate_sessions.clone().add_factor(request).await;
    refused(added, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    let request = pb::RevokeIntermediateSessionRequest { intermediate_session_token: token };
    let revoked = clients.intermediate_sessions.clone().revoke_intermediate_session(request).await;
    refused(revoked, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    // The revocation is on record all the same: the entry could come back with a stale copy.
    assert_eq!(counts(&t).await, [0, 0, 0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_extends_the_ten_minutes() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let key = entry(&t).await;
    let created: i64 = ask(&t, &[b"HGET", &key, b"created_at"]).await;
    let ends = || async { ask::<i64>(&t, &[b"PEXPIRETIME", &key]).await };
    assert_eq!(ends().await, created + 600_000);
    clients.create(organization("taken")).await.unwrap();
    let request = Creation { organization_slug: Some("taken".to_owned()), ..creation(&token) };
    refused(clients.spend(request).await, Code::AlreadyExists, "ORGANIZATION_SLUG_ALREADY_USED");
    let request =
        pb::AddFactorRequest { intermediate_session_token: token.clone(), factor: Some(magic_link()) };
    clients.intermediate_sessions.clone().add_factor(request).await.unwrap();
    let request = Creation { mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()), ..creation(&token) };
    let bound = clients.spend(request).await.unwrap().into_inner();
    assert_eq!(bound.intermediate_session_token, token);
    assert_eq!(ends().await, created + 600_000);
    let expires_at: i64 = ask(&t, &[b"HGET", &key, b"expires_at"]).await;
    assert_eq!(expires_at, created + 600_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claimed_entry_takes_no_factor() {
    let t = staged().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let call = Running::spend(&clients, creation(&token));
    held(&t).await;
    let request = pb::AddFactorRequest {
        intermediate_session_token: token.clone(),
        factor: Some(factor("totp", "authenticator_app")),
    };
    let added = clients.intermediate_sessions.clone().add_factor(request).await;
    let refusal = refused(added, Code::Aborted, "INTERMEDIATE_SESSION_IN_USE");
    assert!(refusal.retry_after.is_some_and(|after| after > Duration::ZERO), "{refusal:?}");
    let refusal =
        refused(clients.spend(creation(&token)).await, Code::Aborted, "INTERMEDIATE_SESSION_IN_USE");
    assert!(refusal.retry_after.is_some_and(|after| after <= Duration::from_secs(6)), "{refusal:?}");
    hold.release().await;
    login(call.answer().await);
}
