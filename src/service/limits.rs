//! How much is too much: calls of one caller, tokens for one e-mail address. How many attempts to spend one
//! token may fail is counted by the keeper of the token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;

use super::error::Error;
use crate::clock::Clock;
use crate::domain::call::Caller;
use crate::domain::email_address::EmailAddress;
use crate::domain::rate::{Rate, Taken};
use crate::kv::{BucketKey, Buckets};
use crate::telemetry::metrics::{Limit, Metrics};
use crate::tokens::opaque::sha256;

/// For how long calls are taken from the shared bucket at a time, so that most calls cost no round trip.
const BATCH: Duration = Duration::from_millis(50);

/// When what is left of a batch lapses: a replica that a caller has left keeps nothing from the others.
const LAPSE: Duration = Duration::from_secs(1);

/// What is limited, and the buckets that say how much is left.
#[derive(Debug)]
pub struct Limits {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    buckets: Buckets,
    calls: Rate,
    vouches: Rate,
    /// What this replica has taken from the bucket of each caller; there are as many as callers.
    purses: Mutex<HashMap<String, Arc<AsyncMutex<Purse>>>>,
}

/// What a replica has taken from a caller's bucket and not spent yet.
#[derive(Debug, Default)]
struct Purse {
    calls: u32,
    lapses_at: Duration,
    /// The bucket has nothing before.
    empty_until: Duration,
}

impl Limits {
    /// Limits `calls` for each caller that has no rate of its own, and `vouches` for each e-mail address.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        buckets: Buckets,
        calls: Rate,
        vouches: Rate,
    ) -> Self {
        Self { clock, metrics, buckets, calls, vouches, purses: Mutex::default() }
    }

    /// Lets a call of the caller through, if it has not made too many.
    ///
    /// # Errors
    /// `Limited`.
    pub async fn admit_call(&self, caller: &Caller) -> Result<(), Error> {
        let purse = self.purse(caller);
        // Whoever finds the purse empty fills it; the others wait for that, in turn.
        let mut purse = purse.lock().await;
        let now = self.clock.monotonic();
        if now >= purse.lapses_at {
            purse.calls = 0;
        }
        if purse.calls == 0 {
            let rest = purse.empty_until.saturating_sub(now);
            if !rest.is_zero() {
                return Err(self.too_many_calls(rest));
            }
            let rate = self.calls_of(caller);
            let key = BucketKey { limit: "calls", subject: sha256(caller.name.as_bytes()) };
            match self.buckets.take(key, rate, rate.tokens_in(BATCH).max(1)).await {
                Taken::Granted(calls) => {
                    purse.calls = calls;
                    purse.lapses_at = now + LAPSE;
                }
                Taken::Empty { retry_after } => {
                    purse.empty_until = now + retry_after;
                    return Err(self.too_many_calls(retry_after));
                }
            }
        }
        purse.calls = purse.calls.saturating_sub(1);
        Ok(())
    }

    /// Lets a token be made for the address, if there were not too many.
    ///
    /// # Errors
    /// `Limited`.
    pub(super) async fn admit_vouch(&self, address: &EmailAddress) -> Result<(), Error> {
        let key = BucketKey { limit: "vouches", subject: sha256(address.as_str().as_bytes()) };
        match self.buckets.take(key, self.vouches, 1).await {
            Taken::Granted(_) => Ok(()),
            Taken::Empty { retry_after } => {
                self.metrics.call_limited(Limit::Vouches);
                Err(Error::Limited { message: "too many tokens for this e-mail address", retry_after })
            }
        }
    }

    fn too_many_calls(&self, retry_after: Duration) -> Error {
        self.metrics.call_limited(Limit::Calls);
        Error::Limited { message: "too many calls of this caller", retry_after }
    }

    fn calls_of(&self, caller: &Caller) -> Rate {
        caller.calls_per_second.map_or(self.calls, |rate| Rate::per_second(rate, rate.saturating_mul(2)))
    }

    fn purse(&self, caller: &Caller) -> Arc<AsyncMutex<Purse>> {
        // Nobody panics while holding the lock.
        let mut purses = self.purses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(purse) = purses.get(&caller.name) {
            return Arc::clone(purse);
        }
        Arc::clone(purses.entry(caller.name.clone()).or_default())
    }
}

#[cfg(test)]
mod tests;
