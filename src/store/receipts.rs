//! Receipts: the truth about whether an intermediate session token can still buy.

use time::OffsetDateTime;
use uuid::Uuid;

use super::chain::{Chain, Column};
use super::{DiscoveryCreation, Error, Store, column};
use crate::domain::ids::{MemberId, OrganizationId, SessionId};
use crate::domain::intermediate_session::{Binding, TokenHash};

const RECEIPT: &[Column] = &[
    ("token_hash", "bytea"),
    ("token_expires_at", "timestamptz"),
    ("organization_id", "uuid"),
    ("member_id", "uuid"),
    ("session_id", "uuid"),
    ("session_token_nonce", "bytea"),
    ("revoked", "boolean"),
    ("created_at", "timestamptz"),
];

/// What a token has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Receipt {
    /// It bought a session, or was revoked: it is gone.
    Gone,
    /// It is bound to a login that can still be finished.
    Bound(Binding),
}

/// What a repeated call needs to get the first answer again: how the session token was derived, and
/// whether everything it refers to is still there.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayTarget {
    /// When the intermediate session token ends.
    pub token_expires_at: OffsetDateTime,
    /// Whether the intermediate session token was revoked.
    pub revoked: bool,
    /// The session that it has bought.
    pub session_id: Option<SessionId>,
    /// What the session token was derived with.
    pub nonce: Option<Vec<u8>>,
    /// Whether the organization is there.
    pub organization_lives: bool,
    /// Whether the member is there and not deleted.
    pub member_lives: bool,
    /// When the session ends; `None`: it is gone.
    pub session_expires_at: Option<OffsetDateTime>,
}

impl Chain {
    /// Adds the receipt of what a token buys.
    pub(super) fn receipt(&mut self, bought: &DiscoveryCreation<'_>) {
        let purchase = bought.purchase.as_ref();
        self.row(
            "intermediate_session_receipts",
            RECEIPT,
            vec![
                bought.token_hash.0.to_vec().into(),
                bought.token_expires_at.into(),
                bought.creation.organization.id.uuid().into(),
                bought.member.id.uuid().into(),
                purchase.map(|purchase| purchase.session.id.uuid()).into(),
                purchase.map(|purchase| purchase.nonce.to_vec()).into(),
                false.into(),
                bought.now.into(),
            ],
        );
    }
}

impl Store {
    /// What the token has come to; `None`: nothing yet.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn receipt_find(&self, token: TokenHash) -> Result<Option<Receipt>, Error> {
        let sql = "SELECT organization_id, member_id, session_id, revoked FROM intermediate_session_receipts \
                   WHERE token_hash = $1";
        let Some(row) = self.query_one(sql, vec![token.0.to_vec().into()]).await? else {
            return Ok(None);
        };
        let revoked: bool = column(&row, "revoked")?;
        let session_id: Option<Uuid> = column(&row, "session_id")?;
        let organization_id: Option<Uuid> = column(&row, "organization_id")?;
        let member_id: Option<Uuid> = column(&row, "member_id")?;
        Ok(Some(match (revoked, session_id, organization_id, member_id) {
            (false, None, Some(organization_id), Some(member_id)) => Receipt::Bound(Binding {
                organization_id: OrganizationId::new(organization_id),
                member_id: MemberId::new(member_id),
            }),
            _ => Receipt::Gone,
        }))
    }

    /// Revokes a token that has bought no session. `Ok(false)`: it has, or it was revoked before.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn receipt_revoke(
        &self,
        token: TokenHash,
        token_expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        let sql = "INSERT INTO intermediate_session_receipts (token_hash, token_expires_at, revoked, created_at) \
                   VALUES ($1, $2, true, $3) \
                   ON CONFLICT (token_hash) DO UPDATE SET revoked = true \
                   WHERE intermediate_session_receipts.session_id IS NULL AND NOT intermediate_session_receipts.revoked";
        let values = vec![token.0.to_vec().into(), token_expires_at.into(), now.into()];
        Ok(self.execute(sql, values).await? == 1)
    }

    /// What became of everything that a token bought, in one round trip.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn replay_target(&self, token: TokenHash) -> Result<Option<ReplayTarget>, Error> {
        let sql = "SELECT receipts.token_expires_at, receipts.revoked, receipts.session_id, receipts.session_token_nonce, \
                   organizations.id IS NOT NULL AS organization_lives, \
                   coalesce(members.status <> 'deleted', false) AS member_lives, \
                   sessions.expires_at AS session_expires_at \
                   FROM intermediate_session_receipts AS receipts \
                   LEFT JOIN organizations ON organizations.id = receipts.organization_id AND organizations.deleted_at IS NULL \
                   LEFT JOIN members ON members.id = receipts.member_id \
                   LEFT JOIN sessions ON sessions.id = receipts.session_id \
                   WHERE receipts.token_hash = $1";
        let Some(row) = self.query_one(sql, vec![token.0.to_vec().into()]).await? else {
            return Ok(None);
        };
        Ok(Some(ReplayTarget {
            token_expires_at: column(&row, "token_expires_at")?,
            revoked: column(&row, "revoked")?,
            session_id: column::<Option<Uuid>>(&row, "session_id")?.map(SessionId::new),
            nonce: column(&row, "session_token_nonce")?,
            organization_lives: column(&row, "organization_lives")?,
            member_lives: column(&row, "member_lives")?,
            session_expires_at: column(&row, "session_expires_at")?,
        }))
    }
}
