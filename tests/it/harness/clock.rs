//! A clock that stands still until the test moves it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use vestibule::clock::{Clock, SystemClock};

/// Starts at the real time, with microseconds, and moves only when told.
#[derive(Debug)]
pub(crate) struct ManualClock {
    time: Mutex<(OffsetDateTime, Duration)>,
}

impl ManualClock {
    pub(crate) fn starting_now() -> Self {
        Self { time: Mutex::new((SystemClock::new().now(), Duration::ZERO)) }
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, duration: Duration) {
        let mut time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        time.0 += duration;
        time.1 += duration;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> OffsetDateTime {
        self.time.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.time.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
