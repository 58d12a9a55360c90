//! Members with their addresses.

use sea_orm::{QueryResult, Value};
use uuid::Uuid;

use super::chain::{Chain, Column};
use super::parameters::Parameters;
use super::{Columns, Error, Lock, Store, Transaction, column, json_value};
use crate::domain::email_address::EmailAddress;
use crate::domain::email_domain::EmailDomain;
use crate::domain::ids::{EmailId, MemberId, OrganizationId};
use crate::domain::member::{Member, MemberName, MemberStatus, RetiredEmailAddress};
use crate::domain::organization_settings::MfaMethod;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::slug::ExternalId;

pub(super) const MEMBER: &[Column] = &[
    ("id", "uuid"),
    ("organization_id", "uuid"),
    ("status", "text"),
    ("name", "text"),
    ("external_id", "text"),
    ("is_breakglass", "boolean"),
    ("assigned_roles", "jsonb"),
    ("mfa_enrolled", "boolean"),
    ("mfa_phone_number", "text"),
    ("mfa_phone_number_verified", "boolean"),
    ("default_mfa_method", "text"),
    ("oauth_registrations", "jsonb"),
    ("trusted_metadata", "jsonb"),
    ("untrusted_metadata", "jsonb"),
    ("created_at", "timestamptz"),
    ("updated_at", "timestamptz"),
    ("version", "bigint"),
];
const EMAIL_ADDRESS: &[Column] = &[
    ("id", "uuid"),
    ("organization_id", "uuid"),
    ("member_id", "uuid"),
    ("email_address", "text"),
    ("domain", "text"),
    ("status", "text"),
    ("verified", "boolean"),
    ("live", "boolean"),
    ("created_at", "timestamptz"),
];

impl Chain {
    /// Adds a member with its addresses.
    pub(super) fn member(&mut self, member: &Member) {
        self.row("members", MEMBER, row(member));
        self.rows("member_email_addresses", EMAIL_ADDRESS, address_rows(member));
    }
}

/// The values of [`MEMBER`].
fn row(member: &Member) -> Vec<Value> {
    let Member {
        id,
        organization_id,
        // These are rows of their own.
        email_id: _,
        email_address: _,
        email_address_verified: _,
        retired_email_addresses: _,
        status,
        name,
        external_id,
        is_breakglass,
        assigned_roles,
        mfa_enrolled,
        mfa_phone_number,
        mfa_phone_number_verified,
        default_mfa_method,
        oauth_registrations,
        trusted_metadata,
        untrusted_metadata,
        created_at,
        updated_at,
        version,
    } = member;
    vec![
        id.uuid().into(),
        organization_id.uuid().into(),
        status.as_str().into(),
        name.as_str().into(),
        external_id.as_ref().map(|external_id| external_id.as_str().to_owned()).into(),
        (*is_breakglass).into(),
        json_value(assigned_roles),
        (*mfa_enrolled).into(),
        mfa_phone_number.as_ref().map_or("", PhoneNumber::as_str).into(),
        (*mfa_phone_number_verified).into(),
        default_mfa_method.map_or("", MfaMethod::as_str).into(),
        json_value(oauth_registrations),
        json_value(trusted_metadata),
        json_value(untrusted_metadata),
        (*created_at).into(),
        (*updated_at).into(),
        (*version).into(),
    ]
}

/// The values of [`EMAIL_ADDRESS`] for each address, the current one first.
fn address_rows(member: &Member) -> Vec<Vec<Value>> {
    let row = |email_id: EmailId, address: &EmailAddress, status: &'static str, verified: bool| {
        vec![
            email_id.uuid().into(),
            member.organization_id.uuid().into(),
            member.id.uuid().into(),
            address.as_str().into(),
            address.domain().as_str().into(),
            status.into(),
            verified.into(),
            (member.status != MemberStatus::Deleted).into(),
            member.updated_at.into(),
        ]
    };
    let mut rows =
        vec![row(member.email_id, &member.email_address, "current", member.email_address_verified)];
    let retired = member.retired_email_addresses.iter();
    rows.extend(retired.map(|retired| row(retired.email_id, &retired.email_address, "retired", false)));
    rows
}

