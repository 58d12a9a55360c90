//! Organizations with their names, domains and tenants.

use sea_orm::{QueryResult, Value};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use uuid::Uuid;

use super::chain::{Chain, Column};
use super::parameters::Parameters;
use super::{Columns, Engine, Error, Lock, Store, Transaction, column, json_value};
use crate::domain::email_domain::EmailDomain;
use crate::domain::ids::OrganizationId;
use crate::domain::organization::{Organization, OrganizationName};
use crate::domain::organization_settings::{OauthTenant, OrganizationSettings, TenantProvider};
use crate::domain::slug::{ExternalId, Slug};

const ORGANIZATION: &[Column] = &[
    ("id", "uuid"),
    ("name", "text"),
    ("slug", "text"),
    ("external_id", "text"),
    ("logo_url", "text"),
    ("trusted_metadata", "jsonb"),
    ("sso_default_connection_id", "text"),
    ("sso_jit_provisioning", "text"),
    ("sso_jit_provisioning_allowed_connections", "jsonb"),
    ("email_jit_provisioning", "text"),
    ("email_invites", "text"),
    ("auth_methods", "text"),
    ("allowed_auth_methods", "jsonb"),
    ("mfa_policy", "text"),
    ("mfa_methods", "text"),
    ("allowed_mfa_methods", "jsonb"),
    ("rbac_email_implicit_role_assignments", "jsonb"),
    ("oauth_tenant_jit_provisioning", "text"),
    ("first_party_connected_apps_allowed_type", "text"),
    ("allowed_first_party_connected_apps", "jsonb"),
    ("third_party_connected_apps_allowed_type", "text"),
    ("allowed_third_party_connected_apps", "jsonb"),
    ("created_at", "timestamptz"),
    ("updated_at", "timestamptz"),
    ("version", "bigint"),
];
const NAME: &[Column] = &[("name", "text"), ("organization_id", "uuid")];
const DOMAIN: &[Column] =
    &[("organization_id", "uuid"), ("kind", "text"), ("domain", "text"), ("position", "bigint")];
const TENANT: &[Column] =
    &[("organization_id", "uuid"), ("provider", "text"), ("tenant_id", "text"), ("position", "bigint")];

/// The most members whose sessions end in the transaction that deletes their organization.
const BATCH: u32 = 1_000;

/// Separates a tenant's provider from its id in what [`Store::organization_find`] reads. No provider
/// has it.
const TENANT_SEPARATOR: char = ':';

impl Chain {
    /// Adds an organization and everything that belongs to it.
    pub(super) fn organization(&mut self, organization: &Organization) {
        self.row("organizations", ORGANIZATION, row(organization));
        let id = organization.id.uuid();
        let Organization { slug, external_id, settings, .. } = organization;
        self.rows("organization_names", NAME, name_rows(id, names(slug, external_id.as_ref())));
        let mut domains = domain_rows(id, "allowed", &settings.email_allowed_domains);
        domains.extend(domain_rows(id, "claimed", &settings.claimed_email_domains));
        self.rows("organization_domains", DOMAIN, domains);
        self.rows("organization_oauth_tenants", TENANT, tenant_rows(id, &settings.allowed_oauth_tenants));
    }
}

/// The values of [`ORGANIZATION`].
fn row(organization: &Organization) -> Vec<Value> {
    let Organization {
        id,
        name,
        slug,
        external_id,
        logo_url,
        trusted_metadata,
        settings,
        created_at,
        updated_at,
        version,
    } = organization;
    vec![
        id.uuid().into(),
        name.as_str().into(),
        slug.as_str().into(),
        external_id.as_ref().map(|external_id| external_id.as_str().to_owned()).into(),
        logo_url.as_str().into(),
        json_value(trusted_metadata),
        settings.sso_default_connection_id.clone().into(),
        settings.sso_jit_provisioning.as_str().into(),
        json_value(&settings.sso_jit_provisioning_allowed_connections),
        settings.email_jit_provisioning.as_str().into(),
        settings.email_invites.as_str().into(),
        settings.auth_methods.as_str().into(),
        json_value(&settings.allowed_auth_methods),
        settings.mfa_policy.as_str().into(),
        settings.mfa_methods.as_str().into(),
        json_value(&settings.allowed_mfa_methods),
        json_value(&settings.rbac_email_implicit_role_assignments),
        settings.oauth_tenant_jit_provisioning.as_str().into(),
        settings.first_party_connected_apps_allowed_type.as_str().into(),
        json_value(&settings.allowed_first_party_connected_apps),
        settings.third_party_connected_apps_allowed_type.as_str().into(),
        json_value(&settings.allowed_third_party_connected_apps),
        (*created_at).into(),
        (*updated_at).into(),
        (*version).into(),
    ]
}

