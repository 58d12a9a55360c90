//! The places that connections take.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::{Gauge, Metrics};

/// The places of one port. At the limit a newcomer gets the place of the oldest connection that has never
/// authenticated: callers do so with their first call, so a flood of strangers replaces itself.
#[derive(Debug)]
pub(super) struct Slots {
    port: &'static str,
    most: usize,
    metrics: Arc<Metrics>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// Those that were strangers when they were last looked at, the oldest first.
    strangers: BTreeMap<u64, Stranger>,
    /// Those that have authenticated. They never become strangers again.
    known: HashSet<u64>,
}

#[derive(Debug)]
struct Stranger {
    authenticated: Arc<AtomicBool>,
    evicted: CancellationToken,
}

/// A place. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Slot {
    number: u64,
    slots: Arc<Slots>,
    /// Set when a call on the connection has authenticated.
    pub(super) authenticated: Arc<AtomicBool>,
    /// Cancelled when somebody else gets the place.
    pub(super) evicted: CancellationToken,
}

impl Slots {
    /// So many places for the connections to a port, as metrics name it.
    pub(super) fn new(port: &'static str, most: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        let slots = Arc::new(Self { port, most, metrics, taken: Mutex::default() });
        slots.metrics.connections_evicted(port, 0);
        slots.metrics.connections_refused(port, 0);
        let port = move || [KeyValue::new("port", port)];
        let most = f64::from(u32::try_from(most).unwrap_or(u32::MAX));
        slots.metrics.observe(Gauge::ConnectionsMax, move |gauge| gauge.observe(most, &port()));
        // The slots hold the metrics.
        let these = Arc::downgrade(&slots);
        slots.metrics.observe(Gauge::Connections, move |gauge| {
            let taken = these.upgrade().map_or(0, |slots| slots.taken().number());
            gauge.observe(f64::from(u32::try_from(taken).unwrap_or(u32::MAX)), &port());
        });
        slots
    }

    /// A place, if need be that of somebody who loses it. `None` when all have authenticated.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        let mut taken = self.taken();
        if taken.number() >= self.most && !self.evict_from(&mut taken) {
            self.metrics.connections_refused(self.port, 1);
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let (authenticated, evicted) = (Arc::<AtomicBool>::default(), CancellationToken::new());
        let stranger = Stranger { authenticated: Arc::clone(&authenticated), evicted: evicted.clone() };
        taken.strangers.insert(number, stranger);
        Some(Slot { number, slots: Arc::clone(self), authenticated, evicted })
    }

    /// Frees the place of the oldest stranger.
    pub(super) fn evict(&self) {
        self.evict_from(&mut self.taken());
    }

    fn evict_from(&self, taken: &mut Taken) -> bool {
        let evicted = taken.evict();
        if evicted {
            self.metrics.connections_evicted(self.port, 1);
        }
        evicted
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn number(&self) -> usize {
        self.strangers.len() + self.known.len()
    }

    /// Whether there was a stranger. Each connection that has authenticated is passed over once.
    fn evict(&mut self) -> bool {
        while let Some((number, oldest)) = self.strangers.pop_first() {
            if oldest.authenticated.load(Ordering::Relaxed) {
                self.known.insert(number);
            } else {
                oldest.evicted.cancel();
                return true;
            }
        }
        false
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        if taken.strangers.remove(&self.number).is_none() {
            taken.known.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests;
