//! Many calls at once with one token, of which some enter organizations: one of them buys one session.

use std::collections::HashSet;

use tonic::{Code, IntoRequest as _, Request, Status};
use vestibule::pb;

use super::changes::ended;
use super::{BOUND, Creation, IN_USE, NOT_FOUND, together};
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, factor, with_key};
use crate::harness::logins::{by_token, exchange};
use crate::harness::members::invitation;
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

/// How many calls fight for one token.
const CALLS: usize = 120;

on_both_backends!(
    one_of_many_exchanges_wins,
    one_of_many_exchanges_with_their_own_keys_wins,
    every_exchange_with_one_key_gets_one_answer,
    one_of_many_organizations_is_entered,
    an_organization_is_created_or_entered,
    one_of_many_joins_wins,
    every_unfinished_exchange_leaves_the_token_open,
    one_of_many_finishes_wins,
    every_finish_with_one_key_gets_one_answer,
    a_token_is_bound_or_entered_with,
    a_token_is_entered_with_or_revoked,
    a_bound_token_is_finished_or_revoked,
    a_factor_counts_for_the_exchanges_after_it,
);

/// What a call spends its token on.
#[derive(Clone, Debug)]
enum Purpose {
    Create,
    Enter(String),
}

/// What a login came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Login {
    organization: String,
    member: String,
    session_token: String,
}

fn keyed<T>(message: T, key: Option<String>) -> Request<T> {
    match key {
        Some(key) => with_key(message, &key),
        None => message.into_request(),
    }
}

/// Spends a token on a login.
async fn log_in(
    clients: Clients,
    token: String,
    purpose: Purpose,
    key: Option<String>,
) -> Result<Login, Status> {
    let (authenticated, back, organization, member, session_token) = match purpose {
        Purpose::Create => {
            let answer = clients.spend(keyed(creation(&token), key)).await?.into_inner();
            let back = answer.intermediate_session_token;
            (answer.member_authenticated, back, answer.organization, answer.member_id, answer.session_token)
        }
        Purpose::Enter(organization) => {
            let answer = clients.exchange(keyed(exchange(&token, &organization), key)).await?.into_inner();
            let back = answer.intermediate_session_token;
            (answer.member_authenticated, back, answer.organization, answer.member_id, answer.session_token)
        }
    };
    assert!(authenticated && back.is_empty(), "the login is complete, and the token is gone");
    Ok(Login { organization: organization.unwrap().organization_id, member, session_token })
}

/// Spends one token on many things at the same moment.
async fn fight(
    replicas: &[Clients],
    token: &str,
    calls: impl Iterator<Item = (Purpose, Option<String>)>,
) -> Vec<Result<Login, Status>> {
    let calls = calls.zip(replicas.iter().cycle().cloned());
    let calls = calls.map(|((purpose, key), clients)| log_in(clients, token.to_owned(), purpose, key));
    together(calls).await
}

/// The one login; every other answer is one of `documented`.
#[track_caller]
fn only_one(answers: &[Result<Login, Status>], documented: &[(Code, &str)]) -> Login {
    let mut winners = Vec::new();
    for answer in answers {
        match answer {
            Ok(login) => winners.push(login.clone()),
            Err(status) => {
                let refusal = Refusal::of(status);
                let answer = (refusal.code, refusal.reason.as_str());
                assert!(documented.contains(&answer), "an answer that is not documented: {refusal:?}");
                assert_eq!(refusal.retry_after.is_some(), refusal.code == Code::Aborted, "{refusal:?}");
            }
        }
    }
    assert_eq!(winners.len(), 1, "one call succeeds");
    winners.remove(0)
}

