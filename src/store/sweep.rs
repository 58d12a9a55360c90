//! Removing what has served its time.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Error, Store, column};

/// The most rows that one sweep takes from one table, so that it never holds up anybody.
const BATCH: u64 = 1_000;

impl Store {
    /// Removes a batch of receipts and idempotency records from before `before`, of sessions that have
    /// expired before, and of what deleted organizations have left behind. Tells whether there may be more.
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
        let sessions = format!(
            "DELETE FROM sessions WHERE id IN \
             (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT {BATCH})"
        );
        let sessions = self.execute("sweep_sessions", &sessions, vec![before.into()]).await?;
        let receipts = self.execute("sweep_receipts", &receipts, vec![before.into()]).await?;
        let answers = self.execute("sweep_answers", &answers, vec![before.into()]).await?;
        let more = self.sweep_deleted().await?;
        Ok(sessions == BATCH || receipts == BATCH || answers == BATCH || more)
    }

    /// Removes some members of the organization that was deleted first, with their addresses and sessions;
    /// and the organization itself when it has none left.
    async fn sweep_deleted(&self) -> Result<bool, Error> {
        let oldest = "SELECT id FROM organizations WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 1";
        let Some(row) = self.query_one("sweep_organizations", oldest, Vec::new()).await? else {
            return Ok(false);
        };
        let id: Uuid = column(&row, "id")?;
        let members = format!(
            "DELETE FROM members WHERE id IN \
             (SELECT id FROM members WHERE organization_id = $1 ORDER BY id LIMIT {BATCH})"
        );
        if self.execute("sweep_organizations", &members, vec![id.into()]).await? < BATCH {
            // Found by the id alone, which is never taken back from the deleted ones: with more to go by, all
            // deleted organizations might be read. Another replica that is removing the members was in the way
            // of this one, and the members that are left would go with the organization, all at once.
            let organization = "DELETE FROM organizations WHERE id = $1 \
                                AND NOT EXISTS (SELECT 1 FROM members WHERE organization_id = $1)";
            self.execute("sweep_organizations", organization, vec![id.into()]).await?;
        }
        Ok(true)
    }
}
