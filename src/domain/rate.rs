//! Token buckets, by the generic cell rate algorithm (ITU-T I.371): the state of a bucket is one number, the
//! moment at which it is full again.

use std::time::Duration;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What one token takes to come back. Whole nanoseconds, rounded up: a bucket never gives too much.
    interval: Duration,
    burst: u32,
}

/// The outcome of taking tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// So many, at least one.
    Granted(u32),
    /// There is none.
    Empty {
        /// When there is one, if nobody else takes it.
        retry_after: Duration,
    },
}

impl Rate {
    /// `tokens` come back in each second, and a full bucket holds `burst`. Both count as 1 if they are 0.
    #[must_use]
    pub fn per_second(tokens: u32, burst: u32) -> Self {
        Self::new(tokens, Duration::from_secs(1), burst)
    }

    /// `tokens` come back in each minute, and a full bucket holds as many. 0 counts as 1.
    #[must_use]
    pub fn per_minute(tokens: u32) -> Self {
        Self::new(tokens, Duration::from_mins(1), tokens)
    }

    fn new(tokens: u32, period: Duration, burst: u32) -> Self {
        let nanoseconds = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        let interval = Duration::from_nanos(nanoseconds.div_ceil(u64::from(tokens.max(1))));
        Self { interval, burst: burst.max(1) }
    }

    /// What one token takes to come back.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.interval
    }

    /// What a full bucket holds.
    #[must_use]
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// How many tokens come back in so long.
    #[must_use]
    pub fn tokens_in(self, duration: Duration) -> u32 {
        u32::try_from(duration.as_nanos() / self.interval.as_nanos()).unwrap_or(u32::MAX)
    }

    /// How long until a bucket that is full at `full_at` has a token; nothing if it has one.
    #[must_use]
    pub fn until_next(self, full_at: Duration, now: Duration) -> Duration {
        (self.missing(full_at, now) + self.interval).saturating_sub(self.capacity())
    }

    /// Takes up to `wanted` tokens from a bucket that is full at `full_at`. A new bucket is full at zero.
    pub fn take(self, full_at: &mut Duration, now: Duration, wanted: u32) -> Taken {
        let retry_after = self.until_next(*full_at, now);
        if !retry_after.is_zero() {
            return Taken::Empty { retry_after };
        }
        let missing = self.missing(*full_at, now);
        let granted = wanted.min(self.tokens_in(self.capacity().saturating_sub(missing)));
        *full_at = now + missing + self.interval * granted;
        Taken::Granted(granted)
    }

    /// What is missing of a full bucket, as the time that it takes to come back. Never more than a whole
    /// bucket, though the clock may have been set back or the rate changed since.
    fn missing(self, full_at: Duration, now: Duration) -> Duration {
        full_at.saturating_sub(now).min(self.capacity())
    }

    /// A whole bucket, as the time that it takes to fill.
    fn capacity(self) -> Duration {
        self.interval * self.burst
    }
}

#[cfg(test)]
mod tests;
