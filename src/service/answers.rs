//! Idempotency: a repeated call gets the first answer again.
//!
//! A use case that writes hands [`stored_answer`] to the store with its write, as the first row of
//! the same transaction. When the store says that the key is used, [`Service::earlier_answer`] is
//! the answer. Secrets are never part of it: a use case derives them again.

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use super::Service;
use super::error::Error;
use crate::domain::call::{Call, Idempotency};
use crate::domain::reason::{Reason, Violation};
use crate::store::{KeptAnswer, StoredAnswer};

/// The row that makes a repeat of the call recognizable; `None` when the caller sent no key.
pub(super) fn stored_answer(
    call: &Call,
    answer: &impl Serialize,
    now: OffsetDateTime,
) -> Result<Option<StoredAnswer>, Error> {
    let Some(idempotency) = &call.idempotency else {
        return Ok(None);
    };
    Ok(Some(StoredAnswer {
        caller: call.caller.name.clone(),
        idempotency: idempotency.clone(),
        answer: serde_json::to_value(answer).map_err(Error::internal)?,
        created_at: now,
    }))
}

impl Service {
    /// The answer that an earlier call with the same key got. `None`: there was none, or it sent no key.
    ///
    /// # Errors
    /// `IDEMPOTENCY_KEY_REUSED` when that call was another one.
    pub(super) async fn earlier_answer<T: DeserializeOwned>(&self, call: &Call) -> Result<Option<T>, Error> {
        let Some(idempotency) = &call.idempotency else {
            return Ok(None);
        };
        let Some(kept) = self.parts.store.answer_find(&call.caller.name, &idempotency.key_hash).await? else {
            return Ok(None);
        };
        same_answer(idempotency, kept).map(Some)
    }
}

/// The kept answer, if it is that of the same request.
///
/// # Errors
/// `IDEMPOTENCY_KEY_REUSED` when it is that of another one.
pub(super) fn same_answer<T: DeserializeOwned>(
    idempotency: &Idempotency,
    kept: KeptAnswer,
) -> Result<T, Error> {
    if kept.method != idempotency.method || kept.request_hash != idempotency.request_hash {
        return Err(Error::invalid(Violation::new(
            "idempotency-key",
            Reason::IdempotencyKeyReused,
            "the idempotency key was used for another request",
        )));
    }
    serde_json::from_value(kept.answer).map_err(Error::internal)
}
