//! The roles that requests assign.

use super::Violations;
use crate::api::Api;
use crate::domain::member::MAX_ROLES;
use crate::domain::rbac::RoleError;
use crate::domain::reason::Reason;

/// Takes the id of a role that can be assigned, or notes why it can't be.
pub(super) fn role(
    api: &Api,
    violations: &mut Violations,
    path: impl Into<String>,
    role_id: String,
) -> Option<String> {
    let Err(error) = api.rbac.assignable(&role_id) else {
        return Some(role_id);
    };
    let reason = match error {
        RoleError::Everybodys => Reason::CannotAssignDefaultRbacRoleId,
        RoleError::Unknown => Reason::InvalidRbacRoleId,
    };
    violations.add(path, reason, error);
    None
}

/// Takes the ids of the roles to assign to a member, none twice.
pub(super) fn roles(api: &Api, violations: &mut Violations, sent: Vec<String>) -> Vec<String> {
    if sent.len() > MAX_ROLES {
        violations.add("roles", Reason::TooManyRoles, format!("has more than {MAX_ROLES} roles"));
        return Vec::new();
    }
    let mut roles = Vec::new();
    for (index, role_id) in sent.into_iter().enumerate() {
        let path = format!("roles[{index}]");
        let Some(role_id) = role(api, violations, &path, role_id) else { continue };
        if roles.contains(&role_id) {
            violations.add(path, Reason::InvalidRbacRoleAssignment, "is listed twice");
        } else {
            roles.push(role_id);
        }
    }
    roles
}
