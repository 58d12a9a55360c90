//! Keys that follow one another as time passes.

use std::time::Duration;

use super::{CACHED, LEAD, SECOND, just_before, jwks, jwt, kid, kids, published, publishing, verifies};
use crate::harness::{Harness, Setup, on_both_backends};

const DAY: Duration = Duration::from_hours(24);

on_both_backends!(
    the_next_key_is_published_for_the_whole_overlap,
    a_restart_changes_nothing,
    after_a_long_sleep_the_next_key_is_published_first,
    keys_of_the_version_before_sign_at_once,
);

/// The defaults: keys that sign for 180 days and overlap by 30.
async fn the_next_key_is_published_for_the_whole_overlap(t: Harness) {
    let clients = t.clients();
    let [first] = published(&clients, 1).await.try_into().unwrap();
    assert_eq!(kid(&jwt(&clients, "first").await), first);
    t.clock.advance(just_before(150 * DAY));
    assert_eq!(kids(&clients).await, std::slice::from_ref(&first));
    t.clock.advance(SECOND);
    let [signing, second] = published(&clients, 2).await.try_into().unwrap();
    assert_eq!(signing, first);
    t.clock.advance(just_before(30 * DAY));
    assert_eq!(kid(&jwt(&clients, "before").await), first);
    t.clock.advance(SECOND);
    assert_eq!(kid(&jwt(&clients, "after").await), second);
    assert_eq!(kids(&clients).await, [second.clone(), first.clone()]);
    t.clock.advance(just_before(30 * DAY));
    assert_eq!(kids(&clients).await, [second.clone(), first]);
    t.clock.advance(SECOND);
    assert_eq!(kids(&clients).await, [second]);
    assert_eq!(t.count("signing_keys").await, 2, "retired keys are kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_never_meets_an_unknown_key() {
    let (period, overlap) = (Duration::from_hours(1), LEAD);
    let setup = Setup::embedded();
    let setup = setup.with(|config| (config.jwt_key_period, config.jwt_key_overlap) = (period, overlap));
    let t = setup.start().await;
    let clients = t.clients();
    let mut seen = published(&clients, 1).await;
    let mut cached = jwks(&clients).await;
    let mut shown = jwt(&clients, "start").await;
    for step in 1..=40_u32 {
        t.clock.advance(CACHED);
        // The next is due one overlap before the end of each period.
        if (CACHED * step + overlap).as_secs().is_multiple_of(period.as_secs()) {
            published(&clients, 2).await;
        }
        let keys = jwks(&clients).await;
        assert!(verifies(&keys, &shown), "step {step}: a JWT that is still alive");
        shown = jwt(&clients, &format!("step-{step}")).await;
        assert!(verifies(&cached, &shown), "step {step}: keys that are still cached");
        assert!(keys.len() <= 2, "{keys:?}");
        cached = keys;
        if !seen.contains(&kid(&shown)) {
            seen.push(kid(&shown));
        }
    }
    assert_eq!(seen.len(), 4, "200 minutes: {seen:?}");
}

async fn a_restart_changes_nothing(mut t: Harness) {
    t.clock.advance(150 * DAY);
    let both = published(&t.clients(), 2).await;
    t.restart().await;
    assert_eq!(kids(&t.clients()).await, both);
    assert_eq!(kid(&jwt(&t.clients(), "before").await), both[0]);
    t.clock.advance(30 * DAY);
    t.restart().await;
    assert_eq!(kid(&jwt(&t.clients(), "after").await), both[1]);
    assert_eq!(t.count("signing_keys").await, 2);
}

async fn after_a_long_sleep_the_next_key_is_published_first(mut t: Harness) {
    let [first] = published(&t.clients(), 1).await.try_into().unwrap();
    t.stop().await;
    t.clock.advance(1_000 * DAY);
    t.restart().await;
    let clients = t.clients();
    let [signing, second] = published(&clients, 2).await.try_into().unwrap();
    assert_eq!(signing, first);
    t.clock.advance(just_before(LEAD));
    assert_eq!(kid(&jwt(&clients, "before").await), first);
    t.clock.advance(SECOND);
    assert_eq!(kid(&jwt(&clients, "after").await), second);
}

async fn keys_of_the_version_before_sign_at_once(mut t: Harness) {
    let keys = kids(&t.clients()).await;
    t.execute("UPDATE signing_keys SET signs_from = NULL").await;
    t.restart().await;
    assert_eq!(kids(&t.clients()).await, keys);
    assert_eq!(kid(&jwt(&t.clients(), "acme").await), keys[0]);
    t.clock.advance(150 * DAY);
    published(&t.clients(), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_make_one_next_key_and_agree_on_it() {
    let mut t = Harness::postgres().await;
    let mut replicas = vec![t.clients()];
    for _ in 0..3 {
        replicas.push(t.replica().await);
    }
    let first = kids(&replicas[0]).await;
    for (round, sleep) in [150, 180, 180].into_iter().enumerate() {
        t.clock.advance(sleep * DAY);
        let before = published(&replicas[0], 2).await;
        for (number, replica) in replicas.iter().enumerate() {
            assert_eq!(published(replica, 2).await, before);
            let jwt = jwt(replica, &format!("round-{round}-{number}")).await;
            assert_eq!(kid(&jwt), before[0]);
            // It verifies with what every other one publishes.
            for other in &replicas {
                assert!(verifies(&jwks(other).await, &jwt));
            }
        }
        let keys = i64::try_from(round).unwrap() + 2;
        assert_eq!(t.count("signing_keys").await, keys);
    }
    assert!(!kids(&replicas[0]).await.contains(&first[0]));
}

/// What another replica has changed is known within seconds, without a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_dropped_and_followed() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let first = kid(&jwt(&clients, "before").await);
    t.execute("UPDATE signing_keys SET revoked_at = created_at").await;
    let keys = publishing(&clients, |keys| keys.iter().any(|key| *key != first)).await;
    assert_eq!(keys.len(), 1);
    assert_eq!(kid(&jwt(&clients, "after").await), keys[0]);
}
