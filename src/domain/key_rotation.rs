//! The life of signing keys: when a key is published, signs, retires, and when the next one is due. All
//! of it follows from the keys, the settings and the time, so replicas agree without talking.

use std::time::Duration;

use time::OffsetDateTime;

use super::ids::KeyId;
use super::jwt_algorithm::JwtAlgorithm;

/// How long a key is published before it signs, at least, unless a revoked one leaves no other. A
/// verifier may hold on to the keys it has read for 300 seconds, a JWT lives 300 seconds more, and the
/// rest is for clocks that differ and for replicas that are slow to read a new key.
pub const MIN_LEAD: Duration = Duration::from_mins(15);

/// The longest that a key may be said to sign: ten years.
pub const MAX_PERIOD: Duration = Duration::from_hours(24 * 3_653);

/// What is known of a key apart from its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLife {
    /// Identifies the key.
    pub id: KeyId,
    /// What it signs with.
    pub algorithm: JwtAlgorithm,
    /// Counts up per algorithm from 1.
    pub generation: i64,
    /// When it was made, which published it.
    pub created_at: OffsetDateTime,
    /// When it begins to sign.
    pub signs_from: OffsetDateTime,
    /// When it was revoked, after which it neither signs nor verifies.
    pub revoked_at: Option<OffsetDateTime>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and yet to sign.
    Next,
    /// Published, and what JWTs are signed with.
    Signing,
    /// Published, and no longer what JWTs are signed with.
    Published,
    /// No longer published. Sessions that are still alive may show its JWTs all the same.
    Retired,
    /// Verifies nothing any more.
    Revoked,
}

/// A key that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueKey {
    /// What it signs with.
    pub algorithm: JwtAlgorithm,
    /// Its generation. Whoever is first makes it.
    pub generation: i64,
    /// When it begins to sign.
    pub signs_from: OffsetDateTime,
}

/// How keys are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// What JWTs are to be signed with.
    pub algorithm: JwtAlgorithm,
    /// How long a key signs.
    pub period: Duration,
    /// How long a key is published before it signs, and after.
    pub overlap: Duration,
}

impl KeyState {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Published => "published",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

impl KeyLife {
    fn is_revoked(&self) -> bool {
        self.revoked_at.is_some()
    }

    /// Later keys take over from earlier ones.
    fn order(&self) -> (OffsetDateTime, i64, uuid::Uuid) {
        (self.signs_from, self.generation, self.id.uuid())
    }

    /// Whether it signed or will: one that is revoked before its turn never does.
    fn takes_over(&self) -> bool {
        self.revoked_at.is_none_or(|at| self.signs_from < at)
    }

    /// When the next key took over from it, or will.
    #[must_use]
    pub fn superseded_at(&self, keys: &[Self]) -> Option<OffsetDateTime> {
        let later = keys.iter().filter(|key| key.takes_over() && key.order() > self.order());
        later.map(|key| key.signs_from).min()
    }
}

impl Rotation {
    /// The key that signs now: of the keys that may, one of the wanted algorithm if there is one, and of
    /// these the latest. Without any, the next one signs early rather than nobody. `None`: there is no
    /// key that is not revoked.
    #[must_use]
    pub fn signing<'a>(&self, keys: &'a [KeyLife], now: OffsetDateTime) -> Option<&'a KeyLife> {
        let eligible = || keys.iter().filter(|key| self.may_sign(key, keys, now));
        let wanted = || eligible().filter(|key| key.algorithm == self.algorithm);
        wanted()
            .max_by_key(|key| key.order())
            .or_else(|| eligible().max_by_key(|key| key.order()))
            .or_else(|| self.next(keys, now))
            .or_else(|| keys.iter().filter(|key| !key.is_revoked()).max_by_key(|key| key.order()))
    }

    /// The next key that has yet to sign, one of the wanted algorithm if there is one.
    #[must_use]
    pub fn next<'a>(&self, keys: &'a [KeyLife], now: OffsetDateTime) -> Option<&'a KeyLife> {
        let waiting = || keys.iter().filter(|key| !key.is_revoked() && key.signs_from > now);
        let wanted = || waiting().filter(|key| key.algorithm == self.algorithm);
        wanted().min_by_key(|key| key.order()).or_else(|| waiting().min_by_key(|key| key.order()))
    }

    /// Whether the key's time to sign has come and not gone. Another algorithm's key that was superseded
    /// may come back, when the setting does, as long as its JWTs will be verified by everybody.
    fn may_sign(&self, key: &KeyLife, keys: &[KeyLife], now: OffsetDateTime) -> bool {
        let ends = key.superseded_at(keys).map(|at| at + self.overlap - MIN_LEAD);
        !key.is_revoked() && key.signs_from <= now && ends.is_none_or(|end| now < end)
    }

    /// Whether verifiers are told of the key now.
    #[must_use]
    pub fn is_published(&self, key: &KeyLife, keys: &[KeyLife], now: OffsetDateTime) -> bool {
        !key.is_revoked() && key.superseded_at(keys).is_none_or(|at| now < at + self.overlap)
    }

    /// Where the key is in its life.
    #[must_use]
    pub fn state(&self, key: &KeyLife, keys: &[KeyLife], now: OffsetDateTime) -> KeyState {
        if key.is_revoked() {
            KeyState::Revoked
        } else if self.signing(keys, now).is_some_and(|signing| signing.id == key.id) {
            KeyState::Signing
        } else if key.signs_from > now {
            KeyState::Next
        } else if self.is_published(key, keys, now) {
            KeyState::Published
        } else {
            KeyState::Retired
        }
    }

    /// When the key ends to sign or ended, as far as the keys and the settings tell now.
    #[must_use]
    pub fn signs_until(&self, key: &KeyLife, keys: &[KeyLife]) -> OffsetDateTime {
        key.revoked_at.or_else(|| key.superseded_at(keys)).unwrap_or(key.signs_from + self.period)
    }

    /// The key that is to be made now, if one is.
    #[must_use]
    pub fn due(&self, keys: &[KeyLife], now: OffsetDateTime) -> Option<DueKey> {
        let valid = || keys.iter().filter(|key| !key.is_revoked());
        let newest = valid().filter(|key| key.algorithm == self.algorithm).max_by_key(|key| key.order());
        let signs_from = match newest {
            // Nothing signs yet, and no verifier has read a set that lacks the key.
            None if valid().next().is_none() => now,
            None => now + MIN_LEAD,
            Some(newest) => {
                let mut end = newest.signs_from + self.period;
                if let Some(superseded) = newest.superseded_at(keys) {
                    end = end.min(superseded + self.overlap - MIN_LEAD);
                }
                if end - self.overlap > now {
                    return None;
                }
                end.max(now + MIN_LEAD)
            }
        };
        Some(self.following(keys, signs_from))
    }

    /// The key after all of the wanted algorithm.
    #[must_use]
    pub fn following(&self, keys: &[KeyLife], signs_from: OffsetDateTime) -> DueKey {
        let of = keys.iter().filter(|key| key.algorithm == self.algorithm);
        let generation = of.map(|key| key.generation).max().unwrap_or(0) + 1;
        DueKey { algorithm: self.algorithm, generation, signs_from }
    }
}

#[cfg(test)]
mod tests;
