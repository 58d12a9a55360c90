//! Organizations with their names, domains and tenants.

use sea_orm::{QueryResult, Value};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use uuid::Uuid;

use super::chain::{Chain, Column};
use super::{Error, Store, column, json_column, json_value};
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
    ("sso_jit_provisioning", "text"),
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
];
const NAME: &[Column] = &[("name", "text"), ("organization_id", "uuid")];
const DOMAIN: &[Column] =
    &[("organization_id", "uuid"), ("kind", "text"), ("domain", "text"), ("position", "bigint")];
const TENANT: &[Column] =
    &[("organization_id", "uuid"), ("provider", "text"), ("tenant_id", "text"), ("position", "bigint")];

/// Separates a tenant's provider from its id in what [`Store::organization_find`] reads. No provider
/// has it.
const TENANT_SEPARATOR: char = ':';

impl Chain {
    /// Adds an organization and everything that belongs to it.
    pub(super) fn organization(&mut self, organization: &Organization) {
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
        } = organization;
        let id = id.uuid();
        self.row(
            "organizations",
            ORGANIZATION,
            vec![
                id.into(),
                name.as_str().into(),
                slug.as_str().into(),
                external_id.as_ref().map(|external_id| external_id.as_str().to_owned()).into(),
                logo_url.as_str().into(),
                json_value(trusted_metadata),
                settings.sso_jit_provisioning.as_str().into(),
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
            ],
        );
        let names = names(slug, external_id.as_ref()).into_iter().map(|name| vec![name.into(), id.into()]);
        self.rows("organization_names", NAME, names.collect());
        let mut domains = domain_rows(id, "allowed", &settings.email_allowed_domains);
        domains.extend(domain_rows(id, "claimed", &settings.claimed_email_domains));
        self.rows("organization_domains", DOMAIN, domains);
        let tenants = settings.allowed_oauth_tenants.iter().zip(0_i64..).map(|(tenant, position)| {
            vec![
                id.into(),
                tenant.provider.as_str().into(),
                tenant.tenant_id.as_str().into(),
                position.into(),
            ]
        });
        self.rows("organization_oauth_tenants", TENANT, tenants.collect());
    }
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

impl Store {
    /// Reads an organization whole, in one round trip.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn organization_find(&self, name: &OrganizationName) -> Result<Option<Organization>, Error> {
        let (condition, value) = match name {
            OrganizationName::Id(id) => ("id = $1", Value::from(id.uuid())),
            OrganizationName::Other(name) => (
                "id = (SELECT organization_id FROM organization_names WHERE name = $1)",
                Value::from(name.to_ascii_lowercase()),
            ),
        };
        let array = self.json_array();
        // Named, not `*`: a column that a newer version adds would invalidate the prepared statement.
        let columns: Vec<_> = ORGANIZATION.iter().map(|(column, _)| *column).collect();
        let columns = columns.join(", ");
        let sql = format!(
            "SELECT {columns}, \
             (SELECT {array}(domain) FROM (SELECT domain FROM organization_domains \
              WHERE organization_id = organizations.id AND kind = 'allowed' ORDER BY position) AS allowed) AS email_allowed_domains, \
             (SELECT {array}(domain) FROM (SELECT domain FROM organization_domains \
              WHERE organization_id = organizations.id AND kind = 'claimed' ORDER BY position) AS claimed) AS claimed_email_domains, \
             (SELECT {array}(tenant) FROM (SELECT provider || '{TENANT_SEPARATOR}' || tenant_id AS tenant FROM organization_oauth_tenants \
              WHERE organization_id = organizations.id ORDER BY position) AS tenants) AS allowed_oauth_tenants \
             FROM organizations WHERE {condition}"
        );
        let Some(row) = self.query_one(&sql, vec![value]).await? else {
            return Ok(None);
        };
        let organization = from_row(&row)?;
        // External ids keep their case; only slugs are compared without it.
        let meant = match name {
            OrganizationName::Id(_) => true,
            OrganizationName::Other(name) => {
                organization.slug.as_str().eq_ignore_ascii_case(name)
                    || organization
                        .external_id
                        .as_ref()
                        .is_some_and(|external_id| external_id.as_str() == name)
            }
        };
        Ok(meant.then_some(organization))
    }

    /// Which of these names, a slug's and an external id's, are taken.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn organization_names_taken(
        &self,
        slug: &Slug,
        external_id: Option<&ExternalId>,
    ) -> Result<NamesTaken, Error> {
        let external_id = external_id.map(ExternalId::key);
        let rows = self
            .query(
                "SELECT name FROM organization_names WHERE name IN ($1, $2)",
                vec![slug.key().into(), external_id.clone().into()],
            )
            .await?;
        let mut taken = NamesTaken::default();
        for row in rows {
            let name: String = column(&row, "name")?;
            taken.slug |= name == slug.key();
            taken.external_id |= external_id.as_ref() == Some(&name);
        }
        Ok(taken)
    }

    /// Which of these domains another organization has claimed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn claimed_domains(&self, domains: &[EmailDomain]) -> Result<Vec<EmailDomain>, Error> {
        let placeholders: Vec<_> = (1..=domains.len()).map(|position| format!("${position}")).collect();
        let sql = format!(
            "SELECT domain FROM organization_domains WHERE kind = 'claimed' AND domain IN ({})",
            placeholders.join(", ")
        );
        let rows = self.query(&sql, domains.iter().map(|domain| domain.as_str().into()).collect()).await?;
        let taken = rows.iter().map(|row| column::<String>(row, "domain")).collect::<Result<Vec<_>, _>>()?;
        Ok(domains
            .iter()
            .filter(|domain| taken.iter().any(|taken| taken == domain.as_str()))
            .cloned()
            .collect())
    }
}