fn name_rows(id: Uuid, names: Vec<String>) -> Vec<Vec<Value>> {
    names.into_iter().map(|name| vec![name.into(), id.into()]).collect()
}

fn tenant_rows(id: Uuid, tenants: &[OauthTenant]) -> Vec<Vec<Value>> {
    let row = |(tenant, position): (&OauthTenant, i64)| {
        vec![id.into(), tenant.provider.as_str().into(), tenant.tenant_id.as_str().into(), position.into()]
    };
    tenants.iter().zip(0..).map(row).collect()
}

/// The rows of the one name space that an organization takes. In order, so that two organizations
/// that want the same names wait for each other, and don't deadlock.
fn names(slug: &Slug, external_id: Option<&ExternalId>) -> Vec<String> {
    let mut names = vec![slug.key()];
    names.extend(external_id.map(ExternalId::key).filter(|key| *key != names[0]));
    names.sort();
    names
}

/// In the order of their names, like [`names`].
fn domain_rows(id: Uuid, kind: &'static str, domains: &[EmailDomain]) -> Vec<Vec<Value>> {
    let mut rows: Vec<_> = domains.iter().zip(0_i64..).collect();
    rows.sort();
    let rows = rows.into_iter();
    rows.map(|(domain, position)| vec![id.into(), kind.into(), domain.as_str().into(), position.into()])
        .collect()
}

/// The query that reads organizations whole.
fn select(engine: Engine, condition: &str) -> String {
    let columns = columns(engine, "");
    format!("SELECT {columns} FROM organizations WHERE deleted_at IS NULL AND {condition}")
}

/// What makes up an organization, each column called with the prefix. Columns are named, not `*`: one that
/// a newer version adds would invalidate the prepared statement.
pub(super) fn columns(engine: Engine, prefix: &str) -> String {
    let array = engine.json_array();
    let own: Vec<_> = ORGANIZATION
        .iter()
        .map(|(column, _)| format!("organizations.{column} AS {prefix}{column}"))
        .collect();
    let own = own.join(", ");
    format!(
        "{own}, \
         (SELECT {array}(domain) FROM (SELECT domain FROM organization_domains \
          WHERE organization_id = organizations.id AND kind = 'allowed' ORDER BY position) AS allowed) AS {prefix}email_allowed_domains, \
         (SELECT {array}(domain) FROM (SELECT domain FROM organization_domains \
          WHERE organization_id = organizations.id AND kind = 'claimed' ORDER BY position) AS claimed) AS {prefix}claimed_email_domains, \
         (SELECT {array}(tenant) FROM (SELECT provider || '{TENANT_SEPARATOR}' || tenant_id AS tenant FROM organization_oauth_tenants \
          WHERE organization_id = organizations.id ORDER BY position) AS tenants) AS {prefix}allowed_oauth_tenants"
    )
}

/// The condition for the organization that a name means, with `$1` for the value.
fn named(name: &OrganizationName) -> (&'static str, Value) {
    match name {
        OrganizationName::Id(id) => ("id = $1", id.uuid().into()),
        OrganizationName::Other(name) => (
            "id = (SELECT organization_id FROM organization_names WHERE name = $1)",
            name.to_ascii_lowercase().into(),
        ),
    }
}

