//! Members and organizations that were read with sessions, kept in memory for as long as they are what
//! the database has.
//!
//! Nothing is answered from memory alone. The statement that reads a session reads the *stamps* of its
//! member and its organization too, and is told the stamps of those that are known: it returns one whole
//! unless its stamp is the known one. A stamp is the row's version, the time of its last change and the
//! transaction that wrote it. Whoever changes what belongs to a member or an organization, such as its
//! addresses or domains, writes the row itself in the same transaction, so equal stamps mean equal
//! contents, even in a database that was restored from a copy or is written by another version.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sea_orm::QueryResult;
use serde::de::DeserializeOwned;

use super::{FoundSession, SESSION, SessionKey, session};
use crate::domain::ids::{MemberId, OrganizationId};
use crate::domain::member::Member;
use crate::domain::organization::Organization;
use crate::domain::recent::Recent;
use crate::store::{Columns, Error, Store, column};

/// How many sessions, members and organizations are remembered, each: at least so many, and at most twice
/// as many.
const MOST: usize = 2_048;

/// The longest that is remembered, in bytes of JSON. It bounds the memory: 2 × 2 × 2,048 × 16 KiB are
/// 128 MiB if all are as long; nearly all have less than 4 KiB.
const LONGEST: usize = 16 * 1024;

/// What this replica knows.
#[derive(Debug)]
pub(in crate::store) struct Known {
    inner: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    /// Whose each session is, which never changes.
    sessions: Recent<SessionKey, (MemberId, OrganizationId)>,
    members: Recent<MemberId, Stamped<Member>>,
    organizations: Recent<OrganizationId, Stamped<Organization>>,
}

/// A value with the stamp that it had.
#[derive(Debug)]
struct Stamped<T> {
    stamp: Arc<str>,
    value: Arc<T>,
}

impl<T> Clone for Stamped<T> {
    fn clone(&self) -> Self {
        Self { stamp: Arc::clone(&self.stamp), value: Arc::clone(&self.value) }
    }
}

impl Known {
    /// Nothing yet.
    pub(in crate::store) fn nothing() -> Self {
        let memory = Memory {
            sessions: Recent::new(MOST),
            members: Recent::new(MOST),
            organizations: Recent::new(MOST),
        };
        Self { inner: Mutex::new(memory) }
    }

    /// What is known about a session.
    fn about(&self, key: SessionKey) -> (Option<Stamped<Member>>, Option<Stamped<Organization>>) {
        let mut memory = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((member, organization)) = memory.sessions.get(&key).copied() else {
            return (None, None);
        };
        (memory.members.get(&member).cloned(), memory.organizations.get(&organization).cloned())
    }

