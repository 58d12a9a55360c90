//! Replicas whose clocks are a minute apart, which docs/operations.md allows, and some that are further apart where
//! it says that this does not matter.

mod keys;
mod records;
mod sessions;

use time::Duration;

use crate::harness::clients::Clients;
use crate::harness::{Harness, Setup};

/// How far clocks may be apart.
const LEEWAY: Duration = Duration::MINUTE;

/// Two replicas: the clock of the first is so far ahead of the other's, which is the test's.
async fn apart(ahead: Duration) -> Harness {
    Setup::postgres().await.apart(&[ahead, Duration::ZERO]).start().await
}

/// The replica whose clock is ahead, and the other.
fn both(t: &Harness) -> [Clients; 2] {
    t.each().try_into().unwrap()
}

/// Lets time pass for both.
fn pass(t: &Harness, duration: Duration) {
    t.clock.advance(duration.unsigned_abs());
}