impl Store {
    /// Reads an organization whole, in one round trip.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn organization_find(&self, name: &OrganizationName) -> Result<Option<Organization>, Error> {
        let (condition, value) = named(name);
        let row = self.query_one("organization_find", &select(self.engine, condition), vec![value]).await?;
        let organization = row.map(|row| from_row(&row)).transpose()?;
        Ok(organization.filter(|organization| name.means(organization)))
    }

    /// Reads organizations whole, those that are there, in no order.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn organizations_find(&self, ids: &[OrganizationId]) -> Result<Vec<Organization>, Error> {
        let mut parameters = Parameters::of(self.engine);
        let list = parameters.any_id(ids.iter().map(|id| id.uuid()));
        let sql = select(self.engine, &format!("id {list}"));
        self.query("organizations_find", &sql, parameters.values()).await?.iter().map(from_row).collect()
    }

    /// Reads the organizations that names mean, in the order of the names; `None`: there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn organizations_named(
        &self,
        wanted: &[OrganizationName],
    ) -> Result<Option<Vec<Organization>>, Error> {
        let mut parameters = Parameters::of(self.engine);
        let condition = named_any("organizations", wanted, &mut parameters);
        let sql = select(self.engine, &condition);
        let rows = self.query("organizations_named", &sql, parameters.values()).await?;
        let found = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
        let mut organizations: Vec<Organization> = Vec::new();
        for name in wanted {
            let Some(organization) = found.iter().find(|organization| name.means(organization)) else {
                return Ok(None);
            };
            if organizations.iter().all(|other| other.id != organization.id) {
                organizations.push(organization.clone());
            }
        }
        Ok(Some(organizations))
    }

    /// How many members the organization has, the deleted ones left out.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn member_count(&self, id: OrganizationId) -> Result<i64, Error> {
        let sql =
            "SELECT count(*) AS members FROM members WHERE organization_id = $1 AND status <> 'deleted'";
        self.query_one("member_count", sql, vec![id.uuid().into()])
            .await?
            .map_or(Ok(0), |row| column(&row, "members"))
    }
}

/// The condition for organizations that any of the names means; external ids may be found in another
/// case. One set of ids: no index serves an OR with a sub-query.
pub(super) fn named_any(table: &str, names: &[OrganizationName], parameters: &mut Parameters) -> String {
    let mut sets = Vec::new();
    let ids: Vec<_> = names
        .iter()
        .filter_map(|name| match name {
            OrganizationName::Id(id) => Some(id.uuid()),
            OrganizationName::Other(_) => None,
        })
        .collect();
    let others: Vec<_> = names
        .iter()
        .filter_map(|name| match name {
            OrganizationName::Id(_) => None,
            OrganizationName::Other(name) => Some(name.to_ascii_lowercase()),
        })
        .collect();
    if !ids.is_empty() {
        let ids = parameters.any_id(ids);
        if others.is_empty() {
            return format!("{table}.id {ids}");
        }
        sets.push(format!("SELECT id FROM organizations WHERE id {ids}"));
    }
    if !others.is_empty() {
        let keys = parameters.any_text(others.iter().map(String::as_str));
        sets.push(format!("SELECT organization_id FROM organization_names WHERE name {keys}"));
    }
    format!("{table}.id IN ({})", sets.join(" UNION ALL "))
}

