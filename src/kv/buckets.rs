//! Token buckets by name: in Redis, where replicas share them, and in the process, for the embedded default
//! and for as long as Redis does not answer.

mod process;
mod redis;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::process::ProcessBuckets;
use self::redis::RedisBuckets;
use super::RedisKeeper;
use crate::clock::Clock;
use crate::domain::rate::{Rate, Taken};
use crate::telemetry::chain;

/// For how long Redis is not asked after it did not answer, so that its absence costs calls nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// From when on a question that was given up says that Redis is away: much longer than it takes to answer.
const SLOW: Duration = Duration::from_millis(50);

/// Names a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BucketKey {
    /// What is limited.
    pub limit: &'static str,
    /// The SHA-256 of whom or what it is limited for.
    pub subject: [u8; 32],
}

impl fmt::Debug for BucketKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BucketKey").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Token buckets. While Redis is away each replica goes on with its own: limits then count per replica.
#[derive(Debug)]
pub struct Buckets {
    clock: Arc<dyn Clock>,
    process: ProcessBuckets,
    shared: Option<Shared>,
}

/// The buckets that replicas share, and until when they are left alone after they did not answer.
#[derive(Debug)]
struct Shared {
    buckets: RedisBuckets,
    away_until: Mutex<Option<Duration>>,
}

impl Buckets {
    /// Full buckets, in the process alone.
    #[must_use]
    pub fn in_process(clock: Arc<dyn Clock>) -> Self {
        Self { clock, process: ProcessBuckets::default(), shared: None }
    }

    /// Buckets in the Redis of the keeper, over its connection.
    #[must_use]
    pub fn beside(keeper: &RedisKeeper, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared { buckets: RedisBuckets::beside(keeper), away_until: Mutex::default() };
        Self { shared: Some(shared), ..Self::in_process(clock) }
    }

    /// Takes up to `wanted` tokens, at least one, from the bucket.
    pub async fn take(&self, key: BucketKey, rate: Rate, wanted: u32) -> Taken {
        let now = self.clock.monotonic();
        let shared = match &self.shared {
            Some(shared) => shared.take(key, rate, wanted, &*self.clock).await,
            None => None,
        };
        match shared {
            Some(Taken::Granted(granted)) => {
                // Who has used up the shared bucket finds no full one when Redis goes.
                self.process.take(key, rate, granted, now);
                Taken::Granted(granted)
            }
            Some(empty @ Taken::Empty { .. }) => empty,
            None => self.process.take(key, rate, wanted, now),
        }
    }
}

/// A question to Redis. Given up by its call after a while, it counts as not answered: otherwise calls with
/// short deadlines would ask a Redis that is away for ever.
struct Asked<'a> {
    shared: &'a Shared,
    clock: &'a dyn Clock,
    since: Duration,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let now = self.clock.monotonic();
        if now >= self.since + SLOW {
            *self.shared.away_until() = Some(now + PAUSE);
        }
    }
}

impl Shared {
    /// `None`: Redis is away.
    async fn take(&self, key: BucketKey, rate: Rate, wanted: u32, clock: &dyn Clock) -> Option<Taken> {
        let now = clock.monotonic();
        if !self.worth_asking(now) {
            return None;
        }
        let asked = Asked { shared: self, clock, since: now };
        let outcome = self.buckets.take(key, rate, wanted).await;
        std::mem::forget(asked);
        let until = outcome.is_err().then_some(now + PAUSE);
        let before = std::mem::replace(&mut *self.away_until(), until);
        match (outcome, before) {
            (Ok(taken), None) => Some(taken),
            (Ok(taken), Some(_)) => {
                tracing::info!("Redis counts rate limits again");
                Some(taken)
            }
            (Err(error), None) => {
                let error = chain(&*error);
                tracing::warn!(error, "Redis does not count rate limits: each replica does");
                None
            }
            (Err(_), Some(_)) => None,
        }
    }

    /// Whether Redis answers, as far as anybody knows. After the pause one call finds out, and the others do
    /// not wait for it.
    fn worth_asking(&self, now: Duration) -> bool {
        let mut away = self.away_until();
        match *away {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                *away = Some(now + PAUSE);
                true
            }
        }
    }

    fn away_until(&self) -> std::sync::MutexGuard<'_, Option<Duration>> {
        // Nobody panics while holding the lock.
        self.away_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
