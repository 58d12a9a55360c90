//! Which organizations a person may enter.

use sea_orm::QueryResult;
use time::OffsetDateTime;
use uuid::Uuid;

use super::parameters::Parameters;
use super::{Error, Store, column};
use crate::domain::email_address::EmailAddress;
use crate::domain::ids::{MemberId, OrganizationId};
use crate::domain::member::MemberStatus;
use crate::domain::organization_settings::{OauthTenant, TenantProvider};

/// The most memberships, organizations that allow a domain, and organizations that allow a tenant, that
/// are looked at: the oldest ones. Anybody may make organizations that allow another's domain, or invite
/// another's address: those that come later crowd out no older ones.
const MOST_LOOKED_AT: u32 = 10_000;

/// How a person gets into an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// As the member that they are.
    Member(MemberId, MemberStatus),
    /// By the domain of their address, which is allowed and has a verified member.
    Domain,
    /// By a tenant of their OAuth accounts, which is allowed.
    Tenant,
}

/// An organization that a person may perhaps enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The organization.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// Its external id.
    pub external_id: Option<String>,
    /// The way in.
    pub way: Way,
    /// When the member last used the organization; for those who have not yet, when they became one.
    /// `None`: no member.
    pub last_used_at: Option<OffsetDateTime>,
}

/// The organizations that a person may perhaps enter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Each organization once for each way in, in no order.
    pub list: Vec<Candidate>,
    /// Who has claimed the domain of the address.
    pub claimed_by: Option<OrganizationId>,
}

impl Store {
    /// Reads, in one round trip, every organization of which the address is a member's, and, for those
    /// who may join, every one that the domain of the address or one of the tenants lets them into.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn candidates(
        &self,
        address: &EmailAddress,
        joining: Option<&[OauthTenant]>,
    ) -> Result<Candidates, Error> {
        let mut parameters = Parameters::of(self.engine);
        let own = parameters.add(address.as_str());
        let domain = parameters.add(address.domain().as_str());
        let mut ways = vec![
            format!(
                "SELECT 'member' AS way, organizations.id AS organization_id, organizations.name, organizations.slug, \
                 organizations.external_id, members.id AS member_id, members.status, \
                 coalesce((SELECT max(last_accessed_at) FROM sessions WHERE sessions.member_id = members.id), members.created_at) AS last_used_at \
                 FROM (SELECT organization_id, member_id FROM member_email_addresses \
                       WHERE email_address = {own} AND live AND status = 'current' \
                       ORDER BY organization_id LIMIT {MOST_LOOKED_AT}) AS own \
                 JOIN members ON members.id = own.member_id \
                 JOIN organizations ON organizations.id = own.organization_id AND deleted_at IS NULL"
            ),
            format!(
                "SELECT 'claim', organization_id, NULL, NULL, NULL, NULL, NULL, NULL \
                 FROM organization_domains WHERE kind = 'claimed' AND domain = {domain}"
            ),
        ];
        if let Some(tenants) = joining {
            // Whose address was given up in an organization can't join it with that address. As a value of
            // each organization and not as an (anti-)join, which PostgreSQL, taking an address for one of few
            // organizations, does by comparing every pair of them: the square of the longest lists.
            let stranger = format!(
                "(SELECT 1 FROM member_email_addresses WHERE organization_id = organizations.id \
                 AND email_address = {own} AND live LIMIT 1) IS NULL"
            );
            let joins = |way: &str, listed: &str, setting: &str, more: &str| {
                format!(
                    "SELECT '{way}', organizations.id, organizations.name, organizations.slug, \
                     organizations.external_id, NULL, NULL, NULL \
                     FROM (SELECT organization_id FROM {listed} ORDER BY organization_id LIMIT {MOST_LOOKED_AT}) AS listed \
                     JOIN organizations ON organizations.id = listed.organization_id AND deleted_at IS NULL \
                     WHERE {setting} = 'RESTRICTED' AND {stranger}{more}"
                )
            };
            let listed = format!("organization_domains WHERE kind = 'allowed' AND domain = {domain}");
            let peer = format!(
                " AND (SELECT 1 FROM member_email_addresses WHERE organization_id = organizations.id \
                 AND domain = {domain} AND verified AND live AND status = 'current' LIMIT 1) IS NOT NULL"
            );
            ways.push(joins("domain", &listed, "email_jit_provisioning", &peer));
            for provider in TenantProvider::ALL {
                let of = |tenant: &&OauthTenant| tenant.provider == *provider;
                let ids: Vec<_> = tenants.iter().filter(of).map(|tenant| tenant.tenant_id.as_str()).collect();
                if !ids.is_empty() {
                    let ids = parameters.any_text(ids);
                    let provider = provider.as_str();
                    let listed = format!(
                        "organization_oauth_tenants WHERE provider = '{provider}' AND tenant_id {ids}"
                    );
                    ways.push(joins("tenant", &listed, "oauth_tenant_jit_provisioning", ""));
                }
            }
        }
        let rows =
            self.query("discovered_organizations", &ways.join(" UNION ALL "), parameters.values()).await?;
        candidates(&rows)
    }
}

fn candidates(rows: &[QueryResult]) -> Result<Candidates, Error> {
    let mut candidates = Candidates::default();
    for row in rows {
        let organization = OrganizationId::new(column(row, "organization_id")?);
        let way: String = column(row, "way")?;
        let way = match way.as_str() {
            "claim" => {
                candidates.claimed_by = Some(organization);
                continue;
            }
            "member" => {
                let status: String = column(row, "status")?;
                let status = MemberStatus::try_from(status).map_err(|_| Error::Corrupt("status"))?;
                Way::Member(MemberId::new(column::<Uuid>(row, "member_id")?), status)
            }
            "domain" => Way::Domain,
            _ => Way::Tenant,
        };
        candidates.list.push(Candidate {
            organization,
            name: column(row, "name")?,
            slug: column(row, "slug")?,
            external_id: column(row, "external_id")?,
            way,
            last_used_at: column(row, "last_used_at")?,
        });
    }
    Ok(candidates)
}