/// The query that reads members whole: a row for each address, the current one first.
fn select(condition: &str) -> String {
    let columns: Vec<_> = MEMBER.iter().map(|(column, _)| format!("members.{column}")).collect();
    let columns = columns.join(", ");
    format!(
        "SELECT {columns}, addresses.id AS email_id, addresses.email_address, addresses.verified, \
         addresses.status = 'current' AS current_address FROM members \
         JOIN member_email_addresses AS addresses ON addresses.member_id = members.id \
         WHERE {condition} ORDER BY members.id DESC, addresses.status, addresses.id"
    )
}

/// The condition for one member of an organization, with `$1` and `$2`.
fn named(organization: OrganizationId, name: &MemberName) -> (&'static str, Vec<Value>) {
    let organization = organization.uuid().into();
    match name {
        MemberName::Id(id) => {
            ("members.organization_id = $1 AND members.id = $2", vec![organization, id.uuid().into()])
        }
        MemberName::ExternalId(external_id) => (
            "members.organization_id = $1 AND lower(members.external_id) = lower($2) \
             AND members.external_id = $2 AND members.external_id IS NOT NULL AND members.status <> 'deleted'",
            vec![organization, external_id.as_str().into()],
        ),
    }
}

impl Store {
    /// Reads a member whole, deleted ones too.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn member_find(
        &self,
        organization: OrganizationId,
        name: &MemberName,
    ) -> Result<Option<Member>, Error> {
        let (condition, values) = named(organization, name);
        Ok(members(&self.query("member_find", &select(condition), values).await?)?.pop())
    }

    /// Reads the member who has the address now.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn member_find_by_address(
        &self,
        organization: OrganizationId,
        address: &EmailAddress,
    ) -> Result<Option<Member>, Error> {
        let values = vec![organization.uuid().into(), address.as_str().into()];
        let found = members(&self.query("member_find_by_address", &select(WHO_HAS), values).await?)?.pop();
        Ok(found.filter(|member| member.email_address == *address))
    }

    /// Reads members whole, the newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn members_find(&self, ids: &[MemberId]) -> Result<Vec<Member>, Error> {
        let mut parameters = Parameters::of(self.engine);
        let list = parameters.any_id(ids.iter().map(|id| id.uuid()));
        let sql = select(&format!("members.id {list}"));
        members(&self.query("members_find", &sql, parameters.values()).await?)
    }
}

/// The condition for the member who has an address, now or from before.
const WHO_HAS: &str = "members.id = (SELECT member_id FROM member_email_addresses \
                       WHERE organization_id = $1 AND email_address = $2 AND live)";

impl Transaction {
    /// Holds a member and reads it whole, deleted ones too. Whoever does this holds the organization
    /// already.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another transaction holds it for too long; as [`Error`] says.
    pub async fn member_hold(
        &self,
        organization: OrganizationId,
        name: &MemberName,
    ) -> Result<Option<Member>, Error> {
        let (condition, values) = named(organization, name);
        let holding = self.holding(Lock::Change);
        let sql = format!("SELECT id FROM members WHERE {condition} {holding}");
        let Some(row) = self.query_one(&sql, values).await? else {
            return Ok(None);
        };
        let id: Uuid = column(&row, "id")?;
        let found = members(&self.query(&select("members.id = $1"), vec![id.into()]).await?)?.pop();
        Ok(found.filter(|member| match name {
            MemberName::Id(id) => member.id == *id,
            MemberName::ExternalId(external_id) => member.external_id.as_ref() == Some(external_id),
        }))
    }

