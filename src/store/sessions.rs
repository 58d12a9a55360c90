//! Member sessions.

mod known;

use sea_orm::{QueryResult, Value};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::chain::{Chain, Column};
use super::parameters::Parameters;
use super::{Columns, Engine, Error, Lock, Purchase, Store, Transaction, column, json_value};
use super::{members, organizations};
use crate::domain::email_address::EmailAddress;
use crate::domain::ids::{EmailId, KeyId, MemberId, OrganizationId, SessionId};
use crate::domain::member::{Member, RetiredEmailAddress};
use crate::domain::organization::Organization;
use crate::domain::session::MemberSession;

pub(super) use known::Known;

const SESSION: &[Column] = &[
    ("id", "uuid"),
    ("organization_id", "uuid"),
    ("member_id", "uuid"),
    ("token_hash", "bytea"),
    ("started_at", "timestamptz"),
    ("last_accessed_at", "timestamptz"),
    ("expires_at", "timestamptz"),
    ("authentication_factors", "jsonb"),
    ("custom_claims", "jsonb"),
];

/// The most sessions of one member that are read.
const MOST: u32 = 1_000;

/// SQLite keeps times as text, which does not sort to the fraction of a second. What is compared in SQL
/// is compared again in the program.
const TEXT_PRECISION: Duration = Duration::SECOND;

/// What a session is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionKey {
    /// The SHA-256 of its token.
    TokenHash([u8; 32]),
    /// What its JWT says: the session, and the key that signed, which must not be revoked.
    Jwt(SessionId, KeyId),
    /// Its id.
    Id(SessionId),
}

/// A session, with whose it is.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FoundSession {
    pub session: MemberSession,
    pub member: Member,
    pub organization: Organization,
}

impl SessionKey {
    const BY_TOKEN: &str = "sessions.token_hash = $1";
    const BY_JWT: &str = "sessions.id = $1 AND NOT EXISTS \
                          (SELECT 1 FROM signing_keys WHERE signing_keys.id = $2 AND revoked_at IS NOT NULL)";
    const BY_ID: &str = "sessions.id = $1";

    fn condition(self) -> (&'static str, Vec<Value>) {
        match self {
            Self::TokenHash(hash) => (Self::BY_TOKEN, vec![hash.to_vec().into()]),
            Self::Jwt(session, key) => (Self::BY_JWT, vec![session.uuid().into(), key.uuid().into()]),
            Self::Id(session) => (Self::BY_ID, vec![session.uuid().into()]),
        }
    }
}

impl Chain {
    /// Adds a session.
    pub(super) fn session(&mut self, purchase: &Purchase<'_>) {
        self.row("sessions", SESSION, row(purchase));
    }
}

fn row(purchase: &Purchase<'_>) -> Vec<Value> {
    let session = purchase.session;
    vec![
        session.id.uuid().into(),
        session.organization_id.uuid().into(),
        session.member_id.uuid().into(),
        purchase.token_hash.to_vec().into(),
        session.started_at.into(),
        session.last_accessed_at.into(),
        session.expires_at.into(),
        json_value(&session.authentication_factors),
        json_value(&session.custom_claims),
    ]
}

/// The query that reads a session with its member and organization, all that are there, in one go.
fn select(engine: Engine, condition: &str) -> String {
    let own: Vec<_> =
        SESSION.iter().map(|(column, _)| format!("sessions.{column} AS session_{column}")).collect();
    let member: Vec<_> =
        members::MEMBER.iter().map(|(column, _)| format!("members.{column} AS member_{column}")).collect();
    let (own, member) = (own.join(", "), member.join(", "));
    let organization = organizations::columns(engine, "organization_");
    let (array, id) = (engine.json_array(), engine.id_text("id"));
    format!(
        "SELECT {own}, {member}, {organization}, \
         addresses.id AS email_id, addresses.email_address, addresses.verified, \
         (SELECT {array}(retired) FROM (SELECT {id} || ' ' || email_address AS retired FROM member_email_addresses \
          WHERE member_id = members.id AND status = 'retired' ORDER BY id) AS retired) AS retired \
         FROM sessions JOIN members ON members.id = sessions.member_id AND members.status <> 'deleted' \
         JOIN member_email_addresses AS addresses \
         ON addresses.member_id = members.id AND addresses.status = 'current' \
         JOIN organizations ON organizations.id = sessions.organization_id AND organizations.deleted_at IS NULL \
         WHERE {condition}"
    )
}

