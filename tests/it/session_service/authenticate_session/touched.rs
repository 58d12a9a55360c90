//! When a session was last used, and what a check costs.

use std::time::Duration;

use prost_types::Timestamp;
use vestibule::clock::Clock as _;

use super::super::common::{Login, checked, founder, written};
use super::Request;
use crate::harness::chaos::ChaosProxy;
use crate::harness::logins::{by_jwt, by_token};
use crate::harness::supervised::Patience;
use crate::harness::values::seconds;
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(
    a_plain_check_writes_nothing,
    the_use_is_written_down_in_the_background,
    the_use_is_written_down_at_the_end,
    an_earlier_use_is_not_worth_a_write,
);

/// When the session was last used, as it is stored.
async fn stored(t: &Harness, login: &Login) -> Option<Timestamp> {
    let listed = t.clients().sessions_of(login.organization_id(), login.member_id()).await.unwrap();
    let [session] = listed.into_inner().member_sessions.try_into().unwrap();
    session.last_accessed_at
}

async fn a_plain_check_writes_nothing(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let before = written(&t).await;
    for request in [by_token(&ada.token), by_jwt(&ada.jwt)] {
        t.clock.advance(Duration::from_secs(1));
        let answer = t.clients().authenticate(request).await.unwrap().into_inner();
        assert_eq!(answer.member_session.unwrap().last_accessed_at, Some(seconds(t.clock.now())));
    }
    assert_eq!(written(&t).await, before);
}

async fn the_use_is_written_down_in_the_background(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let mut patience = Patience::new();
    t.clock.advance(Duration::from_mins(1));
    let now = Some(seconds(t.clock.now()));
    // What was gathered before the time went on is told of as of then.
    while stored(&t, &ada).await != now {
        assert_eq!(checked(&t, &ada.token).await.last_accessed_at, now);
        patience.turn(|| "the use to be written down").await;
    }
}

/// Restarting it makes the server write down what it knows.
async fn the_use_is_written_down_at_the_end(mut t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_secs(30));
    t.restart().await;
    assert_eq!(stored(&t, &ada).await, ada.session.last_accessed_at);
    checked(&t, &ada.token).await;
    t.restart().await;
    assert_eq!(stored(&t, &ada).await, Some(seconds(t.clock.now())));
}

async fn an_earlier_use_is_not_worth_a_write(mut t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_millis(29_999));
    t.restart().await;
    checked(&t, &ada.token).await;
    t.restart().await;
    assert_eq!(stored(&t, &ada).await, ada.session.last_accessed_at);
    t.clock.advance(Duration::from_millis(1));
    t.restart().await;
    checked(&t, &ada.token).await;
    t.restart().await;
    assert_eq!(stored(&t, &ada).await, Some(seconds(t.clock.now())));
}

/// The round trips so far, once nothing is under way.
async fn quiet(proxy: &ChaosProxy) -> u64 {
    let (mut trips, mut patience) = (proxy.round_trips(), Patience::new());
    let mut still = 0;
    while still < 4 {
        patience.turn(|| "the connection to fall silent").await;
        let now = proxy.round_trips();
        still = if now == trips { still + 1 } else { 0 };
        trips = now;
    }
    trips
}

/// The fewest round trips of several such calls: the first one prepares its statements, and others may meet
/// a health check or a sweep.
async fn fewest(t: &Harness, request: &Request) -> u64 {
    let proxy = &t.stage.as_ref().unwrap().postgres_proxy;
    let mut fewest = u64::MAX;
    for _ in 0..8 {
        let before = quiet(proxy).await;
        t.clients().authenticate(request.clone()).await.unwrap();
        fewest = fewest.min(quiet(proxy).await - before);
    }
    fewest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_costs_one_statement_and_a_change_two_in_a_transaction() {
    /// What the pool asks of a connection that comes back, after the answer has left.
    const RETURN: u64 = 1;
    let t = Setup::stage().await.with(|config| config.database_max_connections = 1).start().await;
    let ada = founder(&t, "ada@acme.com").await;
    let check = crate::harness::values::object(&serde_json::json!({}));
    let by_its_token = by_token(&ada.token);
    let extending = Request { session_duration_minutes: Some(60), ..by_its_token.clone() };
    let claiming = Request { session_custom_claims: Some(check), ..by_its_token.clone() };
    assert_eq!(fewest(&t, &by_its_token).await, 1 + RETURN);
    assert_eq!(fewest(&t, &by_jwt(&ada.jwt)).await, 1 + RETURN);
    // BEGIN, read, write, COMMIT.
    assert_eq!(fewest(&t, &extending).await, 4 + RETURN);
    assert_eq!(fewest(&t, &claiming).await, 4 + RETURN);
}
