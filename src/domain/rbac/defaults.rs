//! The roles and resources that every policy has.

use super::{EVERY_ACTION, Permission, RbacPolicy, Resource, Role};
use crate::domain::member::{ADMIN_ROLE, MEMBER_ROLE};

const ORGANIZATION: &str = "stytch.organization";
const MEMBER: &str = "stytch.member";
const SELF: &str = "stytch.self";
const SSO: &str = "stytch.sso";
const SCIM: &str = "stytch.scim";

/// Each resource with what it is and what can be done with it.
const RESOURCES: [(&str, &str, &[&str]); 5] = [
    (
        ORGANIZATION,
        "The member's organization.",
        &[
            "update.info.name",
            "update.info.slug",
            "update.info.logo-url",
            "update.settings.allowed-auth-methods",
            "update.settings.allowed-mfa-methods",
            "update.settings.email-jit-provisioning",
            "update.settings.email-invites",
            "update.settings.allowed-domains",
            "update.settings.default-sso-connection",
            "update.settings.sso-jit-provisioning",
            "update.settings.mfa-policy",
            "update.settings.implicit-roles",
            "update.settings.oauth-tenant-jit-provisioning",
            "update.settings.allowed-oauth-tenants",
            "delete",
        ],
    ),
    (
        MEMBER,
        "Any member of the member's organization.",
        &[
            "create",
            "update.info.name",
            "update.info.email",
            "update.info.untrusted-metadata",
            "update.info.mfa-phone",
            "update.info.delete.mfa-phone",
            "update.info.delete.mfa-totp",
            "update.info.delete.password",
            "update.settings.is-breakglass",
            "update.settings.mfa-enrolled",
            "update.settings.default-mfa-method",
            "update.settings.roles",
            "search",
            "delete",
            "revoke-sessions",
        ],
    ),
    (
        SELF,
        "The member.",
        &[
            "update.info.name",
            "update.info.email",
            "update.info.untrusted-metadata",
            "update.info.mfa-phone",
            "update.info.delete.mfa-phone",
            "update.info.delete.mfa-totp",
            "update.info.delete.password",
            "update.settings.mfa-enrolled",
            "update.settings.default-mfa-method",
            "revoke-sessions",
            "delete",
        ],
    ),
    (SSO, "The SSO connections of the member's organization.", &["create", "get", "update", "delete"]),
    (SCIM, "The SCIM connection of the member's organization.", &["create", "get", "update", "delete"]),
];

/// Each role with what it is and the resources that it may do everything with.
const ROLES: [(&str, &str, &[&str]); 2] = [
    (MEMBER_ROLE, "Held by every member.", &[SELF]),
    (ADMIN_ROLE, "May do everything in the organization.", &[ORGANIZATION, MEMBER, SSO, SCIM]),
];

impl Default for RbacPolicy {
    fn default() -> Self {
        let everything = |resource_id: &&str| Permission {
            resource_id: (*resource_id).to_owned(),
            actions: vec![EVERY_ACTION.to_owned()],
        };
        let roles = ROLES.map(|(role_id, description, resources)| Role {
            role_id: role_id.to_owned(),
            description: description.to_owned(),
            permissions: resources.iter().map(everything).collect(),
        });
        let resources = RESOURCES.map(|(resource_id, description, actions)| Resource {
            resource_id: resource_id.to_owned(),
            description: description.to_owned(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        });
        Self { roles: roles.into(), resources: resources.into() }
    }
}
