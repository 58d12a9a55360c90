//! The keys in memory, opened.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::life;
use crate::domain::ids::{Environment, KeyId};
use crate::domain::key_rotation::{KeyLife, Rotation};
use crate::store::SealedKey;
use crate::tokens::jwt::{KeyError, PublicKey, SigningKey};
use crate::tokens::sealing::SealingKey;

/// Every key that was read at one moment. What each is good for follows from the time.
#[derive(Debug, Default)]
pub struct KeyRing {
    /// When that was, by the monotonic clock: when all of them could be opened.
    read_at: Duration,
    lives: Vec<KeyLife>,
    /// Those that are not revoked.
    keys: HashMap<KeyId, Arc<SigningKey>>,
}

impl KeyRing {
    /// The ring of what was read, with keys that are open already as they are. One that does not open is
    /// left out, and told of: that others were revoked must be known all the same.
    pub(super) fn updated(
        &self,
        sealed: &[SealedKey],
        sealing_key: &SealingKey,
        environment: Environment,
        read_at: Duration,
    ) -> (Self, Result<(), KeyError>) {
        let mut ring = Self { read_at, ..Self::default() };
        let mut outcome = Ok(());
        for key in sealed {
            let Some(life) = life(key) else {
                continue;
            };
            if life.revoked_at.is_none() {
                let open = || {
                    let sealed = &key.sealed_private_key;
                    SigningKey::open(life.id, life.algorithm, sealed, sealing_key, environment).map(Arc::new)
                };
                match self.keys.get(&life.id).map_or_else(open, |known| Ok(Arc::clone(known))) {
                    Ok(opened) => drop(ring.keys.insert(life.id, opened)),
                    Err(error) => {
                        // Not everything is known that there is: that is as old as it was.
                        ring.read_at = self.read_at;
                        outcome = Err(error);
                        continue;
                    }
                }
            }
            ring.lives.push(life);
        }
        (ring, outcome)
    }

    pub(super) fn read_at(&self) -> Duration {
        self.read_at
    }

    pub(super) fn lives(&self) -> &[KeyLife] {
        &self.lives
    }

    /// The key that signs.
    pub(super) fn signing(&self, rotation: &Rotation, now: OffsetDateTime) -> Option<&Arc<SigningKey>> {
        self.keys.get(&rotation.signing(&self.lives, now)?.id)
    }

    /// What verifiers are told of: the key that signs, then the others, the latest first.
    pub(super) fn published(&self, rotation: &Rotation, now: OffsetDateTime) -> Vec<PublicKey> {
        let signing = rotation.signing(&self.lives, now).map(|life| life.id);
        let mut published: Vec<_> =
            self.lives.iter().filter(|life| rotation.is_published(life, &self.lives, now)).collect();
        published.sort_by_key(|life| (signing != Some(life.id), std::cmp::Reverse(life.signs_from)));
        published.iter().filter_map(|life| self.keys.get(&life.id)).map(|key| key.public().clone()).collect()
    }

    /// The key of this id, if it may still verify.
    pub(super) fn key(&self, id: KeyId) -> Option<&Arc<SigningKey>> {
        self.keys.get(&id)
    }

    /// Whether there is or was such a key.
    pub(super) fn knows(&self, id: KeyId) -> bool {
        self.lives.iter().any(|life| life.id == id)
    }
}
