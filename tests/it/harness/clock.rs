//! A clock that stands still until the test moves it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use vestibule::clock::{Clock, SystemClock};

/// Starts at the real time, with microseconds, and moves only when told.
#[derive(Debug)]
pub(crate) struct ManualClock {
    time: Arc<Mutex<(OffsetDateTime, Duration)>>,
    ahead: time::Duration,
}

impl ManualClock {
    pub(crate) fn starting_now() -> Self {
        let time = Arc::new(Mutex::new((SystemClock::new().now(), Duration::ZERO)));
        Self { time, ahead: time::Duration::ZERO }
    }

    /// A clock for which time passes as for this one, and which says something else: so much more.
    pub(crate) fn ahead(&self, by: time::Duration) -> Self {
        Self { time: Arc::clone(&self.time), ahead: self.ahead + by }
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
        self.time.lock().unwrap_or_else(PoisonError::into_inner).0 + self.ahead
    }

    fn monotonic(&self) -> Duration {
        self.time.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