    /// The id of a member that is not deleted, which is not held.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn member_exists(
        &self,
        organization: OrganizationId,
        name: &MemberName,
    ) -> Result<Option<MemberId>, Error> {
        let (condition, values) = named(organization, name);
        let sql = format!("SELECT id FROM members WHERE {condition} AND members.status <> 'deleted'");
        let row = self.query_one(&sql, values).await?;
        row.map(|row| column(&row, "id").map(MemberId::new)).transpose()
    }

    /// Holds the member who has the address, now or from before, and reads it whole.
    ///
    /// # Errors
    /// As [`Transaction::member_hold`].
    pub async fn member_hold_by_address(
        &self,
        organization: OrganizationId,
        address: &EmailAddress,
    ) -> Result<Option<Member>, Error> {
        let values = vec![organization.uuid().into(), address.as_str().into()];
        let sql = "SELECT member_id AS id FROM member_email_addresses \
                   WHERE organization_id = $1 AND email_address = $2 AND live";
        let Some(row) = self.query_one(sql, values).await? else {
            return Ok(None);
        };
        let id = MemberId::new(column(&row, "id")?);
        let held = self.member_hold(organization, &MemberName::Id(id)).await?;
        // Between the two statements the member may have given the address up.
        Ok(held.filter(|member| {
            let retired = member.retired_email_addresses.iter().map(|retired| &retired.email_address);
            std::iter::once(&member.email_address).chain(retired).any(|own| own == address)
        }))
    }

    /// Holds the latest of the deleted members who had the address, and reads it whole.
    ///
    /// # Errors
    /// As [`Transaction::member_hold`].
    pub async fn member_hold_former(
        &self,
        organization: OrganizationId,
        address: &EmailAddress,
    ) -> Result<Option<Member>, Error> {
        let sql = "SELECT member_id AS id FROM member_email_addresses \
                   WHERE organization_id = $2 AND email_address = $1 AND NOT live AND status = 'current' \
                   ORDER BY member_id DESC LIMIT 1";
        let values = vec![address.as_str().into(), organization.uuid().into()];
        let Some(row) = self.query_one(sql, values).await? else {
            return Ok(None);
        };
        let id = MemberId::new(column(&row, "id")?);
        let held = self.member_hold(organization, &MemberName::Id(id)).await?;
        // Between the two statements somebody may have reactivated it.
        Ok(held.filter(|member| member.status == MemberStatus::Deleted && member.email_address == *address))
    }

    /// Whether a member that is not deleted has verified an address on the domain.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn has_verified_address(
        &self,
        organization: OrganizationId,
        domain: &EmailDomain,
    ) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM member_email_addresses WHERE organization_id = $1 AND domain = $2 \
                   AND verified AND live AND status = 'current' LIMIT 1";
        let values = vec![organization.uuid().into(), domain.as_str().into()];
        Ok(self.query_one(sql, values).await?.is_some())
    }

    /// Adds members with their current addresses.
    ///
    /// # Errors
    /// [`Error::Violates`] with `MemberExternalId`, `MemberPhoneNumber` or `MemberEmailAddress`; as
    /// [`Error`] says.
    pub async fn members_insert(&self, members: &[Member]) -> Result<(), Error> {
        self.insert_rows("members", MEMBER, members.iter().map(row).collect()).await?;
        let addresses = members.iter().flat_map(address_rows).collect();
        self.insert_rows("member_email_addresses", EMAIL_ADDRESS, addresses).await
    }

    /// Writes what has changed about a member and its addresses.
    ///
    /// # Errors
    /// As [`Transaction::members_insert`].
    pub async fn member_update(&self, before: &Member, after: &Member) -> Result<(), Error> {
        let assignments: Vec<_> =
            MEMBER.iter().zip(1..).map(|((column, _), position)| format!("{column} = ${position}")).collect();
        let sql = format!("UPDATE members SET {} WHERE id = $1", assignments[2..].join(", "));
        // The organization stays; PostgreSQL has to know the type of its parameter all the same.
        let sql = format!("{sql} AND organization_id = $2");
        self.execute(&sql, row(after)).await?;
        self.addresses_update(before, after).await
    }

    async fn addresses_update(&self, before: &Member, after: &Member) -> Result<(), Error> {
        let live = after.status != MemberStatus::Deleted;
        let (old, new) = (address_ids(before), address_ids(after));
        for id in old.iter().filter(|id| !new.contains(id)) {
            let sql = "DELETE FROM member_email_addresses WHERE id = $1";
            self.execute(sql, vec![id.uuid().into()]).await?;
        }
        for id in old.iter().filter(|id| new.contains(id)) {
            let was = (*id == before.email_id, before.status != MemberStatus::Deleted);
            let is = (*id == after.email_id, live);
            let sql = match is {
                _ if was == is
                    && !(is.0 && before.email_address_verified != after.email_address_verified) =>
                {
                    continue;
                }
                (true, _) => {
                    "UPDATE member_email_addresses SET status = 'current', live = $2, verified = $3 WHERE id = $1"
                }
                (false, _) => "UPDATE member_email_addresses SET status = 'retired', live = $2 WHERE id = $1",
            };
            let mut values = vec![id.uuid().into(), live.into()];
            if is.0 {
                values.push(after.email_address_verified.into());
            }
            self.execute(sql, values).await?;
        }
        if old.contains(&after.email_id) {
            return Ok(());
        }
        let current = address_rows(after).into_iter().take(1).collect();
        self.insert_rows("member_email_addresses", EMAIL_ADDRESS, current).await
    }
}

