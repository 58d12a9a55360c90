//! The deployment's id and its sealed signing keys.

use sea_orm::{QueryResult, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Error, Lock, Store, Transaction, column};
use crate::domain::ids::{Environment, KeyId, ProjectId};

/// A signing key whose private part only the holder of the sealing key can read.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// Identifies the key.
    pub id: KeyId,
    /// `ES256` or `RS256`.
    pub algorithm: String,
    /// Counts up per algorithm from 1.
    pub generation: i64,
    /// The sealed private part.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it begins to sign.
    pub signs_from: OffsetDateTime,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

const SIGNING_KEYS: &str = "SELECT id, algorithm, generation, sealed_private_key, created_at, signs_from, \
     revoked_at FROM signing_keys ORDER BY algorithm, generation";

const KEEP: &str = "INSERT INTO signing_keys \
     (id, algorithm, generation, sealed_private_key, created_at, signs_from, revoked_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

impl SealedKey {
    fn read(row: &QueryResult) -> Result<Self, Error> {
        let created_at = column(row, "created_at")?;
        Ok(Self {
            id: KeyId::new(column::<Uuid>(row, "id")?),
            algorithm: column(row, "algorithm")?,
            generation: column(row, "generation")?,
            sealed_private_key: column(row, "sealed_private_key")?,
            created_at,
            // The version before says nothing: its keys sign as soon as they are made.
            signs_from: column::<Option<OffsetDateTime>>(row, "signs_from")?.unwrap_or(created_at),
            revoked_at: column(row, "revoked_at")?,
        })
    }

    fn values(&self) -> Vec<Value> {
        vec![
            self.id.uuid().into(),
            self.algorithm.as_str().into(),
            self.generation.into(),
            self.sealed_private_key.clone().into(),
            self.created_at.into(),
            self.signs_from.into(),
            self.revoked_at.into(),
        ]
    }
}

impl Store {
    /// The deployment's id and its environment; what is proposed becomes them when there are none
    /// yet. Replicas that start together get the same.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn project_agree(
        &self,
        proposed: ProjectId,
        environment: Environment,
        now: OffsetDateTime,
    ) -> Result<(ProjectId, Environment), Error> {
        if let Some(project) = self.project_find().await? {
            return Ok(project);
        }
        let insert =
            "INSERT INTO project (id, environment, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let values = vec![proposed.uuid().into(), environment.as_str().into(), now.into()];
        self.execute("project_agree", insert, values).await?;
        self.project_find().await?.ok_or(Error::Corrupt("project"))
    }

    /// The deployment's id and its environment, once a server has run on the database.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn project_find(&self) -> Result<Option<(ProjectId, Environment)>, Error> {
        let row = self.query_one("project_find", "SELECT id, environment FROM project", Vec::new()).await?;
        let Some(row) = row else { return Ok(None) };
        let environment: String = column(&row, "environment")?;
        let environment = Environment::from_word(&environment).ok_or(Error::Corrupt("environment"))?;
        Ok(Some((ProjectId::new(column(&row, "id")?), environment)))
    }

    /// Whether a signing key was revoked.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn signing_key_is_revoked(&self, id: KeyId) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM signing_keys WHERE id = $1 AND revoked_at IS NOT NULL";
        Ok(self.query_one("signing_key_is_revoked", sql, vec![id.uuid().into()]).await?.is_some())
    }

    /// Every signing key there ever was, by algorithm and generation.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn signing_keys(&self) -> Result<Vec<SealedKey>, Error> {
        self.query("signing_keys", SIGNING_KEYS, Vec::new()).await?.iter().map(SealedKey::read).collect()
    }

    /// Keeps a key. `false`: another replica has kept one of the same algorithm and generation first.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn signing_key_keep(&self, key: &SealedKey) -> Result<bool, Error> {
        Ok(self.execute("signing_key_keep", KEEP, key.values()).await? == 1)
    }
}

impl Transaction {
    /// Every signing key there ever was, by algorithm and generation. Until the transaction ends, no other
    /// one that asks the same goes on; replicas may make a key meanwhile.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn signing_keys_hold(&self) -> Result<Vec<SealedKey>, Error> {
        // Held by a statement of its own: one that waits sees the rest as it was before it waited.
        let project = format!("SELECT id FROM project {}", self.holding(Lock::Change));
        self.query(&project, Vec::new()).await?;
        self.query(SIGNING_KEYS, Vec::new()).await?.iter().map(SealedKey::read).collect()
    }

    /// Keeps a key. `false`: there is one of the same algorithm and generation, and nothing was written.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn signing_key_keep(&self, key: &SealedKey) -> Result<bool, Error> {
        Ok(self.execute(KEEP, key.values()).await? == 1)
    }

    /// Sets when the key begins to sign.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn signing_key_schedule(&self, id: KeyId, signs_from: OffsetDateTime) -> Result<(), Error> {
        let sql = "UPDATE signing_keys SET signs_from = $2 WHERE id = $1";
        self.execute(sql, vec![id.uuid().into(), signs_from.into()]).await.map(drop)
    }

    /// Revokes the key, for good.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn signing_key_revoke(&self, id: KeyId, at: OffsetDateTime) -> Result<(), Error> {
        let sql = "UPDATE signing_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
        self.execute(sql, vec![id.uuid().into(), at.into()]).await.map(drop)
    }
}
