//! Connections that may be dead.
//!
//! A statement that is given up leaves its connection in the middle of something. The pool takes it
//! back after asking whether it still answers, and waits for that answer for ever: a machine that
//! vanished without a word would keep the pool's places until the kernel gives up, a quarter of an
//! hour later. So the connections that come back after a statement was given up are asked within a
//! bound first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many connections are still to be asked. Cheap to clone; clones share the number.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    left: Arc<AtomicU32>,
    /// How many to ask after one statement was given up: whichever comes back first, its own is
    /// among them.
    connections: u32,
}

impl Suspicion {
    /// Nothing is suspected of a pool of so many connections.
    pub(super) fn none(connections: u32) -> Self {
        Self { left: Arc::default(), connections }
    }

    /// Suspects every connection, unless it is told that the statement has ended.
    pub(super) fn guard(&self) -> Guard<'_> {
        Guard(Some(self))
    }

    /// Whether the connection that comes back now is to be asked.
    pub(super) fn falls_on_next(&self) -> bool {
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Suspects when it is dropped armed.
#[derive(Debug)]
pub(super) struct Guard<'a>(Option<&'a Suspicion>);

impl Guard<'_> {
    /// The statement has ended.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(suspicion) = self.0 {
            suspicion.left.store(suspicion.connections, Ordering::Relaxed);
        }
    }
}
