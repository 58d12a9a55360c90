//! What a repeated call is answered with.

use sea_orm::QueryResult;
use time::OffsetDateTime;

use super::chain::{Chain, Column};
use super::{Constraint, Engine, Error, Store, Transaction, column};
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

const READ: &str =
    "SELECT method, request_hash, answer FROM idempotency_records WHERE caller = $1 AND key_hash = $2";

fn kept(row: &QueryResult) -> Result<KeptAnswer, Error> {
    Ok(KeptAnswer {
        method: column(row, "method")?,
        request_hash: column(row, "request_hash")?,
        answer: column(row, "answer")?,
    })
}

impl Transaction {
    /// Takes a key for the call that this transaction belongs to, before it does anything else. Waits for
    /// a call that has just taken it. `None`: it is taken now, and [`Transaction::answer_fill`] follows;
    /// else what an earlier call was answered.
    ///
    /// # Errors
    /// [`Error::Conflict`] when that call takes too long; as [`Error`] says.
    pub async fn answer_reserve(
        &self,
        caller: &str,
        idempotency: &Idempotency,
        now: OffsetDateTime,
    ) -> Result<Option<KeptAnswer>, Error> {
        let sql = "INSERT INTO idempotency_records (caller, key_hash, method, request_hash, answer, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (caller, key_hash) DO NOTHING";
        let key = || idempotency.key_hash.to_vec().into();
        let values = vec![
            caller.into(),
            key(),
            idempotency.method.into(),
            idempotency.request_hash.to_vec().into(),
            serde_json::Value::Null.into(),
            now.into(),
        ];
        if self.execute(sql, values).await? == 1 {
            return Ok(None);
        }
        let row = self.query_one(READ, vec![caller.into(), key()]).await?;
        // None: it has served its day in this very moment, and another try takes the key.
        let kept = row.as_ref().map(kept).transpose()?;
        kept.map_or_else(
            || Err(Error::Conflict("the record has just been removed".into())),
            |kept| Ok(Some(kept)),
        )
    }

    /// Says what the repeats of the call are answered with.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn answer_fill(
        &self,
        caller: &str,
        idempotency: &Idempotency,
        answer: serde_json::Value,
    ) -> Result<(), Error> {
        let sql = "UPDATE idempotency_records SET answer = $3 WHERE caller = $1 AND key_hash = $2";
        let values = vec![caller.into(), idempotency.key_hash.to_vec().into(), answer.into()];
        self.execute(sql, values).await.map(drop)
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
        self.query_one("answer_find", READ, vec![caller.into(), key_hash.to_vec().into()])
            .await?
            .as_ref()
            .map(kept)
            .transpose()
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
        match self.rehearse("answer_being_written", probe).await {
            Ok(()) => Ok(false),
            Err(Error::Violates(Constraint::IdempotencyKey)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