impl Transaction {
    /// The organization that has the name, whatever its case: whether the name means it shows when it is
    /// read.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn organization_identify(
        &self,
        name: &OrganizationName,
    ) -> Result<Option<OrganizationId>, Error> {
        let (condition, value) = named(name);
        let sql = format!("SELECT id FROM organizations WHERE deleted_at IS NULL AND {condition}");
        let row = self.query_one(&sql, vec![value]).await?;
        row.map(|row| column(&row, "id").map(OrganizationId::new)).transpose()
    }

    /// Reads an organization whole, as it is in this transaction.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn organization_find(&self, id: OrganizationId) -> Result<Option<Organization>, Error> {
        let row = self.query_one(&select(self.engine, "id = $1"), vec![id.uuid().into()]).await?;
        row.map(|row| from_row(&row)).transpose()
    }

    /// Holds an organization and reads it whole. What others committed before is seen; nothing of it
    /// changes until the transaction ends.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another transaction holds it for too long; as [`Error`] says.
    pub async fn organization_hold(
        &self,
        name: &OrganizationName,
        lock: Lock,
    ) -> Result<Option<Organization>, Error> {
        let (condition, value) = named(name);
        let holding = self.holding(lock);
        let sql = format!("SELECT id FROM organizations WHERE deleted_at IS NULL AND {condition} {holding}");
        let Some(row) = self.query_one(&sql, vec![value]).await? else {
            return Ok(None);
        };
        let id: Uuid = column(&row, "id")?;
        // A statement of its own: one that waits for a lock sees the row as it is afterwards, but the
        // domains and tenants as they were before.
        let organization = self.organization_find(OrganizationId::new(id)).await?;
        Ok(organization.filter(|organization| name.means(organization)))
    }

    /// Writes what an update has changed.
    ///
    /// # Errors
    /// [`Error::Violates`] with `OrganizationName` or `ClaimedDomain`; as [`Error`] says.
    pub async fn organization_update(
        &self,
        before: &Organization,
        after: &Organization,
    ) -> Result<(), Error> {
        let assignments: Vec<_> = ORGANIZATION
            .iter()
            .zip(1..)
            .map(|((column, _), position)| format!("{column} = ${position}"))
            .collect();
        let sql = format!("UPDATE organizations SET {} WHERE id = $1", assignments[1..].join(", "));
        self.execute(&sql, row(after)).await?;
        self.names_update(before, after).await?;
        let id = after.id.uuid();
        for (kind, old, new) in [
            ("allowed", &before.settings.email_allowed_domains, &after.settings.email_allowed_domains),
            ("claimed", &before.settings.claimed_email_domains, &after.settings.claimed_email_domains),
        ] {
            if old != new {
                let sql = "DELETE FROM organization_domains WHERE organization_id = $1 AND kind = $2";
                self.execute(sql, vec![id.into(), kind.into()]).await?;
                self.insert_rows("organization_domains", DOMAIN, domain_rows(id, kind, new)).await?;
            }
        }
        let (old, new) = (&before.settings.allowed_oauth_tenants, &after.settings.allowed_oauth_tenants);
        if old != new {
            let sql = "DELETE FROM organization_oauth_tenants WHERE organization_id = $1";
            self.execute(sql, vec![id.into()]).await?;
            self.insert_rows("organization_oauth_tenants", TENANT, tenant_rows(id, new)).await?;
        }
        Ok(())
    }

    async fn names_update(&self, before: &Organization, after: &Organization) -> Result<(), Error> {
        let id = after.id.uuid();
        let old = names(&before.slug, before.external_id.as_ref());
        let new = names(&after.slug, after.external_id.as_ref());
        for name in old.iter().filter(|name| !new.contains(name)) {
            let sql = "DELETE FROM organization_names WHERE name = $1 AND organization_id = $2";
            self.execute(sql, vec![name.as_str().into(), id.into()]).await?;
        }
        let added = new.into_iter().filter(|name| !old.contains(name)).collect();
        self.insert_rows("organization_names", NAME, name_rows(id, added)).await
    }

    /// Makes an organization vanish for every caller: its names, domains and tenants are free, and what
    /// refers to it finds it deleted. Its rows are removed in batches by [`Store::sweep`], since an
    /// organization may have more members than one transaction can delete in time.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn organization_delete(&self, id: OrganizationId, now: OffsetDateTime) -> Result<(), Error> {
        for table in ["organization_names", "organization_domains", "organization_oauth_tenants"] {
            let sql = format!("DELETE FROM {table} WHERE organization_id = $1");
            self.execute(&sql, vec![id.uuid().into()]).await?;
        }
        // Most organizations are small: their sessions end here. All others end with the mark below.
        let sessions = format!(
            "DELETE FROM sessions WHERE member_id IN \
             (SELECT id FROM members WHERE organization_id = $1 ORDER BY id LIMIT {BATCH})"
        );
        self.execute(&sessions, vec![id.uuid().into()]).await?;
        let sql = "UPDATE organizations SET deleted_at = $2 WHERE id = $1";
        self.execute(sql, vec![id.uuid().into(), now.into()]).await?;
        Ok(())
    }
}

