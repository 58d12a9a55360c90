//! The calls of a caller.

use std::time::Duration;

use tonic_health::pb::HealthCheckRequest;
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::config::limits::LimitsConfig;
use vestibule::domain::permission::Permission;
use vestibule::domain::rate::Rate;
use vestibule::pb;

use super::{limit, started, use_up, wait, with_limits};
use crate::harness::callers::Key;
use crate::harness::fixtures::organization;
use crate::harness::logins::by_token;
use crate::harness::{Harness, Setup};

with_limits!(|limits| (limits.caller_rate, limits.caller_burst) = (1, Some(5));
    the_burst_passes_and_the_next_call_is_told_when,
    a_limited_call_has_written_nothing,
    what_needs_no_credential_is_free,
    a_request_is_not_read_before_it_is_counted,
);

async fn the_burst_passes_and_the_next_call_is_told_when(t: Harness) {
    let clients = t.clients();
    let call = async || limit(&clients.get("nothing").await);
    let retry_after = use_up(&t, Rate::per_second(1, 5), call).await;
    assert!(call().await.is_some());
    wait(&t, retry_after).await;
    assert_eq!(call().await, None);
}

async fn a_limited_call_has_written_nothing(t: Harness) {
    let clients = t.clients();
    use_up(&t, Rate::per_second(1, 5), async || limit(&clients.get("nothing").await)).await;
    assert!(limit(&clients.create(organization("Acme")).await).is_some());
    assert_eq!((t.count("organizations").await, t.count("events").await), (0, 0));
}

async fn what_needs_no_credential_is_free(t: Harness) {
    let mut clients = t.clients();
    use_up(&t, Rate::per_second(1, 5), async || limit(&clients.get("nothing").await)).await;
    for _ in 0..10 {
        clients.sessions.get_jwks(pb::GetJwksRequest {}).await.unwrap();
        clients.health.check(HealthCheckRequest::default()).await.unwrap();
    }
    assert!(limit(&clients.get("nothing").await).is_some());
}

async fn a_request_is_not_read_before_it_is_counted(t: Harness) {
    let clients = t.clients();
    let wrong = async || limit(&clients.inspect("no token").await);
    use_up(&t, Rate::per_second(1, 5), wrong).await;
    assert!(wrong().await.is_some());
}

/// The bucket is the caller's, whichever of its keys it shows, and has the rate that its lines say.
#[tokio::test]
async fn each_caller_has_a_bucket_of_its_own() {
    let slow = [(); 2].map(|()| Key::new("slow", &[Permission::Read]));
    let other = Key::new("other", &[Permission::Read]);
    let with_rate = |key: &Key| key.line.replace("{\"caller\"", "{\"calls_per_second\":2,\"caller\"");
    let lines = [with_rate(&slow[0]), with_rate(&slow[1]), other.line.clone()];
    let setup = Setup::embedded().callers(&lines.each_ref().map(String::as_str));
    let t = started(setup, |limits| (limits.caller_rate, limits.caller_burst) = (1, Some(5))).await;
    let clients = t.clients_with(&slow[0].text);
    use_up(&t, Rate::per_second(2, 4), async || limit(&clients.get("nothing").await)).await;
    assert!(limit(&t.clients_with(&slow[1].text).get("nothing").await).is_some());
    let clients = t.clients_with(&other.text);
    use_up(&t, Rate::per_second(1, 5), async || limit(&clients.get("nothing").await)).await;
}

/// Batches of five calls at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_the_bucket() {
    let limits = |limits: &mut LimitsConfig| (limits.caller_rate, limits.caller_burst) = (100, Some(200));
    let mut t = started(Setup::postgres().await, limits).await;
    let replicas = [t.clients(), t.replica().await];
    let time = SystemClock::new();
    let (mut passed, mut limited) = (0, [false; 2]);
    while limited != [true; 2] {
        for (clients, limited) in replicas.iter().zip(&mut limited) {
            match limit(&clients.get("nothing").await) {
                None => passed += 1,
                Some(_) => *limited = true,
            }
        }
    }
    let most = 200 + Rate::per_second(100, 200).tokens_in(time.monotonic());
    assert!((200..=most).contains(&passed), "{passed} of at most {most}");
}

/// One call that finds the purse empty asks Redis; those that come at the same time wait for what it brings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_are_counted_once_each() {
    let t = started(Setup::embedded(), |limits| (limits.caller_rate, limits.caller_burst) = (100, Some(50)))
        .await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..80 {
        let clients = t.clients();
        calls.spawn(async move { limit(&clients.get("nothing").await) });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_none()).count(), 50);
    assert!(answers.iter().flatten().all(|retry_after| *retry_after == Duration::from_millis(10)));
}

/// The rest are health checks, one a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_calls_ask_redis_nothing() {
    let t = started(Setup::stage().await, |limits| limits.caller_rate = 5_000).await;
    let clients = t.clients();
    let founded = clients.founded("ada@acme.com").await;
    let redis = &t.stage.as_ref().unwrap().redis_proxy;
    let (before, time) = (redis.round_trips(), SystemClock::new());
    for _ in 0..200 {
        clients.authenticate(by_token(&founded.session_token)).await.unwrap();
    }
    let health_checks = time.monotonic().as_secs() + 1;
    let trips = redis.round_trips() - before;
    assert!(trips <= 1 + health_checks, "{trips} round trips");
}
