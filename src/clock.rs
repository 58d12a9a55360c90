//! Time, handed in from outside so that tests control it.

use std::fmt::Debug;
use std::time::Duration;

use time::OffsetDateTime;

/// Tells the time. Nothing else in the program asks the operating system for it.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock, in UTC, with microseconds: what every recorded time is taken from.
    fn now(&self) -> OffsetDateTime;

    /// Time since some fixed moment, which never goes backwards: what ages are measured with.
    fn monotonic(&self) -> Duration;
}

/// The clock of the machine.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// A clock whose [`Clock::monotonic`] begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn new() -> Self {
        Self { started: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        // Postgres keeps microseconds: what is written and what is answered must be equal.
        now.replace_nanosecond(now.microsecond() * 1_000).unwrap_or(now)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}
