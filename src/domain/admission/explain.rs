//! The rules in words, for engineers.

use super::{Claim, Decision, DomainPath, Door, Entry, Facts, Method, Proof, Rule, SecondFactor};
use super::{Standing, TenantPath, Verdict, verifying_methods};
use crate::domain::evidence::Evidence;
use crate::domain::organization_settings::{AuthMethod, AuthMethods, MfaPolicy, OrganizationSettings};

/// A rule in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The rule.
    pub rule: Rule,
    /// What it said; `None`: it was not applied.
    pub verdict: Option<Verdict>,
    /// The setting that decided it, as `name = value`. Empty: none did.
    pub setting: String,
    /// What that means, and what would change it.
    pub explanation: String,
}

impl Rule {
    /// The rule's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BoundToken => "bound_token",
            Self::ClaimedEmailDomain => "claimed_email_domain",
            Self::Membership => "membership",
            Self::EmailJitProvisioning => "email_jit_provisioning",
            Self::OauthTenantJitProvisioning => "oauth_tenant_jit_provisioning",
            Self::EmailVerification => "email_verification",
            Self::AuthMethods => "auth_methods",
            Self::MfaPolicy => "mfa_policy",
        }
    }
}

/// Explains what was decided about an organization that the person may see.
#[must_use]
pub fn explain(evidence: &Evidence, settings: &OrganizationSettings, decision: &Decision) -> Vec<Explained> {
    let explained = |(rule, verdict): (Rule, Option<Verdict>)| {
        let (setting, explanation) = match verdict {
            None => (String::new(), not_applied(decision).to_owned()),
            Some(_) => words(rule, evidence, settings, &decision.facts, decision.entry.ok()),
        };
        Explained { rule, verdict, setting, explanation }
    };
    decision.rulings.into_iter().map(explained).collect()
}

/// Explains, in general terms, what would let the person into an organization that is none, or that they
/// may not see: the same words for both.
#[must_use]
pub fn explain_unseen(evidence: &Evidence, door: Door) -> Vec<Explained> {
    let domain = evidence.email_address.domain().as_str();
    let tenants: Vec<_> = evidence
        .tenants()
        .into_iter()
        .map(|tenant| format!("{} {}", tenant.provider.as_str(), tenant.tenant_id))
        .collect();
    let explained = |rule| {
        let applied = |explanation: String| (Some(Verdict::NotMet), explanation);
        let (verdict, explanation) = match rule {
            Rule::BoundToken if door == Door::BoundElsewhere => applied(
                "the token is bound to one organization and can only finish the login there; this is \
                 another one, if it is one at all"
                    .to_owned(),
            ),
            Rule::BoundToken => (Some(Verdict::Pass), bound_token(door).to_owned()),
            Rule::ClaimedEmailDomain => (
                None,
                format!(
                    "when another organization has claimed {domain}, only active members get in; \
                     SearchOrganizations by claimed_email_domains shows which has"
                ),
            ),
            Rule::Membership => applied(
                "the person's address is that of no active member of an organization of this name, nor of an \
                 invited or pending one who could get in; GetOrganization and GetMember show what there is, \
                 InviteMember changes it"
                    .to_owned(),
            ),
            Rule::EmailJitProvisioning if door == Door::Exchange => applied(format!(
                "to join by domain, the organization needs email_jit_provisioning = RESTRICTED, {domain} in \
                 email_allowed_domains, a member with a verified address on {domain}, and no other \
                 organization may have claimed {domain}"
            )),
            Rule::OauthTenantJitProvisioning if door == Door::Exchange && tenants.is_empty() => applied(
                "to join by tenant, the token needs an OAuth factor with provider_tenant_ids; it has none"
                    .to_owned(),
            ),
            Rule::OauthTenantJitProvisioning if door == Door::Exchange => applied(format!(
                "to join by tenant, the organization needs oauth_tenant_jit_provisioning = RESTRICTED and one \
                 of these in allowed_oauth_tenants: {}",
                tenants.join(", ")
            )),
            Rule::EmailJitProvisioning | Rule::OauthTenantJitProvisioning => {
                (None, "a session, or a token that is bound, lets nobody join an organization".to_owned())
            }
            _ => (None, "no rule lets the person in".to_owned()),
        };
        Explained { rule, verdict, setting: String::new(), explanation }
    };
    Rule::ALL.into_iter().map(explained).collect()
}

fn not_applied(decision: &Decision) -> &'static str {
    match decision.entry {
        Ok(Entry::ByDomain) => "the person may join by domain already",
        _ => "the person need not join: they are a member",
    }
}

fn words(
    rule: Rule,
    evidence: &Evidence,
    settings: &OrganizationSettings,
    facts: &Facts,
    entry: Option<Entry>,
) -> (String, String) {
    let domain = evidence.email_address.domain().as_str();
    match rule {
        Rule::BoundToken => (String::new(), bound_token(facts.door).to_owned()),
        Rule::ClaimedEmailDomain => match facts.claim {
            Claim::Unclaimed => (String::new(), format!("no other organization has claimed {domain}")),
            Claim::ClaimedElsewhere => (
                String::new(),
                format!("another organization has claimed {domain}; those who are members already stay"),
            ),
        },
        Rule::Membership => membership(facts.standing),
        Rule::EmailJitProvisioning => email_jit_provisioning(facts.domain, domain),
        Rule::OauthTenantJitProvisioning => oauth_tenant_jit_provisioning(facts, evidence, settings),
        Rule::EmailVerification => email_verification(facts, entry, settings),
        Rule::AuthMethods => auth_methods(facts, settings),
        Rule::MfaPolicy => mfa_policy(facts.second, settings),
    }
}