fn found(row: &QueryResult) -> Result<FoundSession, Error> {
    let organization = organizations::from_columns(Columns::of(row, "organization_"))?;
    let address = |text: &str| EmailAddress::parse(text).map_err(|_| Error::Corrupt("email_address"));
    let mut member = members::from_columns(
        Columns::of(row, "member_"),
        EmailId::new(column(row, "email_id")?),
        address(&column::<String>(row, "email_address")?)?,
        column(row, "verified")?,
    )?;
    for text in organizations::list::<String>(Columns::of(row, ""), "retired")? {
        let (id, retired) = text.split_once(' ').ok_or(Error::Corrupt("retired"))?;
        let email_id = EmailId::new(Uuid::try_parse(id).map_err(|_| Error::Corrupt("retired"))?);
        let email_address = address(retired)?;
        member.retired_email_addresses.push(RetiredEmailAddress { email_id, email_address });
    }
    let session = session(Columns::of(row, "session_"), &member, &organization)?;
    Ok(FoundSession { session, member, organization })
}

fn session(row: Columns<'_>, member: &Member, organization: &Organization) -> Result<MemberSession, Error> {
    Ok(MemberSession {
        id: SessionId::new(row.get("id")?),
        member_id: MemberId::new(row.get("member_id")?),
        organization_id: OrganizationId::new(row.get("organization_id")?),
        organization_slug: organization.slug.clone(),
        started_at: row.get("started_at")?,
        last_accessed_at: row.get("last_accessed_at")?,
        expires_at: row.get("expires_at")?,
        authentication_factors: row.json("authentication_factors")?,
        roles: member.role_ids(&organization.settings.rbac_email_implicit_role_assignments),
        custom_claims: row.json("custom_claims")?,
    })
}

impl Store {
    /// Reads a session with its member and organization, in one round trip. It may have expired.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn session_find(&self, key: SessionKey) -> Result<Option<FoundSession>, Error> {
        if let Some(known) = &self.known {
            return self.session_find_beside(known, key).await;
        }
        let (condition, values) = key.condition();
        let row = self.query_one("session_find", &select(self.engine, condition), values).await?;
        row.as_ref().map(found).transpose()
    }

    /// Reads the sessions of a member that have not expired, the newest first, not more than a thousand.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn sessions_of(
        &self,
        member: &Member,
        organization: &Organization,
        now: OffsetDateTime,
    ) -> Result<Vec<MemberSession>, Error> {
        let columns: Vec<_> = SESSION.iter().map(|(column, _)| *column).collect();
        let columns = columns.join(", ");
        let sql = format!(
            "SELECT {columns} FROM sessions WHERE member_id = $1 AND expires_at > $2 \
             ORDER BY id DESC LIMIT {MOST}"
        );
        let values = vec![member.id.uuid().into(), (now - TEXT_PRECISION).into()];
        let rows = self.query("sessions_list", &sql, values).await?;
        let sessions = rows.iter().map(|row| session(Columns::of(row, ""), member, organization));
        let alive = |session: &Result<MemberSession, _>| {
            session.as_ref().map_or(true, |session| session.expires_at > now)
        };
        sessions.filter(alive).collect()
    }

    /// Notes that sessions have been used.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn sessions_touch(&self, ids: &[SessionId], at: OffsetDateTime) -> Result<(), Error> {
        let mut parameters = Parameters::of(self.engine);
        let at = parameters.add(at);
        let list = parameters.any_id(ids.iter().map(|id| id.uuid()));
        let sql = format!(
            "UPDATE sessions SET last_accessed_at = {at} WHERE id {list} AND last_accessed_at < {at}"
        );
        self.execute("sessions_touch", &sql, parameters.values()).await.map(drop)
    }
}

