//! Signing keys: when one is made, signs and is followed is told by each replica's clock, and nobody meets a JWT
//! that they can't verify.

use time::Duration;

use super::{LEEWAY, apart, both, pass};
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::logins::by_jwt;
use crate::process::keys::done;
use crate::signing_keys::{jwks, jwt, kid, published, publishing, verifies};

/// What the replicas sign with at this moment. Asserts that each JWT is good at each replica, and for whoever has
/// read the keys of any.
async fn signing(t: &Harness, moment: &str) -> Vec<String> {
    let each = t.each();
    let mut kids = Vec::new();
    for (number, clients) in each.iter().enumerate() {
        let jwt = jwt(clients, &format!("{moment}-{number}")).await;
        for other in &each {
            other.authenticate(by_jwt(&jwt)).await.unwrap();
            assert!(verifies(&jwks(other).await, &jwt), "{moment}");
        }
        kids.push(kid(&jwt));
    }
    kids
}

/// Both publish so many keys.
async fn known(replicas: &[Clients], number: usize) -> Vec<String> {
    let mut keys = Vec::new();
    for clients in replicas {
        keys = published(clients, number).await;
    }
    keys
}

/// The first key signs from when it was made, which is in the future for whoever is behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_starts_first_makes_the_key_and_all_sign_with_it() {
    for ahead in [LEEWAY, -LEEWAY] {
        let t = apart(ahead).await;
        let kids = signing(&t, "start").await;
        assert_eq!(kids[0], kids[1]);
        assert_eq!(t.count("signing_keys").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_changes_over_by_its_own_clock() {
    for ahead in [LEEWAY, -LEEWAY] {
        let t = apart(ahead).await;
        pass(&t, Duration::days(151));
        let keys = known(&both(&t), 2).await;
        // The second signs 180 days after whichever has made the first did.
        pass(&t, Duration::days(29) - Duration::minutes(3));
        let mut seen = Vec::new();
        for step in 0..13 {
            seen.push(signing(&t, &format!("step-{step}")).await);
            pass(&t, Duration::seconds(30));
        }
        assert!(seen[0].iter().all(|kid| *kid == keys[0]), "{seen:?}");
        assert!(seen[12].iter().all(|kid| *kid == keys[1]), "{seen:?}");
        let (later, earlier) = if ahead.is_positive() { (1, 0) } else { (0, 1) };
        let between: Vec<_> = seen.iter().filter(|kids| kids[0] != kids[1]).collect();
        assert_eq!(between.len(), 2, "a minute: {seen:?}");
        assert!(between.iter().all(|kids| kids[later] == keys[0] && kids[earlier] == keys[1]), "{seen:?}");
        assert_eq!(t.count("signing_keys").await, 2);
    }
}

/// A verifier holds on to what it has read for five minutes, and has fourteen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_published_long_before_it_signs_anywhere() {
    let mut t = apart(LEEWAY).await;
    t.stop().await;
    pass(&t, Duration::days(1_000));
    t.restart().await;
    let keys = known(&both(&t), 2).await;
    pass(&t, Duration::minutes(14) - Duration::SECOND);
    assert!(signing(&t, "before").await.iter().all(|kid| *kid == keys[0]));
    pass(&t, Duration::minutes(2) + Duration::SECOND);
    assert!(signing(&t, "after").await.iter().all(|kid| *kid == keys[1]));
}

/// A person revokes keys by the clock of their own machine, which is that of one replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_is_followed_by_all() {
    for ahead in [LEEWAY, -LEEWAY] {
        let t = apart(ahead).await;
        let mut revoked = Vec::new();
        // The first key has been there for long.
        let yesterday =
            "created_at = created_at - interval '1 day', signs_from = signs_from - interval '1 day'";
        t.execute(&format!("UPDATE signing_keys SET {yesterday}")).await;
        // With a successor that was made before, and with one that is made at once, within the minute.
        for prepared in [true, false] {
            let before = signing(&t, &format!("before-{prepared}")).await;
            assert_eq!(before[0], before[1]);
            if prepared {
                done(&t, &["rotate"]).await;
                known(&both(&t), 2).await;
            }
            done(&t, &["revoke", &before[0]]).await;
            revoked.push(before[0].clone());
            for clients in both(&t) {
                let followed = |kids: &[String]| !kids.iter().any(|kid| revoked.contains(kid));
                publishing(&clients, followed).await;
            }
            let after = signing(&t, &format!("after-{prepared}")).await;
            assert_eq!(after[0], after[1]);
            assert!(!revoked.contains(&after[0]), "{revoked:?} {after:?}");
        }
    }
}