/// Which names are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamesTaken {
    /// The slug.
    pub slug: bool,
    /// The external id.
    pub external_id: bool,
}

fn from_row(row: &QueryResult) -> Result<Organization, Error> {
    let external_id: Option<String> = column(row, "external_id")?;
    Ok(Organization {
        id: OrganizationId::new(column(row, "id")?),
        name: column(row, "name")?,
        slug: Slug::parse(&column::<String>(row, "slug")?).map_err(|_| Error::Corrupt("slug"))?,
        external_id: external_id
            .map(|text| ExternalId::parse_for_organization(&text).map_err(|_| Error::Corrupt("external_id")))
            .transpose()?,
        logo_url: column(row, "logo_url")?,
        trusted_metadata: json_column(row, "trusted_metadata")?,
        settings: OrganizationSettings {
            sso_jit_provisioning: published(row, "sso_jit_provisioning")?,
            email_allowed_domains: list(row, "email_allowed_domains")?,
            email_jit_provisioning: published(row, "email_jit_provisioning")?,
            email_invites: published(row, "email_invites")?,
            auth_methods: published(row, "auth_methods")?,
            allowed_auth_methods: json_column(row, "allowed_auth_methods")?,
            mfa_policy: published(row, "mfa_policy")?,
            mfa_methods: published(row, "mfa_methods")?,
            allowed_mfa_methods: json_column(row, "allowed_mfa_methods")?,
            rbac_email_implicit_role_assignments: json_column(row, "rbac_email_implicit_role_assignments")?,
            oauth_tenant_jit_provisioning: published(row, "oauth_tenant_jit_provisioning")?,
            allowed_oauth_tenants: tenants(row)?,
            claimed_email_domains: list(row, "claimed_email_domains")?,
            first_party_connected_apps_allowed_type: published(
                row,
                "first_party_connected_apps_allowed_type",
            )?,
            allowed_first_party_connected_apps: json_column(row, "allowed_first_party_connected_apps")?,
            third_party_connected_apps_allowed_type: published(
                row,
                "third_party_connected_apps_allowed_type",
            )?,
            allowed_third_party_connected_apps: json_column(row, "allowed_third_party_connected_apps")?,
        },
        created_at: column::<OffsetDateTime>(row, "created_at")?,
        updated_at: column::<OffsetDateTime>(row, "updated_at")?,
    })
}

fn published<T: TryFrom<String>>(row: &QueryResult, name: &'static str) -> Result<T, Error> {
    T::try_from(column::<String>(row, name)?).map_err(|_| Error::Corrupt(name))
}

/// An aggregated list; the aggregate of no rows is null.
fn list<T: DeserializeOwned>(row: &QueryResult, name: &'static str) -> Result<Vec<T>, Error> {
    let json: Option<serde_json::Value> = column(row, name)?;
    json.map_or_else(|| Ok(Vec::new()), |json| serde_json::from_value(json).map_err(|_| Error::Corrupt(name)))
}

fn tenants(row: &QueryResult) -> Result<Vec<OauthTenant>, Error> {
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
