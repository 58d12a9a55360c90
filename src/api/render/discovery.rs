//! Discovered organizations, what they ask, and why.

use crate::domain::admission::{Entry, Explained, Owed, Verdict};
use crate::domain::ids::Environment;
use crate::domain::member::{Member, MemberStatus};
use crate::pb;
use crate::service::discovery::list::DiscoveredOrganization;

pub(in crate::api) fn discovered_organization(
    found: &DiscoveredOrganization,
    environment: Environment,
) -> pb::DiscoveredOrganization {
    let DiscoveredOrganization { organization, member, decision, .. } = found;
    pb::DiscoveredOrganization {
        organization: Some(super::organization(organization, environment)),
        membership: Some(membership(found, environment)),
        member_authenticated: decision.owed.nothing(),
        primary_required: primary_required(&decision.owed),
        mfa_required: mfa_required(&decision.owed, member.as_ref()),
    }
}

fn membership(found: &DiscoveredOrganization, environment: Environment) -> pb::Membership {
    let DiscoveredOrganization { organization, member, tenant, domain, decision, .. } = found;
    let member_type = |member: &Member| match member.status {
        MemberStatus::Invited => "invited_member",
        MemberStatus::Pending => "pending_member",
        MemberStatus::Active | MemberStatus::Deleted => "active_member",
    };
    let r#type = match (&decision.entry, member) {
        (Ok(Entry::ByTenant), _) => "eligible_to_join_by_oauth_tenant",
        (_, Some(member)) => member_type(member),
        (_, None) => "eligible_to_join_by_email_domain",
    };
    let details = match (tenant, domain) {
        (Some(tenant), _) => Some(pb::MembershipDetails {
            domain: None,
            provider: Some(tenant.provider.as_str().to_owned()),
            tenant: Some(tenant.tenant_id.clone()),
        }),
        (None, Some(domain)) => Some(pb::MembershipDetails {
            domain: Some(domain.as_str().to_owned()),
            provider: None,
            tenant: None,
        }),
        (None, None) => None,
    };
    pb::Membership {
        r#type: r#type.to_owned(),
        details,
        member: member.as_ref().map(|member| super::member(member, organization, environment)),
    }
}

/// What a member can use as a second factor is told when there is something, and to those alone who owe no
/// first one: others have not shown that they are the member.
pub(in crate::api) fn mfa_required(owed: &Owed, member: Option<&Member>) -> Option<pb::MfaRequired> {
    let shown = member.filter(|_| owed.primary.is_none());
    let number = shown.and_then(|member| member.mfa_phone_number.as_ref());
    let member_options = number.map(|number| pb::MfaMemberOptions {
        mfa_phone_number: number.as_str().to_owned(),
        // Authenticator apps are not registered here yet.
        totp_registration_id: String::new(),
    });
    owed.mfa.then_some(pb::MfaRequired { member_options, secondary_auth_initiated: None })
}

pub(in crate::api) fn primary_required(owed: &Owed) -> Option<pb::PrimaryRequired> {
    owed.primary.as_ref().map(|methods| pb::PrimaryRequired {
        allowed_auth_methods: methods.iter().map(|method| method.as_str().to_owned()).collect(),
    })
}

pub(in crate::api) fn explained_rule(explained: Explained) -> pb::ExplainedRule {
    let verdict = match explained.verdict {
        None => pb::RuleVerdict::NotApplied,
        Some(Verdict::Pass) => pb::RuleVerdict::Passed,
        Some(Verdict::Enter(_)) => pb::RuleVerdict::Admitted,
        Some(Verdict::NotMet | Verdict::Refuse(_)) => pb::RuleVerdict::NotMet,
        Some(Verdict::OweVerification | Verdict::OweMethod | Verdict::OweSecondFactor) => {
            pb::RuleVerdict::FactorOwed
        }
    };
    pb::ExplainedRule {
        rule: explained.rule.as_str().to_owned(),
        verdict: verdict.into(),
        setting: explained.setting,
        explanation: explained.explanation,
    }
}