    fn change(&self, change: impl FnOnce(&mut Memory)) {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What a row holds of a member or an organization.
enum Read<T> {
    /// It is what is known.
    AsKnown(Stamped<T>),
    /// It was read whole; whether it is short enough to be remembered.
    New(Stamped<T>, bool),
}

impl<T: DeserializeOwned> Read<T> {
    fn of(
        row: &QueryResult,
        name: &'static str,
        stamp: &'static str,
        known: Option<Stamped<T>>,
    ) -> Result<Self, Error> {
        let Some(text) = column::<Option<String>>(row, name)? else {
            return known.map(Self::AsKnown).ok_or(Error::Corrupt(name));
        };
        let value = serde_json::from_str(&text).map_err(|_| Error::Corrupt(name))?;
        let stamp: String = column(row, stamp)?;
        let stamped = Stamped { stamp: stamp.into(), value: Arc::new(value) };
        Ok(Self::New(stamped, text.len() <= LONGEST))
    }

    fn value(&self) -> &T {
        let (Self::AsKnown(stamped) | Self::New(stamped, _)) = self;
        &stamped.value
    }

    /// What is to be remembered.
    fn news(self) -> Option<Stamped<T>> {
        match self {
            Self::New(stamped, true) => Some(stamped),
            Self::AsKnown(_) | Self::New(_, false) => None,
        }
    }
}

impl Store {
    /// Reads a session, and its member and organization unless they are what is known.
    pub(super) async fn session_find_beside(
        &self,
        known: &Known,
        key: SessionKey,
    ) -> Result<Option<FoundSession>, Error> {
        let (member, organization) = known.about(key);
        let (_, mut values) = key.condition();
        values.push(member.as_ref().map(|member| member.stamp.to_string()).into());
        values.push(organization.as_ref().map(|organization| organization.stamp.to_string()).into());
        let Some(row) = self.query_one("session_find", statement(key), values).await? else {
            return Ok(None);
        };
        let is_new = member.is_none() || organization.is_none();
        let member = Read::of(&row, "member", "member_stamp", member)?;
        let organization = Read::of(&row, "organization", "organization_stamp", organization)?;
        let session = session(Columns::of(&row, "session_"), member.value(), organization.value())?;
        if session.member_id != member.value().id || session.organization_id != organization.value().id {
            return Err(Error::Corrupt("sessions"));
        }
        let found = FoundSession {
            session,
            member: member.value().clone(),
            organization: organization.value().clone(),
        };
        let (member, organization) = (member.news(), organization.news());
        if is_new || member.is_some() || organization.is_some() {
            known.change(|memory| {
                memory.sessions.insert(key, (found.member.id, found.organization.id));
                if let Some(member) = member {
                    memory.members.insert(found.member.id, member);
                }
                if let Some(organization) = organization {
                    memory.organizations.insert(found.organization.id, organization);
                }
            });
        }
        Ok(Some(found))
    }
}

/// The statement that reads a session by such a key. The known stamps are its last two parameters.
fn statement(key: SessionKey) -> &'static str {
    static BY_TOKEN: LazyLock<String> = LazyLock::new(|| written(SessionKey::BY_TOKEN, 1));
    static BY_JWT: LazyLock<String> = LazyLock::new(|| written(SessionKey::BY_JWT, 2));
    static BY_ID: LazyLock<String> = LazyLock::new(|| written(SessionKey::BY_ID, 1));
    match key {
        SessionKey::TokenHash(_) => &BY_TOKEN,
        SessionKey::Jwt(..) => &BY_JWT,
        SessionKey::Id(_) => &BY_ID,
    }
}

/// The statement with a condition of so many parameters. What is whole is the JSON that the types read:
/// one value, made only when it is asked for. Sub-queries are few and plain, since each is set up in every
/// call.
fn written(condition: &str, parameters: usize) -> String {
    let own: Vec<_> =
        SESSION.iter().map(|(column, _)| format!("sessions.{column} AS session_{column}")).collect();
    let own = own.join(", ");
    let stamp = |table: &str| format!("concat_ws(' ', {table}.version, {table}.updated_at, {table}.xmin)");
    let (member_stamp, organization_stamp) = (stamp("members"), stamp("organizations"));
    let (known_member, known_organization) = (parameters + 1, parameters + 2);
    let domains = |kind: &str| {
        format!(
            "(SELECT coalesce(jsonb_agg(domain ORDER BY position), '[]') FROM organization_domains \
             WHERE organization_id = organizations.id AND kind = '{kind}')"
        )
    };
    let (allowed, claimed) = (domains("allowed"), domains("claimed"));
    format!(
        "SELECT {own}, {member_stamp} AS member_stamp, {organization_stamp} AS organization_stamp, \
         CASE WHEN {member_stamp} = ${known_member} THEN NULL ELSE (to_jsonb(members) || jsonb_build_object( \
          'mfa_phone_number', nullif(members.mfa_phone_number, ''), \
          'default_mfa_method', nullif(members.default_mfa_method, ''), \
          'retired_email_addresses', \
          (SELECT coalesce(jsonb_agg(jsonb_build_object('email_id', id, 'email_address', email_address) ORDER BY id), '[]') \
           FROM member_email_addresses WHERE member_id = members.id AND status = 'retired')) || \
          (SELECT jsonb_build_object('email_id', id, 'email_address', email_address, 'email_address_verified', verified) \
           FROM member_email_addresses WHERE member_id = members.id AND status = 'current'))::text END AS member, \
         CASE WHEN {organization_stamp} = ${known_organization} THEN NULL ELSE (to_jsonb(organizations) || \
          jsonb_build_object('settings', (to_jsonb(organizations) - 'trusted_metadata') || jsonb_build_object( \
          'email_allowed_domains', {allowed}, 'claimed_email_domains', {claimed}, 'allowed_oauth_tenants', \
          (SELECT coalesce(jsonb_agg(jsonb_build_object('provider', provider, 'tenant_id', tenant_id) ORDER BY position), '[]') \
           FROM organization_oauth_tenants WHERE organization_id = organizations.id))))::text END AS organization \
         FROM sessions JOIN members ON members.id = sessions.member_id AND members.status <> 'deleted' \
         JOIN organizations ON organizations.id = sessions.organization_id AND organizations.deleted_at IS NULL \
         WHERE {condition}"
    )
}
