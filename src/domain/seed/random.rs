//! Numbers that look random and are the same every time.

use time::OffsetDateTime;
use uuid::Uuid;

use super::super::ids::{Id, Kind};

/// What a sequence of numbers is for, so that one for members is not one for organizations.
#[derive(Clone, Copy, Debug)]
pub(super) enum Topic {
    /// What an organization is like.
    Profile,
    /// The rest of an organization's row.
    Organization,
    /// A member.
    Member,
    /// Which members of an organization come from others.
    Guests,
    /// What the members of an organization are called.
    People,
    /// The phone numbers of an organization's members.
    PhoneNumbers,
}

/// Splitmix64 (Steele, Lea and Flood, 2014). Predictable: for nothing that must be secret.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The sequence of one thing of one plan.
    pub(super) fn new(seed: u64, topic: Topic, organization: u64, member: u64) -> Self {
        let mut this = Self(seed);
        for part in [topic as u64, organization, member] {
            this.0 = this.next() ^ part;
        }
        this
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// Whether something happens that happens in so many cases of a hundred.
    pub(super) fn percent(&mut self, cases: u64) -> bool {
        self.below(100) < cases
    }

    /// One of a list.
    pub(super) fn pick<T: Copy>(&mut self, list: &'static [T]) -> Option<T> {
        let position = self.below(u64::try_from(list.len()).unwrap_or(0));
        list.get(usize::try_from(position).unwrap_or(0)).copied()
    }

    /// An id as if it had been made at that time.
    pub(super) fn id<K: Kind>(&mut self, at: OffsetDateTime) -> Id<K> {
        let milliseconds = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        let mut bytes = [0; 10];
        let (high, low) = (self.next().to_le_bytes(), self.next().to_le_bytes());
        for (byte, random) in bytes.iter_mut().zip(high.into_iter().chain(low)) {
            *byte = random;
        }
        let uuid: Uuid = uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid();
        Id::new(uuid)
    }
}
