//! Organizations.

use time::OffsetDateTime;

use super::super::default_names::slug_from;
use super::super::email_domain::EmailDomain;
use super::super::ids::OrganizationId;
use super::super::json::JsonObject;
use super::super::member::ADMIN_ROLE;
use super::super::organization::Organization;
use super::super::organization_settings::{
    AuthMethod, AuthMethods, EmailInvites, EmailJitProvisioning, MfaPolicy, OauthTenant,
    OauthTenantJitProvisioning, OrganizationSettings, RoleAssignment, SentSettings, TenantProvider,
};
use super::super::slug::{ExternalId, Slug};
use super::random::{Random, Topic};
use super::words::{FAMILY, FORMS, PLACES, TRADES};
use super::{NEEDLE, NEEDLE_INTERVAL, Plan, Refused, later};

/// Reserved by RFC 2606: no mail to it reaches anybody. Not in the list of public suffixes, where a
/// name below an unlisted top level counts as one that somebody registered.
const TOP_LEVEL: &str = "example";

/// The names of plans that organizations pay for.
const TIERS: &[&str] = &["free", "team", "enterprise"];

/// What an organization is like, as far as its members and other organizations depend on it.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) plan: Plan,
    /// From 0.
    pub(super) number: u64,
    pub(super) id: OrganizationId,
    pub(super) created_at: OffsetDateTime,
    pub(super) name: String,
    pub(super) slug: Slug,
    /// Its own: no other organization has it.
    pub(super) domain: EmailDomain,
    /// Whether it has claimed its domain.
    pub(super) claims: bool,
    /// Whether every member owes a second factor.
    pub(super) mfa: bool,
}

impl Profile {
    pub(super) fn of(plan: Plan, number: u64) -> Result<Self, Refused> {
        let mut random = Random::new(plan.seed, Topic::Profile, number, 0);
        let (mut name, mut ascii) = name(&mut random).ok_or(Refused("name"))?;
        if number % NEEDLE_INTERVAL == NEEDLE_INTERVAL - 1 {
            for text in [&mut name, &mut ascii] {
                text.push(' ');
                text.push_str(NEEDLE);
            }
        }
        // The number at the end makes it the only one.
        let label = format!("{}-{number}", slug_from(&ascii).as_str());
        let domain = EmailDomain::parse(&format!("{label}.{TOP_LEVEL}")).map_err(|_| Refused("domain"))?;
        let slug = Slug::parse(&label).map_err(|_| Refused("slug"))?;
        let created_at = plan.created_at(number);
        Ok(Self {
            plan,
            number,
            id: random.id(created_at),
            created_at,
            name,
            slug,
            domain,
            claims: random.percent(5),
            mfa: random.percent(10),
        })
    }

    /// The organization itself. The only place that makes one.
    pub(super) fn organization(&self) -> Result<Organization, Refused> {
        let mut random = Random::new(self.plan.seed, Topic::Organization, self.number, 0);
        let version = version(&mut random);
        let changed = if version > 1 { random.below(1_000) } else { 0 };
        Ok(Organization {
            id: self.id,
            name: self.name.clone(),
            slug: self.slug.clone(),
            external_id: self.external_id(&mut random)?,
            logo_url: if random.percent(25) {
                format!("https://{}/logo.png", self.domain)
            } else {
                String::new()
            },
            trusted_metadata: metadata(&mut random, "plan", TIERS),
            settings: self.settings(&mut random)?,
            created_at: self.created_at,
            updated_at: later(self.created_at, changed, 1_000),
            version,
        })
    }

    /// One in fifty of those that have one has its slug for it. The others have a character that no
    /// slug made here has, so they are never somebody else's slug.
    fn external_id(&self, random: &mut Random) -> Result<Option<ExternalId>, Refused> {
        if !random.percent(20) {
            return Ok(None);
        }
        let text =
            if random.percent(2) { self.slug.as_str().to_owned() } else { format!("CRM_{:08}", self.number) };
        ExternalId::parse_for_organization(&text).map(Some).map_err(|_| Refused("external id"))
    }

    fn settings(&self, random: &mut Random) -> Result<OrganizationSettings, Refused> {
        let own = || vec![self.domain.clone()];
        let mut sent =
            SentSettings { email_invites: Some(EmailInvites::AllAllowed), ..SentSettings::default() };
        if random.percent(30) {
            sent.email_jit_provisioning = Some(EmailJitProvisioning::Restricted);
            sent.email_allowed_domains = Some(own());
        }
        if self.claims {
            sent.claimed_email_domains = Some(own());
        }
        if self.mfa {
            sent.mfa_policy = Some(MfaPolicy::RequiredForAll);
        }
        if random.percent(5) {
            sent.auth_methods = Some(AuthMethods::Restricted);
            sent.allowed_auth_methods = Some(vec![AuthMethod::MagicLink, AuthMethod::GoogleOauth]);
        }
        if random.percent(3) {
            sent.oauth_tenant_jit_provisioning = Some(OauthTenantJitProvisioning::Restricted);
            sent.allowed_oauth_tenants = Some(self.tenants(random));
        }
        if random.percent(2) {
            let role_id = ADMIN_ROLE.to_owned();
            sent.rbac_email_implicit_role_assignments =
                Some(vec![RoleAssignment { domain: self.domain.clone(), role_id }]);
        }
        sent.with_defaults().map_err(|_| Refused("settings"))
    }

    fn tenants(&self, random: &mut Random) -> Vec<OauthTenant> {
        let tenant = |provider, tenant_id| OauthTenant { provider, tenant_id };
        let mut tenants = vec![tenant(TenantProvider::Github, self.slug.as_str().to_owned())];
        if random.percent(30) {
            tenants.push(tenant(TenantProvider::Slack, format!("T{:010}", self.number)));
        }
        tenants
    }
}

/// A name, and its spelling in ASCII.
fn name(random: &mut Random) -> Option<(String, String)> {
    let (family, place) = (random.pick(FAMILY)?, random.pick(PLACES)?);
    let (trade, form) = (random.pick(TRADES)?, random.pick(FORMS)?);
    let same = |name: String| (name.clone(), name);
    Some(match random.below(10) {
        0..5 => same(format!("{place} {trade}")),
        5..7 => same(format!("{place} {trade} {form}")),
        7..9 => (format!("{} {trade}", family.0), format!("{} {trade}", family.1)),
        _ => (format!("{} & Sons {form}", family.0), format!("{} & Sons {form}", family.1)),
    })
}

/// Four in five were never changed.
pub(super) fn version(random: &mut Random) -> i64 {
    if random.percent(20) { 2 + i64::try_from(random.below(4)).unwrap_or(0) } else { 1 }
}

/// Half have none; the others one entry.
pub(super) fn metadata(random: &mut Random, key: &str, values: &'static [&'static str]) -> JsonObject {
    let value = if random.percent(50) { random.pick(values) } else { None };
    value.map(|value| (key.to_owned(), value.into())).into_iter().collect()
}