fn address_ids(member: &Member) -> Vec<EmailId> {
    let retired = member.retired_email_addresses.iter().map(|retired| retired.email_id);
    std::iter::once(member.email_id).chain(retired).collect()
}

/// The members of rows in the order of [`select`].
fn members(rows: &[QueryResult]) -> Result<Vec<Member>, Error> {
    let mut members: Vec<Member> = Vec::new();
    for row in rows {
        let id = MemberId::new(column(row, "id")?);
        let email_id = EmailId::new(column(row, "email_id")?);
        let email_address = EmailAddress::parse(&column::<String>(row, "email_address")?)
            .map_err(|_| Error::Corrupt("email_address"))?;
        if column(row, "current_address")? {
            let verified = column(row, "verified")?;
            members.push(from_columns(Columns::of(row, ""), email_id, email_address, verified)?);
        } else {
            let member = members.last_mut().filter(|member| member.id == id);
            let member = member.ok_or(Error::Corrupt("member_email_addresses"))?;
            member.retired_email_addresses.push(RetiredEmailAddress { email_id, email_address });
        }
    }
    Ok(members)
}

/// The member in the columns of [`MEMBER`], with its current address.
pub(super) fn from_columns(
    row: Columns<'_>,
    email_id: EmailId,
    email_address: EmailAddress,
    verified: bool,
) -> Result<Member, Error> {
    let external_id: Option<String> = row.get("external_id")?;
    let number: String = row.get("mfa_phone_number")?;
    let method: String = row.get("default_mfa_method")?;
    Ok(Member {
        id: MemberId::new(row.get("id")?),
        organization_id: OrganizationId::new(row.get("organization_id")?),
        email_id,
        email_address,
        email_address_verified: verified,
        status: MemberStatus::try_from(row.get::<String>("status")?).map_err(|_| Error::Corrupt("status"))?,
        name: row.get("name")?,
        external_id: external_id
            .map(|text| ExternalId::parse_for_member(&text).map_err(|_| Error::Corrupt("external_id")))
            .transpose()?,
        retired_email_addresses: Vec::new(),
        is_breakglass: row.get("is_breakglass")?,
        assigned_roles: row.json("assigned_roles")?,
        mfa_enrolled: row.get("mfa_enrolled")?,
        mfa_phone_number: Some(number)
            .filter(|number| !number.is_empty())
            .map(|number| PhoneNumber::parse(&number).map_err(|_| Error::Corrupt("mfa_phone_number")))
            .transpose()?,
        mfa_phone_number_verified: row.get("mfa_phone_number_verified")?,
        default_mfa_method: Some(method)
            .filter(|method| !method.is_empty())
            .map(|method| MfaMethod::try_from(method).map_err(|_| Error::Corrupt("default_mfa_method")))
            .transpose()?,
        oauth_registrations: row.json("oauth_registrations")?,
        trusted_metadata: row.json("trusted_metadata")?,
        untrusted_metadata: row.json("untrusted_metadata")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        version: row.get("version")?,
    })
}
