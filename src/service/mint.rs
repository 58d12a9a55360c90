//! New ids, and the moment they are made in.

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::domain::ids::{Id, Kind};
use crate::entropy::Entropy;

/// Makes the ids of everything that one call creates at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mint<'a> {
    entropy: &'a dyn Entropy,
    /// The moment.
    pub(super) now: OffsetDateTime,
}

impl<'a> Mint<'a> {
    pub(super) fn new(clock: &dyn Clock, entropy: &'a dyn Entropy) -> Self {
        Self { entropy, now: clock.now() }
    }

    /// A new id.
    pub(super) fn id<K: Kind>(&self) -> Id<K> {
        Id::new(self.entropy.uuid(self.now))
    }
}