/// Everybody gets the same login, or is told to come again.
#[track_caller]
fn one_answer(answers: &[Result<Login, Status>]) -> Login {
    let mut logins = HashSet::new();
    for answer in answers {
        match answer {
            Ok(login) => drop(logins.insert(login.clone())),
            Err(status) => {
                let refusal = Refusal::of(status);
                assert_eq!(refusal.code, Code::Aborted, "{refusal:?}");
                assert!(refusal.retry_after.is_some(), "{refusal:?}");
            }
        }
    }
    assert_eq!(logins.len(), 1, "one login: {logins:?}");
    logins.into_iter().next().unwrap()
}

/// How many members, sessions, receipts of sessions, and events of sessions and members there are.
async fn traces(t: &Harness) -> [i64; 5] {
    let mut traces = [0; 5];
    let tables = [
        "members",
        "sessions",
        "intermediate_session_receipts WHERE session_id IS NOT NULL",
        "events WHERE type = 'session.created'",
        "events WHERE type IN ('member.created', 'member.updated')",
    ];
    for (count, table) in traces.iter_mut().zip(tables) {
        *count = t.count(table).await;
    }
    traces
}

/// Asserts that one login more has left its traces, of a new member or of one who was there, and that it
/// works, and that the token is gone.
async fn logged_in_once(t: &Harness, before: [i64; 5], new_members: i64, token: &str, login: &Login) {
    let [members, sessions, receipts, sessions_created, members_changed] = before;
    let after = [
        members + new_members,
        sessions + 1,
        receipts + 1,
        sessions_created + 1,
        // Whoever logs in for the first time becomes active, or has a verified address from then on.
        members_changed + 1,
    ];
    assert_eq!(traces(t).await, after);
    let clients = t.clients();
    let session = clients.authenticate(by_token(&login.session_token)).await.unwrap().into_inner();
    assert_eq!(session.member.unwrap().member_id, login.member);
    refused(clients.exchange(exchange(token, &login.organization)).await, NOT_FOUND.0, NOT_FOUND.1);
}

/// An organization with a member who has never logged in.
async fn member_of(clients: &Clients, address: &str) -> String {
    let id = clients.organization("Acme").await.organization_id;
    clients.member(&id, address).await;
    id
}

/// A token whose login in an organization of its own is not complete, and the organization.
async fn bound(clients: &Clients, address: &str) -> (String, String) {
    let token = clients.token(address).await;
    let request = Creation { mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()), ..creation(&token) };
    let created = clients.spend(request).await.unwrap().into_inner();
    assert!(!created.member_authenticated);
    (token, created.organization.unwrap().organization_id)
}

fn totp() -> pb::VouchedFactor {
    factor("totp", "authenticator_app")
}

