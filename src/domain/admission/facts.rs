//! What is the case: the facts that the table asks for, made of evidence, settings and membership.

use crate::domain::authentication_factor::{FactorKind, VerifiedFactor};
use crate::domain::evidence::Evidence;
use crate::domain::ids::{MemberId, OrganizationId};
use crate::domain::member::{Member, MemberStatus};
use crate::domain::organization_settings::{
    AuthMethods, EmailJitProvisioning, MfaMethods, MfaPolicy, OauthTenantJitProvisioning,
    OrganizationSettings,
};

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $value:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$of])* $value,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$value,)*];
        }
    )*};
}

facts! {
    /// The way in.
    Door {
        /// Creating the organization, with an open token.
        Create,
        /// An open token.
        Exchange,
        /// A token that is bound to this organization.
        Finish,
        /// A token that is bound to another organization.
        BoundElsewhere,
        /// A session.
        Switch,
    }
    /// Whether an organization has claimed the domain of the address.
    Claim {
        /// None, or this one.
        Unclaimed,
        /// Another one.
        ClaimedElsewhere,
    }
    /// How the person stands to the organization.
    Standing {
        /// An active member.
        Active,
        /// An invited member.
        Invited,
        /// A member who has never logged in.
        Pending,
        /// No member; a member has given the address up.
        Retired,
        /// No member, or a deleted one.
        Stranger,
    }
    /// Whether the domain of the address lets people join.
    DomainPath {
        /// It does.
        Open,
        /// `email_jit_provisioning` lets nobody join.
        Off,
        /// It is not in `email_allowed_domains`.
        NotListed,
        /// No member has verified an address on it.
        NoPeer,
    }
    /// Whether a tenant of the person's OAuth accounts lets people join.
    TenantPath {
        /// It does.
        Open,
        /// `oauth_tenant_jit_provisioning` lets nobody join.
        Off,
        /// None is in `allowed_oauth_tenants`.
        NotListed,
        /// The person has shown none.
        NoTenant,
    }
    /// What shows that the person is who they say.
    Proof {
        /// A factor that has just proved the address.
        Fresh,
        /// A factor that proved the address when a session began.
        Carried,
        /// An account that is known to be the member's.
        Account,
        /// Nothing.
        Unproven,
    }
    /// Whether a first factor is of an allowed method.
    Method {
        /// One is, or all are allowed, or the member is exempt.
        Allowed,
        /// None is.
        Forbidden,
    }
    /// Whether a second factor is there.
    SecondFactor {
        /// None is asked for.
        NotAsked,
        /// One of an allowed method is.
        Given,
        /// None is.
        Owed,
    }
}

/// What the table asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented by its type")]
pub struct Facts {
    pub door: Door,
    pub claim: Claim,
    pub standing: Standing,
    pub domain: DomainPath,
    pub tenant: TenantPath,
    pub proof: Proof,
    pub method: Method,
    pub second: SecondFactor,
    /// Whether the member is exempt from restricted methods.
    pub exempt: bool,
}

/// What stands, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The way in.
    pub door: Door,
    /// The organization; `None`: it is about to be created.
    pub organization: Option<OrganizationId>,
    /// The settings of the organization.
    pub settings: &'a OrganizationSettings,
    /// The member who has the address now and is not deleted.
    pub member: Option<&'a Member>,
    /// Whether a member has given the address up.
    pub retired: bool,
    /// Whether another organization has claimed the domain of the address.
    pub claimed_elsewhere: bool,
    /// Whether a member has verified an address on the domain.
    pub has_peer: bool,
    /// The member whose session it is, at the door of a session.
    pub session_of: Option<MemberId>,
}

impl Facts {
    /// The facts about a person in a situation.
    #[must_use]
    pub fn of(evidence: &Evidence, situation: &Situation<'_>) -> Self {
        let Situation { door, settings, member, .. } = *situation;
        let exempt = member.is_some_and(|member| member.is_breakglass);
        Self {
            door,
            claim: if situation.claimed_elsewhere { Claim::ClaimedElsewhere } else { Claim::Unclaimed },
            standing: standing(situation),
            domain: domain_path(evidence, situation),
            tenant: tenant_path(evidence, settings),
            proof: proof(evidence, situation),
            method: method(evidence, settings, exempt),
            second: second_factor(evidence, situation),
            exempt,
        }
    }
}

