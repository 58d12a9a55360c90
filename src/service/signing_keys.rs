//! The deployment's id and signing keys: agreed on at start, rotated as time passes, used at every login.

mod change;
mod jwts;
mod ring;

pub(super) use jwts::unverifiable;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::domain::ids::{Environment, KeyId, ProjectId};
use crate::domain::jwt_algorithm::JwtAlgorithm;
use crate::domain::key_rotation::{DueKey, KeyLife, Rotation};
use crate::entropy::Entropy;
use crate::store::{SealedKey, Store};
use crate::tokens::jwt::{KeyError, generate};
use crate::tokens::sealing::SealingKey;

pub use change::{ChangeError, Revoked, Rotated, Successor};
pub use ring::KeyRing;

/// How often the keys are read again because somebody named one that is not known.
const ASKED_AT_MOST: Duration = Duration::from_secs(1);

/// Why the keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// A key could not be made or opened.
    #[error("is this the sealing key that the database was used with before?")]
    Key(#[from] KeyError),
    /// Every id in the database says so, and ids are for ever.
    #[error(
        "the database belongs to the other environment: set --environment to it, or use another database"
    )]
    OtherEnvironment,
    /// No server has made a key yet.
    #[error("the database has no signing keys yet: the first start of a server makes one")]
    None,
    /// The key that was just kept is not there.
    #[error("the database lost a signing key")]
    Lost,
    /// The program ends.
    #[error("no key was made: the program ends")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// What reading, opening and making keys takes.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is documented by its type")]
pub struct KeyTools {
    pub store: Store,
    pub sealing_key: SealingKey,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub environment: Environment,
    pub rotation: Rotation,
}

/// For how long things about the keys have been so, or will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyAges {
    /// Since the keys were read.
    pub(super) read: Duration,
    /// Since the key that signs began to, in seconds.
    pub(super) signing: Option<f64>,
    /// Until the next one does, in seconds; negative when it should have by now.
    pub(super) remaining: Option<f64>,
}

/// The keys as this replica knows them.
#[derive(Debug)]
pub struct Keys {
    tools: KeyTools,
    ring: RwLock<Arc<KeyRing>>,
    /// Held while the keys are read, so that what was read last is kept. Tells when they were last read because
    /// somebody named one that is not known, by the monotonic clock.
    asked: Mutex<Option<Duration>>,
}

/// The keys of the database without their private parts: what a person may see.
///
/// # Errors
/// [`LoadError::Store`], [`LoadError::OtherEnvironment`], [`LoadError::None`].
pub async fn lives(store: &Store, environment: Environment) -> Result<Vec<KeyLife>, LoadError> {
    let (_, of) = store.project_find().await?.ok_or(LoadError::None)?;
    if of != environment {
        return Err(LoadError::OtherEnvironment);
    }
    let lives: Vec<_> = store.signing_keys().await?.iter().filter_map(life).collect();
    if lives.is_empty() { Err(LoadError::None) } else { Ok(lives) }
}

/// What is known of a key. `None`: its algorithm is one of a newer version.
fn life(key: &SealedKey) -> Option<KeyLife> {
    let SealedKey { id, generation, created_at, signs_from, revoked_at, .. } = *key;
    let algorithm = JwtAlgorithm::from_name(&key.algorithm)?;
    Some(KeyLife { id, algorithm, generation, created_at, signs_from, revoked_at })
}

