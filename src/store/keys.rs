//! The deployment's id and its sealed signing keys.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Error, Store, column};
use crate::domain::ids::{Environment, KeyId, ProjectId};

/// A signing key whose private part only the holder of the sealing key can read.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// Identifies the key.
    pub id: KeyId,
    /// `ES256` or `RS256`.
    pub algorithm: String,
    /// Counts up per algorithm from 1; the newest signs.
    pub generation: i64,
    /// The sealed private part.
    pub sealed_private_key: Vec<u8>,
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
        self.execute(insert, values).await?;
        self.project_find().await?.ok_or(Error::Corrupt("project"))
    }

    async fn project_find(&self) -> Result<Option<(ProjectId, Environment)>, Error> {
        let row = self.query_one("SELECT id, environment FROM project", Vec::new()).await?;
        let Some(row) = row else { return Ok(None) };
        let environment: String = column(&row, "environment")?;
        let environment = Environment::from_word(&environment).ok_or(Error::Corrupt("environment"))?;
        Ok(Some((ProjectId::new(column(&row, "id")?), environment)))
    }

    /// Every signing key, the newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn signing_keys(&self) -> Result<Vec<SealedKey>, Error> {
        let sql =
            "SELECT id, algorithm, generation, sealed_private_key FROM signing_keys ORDER BY generation DESC";
        let rows = self.query(sql, Vec::new()).await?;
        rows.iter()
            .map(|row| {
                Ok(SealedKey {
                    id: KeyId::new(column::<Uuid>(row, "id")?),
                    algorithm: column(row, "algorithm")?,
                    generation: column(row, "generation")?,
                    sealed_private_key: column(row, "sealed_private_key")?,
                })
            })
            .collect()
    }

    /// Keeps a key, unless another replica has kept one of the same algorithm and generation first.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn signing_key_keep(&self, key: &SealedKey, now: OffsetDateTime) -> Result<(), Error> {
        let sql = "INSERT INTO signing_keys (id, algorithm, generation, sealed_private_key, created_at) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let values = vec![
            key.id.uuid().into(),
            key.algorithm.as_str().into(),
            key.generation.into(),
            key.sealed_private_key.clone().into(),
            now.into(),
        ];
        self.execute(sql, values).await.map(drop)
    }
}
