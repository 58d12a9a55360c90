//! A person as a member, and their session: what every login makes.

use time::OffsetDateTime;

use super::mint::Mint;
use crate::domain::admission::Owed;
use crate::domain::authentication_factor::{AuthenticationFactor, FactorDetail, FactorKind, VerifiedFactor};
use crate::domain::evidence::Evidence;
use crate::domain::ids::OrganizationId;
use crate::domain::json::JsonObject;
use crate::domain::member::{Member, MemberStatus, OauthRegistration};
use crate::domain::organization::{Organization, first_version};
use crate::domain::session::{MemberSession, SessionRequest};
use crate::tokens::opaque::SessionToken;

/// What came of entering an organization with a token.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The organization.
    pub organization: Organization,
    /// The member; `None`: the person becomes one with the factor that is owed.
    pub member: Option<Member>,
    /// What is owed before the member is logged in.
    pub owed: Owed,
    /// The login, when nothing is owed.
    pub login: Option<Login>,
    /// When the intermediate session token ends, for a caller who gets it back.
    pub token_expires_at: OffsetDateTime,
}

/// A login.
#[derive(Clone, Debug)]
pub struct Login {
    /// The session.
    pub session: MemberSession,
    /// Its opaque token.
    pub token: SessionToken,
    /// Its JWT.
    pub jwt: String,
}

/// Makes a member of a person, pending and with an address that is not verified.
pub(super) fn new_member(evidence: &Evidence, organization: OrganizationId, mint: &Mint<'_>) -> Member {
    Member {
        id: mint.id(),
        organization_id: organization,
        email_id: mint.id(),
        email_address: evidence.email_address.clone(),
        email_address_verified: false,
        status: MemberStatus::Pending,
        name: evidence.full_name().unwrap_or_default().to_owned(),
        external_id: None,
        retired_email_addresses: Vec::new(),
        is_breakglass: false,
        assigned_roles: Vec::new(),
        mfa_enrolled: false,
        mfa_phone_number: None,
        mfa_phone_number_verified: false,
        default_mfa_method: None,
        oauth_registrations: Vec::new(),
        trusted_metadata: JsonObject::new(),
        untrusted_metadata: JsonObject::new(),
        created_at: mint.now,
        updated_at: mint.now,
        version: first_version(),
    }
}

/// The most OAuth accounts that are registered with a member.
const MAX_ACCOUNTS: usize = 100;

/// Registers the OAuth accounts of the evidence with the member. One that came along from another
/// organization is registered only if it proves the address.
pub(super) fn register_accounts(member: &mut Member, evidence: &Evidence, mint: &Mint<'_>) {
    for factor in &evidence.factors {
        let (Some(provider_type), Some(subject)) = (factor.kind.provider_type(), &factor.provider_subject)
        else {
            continue;
        };
        let trusted = factor.carried_from.is_none() || factor.verifies(&evidence.email_address);
        let room = member.oauth_registrations.len() < MAX_ACCOUNTS;
        if trusted && room && member.registration(factor).is_none() {
            member.oauth_registrations.push(OauthRegistration {
                id: mint.id(),
                provider_type: provider_type.to_owned(),
                provider_subject: subject.clone(),
            });
        }
    }
}

/// The member after a login that is complete: active, with what the evidence proves. Whose address is
/// proved for the first time keeps no account from before: it may be somebody else's.
pub(super) fn logged_in(mut member: Member, evidence: &Evidence, mint: &Mint<'_>) -> Member {
    member.status = MemberStatus::Active;
    if evidence.email_address_verified() && !member.email_address_verified {
        member.email_address_verified = true;
        let shown = |known: &OauthRegistration| evidence.factors.iter().any(|factor| known.is_of(factor));
        member.oauth_registrations.retain(shown);
    }
    register_accounts(&mut member, evidence, mint);
    member
}

/// Makes the session of a login that is complete.
pub(super) fn session(
    evidence: &Evidence,
    member: &Member,
    organization: &Organization,
    request: &SessionRequest,
    mint: &Mint<'_>,
) -> MemberSession {
    MemberSession {
        id: mint.id(),
        member_id: member.id,
        organization_id: organization.id,
        organization_slug: organization.slug.clone(),
        started_at: mint.now,
        last_accessed_at: mint.now,
        expires_at: mint.now + request.duration,
        authentication_factors: factors(evidence, member, mint),
        roles: member.role_ids(&organization.settings.rbac_email_implicit_role_assignments),
        custom_claims: request.custom_claims.clone(),
    }
}

/// The factors of a session. The same factor verified twice is one factor.
fn factors(evidence: &Evidence, member: &Member, mint: &Mint<'_>) -> Vec<AuthenticationFactor> {
    let mut factors: Vec<AuthenticationFactor> = Vec::new();
    for factor in &evidence.factors {
        let detail = detail(factor, member, mint);
        match factors.iter_mut().find(|known| known.kind == factor.kind && same(&known.detail, &detail)) {
            Some(known) => {
                known.last_authenticated_at = factor.verified_at;
                known.updated_at = factor.verified_at;
            }
            None => factors.push(AuthenticationFactor {
                kind: factor.kind,
                last_authenticated_at: factor.verified_at,
                created_at: factor.verified_at,
                updated_at: factor.verified_at,
                detail,
            }),
        }
    }
    factors
}

/// Whether two details are about the same thing, whatever ids they were just given.
fn same(one: &FactorDetail, other: &FactorDetail) -> bool {
    match (one, other) {
        (FactorDetail::Phone { phone_number: one, .. }, FactorDetail::Phone { phone_number: other, .. }) => {
            one == other
        }
        (FactorDetail::Oauth { id: one, .. }, FactorDetail::Oauth { id: other, .. }) => one == other,
        _ => one == other,
    }
}

fn detail(factor: &VerifiedFactor, member: &Member, mint: &Mint<'_>) -> FactorDetail {
    match factor.kind {
        FactorKind::MagicLink | FactorKind::EmailOtp => {
            FactorDetail::Email { email_id: member.email_id, email_address: member.email_address.clone() }
        }
        FactorKind::SmsOtp => factor.phone_number.as_ref().map_or(FactorDetail::None, |phone_number| {
            FactorDetail::Phone { phone_id: mint.id(), phone_number: phone_number.clone() }
        }),
        FactorKind::GoogleOauth
        | FactorKind::MicrosoftOauth
        | FactorKind::GithubOauth
        | FactorKind::SlackOauth
        | FactorKind::HubspotOauth => account(factor, member),
        FactorKind::Password | FactorKind::Totp | FactorKind::RecoveryCode => FactorDetail::None,
    }
}

fn account(factor: &VerifiedFactor, member: &Member) -> FactorDetail {
    let Some(provider_subject) = factor.provider_subject.clone() else {
        return FactorDetail::None;
    };
    let tenant_ids = factor.provider_tenant_ids.clone();
    match member.registration(factor) {
        Some(registration) => FactorDetail::Oauth {
            id: registration.id,
            provider_subject,
            email_id: factor.verifies(&member.email_address).then_some(member.email_id),
            tenant_ids,
            hosted_domain: factor.hosted_domain.clone(),
        },
        None if factor.carried_from.is_some() => {
            FactorDetail::OauthExchange { email_id: member.email_id, provider_subject, tenant_ids }
        }
        None => FactorDetail::None,
    }
}
