//! Connections that may be dead.
//!
//! A statement that is given up, or whose connection breaks, says something about the others: the
//! server has restarted, or its machine has vanished without a word. The pool would find out one
//! failed call at a time, and it takes back a connection only after it has answered, however long
//! that takes. So after such a statement the connections that leave the pool or come back to it are
//! asked within a bound whether they still answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// How many connections are still to be asked. Cheap to clone; clones share the number.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    left: Arc<AtomicU32>,
    /// How many to ask after one such statement: each once on its way out and once on its way back.
    questions: u32,
    /// Told of every reason to look where the primary is.
    lost: Arc<Notify>,
}

impl Suspicion {
    /// Nothing is suspected of a pool of so many connections.
    pub(super) fn none(connections: u32, lost: Arc<Notify>) -> Self {
        Self { left: Arc::default(), questions: connections.saturating_mul(2), lost }
    }

    /// Suspects every connection, and the server.
    pub(super) fn of_all(&self) {
        self.of_connections();
        self.of_server();
    }

    /// Suspects every connection.
    pub(super) fn of_connections(&self) {
        self.left.store(self.questions, Ordering::Relaxed);
    }

    /// Suspects that the server is not the primary any more.
    pub(super) fn of_server(&self) {
        self.lost.notify_one();
    }

    /// Suspects every connection, unless it is told that the statement has ended well.
    pub(super) fn guard(&self) -> Guard<'_> {
        Guard(Some(self))
    }

    /// Whether the connection that comes or goes now is to be asked.
    pub(super) fn falls_on_next(&self) -> bool {
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Suspects when it is dropped armed.
#[derive(Debug)]
pub(super) struct Guard<'a>(Option<&'a Suspicion>);

impl Guard<'_> {
    /// The statement has ended, and its connection is fine.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(suspicion) = self.0 {
            suspicion.of_all();
        }
    }
}