impl Transaction {
    /// Adds a session.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn session_insert(&self, purchase: &Purchase<'_>) -> Result<(), Error> {
        self.insert_rows("sessions", SESSION, vec![row(purchase)]).await
    }

    /// Holds a session and reads it with its member and organization. It may have expired.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another transaction holds it for too long; as [`Error`] says.
    pub async fn session_hold(&self, key: SessionKey) -> Result<Option<FoundSession>, Error> {
        let (condition, values) = key.condition();
        let select = select(self.engine, condition);
        let sql = match self.holding(Lock::Change) {
            "" => select,
            holding => format!("{select} {holding} OF sessions"),
        };
        let row = self.query_one(&sql, values).await?;
        row.as_ref().map(found).transpose()
    }

    /// Keeps a session from being ended meanwhile. `false`: it has ended, or whose it was is gone.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another transaction is ending it for too long; as [`Error`] says.
    pub async fn session_refer(&self, id: SessionId, now: OffsetDateTime) -> Result<bool, Error> {
        let holding = match self.holding(Lock::Refer) {
            "" => String::new(),
            holding => format!(" {holding} OF sessions"),
        };
        let sql = format!(
            "SELECT sessions.expires_at FROM sessions \
             JOIN members ON members.id = sessions.member_id AND members.status <> 'deleted' \
             JOIN organizations ON organizations.id = sessions.organization_id AND deleted_at IS NULL \
             WHERE sessions.id = $1{holding}"
        );
        let Some(row) = self.query_one(&sql, vec![id.uuid().into()]).await? else {
            return Ok(false);
        };
        Ok(column::<OffsetDateTime>(&row, "expires_at")? > now)
    }

    /// Writes what a caller has changed about a session.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn session_update(&self, session: &MemberSession) -> Result<(), Error> {
        let sql =
            "UPDATE sessions SET last_accessed_at = $2, expires_at = $3, custom_claims = $4 WHERE id = $1";
        let values = vec![
            session.id.uuid().into(),
            session.last_accessed_at.into(),
            session.expires_at.into(),
            json_value(&session.custom_claims),
        ];
        self.execute(sql, values).await.map(drop)
    }

    /// Ends a session and tells whose it was. `None`: there is none, or it has expired.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn session_end(
        &self,
        key: SessionKey,
        now: OffsetDateTime,
    ) -> Result<Option<(SessionId, MemberId, OrganizationId)>, Error> {
        let (condition, values) = key.condition();
        let sql = format!(
            "DELETE FROM sessions WHERE {condition} RETURNING id, member_id, organization_id, expires_at"
        );
        let Some(row) = self.query_one(&sql, values).await? else {
            return Ok(None);
        };
        if column::<OffsetDateTime>(&row, "expires_at")? <= now {
            return Ok(None);
        }
        Ok(Some((
            SessionId::new(column(&row, "id")?),
            MemberId::new(column(&row, "member_id")?),
            OrganizationId::new(column(&row, "organization_id")?),
        )))
    }

    /// Ends all sessions of a member, and tells how many had not expired.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn sessions_end(&self, member: MemberId, now: OffsetDateTime) -> Result<usize, Error> {
        let sql = "DELETE FROM sessions WHERE member_id = $1 RETURNING expires_at";
        let rows = self.query(sql, vec![member.uuid().into()]).await?;
        let ends = rows.iter().map(|row| column::<OffsetDateTime>(row, "expires_at"));
        Ok(ends.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|ends| *ends > now).count())
    }

    /// Holds a member of whatever organization, so that nobody logs in as it meanwhile, and tells the
    /// organization. `None`: there is no such member.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another transaction holds it for too long; as [`Error`] says.
    pub async fn member_hold_anywhere(&self, member: MemberId) -> Result<Option<OrganizationId>, Error> {
        let holding = self.holding(Lock::Change);
        let sql = format!("SELECT organization_id FROM members WHERE id = $1 {holding}");
        let row = self.query_one(&sql, vec![member.uuid().into()]).await?;
        row.map(|row| column(&row, "organization_id").map(OrganizationId::new)).transpose()
    }
}
