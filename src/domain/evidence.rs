//! What is known about a person who wants to enter an organization: an address, and verified factors.

use super::authentication_factor::{
    AuthenticationFactor, FactorDetail, FactorKind, SequenceOrder, VerifiedFactor,
};
use super::email_address::EmailAddress;
use super::ids::SessionId;
use super::member::Member;
use super::organization_settings::{OauthTenant, OrganizationSettings};
use super::session::MemberSession;

/// An address that somebody claims, and what was verified about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The address.
    pub email_address: EmailAddress,
    /// What was verified, oldest first.
    pub factors: Vec<VerifiedFactor>,
}

impl Evidence {
    /// What goes along from a session of one organization to another one. What is about the address goes
    /// while the address is still the member's; OAuth accounts go; passwords and second factors belong to
    /// the organization they were given in, and go only as far as that (`stays`).
    #[must_use]
    pub fn carried(from: &Member, session: &MemberSession, stays: bool) -> Self {
        let factors = session.authentication_factors.iter();
        let factors = factors.filter_map(|factor| carry(factor, from, session.id, stays)).collect();
        Self { email_address: from.email_address.clone(), factors }
    }

    /// The sessions that factors came along from.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionId> {
        let mut sessions: Vec<SessionId> = Vec::new();
        for session in self.factors.iter().filter_map(|factor| factor.carried_from) {
            if !sessions.contains(&session) {
                sessions.push(session);
            }
        }
        sessions
    }

    /// Whether there is a factor that is not merely a second one.
    #[must_use]
    pub fn has_first_factor(&self) -> bool {
        self.factors.iter().any(|factor| factor.kind.sequence_order() == SequenceOrder::Primary)
    }

    /// Whether a factor proves that the person controls the address.
    #[must_use]
    pub fn email_address_verified(&self) -> bool {
        self.factors.iter().any(|factor| factor.verifies(&self.email_address))
    }

    /// The person's name, from the latest factor that carries one.
    #[must_use]
    pub fn full_name(&self) -> Option<&str> {
        self.factors.iter().rev().find_map(|factor| factor.full_name.as_deref())
    }

    /// The tenants of the OAuth accounts that the person has just shown. Those of accounts that came along
    /// from a session let nobody join: the person may have left them since.
    #[must_use]
    pub fn tenants(&self) -> Vec<OauthTenant> {
        self.factors
            .iter()
            .filter(|factor| factor.carried_from.is_none())
            .flat_map(VerifiedFactor::tenants)
            .collect()
    }

    /// The tenant that lets the person join an organization with these settings.
    #[must_use]
    pub fn joining_tenant<'a>(&self, settings: &'a OrganizationSettings) -> Option<&'a OauthTenant> {
        let tenants = self.tenants();
        settings.joinable_tenants().iter().find(|allowed| tenants.contains(allowed))
    }

    /// The factors of OAuth accounts that are registered with the member.
    pub(super) fn registered(&self, member: &Member) -> impl Iterator<Item = &VerifiedFactor> {
        self.factors.iter().filter(|factor| member.registration(factor).is_some())
    }
}

fn carry(
    factor: &AuthenticationFactor,
    from: &Member,
    session: SessionId,
    stays: bool,
) -> Option<VerifiedFactor> {
    let carried = VerifiedFactor {
        kind: factor.kind,
        email_verified: false,
        hosted_domain: None,
        provider_subject: None,
        provider_tenant_ids: Vec::new(),
        full_name: None,
        phone_number: None,
        verified_at: factor.last_authenticated_at,
        only_in: None,
        carried_from: Some(session),
    };
    match &factor.detail {
        FactorDetail::Email { email_address, .. } => {
            (*email_address == from.email_address).then_some(carried)
        }
        FactorDetail::Oauth { provider_subject, email_id, tenant_ids, hosted_domain, .. } => {
            let carried = VerifiedFactor {
                email_verified: *email_id == Some(from.email_id),
                hosted_domain: hosted_domain.clone(),
                provider_subject: Some(provider_subject.clone()),
                provider_tenant_ids: tenant_ids.clone(),
                ..carried
            };
            // Microsoft's accounts that prove nothing have no published name of their own.
            let nameless =
                factor.kind == FactorKind::MicrosoftOauth && !carried.verifies(&from.email_address);
            (stays || !nameless).then_some(carried)
        }
        FactorDetail::OauthExchange { provider_subject, tenant_ids, .. } => Some(VerifiedFactor {
            provider_subject: Some(provider_subject.clone()),
            provider_tenant_ids: tenant_ids.clone(),
            ..carried
        }),
        FactorDetail::Phone { phone_number, .. } => {
            stays.then(|| VerifiedFactor { phone_number: Some(phone_number.clone()), ..carried })
        }
        FactorDetail::None => (stays && !factor.kind.is_oauth()).then_some(carried),
    }
}
