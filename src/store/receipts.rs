//! Receipts: the truth about whether an intermediate session token can still buy.

use sea_orm::{QueryResult, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chain::{Chain, Column};
use super::{DiscoveryCreation, Error, Store, Transaction, column};
use crate::domain::ids::{MemberId, OrganizationId, SessionId};
use crate::domain::intermediate_session::{Binding, TokenHash};
use crate::domain::session::MemberSession;

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
}

/// A row of [`RECEIPT`] for what a token buys.
fn row(
    token: TokenHash,
    token_expires_at: OffsetDateTime,
    member: (OrganizationId, MemberId),
    session: Option<(SessionId, &[u8; 32])>,
    now: OffsetDateTime,
) -> Vec<Value> {
    vec![
        token.0.to_vec().into(),
        token_expires_at.into(),
        member.0.uuid().into(),
        member.1.uuid().into(),
        session.map(|(session, _)| session.uuid()).into(),
        session.map(|(_, nonce)| nonce.to_vec()).into(),
        false.into(),
        now.into(),
    ]
}

impl Chain {
    /// Adds the receipt of what a token buys.
    pub(super) fn receipt(&mut self, bought: &DiscoveryCreation<'_>) {
        let session = bought.purchase.as_ref().map(|purchase| (purchase.session.id, &purchase.nonce));
        let member = (bought.member.organization_id, bought.member.id);
        let row = row(bought.token_hash, bought.token_expires_at, member, session, bought.now);
        self.row("intermediate_session_receipts", RECEIPT, row);
    }
}

/// The query for what a token has come to, with its hash as `$1`.
const FIND: &str = "SELECT organization_id, member_id, session_id, revoked FROM intermediate_session_receipts \
                    WHERE token_hash = $1";

fn receipt(row: &QueryResult) -> Result<Receipt, Error> {
    let revoked: bool = column(row, "revoked")?;
    let session_id: Option<Uuid> = column(row, "session_id")?;
    let organization_id: Option<Uuid> = column(row, "organization_id")?;
    let member_id: Option<Uuid> = column(row, "member_id")?;
    Ok(match (revoked, session_id, organization_id, member_id) {
        (false, None, Some(organization_id), Some(member_id)) => Receipt::Bound(Binding {
            organization_id: OrganizationId::new(organization_id),
            member_id: MemberId::new(member_id),
        }),
        _ => Receipt::Gone,
    })
}

impl Transaction {
    /// What the token has come to; `None`: nothing yet.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn receipt_find(&self, token: TokenHash) -> Result<Option<Receipt>, Error> {
        let row = self.query_one(FIND, vec![token.0.to_vec().into()]).await?;
        row.as_ref().map(receipt).transpose()
    }

    /// Records that the token buys a session. Waits for another call that is recording what it buys.
    ///
    /// # Errors
    /// [`Error::Violates`] with `Receipt`; as [`Error`] says.
    pub async fn receipt_insert(
        &self,
        token: TokenHash,
        token_expires_at: OffsetDateTime,
        session: &MemberSession,
        nonce: &[u8; 32],
    ) -> Result<(), Error> {
        let member = (session.organization_id, session.member_id);
        let row = row(token, token_expires_at, member, Some((session.id, nonce)), session.started_at);
        self.insert_rows("intermediate_session_receipts", RECEIPT, vec![row]).await
    }

    /// Records that the token, which is bound, buys the session that finishes its login. `Ok(false)`: it
    /// has bought one, was revoked, or is not bound to this login.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn receipt_finish(
        &self,
        token: TokenHash,
        binding: Binding,
        session: SessionId,
        nonce: &[u8; 32],
    ) -> Result<bool, Error> {
        let sql = "UPDATE intermediate_session_receipts SET session_id = $4, session_token_nonce = $5 \
                   WHERE token_hash = $1 AND organization_id = $2 AND member_id = $3 \
                   AND session_id IS NULL AND NOT revoked";
        let values = vec![
            token.0.to_vec().into(),
            binding.organization_id.uuid().into(),
            binding.member_id.uuid().into(),
            session.uuid().into(),
            nonce.to_vec().into(),
        ];
        Ok(self.execute(sql, values).await? == 1)
    }
}

impl Store {
    /// What the token has come to; `None`: nothing yet.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn receipt_find(&self, token: TokenHash) -> Result<Option<Receipt>, Error> {
        let row = self.query_one("receipt_find", FIND, vec![token.0.to_vec().into()]).await?;
        row.as_ref().map(receipt).transpose()
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
        Ok(self.execute("receipt_revoke", sql, values).await? == 1)
    }

    /// What became of everything that a token bought, in one round trip.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn replay_target(&self, token: TokenHash) -> Result<Option<ReplayTarget>, Error> {
        let sql = "SELECT receipts.token_expires_at, receipts.revoked, receipts.session_id, receipts.session_token_nonce, \
                   organizations.id IS NOT NULL AS organization_lives, \
                   coalesce(members.status <> 'deleted', false) AS member_lives \
                   FROM intermediate_session_receipts AS receipts \
                   LEFT JOIN organizations ON organizations.id = receipts.organization_id AND organizations.deleted_at IS NULL \
                   LEFT JOIN members ON members.id = receipts.member_id \
                   WHERE receipts.token_hash = $1";
        let Some(row) = self.query_one("replay_target", sql, vec![token.0.to_vec().into()]).await? else {
            return Ok(None);
        };
        Ok(Some(ReplayTarget {
            token_expires_at: column(&row, "token_expires_at")?,
            revoked: column(&row, "revoked")?,
            session_id: column::<Option<Uuid>>(&row, "session_id")?.map(SessionId::new),
            nonce: column(&row, "session_token_nonce")?,
            organization_lives: column(&row, "organization_lives")?,
            member_lives: column(&row, "member_lives")?,
        }))
    }
}
