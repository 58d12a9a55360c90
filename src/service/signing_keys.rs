//! The deployment's id and signing keys: agreed on at start, used at every login.

use std::sync::Arc;

use time::OffsetDateTime;

use super::Service;
use super::error::Error;
use crate::clock::Clock;
use crate::domain::ids::{Environment, KeyId, ProjectId};
use crate::domain::jwt_algorithm::JwtAlgorithm;
use crate::domain::session::MemberSession;
use crate::entropy::Entropy;
use crate::store::{SealedKey, Store};
use crate::tokens::jwt::{KeyError, PublicKey, SigningKey, generate};
use crate::tokens::sealing::SealingKey;

/// The generation of the first key of an algorithm.
const FIRST_GENERATION: i64 = 1;

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
    /// The key that was just kept is not there.
    #[error("the database lost a signing key")]
    Lost,
}

/// What replicas agree on.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is documented by its type")]
pub struct Keys {
    pub project: ProjectId,
    pub signing_key: Arc<SigningKey>,
    pub public_keys: Vec<PublicKey>,
}

/// Reads the deployment's id and keys, making them on the first start. Replicas that start together
/// agree: the database keeps the first.
///
/// # Errors
/// [`LoadError`].
pub async fn load(
    store: &Store,
    sealing_key: &SealingKey,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
    environment: Environment,
    algorithm: JwtAlgorithm,
) -> Result<Keys, LoadError> {
    let now = clock.now();
    let proposed = ProjectId::new(entropy.uuid(now));
    let (project, agreed) = store.project_agree(proposed, environment, now).await?;
    if agreed != environment {
        return Err(LoadError::OtherEnvironment);
    }
    let mut sealed = store.signing_keys().await?;
    if !sealed.iter().any(|key| key.algorithm == algorithm.as_str()) {
        let id = KeyId::new(entropy.uuid(now));
        let key = SealedKey {
            id,
            algorithm: algorithm.as_str().to_owned(),
            generation: FIRST_GENERATION,
            sealed_private_key: generate(id, algorithm, sealing_key, entropy)?,
        };
        store.signing_key_keep(&key, now).await?;
        sealed = store.signing_keys().await?;
    }
    let mut signing_key = None;
    let mut public_keys = Vec::new();
    for key in sealed {
        let Some(of) =
            [JwtAlgorithm::Es256, JwtAlgorithm::Rs256].into_iter().find(|of| of.as_str() == key.algorithm)
        else {
            continue;
        };
        let opened = SigningKey::open(key.id, of, &key.sealed_private_key, sealing_key, environment)?;
        public_keys.push(opened.public().clone());
        if of == algorithm && signing_key.is_none() {
            signing_key = Some(Arc::new(opened));
        }
    }
    Ok(Keys { project, signing_key: signing_key.ok_or(LoadError::Lost)?, public_keys })
}

impl Service {
    /// Signs a session's JWT. `None` for no session.
    pub(super) async fn sign_session(
        &self,
        session: Option<&MemberSession>,
        now: OffsetDateTime,
    ) -> Result<Option<String>, Error> {
        let Some(session) = session else {
            return Ok(None);
        };
        let key = Arc::clone(&self.parts.signing_key);
        let claims = self.parts.issuer.session_claims(session, now);
        let jwt = if key.is_slow() {
            // Most of a millisecond of computing, which would hold up every other call.
            tokio::task::spawn_blocking(move || key.sign(&claims)).await.map_err(Error::internal)?
        } else {
            key.sign(&claims)
        };
        jwt.map(Some).map_err(Error::internal)
    }
}
