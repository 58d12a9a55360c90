//! Tokens, the answers of idempotency keys, and what is swept.

use time::Duration;
use tonic::Code;
use vestibule::clock::Clock as _;

use super::{LEEWAY, apart, both, pass};
use crate::faults::until;
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::logins::exchange;
use crate::harness::refusal::refused;
use crate::harness::values::seconds;

const NOT_FOUND: &str = "INTERMEDIATE_SESSION_NOT_FOUND";

/// The ten minutes are those of Redis, whatever the replicas think that the time is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_lives_by_the_clock_of_redis() {
    for ahead in [Duration::hours(12), Duration::hours(-12)] {
        let t = apart(ahead).await;
        let [one, other] = both(&t);
        let soon = seconds(t.clock.now() + Duration::minutes(10)).seconds;
        for (maker, spender) in [(&one, &other), (&other, &one)] {
            let token = maker.token("ada@acme.com").await;
            for clients in [maker, spender] {
                let seen = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
                let ends = seen.intermediate_session_token_expires_at.unwrap().seconds;
                assert!((soon - 1..soon + 60).contains(&ends), "{ends} is not {soon}");
            }
            pass(&t, Duration::hours(1));
            refused(
                spender.exchange(exchange(&token, "nothing")).await,
                Code::NotFound,
                "ORGANIZATION_NOT_FOUND",
            );
            spender.spend(creation(&token)).await.unwrap();
            refused(maker.spend(creation(&token)).await, Code::NotFound, NOT_FOUND);
        }
    }
}

/// A repeat of a call that has spent its token is answered for the ten minutes by the clock of whoever is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spend_is_answered_again_for_nine_minutes_at_least() {
    let t = apart(LEEWAY).await;
    let [ahead, behind] = both(&t);
    let token = behind.token("ada@acme.com").await;
    let spend = || with_key(creation(&token), "key");
    let first = behind.spend(spend()).await.unwrap().into_inner().session_token;
    let mut passed = 0;
    for (second, at_one, at_other) in
        [(0, true, true), (539, true, true), (590, false, true), (690, false, false)]
    {
        pass(&t, Duration::seconds(second - passed));
        passed = second;
        for (clients, answered) in [(&ahead, at_one), (&behind, at_other)] {
            match clients.spend(spend()).await {
                Ok(again) if answered => assert_eq!(again.into_inner().session_token, first, "{second}"),
                answer => {
                    assert!(!answered, "{second}: {answer:?}");
                    refused(answer, Code::NotFound, NOT_FOUND);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_answered_at_either_until_it_is_swept_a_day_later() {
    let mut t = apart(LEEWAY).await;
    let day = Duration::hours(24);
    let create = |key: &str| with_key(organization("Acme"), key);
    let mut first = Vec::new();
    for (clients, key) in both(&t).iter().zip(["ahead", "behind"]) {
        first.push(clients.create(create(key)).await.unwrap().into_inner().organization);
    }
    pass(&t, day - LEEWAY - Duration::SECOND);
    // Both sweep as they start.
    t.restart().await;
    for clients in both(&t) {
        for (key, first) in ["ahead", "behind"].iter().zip(&first) {
            assert_eq!(clients.create(create(key)).await.unwrap().into_inner().organization, *first);
        }
    }
    pass(&t, LEEWAY + LEEWAY + Duration::seconds(2));
    t.restart().await;
    until("the sweep", async || t.count("idempotency_records").await == 0).await;
}

/// Nothing that is needed goes, as long as no clock is a day ahead; what goes then is what docs/operations.md says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_hours_ahead_sweeps_nothing_that_is_needed() {
    for (ahead, kept) in [(Duration::hours(23), true), (Duration::hours(25), false)] {
        let mut t = apart(ahead).await;
        let [_, behind] = both(&t);
        let token = behind.token("ada@acme.com").await;
        behind.spend(with_key(creation(&token), "key")).await.unwrap();
        t.restart().await;
        let tables = ["intermediate_session_receipts", "idempotency_records"];
        if kept {
            let [_, behind] = both(&t);
            behind.spend(with_key(creation(&token), "key")).await.unwrap();
            for table in tables {
                assert_eq!(t.count(table).await, 1, "{table}");
            }
        } else {
            for table in tables {
                until("the sweep", async || t.count(table).await == 0).await;
            }
        }
    }
}