fn from_row(row: &QueryResult) -> Result<Organization, Error> {
    from_columns(Columns::of(row, ""))
}

/// The organization in the columns of [`columns`].
pub(super) fn from_columns(row: Columns<'_>) -> Result<Organization, Error> {
    let external_id: Option<String> = row.get("external_id")?;
    Ok(Organization {
        id: OrganizationId::new(row.get("id")?),
        name: row.get("name")?,
        slug: Slug::parse(&row.get::<String>("slug")?).map_err(|_| Error::Corrupt("slug"))?,
        external_id: external_id
            .map(|text| ExternalId::parse_for_organization(&text).map_err(|_| Error::Corrupt("external_id")))
            .transpose()?,
        logo_url: row.get("logo_url")?,
        trusted_metadata: row.json("trusted_metadata")?,
        settings: OrganizationSettings {
            sso_default_connection_id: row.get("sso_default_connection_id")?,
            sso_jit_provisioning: published(row, "sso_jit_provisioning")?,
            sso_jit_provisioning_allowed_connections: row.json("sso_jit_provisioning_allowed_connections")?,
            email_allowed_domains: list(row, "email_allowed_domains")?,
            email_jit_provisioning: published(row, "email_jit_provisioning")?,
            email_invites: published(row, "email_invites")?,
            auth_methods: published(row, "auth_methods")?,
            allowed_auth_methods: row.json("allowed_auth_methods")?,
            mfa_policy: published(row, "mfa_policy")?,
            mfa_methods: published(row, "mfa_methods")?,
            allowed_mfa_methods: row.json("allowed_mfa_methods")?,
            rbac_email_implicit_role_assignments: row.json("rbac_email_implicit_role_assignments")?,
            oauth_tenant_jit_provisioning: published(row, "oauth_tenant_jit_provisioning")?,
            allowed_oauth_tenants: tenants(row)?,
            claimed_email_domains: list(row, "claimed_email_domains")?,
            first_party_connected_apps_allowed_type: published(
                row,
                "first_party_connected_apps_allowed_type",
            )?,
            allowed_first_party_connected_apps: row.json("allowed_first_party_connected_apps")?,
            third_party_connected_apps_allowed_type: published(
                row,
                "third_party_connected_apps_allowed_type",
            )?,
            allowed_third_party_connected_apps: row.json("allowed_third_party_connected_apps")?,
        },
        created_at: row.get::<OffsetDateTime>("created_at")?,
        updated_at: row.get::<OffsetDateTime>("updated_at")?,
        version: row.get("version")?,
    })
}

fn published<T: TryFrom<String>>(row: Columns<'_>, name: &'static str) -> Result<T, Error> {
    T::try_from(row.get::<String>(name)?).map_err(|_| Error::Corrupt(name))
}

/// An aggregated list; the aggregate of no rows is null.
pub(super) fn list<T: DeserializeOwned>(row: Columns<'_>, name: &'static str) -> Result<Vec<T>, Error> {
    let json: Option<serde_json::Value> = row.get(name)?;
    json.map_or_else(|| Ok(Vec::new()), |json| serde_json::from_value(json).map_err(|_| Error::Corrupt(name)))
}

fn tenants(row: Columns<'_>) -> Result<Vec<OauthTenant>, Error> {
    const NAME: &str = "allowed_oauth_tenants";
    let tenant = |text: &String| {
        let (provider, tenant_id) = text.split_once(TENANT_SEPARATOR)?;
        Some(OauthTenant {
            provider: TenantProvider::try_from(provider).ok()?,
            tenant_id: tenant_id.to_owned(),
        })
    };
    list::<String>(row, NAME)?.iter().map(|text| tenant(text).ok_or(Error::Corrupt(NAME))).collect()
}