async fn one_of_many_exchanges_wins(t: Harness) {
    let clients = t.clients();
    let id = member_of(&clients, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let before = traces(&t).await;
    let calls = (0..CALLS).map(|_| (Purpose::Enter(id.clone()), None));
    let login = only_one(&fight(&[t.clients()], &token, calls).await, &[IN_USE, NOT_FOUND]);
    logged_in_once(&t, before, 0, &token, &login).await;
    assert_eq!(t.count("idempotency_records").await, 0);
}

async fn one_of_many_exchanges_with_their_own_keys_wins(t: Harness) {
    let clients = t.clients();
    let id = member_of(&clients, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let before = traces(&t).await;
    let calls = (0..CALLS).map(|number| (Purpose::Enter(id.clone()), Some(format!("key-{number}"))));
    let login = only_one(&fight(&[t.clients()], &token, calls).await, &[IN_USE, NOT_FOUND]);
    logged_in_once(&t, before, 0, &token, &login).await;
    assert_eq!(t.count("idempotency_records").await, 1, "losers have written nothing");
}

async fn every_exchange_with_one_key_gets_one_answer(t: Harness) {
    let clients = t.clients();
    let id = member_of(&clients, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let before = traces(&t).await;
    let calls = (0..CALLS).map(|_| (Purpose::Enter(id.clone()), Some("key".to_owned())));
    let login = one_answer(&fight(&[t.clients()], &token, calls).await);
    logged_in_once(&t, before, 0, &token, &login).await;
    assert_eq!(t.count("idempotency_records").await, 1);
}

async fn one_of_many_organizations_is_entered(t: Harness) {
    let clients = t.clients();
    let mut organizations = Vec::new();
    for _ in 0..6 {
        let id = clients.organization("Acme").await.organization_id;
        clients.invite_member(invitation(&id, "ada@acme.com")).await.unwrap();
        organizations.push(id);
    }
    let token = clients.token("ada@acme.com").await;
    let before = traces(&t).await;
    let keys = |number: usize| number.is_multiple_of(3).then(|| format!("key-{number}"));
    let calls = (0..CALLS).map(|number| (Purpose::Enter(organizations[number % 6].clone()), keys(number)));
    let login = only_one(&fight(&[t.clients()], &token, calls).await, &[IN_USE, NOT_FOUND]);
    logged_in_once(&t, before, 0, &token, &login).await;
    assert_eq!(t.count("members WHERE status = 'active'").await, 1, "the others are invited as before");
    assert_eq!(t.count("members WHERE status = 'invited'").await, 5);
}

async fn an_organization_is_created_or_entered(t: Harness) {
    let clients = t.clients();
    let id = member_of(&clients, "ada@acme.com").await;
    for _ in 0..4 {
        let token = clients.token("ada@acme.com").await;
        let organizations = t.count("organizations").await;
        let [members, sessions, receipts, ..] = traces(&t).await;
        let calls = (0..CALLS / 2).map(|number| {
            let purpose = if number % 2 == 0 { Purpose::Create } else { Purpose::Enter(id.clone()) };
            (purpose, (number % 4 > 1).then(|| format!("key-{number}-{sessions}")))
        });
        let login = only_one(&fight(&[t.clients()], &token, calls).await, &[IN_USE, NOT_FOUND]);
        let created = i64::from(login.organization != id);
        assert_eq!(t.count("organizations").await, organizations + created);
        assert_eq!(traces(&t).await[..3], [members + created, sessions + 1, receipts + 1]);
        assert_eq!(t.count("events WHERE type = 'session.created'").await, sessions + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_exchanges_wins_across_replicas() {
    let mut t = Harness::postgres().await;
    let replicas = [t.clients(), t.replica().await];
    let id = member_of(&replicas[0], "ada@acme.com").await;
    let token = replicas[0].token("ada@acme.com").await;
    let before = traces(&t).await;
    let calls = (0..CALLS).map(|_| (Purpose::Enter(id.clone()), None));
    let login = only_one(&fight(&replicas, &token, calls).await, &[IN_USE, NOT_FOUND]);
    logged_in_once(&t, before, 0, &token, &login).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_exchange_with_one_key_gets_one_answer_across_replicas() {
    let mut t = Harness::postgres().await;
    let replicas = [t.clients(), t.replica().await];
    let id = member_of(&replicas[0], "ada@acme.com").await;
    let token = replicas[0].token("ada@acme.com").await;
    let before = traces(&t).await;
    let calls = (0..CALLS).map(|_| (Purpose::Enter(id.clone()), Some("key".to_owned())));
    let login = one_answer(&fight(&replicas, &token, calls).await);
    logged_in_once(&t, before, 0, &token, &login).await;
}

/// Who loses has joined nothing: no member, no event.
async fn one_of_many_joins_wins(t: Harness) {
    let clients = t.clients();
    let mut organizations = Vec::new();
    for founder in ["ada", "alan", "barbara"] {
        let token = clients.token(&format!("{founder}@acme.com")).await;
        let request = Creation {
            email_allowed_domains: vec!["acme.com".to_owned()],
            email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
            ..creation(&token)
        };
        let created = clients.spend(request).await.unwrap().into_inner();
        organizations.push(created.organization.unwrap().organization_id);
    }
    let token = clients.token("grace@acme.com").await;
    let before = traces(&t).await;
    let calls = (0..CALLS).map(|number| (Purpose::Enter(organizations[number % 3].clone()), None));
    let login = only_one(&fight(&[t.clients()], &token, calls).await, &[IN_USE, NOT_FOUND]);
    logged_in_once(&t, before, 1, &token, &login).await;
}

async fn every_unfinished_exchange_leaves_the_token_open(t: Harness) {
    let clients = t.clients();
    let mut organizations = Vec::new();
    for _ in 0..2 {
        let id = member_of(&clients, "ada@acme.com").await;
        let demanding = pb::UpdateOrganizationRequest {
            mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
            ..crate::harness::members::organization_update(&id)
        };
        clients.update_organization(demanding).await.unwrap();
        organizations.push(id);
    }
    let token = clients.token("ada@acme.com").await;
    let before = traces(&t).await;
    let calls = (0..CALLS).map(|number| {
        let (clients, request) = (clients.clone(), exchange(&token, &organizations[number % 2]));
        async move { clients.exchange(request).await }
    });
    let mut answered = 0;
    for answer in together(calls).await {
        if let Some(answer) = ended(answer, &[IN_USE]) {
            assert!(answer.mfa_required.is_some() && answer.session_token.is_empty());
            assert_eq!(answer.intermediate_session_token, token);
            answered += 1;
        }
    }
    assert!(answered > 0);
    assert_eq!(traces(&t).await, before);
    assert_eq!(t.count("intermediate_session_receipts").await, 0);
    clients.add_factor(&token, totp()).await.unwrap();
    let login = log_in(t.clients(), token.clone(), Purpose::Enter(organizations[1].clone()), None).await;
    logged_in_once(&t, before, 0, &token, &login.unwrap()).await;
}

async fn one_of_many_finishes_wins(t: Harness) {
    let clients = t.clients();
    let elsewhere = member_of(&clients, "ada@acme.com").await;
    let (token, own) = bound(&clients, "ada@acme.com").await;
    clients.add_factor(&token, totp()).await.unwrap();
    let [members, ..] = traces(&t).await;
    let calls = (0..CALLS).map(|number| match number % 4 {
        0 => (Purpose::Enter(elsewhere.clone()), None),
        1 => (Purpose::Create, None),
        2 => (Purpose::Enter(own.clone()), Some(format!("key-{number}"))),
        _ => (Purpose::Enter(own.clone()), None),
    });
    let mut answers = fight(&[t.clients()], &token, calls).await;
    for (number, answer) in answers.iter().enumerate().filter(|(number, _)| number % 4 < 2) {
        assert!(answer.is_err(), "call {number} spends a bound token on something else: {answer:?}");
    }
    if answers.iter().all(Result::is_err) {
        // Those who may not spend it can keep those out who may, and then it is as it was.
        answers.push(log_in(t.clients(), token.clone(), Purpose::Enter(own.clone()), None).await);
    }
    let login = only_one(&answers, &[IN_USE, NOT_FOUND, BOUND]);
    assert_eq!(login.organization, own);
    assert_eq!(traces(&t).await[..4], [members, 1, 1, 1]);
    assert_eq!(t.count("intermediate_session_receipts").await, 1);
    refused(clients.exchange(exchange(&token, &own)).await, NOT_FOUND.0, NOT_FOUND.1);
}

async fn every_finish_with_one_key_gets_one_answer(t: Harness) {
    let clients = t.clients();
    let (token, own) = bound(&clients, "ada@acme.com").await;
    clients.add_factor(&token, totp()).await.unwrap();
    let calls = (0..CALLS).map(|_| (Purpose::Enter(own.clone()), Some("key".to_owned())));
    let login = one_answer(&fight(&[t.clients()], &token, calls).await);
    assert_eq!(login.organization, own);
    assert_eq!(traces(&t).await[1..4], [1, 1, 1]);
    assert_eq!(t.count("idempotency_records").await, 1);
}

async fn a_token_is_bound_or_entered_with(t: Harness) {
    let clients = t.clients();
    let id = member_of(&clients, "ada@acme.com").await;
    let (mut founded, mut entered) = (0, 0);
    for _ in 0..20 {
        let token = clients.token("ada@acme.com").await;
        let request = Creation { mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()), ..creation(&token) };
        let (created, exchanged) =
            tokio::join!(clients.spend(request), clients.exchange(exchange(&token, &id)));
        let created = ended(created, &[IN_USE, NOT_FOUND]);
        let exchanged = ended(exchanged, &[IN_USE, BOUND]);
        assert_ne!(created.is_some(), exchanged.is_some(), "one of both");
        let again = clients.exchange(exchange(&token, &id)).await;
        if created.is_some() {
            founded += 1;
            refused(again, BOUND.0, BOUND.1);
        } else {
            entered += 1;
            refused(again, NOT_FOUND.0, NOT_FOUND.1);
        }
    }
    assert_eq!(t.count("organizations").await, 1 + founded);
    assert_eq!(t.count("sessions").await, entered);
    assert_eq!(t.count("intermediate_session_receipts").await, 20);
}

async fn a_token_is_entered_with_or_revoked(t: Harness) {
    let clients = t.clients();
    let id = member_of(&clients, "ada@acme.com").await;
    let mut entered = 0;
    for _ in 0..20 {
        let token = clients.token("ada@acme.com").await;
        let (exchanged, revoked) =
            tokio::join!(clients.exchange(exchange(&token, &id)), clients.revoke(&token));
        let exchanged = ended(exchanged, &[NOT_FOUND]);
        assert_ne!(exchanged.is_some(), ended(revoked, &[NOT_FOUND]).is_some(), "one of both");
        entered += i64::from(exchanged.is_some());
        refused(clients.exchange(exchange(&token, &id)).await, NOT_FOUND.0, NOT_FOUND.1);
        assert_eq!(t.count("sessions").await, entered);
    }
    assert_eq!(t.count("intermediate_session_receipts").await, 20);
}

async fn a_bound_token_is_finished_or_revoked(t: Harness) {
    let clients = t.clients();
    let mut finished = 0;
    for round in 0..10 {
        let (token, own) = bound(&clients, &format!("ada-{round}@acme.com")).await;
        clients.add_factor(&token, totp()).await.unwrap();
        let (exchanged, revoked) =
            tokio::join!(clients.exchange(exchange(&token, &own)), clients.revoke(&token));
        let exchanged = ended(exchanged, &[NOT_FOUND]);
        assert_ne!(exchanged.is_some(), ended(revoked, &[NOT_FOUND]).is_some(), "one of both");
        finished += i64::from(exchanged.is_some());
        refused(clients.exchange(exchange(&token, &own)).await, NOT_FOUND.0, NOT_FOUND.1);
        assert_eq!(t.count("sessions").await, finished);
    }
}

/// A factor that comes while a call runs is refused, or counts from then on; it is never lost.
async fn a_factor_counts_for_the_exchanges_after_it(t: Harness) {
    let clients = t.clients();
    for round in 0..10 {
        let (token, own) = bound(&clients, &format!("ada-{round}@acme.com")).await;
        let (added, exchanged) =
            tokio::join!(clients.add_factor(&token, totp()), clients.exchange(exchange(&token, &own)));
        let exchanged = ended(exchanged, &[]).unwrap();
        if exchanged.member_authenticated {
            // The factor was there in time. The token may be spent before that is said.
            ended(added, &[NOT_FOUND]);
            continue;
        }
        let added = ended(added, &[IN_USE]).is_some();
        assert_eq!(exchanged.intermediate_session_token, token);
        if !added {
            clients.add_factor(&token, totp()).await.unwrap();
        }
        let seen = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
        assert_eq!(seen.factors.len(), 2);
        let finished = clients.exchange(exchange(&token, &own)).await.unwrap().into_inner();
        assert!(finished.member_authenticated);
    }
    assert_eq!(t.count("sessions").await, 10);
}