fn standing(situation: &Situation<'_>) -> Standing {
    match situation.member.map(|member| member.status) {
        Some(MemberStatus::Active) => Standing::Active,
        Some(MemberStatus::Invited) => Standing::Invited,
        Some(MemberStatus::Pending) => Standing::Pending,
        None | Some(MemberStatus::Deleted) if situation.retired => Standing::Retired,
        None | Some(MemberStatus::Deleted) => Standing::Stranger,
    }
}

fn domain_path(evidence: &Evidence, situation: &Situation<'_>) -> DomainPath {
    if situation.settings.email_jit_provisioning == EmailJitProvisioning::NotAllowed {
        DomainPath::Off
    } else if !situation.settings.email_allowed_domains.contains(evidence.email_address.domain()) {
        DomainPath::NotListed
    } else if situation.has_peer {
        DomainPath::Open
    } else {
        DomainPath::NoPeer
    }
}

fn tenant_path(evidence: &Evidence, settings: &OrganizationSettings) -> TenantPath {
    if evidence.tenants().is_empty() {
        TenantPath::NoTenant
    } else if settings.oauth_tenant_jit_provisioning == OauthTenantJitProvisioning::NotAllowed {
        TenantPath::Off
    } else if evidence.joining_tenant(settings).is_some() {
        TenantPath::Open
    } else {
        TenantPath::NotListed
    }
}

/// An OAuth account proves who a member is by its subject, which never changes hands, and only once it
/// was registered with a member whose address was proved, or who belongs to an allowed tenant. What a
/// provider merely says about an address proves nothing.
fn proof(evidence: &Evidence, situation: &Situation<'_>) -> Proof {
    let proves = |factor: &&VerifiedFactor| factor.verifies(&evidence.email_address);
    if evidence.factors.iter().filter(proves).any(|factor| factor.carried_from.is_none()) {
        return Proof::Fresh;
    }
    if evidence.factors.iter().any(|factor| proves(&factor)) {
        return Proof::Carried;
    }
    let Some(member) = situation.member.filter(|_| evidence.has_first_factor()) else {
        return Proof::Unproven;
    };
    let password = evidence.factors.iter().any(|factor| factor.kind == FactorKind::Password);
    let by_tenant = |factor: &VerifiedFactor| {
        factor.carried_from.is_none()
            && factor.tenants().iter().any(|tenant| situation.settings.joinable_tenants().contains(tenant))
    };
    let known = situation.session_of == Some(member.id)
        || member.email_address_verified && (password || evidence.registered(member).next().is_some())
        || evidence.registered(member).any(by_tenant);
    if known { Proof::Account } else { Proof::Unproven }
}

fn method(evidence: &Evidence, settings: &OrganizationSettings, exempt: bool) -> Method {
    let mut used = evidence.factors.iter().filter_map(|factor| factor.kind.auth_method());
    let met = exempt
        || settings.auth_methods == AuthMethods::AllAllowed
        || used.any(|method| settings.allowed_auth_methods.contains(&method));
    if met { Method::Allowed } else { Method::Forbidden }
}

fn second_factor(evidence: &Evidence, situation: &Situation<'_>) -> SecondFactor {
    let Situation { settings, member, organization, .. } = *situation;
    if settings.mfa_policy == MfaPolicy::Optional && !member.is_some_and(|member| member.mfa_enrolled) {
        return SecondFactor::NotAsked;
    }
    let exempt = member.is_some_and(|member| member.is_breakglass);
    let number = member.and_then(|member| member.mfa_phone_number.as_ref());
    let counts = |factor: &&VerifiedFactor| {
        let allowed = factor.kind.mfa_method().is_some_and(|method| {
            exempt
                || settings.mfa_methods == MfaMethods::AllAllowed
                || settings.allowed_mfa_methods.contains(&method)
        });
        // A code to a phone that is somebody else's, or not said whose, is not the member's.
        let own = match number {
            Some(number) if factor.kind == FactorKind::SmsOtp => {
                factor.phone_number.as_deref() == Some(number.as_str())
            }
            _ => true,
        };
        allowed && own && factor.only_in.is_none_or(|only| Some(only) == organization)
    };
    if evidence.factors.iter().any(|factor| counts(&factor)) {
        SecondFactor::Given
    } else {
        SecondFactor::Owed
    }
}
