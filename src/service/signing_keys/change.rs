//! What people do to keys: rotate before it is time, and revoke.

use time::OffsetDateTime;

use super::{Keys, LoadError, life};
use crate::domain::ids::KeyId;
use crate::domain::key_rotation::{KeyLife, MIN_LEAD, Rotation};
use crate::store::{self, SealedKey, Transaction};

/// How often a replica may be met that makes the same key at the same moment. Each of its keys takes
/// months to be followed by another.
const ATTEMPTS: usize = 3;

/// Why keys were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The database refused, or does not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key could not be made.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No key has this id.
    #[error("there is no such signing key; `vestibule keys list` lists them")]
    Unknown,
    /// Replicas made keys at every attempt.
    #[error("other keys were made at the same moment: try again")]
    Busy,
}

/// The key that will sign next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The key.
    pub key: KeyLife,
    /// Whether it was made just now.
    pub made: bool,
    /// The key that signs until then.
    pub signing: Option<KeyLife>,
}

/// What came of revoking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It had been revoked then.
    Before(OffsetDateTime),
    /// Something else signs as before.
    Now,
    /// It was what JWTs were signed with.
    Succeeded(Successor),
}

/// The key that signs at once in the place of a revoked one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successor {
    /// The key.
    pub key: KeyLife,
    /// Whether verifiers may meet it before they have heard of it.
    pub unheard: bool,
}

impl Keys {
    /// Has the next key sign as soon as it was published long enough, making it if there is none.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing is changed then.
    pub async fn rotate(&self) -> Result<Rotated, ChangeError> {
        let rotation = self.tools.rotation;
        let now = self.tools.clock.now();
        let spare = self.make(rotation.following(&[], now + MIN_LEAD)).await?;
        self.tools
            .store
            .transaction("signing_key_rotate", async |transaction| {
                for _ in 0..ATTEMPTS {
                    let keys = held(transaction).await?;
                    let signing = rotation.signing(&keys, now).copied();
                    let next = rotation.next(&keys, now).filter(|next| next.algorithm == rotation.algorithm);
                    if let Some(next) = next {
                        let signs_from = (next.created_at + MIN_LEAD).max(now).min(next.signs_from);
                        transaction.signing_key_schedule(next.id, signs_from).await?;
                        return Ok(Rotated { key: KeyLife { signs_from, ..*next }, made: false, signing });
                    }
                    if let Some(key) = kept(transaction, &rotation, &keys, spare.clone()).await? {
                        return Ok(Rotated { key, made: true, signing });
                    }
                }
                Err(ChangeError::Busy)
            })
            .await
    }

    /// Revokes a key: nothing that it signed verifies any more. If it was what JWTs are signed with, the
    /// next key signs at once, and one is made if there is none.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing is changed then.
    pub async fn revoke(&self, id: KeyId) -> Result<Revoked, ChangeError> {
        let rotation = self.tools.rotation;
        let now = self.tools.clock.now();
        let ring = self.ring();
        let known = ring.lives().iter().find(|key| key.id == id).ok_or(ChangeError::Unknown)?;
        // Whatever the settings here say, servers sign with its algorithm.
        let same = Rotation { algorithm: known.algorithm, ..rotation };
        let spare = self.make(same.following(&[], now)).await?;
        self.tools
            .store
            .transaction("signing_key_revoke", async |transaction| {
                let keys = held(transaction).await?;
                let key = keys.iter().find(|key| key.id == id).ok_or(ChangeError::Unknown)?;
                if let Some(at) = key.revoked_at {
                    return Ok(Revoked::Before(at));
                }
                transaction.signing_key_revoke(id, now).await?;
                if rotation.signing(&keys, now).is_none_or(|signing| signing.id != id) {
                    return Ok(Revoked::Now);
                }
                for _ in 0..ATTEMPTS {
                    let keys = held(transaction).await?;
                    if let Some(next) = rotation.next(&keys, now) {
                        transaction.signing_key_schedule(next.id, now).await?;
                        let unheard = now < next.created_at + MIN_LEAD;
                        let key = KeyLife { signs_from: now, ..*next };
                        return Ok(Revoked::Succeeded(Successor { key, unheard }));
                    }
                    if let Some(key) = kept(transaction, &same, &keys, spare.clone()).await? {
                        return Ok(Revoked::Succeeded(Successor { key, unheard: true }));
                    }
                }
                Err(ChangeError::Busy)
            })
            .await
    }
}

async fn held(transaction: &Transaction) -> Result<Vec<KeyLife>, ChangeError> {
    Ok(transaction.signing_keys_hold().await?.iter().filter_map(life).collect())
}

/// Keeps the spare key as the one after all others. `None`: somebody else kept one first.
async fn kept(
    transaction: &Transaction,
    rotation: &Rotation,
    keys: &[KeyLife],
    spare: SealedKey,
) -> Result<Option<KeyLife>, ChangeError> {
    let generation = rotation.following(keys, spare.signs_from).generation;
    let key = SealedKey { generation, ..spare };
    let kept = transaction.signing_key_keep(&key).await?;
    Ok(life(&key).filter(|_| kept))
}
