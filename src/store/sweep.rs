//! Removing what has served its time.

use time::OffsetDateTime;

use super::{Error, Store};

/// The most rows that one sweep takes from one table, so that it never holds up anybody.
const BATCH: u64 = 1_000;

impl Store {
    /// Removes a batch of receipts and idempotency records from before `before`. Tells whether there
    /// may be more.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn sweep(&self, before: OffsetDateTime) -> Result<bool, Error> {
        let receipts = format!(
            "DELETE FROM intermediate_session_receipts WHERE token_hash IN \
             (SELECT token_hash FROM intermediate_session_receipts WHERE created_at < $1 ORDER BY created_at LIMIT {BATCH})"
        );
        let answers = format!(
            "DELETE FROM idempotency_records WHERE (caller, key_hash) IN \
             (SELECT caller, key_hash FROM idempotency_records WHERE created_at < $1 ORDER BY created_at LIMIT {BATCH})"
        );
        let receipts = self.execute(receipts, vec![before.into()]).await?;
        let answers = self.execute(answers, vec![before.into()]).await?;
        Ok(receipts == BATCH || answers == BATCH)
    }
}
