//! The roles that requests assign.

use super::Violations;
use crate::api::Api;
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
