//! Changing what stands: one transaction, in which a repeat of the call is recognized first.

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use super::Service;
use super::answers::same_answer;
use super::error::{Error, Source};
use crate::domain::call::Call;
use crate::store::{Constraint, Error as StoreError, Transaction};

/// Why a change was not made. Nothing was written, unless nobody knows.
#[derive(Debug)]
pub(super) enum Failure {
    /// The use case, or the database, refused.
    Refused(Error),
    /// A rule of the database was broken; the use case knows what that means.
    Violates(Constraint),
    /// The commit was not answered.
    Unknown(Source),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Violates(constraint) => Self::Violates(constraint),
            StoreError::UnknownOutcome(source) => Self::Unknown(source),
            error => Self::Refused(error.into()),
        }
    }
}

/// For use cases that can break no rule.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Violates(constraint) => StoreError::Violates(constraint).into(),
            Failure::Unknown(source) => StoreError::UnknownOutcome(source).into(),
        }
    }
}

impl Service {
    /// Runs the body in a transaction of this name. A call with a key that was used before gets the first answer again,
    /// whatever has become of what the body would look at; else its own answer is kept with the change.
    ///
    /// # Errors
    /// What the body fails with; `IDEMPOTENCY_KEY_REUSED`.
    pub(super) async fn write<T: Serialize + DeserializeOwned>(
        &self,
        name: &'static str,
        call: &Call,
        now: OffsetDateTime,
        body: impl AsyncFnOnce(&Transaction) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let caller = &call.caller.name;
        self.parts
            .store
            .transaction(name, async |transaction| {
                let Some(idempotency) = &call.idempotency else {
                    return body(transaction).await;
                };
                if let Some(kept) = transaction.answer_reserve(caller, idempotency, now).await? {
                    return Ok(same_answer(idempotency, kept)?);
                }
                let answer = body(transaction).await?;
                let kept = serde_json::to_value(&answer).map_err(Error::internal)?;
                transaction.answer_fill(caller, idempotency, kept).await?;
                Ok(answer)
            })
            .await
    }
}
