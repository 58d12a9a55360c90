//! How much is too much: calls of a caller, tokens for an address, failed attempts with a token.

mod arithmetic;
mod calls;
mod failed_spends;
mod outages;
mod settings;
mod vouches;

use std::fmt::Debug;
use std::time::Duration;

use redis::FromRedisValue;
use tonic::{Code, Response, Status};
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::domain::rate::Rate;

use crate::harness::refusal::Refusal;
use crate::harness::{Harness, Setup};

/// Runs a test, a function that takes a [`Harness`], with these settings on both backends.
macro_rules! with_limits {
    ($change:expr; $($test:ident),* $(,)?) => {$(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let setup = $crate::harness::Setup::postgres().await;
                super::$test($crate::limits::started(setup, $change).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                let setup = $crate::harness::Setup::embedded();
                super::$test($crate::limits::started(setup, $change).await).await;
            }
        }
    )*};
}
use with_limits;

/// A server with these limits.
async fn started(setup: Setup, change: fn(&mut vestibule::config::limits::LimitsConfig)) -> Harness {
    setup.with(|config| change(&mut config.limits)).start().await
}

/// When a call that came too often may be tried again; `None`: it was not limited, whatever else came of it.
#[track_caller]
fn limit<T: Debug>(answer: &Result<Response<T>, Status>) -> Option<Duration> {
    let refusal = Refusal::of(answer.as_ref().err()?);
    (refusal.reason == "TOO_MANY_REQUESTS").then(|| {
        assert_eq!(refusal.code, Code::ResourceExhausted, "{refusal:?}");
        assert_eq!(refusal.metadata["http_status"], "429");
        refusal.retry_after.unwrap_or_else(|| panic!("no RetryInfo: {refusal:?}"))
    })
}

/// Calls until the call is limited, and tells when it may be tried again. As many must get through as a full
/// bucket has, and those that come back meanwhile: none where the test holds the clock.
async fn use_up(t: &Harness, rate: Rate, mut call: impl AsyncFnMut() -> Option<Duration>) -> Duration {
    let time = SystemClock::new();
    let mut passed = 0;
    let retry_after = loop {
        if let Some(retry_after) = call().await {
            break retry_after;
        }
        passed += 1;
        assert!(passed < 1_000, "the call is never limited");
    };
    let took = if t.on_servers() { time.monotonic() } else { Duration::ZERO };
    assert!(passed >= rate.burst(), "{passed} of {rate:?}");
    assert!(passed <= rate.burst() + rate.tokens_in(took), "{passed} of {rate:?} in {took:?}");
    let interval = rate.interval();
    assert!(retry_after <= interval && retry_after >= interval.saturating_sub(took), "{retry_after:?}");
    retry_after
}

/// Lets so much time pass, for the server and for Redis.
async fn wait(t: &Harness, duration: Duration) {
    if t.on_servers() {
        tokio::time::sleep(duration).await;
    }
    t.clock.advance(duration);
}

/// Asks the Redis of a stage, past the service and its proxy.
async fn ask<T: FromRedisValue>(t: &Harness, words: &[&[u8]]) -> T {
    let client = redis::Client::open(t.stage.as_ref().unwrap().redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command.query_async(&mut connection).await.unwrap()
}

/// The keys of a kind in the Redis of a stage.
async fn keys(t: &Harness, kind: &str) -> Vec<String> {
    ask(t, &[b"KEYS", format!("vestibule:*:{kind}:*").as_bytes()]).await
}
