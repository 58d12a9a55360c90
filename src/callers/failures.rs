//! How often nobody could tell who called.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Refusal;

/// Counts refusals since the start, each kind on its own.
#[derive(Debug, Default)]
pub struct Failures([AtomicU64; Refusal::ALL.len()]);

impl Failures {
    pub(super) fn count(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Each kind with its number.
    pub fn counts(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL.into_iter().zip(&self.0).map(|(refusal, count)| (refusal, count.load(Ordering::Relaxed)))
    }
}