impl Keys {
    /// Reads the deployment's id and keys, making them on the first start. Replicas that start together
    /// agree: the database keeps the first.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn agree(tools: KeyTools) -> Result<(ProjectId, Self), LoadError> {
        let now = tools.clock.now();
        let proposed = ProjectId::new(tools.entropy.uuid(now));
        let (project, agreed) = tools.store.project_agree(proposed, tools.environment, now).await?;
        if agreed != tools.environment {
            return Err(LoadError::OtherEnvironment);
        }
        let keys = Self::unread(tools);
        keys.refresh().await?;
        if keys.ring().signing(&keys.tools.rotation, now).is_none() {
            return Err(LoadError::Lost);
        }
        Ok((project, keys))
    }

    /// Reads the keys that a server has made.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn existing(tools: KeyTools) -> Result<Self, LoadError> {
        lives(&tools.store, tools.environment).await?;
        let keys = Self::unread(tools);
        keys.reload().await?;
        Ok(keys)
    }

    fn unread(tools: KeyTools) -> Self {
        Self { tools, ring: RwLock::default(), asked: Mutex::const_new(None) }
    }

    /// Reads the keys again, and makes the next one when it is due. Whichever replica is first makes it.
    ///
    /// # Errors
    /// [`LoadError`]; the keys that were known stay.
    pub async fn refresh(&self) -> Result<(), LoadError> {
        self.reload().await?;
        let Some(due) = self.tools.rotation.due(self.ring().lives(), self.tools.clock.now()) else {
            return Ok(());
        };
        let key = self.make(due).await?;
        if self.tools.store.signing_key_keep(&key).await? {
            let kid = key.id.text(self.tools.environment);
            tracing::info!(kid, algorithm = key.algorithm, signs_from = %key.signs_from, "made a signing key");
        }
        self.reload().await
    }

    async fn reload(&self) -> Result<(), LoadError> {
        let _held = self.asked.lock().await;
        self.read_again().await
    }

    /// Reads the keys again unless that was done a moment ago: for keys that are not known, which another
    /// replica may have made, or nobody. What was read for another reason does not count: the key may have been
    /// made since, and a JWT that it has signed is refused for good.
    async fn reload_asked(&self) -> Result<(), LoadError> {
        let mut asked = self.asked.lock().await;
        let now = self.tools.clock.monotonic();
        if asked.is_some_and(|at| now.saturating_sub(at) < ASKED_AT_MOST) {
            return Ok(());
        }
        let outcome = self.read_again().await;
        if !matches!(outcome, Err(LoadError::Store(_))) {
            *asked = Some(now);
        }
        outcome
    }

    /// Reads the keys again. Called by whoever holds the lock.
    async fn read_again(&self) -> Result<(), LoadError> {
        let sealed = self.tools.store.signing_keys().await?;
        let KeyTools { sealing_key, environment, clock, .. } = &self.tools;
        let (ring, opened) = self.ring().updated(&sealed, sealing_key, *environment, clock.monotonic());
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(opened?)
    }

    /// How old what is known is, and where the key that signs is in its life.
    pub(super) fn ages(&self) -> KeyAges {
        let (ring, KeyTools { clock, rotation, .. }) = (self.ring(), &self.tools);
        let now = clock.now();
        let signing = rotation.signing(ring.lives(), now);
        let seconds = |from: OffsetDateTime, to: OffsetDateTime| (to - from).as_seconds_f64();
        KeyAges {
            read: clock.monotonic().saturating_sub(ring.read_at()),
            signing: signing.map(|key| seconds(key.signs_from, now)),
            remaining: signing.map(|key| seconds(now, rotation.signs_until(key, ring.lives()))),
        }
    }

    fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a key that nobody knows of yet.
    async fn make(&self, due: DueKey) -> Result<SealedKey, LoadError> {
        let DueKey { algorithm, generation, signs_from } = due;
        let KeyTools { sealing_key, clock, entropy, .. } = &self.tools;
        let (sealing_key, entropy) = (sealing_key.clone(), Arc::clone(entropy));
        let created_at: OffsetDateTime = clock.now();
        let id = KeyId::new(entropy.uuid(created_at));
        // Looking for large primes takes a good part of a second.
        let made =
            tokio::task::spawn_blocking(move || generate(id, algorithm, &sealing_key, &*entropy)).await?;
        Ok(SealedKey {
            id,
            algorithm: algorithm.as_str().to_owned(),
            generation,
            sealed_private_key: made?,
            created_at,
            signs_from,
            revoked_at: None,
        })
    }
}

#[cfg(test)]
mod tests;
