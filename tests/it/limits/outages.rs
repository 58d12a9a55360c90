//! Limits while Redis is away: each replica goes on with its own buckets.

use std::time::Duration;

use vestibule::clock::{Clock as _, SystemClock};
use vestibule::domain::rate::Rate;

use super::{ask, keys, limit, started};
use crate::faults::until;
use crate::harness::clients::Clients;
use crate::harness::program::{Folder, Program};
use crate::harness::{Harness, Setup};

/// How many calls get through until one is limited.
async fn passed(clients: &Clients) -> u32 {
    let mut passed = 0;
    while limit(&clients.get("nothing").await).is_none() {
        passed += 1;
        assert!(passed < 1_000, "the call is never limited");
    }
    passed
}

/// Returns when the replica counts in Redis again. The clock moves on meanwhile.
async fn found_again(t: &Harness, clients: &Clients) {
    let _: String = ask(t, &[b"FLUSHALL"]).await;
    until("Redis to be found again", async || {
        t.clock.advance(Duration::from_secs(1));
        clients.get("nothing").await.unwrap_err();
        !keys(t, "bucket:calls").await.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_count_for_themselves_and_together_again() {
    let mut t =
        started(Setup::stage().await, |limits| (limits.caller_rate, limits.caller_burst) = (1, Some(5)))
            .await;
    let (one, other) = (t.clients(), t.replica().await);
    assert!(passed(&one).await >= 5);
    t.stage.as_mut().unwrap().redis.kill().await;
    // Who has used up the shared bucket finds no full one, and what comes back comes back.
    assert_eq!(passed(&one).await, 0);
    t.clock.advance(Duration::from_secs(2));
    assert_eq!(passed(&one).await, 2);
    assert_eq!(passed(&other).await, 5);
    t.stage.as_mut().unwrap().redis.start_again().await;
    for clients in [&one, &other] {
        found_again(&t, clients).await;
    }
    // By now each could make five calls of its own.
    t.clock.advance(Duration::from_secs(10));
    let _: String = ask(&t, &[b"FLUSHALL"]).await;
    let time = SystemClock::new();
    let together = passed(&one).await + passed(&other).await;
    let most = 5 + Rate::per_second(1, 5).tokens_in(time.monotonic());
    assert!((5..=most).contains(&together), "{together} of at most {most}");
}

/// A Redis that is silent costs one call a moment, and the others nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_redis_holds_up_no_calls() {
    let t = started(Setup::stage().await, |limits| (limits.caller_rate, limits.caller_burst) = (1, Some(50)))
        .await;
    let clients = t.clients();
    clients.get("nothing").await.unwrap_err();
    t.stage.as_ref().unwrap().redis_proxy.stall();
    let time = SystemClock::new();
    let passed = passed(&clients).await;
    let took = time.monotonic();
    assert_eq!(passed, 49);
    // Fifty calls that each waited would take thirteen seconds.
    assert!(took < Duration::from_secs(5), "{took:?}");
    t.stage.as_ref().unwrap().redis_proxy.pass();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_logged_once() {
    let t = Setup::stage().await.start().await;
    let stage = t.stage.as_ref().unwrap();
    let folder = Folder::new();
    let [postgres, redis] =
        [stage.postgres.url(&stage.database), format!("redis://{}", stage.redis_proxy.address())];
    let data_dir = t.config.data_dir.display().to_string();
    let urls = ["--database-url", &postgres, "--redis-url", &redis, "--data-dir", &data_dir];
    let mut program = Program::serve(folder.path(), &[&urls[..], &["--caller-rate", "20"]].concat()).await;
    let clients = program.clients().await;
    let gone = "Redis does not count rate limits: each replica does";
    stage.redis_proxy.refuse();
    let time = SystemClock::new();
    until("Redis to have been asked again and again", async || {
        clients.get("nothing").await.unwrap_err();
        time.monotonic() > Duration::from_millis(2_500)
    })
    .await;
    program.line(|line| line["message"] == gone).await;
    let lines = program.log();
    assert_eq!(lines.iter().filter(|line| line["message"] == gone).count(), 1, "{lines:#?}");
    stage.redis_proxy.pass();
    until("Redis to be found again", async || {
        clients.get("nothing").await.unwrap_err();
        program.log().iter().any(|line| line["message"] == "Redis counts rate limits again")
    })
    .await;
}
