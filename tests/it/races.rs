//! Many calls at once: one token buys one thing, one slug goes to one organization.

mod changes;
mod exchanges;
mod joining;
mod sessions;
mod walks;

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tonic::{Code, IntoRequest, Request, Response, Status};
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, with_key};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

type Creation = pb::DiscoveryServiceCreateOrganizationRequest;
type Created = pb::DiscoveryServiceCreateOrganizationResponse;
type Answer = Result<Response<Created>, Status>;

/// How many calls fight for one token.
const CALLS: usize = 100;

/// How many tokens fight for one name.
const TOKENS: usize = 50;

const IN_USE: (Code, &str) = (Code::Aborted, "INTERMEDIATE_SESSION_IN_USE");
const NOT_FOUND: (Code, &str) = (Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
const BOUND: (Code, &str) = (Code::FailedPrecondition, "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION");

on_both_backends!(
    one_of_many_spends_wins,
    one_of_many_spends_with_their_own_keys_wins,
    every_spend_with_one_key_gets_one_answer,
    one_token_gets_a_slug_and_the_others_buy_another,
    people_of_one_domain_get_slugs_of_their_own,
    one_of_many_unfinished_spends_binds_the_token,
    a_token_is_spent_or_revoked,
);

async fn one_of_many_spends_wins(t: Harness) {
    let token = t.clients().token("ada@acme.com").await;
    let answers = at_once(&[t.clients()], (0..CALLS).map(|_| creation(&token).into_request())).await;
    only_one_wins(&answers);
    bought_once(&t).await;
    assert_eq!(t.count("idempotency_records").await, 0);
}

async fn one_of_many_spends_with_their_own_keys_wins(t: Harness) {
    let token = t.clients().token("ada@acme.com").await;
    let requests = (0..CALLS).map(|number| with_key(creation(&token), &format!("key-{number}")));
    let answers = at_once(&[t.clients()], requests).await;
    only_one_wins(&answers);
    bought_once(&t).await;
    assert_eq!(t.count("idempotency_records").await, 1);
}

async fn every_spend_with_one_key_gets_one_answer(t: Harness) {
    let token = t.clients().token("ada@acme.com").await;
    let answers = at_once(&[t.clients()], (0..CALLS).map(|_| with_key(creation(&token), "key"))).await;
    one_answer(&answers);
    bought_once(&t).await;
    assert_eq!(t.count("idempotency_records").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_spends_wins_across_replicas() {
    let mut t = Harness::postgres().await;
    let replicas = [t.clients(), t.replica().await];
    let token = t.clients().token("ada@acme.com").await;
    let answers = at_once(&replicas, (0..CALLS).map(|_| creation(&token).into_request())).await;
    only_one_wins(&answers);
    bought_once(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spend_with_one_key_gets_one_answer_across_replicas() {
    let mut t = Harness::postgres().await;
    let replicas = [t.clients(), t.replica().await];
    let token = t.clients().token("ada@acme.com").await;
    let answers = at_once(&replicas, (0..CALLS).map(|_| with_key(creation(&token), "key"))).await;
    one_answer(&answers);
    bought_once(&t).await;
}

async fn one_token_gets_a_slug_and_the_others_buy_another(t: Harness) {
    let clients = t.clients();
    let tokens = tokens(&clients, TOKENS, |number| format!("ada@company-{number}.com")).await;
    let wish = |token: &String, slug: &str| {
        Creation { organization_slug: Some(slug.to_owned()), ..creation(token) }.into_request()
    };
    let answers = at_once(&[t.clients()], tokens.iter().map(|token| wish(token, "acme"))).await;
    let mut losers = Vec::new();
    for (token, answer) in tokens.iter().zip(answers) {
        match answer {
            Ok(_) => {}
            Err(status) => {
                let refusal = Refusal::of(&status);
                assert_eq!(refusal.code, Code::AlreadyExists, "{refusal:?}");
                assert_eq!(refusal.reason, "ORGANIZATION_SLUG_ALREADY_USED", "{refusal:?}");
                losers.push(token);
            }
        }
    }
    assert_eq!(losers.len(), TOKENS - 1);
    assert_eq!(t.count("organizations").await, 1);
    for (number, token) in losers.into_iter().enumerate() {
        clients.spend(wish(token, &format!("acme-{number}"))).await.unwrap();
    }
    assert_eq!(t.count("organizations").await, 50);
    assert_eq!(t.count("intermediate_session_receipts").await, 50);
}

async fn people_of_one_domain_get_slugs_of_their_own(t: Harness) {
    let tokens = tokens(&t.clients(), TOKENS, |number| format!("person-{number}@acme.com")).await;
    let answers = at_once(&[t.clients()], tokens.iter().map(|token| creation(token).into_request())).await;
    let slugs: HashSet<String> = answers
        .into_iter()
        .map(|answer| answer.unwrap().into_inner().organization.unwrap().organization_slug)
        .collect();
    assert_eq!(slugs.len(), TOKENS);
    assert!(slugs.contains("acme"), "{slugs:?}");
    assert!(slugs.iter().all(|slug| slug.starts_with("acme")), "{slugs:?}");
    assert_eq!(t.count("sessions").await, 50);
}

async fn one_of_many_unfinished_spends_binds_the_token(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let request = || {
        Creation { mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()), ..creation(&token) }.into_request()
    };
    let answers = at_once(&[t.clients()], (0..CALLS).map(|_| request())).await;
    let winner = only_one_of(&answers, &[IN_USE, BOUND]);
    assert!(!winner.member_authenticated);
    assert!(winner.mfa_required.is_some());
    assert_eq!(winner.intermediate_session_token, token);
    let counts = ["organizations", "members", "sessions", "intermediate_session_receipts"];
    for (table, rows) in counts.into_iter().zip([1, 1, 0, 1]) {
        assert_eq!(t.count(table).await, rows, "{table}");
    }
    let seen = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert_eq!(seen.organization_id, winner.organization.map(|organization| organization.organization_id));
    assert_eq!(seen.member_id.as_deref(), Some(winner.member_id.as_str()));
    refused(clients.spend(creation(&token)).await, BOUND.0, BOUND.1);
}

async fn a_token_is_spent_or_revoked(t: Harness) {
    let clients = t.clients();
    let mut bought = 0;
    for _ in 0..20 {
        let token = clients.token("ada@acme.com").await;
        let request = pb::RevokeIntermediateSessionRequest { intermediate_session_token: token.clone() };
        let mut revoking = clients.intermediate_sessions.clone();
        let (spent, revoked) =
            tokio::join!(clients.spend(creation(&token)), revoking.revoke_intermediate_session(request));
        assert_ne!(spent.is_ok(), revoked.is_ok(), "one of both: {spent:?} {revoked:?}");
        if spent.is_ok() {
            bought += 1;
            refused(revoked, NOT_FOUND.0, NOT_FOUND.1);
        } else {
            refused(spent, NOT_FOUND.0, NOT_FOUND.1);
        }
        refused(clients.spend(creation(&token)).await, NOT_FOUND.0, NOT_FOUND.1);
    }
    assert_eq!(t.count("organizations").await, bought);
    assert_eq!(t.count("intermediate_session_receipts").await, 20);
}

/// Makes the calls at the same moment, and tells their answers in order.
async fn at_once(replicas: &[Clients], requests: impl Iterator<Item = Request<Creation>>) -> Vec<Answer> {
    let calls = requests.zip(replicas.iter().cycle().cloned());
    together(calls.map(|(request, clients)| async move { clients.spend(request).await })).await
}

/// Does everything at the same moment, and tells what came of it in order.
async fn together<T: Send + 'static>(
    calls: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let calls: Vec<_> = calls.collect();
    let start = Arc::new(Barrier::new(calls.len()));
    let mut running = JoinSet::new();
    for (number, call) in calls.into_iter().enumerate() {
        let start = Arc::clone(&start);
        running.spawn(async move {
            start.wait().await;
            (number, call.await)
        });
    }
    let mut answers = running.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn tokens(clients: &Clients, count: usize, address: impl Fn(usize) -> String) -> Vec<String> {
    let mut tokens = Vec::new();
    for number in 0..count {
        tokens.push(clients.token(&address(number)).await);
    }
    tokens
}

/// The one success; every other answer is one of `documented`.
#[track_caller]
fn only_one_of(answers: &[Answer], documented: &[(Code, &str)]) -> Created {
    let mut winners = Vec::new();
    for answer in answers {
        match answer {
            Ok(created) => winners.push(created.get_ref().clone()),
            Err(status) => {
                let refusal = Refusal::of(status);
                let answer = (refusal.code, refusal.reason.as_str());
                assert!(documented.contains(&answer), "an answer that is not documented: {refusal:?}");
                // The delay is missing where a repeat is pointless.
                assert_eq!(refusal.retry_after.is_some(), refusal.code == Code::Aborted, "{refusal:?}");
            }
        }
    }
    assert_eq!(winners.len(), 1, "one call succeeds");
    winners.remove(0)
}

#[track_caller]
fn only_one_wins(answers: &[Answer]) {
    let winner = only_one_of(answers, &[IN_USE, NOT_FOUND]);
    assert!(winner.member_authenticated);
    assert_eq!(winner.intermediate_session_token, "");
}

/// Everybody gets the same answer, or is told to come again.
#[track_caller]
fn one_answer(answers: &[Answer]) {
    let mut bought = HashSet::new();
    for answer in answers {
        match answer {
            Ok(created) => {
                let created = created.get_ref();
                bought.insert((
                    created.organization.as_ref().unwrap().organization_id.clone(),
                    created.member_id.clone(),
                    created.session_token.clone(),
                ));
            }
            Err(status) => {
                let refusal = Refusal::of(status);
                assert_eq!(refusal.code, Code::Aborted, "{refusal:?}");
                assert!(refusal.retry_after.is_some(), "{refusal:?}");
            }
        }
    }
    assert_eq!(bought.len(), 1, "one organization, member and session token: {bought:?}");
}

/// One token has bought one login, and nothing is left over from those who lost.
async fn bought_once(t: &Harness) {
    let tables = ["organizations", "organization_names", "members", "member_email_addresses", "sessions"];
    for table in tables.into_iter().chain(["intermediate_session_receipts"]) {
        assert_eq!(t.count(table).await, 1, "{table}");
    }
    assert_eq!(t.count("events").await, 3);
}
