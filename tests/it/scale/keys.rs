//! Signing keys: what one replica or a person does to them is known to all.

use tonic::Code;

use super::with_replicas;
use crate::faults::until;
use crate::harness::Harness;
use crate::harness::logins::by_jwt;
use crate::harness::refusal::refused;
use crate::process::keys::done;
use crate::signing_keys::{jwt, kid, kids, published};

with_replicas!(
    a_revoked_key_is_refused_by_all_at_once,
    a_key_that_one_has_heard_of_first_is_good_at_all,
    one_key_is_made_and_all_change_over_together,
);

async fn a_revoked_key_is_refused_by_all_at_once(t: Harness) {
    let each = t.each();
    let mut jwts = Vec::new();
    for (number, clients) in each.iter().enumerate() {
        jwts.push(jwt(clients, &format!("before-{number}")).await);
    }
    // Verified everywhere, so that each replica remembers the signatures.
    for (clients, jwt) in each.iter().flat_map(|clients| jwts.iter().map(move |jwt| (clients, jwt))) {
        clients.authenticate(by_jwt(jwt)).await.unwrap();
    }
    done(&t, &["revoke", &kid(&jwts[0])]).await;
    for (clients, jwt) in each.iter().flat_map(|clients| jwts.iter().map(move |jwt| (clients, jwt))) {
        let answer = clients.authenticate(by_jwt(jwt)).await;
        refused(answer, Code::InvalidArgument, "UNABLE_TO_PARSE_SESSION_JWT");
    }
}

/// The successor of a revoked key signs before anybody has heard of it.
async fn a_key_that_one_has_heard_of_first_is_good_at_all(t: Harness) {
    let each = t.each();
    let first = kid(&jwt(&each[0], "before").await);
    done(&t, &["revoke", &first]).await;
    let mut turn = 0;
    let mut fresh = String::new();
    until("a replica to sign with another key", async || {
        turn += 1;
        fresh = jwt(&each[turn % each.len()], &format!("turn-{turn}")).await;
        kid(&fresh) != first
    })
    .await;
    for clients in &each {
        clients.authenticate(by_jwt(&fresh)).await.unwrap();
    }
}

async fn one_key_is_made_and_all_change_over_together(t: Harness) {
    const DAY: std::time::Duration = std::time::Duration::from_hours(24);
    let each = t.each();
    for round in 1..=2 {
        t.clock.advance(if round == 1 { 150 * DAY } else { 119 * DAY });
        let mut agreed = Vec::new();
        for clients in &each {
            agreed.push(published(clients, 2).await);
        }
        assert!(agreed.iter().all(|keys| *keys == agreed[0]), "{agreed:?}");
        assert_eq!(t.count("signing_keys").await, round + 1);
        t.clock.advance(30 * DAY);
        for (number, clients) in each.iter().enumerate() {
            let signed = jwt(clients, &format!("round-{round}-{number}")).await;
            assert_eq!(kid(&signed), agreed[0][1]);
            for other in &each {
                other.authenticate(by_jwt(&signed)).await.unwrap();
                assert_eq!(kids(other).await[0], agreed[0][1]);
            }
        }
        t.clock.advance(30 * DAY);
        for clients in &each {
            assert_eq!(kids(clients).await, [agreed[0][1].as_str()]);
        }
        t.clock.advance(DAY);
    }
}
