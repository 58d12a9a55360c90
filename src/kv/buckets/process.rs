//! Token buckets in the process. A restart fills them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::BucketKey;
use crate::domain::rate::{Rate, Taken};

/// How many buckets are kept before full ones are looked for.
const FEW: usize = 1_024;

/// The buckets that are not full, each as the moment at which it is.
#[derive(Debug, Default)]
pub(super) struct ProcessBuckets {
    buckets: Mutex<Emptied>,
}

#[derive(Debug, Default)]
struct Emptied {
    full_at: HashMap<BucketKey, Duration>,
    /// How many buckets the last look for full ones left.
    left: usize,
}

impl ProcessBuckets {
    pub(super) fn take(&self, key: BucketKey, rate: Rate, wanted: u32, now: Duration) -> Taken {
        // Whoever panicked while holding the lock left every bucket whole.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.forget_full(now);
        rate.take(buckets.full_at.entry(key).or_default(), now, wanted)
    }
}

impl Emptied {
    /// Forgets full buckets whenever there are twice as many as the last time, so that memory holds no more
    /// than twice what is in use, and each call pays for a few.
    fn forget_full(&mut self, now: Duration) {
        if self.full_at.len() >= FEW.max(self.left * 2) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.left = self.full_at.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> BucketKey {
        let mut subject = [0; 32];
        subject[..4].copy_from_slice(&number.to_be_bytes());
        BucketKey { limit: "test", subject }
    }

    #[test]
    fn full_buckets_are_forgotten_and_others_kept() {
        let buckets = ProcessBuckets::default();
        let (slow, quick) = (Rate::per_minute(1), Rate::per_second(10, 1));
        for number in 0..100 {
            assert_eq!(buckets.take(key(number), slow, 1, Duration::ZERO), Taken::Granted(1));
        }
        let mut now = Duration::ZERO;
        for number in 100..50_000 {
            now += Duration::from_millis(1);
            buckets.take(key(number), quick, 1, now);
        }
        let kept = buckets.buckets.lock().unwrap().full_at.len();
        assert!(kept <= 2 * FEW, "{kept} are kept of the two hundred that are in use");
        let retry_after = Duration::from_mins(1).saturating_sub(now);
        for number in 0..100 {
            assert_eq!(buckets.take(key(number), slow, 1, now), Taken::Empty { retry_after });
        }
    }
}