fn bound_token(door: Door) -> &'static str {
    match door {
        Door::Create | Door::Exchange => "the token is open",
        Door::Finish => "the token is bound to this organization, and finishes the login there",
        Door::BoundElsewhere => "the token is bound to another organization",
        Door::Switch => "a session is no token that could be bound",
    }
}

fn membership(standing: Standing) -> (String, String) {
    let (setting, explanation) = match standing {
        Standing::Active => ("status = active", "the person is an active member"),
        Standing::Invited => ("status = invited", "the person is invited; entering accepts the invitation"),
        Standing::Pending => {
            ("status = pending", "the person is a member who has never logged in; entering makes them active")
        }
        Standing::Retired | Standing::Stranger => ("", "the person is no member, or a deleted one"),
    };
    (setting.to_owned(), explanation.to_owned())
}

fn email_jit_provisioning(path: DomainPath, domain: &str) -> (String, String) {
    let (setting, explanation) = match path {
        DomainPath::Open => (
            "email_jit_provisioning = RESTRICTED",
            format!("{domain} is in email_allowed_domains, and a member has verified an address on it"),
        ),
        DomainPath::Off => {
            ("email_jit_provisioning = NOT_ALLOWED", "nobody joins by the domain of an address".to_owned())
        }
        DomainPath::NotListed => {
            ("email_jit_provisioning = RESTRICTED", format!("{domain} is not in email_allowed_domains"))
        }
        DomainPath::NoPeer => (
            "email_jit_provisioning = RESTRICTED",
            format!("{domain} is in email_allowed_domains, but no member has verified an address on it"),
        ),
    };
    (setting.to_owned(), explanation)
}

fn oauth_tenant_jit_provisioning(
    facts: &Facts,
    evidence: &Evidence,
    settings: &OrganizationSettings,
) -> (String, String) {
    let setting =
        format!("oauth_tenant_jit_provisioning = {}", settings.oauth_tenant_jit_provisioning.as_str());
    let explanation = match facts.tenant {
        TenantPath::Open => evidence.joining_tenant(settings).map_or_else(String::new, |tenant| {
            format!(
                "the {} tenant {} is in allowed_oauth_tenants",
                tenant.provider.as_str(),
                tenant.tenant_id
            )
        }),
        TenantPath::Off => "nobody joins by a tenant".to_owned(),
        TenantPath::NotListed => "no tenant of the person's accounts is in allowed_oauth_tenants".to_owned(),
        TenantPath::NoTenant => "no factor has a tenant".to_owned(),
    };
    (setting, explanation)
}

fn email_verification(
    facts: &Facts,
    entry: Option<Entry>,
    settings: &OrganizationSettings,
) -> (String, String) {
    let explanation = match (entry, facts.proof) {
        (Some(Entry::ByTenant), _) => "who joins by a tenant need not prove the address".to_owned(),
        (_, Proof::Fresh) => "a factor proves the address".to_owned(),
        (Some(Entry::Member | Entry::Creator), Proof::Carried) => {
            "a factor of the session has proved the address".to_owned()
        }
        (Some(Entry::Member), Proof::Account) => "an account of the member shows who they are".to_owned(),
        (_, Proof::Carried | Proof::Account | Proof::Unproven) => {
            let methods: Vec<_> =
                verifying_methods(facts, settings).into_iter().map(AuthMethod::as_str).collect();
            if methods.is_empty() {
                "no factor proves the address, and no method that could is in allowed_auth_methods".to_owned()
            } else {
                format!("no factor proves the address now; one of these would: {}", methods.join(", "))
            }
        }
    };
    (String::new(), explanation)
}

fn auth_methods(facts: &Facts, settings: &OrganizationSettings) -> (String, String) {
    if facts.exempt {
        return ("is_breakglass = true".to_owned(), "the member may use every method".to_owned());
    }
    let setting = format!("auth_methods = {}", settings.auth_methods.as_str());
    if settings.auth_methods == AuthMethods::AllAllowed {
        return (setting, "every method is allowed".to_owned());
    }
    let allowed: Vec<_> = settings.allowed_auth_methods.iter().map(|method| method.as_str()).collect();
    let allowed = allowed.join(", ");
    let explanation = match facts.method {
        Method::Allowed => format!("a factor is of a method in allowed_auth_methods: {allowed}"),
        Method::Forbidden => format!("no factor is of a method in allowed_auth_methods: {allowed}"),
    };
    (setting, explanation)
}

fn mfa_policy(second: SecondFactor, settings: &OrganizationSettings) -> (String, String) {
    let asked_by_policy = settings.mfa_policy == MfaPolicy::RequiredForAll;
    let setting = match second {
        SecondFactor::Given | SecondFactor::Owed if !asked_by_policy => "mfa_enrolled = true".to_owned(),
        _ => format!("mfa_policy = {}", settings.mfa_policy.as_str()),
    };
    let explanation = match second {
        SecondFactor::NotAsked => "no second factor is asked for",
        SecondFactor::Given => "a second factor of an allowed method is there",
        SecondFactor::Owed => {
            "a second factor is asked for: one that mfa_methods allows, and, for otp, to the member's number"
        }
    };
    (setting, explanation.to_owned())
}
