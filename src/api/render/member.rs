//! Members.

use super::{object, timestamp};
use crate::domain::ids::Environment;
use crate::domain::json::JsonObject;
use crate::domain::member::{ADMIN_ROLE, EffectiveRole, Member, RoleSource};
use crate::domain::organization::Organization;
use crate::pb;
use crate::tokens::etag::etag;

pub(in crate::api) fn member(
    member: &Member,
    organization: &Organization,
    environment: Environment,
) -> pb::Member {
    let roles = member.roles(&organization.settings.rbac_email_implicit_role_assignments);
    pb::Member {
        organization_id: member.organization_id.text(environment),
        member_id: member.id.text(environment),
        email_address: member.email_address.as_str().to_owned(),
        status: member.status.as_str().to_owned(),
        name: member.name.clone(),
        email_address_verified: member.email_address_verified,
        is_breakglass: member.is_breakglass,
        is_admin: roles.iter().any(|role| role.role_id == ADMIN_ROLE),
        roles: roles.iter().map(role).collect(),
        mfa_enrolled: member.mfa_enrolled,
        oauth_registrations: member
            .oauth_registrations
            .iter()
            .map(|registration| pb::OauthRegistration {
                provider_type: registration.provider_type.clone(),
                provider_subject: registration.provider_subject.clone(),
                member_oauth_registration_id: registration.id.text(environment),
                profile_picture_url: None,
                locale: None,
            })
            .collect(),
        trusted_metadata: Some(object(&member.trusted_metadata)),
        untrusted_metadata: Some(object(&member.untrusted_metadata)),
        created_at: Some(timestamp(member.created_at)),
        updated_at: Some(timestamp(member.updated_at)),
        external_id: member.external_id.as_ref().map(|external_id| external_id.as_str().to_owned()),
        retired_email_addresses: member
            .retired_email_addresses
            .iter()
            .map(|retired| pb::RetiredEmailAddress {
                email_id: retired.email_id.text(environment),
                email_address: retired.email_address.as_str().to_owned(),
            })
            .collect(),
        mfa_phone_number: member
            .mfa_phone_number
            .as_ref()
            .map_or_else(String::new, |number| number.as_str().to_owned()),
        mfa_phone_number_verified: member.mfa_phone_number_verified,
        default_mfa_method: member
            .default_mfa_method
            .map_or_else(String::new, |method| method.as_str().to_owned()),
        etag: etag(member.id.uuid(), member.version),
        // Nothing writes these yet.
        member_password_id: String::new(),
        totp_registration_id: String::new(),
        is_locked: false,
        lock_created_at: None,
        lock_expires_at: None,
        sso_registrations: Vec::new(),
        scim_registration: None,
    }
}

fn role(role: &EffectiveRole) -> pb::MemberRole {
    pb::MemberRole { role_id: role.role_id.clone(), sources: role.sources.iter().map(source).collect() }
}

fn source(source: &RoleSource) -> pb::MemberRoleSource {
    let mut details = JsonObject::new();
    let kind = match source {
        RoleSource::Direct => "direct_assignment",
        RoleSource::EmailDomain(domain) => {
            details.insert("email_domain".to_owned(), domain.as_str().into());
            "email_assignment"
        }
    };
    pb::MemberRoleSource { r#type: kind.to_owned(), details: Some(object(&details)) }
}
