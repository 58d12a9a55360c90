//! Failed attempts to spend a token.

use tonic::Code;
use vestibule::domain::rate::Rate;
use vestibule::pb::{self, MfaPolicy};

use super::{ask, keys, limit, started, use_up, wait, with_limits};
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, with_key};
use crate::harness::logins::exchange;
use crate::harness::members::{invitation, organization_update};
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup};

with_limits!(|limits| limits.failed_spends_per_minute = 60;
    slugs_are_not_guessed_for_ever,
    organizations_are_not_guessed_for_ever,
    a_bound_token_guesses_no_longer,
    another_token_is_not_limited,
    what_is_not_the_callers_guess_does_not_count,
    a_limited_call_has_written_nothing,
    a_repeat_gets_its_answer_all_the_same,
);

fn rate() -> Rate {
    Rate::per_minute(60)
}

/// Creates an organization with a slug that it asks for.
fn named(token: &str, slug: &str) -> pb::DiscoveryServiceCreateOrganizationRequest {
    pb::DiscoveryServiceCreateOrganizationRequest {
        organization_slug: Some(slug.to_owned()),
        ..creation(token)
    }
}

/// A token for the address that was refused until it is limited; and the delay that it was told.
async fn tired(t: &Harness, address: &str) -> (String, std::time::Duration) {
    let clients = t.clients();
    let token = clients.token(address).await;
    let retry_after =
        use_up(t, rate(), async || limit(&clients.exchange(exchange(&token, "nothing")).await)).await;
    (token, retry_after)
}

async fn slugs_are_not_guessed_for_ever(t: Harness) {
    let clients = t.clients();
    clients.spend(named(&clients.token("grace@acme.com").await, "taken")).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    let retry_after = use_up(&t, rate(), async || {
        let answer = clients.spend(named(&token, "taken")).await;
        let limited = limit(&answer);
        if limited.is_none() {
            refused(answer, Code::AlreadyExists, "ORGANIZATION_SLUG_ALREADY_USED");
        }
        limited
    })
    .await;
    wait(&t, retry_after).await;
    // The token is worth what it was.
    clients.spend(named(&token, "free")).await.unwrap();
}

async fn organizations_are_not_guessed_for_ever(t: Harness) {
    let clients = t.clients();
    let founded = clients.founded("grace@acme.com").await.organization.unwrap();
    let token = clients.token("ada@elsewhere.com").await;
    let mut turn = 0;
    let retry_after = use_up(&t, rate(), async || {
        turn += 1;
        let name = if turn % 2 == 0 { "nothing" } else { &founded.organization_slug };
        limit(&clients.exchange(exchange(&token, name)).await)
    })
    .await;
    assert!(limit(&clients.spend(creation(&token)).await).is_some(), "whatever it is spent on");
    wait(&t, retry_after).await;
    clients.spend(creation(&token)).await.unwrap();
}

/// A token that a creation has bound: its organization asks for a second factor.
async fn bound(clients: &Clients, key: &str) -> (String, pb::DiscoveryServiceCreateOrganizationRequest) {
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        mfa_policy: Some(MfaPolicy::RequiredForAll.into()),
        ..creation(&clients.token("ada@acme.com").await)
    };
    let created = clients.spend(with_key(request.clone(), key)).await.unwrap().into_inner();
    assert!(!created.member_authenticated);
    (created.intermediate_session_token, request)
}

async fn a_bound_token_guesses_no_longer(t: Harness) {
    let clients = t.clients();
    let (token, request) = bound(&clients, "key").await;
    let call = async || limit(&clients.exchange(exchange(&token, "nothing")).await);
    use_up(&t, rate(), call).await;
    // Its own creation is answered again.
    let again = clients.spend(with_key(request, "key")).await.unwrap().into_inner();
    assert_eq!(again.intermediate_session_token, token);
}

async fn another_token_is_not_limited(t: Harness) {
    tired(&t, "ada@acme.com").await;
    t.clients().founded("ada@acme.com").await;
}

/// A second factor that is owed is no failure; neither is a request that nobody could fulfil.
async fn what_is_not_the_callers_guess_does_not_count(t: Harness) {
    let clients = t.clients();
    let (token, _) = bound(&clients, "key").await;
    let home = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    let home = home.organization_id.unwrap();
    for _ in 0..70 {
        let entered = clients.exchange(exchange(&token, &home)).await.unwrap().into_inner();
        assert!(entered.mfa_required.is_some());
        let answer = clients.exchange(with_key(exchange(&token, "nothing"), "key")).await;
        refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    }
}

async fn a_limited_call_has_written_nothing(t: Harness) {
    let clients = t.clients();
    let (token, _) = tired(&t, "ada@acme.com").await;
    assert!(limit(&clients.spend(with_key(creation(&token), "key")).await).is_some());
    let tables =
        ["organizations", "members", "intermediate_session_receipts", "idempotency_records", "events"];
    for table in tables {
        assert_eq!(t.count(table).await, 0, "{table}");
    }
}

/// The first answer leaves the token open: a second factor is owed to an organization that was there before.
async fn a_repeat_gets_its_answer_all_the_same(t: Harness) {
    let clients = t.clients();
    let organization_id = clients.organization("Acme").await.organization_id;
    let mut settings = organization_update(&organization_id);
    settings.mfa_policy = Some(MfaPolicy::RequiredForAll.into());
    clients.update_organization(settings).await.unwrap();
    clients.invite_member(invitation(&organization_id, "ada@acme.com")).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    let enter = || with_key(exchange(&token, &organization_id), "key");
    let first = clients.exchange(enter()).await.unwrap().into_inner();
    use_up(&t, rate(), async || limit(&clients.exchange(exchange(&token, "nothing")).await)).await;
    assert!(limit(&clients.exchange(exchange(&token, &organization_id)).await).is_some());
    let again = clients.exchange(enter()).await.unwrap().into_inner();
    assert_eq!((again.member_id, again.intermediate_session_token), (first.member_id, token));
}

/// The count lives and dies with the entry, and an entry that an older version has written has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_count_is_a_field_of_the_entry() {
    let t = started(Setup::stage().await, |limits| limits.failed_spends_per_minute = 60).await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let [key] = keys(&t, "intermediate-session").await.try_into().unwrap();
    let ends: i64 = ask(&t, &[b"PEXPIRETIME", key.as_bytes()]).await;
    use_up(&t, rate(), async || limit(&clients.exchange(exchange(&token, "nothing")).await)).await;
    assert_eq!(ask::<i64>(&t, &[b"PEXPIRETIME", key.as_bytes()]).await, ends, "nothing extends its life");
    let removed: i64 = ask(&t, &[b"HDEL", key.as_bytes(), b"attempts"]).await;
    assert_eq!(removed, 1);
    clients.spend(creation(&token)).await.unwrap();
    assert!(keys(&t, "intermediate-session").await.is_empty());
}
