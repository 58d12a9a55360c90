//! Members: one person in one organization.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::authentication_factor::VerifiedFactor;
use super::email_address::EmailAddress;
use super::email_domain::EmailDomain;
use super::ids::{EmailId, MemberId, OauthRegistrationId, OrganizationId};
use super::json::JsonObject;
use super::organization::first_version;
use super::organization_settings::{MfaMethod, RoleAssignment, UnknownValue, published};
use super::phone_number::PhoneNumber;
use super::slug::ExternalId;

/// The most characters of a member's name.
pub const MAX_MEMBER_NAME: usize = 256;

/// The most roles that can be assigned to one member.
pub const MAX_ROLES: usize = 100;

/// The most members that can be created at once.
pub const MAX_BATCH: usize = 1_000;

/// The role that every member holds and nobody can be given.
pub const MEMBER_ROLE: &str = "stytch_member";

/// The role that may do everything in its organization.
pub const ADMIN_ROLE: &str = "stytch_admin";

published! {
    /// Where a member stands.
    MemberStatus {
        Pending = "pending",
        Invited = "invited",
        Active = "active",
        Deleted = "deleted",
    }
}

/// A member. Each field is documented by the proto message of the same name. What is always empty
/// until later work fills it (passwords, locks, SSO, SCIM, TOTP) is not here yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented by the proto message Member")]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the published resource")]
pub struct Member {
    pub id: MemberId,
    pub organization_id: OrganizationId,
    pub email_id: EmailId,
    pub email_address: EmailAddress,
    pub email_address_verified: bool,
    pub status: MemberStatus,
    pub name: String,
    #[serde(default)]
    pub external_id: Option<ExternalId>,
    /// In the order of their ids, which is the order in which the member first had them.
    #[serde(default)]
    pub retired_email_addresses: Vec<RetiredEmailAddress>,
    pub is_breakglass: bool,
    /// The roles assigned to this very member.
    pub assigned_roles: Vec<String>,
    pub mfa_enrolled: bool,
    #[serde(default)]
    pub mfa_phone_number: Option<PhoneNumber>,
    #[serde(default)]
    pub mfa_phone_number_verified: bool,
    #[serde(default)]
    pub default_mfa_method: Option<MfaMethod>,
    pub oauth_registrations: Vec<OauthRegistration>,
    pub trusted_metadata: JsonObject,
    pub untrusted_metadata: JsonObject,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// How often the member has changed; the etag is made of it. 1: never.
    #[serde(default = "first_version")]
    pub version: i64,
}

/// An address that a member had before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetiredEmailAddress {
    /// Identifies the address.
    pub email_id: EmailId,
    /// The address.
    pub email_address: EmailAddress,
}

/// How a caller names a member of an organization.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberName {
    /// By its id.
    Id(MemberId),
    /// By its external id.
    ExternalId(ExternalId),
}

/// A member's account at an OAuth provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented by the proto message OauthRegistration")]
pub struct OauthRegistration {
    pub id: OauthRegistrationId,
    pub provider_type: String,
    pub provider_subject: String,
}

impl OauthRegistration {
    /// Whether it is that of the account that a factor is about.
    #[must_use]
    pub fn is_of(&self, factor: &VerifiedFactor) -> bool {
        Some(self.provider_type.as_str()) == factor.kind.provider_type()
            && Some(&self.provider_subject) == factor.provider_subject.as_ref()
    }
}

/// Why a member holds a role.
#[derive(Clone, Debug, PartialEq)]
pub enum RoleSource {
    /// Everybody's role, or assigned to this member.
    Direct,
    /// By the domain of the member's address.
    EmailDomain(EmailDomain),
}

/// A role that a member holds, with every reason.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveRole {
    /// The role.
    pub role_id: String,
    /// Why.
    pub sources: Vec<RoleSource>,
}

impl Member {
    /// The registration of the OAuth account that a factor is about.
    #[must_use]
    pub fn registration(&self, factor: &VerifiedFactor) -> Option<&OauthRegistration> {
        self.oauth_registrations.iter().find(|registration| registration.is_of(factor))
    }

    /// Takes the phone number away, and its place as the default method.
    pub fn remove_phone_number(&mut self) {
        self.mfa_phone_number = None;
        self.mfa_phone_number_verified = false;
        self.default_mfa_method = self.default_mfa_method.filter(|method| *method != MfaMethod::SmsOtp);
    }

    /// The ids of [`Member::roles`].
    #[must_use]
    pub fn role_ids(&self, by_domain: &[RoleAssignment]) -> Vec<String> {
        self.roles(by_domain).into_iter().map(|role| role.role_id).collect()
    }

    /// Whether the member holds [`ADMIN_ROLE`], for whatever reason.
    #[must_use]
    pub fn is_admin(&self, by_domain: &[RoleAssignment]) -> bool {
        self.roles(by_domain).iter().any(|role| role.role_id == ADMIN_ROLE)
    }

    /// The roles that the member holds: everybody's, the assigned ones, and those that the
    /// organization gives to the domain of the address once the address is verified.
    #[must_use]
    pub fn roles(&self, by_domain: &[RoleAssignment]) -> Vec<EffectiveRole> {
        let mut roles =
            vec![EffectiveRole { role_id: MEMBER_ROLE.to_owned(), sources: vec![RoleSource::Direct] }];
        let assigned = self.assigned_roles.iter().map(|role_id| (role_id, RoleSource::Direct));
        let implicit = by_domain
            .iter()
            .filter(|assignment| {
                self.email_address_verified && assignment.domain == *self.email_address.domain()
            })
            .map(|assignment| (&assignment.role_id, RoleSource::EmailDomain(assignment.domain.clone())));
        for (role_id, source) in assigned.chain(implicit) {
            match roles.iter_mut().find(|role| role.role_id == *role_id) {
                Some(role) => role.sources.push(source),
                None => roles.push(EffectiveRole { role_id: role_id.clone(), sources: vec![source] }),
            }
        }
        roles
    }
}
