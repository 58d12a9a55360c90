//! The setting of the algorithm changes.

use std::time::Duration;

use vestibule::domain::jwt_algorithm::JwtAlgorithm;

use super::{LEAD, SECOND, just_before, jwks, jwt, kid, published, verifies};
use crate::harness::{Harness, Setup, on_both_backends};

const OVERLAP: Duration = Duration::from_hours(24 * 30);

on_both_backends!(the_old_key_signs_until_verifiers_know_the_new_one);

async fn algorithms(t: &Harness) -> Vec<String> {
    jwks(&t.clients()).await.into_iter().map(|key| key.alg).collect()
}

async fn restart_with(t: &mut Harness, algorithm: JwtAlgorithm) {
    t.config.jwt_algorithm = algorithm;
    t.restart().await;
}

async fn the_old_key_signs_until_verifiers_know_the_new_one(mut t: Harness) {
    let before = jwt(&t.clients(), "before").await;
    restart_with(&mut t, JwtAlgorithm::Rs256).await;
    assert_eq!(algorithms(&t).await, ["ES256", "RS256"]);
    t.clock.advance(just_before(LEAD));
    let clients = t.clients();
    let cached = jwks(&clients).await;
    assert_eq!(kid(&jwt(&clients, "lead").await), kid(&before));
    t.clock.advance(SECOND);
    let after = jwt(&clients, "after").await;
    assert_ne!(kid(&after), kid(&before));
    assert!(verifies(&cached, &after));
    assert_eq!(algorithms(&t).await, ["RS256", "ES256"]);
    t.clock.advance(just_before(OVERLAP));
    assert!(verifies(&jwks(&clients).await, &before));
    t.clock.advance(SECOND);
    assert_eq!(algorithms(&t).await, ["RS256"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_soon_finds_the_old_key_and_who_comes_late_gets_another() {
    let mut t = Setup::embedded().start().await;
    let first = kid(&jwt(&t.clients(), "first").await);
    restart_with(&mut t, JwtAlgorithm::Rs256).await;
    t.clock.advance(LEAD);
    let rsa = kid(&jwt(&t.clients(), "rsa").await);
    restart_with(&mut t, JwtAlgorithm::Es256).await;
    assert_eq!(kid(&jwt(&t.clients(), "soon").await), first);
    // The old key's days are numbered, so the one after it is there already.
    let keys = published(&t.clients(), 3).await;
    assert_eq!(keys[0], first);
    restart_with(&mut t, JwtAlgorithm::Rs256).await;
    assert_eq!(kid(&jwt(&t.clients(), "again").await), rsa);

    let mut t = Setup::embedded().start().await;
    let first = kid(&jwt(&t.clients(), "first").await);
    restart_with(&mut t, JwtAlgorithm::Rs256).await;
    t.clock.advance(LEAD + OVERLAP);
    assert_eq!(algorithms(&t).await, ["RS256"]);
    restart_with(&mut t, JwtAlgorithm::Es256).await;
    let clients = t.clients();
    let cached = jwks(&clients).await;
    assert_eq!(kid(&jwt(&clients, "late").await), cached[0].kid);
    assert_eq!(algorithms(&t).await, ["RS256", "ES256"]);
    t.clock.advance(LEAD);
    let late = jwt(&clients, "later").await;
    assert!(kid(&late) != first && verifies(&cached, &late));
}
