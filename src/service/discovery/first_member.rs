//! The person behind an intermediate session, as the first member of their organization.

use crate::domain::authentication_factor::{AuthenticationFactor, FactorDetail, FactorKind, VerifiedFactor};
use crate::domain::ids::OrganizationId;
use crate::domain::intermediate_session::IntermediateSession;
use crate::domain::json::JsonObject;
use crate::domain::member::{ADMIN_ROLE, Member, MemberStatus, OauthRegistration};
use crate::domain::organization::{Organization, first_version};
use crate::domain::session::{MemberSession, SessionRequest};
use crate::service::mint::Mint;

/// Makes the first member: an admin, active once the address is verified.
pub(super) fn first_member(
    person: &IntermediateSession,
    organization: OrganizationId,
    mint: &Mint<'_>,
) -> Member {
    let verified = person.email_address_verified();
    Member {
        id: mint.id(),
        organization_id: organization,
        email_id: mint.id(),
        email_address: person.email_address.clone(),
        email_address_verified: verified,
        status: if verified { MemberStatus::Active } else { MemberStatus::Pending },
        name: person.full_name().unwrap_or_default().to_owned(),
        external_id: None,
        retired_email_addresses: Vec::new(),
        is_breakglass: false,
        assigned_roles: vec![ADMIN_ROLE.to_owned()],
        mfa_enrolled: false,
        mfa_phone_number: None,
        mfa_phone_number_verified: false,
        default_mfa_method: None,
        oauth_registrations: registrations(person, mint),
        trusted_metadata: JsonObject::new(),
        untrusted_metadata: JsonObject::new(),
        created_at: mint.now,
        updated_at: mint.now,
        version: first_version(),
    }
}

fn registrations(person: &IntermediateSession, mint: &Mint<'_>) -> Vec<OauthRegistration> {
    let mut registrations: Vec<OauthRegistration> = Vec::new();
    for factor in &person.factors {
        let (Some(provider_type), Some(subject)) = (factor.kind.provider_type(), &factor.provider_subject)
        else {
            continue;
        };
        let known = registrations
            .iter()
            .any(|known| known.provider_type == provider_type && known.provider_subject == *subject);
        if !known {
            registrations.push(OauthRegistration {
                id: mint.id(),
                provider_type: provider_type.to_owned(),
                provider_subject: subject.clone(),
            });
        }
    }
    registrations
}

/// Makes the session of a login that is complete.
pub(super) fn first_session(
    person: &IntermediateSession,
    member: &Member,
    organization: &Organization,
    request: &SessionRequest,
    mint: &Mint<'_>,
) -> MemberSession {
    let roles = member.roles(&organization.settings.rbac_email_implicit_role_assignments);
    MemberSession {
        id: mint.id(),
        member_id: member.id,
        organization_id: organization.id,
        organization_slug: organization.slug.clone(),
        started_at: mint.now,
        last_accessed_at: mint.now,
        expires_at: mint.now + request.duration,
        authentication_factors: factors(person, member, mint),
        roles: roles.into_iter().map(|role| role.role_id).collect(),
        custom_claims: request.custom_claims.clone(),
    }
}

/// The factors of a session. The same factor verified twice is one factor.
fn factors(person: &IntermediateSession, member: &Member, mint: &Mint<'_>) -> Vec<AuthenticationFactor> {
    let mut factors: Vec<AuthenticationFactor> = Vec::new();
    for factor in &person.factors {
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
        | FactorKind::HubspotOauth => {
            let registration = member.oauth_registrations.iter().find(|registration| {
                Some(registration.provider_type.as_str()) == factor.kind.provider_type()
                    && Some(&registration.provider_subject) == factor.provider_subject.as_ref()
            });
            registration.map_or(FactorDetail::None, |registration| FactorDetail::Oauth {
                id: registration.id,
                provider_subject: registration.provider_subject.clone(),
                email_id: factor.verifies(&member.email_address).then_some(member.email_id),
                tenant_ids: factor.provider_tenant_ids.clone(),
            })
        }
        FactorKind::Password | FactorKind::Totp | FactorKind::RecoveryCode => FactorDetail::None,
    }
}
