//! The file of roles: a policy that is read keeps its rules, and takes nothing away from the default one.

use vestibule::domain::member::MEMBER_ROLE;
use vestibule::domain::rbac::{
    EVERY_ACTION, MAX_ACTIONS, MAX_DESCRIPTION, MAX_ROLES, RbacPolicy, Resource, Role, RoleError, is_id,
};

/// Checks the text of a file.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let policy = match RbacPolicy::parse(text) {
        Ok(policy) => policy,
        // A fault is told in a line or two, whatever the file has.
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let default = RbacPolicy::default();
    assert!(policy.roles().len() <= default.roles().len() + MAX_ROLES);
    assert_eq!(policy.resources()[..default.resources().len()], *default.resources());
    for own in default.roles() {
        assert!(policy.roles().iter().any(|role| covers(role, own)), "{} has lost something", own.role_id);
    }
    for (index, role) in policy.roles().iter().enumerate() {
        check_role(&policy, role);
        assert!(policy.roles()[..index].iter().all(|other| other.role_id != role.role_id));
    }
    for (index, resource) in policy.resources().iter().enumerate() {
        assert!(is_id(&resource.resource_id), "{resource:?}");
        assert!((1..=MAX_ACTIONS).contains(&resource.actions.len()), "{resource:?}");
        let named = |other: &Resource| other.resource_id == resource.resource_id;
        assert!(!policy.resources()[..index].iter().any(named), "{resource:?}");
    }
}

fn check_role(policy: &RbacPolicy, role: &Role) {
    assert!(is_id(&role.role_id) && role.description.chars().count() <= MAX_DESCRIPTION, "{role:?}");
    let expected = if role.role_id == MEMBER_ROLE { Err(RoleError::Everybodys) } else { Ok(()) };
    assert_eq!(policy.assignable(&role.role_id), expected);
    let held = [role.role_id.clone()];
    for permission in &role.permissions {
        let known = policy.resources().iter().find(|known| known.resource_id == permission.resource_id);
        let resource = known.unwrap_or_else(|| panic!("{permission:?} is about nothing"));
        assert!(!permission.actions.is_empty(), "{permission:?}");
        for action in &permission.actions {
            assert!(action == EVERY_ACTION || resource.actions.contains(action), "{permission:?}");
            assert_eq!(policy.granting(&held, &permission.resource_id, action), [&role.role_id]);
        }
    }
}

/// Whether a role permits all that another does.
fn covers(role: &Role, own: &Role) -> bool {
    role.role_id == own.role_id
        && own.permissions.iter().all(|permission| role.permissions.contains(permission))
}
