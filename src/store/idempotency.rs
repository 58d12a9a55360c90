//! What a repeated call is answered with.

use time::OffsetDateTime;

use super::chain::{Chain, Column};
use super::{Constraint, Engine, Error, Store, column};
use crate::domain::call::Idempotency;

const RECORD: &[Column] = &[
    ("caller", "text"),
    ("key_hash", "bytea"),
    ("method", "text"),
    ("request_hash", "bytea"),
    ("answer", "jsonb"),
    ("created_at", "timestamptz"),
];

/// The answer to a call, kept for its repeats. Never has a secret in it.
#[derive(Clone, Debug)]
pub struct StoredAnswer {
    /// Who called.
    pub caller: String,
    /// What a repeat is recognized by.
    pub idempotency: Idempotency,
    /// The answer, as the use case understands it.
    pub answer: serde_json::Value,
    /// When the call was answered.
    pub created_at: OffsetDateTime,
}

/// What stands under a key.
#[derive(Clone, Debug)]
pub struct KeptAnswer {
    /// The method that was called.
    pub method: String,
    /// The hash of its request.
    pub request_hash: Vec<u8>,
    /// Its answer.
    pub answer: serde_json::Value,
}

impl Chain {
    /// Adds the record. The first link of every chain that has one, so that a repeat meets it before
    /// it meets anything that the first call wrote.
    pub(super) fn answer(&mut self, answer: &StoredAnswer) {
        let StoredAnswer { caller, idempotency, answer, created_at } = answer;
        self.row(
            "idempotency_records",
            RECORD,
            vec![
                caller.as_str().into(),
                idempotency.key_hash.to_vec().into(),
                idempotency.method.into(),
                idempotency.request_hash.to_vec().into(),
                answer.clone().into(),
                (*created_at).into(),
            ],
        );
    }
}

impl Store {
    /// Reads what stands under a caller's key. Waits for a call that is just writing it, at most the
    /// lock timeout.
    ///
    /// # Errors
    /// [`Error::Conflict`] when that call takes longer; [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn answer_find(&self, caller: &str, key_hash: &[u8; 32]) -> Result<Option<KeptAnswer>, Error> {
        let kept = self.answer_read(caller, key_hash).await?;
        if kept.is_some() || !self.answer_being_written(caller, key_hash).await? {
            return Ok(kept);
        }
        self.answer_read(caller, key_hash).await
    }

    async fn answer_read(&self, caller: &str, key_hash: &[u8; 32]) -> Result<Option<KeptAnswer>, Error> {
        let sql = "SELECT method, request_hash, answer FROM idempotency_records WHERE caller = $1 AND key_hash = $2";
        let Some(row) = self.query_one(sql, vec![caller.into(), key_hash.to_vec().into()]).await? else {
            return Ok(None);
        };
        Ok(Some(KeptAnswer {
            method: column(&row, "method")?,
            request_hash: column(&row, "request_hash")?,
            answer: column(&row, "answer")?,
        }))
    }

    /// Whether another transaction has written the key since it was read. A row that is not committed
    /// can't be read, but it can be run into.
    async fn answer_being_written(&self, caller: &str, key_hash: &[u8; 32]) -> Result<bool, Error> {
        // SQLite has one connection here: nobody writes while this call reads.
        if self.engine == Engine::Sqlite {
            return Ok(false);
        }
        let mut probe = Chain::default();
        probe.row(
            "idempotency_records",
            RECORD,
            vec![
                caller.into(),
                key_hash.to_vec().into(),
                "".into(),
                Vec::<u8>::new().into(),
                serde_json::Value::Null.into(),
                OffsetDateTime::UNIX_EPOCH.into(),
            ],
        );
        match self.rehearse(probe).await {
            Ok(()) => Ok(false),
            Err(Error::Violates(Constraint::IdempotencyKey)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
